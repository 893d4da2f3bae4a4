// SPDX-License-Identifier: MIT OR Apache-2.0
//! The `[check]` of the extended model: the authors' numbers for its own labels, and for the new labels what their units
//! compute from the embeddings.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use soundclassify_core::model::Model;
use toml_edit::{DocumentMut, value};

use super::Learned;
use crate::{
    atomic_file::WholeFile,
    exit::{Failure, Result},
    npy,
    verify::CheckFiles,
    window_values::{What, WindowValues},
};

/// The check of the extended model.
pub(super) struct Extended {
    files: CheckFiles,
    /// Shape of a window, and the values of all windows.
    features: Option<(Vec<usize>, Vec<f32>)>,
    /// Scores of all labels, windows × labels.
    scores: Option<Vec<f32>>,
    labels: usize,
}

impl Extended {
    /// Extends the check of a model; `None` if it has none.
    ///
    /// # Errors
    /// Its files can't be read, or have other windows or labels than the model.
    pub(super) fn of(model: &Model, learned: &[Learned]) -> Result<Option<Self>> {
        let Some(check) = &model.manifest().check else { return Ok(None) };
        let files = CheckFiles::new(model.manifest(), check)?;
        let known = check.scores.as_ref().map(|path| files.array("check.scores", path)).transpose()?;
        let scores = known.map(|known| joined(model, &files, known, learned)).transpose()?;
        let features = check.features.as_ref().map(|path| files.array("check.features", path)).transpose()?;
        let features = features.map(|(shape, values)| (shape.get(1..).unwrap_or_default().to_vec(), values));
        let labels = model.manifest().labels.len() + learned.len();
        Ok(Some(Self { files, features, scores, labels }))
    }

    /// The files beside the manifest, with its stem; writes their names into the document.
    pub(super) fn files(&self, manifest: &Path, document: &mut DocumentMut) -> Result<Vec<WholeFile>> {
        let extension = self.files.audio.extension().and_then(OsStr::to_str).unwrap_or("wav");
        let path = beside(manifest, &format!("check.{extension}"), "audio", document);
        let audio = &self.files.audio;
        let content = std::fs::read(audio).map_err(|error| Failure::io("check.audio", audio, &error))?;
        let mut files = vec![WholeFile { what: "recording of the check", path, content }];
        if let Some((shape, values)) = &self.features {
            files.push(array(beside(manifest, "features.npy", "features", document), shape, values));
        }
        if let Some(scores) = &self.scores {
            files.push(array(beside(manifest, "check.npy", "scores", document), &[self.labels], scores));
        }
        Ok(files)
    }
}

/// The known scores of each window, and behind them those of the new labels.
fn joined(
    model: &Model,
    files: &CheckFiles,
    (shape, known): (Vec<usize>, Vec<f32>),
    learned: &[Learned],
) -> Result<Vec<f32>> {
    let values = WindowValues::new(model, What::Embedding, None, -1)?;
    let width = values.shape().iter().product::<usize>().max(1);
    let embeddings = files.values(&values)?;
    let (windows, labels) = (embeddings.len() / width, model.manifest().labels.len());
    if shape != [windows, labels] {
        let expected = format!(
            "the scores of {windows} windows and {labels} labels; write them with `soundclassify features --scores`"
        );
        return Err(files.wrong("check.scores", &expected, format!("an array of the shape {shape:?}")));
    }
    let rows = known.chunks_exact(labels).zip(embeddings.chunks_exact(width));
    let new = |embedding| learned.iter().map(move |learned| learned.judged.unit.probability(embedding) as f32);
    Ok(rows.flat_map(|(known, embedding)| known.iter().copied().chain(new(embedding))).collect())
}

/// The path of a file with the manifest's stem, whose name becomes a value of `[check]`.
fn beside(manifest: &Path, extension: &str, key: &str, document: &mut DocumentMut) -> PathBuf {
    let path = manifest.with_extension(extension);
    document["check"][key] =
        value(path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default());
    path
}

fn array(path: PathBuf, item: &[usize], values: &[f32]) -> WholeFile {
    WholeFile { what: "array of the check", path, content: npy::whole(item, values) }
}
