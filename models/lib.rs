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
    /// The recording of its `[check]`.
    pub check_audio: &'static [u8],
    /// The scores of that recording's windows that `[check]` expects, as NumPy's `.npy`.
    pub check_scores: &'static [u8],
}

/// The network of `default` and of the models that show the same scores otherwise.
const DEFAULT: &[u8] = include_bytes!("default.onnx");
const DEFAULT_LABELS: &str = include_str!("default.labels.txt");

const DEFAULT_SCORES: &[u8] = include_bytes!("default.check.npy");
const CHECK_AUDIO: &[u8] = include_bytes!("check.wav");

static ALL: &[Files] = &[
    Files::new("default", include_str!("default.toml"), DEFAULT_LABELS, DEFAULT, DEFAULT_SCORES),
    Files::new("sure", include_str!("sure.toml"), DEFAULT_LABELS, DEFAULT, DEFAULT_SCORES),
    Files::new(
        "audioset",
        include_str!("audioset.toml"),
        include_str!("audioset.labels.txt"),
        DEFAULT,
        include_bytes!("audioset.check.npy"),
    ),
    Files::new(
        "small",
        include_str!("small.toml"),
        include_str!("small.labels.txt"),
        include_bytes!("small.onnx"),
        include_bytes!("small.check.npy"),
    ),
];

impl Files {
    const fn new(
        name: &'static str,
        manifest: &'static str,
        labels: &'static str,
        onnx: &'static [u8],
        check_scores: &'static [u8],
    ) -> Self {
        Self { name, manifest, labels, onnx, check_audio: CHECK_AUDIO, check_scores }
    }

    /// The content of a file that the manifest names.
    #[must_use]
    pub fn file(&self, name: &str) -> &'static [u8] {
        match name {
            _ if name.ends_with(".onnx") => self.onnx,
            _ if name.ends_with(".wav") => self.check_audio,
            _ if name.ends_with(".npy") => self.check_scores,
            _ => self.labels.as_bytes(),
        }
    }
}

/// The built-in model of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Files> {
    ALL.iter().find(|files| files.name == name)
}

/// Embeddings of clips of a built-in model's labels, as NumPy's `.npy`: float16 (clips, 1 + width), column 0 the number of the clip's
/// label, from 0, the others the mean embedding of its windows. `None` where a model has no such table.
#[must_use]
pub fn embeddings(name: &str) -> Option<&'static [u8]> {
    match name {
        "default" | "sure" => Some(include_bytes!("default.embeddings.npy")),
        "small" => Some(include_bytes!("small.embeddings.npy")),
        _ => None,
    }
}

/// The names of all.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|files| files.name)
}
