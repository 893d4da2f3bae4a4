// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a manifest's `[check]`: whether features and network give their authors' numbers.

use std::{
    fmt,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::Serialize;
use soundclassify_core::model::{Check, Manifest, Model};
use tempfile::TempDir;

use crate::{
    exit::{Failure, Result},
    model_files::ModelFiles,
    npy,
    window_values::{Problem, What, WindowValues},
};

/// What the check of a model found.
#[derive(Debug, Serialize)]
pub(crate) struct Verification {
    model: String,
    audio: String,
    parts: Vec<Part>,
}

/// The features or the scores.
#[derive(Debug, Serialize)]
struct Part {
    part: &'static str,
    file: String,
    /// Shape of the authors' array, windows first.
    expected_shape: Vec<usize>,
    /// Shape of ours.
    found_shape: Vec<usize>,
    /// Where both differ most; `None` where the shapes differ.
    worst: Option<Worst>,
    tolerance: f64,
    passes: bool,
}

/// The value that differs most.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Worst {
    window: usize,
    /// The label, or the index within the window.
    at: String,
    expected: f32,
    found: f32,
    difference: f32,
}

impl Verification {
    /// Whether all parts pass.
    pub(crate) fn passes(&self) -> bool {
        self.parts.iter().all(|part| part.passes)
    }

    /// Largest difference of all parts; infinite where shapes differ.
    pub(crate) fn difference(&self) -> f32 {
        let differences = self.parts.iter().map(|part| part.worst.as_ref().map_or(f32::INFINITY, |it| it.difference));
        differences.fold(0.0, f32::max)
    }
}

/// Runs the check of a model.
///
/// # Errors
/// The manifest has no `[check]`, its files can't be read, or the network fails.
pub(crate) fn run(model: &Model) -> Result<Verification> {
    let manifest = model.manifest();
    let Some(check) = &manifest.check else {
        return Err(Failure::Failed(format!(
            "{}: check: expected a table [check] with a recording and the known scores or features of its windows, \
            found none; `soundclassify features --scores` writes scores",
            manifest.path.display()
        )));
    };
    let files = CheckFiles::new(manifest, check)?;
    let mut parts = Vec::new();
    for (part, what, path) in [("features", What::Input, &check.features), ("scores", What::Scores, &check.scores)] {
        if let Some(path) = path {
            let key = format!("check.{part}");
            let expected = files.array(&key, path)?;
            parts.push(compare(model, part, what, &files, path, expected, check.tolerance)?);
        }
    }
    Ok(Verification { model: manifest.name.clone(), audio: check.audio.display().to_string(), parts })
}

fn compare(
    model: &Model,
    part: &'static str,
    what: What,
    files: &CheckFiles,
    path: &Path,
    (expected_shape, expected): (Vec<usize>, Vec<f32>),
    tolerance: f64,
) -> Result<Part> {
    let values = WindowValues::new(model, what, None, -1)?;
    let item = values.shape();
    let found = files.values(&values)?;
    let length = item.iter().product::<usize>().max(1);
    let found_shape = [&[found.len() / length], &item[..]].concat();
    // An axis of length 1, such as that of the channel, makes no difference.
    let plain = |shape: &[usize]| {
        shape[..1].iter().chain(shape[1..].iter().filter(|axis| **axis != 1)).copied().collect::<Vec<_>>()
    };
    let same_shape = !expected_shape.is_empty() && plain(&expected_shape) == plain(&found_shape);
    let labels = &model.manifest().labels;
    let name = |at: usize| if what == What::Scores { labels[at].clone() } else { format!("value {at}") };
    let worst = same_shape.then(|| worst(&expected, &found, length, &name));
    let passes = worst.as_ref().is_some_and(|worst| f64::from(worst.difference) <= tolerance);
    let file = path.display().to_string();
    Ok(Part { part, file, expected_shape, found_shape, worst, tolerance, passes })
}

/// The value that differs most; one that is no number differs infinitely.
fn worst(expected: &[f32], found: &[f32], length: usize, name: &dyn Fn(usize) -> String) -> Worst {
    let difference = |(expected, found): (&f32, &f32)| {
        let difference = (expected - found).abs();
        if difference.is_nan() { f32::INFINITY } else { difference }
    };
    let differences = expected.iter().zip(found).map(difference).enumerate().rev();
    let (at, difference) = differences.max_by(|left, right| left.1.total_cmp(&right.1)).unwrap_or((0, 0.0));
    let [expected, found] = [expected, found].map(|values| values.get(at).copied().unwrap_or_default());
    Worst { window: at / length, at: name(at % length), expected, found, difference }
}

/// The files that a check names, as files: those of a built-in model are written for the time of the check.
pub(crate) struct CheckFiles {
    manifest: Manifest,
    files: ModelFiles,
    /// The recording.
    pub(crate) audio: PathBuf,
    _folder: Option<TempDir>,
}

