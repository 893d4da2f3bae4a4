// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models that are part of the program.

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
    manifest: include_str!("../../models/default.toml"),
    labels: include_str!("../../models/default.labels.txt"),
    onnx: include_bytes!("../../models/default.onnx"),
};

const ALL: &[Files] = &[
    DEFAULT,
    Files { name: "sure", manifest: include_str!("../../models/sure.toml"), ..DEFAULT },
    Files {
        name: "small",
        manifest: include_str!("../../models/small.toml"),
        labels: include_str!("../../models/small.labels.txt"),
        onnx: include_bytes!("../../models/small.onnx"),
    },
];

/// The built-in model of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Files> {
    ALL.iter().find(|files| files.name == name)
}

/// The names of all.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|files| files.name)
}
