// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes from `soundclassify` to `soundgate`: events in the stream, and queries for the time they take and their labels.

use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use gst::prelude::*;

use super::ClassificationEvent;

const SOURCE: &str = "source";
const INSTANCE: &str = "instance";
const PLACE: &str = "place";
const PASSED: &str = "passed";
const GROUPS: &str = "groups";
const DELAY: &str = "soundclassify-delay";
const LABELS: &str = "soundclassify-labels";
const SOURCES: &str = "sources";

/// A number that no other element of this process has, and hardly one of a different process. It is valid from READY to
/// PAUSED and back.
#[derive(Debug)]
pub(crate) struct Instance(AtomicU64);

impl Instance {
    /// The number, as events carry it.
    pub(crate) fn number(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Another number: the numbers of events start again.
    pub(crate) fn renew(&self) {
        self.0.store(next_number(), Ordering::Relaxed);
    }
}

impl Default for Instance {
    fn default() -> Self {
        Self(AtomicU64::new(next_number()))
    }
}

fn next_number() -> u64 {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    static NEXT: AtomicU64 = AtomicU64::new(0);
    PROCESS.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The element that sends events, and where its stream is.
pub(crate) struct Sender<'a> {
    pub(crate) name: &'a str,
    pub(crate) instance: &'a Instance,
    /// Place up to which audio was passed on; see [`crate::signal::timing`].
    pub(crate) passed: Option<u64>,
}

/// An event in the stream: the structure of its message, who sends it, and where.
pub(crate) struct StreamEvent {
    /// A number of the sender, or of its name where it sends no number.
    pub(crate) source: u64,
    /// Name of the sender.
    pub(crate) element: String,
    pub(crate) places: Option<Places>,
    /// Groups of its model that contain the label.
    pub(crate) groups: Vec<String>,
    pub(crate) event: ClassificationEvent,
}

/// Places of an event, ns of audio since the last flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    /// Where it begins.
    pub(crate) onset: u64,
    /// Where the sender's stream was.
    pub(crate) passed: u64,
}

/// A label, and the groups of its model that contain it; a group is in itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Labelled {
    pub(crate) label: Arc<str>,
    pub(crate) groups: Arc<[String]>,
}

/// Adds the place of an event, and the groups that contain its label, to the structure of its message.
pub(crate) fn set_place<'a>(structure: &mut gst::Structure, place: u64, groups: impl Iterator<Item = &'a str>) {
    structure.set(PLACE, place);
    let groups = gst::Array::new(groups);
    if !groups.is_empty() {
        structure.set(GROUPS, groups);
    }
}

/// Removes what is not part of the message.
pub(crate) fn remove_place(structure: &mut gst::Structure) {
    structure.remove_fields([PLACE, GROUPS]);
}

impl StreamEvent {
    /// The event of a message's structure.
    pub(crate) fn build(mut structure: gst::Structure, sender: &Sender<'_>) -> gst::Event {
        structure.set(SOURCE, sender.name);
        structure.set(INSTANCE, sender.instance.number());
        if let Some(passed) = sender.passed {
            structure.set(PASSED, passed);
        }
        gst::event::CustomDownstream::new(structure)
    }

    pub(crate) fn read(structure: &gst::StructureRef) -> Option<Self> {
        let element: Option<String> = structure.get(SOURCE).ok();
        let source = match structure.get(INSTANCE) {
            Ok(instance) => instance,
            Err(_) => hash(element.as_ref()?),
        };
        let places = match (structure.get(PLACE), structure.get(PASSED)) {
            (Ok(onset), Ok(passed)) => Some(Places { onset, passed }),
            _ => None,
        };
        let groups = strings(structure, GROUPS);
        let event = ClassificationEvent::try_from(structure).ok()?;
        Some(Self { source, element: element.unwrap_or_default(), places, groups, event })
    }
}

fn strings(structure: &gst::StructureRef, name: &str) -> Vec<String> {
    let array = structure.get::<gst::ArrayRef<'_>>(name);
    array.map(|array| array.iter().filter_map(|it| it.get().ok()).collect()).unwrap_or_default()
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// The answer of all `soundclassify` upstream to the query for their delay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DelayQuery {
    /// Maximum time from a sound until the beginning and the end of its event are known, ns.
    pub(crate) time: u64,
    /// Whether any of them reports events.
    pub(crate) reports_events: bool,
    /// Their numbers.
    pub(crate) instances: Vec<u64>,
}

impl DelayQuery {
    /// Asks upstream; `None` where no `soundclassify` answers.
    pub(crate) fn ask(sink: &gst::Pad) -> Option<Self> {
        let structure = gst::Structure::builder(DELAY)
            .field("time", 0u64)
            .field("events", false)
            .field(SOURCES, gst::Array::default())
            .build();
        let mut query = gst::query::Custom::new(structure);
        if !sink.peer_query(query.query_mut()) {
            return None;
        }
        let structure = query.structure()?;
        let instances = structure.get::<gst::Array>(SOURCES).ok()?;
        let instances = instances.iter().filter_map(|it| it.get().ok()).collect();
        Some(Self { time: structure.get("time").ok()?, reports_events: structure.get("events").ok()?, instances })
    }

