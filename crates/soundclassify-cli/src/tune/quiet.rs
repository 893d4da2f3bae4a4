// SPDX-License-Identifier: MIT OR Apache-2.0
//! Thresholds from hours of unlabelled audio, so that no label has more than N events per day.

use std::collections::BTreeMap;

use gst::prelude::*;
use indicatif::ProgressBar;
use serde::Serialize;
use soundclassify_core::model::Manifest;

use super::{
    Outputs, Threshold,
    episodes::{Count, Episodes},
    picture::{self, Chart, PRECISION},
};
use crate::{
    args::TuneArgs,
    exit::{Exit, Failure, Result},
    options::ElementOptions,
    output::{self, Form, Printer, json},
    record::Record,
    session::{SessionStep, Source},
    source,
    warm_engine::WarmEngine,
};

const DAY: f64 = 86_400.0;
/// Added to the times of each recording, so no episode contains two of them.
const BETWEEN: u64 = 1_000_000_000_000;
/// More episodes than allowed that the chart shows, as a multiple.
const CHART: usize = 4;

/// All scores, and how much audio they are of.
#[derive(Default)]
struct Gathered {
    labels: BTreeMap<String, Episodes>,
    /// Nanoseconds of audio.
    audio: u64,
    /// Start of the recording that is being analysed, in the time of `labels`.
    start: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    label: &'a str,
    /// The threshold, below which the label would have too many events.
    threshold: f64,
    per_day: f64,
    /// The probability from which on it had events, and how many.
    threshold_before: f64,
    per_day_before: f64,
}

/// Analyses all recordings, prints a line for each label that must be raised, writes picture and manifest where wanted.
pub(super) fn run(args: &TuneArgs, options: &ElementOptions) -> Result<Exit> {
    if !(args.per_day.is_finite() && args.per_day >= 0.0) {
        return Err(Failure::Usage(format!("--per-day {}: expected a number from 0", args.per_day)));
    }
    let model = super::model_in_force(options)?;
    let outputs = Outputs::check(args, model.manifest())?.reserve()?;
    let warm_engine = WarmEngine::new(options.clone())?;
    let (gathered, exit) = gather(args, &warm_engine)?;
    if gathered.audio == 0 {
        output::note("soundclassify: no recording could be classified; no output was written");
        return Ok(Exit::Failed);
    }
    let event_hold = warm_engine.settings().property::<u64>("event-hold");
    let hold = |label: &str| hold(model.manifest(), label, event_hold);
    let days = gathered.audio as f64 / 1e9 / DAY;
    let budget = (args.per_day * days).floor() as usize;
    warn_of_little_audio(args.per_day, days);
    let on = warm_engine.settings().property::<f64>("event-on");
    let before = |label: &str| in_force(model.manifest(), label, on);
    let mut found = Vec::new();
    for (label, episodes) in &gathered.labels {
        let needed = needed(episodes, hold(label), budget);
        warn_of_certainty(label, episodes.at(needed, hold(label)), budget);
        if needed > before(label) {
            found.push((label.as_str(), episodes, needed));
        }
    }
    let thresholds: Vec<_> = found.iter().map(|&(label, _, value)| Threshold { label, value }).collect();
    let charts: Vec<_> = found
        .iter()
        .map(|(label, episodes, value)| chart(label, episodes, *value, hold(label), budget, days))
        .collect();
    outputs.write(model.manifest(), &thresholds, &charts)?;
    let lines = found.iter().map(|&(label, episodes, threshold)| Line {
        label,
        threshold,
        per_day: episodes.at(threshold, hold(label)) as f64 / days,
        threshold_before: before(label),
        per_day_before: episodes.at(before(label), hold(label)) as f64 / days,
    });
    print(lines, args.json, gathered.audio)?;
    Ok(exit)
}

/// The probability from which on a label has events: that of its rule, or else `event-on`, or its threshold if that is higher.
fn in_force(manifest: &Manifest, label: &str, event_on: f64) -> f64 {
    let threshold = manifest.defaults.thresholds.get(label).copied().unwrap_or_default();
    manifest.rules.get(label).and_then(|rule| rule.on).unwrap_or(threshold.max(event_on))
}

/// Maximum gap within an event of a label, ns: that of its rule, or else `event-hold`.
fn hold(manifest: &Manifest, label: &str, event_hold: u64) -> u64 {
    manifest.rules.get(label).and_then(|rule| rule.hold).unwrap_or(event_hold)
}

/// The lowest threshold with at most `budget` episodes, in steps of a thousandth.
fn needed(episodes: &Episodes, hold: u64, budget: usize) -> f64 {
    let value = match episodes.counts(hold, budget).last() {
        Some(count) => count.threshold,
        None if episodes.peak() == 0.0 => return 0.0,
        None => episodes.peak() + 1e-3,
    };
    let rounded = (value * 1e3).ceil() / 1e3;
    if value <= f64::from(Episodes::FLOOR) * 2.0 && episodes.at(f64::from(Episodes::FLOOR), hold) <= budget {
        return 0.0;
    }
    rounded.min(1.0)
}

