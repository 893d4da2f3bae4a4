// SPDX-License-Identifier: MIT OR Apache-2.0
//! Manifests: an error or a manifest whose values keep their limits.

use soundclassify_core::{frontend::Frontend, model::Manifest};

use crate::files;

/// Values of a window for which a front end is made, too; larger ones cost memory and time only.
const SMALL: usize = 1 << 16;

/// The bytes are the manifest.
pub(crate) fn run(bytes: &[u8]) {
    files::write("labels.txt", b"Bark\nMeow\n");
    let path = files::write("fuzz.toml", bytes);
    match Manifest::load(&path) {
        Ok(manifest) => check(&manifest),
        Err(error) => files::check_error(&error),
    }
}

fn check(manifest: &Manifest) {
    assert!(!manifest.labels.is_empty());
    assert!(manifest.onnx.starts_with(manifest.path.parent().expect("a file in a folder")));
    let features = &manifest.features;
    let values = features.shape().iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    assert_eq!(values, Some(features.len()), "{:?}", features.shape());
    if features.len() <= SMALL && features.window <= SMALL {
        let mut windows = 0;
        let mut frontend = Frontend::new(features, 1);
        frontend.push(&vec![0.25; 2 * features.window], &mut |_| windows += 1);
        frontend.finish(&mut |_| windows += 1);
        assert!(windows > 0, "two windows of samples yield none");
    }
}
