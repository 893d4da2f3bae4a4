// SPDX-License-Identifier: MIT OR Apache-2.0
//! The options of a [`Classifier`](super::Classifier), combined with the defaults of the manifest.

use std::{collections::BTreeMap, fmt::Display, time::Duration};

use crate::{
    decision::{EventRules, Filter, LabelRule, Names, unknown_label_hint},
    defaults,
    error::{Error, Result},
    model::{EngineOptions, Manifest},
};

/// Options of a classifier. Names, units, ranges and meaning are those of the element's properties. `None` (for maps:
/// empty) means the default of the manifest, or else the default stated here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// Windows per second, 1–100; default 10.
    pub oversamples: Option<u32>,
    /// Windows in the moving geometric mean, 1–256; default 10.
    pub ensembles: Option<u32>,
    /// Maximum length of the list of predictions, 1–1000; default 3.
    pub top_k: Option<u32>,
    /// Minimum probability of a prediction, 0–1; default 0.
    pub threshold: Option<f64>,
    /// Minimum probability per label or group, 0–1; it replaces `threshold`.
    pub label_thresholds: BTreeMap<String, f64>,
    /// Report only these labels and groups of the manifest; empty: all labels.
    pub allow_labels: Option<Vec<String>>,
    /// Report all labels except these, and no such groups; default empty.
    pub deny_labels: Option<Vec<String>>,
    /// Windows below this level, dBFS, are not classified; default negative infinity.
    pub silence_threshold: Option<f64>,
    /// Probability at or above which an event starts, 0–1; default 0.5.
    pub event_on: Option<f64>,
    /// Probability below which an event ends, 0–1; a value above `event_on` counts as that; default 0.35.
    pub event_off: Option<f64>,
    /// Minimum duration of an event; default 0.2 s.
    pub event_min_duration: Option<Duration>,
    /// Maximum gap within an event; default 0.5 s.
    pub event_hold: Option<Duration>,
    /// Execution provider, device and threads; default one thread of the CPU.
    pub engine: EngineOptions,
}

impl Options {
    /// Checks ranges and names.
    pub(super) fn check(&self, manifest: &Manifest, names: &Names) -> Result<()> {
        whole("oversamples", self.oversamples, 100)?;
        whole("ensembles", self.ensembles, 256)?;
        whole("top_k", self.top_k, 1000)?;
        for (name, value) in [("threshold", self.threshold), ("event_on", self.event_on), ("event_off", self.event_off)]
        {
            probability(name, value)?;
        }
        for (label, value) in &self.label_thresholds {
            known("label_thresholds", label, manifest, names)?;
            probability("label_thresholds", Some(*value))?;
        }
        for (name, labels) in [("allow_labels", &self.allow_labels), ("deny_labels", &self.deny_labels)] {
            labels.iter().flatten().try_for_each(|label| known(name, label, manifest, names))?;
        }
        match self.silence_threshold {
            Some(value) if value.is_nan() || value > 0.0 => Err(wrong("silence_threshold", "dBFS, at most 0", &value)),
            _ => Ok(()),
        }
    }

    pub(super) fn oversamples(&self, manifest: &Manifest) -> u32 {
        self.oversamples.or(manifest.defaults.oversamples).unwrap_or(defaults::OVERSAMPLES)
    }

    pub(super) fn ensembles(&self, manifest: &Manifest) -> usize {
        self.ensembles.or(manifest.defaults.ensembles).unwrap_or(defaults::ENSEMBLES) as usize
    }

    /// Number of windows that last as long as `ensembles` windows at ten per second, so events are the same at any rate.
    pub(super) fn event_windows(&self, manifest: &Manifest) -> usize {
        match self.ensembles(manifest) {
            1 => 1,
            windows => (windows as f64 * f64::from(self.oversamples(manifest)) / 10.0).round() as usize,
        }
    }

    pub(super) fn silence_threshold(&self, manifest: &Manifest) -> f64 {
        self.silence_threshold.or(manifest.defaults.silence_threshold).unwrap_or(defaults::SILENCE_THRESHOLD)
    }

