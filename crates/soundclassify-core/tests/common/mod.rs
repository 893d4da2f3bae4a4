// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests share: signals, and the parts of small networks.
#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod signal;

/// Folder of the networks that `tests/data/make_models.py` writes.
pub(crate) const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/models");

/// A manifest of a network `tiny.onnx`: windows of 4 bands by 6 frames, three labels.
pub(crate) const MANIFEST: &str = r#"
name = "tiny"
description = "A test"
licence = "MIT"
version = "1"
onnx = "tiny.onnx"
[input]
layout = "mels-frames"
channel-axis = "first"
normalize = "none"
[features]
sample-rate = 16000
window = 0.1
n-fft = 512
hop-length = 160
n-mels = 4
frames = 6
[output]
activation = "none"
[labels]
names = ["a", "b", "c"]
"#;
