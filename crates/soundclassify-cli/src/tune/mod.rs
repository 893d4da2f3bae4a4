// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify tune`: thresholds per label from recordings whose labels are known.

mod curve;
mod manifest;
mod picture;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gst::prelude::*;
use indicatif::ProgressBar;
use serde::Serialize;
use soundclassify_core::model::Model;

use self::curve::{Choice, Curve};
use crate::{
    args::TuneArgs,
    atomic_file::ReservedFile,
    exit::{Exit, Failure, Result},
    interrupt,
    options::ElementOptions,
    output::{self, Form, Printer, json},
    picture::Format,
    scan::{
        pool::{Pool, Progress},
        summary::{FileRecord, LabelSummary, Status},
    },
    warm_engine::WarmEngine,
};

/// A recording that brings no sound for so long is given up.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A label with what was found for it.
pub(super) struct Tuned {
    label: String,
    curve: Curve,
    choice: Choice,
}

#[derive(Serialize)]
struct Line<'a> {
    label: &'a str,
    recordings: usize,
    threshold: f64,
    precision: f64,
    recall: f64,
    reached: bool,
}

/// Classifies all recordings, prints a line a label, writes picture and manifest where wanted.
pub(crate) fn run(args: &TuneArgs, options: ElementOptions) -> Result<Exit> {
    interrupt::install()?;
    if !(0.0..=1.0).contains(&args.precision) {
        return Err(Failure::Usage(format!("--precision {}: expected a number from 0 to 1", args.precision)));
    }
    let format = args.picture.as_deref().map(Format::of).transpose()?;
    if let Some(path) = args.output.as_deref().filter(|path| path.extension().is_none_or(|it| it != "toml")) {
        return Err(Failure::Usage(format!("-o {}: expected a name that ends in .toml", path.display())));
    }
    args.output.iter().chain(&args.picture).try_for_each(|path| output::check_folder(path))?;
    // Every label's probability in every window, whatever the manifest would leave out.
    let options = options.with("top-k", "1000").with("threshold", "0").or("allow-labels", [""]).or("deny-labels", [""]);
    let warm_engine = WarmEngine::new(options.clone())?;
    let model = Model::load(&warm_engine.settings().property::<String>("model"))?;
    drop(warm_engine);
    args.output.as_deref().map_or(Ok(()), |path| manifest::check(path, model.manifest()))?;
    let truth = table::read(&args.table)?;
    check_labels(&truth, &model.manifest().labels)?;
    let copy = args.output.as_deref().map(|path| ReservedFile::reserve("manifest", path)).transpose()?;
    let picture = args.picture.as_deref().map(|path| ReservedFile::reserve("picture", path)).transpose()?;
    let pool = Pool { jobs: Pool::jobs(args.jobs), arguments: options.arguments(), timeout: TIMEOUT };
    let (records, exit) = classify(&pool, &truth)?;
    if records.is_empty() {
        output::tell("soundclassify: no recording could be classified; nothing is written");
        return Ok(Exit::Failed);
    }
    check_scores(&records)?;
    let tuned = tune(&records, &truth, &model.manifest().labels, args.precision);
    if let (Some(place), Some(format)) = (picture, format) {
        picture::draw(place, format, &tuned, args.precision)?;
    }
    if let Some(place) = copy {
        manifest::write(place, model.manifest(), &tuned)?;
    }
    // At last: a reader that goes away ends the program.
    print(&tuned, args)?;
    Ok(exit)
}

/// The labels of each recording.
type Truth = BTreeMap<String, BTreeSet<String>>;

fn check_labels(truth: &Truth, known: &[String]) -> Result<()> {
    let all: BTreeSet<_> = truth.values().flatten().collect();
    let unknown: Vec<_> = all.iter().copied().filter(|label| !known.contains(label)).map(String::as_str).collect();
    if unknown.len() == all.len() {
        let (found, known) = (unknown.join(", "), known.join(", "));
        return Err(Failure::Failed(format!(
            "no label of the table is one of the model's; found: {found}; it has: {known}"
        )));
    }
    if !unknown.is_empty() {
        let list = unknown.join(", ");
        output::tell(format_args!(
            "soundclassify: warning: labels that the model does not know count as something else: {list}"
        ));
    }
    Ok(())
}

fn classify(pool: &Pool, truth: &Truth) -> Result<(Vec<FileRecord>, Exit)> {
    let bar = ProgressBar::new(truth.len() as u64);
    let (mut records, mut exit) = (Vec::new(), Exit::Success);
    let files: Vec<_> = truth.keys().cloned().collect();
    pool.run(files.into_iter(), &mut |progress| {
        if let Progress::Done(record) = progress {
            bar.inc(1);
            if record.status == Status::Failed {
                exit = Exit::Failed;
                let why = record.complaint();
                bar.suspend(|| output::tell(format_args!("soundclassify: {why}; left out")));
            } else {
                records.push(record);
            }
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok((records, exit))
}

/// Refuses what is no probability: thresholds are, and so is what a label that is not told counts as.
fn check_scores(records: &[FileRecord]) -> Result<()> {
    let mut labels = records.iter().flat_map(|record| &record.labels);
    match labels.find(|label| !(0.0..=1.0).contains(&label.peak)) {
        Some(LabelSummary { label, peak, .. }) => Err(Failure::Failed(format!(
            "expected probabilities from 0 to 1, found {peak} for {label}: is output.activation in the manifest right?"
        ))),
        None => Ok(()),
    }
}

/// A label's score of a recording is its highest probability in any window: it is told at least once exactly when the
/// threshold is not above that.
fn tune(records: &[FileRecord], truth: &Truth, labels: &[String], precision: f64) -> Vec<Tuned> {
    let tuned = labels.iter().filter_map(|label| {
        let scores = records.iter().map(|record| {
            let found = record.labels.iter().find(|found| found.label == *label);
            (found.map_or(0.0, |found| found.peak), truth[&record.file].contains(label))
        });
        let curve = Curve::new(scores.collect())?;
        let choice = curve.choose(precision);
        Some(Tuned { label: label.clone(), curve, choice })
    });
    tuned.collect()
}

fn print(tuned: &[Tuned], args: &TuneArgs) -> Result<()> {
    let mut printer = Printer::stdout(Form::Plain, false);
    if !args.json {
        printer.line(&format!(
            "{:<28} {:>10} {:>9} {:>9} {:>7}",
            "label", "recordings", "threshold", "precision", "recall"
        ))?;
    }
    for Tuned { label, curve, choice } in tuned {
        let &Choice { threshold, precision, recall } = choice;
        let (recordings, reached) = (curve.positives(), precision >= args.precision);
        if args.json {
            printer.line(&json(&Line { label, recordings, threshold, precision, recall, reached }))?;
        } else {
            let note = if reached { "" } else { "  not reached: this is the best there is" };
            printer
                .line(&format!("{label:<28} {recordings:>10} {threshold:>9.4} {precision:>9.3} {recall:>7.3}{note}"))?;
        }
    }
    Ok(())
}
