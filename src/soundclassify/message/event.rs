// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element message `soundclassify-event`.

use gst::ClockTime;

use super::{Label, Named, ParseError, Span, class_number, expect_name, field, time, time_fields, utc};
use crate::signal::clock::Times;
use soundclassify_core::decision::EventKind;

/// Name of the element message of an event.
pub const EVENT: &str = "soundclassify-event";

/// The element message `soundclassify-event`: a sound begins, continues, or ends.
///
/// Each start has exactly one end, and at most one event per label is open. A start is posted when the event has
/// lasted `event-min-duration`, an end when the gap after it is longer than `event-hold`; the times are those of the
/// sound itself. With the feature `serde` it implements `Serialize`, as [`Classification`](super::Classification) does.
///
/// ```
/// # gst::init().unwrap();
/// # use gstsoundclassify::{ClassificationEvent, EventKind};
/// fn listen(message: &gst::Message) {
///     let Some(structure) = message.structure() else { return };
///     let Ok(event) = ClassificationEvent::try_from(structure) else { return };
///     if event.kind == EventKind::End {
///         println!("{} for {}", event.now.label, event.duration);
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ClassificationEvent {
    /// What happened.
    pub kind: EventKind,
    /// Number of the event, from 1, since the element went to PAUSED.
    pub event_id: u64,
    /// Presentation time of the onset, the start of the first window; counts from 0 in streams without timestamps.
    pub timestamp: ClockTime,
    /// Stream time of the onset; `None` in streams without timestamps.
    pub stream_time: Option<ClockTime>,
    /// Running time of the onset; `None` in streams without timestamps.
    pub running_time: Option<ClockTime>,
    /// Duration so far, of the stream's audio; final in [`EventKind::End`]. The field
    /// `endtime` is `timestamp` plus this.
    pub duration: ClockTime,
    /// Time of the onset since 1970, UTC; `None` unless the source is live.
    pub utc: Option<ClockTime>,
    /// The label, and its probability now.
    pub now: Label,
    /// Highest probability so far.
    pub peak: f64,
}

impl ClassificationEvent {
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
        structure(self.kind, self.event_id, span, self.now.named(), self.peak)
    }
}

/// The structure of a [`ClassificationEvent`], without the allocations of one.
pub(crate) fn structure(kind: EventKind, event_id: u64, span: Span, now: Named<'_>, peak: f64) -> gst::Structure {
    time_fields(gst::Structure::builder(EVENT), span)
        .field("kind", kind.name())
        .field("event-id", event_id)
        .field("label", now.label)
        .field("index", class_number(now.index))
        .field("probability", now.probability)
        .field("peak", peak)
        .build()
}

impl TryFrom<&gst::StructureRef> for ClassificationEvent {
    type Error = ParseError;

    fn try_from(structure: &gst::StructureRef) -> Result<Self, ParseError> {
        expect_name(structure, EVENT)?;
        let kind: String = field(structure, "kind")?;
        let kinds = [EventKind::Start, EventKind::Update, EventKind::End];
        let index: i32 = field(structure, "index")?;
        Ok(Self {
            kind: kinds.into_iter().find(|known| known.name() == kind).ok_or(ParseError::Field("kind"))?,
            event_id: field(structure, "event-id")?,
            timestamp: time(structure, "timestamp")?.ok_or(ParseError::Field("timestamp"))?,
            stream_time: time(structure, "stream-time")?,
            running_time: time(structure, "running-time")?,
            duration: time(structure, "duration")?.ok_or(ParseError::Field("duration"))?,
            utc: utc(structure)?,
            now: Label {
                label: field(structure, "label")?,
                index: usize::try_from(index).map_err(|_| ParseError::Field("index"))?,
                probability: field(structure, "probability")?,
            },
            peak: field(structure, "peak")?,
        })
    }
}

/// Whether a structure is the beginning or the end of an event.
pub(crate) fn is_border(structure: &gst::StructureRef) -> bool {
    structure.name() == EVENT && structure.get::<&str>("kind").is_ok_and(|kind| kind != EventKind::Update.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(kind: EventKind) -> ClassificationEvent {
        gst::init().unwrap();
        ClassificationEvent {
            kind,
            event_id: 3,
            timestamp: ClockTime::from_mseconds(1100),
            stream_time: Some(ClockTime::from_mseconds(100)),
            running_time: None,
            duration: ClockTime::from_mseconds(700),
            utc: Some(ClockTime::from_seconds(1_800_000_000)),
            now: Label { label: "Bark".into(), index: 3, probability: 0.25 },
            peak: 0.75,
        }
    }

    #[test]
    fn round_trip() {
        for kind in [EventKind::Start, EventKind::Update, EventKind::End] {
            let message = example(kind);
            assert_eq!(ClassificationEvent::try_from(message.to_structure().as_ref()), Ok(message));
        }
    }

    #[test]
    fn fields_have_the_types_of_the_contract() {
        let structure = example(EventKind::End).to_structure();
        assert_eq!(structure.name(), "soundclassify-event");
        assert_eq!(structure.get::<&str>("kind"), Ok("end"));
        assert_eq!(structure.get::<u64>("event-id"), Ok(3));
        assert_eq!(structure.get::<&str>("label"), Ok("Bark"));
        assert_eq!(structure.get::<i32>("index"), Ok(3));
        assert_eq!(structure.get::<f64>("probability"), Ok(0.25));
        assert_eq!(structure.get::<f64>("peak"), Ok(0.75));
        assert_eq!(structure.get::<u64>("timestamp"), Ok(1_100_000_000));
        assert_eq!(structure.get::<u64>("stream-time"), Ok(100_000_000));
        assert_eq!(structure.get::<u64>("running-time"), Ok(u64::MAX));
        assert_eq!(structure.get::<u64>("duration"), Ok(700_000_000));
        assert_eq!(structure.get::<u64>("endtime"), Ok(1_800_000_000));
        assert_eq!(structure.get::<u64>("utc"), Ok(1_800_000_000_000_000_000));
    }

    #[test]
    fn other_structures_are_refused() {
        let mut broken = example(EventKind::Start).to_structure();
        broken.set("kind", "middle");
        assert_eq!(ClassificationEvent::try_from(broken.as_ref()), Err(ParseError::Field("kind")));
        let other = gst::Structure::new_empty("soundclassify");
        assert!(matches!(ClassificationEvent::try_from(other.as_ref()), Err(ParseError::Name { .. })));
    }
}
