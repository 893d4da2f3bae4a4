// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the element posts.

use gstsoundclassify::{Classification, ClassificationEvent, ParseError};
use serde::Serialize;

/// A message of the element: what one line of JSON contains.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Record {
    /// A reported window.
    Window(Classification),
    /// An event message.
    Event(ClassificationEvent),
}

impl Record {
    /// The record in a bus message, if it is one of the element's.
    ///
    /// # Errors
    /// The message has the right name and the wrong fields.
    pub(crate) fn of(message: &gst::Message) -> Option<Result<Self, ParseError>> {
        let structure = message.structure()?;
        match structure.name().as_str() {
            "soundclassify" => Some(structure.try_into().map(Self::Window)),
            "soundclassify-event" => Some(structure.try_into().map(Self::Event)),
            _ => None,
        }
    }
}

/// Seconds of a time in nanoseconds, for reading.
pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}