    pub(super) fn filter(&self, manifest: &Manifest, names: &Names) -> Filter {
        let thresholds = names.all.iter().map(|label| self.threshold_of(label, manifest) as f32);
        let top_k = self.top_k.or(manifest.defaults.top_k).unwrap_or(defaults::TOP_K) as usize;
        Filter::of(self.reported(manifest, names), thresholds.collect(), top_k)
    }

    /// The rules for events. The events of a label start at `event_on`, but not below its threshold, unless the manifest has
    /// a rule for it.
    pub(super) fn event_rules(&self, manifest: &Manifest, names: &Names) -> EventRules {
        let suggested = &manifest.defaults;
        let all = LabelRule {
            on: self.event_on.or(suggested.event_on).unwrap_or(defaults::EVENT_ON) as f32,
            off: self.event_off.or(suggested.event_off).unwrap_or(defaults::EVENT_OFF) as f32,
            min_duration: self
                .event_min_duration
                .map(nanoseconds)
                .or(suggested.event_min_duration)
                .unwrap_or(defaults::EVENT_MIN_DURATION),
            hold: self.event_hold.map(nanoseconds).or(suggested.event_hold).unwrap_or(defaults::EVENT_HOLD),
            cooldown: 0,
        };
        let of = |label: &String| {
            let threshold = self.threshold_of(label, manifest) as f32;
            let all = LabelRule { on: all.on.max(threshold), ..all };
            manifest.rules.get(label).map_or(all, |rule| rule.over(all))
        };
        let reported = self.reported(manifest, names);
        let rule = |(label, reported): (&String, bool)| reported.then(|| of(label));
        EventRules { labels: names.all.iter().zip(reported).map(rule).collect(), suppressors: Vec::new() }
    }

    fn reported(&self, manifest: &Manifest, names: &Names) -> Vec<bool> {
        names.reported(self.allowed(manifest), self.denied(manifest))
    }

    /// The threshold of a label: the caller's for the label, or else for all, or else the manifest's for the label, or else
    /// for all.
    fn threshold_of(&self, label: &str, manifest: &Manifest) -> f64 {
        let own = self.label_thresholds.get(label).copied().or(self.threshold);
        let suggested = || manifest.defaults.thresholds.get(label).copied().or(manifest.defaults.threshold);
        own.or_else(suggested).unwrap_or(defaults::THRESHOLD)
    }

    fn allowed<'a>(&'a self, manifest: &'a Manifest) -> &'a [String] {
        self.allow_labels.as_deref().unwrap_or(&manifest.defaults.allow_labels)
    }

    fn denied<'a>(&'a self, manifest: &'a Manifest) -> &'a [String] {
        self.deny_labels.as_deref().unwrap_or(&manifest.defaults.deny_labels)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn wrong(name: &'static str, expected: impl Into<String>, found: &dyn Display) -> Error {
    Error::Option { name, expected: expected.into(), found: found.to_string() }
}

fn whole(name: &'static str, value: Option<u32>, largest: u32) -> Result<()> {
    match value {
        Some(value) if !(1..=largest).contains(&value) => {
            Err(wrong(name, format!("a whole number from 1 to {largest}"), &value))
        }
        _ => Ok(()),
    }
}

fn probability(name: &'static str, value: Option<f64>) -> Result<()> {
    match value {
        Some(value) if !(0.0..=1.0).contains(&value) => Err(wrong(name, "a number from 0 to 1", &value)),
        _ => Ok(()),
    }
}

fn known(name: &'static str, label: &str, manifest: &Manifest, names: &Names) -> Result<()> {
    let Some(near) = unknown_label_hint(label, &names.all) else { return Ok(()) };
    let hint = if near.is_empty() { String::new() } else { format!(", such as {}", near.join(", ")) };
    Err(wrong(name, format!("labels of the model {}{hint}", manifest.name), &format!("{label:?}")))
}