impl CheckFiles {
    /// The files of a check of this manifest.
    ///
    /// # Errors
    /// The recording does not exist.
    pub(crate) fn new(manifest: &Manifest, check: &Check) -> Result<Self> {
        let files = ModelFiles::of(manifest);
        let (audio, folder) = match &files {
            ModelFiles::Disk { .. } => (check.audio.clone(), None),
            ModelFiles::Program(_) => {
                let io = |error: io::Error| Failure::io("check.audio", &check.audio, &error);
                let folder = tempfile::tempdir().map_err(io)?;
                let path = folder.path().join(&check.audio);
                let content = content(&files, &check.audio).map_err(io)?;
                std::fs::write(&path, content).map_err(io)?;
                (path, Some(folder))
            }
        };
        let files = Self { manifest: manifest.clone(), files, audio, _folder: folder };
        match instead_of_file(&files.audio) {
            Some(found) => Err(files.wrong("check.audio", &format!("a recording {BESIDE} or correct the name"), found)),
            None => Ok(files),
        }
    }

    /// The error of a key of `[check]`.
    pub(crate) fn wrong(&self, key: &str, expected: &str, found: impl Into<String>) -> Failure {
        Failure::Failed(self.manifest.error(key, expected, found).to_string())
    }

    /// The values of the recording's windows.
    ///
    /// # Errors
    /// The recording can't be decoded, or the network fails.
    pub(crate) fn values(&self, values: &WindowValues) -> Result<Vec<f32>> {
        let expected = "a recording with audio that can be decoded; replace it";
        values.of_whole(&self.audio.to_string_lossy()).map_err(|problem| match problem {
            Problem::Recording(Failure::Failed(why)) => self.wrong("check.audio", expected, why),
            other => other.into(),
        })
    }

    /// The authors' array: its shape and values.
    ///
    /// # Errors
    /// The file can't be read, or is no array.
    pub(crate) fn array(&self, key: &str, path: &Path) -> Result<(Vec<usize>, Vec<f32>)> {
        let option = if key == "check.scores" { " --scores" } else { "" };
        let written =
            format!("an .npy file {BESIDE}, correct the name, or write it with `soundclassify features{option}`");
        let unreadable = |error: io::Error| self.wrong(key, &written, format!("{}: {error}", path.display()));
        let bytes = match &self.files {
            ModelFiles::Disk { .. } => match instead_of_file(path) {
                Some(found) => return Err(self.wrong(key, &written, found)),
                None => std::fs::read(path),
            },
            ModelFiles::Program(_) => content(&self.files, path),
        };
        let read = npy::read(&bytes.map_err(unreadable)?);
        read.map_err(|found| self.wrong(key, npy::EXPECTED, format!("{}: {found}", path.display())))
    }
}

/// What is expected of a file that `[check]` names.
const BESIDE: &str = "beside the manifest: copy it there";

/// What is found at a path that is no file.
fn instead_of_file(path: &Path) -> Option<String> {
    let shown = path.display();
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => None,
        Ok(metadata) if metadata.is_dir() => Some(format!("the folder {shown}")),
        Ok(_) => Some(format!("{shown}, which is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(format!("no file {shown}")),
        Err(error) => Some(format!("{shown}: {error}")),
    }
}

/// A file that is part of the program.
fn content(files: &ModelFiles, path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let opened = files.open(&path.to_string_lossy());
    opened.map_err(|failure| io::Error::other(failure.to_string()))?.1.read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "check     {}", self.audio)?;
        self.parts.iter().try_for_each(|part| writeln!(f, "{part}"))?;
        write!(f, "verified  {}", if self.passes() { "yes" } else { "no" })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, file, expected_shape, found_shape, worst, tolerance, passes } = self;
        write!(f, "{part:<9} expected {expected_shape:?} of {file}, found {found_shape:?}")?;
        let Some(Worst { window, at, expected, found, difference }) = worst else {
            return write!(
                f,
                ": the windows differ in number or shape; check [features], [input] and the length of the recording"
            );
        };
        write!(f, "; largest difference {difference:.2e} (window {window}, {at}: expected {expected}, found {found})")?;
        write!(f, ", tolerance {tolerance:e}: {}", if *passes { "passes" } else { "differs" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_that_differs_most_is_named() {
        let name = |at: usize| format!("label {at}");

        let found = worst(&[0.1, 0.2, 0.3, 0.4], &[0.1, 0.25, 0.3, 0.41], 2, &name);
        let nan = worst(&[0.1, f32::NAN], &[0.1, 0.2], 2, &name);

        assert_eq!((found.window, &*found.at, found.expected, found.found), (0, "label 1", 0.2, 0.25));
        assert_eq!((nan.difference, &*nan.at), (f32::INFINITY, "label 1"));
    }
}
