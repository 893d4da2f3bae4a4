// SPDX-License-Identifier: MIT OR Apache-2.0
//! The extended model: a manifest, its network and its labels.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use soundclassify_core::model::{Model, extend};
use toml_edit::{DocumentMut, Item, Table, value};

use super::{Learned, check::Extended};
use crate::{
    atomic_file::{WholeFile, write_together},
    exit::{Failure, Result},
    manifest_copy,
    model_files::ModelFiles,
    output,
};

/// The command that the manifest names as its author.
const COMMAND: &str = "learn";

/// Where the model goes: files of one stem.
pub(super) struct Target {
    manifest: PathBuf,
}

impl Target {
    /// Refuses a place that can't be written to, or has files of another model, before recordings are analysed.
    pub(super) fn check(path: &Path, model: &Model) -> Result<Self> {
        if path.extension().is_none_or(|it| it != "toml") {
            return Err(Failure::Usage(format!("-o {}: expected a name that ends in .toml", path.display())));
        }
        output::check_folder(path)?;
        let manifest = model.manifest();
        manifest_copy::check_replaceable(path, COMMAND, &manifest.path)?;
        check_neighbours(path)?;
        if manifest.output_name.is_none() {
            return Err(Failure::Failed(format!(
                "{}: output.name: expected the name of the output with the scores, found nothing; `learn` needs it",
                manifest.path.display()
            )));
        }
        Ok(Self { manifest: path.to_owned() })
    }

    /// Writes all files, or none; the manifest comes last. `table`: from the path of the manifest to its table of embeddings.
    pub(super) fn write(
        &self,
        model: &Model,
        learned: &[Learned],
        table: impl FnOnce(&Path) -> WholeFile,
    ) -> Result<()> {
        let files = ModelFiles::of(model.manifest());
        let mut document = files.document()?;
        let old = old_network(model, &files, &document)?;
        let prefix = prefix(learned, &old);
        let network = network(model, &old, learned, &prefix);
        fill(&mut document, &self.manifest, model, learned, &prefix);
        let mut together = self.check_files(model, learned, &mut document)?;
        let all = model.manifest().labels.iter().chain(learned.iter().map(|learned| &learned.label));
        let text: String = all.map(|label| format!("{label}\n")).collect();
        let file =
            |what, extension, content| WholeFile { what, path: self.manifest.with_extension(extension), content };
        together.push(file("network", "onnx", network));
        together.push(file("labels", "labels.txt", text.into_bytes()));
        together.push(table(&self.manifest));
        let manifest = manifest_copy::signed(&document, COMMAND).into_bytes();
        together.push(WholeFile { what: "manifest", path: self.manifest.clone(), content: manifest });
        write_together(together)
    }

    /// The files of the check with the new labels, or none after a warning that says why.
    fn check_files(&self, model: &Model, learned: &[Learned], document: &mut DocumentMut) -> Result<Vec<WholeFile>> {
        match Extended::of(model, learned) {
            Ok(Some(check)) => check.files(&self.manifest, document),
            Ok(None) => Ok(Vec::new()),
            Err(Failure::Failed(why)) => {
                document.remove("check");
                output::note(format_args!("soundclassify: warning: the new model has no [check]: {why}"));
                Ok(Vec::new())
            }
            Err(other) => Err(other),
        }
    }
}

/// Beside a manifest that does not exist yet, there may be no files of its name: they belong to another model.
fn check_neighbours(path: &Path) -> Result<()> {
    let extensions =
        ["onnx", "labels.txt", "embeddings.npy", "check.npy", "features.npy", "check.wav", "check.flac", "check.ogg"];
    let taken = extensions.map(|extension| path.with_extension(extension)).into_iter().find(|it| it.exists());
    match taken.filter(|_| !path.exists()) {
        Some(taken) => {
            let (path, taken) = (path.display(), taken.display());
            Err(Failure::Usage(format!(
                "-o {path}: {taken} beside it belongs to a different model; choose a different name, or remove that file"
            )))
        }
        None => Ok(()),
    }
}

/// Names that the network does not use.
fn prefix(learned: &[Learned], onnx: &[u8]) -> String {
    let name: String = learned.iter().flat_map(|learned| learned.label.chars()).take(40).collect();
    let plain: String = name.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '_' }).collect();
    let is_free = |prefix: &String| !onnx.windows(prefix.len()).any(|bytes| bytes == prefix.as_bytes());
    let numbered = (2..).map(|number| format!("learned_{number}_{plain}"));
    std::iter::once(format!("learned_{plain}")).chain(numbered).find(is_free).expect("numbers do not end")
}

fn old_network(model: &Model, files: &ModelFiles, document: &DocumentMut) -> Result<Vec<u8>> {
    let name = document.get("onnx").and_then(Item::as_str).unwrap_or_default();
    let mut onnx = Vec::new();
    let read = files.open(name)?.1.read_to_end(&mut onnx);
    read.map_err(|error| Failure::io("network", &model.manifest().onnx, &error))?;
    Ok(onnx)
}

fn network(model: &Model, onnx: &[u8], learned: &[Learned], prefix: &str) -> Vec<u8> {
    let manifest = model.manifest();
    let layer = extend::Layer {
        weights: learned.iter().map(|learned| learned.judged.unit.weights.clone()).collect(),
        biases: learned.iter().map(|learned| learned.judged.unit.bias).collect(),
    };
    let scores = manifest.output_name.as_deref().unwrap_or_default();
    let embedding = manifest.embedding_name.as_deref().unwrap_or_default();
    extend::extended(onnx, scores, embedding, manifest.activation, &layer, prefix)
}

fn fill(document: &mut DocumentMut, path: &Path, model: &Model, learned: &[Learned], prefix: &str) {
    let beside = |extension: &str| {
        path.with_extension(extension).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let labels: Vec<_> = learned.iter().map(|learned| learned.label.as_str()).collect();
    manifest_copy::rename(document, path);
    document["description"] = value(format!("{}, and: {}", model.manifest().description, labels.join(", ")));
    document["onnx"] = value(beside("onnx"));
    document.remove("sha256");
    let output = table(document, "output");
    output["name"] = value(extend::output_name(prefix));
    output["activation"] = value("none");
    let names = table(document, "labels");
    for key in ["names", "csv", "column"] {
        names.remove(key);
    }
    names["file"] = value(beside("labels.txt"));
    manifest_copy::report(document, &labels);
    manifest_copy::set_thresholds(document, learned.iter().map(|new| (new.label.as_str(), new.judged.threshold)));
}

fn table<'a>(document: &'a mut DocumentMut, key: &str) -> &'a mut Table {
    let item = document.entry(key).or_insert(Item::Table(Table::new()));
    if !item.is_table() {
        *item = Item::Table(std::mem::take(item).into_table().unwrap_or_default());
    }
    item.as_table_mut().expect("it was made one")
}
