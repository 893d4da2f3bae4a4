// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models that are part of the program.

/// The files of one.
pub(super) struct Files {
    pub(super) name: &'static str,
    pub(super) manifest: &'static str,
    pub(super) labels: &'static str,
    pub(super) onnx: &'static [u8],
}

const ALL: &[Files] = &[Files {
    name: "default",
    manifest: include_str!("../../models/default.toml"),
    labels: include_str!("../../models/default.labels.txt"),
    onnx: include_bytes!("../../models/default.onnx"),
}];

/// The built-in model of that name.
pub(super) fn find(name: &str) -> Option<&'static Files> {
    ALL.iter().find(|files| files.name == name)
}

/// The names of all.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|files| files.name)
}
