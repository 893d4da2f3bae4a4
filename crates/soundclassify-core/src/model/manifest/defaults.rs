// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table `[defaults]`.

use std::collections::{BTreeMap, HashSet};

use super::section::{Found, Section, did_you_mean};
use crate::error::Result;

/// Defaults of properties for a model; `None` means the element's default. Names, units and ranges are those of the
/// element's properties.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Defaults {
    /// Windows per second, 1–100.
    pub oversamples: Option<u32>,
    /// Windows a model run, 1–64.
    pub process_count: Option<u32>,
    /// Windows in the moving geometric mean, 1–256.
    pub ensembles: Option<u32>,
    /// Maximum length of the list of predictions, 1–1000.
    pub top_k: Option<u32>,
    /// Minimum probability of a reported label, 0–1.
    pub threshold: Option<f64>,
    /// Report only these labels; all of them exist.
    pub allow_labels: Vec<String>,
    /// Report all labels except these; all of them exist.
    pub deny_labels: Vec<String>,
    /// Minimum probability per label, 0–1; all labels exist.
    pub thresholds: BTreeMap<String, f64>,
    /// Windows below this level, dBFS, are not classified.
    pub silence_threshold: Option<f64>,
    /// An event starts at or above, 0–1.
    pub event_on: Option<f64>,
    /// An event ends below, 0–1, at most `event_on`.
    pub event_off: Option<f64>,
    /// Shorter events are not reported, ns.
    pub event_min_duration: Option<u64>,
    /// Gaps up to this do not end an event, ns.
    pub event_hold: Option<u64>,
}

/// `labels`: those of the network and the names of groups.
pub(super) fn read(section: Section<'_>, labels: &[String]) -> Result<Defaults> {
    let small = |key, max| Ok(section.uint(key, 1..=max)?.map(|value| value as u32));
    let known = |key| Ok(known_labels(&section, key, section.strings(key)?.unwrap_or_default(), labels)?.collect());
    let defaults = Defaults {
        oversamples: small("oversamples", 100)?,
        process_count: small("process-count", 64)?,
        ensembles: small("ensembles", 256)?,
        top_k: small("top-k", 1000)?,
        threshold: section.float("threshold", 0.0..=1.0)?,
        allow_labels: known("allow-labels")?,
        deny_labels: known("deny-labels")?,
        thresholds: thresholds(&section, labels)?,
        silence_threshold: section.float("silence-threshold", f64::NEG_INFINITY..=0.0)?,
        event_on: section.float("event-on", 0.0..=1.0)?,
        event_off: section.float("event-off", 0.0..=1.0)?,
        event_min_duration: section.uint("event-min-duration", 0..=u64::MAX)?,
        event_hold: section.uint("event-hold", 0..=u64::MAX)?,
    };
    if let (Some(on), Some(off)) = (defaults.event_on, defaults.event_off)
        && off > on
    {
        return Err(section.wrong("event-off", format!("at most event-on, {on}"), off.to_string()));
    }
    section.finish()?;
    Ok(defaults)
}

fn thresholds(section: &Section<'_>, labels: &[String]) -> Result<BTreeMap<String, f64>> {
    let Some(table) = section.table("thresholds")? else {
        return Ok(BTreeMap::new());
    };
    let (names, values): (Vec<_>, Vec<_>) = table.numbers(0.0..=1.0)?.into_iter().unzip();
    Ok(known_labels(section, "thresholds", names, labels)?.zip(values).collect())
}

/// The labels, when each is one of the model's.
pub(super) fn known_labels(
    section: &Section<'_>,
    key: &str,
    found: Vec<Found<String>>,
    labels: &[String],
) -> Result<impl Iterator<Item = String>> {
    let known: HashSet<_> = if found.is_empty() { HashSet::new() } else { labels.iter().collect() };
    if let Some(unknown) = found.iter().find(|found| !known.contains(&found.value)) {
        let hint = did_you_mean(&unknown.value, labels.iter().map(String::as_str));
        let expected = format!("labels of this model{hint}");
        let span = Some(unknown.span.clone());
        return Err(section.source().error(section.dotted(key), span, expected, format!("{:?}", unknown.value)));
    }
    Ok(found.into_iter().map(|found| found.value))
}
