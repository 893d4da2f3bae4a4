// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table `[check]`.

use std::path::{Path, PathBuf};

use super::{beside, section::Section};
use crate::error::Result;

/// Proof that features and network give their authors' numbers: a recording and the scores of its windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The recording, beside the manifest.
    pub audio: PathBuf,
    /// The scores, beside the manifest: an array of NumPy (`.npy`), windows × classes.
    pub scores: PathBuf,
    /// The greatest difference of a score that passes, above 0 and at most 1.
    pub tolerance: f64,
}

pub(super) fn read(section: Section<'_>, folder: &Path) -> Result<Check> {
    let audio = section.required_string("audio", "the name of a recording beside the manifest")?;
    let scores = section.required_string("scores", "the name of an .npy file beside the manifest")?;
    let check = Check {
        audio: beside(&section, "audio", folder, &audio)?,
        scores: beside(&section, "scores", folder, &scores)?,
        tolerance: section.float("tolerance", f64::MIN_POSITIVE..=1.0)?.unwrap_or(1e-3),
    };
    section.finish()?;
    Ok(check)
}
