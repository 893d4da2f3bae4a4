// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table `[check]`.

use std::path::{Path, PathBuf};

use super::{beside, section::Section};
use crate::error::Result;

/// A check of features and network: a recording and the known values of its windows, as many per second as
/// [`Defaults::oversamples`](super::Defaults::oversamples), or else 10.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The recording, beside the manifest.
    pub audio: PathBuf,
    /// The windows, f32 before they take the network's element type, beside the manifest: an array of NumPy (`.npy`),
    /// windows × the shape of a window. At least one of this and `scores` is given.
    pub features: Option<PathBuf>,
    /// The scores, beside the manifest: an array of NumPy (`.npy`), windows × classes.
    pub scores: Option<PathBuf>,
    /// Maximum difference of a value, above 0 and at most 1.
    pub tolerance: f64,
}

pub(super) fn read(section: Section<'_>, folder: &Path) -> Result<Check> {
    let audio = section.required_string("audio", "the name of a recording beside the manifest")?;
    let file = |key: &'static str| {
        let name = section.string(key)?;
        name.map(|name| beside(&section, key, folder, &name)).transpose()
    };
    let check = Check {
        audio: beside(&section, "audio", folder, &audio)?,
        features: file("features")?,
        scores: file("scores")?,
        tolerance: section.float("tolerance", f64::MIN_POSITIVE..=1.0)?.unwrap_or(1e-3),
    };
    if check.features.is_none() && check.scores.is_none() {
        return Err(section.missing("scores", "the name of an .npy file beside the manifest, here or in features"));
    }
    section.finish()?;
    Ok(check)
}
