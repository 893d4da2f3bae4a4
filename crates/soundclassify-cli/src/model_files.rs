// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files that a model consists of, wherever they are.

use std::{
    fs::File,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use soundclassify_core::model::{Manifest, builtin, weights};
use toml_edit::{DocumentMut, Item};

use crate::exit::{Failure, Result};

/// Where manifest, network and labels come from.
pub(crate) enum ModelFiles {
    /// Files beside a manifest.
    Disk {
        /// Path of the manifest.
        manifest: PathBuf,
    },
    /// A model that is part of the program.
    Program(&'static builtin::Files),
}

impl ModelFiles {
    /// The files of a model that was loaded.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        match builtin::find(&manifest.name).filter(|_| !manifest.path.exists()) {
            Some(files) => Self::Program(files),
            None => Self::Disk { manifest: manifest.path.clone() },
        }
    }

    /// Text of the manifest.
    pub(crate) fn text(&self) -> Result<String> {
        match self {
            Self::Program(files) => Ok(files.manifest.to_owned()),
            Self::Disk { manifest } => {
                std::fs::read_to_string(manifest).map_err(|error| Failure::io("manifest", manifest, &error))
            }
        }
    }

    /// The manifest, comments included.
    pub(crate) fn document(&self) -> Result<DocumentMut> {
        let name = match self {
            Self::Program(files) => files.name.into(),
            Self::Disk { manifest } => manifest.display().to_string(),
        };
        self.text()?.parse().map_err(|error| Failure::Failed(format!("{name}: {error}")))
    }

    /// The files that the manifest names, and those in which its network keeps weights.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let document = self.document()?;
        let mut names = named(&document);
        if let (Self::Disk { manifest }, Some(onnx)) = (self, document.get("onnx").and_then(Item::as_str)) {
            names.extend(weights_of(manifest, onnx)?);
        }
        Ok(names)
    }

    /// The files that the table `[check]` names, or a sentence about one that can't be read.
    pub(crate) fn check_names(&self) -> Result<std::result::Result<Vec<String>, String>> {
        let document = self.document()?;
        let check = document.get("check").and_then(Item::as_table_like);
        let name = |key| check.and_then(|check| check.get(key)?.as_str()).map(str::to_owned);
        let names: Vec<_> = ["audio", "features", "scores"].into_iter().filter_map(name).collect();
        let unreadable = names.iter().find_map(|name| self.open(name).err());
        Ok(unreadable.map_or(Ok(names), |failure| Err(failure.to_string())))
    }

    /// The content of a file that the model consists of, and its length.
    pub(crate) fn open(&self, name: &str) -> Result<(u64, Box<dyn Read>)> {
        match self {
            Self::Program(files) => {
                let content = files.file(name);
                Ok((content.len() as u64, Box::new(content)))
            }
            Self::Disk { manifest } => {
                let path = manifest.with_file_name(name);
                let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
                let (length, file) = opened.map_err(|error| unreadable(&path, &error))?;
                Ok((length, Box::new(file)))
            }
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::io("can't be read", path, error)
}

/// The files of weights that exist, relative to the manifest as the network is. ONNX Runtime takes none from outside
/// the network's folder.
fn weights_of(manifest: &Path, onnx: &str) -> Result<Vec<String>> {
    let network = manifest.with_file_name(onnx);
    let bytes = std::fs::read(&network).map_err(|error| unreadable(&network, &error))?;
    let inside = |place: &String| {
        Path::new(place).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    };
    let names = weights::locations(&bytes)
        .into_iter()
        .filter(|place| inside(place) && network.with_file_name(place).is_file())
        .filter_map(|place| Path::new(onnx).with_file_name(place).to_str().map(str::to_owned));
    Ok(names.collect())
}

fn named(document: &DocumentMut) -> Vec<String> {
    let labels = document.get("labels").and_then(Item::as_table_like);
    let label_file = labels.and_then(|labels| labels.get("file").or_else(|| labels.get("csv")));
    [document.get("onnx"), label_file].into_iter().flatten().filter_map(Item::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_beside_a_manifest_are_those_it_names() {
        let document: DocumentMut = "onnx = \"a.onnx\"\n[labels]\nfile = \"a.txt\"\n".parse().unwrap();

        assert_eq!(named(&document), ["a.onnx", "a.txt"]);
    }
}