fn gather(args: &TuneArgs, warm_engine: &WarmEngine) -> Result<(Gathered, Exit)> {
    let (mut gathered, mut exit) = (Gathered::default(), Exit::Success);
    let bar = ProgressBar::new(args.quiet.len() as u64);
    for input in &args.quiet {
        match one(input, warm_engine, &mut gathered) {
            Err(Failure::Failed(why)) => {
                bar.suspend(|| output::note(format_args!("soundclassify: {why}; skipped")));
                exit = Exit::Failed;
            }
            other => other?,
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok((gathered, exit))
}

fn one(input: &str, warm_engine: &WarmEngine, gathered: &mut Gathered) -> Result<()> {
    let uri = source::uri(input)?;
    let session = warm_engine.session(input, Source::Uri(&uri), None)?;
    let mut end = 0;
    session.run(&mut |step| {
        if let SessionStep::Record(Record::Window(window)) = step {
            end = end.max((window.start() + window.duration).nseconds());
            for prediction in &window.predictions {
                if !(0.0..=1.0).contains(&prediction.probability) {
                    let (label, found) = (&prediction.label, prediction.probability);
                    return Err(Failure::Failed(format!(
                        "expected probabilities from 0 to 1, found {found} for {label}; check output.activation in \
                        the manifest"
                    )));
                }
                let episodes = gathered.labels.entry(prediction.label.clone()).or_default();
                episodes.push(gathered.start + window.start().nseconds(), prediction.probability as f32);
            }
        }
        Ok(())
    })?;
    gathered.audio += end;
    gathered.start += end + BETWEEN;
    Ok(())
}

fn warn_of_little_audio(per_day: f64, days: f64) {
    let hours = days * 24.0;
    if per_day > 0.0 && per_day * days < 1.0 {
        output::note(format_args!(
            "soundclassify: warning: {hours:.1} h of audio are too short for {per_day} episodes a day: each threshold \
            is above the highest probability of its label; more audio gives lower thresholds"
        ));
    }
}

/// No threshold is above 1.
fn warn_of_certainty(label: &str, episodes: usize, budget: usize) {
    if episodes > budget {
        output::note(format_args!(
            "soundclassify: warning: {label} has the probability 1 in {episodes} places, more than --per-day allows; \
            deny the label, or give it a rule with min-duration"
        ));
    }
}

fn chart(label: &str, episodes: &Episodes, chosen: f64, hold: u64, budget: usize, days: f64) -> Chart {
    let counts = episodes.counts(hold, (budget * CHART).max(CHART));
    let points: Vec<_> =
        counts.iter().rev().map(|&Count { threshold, episodes }| (threshold, episodes as f64 / days)).collect();
    let top = points.iter().map(|point| point.1).fold(budget as f64 / days, f64::max) * 1.1;
    Chart {
        caption: label.to_owned(),
        lines: vec![picture::Line { name: "events a day", colour: PRECISION, points }],
        wanted: budget as f64 / days,
        chosen,
        top: top.max(1.0),
    }
}

fn print<'a>(lines: impl Iterator<Item = Line<'a>>, as_json: bool, audio: u64) -> Result<()> {
    let mut printer = Printer::stdout(Form::Plain, false);
    let hours = audio as f64 / 3.6e12;
    if !as_json {
        printer.line(&format!("{hours:.2} h of audio; labels that need a higher threshold (events a day):"))?;
        printer.line(&format!("{:<28} {:>9} {:>9} {:>9} {:>9}", "label", "threshold", "a day", "before", "a day"))?;
    }
    for line in lines {
        let Line { label, threshold, per_day, threshold_before, per_day_before } = line;
        printer.line(&if as_json {
            json(&line)
        } else {
            format!("{label:<28} {threshold:>9.3} {per_day:>9.1} {threshold_before:>9.3} {per_day_before:>9.1}")
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_never_appears_needs_no_threshold() {
        assert_eq!(needed(&Episodes::default(), 1, 0), 0.0);
    }

    #[test]
    fn a_rule_comes_before_the_properties_and_thresholds() {
        let model = soundclassify_core::model::Model::load("sure").unwrap();
        let mut manifest = model.manifest().clone();
        let label = manifest.labels[0].clone();
        let threshold = manifest.defaults.thresholds[&label];
        assert_eq!(in_force(&manifest, &label, 0.5), threshold);
        assert_eq!(in_force(&manifest, &label, 1.0), 1.0);
        assert_eq!(hold(&manifest, &label, 7), 7);
        let rule = soundclassify_core::model::Rule { on: Some(0.6), hold: Some(3), ..Default::default() };
        manifest.rules.insert(label.clone(), rule);
        assert_eq!((in_force(&manifest, &label, 0.5), hold(&manifest, &label, 7)), (0.6, 3));
    }

    #[test]
    fn with_no_episode_allowed_the_threshold_is_above_all() {
        let mut episodes = Episodes::default();
        episodes.push(0, 0.75);

        assert!(needed(&episodes, 1, 0) > 0.75);
        assert_eq!(episodes.at(needed(&episodes, 1, 0), 1), 0);
    }
}
