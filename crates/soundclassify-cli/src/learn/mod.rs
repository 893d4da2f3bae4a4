// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify learn`: new labels from a few recordings, on the network's embedding.

mod check;
mod embeddings;
mod judge;
mod logistic;
mod sounds;
mod write;

use serde::Serialize;
use soundclassify_core::model::{EngineOptions, Model, load_embedding};

use self::{
    embeddings::Embedder,
    judge::{Clip, Judged},
    sounds::Sound,
};
use crate::{
    args::LearnArgs,
    exit::{Exit, Failure, Result},
    interrupt,
    output::{self, Form, Printer, json},
};

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
    /// Recordings that a unit of the other recordings finds, as a share.
    recall: f64,
    /// Where the label and something else are equally frequent.
    precision: f64,
    /// Clips of something else that reach the threshold, of how many.
    wrong: usize,
    others: usize,
    confused_with: &'a [String],
}

/// Learns the labels, prints how well each is separated, writes the extended model.
pub(crate) fn run(args: &LearnArgs) -> Result<Exit> {
    interrupt::install()?;
    let model = Model::load(&args.model)?;
    let sounds = sounds::parse(&args.sounds, &model.manifest().labels)?;
    let target = write::Target::check(&args.output, &model)?;
    let mut embedder = Embedder::new(&model, load_embedding(&model, EngineOptions::default())?);
    let mut others = embeddings::table(&model)?;
    for file in &args.background {
        others.push(Clip { name: "background".into(), vectors: embedder.all(file)? });
    }
    let recordings = sounds.iter().map(|sound| read(sound, &mut embedder)).collect::<Result<Vec<_>>>()?;
    if others.is_empty() && recordings.len() < 2 {
        return Err(Failure::Failed(format!(
            "{}: the model has no table of embeddings of other sounds; give recordings of other sounds with \
            --background",
            model.manifest().name
        )));
    }
    let learned: Vec<_> = sounds.iter().enumerate().map(|(at, sound)| learn(sound, at, &recordings, &others)).collect();
    target.write(&model, &learned)?;
    print(&learned, args.json)?;
    Ok(Exit::Success)
}

fn read(sound: &Sound, embedder: &mut Embedder) -> Result<Vec<Clip>> {
    let clip = |file: &String| Ok(Clip { name: sound.label.clone(), vectors: embedder.loud(file)? });
    sound.files.iter().map(clip).collect()
}

/// Evaluates one label against the model's own and the other new labels.
fn learn(sound: &Sound, at: usize, recordings: &[Vec<Clip>], others: &[Clip]) -> Learned {
    let rest = recordings.iter().enumerate().filter(|(other, _)| *other != at).flat_map(|(_, clips)| clips);
    let others: Vec<_> = others.iter().chain(rest).cloned().collect();
    let judged = judge::judge(&recordings[at], &others);
    if judged.recall() < 0.5 || judged.precision() < 0.8 {
        output::note(format_args!(
            "soundclassify: warning: {} is not well separated from other sounds; add recordings of it, and recordings \
            of the sounds that it is confused with as --background",
            sound.label
        ));
    }
    Learned { label: sound.label.clone(), judged }
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
            confused_with: &judged.confused,
        };
        printer.line(&if as_json { json(&line) } else { line.text(judged.found) })?;
    }
    Ok(())
}

impl Line<'_> {
    fn text(&self, found: usize) -> String {
        let Self { label, recordings, threshold, wrong, others, confused_with, .. } = self;
        let like =
            if confused_with.is_empty() { String::new() } else { format!(" (mostly {})", confused_with.join(", ")) };
        format!(
            "{label}: finds {found} of {recordings} recordings that were held out, and {wrong} of {others} other \
            clips{like}; threshold {threshold:.3}"
        )
    }
}
