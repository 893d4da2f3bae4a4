// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of embeddings that comes with a model: those of clips of its labels, against which `learn` evaluates a new one.
//! Built in, or the file `NAME.embeddings.npy` beside the manifest; one row a clip: the label's number, then its embedding.

use std::path::{Path, PathBuf};

use soundclassify_core::model::{Manifest, builtin};

use crate::{
    atomic_file::WholeFile,
    exit::{Failure, Result},
    learn::Clip,
    npy,
};

/// The rows of a table; none if the model has none.
#[derive(Debug, Default)]
pub(crate) struct Table {
    path: PathBuf,
    /// Number of values of a row; 0 without rows.
    width: usize,
    values: Vec<f32>,
}

/// The path of a manifest's table.
pub(crate) fn path_of(manifest: &Path) -> PathBuf {
    manifest.with_extension("embeddings.npy")
}

/// The file of a model's table; `None` if it has none.
pub(crate) fn bytes(manifest: &Manifest) -> Result<Option<Vec<u8>>> {
    let path = path_of(&manifest.path);
    match builtin::embeddings(&manifest.name) {
        Some(table) if !manifest.path.exists() => Ok(Some(table.to_vec())),
        _ if path.exists() => {
            std::fs::read(&path).map(Some).map_err(|error| Failure::io("table of embeddings", &path, &error))
        }
        _ => Ok(None),
    }
}

impl Table {
    pub(crate) fn of(manifest: &Manifest) -> Result<Self> {
        let path = path_of(&manifest.path);
        let Some(bytes) = bytes(manifest)? else { return Ok(Self { path, ..Self::default() }) };
        let wrong = |why: String| Failure::Failed(format!("{}: {why}", path.display()));
        match npy::read(&bytes).map_err(wrong)? {
            (shape, values) if shape.len() == 2 && shape[1] > 1 => Ok(Self { width: shape[1], values, path }),
            (shape, _) => Err(wrong(format!("expected rows of a label and its embedding, found the shape {shape:?}"))),
        }
    }

    /// Its clips, with the names of these labels, for a network with an embedding of so many values.
    pub(crate) fn clips(&self, labels: &[String], values: usize) -> Result<Vec<Clip>> {
        let wrong = |why: String| Failure::Failed(format!("{}: {why}", self.path.display()));
        if self.width > 0 && self.width != values + 1 {
            let found = self.width - 1;
            return Err(wrong(format!("expected embeddings of {values} values, as the network has, found {found}")));
        }
        let clip = |row: &[f32]| match labels.get(row[0] as usize).filter(|_| row[0] >= 0.0 && row[0].fract() == 0.0) {
            Some(name) => Ok(Clip { name: name.clone(), vectors: vec![row[1..].to_vec()], is_background: false }),
            None => Err(wrong(format!("the model has no label {}", row[0]))),
        };
        self.values.chunks_exact(self.width.max(1)).map(clip).collect()
    }

    /// The table of this manifest, with a row for each recording of further labels, whose numbers follow `labels`.
    pub(crate) fn extended(&self, manifest: &Path, labels: usize, recordings: &[Vec<Clip>]) -> WholeFile {
        let numbered = recordings.iter().enumerate().flat_map(|(at, clips)| clips.iter().map(move |clip| (at, clip)));
        let rows: Vec<Vec<f32>> = numbered
            .map(|(at, clip)| std::iter::once((labels + at) as f32).chain(mean(&clip.vectors)).collect())
            .collect();
        let width = rows.first().map_or(self.width, Vec::len);
        let values = [&self.values[..], &rows.concat()].concat();
        WholeFile { what: "table of embeddings", path: path_of(manifest), content: npy::whole(&[width], &values) }
    }
}

fn mean(vectors: &[Vec<f32>]) -> Vec<f32> {
    let mut mean = vec![0.0; vectors.first().map_or(0, Vec::len)];
    for vector in vectors {
        for (mean, value) in mean.iter_mut().zip(vector) {
            *mean += value / vectors.len() as f32;
        }
    }
    mean
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use soundclassify_core::model::{EngineOptions, Model, load_embedding};

    use super::*;

    #[test]
    fn built_in_tables_have_clips_of_each_label() {
        for name in ["default", "sure", "small"] {
            let model = Model::load(name).unwrap();
            let manifest = model.manifest();
            let values = load_embedding(&model, EngineOptions::default()).unwrap().classes();
            let clips = Table::of(manifest).unwrap().clips(&manifest.labels, values).unwrap();
            let found: BTreeSet<_> = clips.iter().map(|clip| &clip.name).collect();
            assert_eq!(found, manifest.labels.iter().collect(), "{name}");
        }
    }
}
