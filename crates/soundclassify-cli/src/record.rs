// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the element reports, as plain records: the fields and names of its messages.

use serde::{Deserialize, Serialize};

/// One label of a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Prediction {
    /// Label of the class.
    pub(crate) label: String,
    /// Index of the class in the model.
    pub(crate) index: i32,
    /// Probability, 0 to 1.
    pub(crate) probability: f64,
}

/// One reported window; times in nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Window {
    /// Start of the window in the buffers' time.
    pub(crate) timestamp: u64,
    /// Start in stream time, if known.
    pub(crate) stream_time: Option<u64>,
    /// Start in running time, if known.
    pub(crate) running_time: Option<u64>,
    /// Length of the window.
    pub(crate) duration: u64,
    /// End of the window in the buffers' time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endtime: Option<u64>,
    /// Start since 1970 in UTC, of a live source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) utc: Option<u64>,
    /// Root mean square of the window, dBFS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rms: Option<f64>,
    /// Greatest absolute value in the window, dBFS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) peak: Option<f64>,
    /// Number of the window since the last reset.
    pub(crate) window: u64,
    /// Best label.
    pub(crate) label: String,
    /// Index of the best label.
    pub(crate) index: i32,
    /// Probability of the best label.
    pub(crate) probability: f64,
    /// Best first.
    pub(crate) predictions: Vec<Prediction>,
    /// Name of the model.
    pub(crate) model: String,
}

impl Window {
    /// Start in the stream, nanoseconds.
    pub(crate) fn start(&self) -> u64 {
        self.stream_time.unwrap_or(self.timestamp)
    }
}

/// What an event record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EventKind {
    /// The event has lasted long enough to be reported.
    Start,
    /// The event continues.
    Update,
    /// The event is over; its duration is final.
    End,
}

impl EventKind {
    /// The word of the element's message.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Update => "update",
            Self::End => "end",
        }
    }
}

/// One event message; times in nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Event {
    /// Start, update or end.
    pub(crate) kind: EventKind,
    /// The same in all messages of one event.
    pub(crate) event_id: u64,
    /// Label of the event.
    pub(crate) label: String,
    /// Index of the label.
    pub(crate) index: i32,
    /// Probability now.
    pub(crate) probability: f64,
    /// Highest probability so far.
    pub(crate) peak: f64,
    /// Onset in the buffers' time.
    pub(crate) timestamp: u64,
    /// Onset in stream time, if known.
    pub(crate) stream_time: Option<u64>,
    /// Onset in running time, if known.
    pub(crate) running_time: Option<u64>,
    /// Length so far.
    pub(crate) duration: u64,
    /// Where it ends so far, in the buffers' time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endtime: Option<u64>,
    /// Onset since 1970 in UTC, of a live source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) utc: Option<u64>,
}

impl Event {
    /// Onset in the stream, nanoseconds.
    pub(crate) fn start(&self) -> u64 {
        self.stream_time.unwrap_or(self.timestamp)
    }
}

/// Anything that one line of JSON may hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Record {
    /// A reported window.
    Window(Window),
    /// An event message.
    Event(Event),
}

/// Seconds of a time in nanoseconds, for reading.
pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}
