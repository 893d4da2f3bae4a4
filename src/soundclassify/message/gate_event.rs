// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element message `soundgate-event`.

use gst::ClockTime;
use gst::prelude::*;

use super::{ParseError, Span, expect_name, field, time, time_fields, utc};
use crate::signal::clock::Times;
use soundclassify_core::decision::EventKind;

/// Name of the element message of `soundgate`.
pub const GATE_EVENT: &str = "soundgate-event";
const SOURCE: &str = "source";

/// The element message `soundgate-event`: an event on which `agree` of the `soundclassify` upstream agree begins or ends.
///
/// Each start has exactly one end, and at most one event per label or group is open. Both are posted when the audio at that
/// time leaves the gate. With the feature `serde` it implements `Serialize`, as
/// [`ClassificationEvent`](super::ClassificationEvent) does.
///
/// ```
/// # gst::init().unwrap();
/// # use gstsoundclassify::{EventKind, GateEvent};
/// fn listen(message: &gst::Message) {
///     let Some(structure) = message.structure() else { return };
///     let Ok(event) = GateEvent::try_from(structure) else { return };
///     if event.kind == EventKind::Start {
///         println!("{} elements detected {}", event.sources.len(), event.label);
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GateEvent {
    /// [`EventKind::Start`] or [`EventKind::End`].
    pub kind: EventKind,
    /// Number of the event, from 1, since the element went to PAUSED.
    pub event_id: u64,
    /// Presentation time of the onset, from which on enough sources agree; counts from 0 in streams without timestamps.
    pub timestamp: ClockTime,
    /// Stream time of the onset; `None` in streams without timestamps.
    pub stream_time: Option<ClockTime>,
    /// Running time of the onset; `None` in streams without timestamps.
    pub running_time: Option<ClockTime>,
    /// Duration, of the stream's audio; 0 in [`EventKind::Start`]. The field `endtime` is `timestamp` plus this.
    pub duration: ClockTime,
    /// Time of the onset since 1970, UTC; `None` unless the source is live.
    pub utc: Option<ClockTime>,
    /// The label or group on which sources agree; with `agree-by=any`, the label of the event with which they agreed.
    pub label: String,
    /// Probability that `agree` sources reached, 0…1.
    pub probability: f64,
    /// The sources that have such an event, in the order of their names; one per element.
    pub sources: Vec<GateSource>,
}

/// An element that detected an event.
#[derive(Debug, Clone, PartialEq)]
pub struct GateSource {
    /// Name of the element.
    pub element: String,
    /// Its label: of several, the one with the highest probability.
    pub label: String,
    /// The highest probability so far, 0…1.
    pub probability: f64,
}

impl GateEvent {
    /// The onset in stream time, or `timestamp` in streams without timestamps.
    #[must_use]
    pub fn start(&self) -> ClockTime {
        self.stream_time.unwrap_or(self.timestamp)
    }

    /// The message's structure.
    #[must_use]
    pub fn to_structure(&self) -> gst::Structure {
        let Self { timestamp, stream_time, running_time, utc, duration, .. } = *self;
        let span = Span { times: Times { timestamp, stream_time, running_time, utc, place: 0 }, duration };
        time_fields(gst::Structure::builder(GATE_EVENT), span)
            .field("kind", self.kind.name())
            .field("event-id", self.event_id)
            .field("label", self.label.as_str())
            .field("probability", self.probability)
            .field("sources", gst::Array::new(self.sources.iter().map(GateSource::to_structure)))
            .build()
    }
}

impl GateSource {
    fn to_structure(&self) -> gst::glib::SendValue {
        gst::Structure::builder(SOURCE)
            .field("element", self.element.as_str())
            .field("label", self.label.as_str())
            .field("probability", self.probability)
            .build()
            .to_send_value()
    }
}

impl TryFrom<&gst::StructureRef> for GateEvent {
    type Error = ParseError;

    fn try_from(structure: &gst::StructureRef) -> Result<Self, ParseError> {
        expect_name(structure, GATE_EVENT)?;
        let kind: String = field(structure, "kind")?;
        let kinds = [EventKind::Start, EventKind::End];
        let sources: gst::Array = field(structure, "sources")?;
        let source = |value: &gst::glib::SendValue| {
            let source = value.get::<gst::Structure>().map_err(|_| ParseError::Field("sources"))?;
            GateSource::try_from(source.as_ref())
        };
        Ok(Self {
            kind: kinds.into_iter().find(|known| known.name() == kind).ok_or(ParseError::Field("kind"))?,
            event_id: field(structure, "event-id")?,
            timestamp: time(structure, "timestamp")?.ok_or(ParseError::Field("timestamp"))?,
            stream_time: time(structure, "stream-time")?,
            running_time: time(structure, "running-time")?,
            duration: time(structure, "duration")?.ok_or(ParseError::Field("duration"))?,
            utc: utc(structure)?,
            label: field(structure, "label")?,
            probability: field(structure, "probability")?,
            sources: sources.iter().map(source).collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<&gst::StructureRef> for GateSource {
    type Error = ParseError;

    fn try_from(structure: &gst::StructureRef) -> Result<Self, ParseError> {
        expect_name(structure, SOURCE)?;
        Ok(Self {
            element: field(structure, "element")?,
            label: field(structure, "label")?,
            probability: field(structure, "probability")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(kind: EventKind) -> GateEvent {
        gst::init().unwrap();
        let source = |element: &str, label: &str, probability| GateSource {
            element: element.into(),
            label: label.into(),
            probability,
        };
        GateEvent {
            kind,
            event_id: 3,
            timestamp: ClockTime::from_mseconds(1100),
            stream_time: Some(ClockTime::from_mseconds(100)),
            running_time: None,
            duration: ClockTime::from_mseconds(700),
            utc: Some(ClockTime::from_seconds(1_800_000_000)),
            label: "dog".into(),
            probability: 0.75,
            sources: vec![source("one", "Bark", 0.75), source("other", "Dog", 0.875)],
        }
    }

    #[test]
    fn round_trip() {
        for kind in [EventKind::Start, EventKind::End] {
            let message = example(kind);
            let structure = message.to_structure();
            assert_eq!(structure.get::<&str>("kind"), Ok(kind.name()));
            assert_eq!(structure.get::<u64>("endtime"), Ok(1_800_000_000));
            assert_eq!(structure.get::<u64>("running-time"), Ok(u64::MAX));
            assert_eq!(structure.get::<gst::ArrayRef<'_>>("sources").unwrap().len(), 2);
            assert_eq!(GateEvent::try_from(structure.as_ref()), Ok(message));
        }
    }

    #[test]
    fn other_structures_are_refused() {
        let mut broken = example(EventKind::Start).to_structure();
        broken.set("kind", "update");
        assert_eq!(GateEvent::try_from(broken.as_ref()), Err(ParseError::Field("kind")));
        broken = example(EventKind::Start).to_structure();
        broken.set("sources", gst::Array::new(["one"]));
        assert_eq!(GateEvent::try_from(broken.as_ref()), Err(ParseError::Field("sources")));
        let other = gst::Structure::new_empty("soundclassify-event");
        assert!(matches!(GateEvent::try_from(other.as_ref()), Err(ParseError::Name { .. })));
    }
}
