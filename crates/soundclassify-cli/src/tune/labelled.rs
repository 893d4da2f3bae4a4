// SPDX-License-Identifier: MIT OR Apache-2.0
//! Thresholds for a wanted precision, from labelled recordings.

use std::{collections::BTreeSet, path::Path, time::Duration};

use indicatif::ProgressBar;
use serde::Serialize;

use super::{
    Outputs, Threshold,
    curve::{Choice, Curve},
    model_in_force, picture,
    truth::{self, Truth},
};
use crate::{
    args::TuneArgs,
    exit::{Exit, Failure, Result},
    options::ElementOptions,
    output::{self, Form, Printer, json},
    scan::{
        pool::{Pool, Progress},
        summary::{FileRecord, LabelSummary, Status},
    },
};

/// Time without audio after which a recording fails.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A label with its results.
pub(super) struct Tuned {
    pub(super) label: String,
    pub(super) curve: Curve,
    pub(super) choice: Choice,
    /// Precision and recall on recordings that did not choose the threshold; none with fewer than two recordings of it.
    crossed: Option<Choice>,
}

#[derive(Serialize)]
struct Line<'a> {
    label: &'a str,
    recordings: usize,
    /// Number of recordings without the label; if 0, precision is 1 with any threshold.
    others: usize,
    threshold: f64,
    precision: f64,
    recall: f64,
    reached: bool,
    /// On recordings that did not choose the threshold; `null` with fewer than two recordings of the label.
    cross_fitted_precision: Option<f64>,
    cross_fitted_recall: Option<f64>,
}

/// Classifies all recordings, prints a line per label, writes picture and manifest where wanted.
pub(super) fn run(table: &Path, args: &TuneArgs, options: &ElementOptions) -> Result<Exit> {
    if !(0.0..=1.0).contains(&args.precision) {
        return Err(Failure::Usage(format!("--precision {}: expected a number from 0 to 1", args.precision)));
    }
    let model = model_in_force(options)?;
    let outputs = Outputs::check(args, model.manifest())?;
    let truth = truth::read(table, args.file_column.as_deref(), args.label_column.as_deref())?;
    check_labels(&truth, &model.manifest().labels)?;
    let outputs = outputs.reserve()?;
    let pool = Pool { jobs: Pool::jobs(args.jobs), arguments: options.arguments(), timeout: TIMEOUT };
    let (records, exit) = classify(&pool, &truth)?;
    if records.is_empty() {
        output::note("soundclassify: no recording could be classified; no output was written");
        return Ok(Exit::Failed);
    }
    check_scores(&records)?;
    let tuned = tune(&records, &truth, &model.manifest().labels, args.precision);
    let thresholds: Vec<_> = tuned.iter().map(Tuned::threshold).collect();
    outputs.write(model.manifest(), &thresholds, &picture::curves(&tuned, args.precision))?;
    // Last, because a closed output ends the program.
    print(&tuned, args)?;
    Ok(exit)
}

impl Tuned {
    fn threshold(&self) -> Threshold<'_> {
        Threshold { label: &self.label, value: self.choice.threshold }
    }
}

fn check_labels(truth: &Truth, known: &[String]) -> Result<()> {
    let all: BTreeSet<_> = truth.values().flatten().collect();
    let unknown: Vec<_> = all.iter().copied().filter(|label| !known.contains(label)).map(String::as_str).collect();
    if unknown.len() == all.len() {
        let (found, known) = (unknown.join(", "), known.join(", "));
        return Err(Failure::Failed(format!(
            "the model has none of these labels; found: {found}; the model has: {known}"
        )));
    }
    if !unknown.is_empty() {
        let list = unknown.join(", ");
        output::note(format_args!(
            "soundclassify: warning: labels that the model does not have count as other sounds: {list}"
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
                bar.suspend(|| output::note(format_args!("soundclassify: {why}; skipped")));
            } else {
                records.push(record);
            }
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    // They arrive in the order in which they end, and the parts of the cross-fit go by their order.
    records.sort_by(|a, b| a.file.cmp(&b.file));
    Ok((records, exit))
}

/// Refuses what is no probability: thresholds are, and a label that is not reported counts as 0.
fn check_scores(records: &[FileRecord]) -> Result<()> {
    let mut labels = records.iter().flat_map(|record| &record.labels);
    match labels.find(|label| !(0.0..=1.0).contains(&label.peak)) {
        Some(LabelSummary { label, peak, .. }) => Err(Failure::Failed(format!(
            "expected probabilities from 0 to 1, found {peak} for {label}; check output.activation in the manifest"
        ))),
        None => Ok(()),
    }
}

/// A label's score of a recording is its highest probability in any window: it is reported at least once exactly when the
/// threshold is not above that.
fn tune(records: &[FileRecord], truth: &Truth, labels: &[String], precision: f64) -> Vec<Tuned> {
    let tuned = labels.iter().filter_map(|label| {
        let scores = records.iter().map(|record| {
            let found = record.labels.iter().find(|found| found.label == *label);
            (found.map_or(0.0, |found| found.peak), truth[&record.file].contains(label))
        });
        let curve = Curve::new(scores.collect())?;
        let (choice, crossed) = (curve.choose(precision), curve.cross_fit(precision));
        Some(Tuned { label: label.clone(), curve, choice, crossed })
    });
    tuned.collect()
}

fn print(tuned: &[Tuned], args: &TuneArgs) -> Result<()> {
    let mut printer = Printer::stdout(Form::Plain, false);
    if !args.json {
        printer.line(&format!(
            "{:<28} {:>10} {:>9} {:>9} {:>7}   cross-fitted: {:>9} {:>7}",
            "label", "recordings", "threshold", "precision", "recall", "precision", "recall"
        ))?;
    }
    for tuned in tuned {
        let line = Line::new(tuned, args.precision);
        printer.line(&if args.json { json(&line) } else { line.text() })?;
    }
    Ok(())
}

impl<'a> Line<'a> {
    fn new(tuned: &'a Tuned, wanted: f64) -> Self {
        let Tuned { label, curve, choice, crossed } = tuned;
        let &Choice { threshold, precision, recall } = choice;
        Self {
            label,
            recordings: curve.positives(),
            others: curve.negatives(),
            threshold,
            precision,
            recall,
            reached: precision >= wanted,
            cross_fitted_precision: crossed.map(|crossed| crossed.precision),
            cross_fitted_recall: crossed.map(|crossed| crossed.recall),
        }
    }

    fn text(&self) -> String {
        let Self { label, recordings, threshold, precision, recall, .. } = self;
        let crossed = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
        let (cross_precision, cross_recall) = (crossed(self.cross_fitted_precision), crossed(self.cross_fitted_recall));
        let note = match (self.others, self.reached) {
            (0, _) => "  no recording without the label, so nothing can be reported wrongly",
            (_, true) => "",
            (_, false) => "  below the wanted precision; this is the best possible",
        };
        format!(
            "{label:<28} {recordings:>10} {threshold:>9.4} {precision:>9.3} {recall:>7.3}                 \
             {cross_precision:>9} {cross_recall:>7}{note}"
        )
    }
}