    /// Adds this element's answer to a query; `false` for another query.
    pub(crate) fn answer(&self, query: &mut gst::query::Custom<gst::QueryRef>) -> bool {
        let structure = query.structure_mut();
        if structure.name() != DELAY {
            return false;
        }
        let before = structure.get::<gst::Array>(SOURCES).unwrap_or_default();
        let instances = self.instances.iter().map(ToSendValue::to_send_value);
        structure.set(SOURCES, gst::Array::from_values(before.iter().cloned().chain(instances)));
        let (time, events) = (structure.get("time").unwrap_or(0u64), structure.get("events").unwrap_or(false));
        structure.set("time", time.max(self.time));
        structure.set("events", events || self.reports_events);
        true
    }
}

/// Labels and groups that a `soundclassify` may report, with their groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceLabels {
    /// Name of the element.
    pub(crate) element: String,
    pub(crate) labels: Vec<Labelled>,
}

impl SourceLabels {
    /// Asks upstream for those of each `soundclassify` that reports events, the nearest one first; `None` where none answers.
    pub(crate) fn ask(sink: &gst::Pad) -> Option<Vec<Self>> {
        let structure = gst::Structure::builder(LABELS).field(SOURCES, gst::Array::default()).build();
        let mut query = gst::query::Custom::new(structure);
        if !sink.peer_query(query.query_mut()) {
            return None;
        }
        let sources = query.structure()?.get::<gst::Array>(SOURCES).ok()?;
        Some(sources.iter().filter_map(Self::read).collect())
    }

    /// Adds this element's answer to a query; `false` for another query.
    pub(crate) fn answer(&self, query: &mut gst::query::Custom<gst::QueryRef>) -> bool {
        let structure = query.structure_mut();
        if structure.name() != LABELS {
            return false;
        }
        let before = structure.get::<gst::Array>(SOURCES).unwrap_or_default();
        structure
            .set(SOURCES, gst::Array::from_values(before.iter().cloned().chain([self.to_structure().to_send_value()])));
        true
    }

    /// Whether a query is one for labels.
    pub(crate) fn is_asked_by(query: &gst::query::Custom<gst::QueryRef>) -> bool {
        query.structure().is_some_and(|structure| structure.name() == LABELS)
    }

    fn to_structure(&self) -> gst::Structure {
        let label = |it: &Labelled| {
            let groups = gst::Array::new(it.groups.iter().map(String::as_str));
            gst::Structure::builder("label").field("label", &*it.label).field(GROUPS, groups).build().to_send_value()
        };
        let labels = gst::Array::from_values(self.labels.iter().map(label));
        gst::Structure::builder(SOURCE).field("element", self.element.as_str()).field("labels", labels).build()
    }

    fn read(value: &gst::glib::SendValue) -> Option<Self> {
        let structure = value.get::<gst::Structure>().ok()?;
        let labels = structure.get::<gst::Array>("labels").ok()?;
        let label = |value: &gst::glib::SendValue| {
            let structure = value.get::<gst::Structure>().ok()?;
            let label = structure.get::<String>("label").ok()?.into();
            Some(Labelled { label, groups: strings(&structure, GROUPS).into() })
        };
        Some(Self { element: structure.get("element").ok()?, labels: labels.iter().filter_map(label).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Label;
    use soundclassify_core::decision::EventKind;

    #[test]
    fn an_event_in_the_stream_carries_message_source_and_places() {
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
        let sent = |instance: &Instance, passed| {
            let mut structure = event.to_structure();
            set_place(&mut structure, 5, ["animal", "pet"].into_iter());
            let sender = Sender { name: "classify0", instance, passed };
            let sent = StreamEvent::build(structure, &sender);
            // As text, which is what reaches another process.
            let text = sent.structure().unwrap().to_string();
            StreamEvent::read(&text.parse::<gst::Structure>().unwrap()).unwrap()
        };
        let (one, other) = (Instance::default(), Instance::default());
        let read = sent(&one, Some(9));
        assert_eq!((read.places, &read.event), (Some(Places { onset: 5, passed: 9 }), &event));
        assert_eq!(
            (read.element.as_str(), &read.groups[..]),
            ("classify0", &["animal".to_string(), "pet".to_string()][..])
        );
        assert_eq!(sent(&one, None).places, None);
        assert_eq!(sent(&one, None).source, read.source);
        assert_ne!(sent(&other, None).source, read.source);

        let mut unnumbered = event.to_structure();
        unnumbered.set(SOURCE, "classify0");
        let read = StreamEvent::read(&unnumbered).unwrap();
        assert_eq!((read.source, read.places), (hash("classify0"), None));
    }

    #[test]
    fn each_element_adds_its_labels_to_a_query() {
        gst::init().unwrap();
        let labelled = |label: &str, groups: &[&str]| Labelled {
            label: label.into(),
            groups: groups.iter().map(ToString::to_string).collect(),
        };
        let one = SourceLabels { element: "one".into(), labels: vec![labelled("Bark", &["animal"])] };
        let other = SourceLabels { element: "other".into(), labels: vec![labelled("Dog", &[]), labelled("Rain", &[])] };
        let structure = gst::Structure::builder(LABELS).field(SOURCES, gst::Array::default()).build();
        let mut query = gst::query::Custom::new(structure);
        assert!(SourceLabels::is_asked_by(&query) && one.answer(&mut query) && other.answer(&mut query));
        let sources = query.structure().unwrap().get::<gst::Array>(SOURCES).unwrap();
        let read: Vec<_> = sources.iter().filter_map(SourceLabels::read).collect();
        assert_eq!(read, [one, other]);
    }
}
