// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files for one input, in a folder that each thread keeps.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

thread_local! {
    static FOLDER: TempDir = tempfile::tempdir().expect("a folder for temporary files");
}

/// Writes a file of this name and returns its path.
pub(crate) fn write(name: &str, bytes: &[u8]) -> PathBuf {
    FOLDER.with(|folder| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("the folder takes a file");
        path
    })
}

/// An error's text names its cause in one piece: nobody can act on an empty one.
pub(crate) fn check_error(error: &soundclassify_core::Error) {
    assert!(!error.to_string().trim().is_empty(), "an error without a text: {error:?}");
}
