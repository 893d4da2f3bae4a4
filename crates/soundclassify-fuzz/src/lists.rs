// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files of labels, one per line and as a column of CSV: an error or labels that are plain and unique.

use std::collections::HashSet;

use soundclassify_core::model::Manifest;

use crate::files;

const MANIFEST: &str = include_str!("../../../tests/element/test-model.toml");
const NAMES: &str = "names = [\"Bark\", \"Meow\", \"Background\"]";

/// The first byte chooses the kind of file, the others are the file.
pub(crate) fn run(bytes: &[u8]) {
    let Some((kind, list)) = bytes.split_first() else { return };
    files::write("labels.csv", list);
    let source = if kind % 2 == 0 { "file = \"labels.csv\"" } else { "csv = \"labels.csv\"\ncolumn = \"label\"" };
    let path = files::write("lists.toml", MANIFEST.replace(NAMES, source).as_bytes());
    match Manifest::load(&path) {
        Ok(manifest) => check(&manifest.labels),
        Err(error) => files::check_error(&error),
    }
}

fn check(labels: &[String]) {
    let unique: HashSet<&String> = labels.iter().collect();
    assert_eq!(unique.len(), labels.len(), "a label stands there twice");
    for label in labels {
        assert!(!label.is_empty() && !label.contains(char::is_control), "{label:?}");
    }
}
