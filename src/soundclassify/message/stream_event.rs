// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes from `soundclassify` to `soundgate`: events in the stream, and a query for the time they take.

use gst::prelude::*;

use super::{ClassificationEvent, field};

const SOURCE: &str = "source";
const DELAY: &str = "soundclassify-delay";

/// An event in the stream: the structure of its message with the name of the element.
pub(crate) struct StreamEvent {
    pub(crate) source: String,
    pub(crate) event: ClassificationEvent,
}

impl StreamEvent {
    /// The event of a message's structure.
    pub(crate) fn build(mut structure: gst::Structure, source: &str) -> gst::Event {
        structure.set(SOURCE, source);
        gst::event::CustomDownstream::new(structure)
    }

    pub(crate) fn read(structure: &gst::StructureRef) -> Option<Self> {
        let source = field(structure, SOURCE).ok()?;
        Some(Self { source, event: ClassificationEvent::try_from(structure).ok()? })
    }
}

/// The answer of all `soundclassify` upstream to the query for their delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DelayQuery {
    /// The longest time from a sound until the beginning and the end of its event are known, ns.
    pub(crate) time: u64,
    /// Whether any of them reports events.
    pub(crate) reports_events: bool,
}

impl DelayQuery {
    /// Asks upstream; `None` where no `soundclassify` answers.
    pub(crate) fn ask(sink: &gst::Pad) -> Option<Self> {
        let structure = gst::Structure::builder(DELAY).field("time", 0u64).field("events", false).build();
        let mut query = gst::query::Custom::new(structure);
        if !sink.peer_query(query.query_mut()) {
            return None;
        }
        let structure = query.structure()?;
        Some(Self { time: structure.get("time").ok()?, reports_events: structure.get("events").ok()? })
    }

    /// Adds this element's answer to a query; `false` for another query.
    pub(crate) fn answer(self, query: &mut gst::query::Custom<gst::QueryRef>) -> bool {
        let structure = query.structure_mut();
        if structure.name() != DELAY {
            return false;
        }
        let (time, events) = (structure.get("time").unwrap_or(0u64), structure.get("events").unwrap_or(false));
        structure.set("time", time.max(self.time));
        structure.set("events", events || self.reports_events);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Label;
    use soundclassify_core::decision::EventKind;

    #[test]
    fn an_event_in_the_stream_carries_message_and_source() {
        gst::init().unwrap();
        let event = ClassificationEvent {
            kind: EventKind::End,
            event_id: 3,
            timestamp: gst::ClockTime::SECOND,
            stream_time: None,
            running_time: Some(gst::ClockTime::SECOND),
            duration: gst::ClockTime::SECOND,
            utc: None,
            now: Label { label: "Bark".into(), index: 3, probability: 0.25 },
            peak: 0.75,
        };
        let sent = StreamEvent::build(event.to_structure(), "classify0");
        let read = StreamEvent::read(sent.structure().unwrap()).unwrap();
        assert_eq!((read.source.as_str(), read.event), ("classify0", event));
    }
}
