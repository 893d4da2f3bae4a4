// SPDX-License-Identifier: MIT OR Apache-2.0
//! A copy of a manifest with thresholds in it; comments and order stay.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use soundclassify_core::model::Manifest;

use super::Threshold;
use crate::{
    atomic_file::ReservedFile,
    embedding_table,
    exit::{Failure, Result},
    manifest_copy,
    model_files::ModelFiles,
    output,
};

/// The command that the copy names as its author.
const COMMAND: &str = "tune";

/// Refuses a manifest of someone else, and a folder with different files of the same names, to which the copy would refer.
pub(super) fn check(path: &Path, manifest: &Manifest) -> Result<()> {
    manifest_copy::check_replaceable(path, COMMAND, &manifest.path)?;
    let files = ModelFiles::of(manifest);
    check_table(path, manifest)?;
    for (name, target) in copies(path, &files, files.check_names()?.unwrap_or_default())? {
        if target.exists() {
            let io = |error: io::Error| Failure::io("copy", &target, &error);
            let (_, content) = files.open(&name)?;
            if !same(content, File::open(&target).map_err(io)?).map_err(io)? {
                return Err(different(path, &target));
            }
        }
    }
    Ok(())
}

/// The copy would take a table of embeddings beside it for its own.
fn check_table(path: &Path, manifest: &Manifest) -> Result<()> {
    let target = embedding_table::path_of(path);
    if !target.exists() || target == embedding_table::path_of(&manifest.path) {
        return Ok(());
    }
    let found = std::fs::read(&target).map_err(|error| Failure::io("table of embeddings", &target, &error))?;
    if embedding_table::bytes(manifest)?.is_some_and(|own| own == found) {
        Ok(())
    } else {
        Err(different(path, &target))
    }
}

fn different(path: &Path, target: &Path) -> Failure {
    let (path, target) = (path.display(), target.display());
    Failure::Usage(format!(
        "-o {path}: {target} beside it belongs to a different model; choose a different name, or remove that file"
    ))
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
    let new = || thresholds.iter().map(|new| (new.label, new.value));
    manifest_copy::set_thresholds(&mut document, new());
    manifest_copy::raise_rules(&mut document, new());
    manifest_copy::rename(&mut document, place.path());
    let check_files = files.check_names()?.unwrap_or_else(|missing| {
        document.remove("check");
        output::note(format_args!("soundclassify: warning: the copy has no [check], because {missing}"));
        Vec::new()
    });
    for (name, target) in copies(place.path(), &files, check_files)?.into_iter().filter(|(_, target)| !target.exists())
    {
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Failure::io("folder", folder, &error))?;
        }
        ReservedFile::reserve("copy", &target)?.fill(files.open(&name)?.1)?;
    }
    if let Some(bytes) = embedding_table::bytes(manifest)? {
        ReservedFile::reserve("table of embeddings", &embedding_table::path_of(place.path()))?.fill(&bytes[..])?;
    }
    place.fill(manifest_copy::signed(&document, COMMAND).as_bytes())
}

/// The files of the model and of its `[check]`, which thresholds do not change, and their paths beside the copy.
fn copies(path: &Path, files: &ModelFiles, check_files: Vec<String>) -> Result<Vec<(String, PathBuf)>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let names = files.names()?.into_iter().chain(check_files);
    Ok(names.map(|name| (name.clone(), folder.join(name))).collect())
}
