// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify learn`: new labels from a few recordings, on the network's embedding.

mod check;
mod embeddings;
mod judge;
mod logistic;
mod new_labels;
mod write;

use serde::Serialize;
use soundclassify_core::model::{EngineOptions, Model, load_embedding};

use self::{embeddings::Embedder, judge::Judged, new_labels::NewLabel};
use crate::{
    args::LearnArgs,
    embedding_table::Table,
    exit::{Exit, Failure, Result},
    interrupt,
    output::{self, Form, Printer, json},
};

/// Maximum share of a background's pieces in which a label may be found without a warning.
const MAX_BACKGROUND: f64 = 0.01;

pub(crate) use self::judge::Clip;

/// A new label with its results.
struct Learned {
    label: String,
    judged: Judged,
}

#[derive(Serialize)]
struct Line<'a> {
    label: &'a str,
    recordings: usize,
    threshold: f64,
    /// Recordings that unit and threshold of the other recordings find, as a share.
    recall: f64,
    /// Where the label and something else are equally frequent.
    precision: f64,
    /// Clips of something else that reach the threshold, of how many.
    wrong: usize,
    others: usize,
    /// How many of these are pieces of the user's own background, of all pieces.
    wrong_background: usize,
    background: usize,
    confused_with: &'a [String],
}

/// Learns the labels, prints how well each is separated, writes the extended model.
pub(crate) fn run(args: &LearnArgs) -> Result<Exit> {
    interrupt::install()?;
    let model = Model::load(&args.model)?;
    let manifest = model.manifest();
    let (background, more) = new_labels::split_background(&args.background);
    let known: Vec<_> = manifest.labels.iter().chain(manifest.groups.keys()).cloned().collect();
    let labels = new_labels::parse(&[&args.sounds, more].concat(), &known)?;
    let target = write::Target::check(&args.output, &model)?;
    let mut embedder = Embedder::new(&model, load_embedding(&model, EngineOptions::default())?);
    let table = Table::of(manifest)?;
    let mut others = table.clips(&manifest.labels, embedder.width())?;
    for file in background {
        others.extend(embedder.pieces(file)?.into_iter().map(|vectors| Clip {
            name: "background".into(),
            vectors,
            is_background: true,
        }));
    }
    let recordings = labels.iter().map(|label| read(label, &mut embedder)).collect::<Result<Vec<_>>>()?;
    refuse_copies(&labels, &recordings)?;
    if others.is_empty() && recordings.len() < 2 {
        return Err(Failure::Failed(format!(
            "{}: the model has no table of embeddings of other sounds; give recordings of other sounds with \
            --background",
            manifest.name
        )));
    }
    let learned: Vec<_> = labels.iter().enumerate().map(|(at, label)| learn(label, at, &recordings, &others)).collect();
    target.write(&model, &learned, |path| table.extended(path, manifest.labels.len(), &recordings))?;
    print(&learned, args.json)?;
    Ok(Exit::Success)
}

fn read(new: &NewLabel, embedder: &mut Embedder) -> Result<Vec<Clip>> {
    let clip =
        |file: &String| Ok(Clip { name: new.label.clone(), vectors: embedder.loud(file)?, is_background: false });
    new.files.iter().map(clip).collect()
}

/// A recording that is held out must not be among those that its unit is fitted to, nor be of two labels.
fn refuse_copies(labels: &[NewLabel], recordings: &[Vec<Clip>]) -> Result<()> {
    let files = labels.iter().flat_map(|label| &label.files);
    let all: Vec<_> = files.zip(recordings.iter().flatten()).collect();
    for (number, (file, clip)) in all.iter().enumerate() {
        if let Some((earlier, _)) = all[..number].iter().find(|(_, other)| other.vectors == clip.vectors) {
            return Err(Failure::Failed(format!(
                "{earlier} and {file} are the same recording; give different ones, because each is held out once to \
                measure how well its label is separated"
            )));
        }
    }
    Ok(())
}

/// Evaluates one label against the model's own and the other new labels.
fn learn(new: &NewLabel, at: usize, recordings: &[Vec<Clip>], others: &[Clip]) -> Learned {
    let rest = recordings.iter().enumerate().filter(|(other, _)| *other != at).flat_map(|(_, clips)| clips);
    let others: Vec<_> = others.iter().chain(rest).cloned().collect();
    let judged = judge::judge(&recordings[at], &others);
    let is_in_background = judged.wrong_background as f64 > MAX_BACKGROUND * judged.background as f64;
    if judged.recall() < 0.5 || judged.precision() < 0.8 || judged.is_confused || is_in_background {
        output::note(format_args!(
            "soundclassify: warning: {} is not well separated from other sounds; add recordings of it, and recordings \
            of the sounds that it is confused with as --background",
            new.label
        ));
    }
    Learned { label: new.label.clone(), judged }
}

fn print(learned: &[Learned], as_json: bool) -> Result<()> {
    let mut printer = Printer::stdout(Form::Plain, false);
    for Learned { label, judged } in learned {
        let line = Line {
            label,
            recordings: judged.recordings,
            threshold: judged.threshold,
            recall: judged.recall(),
            precision: judged.precision(),
            wrong: judged.wrong,
            others: judged.others,
            wrong_background: judged.wrong_background,
            background: judged.background,
            confused_with: &judged.confused,
        };
        printer.line(&if as_json { json(&line) } else { line.text(judged.found) })?;
    }
    Ok(())
}

impl Line<'_> {
    fn text(&self, found: usize) -> String {
        let Self { label, recordings, threshold, wrong, others, wrong_background, background, confused_with, .. } =
            self;
        let like =
            if confused_with.is_empty() { String::new() } else { format!(" (mostly {})", confused_with.join(", ")) };
        let own = match background {
            0 => String::new(),
            _ => format!(", {wrong_background} of your {background} pieces of background among them"),
        };
        format!(
            "{label}: finds {found} of {recordings} recordings that were held out, and {wrong} of {others} other \
            clips{like}{own}; threshold {threshold:.3}"
        )
    }
}
