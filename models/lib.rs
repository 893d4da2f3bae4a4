// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models that are part of the program.

#![forbid(unsafe_code)]

/// The files of one.
#[derive(Debug, Clone, Copy)]
pub struct Files {
    /// Value of the property `model`.
    pub name: &'static str,
    /// Text of the manifest.
    pub manifest: &'static str,
    /// Text of the label file that the manifest names.
    pub labels: &'static str,
    /// The network.
    pub onnx: &'static [u8],
}

const DEFAULT: Files = Files {
    name: "default",
    manifest: include_str!("default.toml"),
    labels: include_str!("default.labels.txt"),
    onnx: include_bytes!("default.onnx"),
};

const ALL: &[Files] = &[
    DEFAULT,
    Files { name: "sure", manifest: include_str!("sure.toml"), ..DEFAULT },
    Files {
        name: "small",
        manifest: include_str!("small.toml"),
        labels: include_str!("small.labels.txt"),
        onnx: include_bytes!("small.onnx"),
    },
];

/// The built-in model of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Files> {
    ALL.iter().find(|files| files.name == name)
}

/// The names of all.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|files| files.name)
}
