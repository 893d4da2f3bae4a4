// SPDX-License-Identifier: MIT OR Apache-2.0
//! A copy of a manifest with thresholds in it; comments and order stay.

use std::path::{Path, PathBuf};

use gstsoundclassify::model::{Manifest, builtin};
use toml_edit::{DocumentMut, InlineTable, Item, Table, value};

use super::Tuned;
use crate::exit::{Failure, Result};

/// Writes the copy, and beside it what it names unless that is there.
pub(super) fn write(path: &Path, manifest: &Manifest, tuned: &[Tuned]) -> Result<()> {
    let original = Original::of(manifest)?;
    let mut document: DocumentMut =
        original.text()?.parse().map_err(|error| Failure::Failed(format!("{}: {error}", manifest.path.display())))?;
    put(&mut document, tuned);
    let folder = path.parent().unwrap_or(Path::new(""));
    for name in named(&document) {
        let target = folder.join(&name);
        if !target.exists() {
            let bytes = original.file(&name)?;
            std::fs::write(&target, bytes).map_err(|error| Failure::io("copy", &target, &error))?;
        }
    }
    std::fs::write(path, document.to_string()).map_err(|error| Failure::io("manifest", path, &error))
}

/// Where the manifest came from.
enum Original {
    Disk { manifest: PathBuf },
    Program(&'static builtin::Files),
}

impl Original {
    fn of(manifest: &Manifest) -> Result<Self> {
        match builtin::find(&manifest.name).filter(|_| !manifest.path.exists()) {
            Some(files) => Ok(Self::Program(files)),
            None => Ok(Self::Disk { manifest: manifest.path.clone() }),
        }
    }

    fn text(&self) -> Result<String> {
        match self {
            Self::Program(files) => Ok(files.manifest.to_owned()),
            Self::Disk { manifest } => {
                std::fs::read_to_string(manifest).map_err(|error| Failure::io("manifest", manifest, &error))
            }
        }
    }

    fn file(&self, name: &str) -> Result<Vec<u8>> {
        match self {
            Self::Program(files) if name.ends_with(".onnx") => Ok(files.onnx.to_vec()),
            Self::Program(files) => Ok(files.labels.as_bytes().to_vec()),
            Self::Disk { manifest } => {
                let path = manifest.with_file_name(name);
                std::fs::read(&path).map_err(|error| Failure::io("copy", &path, &error))
            }
        }
    }
}

/// Labels that were not tuned keep their thresholds.
fn put(document: &mut DocumentMut, tuned: &[Tuned]) {
    let defaults = document.entry("defaults").or_insert(Item::Table(Table::new()));
    let Some(defaults) = defaults.as_table_like_mut() else { return };
    let thresholds = defaults.entry("thresholds").or_insert(value(InlineTable::new()));
    if let Some(thresholds) = thresholds.as_table_like_mut() {
        for Tuned { label, choice, .. } in tuned {
            thresholds.insert(label, value(choice.threshold));
        }
    }
}

/// The files that a manifest names.
fn named(document: &DocumentMut) -> Vec<String> {
    let labels = document.get("labels").and_then(Item::as_table_like);
    let label_file = labels.and_then(|labels| labels.get("file").or_else(|| labels.get("csv")));
    [document.get("onnx"), label_file].into_iter().flatten().filter_map(Item::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::curve::Curve;

    #[test]
    fn thresholds_go_into_the_copy_and_comments_stay() {
        let curve = Curve::new(vec![(0.8, true), (0.4, false)]).unwrap();
        let choice = curve.choose(0.95);
        let tuned = [Tuned { label: "Bark, loud".to_owned(), curve, choice }];
        let mut document: DocumentMut = "name = \"a\" # mine\n[defaults]\ntop-k = 2\n".parse().unwrap();

        put(&mut document, &tuned);

        let text = document.to_string();
        assert!(text.contains("# mine") && text.contains("top-k = 2"), "{text}");
        assert!(text.contains("thresholds = { \"Bark, loud\" = 0.6 }"), "{text}");
    }

    #[test]
    fn thresholds_of_other_labels_stay() {
        let curve = Curve::new(vec![(0.8, true), (0.4, false)]).unwrap();
        let choice = curve.choose(0.95);
        let tuned = [Tuned { label: "Bark".to_owned(), curve, choice }];
        for text in
            ["[defaults]\nthresholds = { Meow = 0.3, Bark = 0.1 }\n", "[defaults.thresholds]\nMeow = 0.3\nBark = 0.1\n"]
        {
            let mut document: DocumentMut = text.parse().unwrap();

            put(&mut document, &tuned);

            let thresholds = &document["defaults"]["thresholds"];
            assert_eq!((thresholds["Meow"].as_float(), thresholds["Bark"].as_float()), (Some(0.3), Some(0.6)));
        }
    }

    #[test]
    fn the_files_beside_a_manifest_are_those_it_names() {
        let document: DocumentMut = "onnx = \"a.onnx\"\n[labels]\nfile = \"a.txt\"\n".parse().unwrap();

        assert_eq!(named(&document), ["a.onnx", "a.txt"]);
    }
}
