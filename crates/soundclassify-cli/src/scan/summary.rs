// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one recording comes to: a row of the table.

use std::collections::BTreeMap;

use gstsoundclassify::{Classification, ClassificationEvent};
use serde::{Deserialize, Serialize};

use crate::{
    address::{without_credentials, without_secrets},
    record::seconds,
};

/// Whether a file was classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// From its first to its last sample.
    Ok,
    /// Not, or not to the end.
    Failed,
}

/// One recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FileRecord {
    /// Absolute path or address; without a password in tables.
    pub(crate) file: String,
    /// Whether it was classified.
    pub(crate) status: Status,
    /// Why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Length of the sound, seconds.
    pub(crate) duration: f64,
    /// Windows reported.
    pub(crate) windows: u64,
    /// Labels that were among the predictions, the one that was best in most windows first.
    pub(crate) labels: Vec<LabelSummary>,
    /// Events, if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) events: Option<Vec<EventSummary>>,
    /// Windows, if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) per_window: Option<Box<WindowColumns>>,
    /// Name of the model.
    #[serde(default)]
    pub(crate) model: String,
    /// Fingerprint of model and options: rows of one table have the same.
    #[serde(default)]
    pub(crate) settings: String,
}

/// One label of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LabelSummary {
    /// Label of the class.
    pub(crate) label: String,
    /// Index of the class.
    pub(crate) index: i32,
    /// Windows in which the label was the best.
    pub(crate) windows: u64,
    /// Share of the windows in which the label was the best.
    pub(crate) share: f64,
    /// Highest probability of the label.
    pub(crate) peak: f64,
    /// Start of the window with the highest probability, seconds.
    pub(crate) at: f64,
}

/// The reported windows of a recording: the n-th value of each list is of the n-th window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct WindowColumns {
    /// Length of each window, seconds.
    pub(crate) duration: f64,
    /// Starts, seconds.
    pub(crate) start: Vec<f64>,
    /// Best labels.
    pub(crate) label: Vec<String>,
    /// Probabilities of the best labels.
    pub(crate) probability: Vec<f32>,
    /// All reported labels and their probabilities, best first, if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scores: Option<Vec<Vec<(String, f32)>>>,
}

impl WindowColumns {
    /// An empty summary; `scores`: with all reported labels.
    pub(crate) fn new(scores: bool) -> Self {
        Self { scores: scores.then(Vec::new), ..Self::default() }
    }

    /// Takes in a window.
    pub(crate) fn push(&mut self, window: &Classification) {
        self.duration = window.duration.seconds_f64();
        self.start.push(window.start().seconds_f64());
        let best = window.best();
        self.label.push(best.label.clone());
        self.probability.push(best.probability as f32);
        if let Some(scores) = &mut self.scores {
            let predictions = window.predictions.iter();
            scores.push(predictions.map(|best| (best.label.clone(), best.probability as f32)).collect());
        }
    }
}

/// One event of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventSummary {
    /// Label of the event.
    pub(crate) label: String,
    /// Index of the label.
    pub(crate) index: i32,
    /// Onset, seconds.
    pub(crate) start: f64,
    /// Length, seconds.
    pub(crate) duration: f64,
    /// Highest probability.
    pub(crate) peak: f64,
}

impl EventSummary {
    /// End, seconds.
    pub(crate) fn end(&self) -> f64 {
        microseconds(self.start + self.duration)
    }
}

/// Seconds without what a sum of binary fractions adds below the microsecond.
pub(crate) fn microseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

impl From<&ClassificationEvent> for EventSummary {
    fn from(event: &ClassificationEvent) -> Self {
        Self {
            label: event.now.label.clone(),
            index: column(event.now.index),
            start: event.start().seconds_f64(),
            duration: event.duration.seconds_f64(),
            peak: event.peak,
        }
    }
}

/// The index of a class as the table contains it.
fn column(index: usize) -> i32 {
    // A manifest has at most 100 000 labels.
    i32::try_from(index).unwrap_or(i32::MAX)
}

impl FileRecord {
    /// A file that could not be classified.
    pub(crate) fn failed(file: &str, error: String) -> Self {
        Self { status: Status::Failed, error: Some(error), ..Summary::default().finish(file, 0) }
    }

    /// Why it was not classified, with its name, from which most reasons start anyway.
    pub(crate) fn complaint(&self) -> String {
        let (why, file) = (self.error.as_deref().unwrap_or_default(), without_credentials(&self.file));
        if why.starts_with(&*file) { why.to_owned() } else { format!("{file}: {why}") }
    }

    /// This record for a table: without the password of an address.
    pub(crate) fn without_secrets(self) -> Self {
        let error = self.error.map(|why| without_secrets(&why).into_owned());
        Self { file: without_credentials(&self.file).into_owned(), error, ..self }
    }
}

/// Gathers the windows of one recording; its memory grows with the labels, not with the length.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    windows: u64,
    labels: BTreeMap<usize, LabelSummary>,
    model: String,
}

impl Summary {
    /// Takes in a window.
    pub(crate) fn push(&mut self, window: &Classification) {
        self.windows += 1;
        if self.model.is_empty() {
            self.model.clone_from(&window.model);
        }
        for prediction in &window.predictions {
            let label = self.labels.entry(prediction.index).or_insert_with(|| LabelSummary {
                label: prediction.label.clone(),
                index: column(prediction.index),
                windows: 0,
                share: 0.0,
                peak: -1.0,
                at: 0.0,
            });
            label.windows += u64::from(prediction.index == window.best().index);
            if prediction.probability > label.peak {
                label.peak = prediction.probability;
                label.at = window.start().seconds_f64();
            }
        }
    }

    /// The row of `file`, whose sound ended at `end` nanoseconds.
    pub(crate) fn finish(self, file: &str, end: u64) -> FileRecord {
        let mut labels: Vec<_> = self.labels.into_values().collect();
        for label in &mut labels {
            label.share = label.windows as f64 / self.windows.max(1) as f64;
        }
        labels.sort_by(|a, b| b.windows.cmp(&a.windows).then(b.peak.total_cmp(&a.peak)));
        FileRecord {
            file: file.to_owned(),
            status: Status::Ok,
            error: None,
            duration: seconds(end),
            windows: self.windows,
            labels,
            events: None,
            per_window: None,
            model: self.model,
            settings: String::new(),
        }
    }
}
