// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reader of ONNX files, without ONNX Runtime.

use std::path::{Component, Path};

use soundclassify_core::model::{Model, weights};

use crate::files;

const MANIFEST: &str = include_str!("../../../tests/element/test-model.toml");

/// The bytes are the ONNX file.
pub(crate) fn run(bytes: &[u8]) {
    let locations = weights::locations(bytes);
    files::write("test.onnx", bytes);
    let path = files::write("network.toml", MANIFEST.as_bytes());
    match Model::load(path.to_str().expect("a temporary folder of plain characters")) {
        Ok(_) => {
            let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
            let outside = locations.iter().find(|location| !Path::new(location).components().all(inside));
            assert_eq!(outside, None, "weights outside the model's folder were accepted");
        }
        Err(error) => files::check_error(&error),
    }
}
