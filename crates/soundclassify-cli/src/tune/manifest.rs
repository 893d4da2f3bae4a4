// SPDX-License-Identifier: MIT OR Apache-2.0
//! A copy of a manifest with thresholds in it; comments and order stay.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use soundclassify_core::model::Manifest;
use toml_edit::{DocumentMut, InlineTable, Item, Table, value};

use super::Threshold;
use crate::{
    atomic_file::ReservedFile,
    exit::{Failure, Result},
    model_files::ModelFiles,
};

/// Refuses a folder with different files of the same names, because the copy would refer to these.
pub(super) fn check(path: &Path, manifest: &Manifest) -> Result<()> {
    let files = ModelFiles::of(manifest);
    for (name, target) in copies(path, &files)? {
        if target.exists() {
            let io = |error: io::Error| Failure::io("copy", &target, &error);
            let (_, content) = files.open(&name)?;
            if !same(content, File::open(&target).map_err(io)?).map_err(io)? {
                let (path, target) = (path.display(), target.display());
                return Err(Failure::Usage(format!("-o {path}: {target} beside it belongs to a different model")));
            }
        }
    }
    Ok(())
}

fn same(one: impl Read, other: impl Read) -> io::Result<bool> {
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let length = left.len().min(right.len());
        if length == 0 || left[..length] != right[..length] {
            return Ok(left.is_empty() && right.is_empty());
        }
        one.consume(length);
        other.consume(length);
    }
}

/// Writes the copy, and the files that it names unless they exist.
pub(super) fn write(place: ReservedFile, manifest: &Manifest, thresholds: &[Threshold<'_>]) -> Result<()> {
    check(place.path(), manifest)?;
    let files = ModelFiles::of(manifest);
    let mut document = files.document()?;
    put(&mut document, thresholds);
    rename(&mut document, place.path());
    document.remove("check");
    for (name, target) in copies(place.path(), &files)?.into_iter().filter(|(_, target)| !target.exists()) {
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Failure::io("folder", folder, &error))?;
        }
        ReservedFile::reserve("copy", &target)?.fill(files.open(&name)?.1)?;
    }
    place.fill(document.to_string().as_bytes())
}

/// The files of the model, and their paths beside the copy.
fn copies(path: &Path, files: &ModelFiles) -> Result<Vec<(String, PathBuf)>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    Ok(files.names()?.into_iter().map(|name| (name.clone(), folder.join(name))).collect())
}

/// Labels that were not tuned keep their thresholds.
fn put(document: &mut DocumentMut, new: &[Threshold<'_>]) {
    let defaults = document.entry("defaults").or_insert(Item::Table(Table::new()));
    let Some(defaults) = defaults.as_table_like_mut() else { return };
    let thresholds = defaults.entry("thresholds").or_insert(value(InlineTable::new()));
    if let Some(thresholds) = thresholds.as_table_like_mut() {
        for Threshold { label, value: threshold } in new {
            thresholds.insert(label, value(*threshold));
        }
    }
}

/// The copy is a different model, so it gets the name of its file.
fn rename(document: &mut DocumentMut, path: &Path) {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String = stem.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '-' }).collect();
    let name = name.trim_matches('-');
    document["name"] = value(if name.is_empty() { "tuned" } else { name });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_go_into_the_copy_and_comments_stay() {
        let tuned = [Threshold { label: "Bark, loud", value: 0.6 }];
        let mut document: DocumentMut = "name = \"a\" # mine\n[defaults]\ntop-k = 2\n".parse().unwrap();

        put(&mut document, &tuned);
        rename(&mut document, Path::new("out/My model.toml"));

        let text = document.to_string();
        assert!(text.starts_with("name = \"my-model\"") && text.contains("top-k = 2"), "{text}");
        assert!(text.contains("thresholds = { \"Bark, loud\" = 0.6 }"), "{text}");
    }

    #[test]
    fn thresholds_of_other_labels_stay() {
        let tuned = [Threshold { label: "Bark", value: 0.6 }];
        for text in
            ["[defaults]\nthresholds = { Meow = 0.3, Bark = 0.1 }\n", "[defaults.thresholds]\nMeow = 0.3\nBark = 0.1\n"]
        {
            let mut document: DocumentMut = text.parse().unwrap();

            put(&mut document, &tuned);

            let thresholds = &document["defaults"]["thresholds"];
            assert_eq!((thresholds["Meow"].as_float(), thresholds["Bark"].as_float()), (Some(0.3), Some(0.6)));
        }
    }
}
