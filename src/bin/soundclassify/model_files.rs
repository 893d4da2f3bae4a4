// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files that a model consists of, wherever they are.

use std::path::PathBuf;

use gstsoundclassify::model::{Manifest, builtin};
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

    /// The files that the manifest names.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        Ok(named(&self.document()?))
    }

    /// A file that the manifest names.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>> {
        match self {
            Self::Program(files) if name.ends_with(".onnx") => Ok(files.onnx.to_vec()),
            Self::Program(files) => Ok(files.labels.as_bytes().to_vec()),
            Self::Disk { manifest } => {
                let path = manifest.with_file_name(name);
                std::fs::read(&path).map_err(|error| Failure::io("can't be read", &path, &error))
            }
        }
    }
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
