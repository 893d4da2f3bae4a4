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
    /// Embeddings of clips of its labels, for learning new labels: a NumPy array of float16, one row a clip, the label's number
    /// before the embedding. Empty where the network has no embedding.
    pub embeddings: &'static [u8],
}

/// Embeddings of clips of the default model's labels, as NumPy's `.npy`: float16 (clips, 1 + width), column 0 the number of the clip's
/// label, from 0, the others the mean embedding of its windows.
pub const DEFAULT_EMBEDDINGS: &[u8] = include_bytes!("default.embeddings.npy");

/// The network of `default` and of the models that show the same scores otherwise.
const DEFAULT: &[u8] = include_bytes!("default.onnx");
const DEFAULT_LABELS: &str = include_str!("default.labels.txt");

/// One line a model.
static ALL: &[Files] = &[
    Files::new("default", include_str!("default.toml"), DEFAULT_LABELS, DEFAULT),
    Files::new("sure", include_str!("sure.toml"), DEFAULT_LABELS, DEFAULT),
    Files::new("audioset", include_str!("audioset.toml"), include_str!("audioset.labels.txt"), DEFAULT),
    Files::new("small", include_str!("small.toml"), include_str!("small.labels.txt"), include_bytes!("small.onnx")),
];

impl Files {
    const fn new(name: &'static str, manifest: &'static str, labels: &'static str, onnx: &'static [u8]) -> Self {
        Self { name, manifest, labels, onnx, embeddings: &[] }
    }
}

/// The built-in model of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Files> {
    ALL.iter().find(|files| files.name == name)
}

/// The names of all.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|files| files.name)
}
