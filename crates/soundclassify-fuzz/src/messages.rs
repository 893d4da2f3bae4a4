// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages: any structure is parsed or refused, and what was parsed makes the same structure again.

use arbitrary::{Arbitrary, Unstructured};
use gst::prelude::*;
use gstsoundclassify::{Classification, ClassificationEvent, Label};

/// Field names of the two messages and of their parts.
const FIELDS: &[&str] = &[
    "timestamp",
    "stream-time",
    "running-time",
    "duration",
    "window",
    "label",
    "index",
    "probability",
    "predictions",
    "model",
    "kind",
    "event-id",
    "peak",
];
const NAMES: &[&str] = &["soundclassify", "soundclassify-event", "prediction", "other"];

#[derive(Debug, Arbitrary)]
enum Value {
    Long(u64),
    Int(i32),
    Double(f64),
    Text(String),
    Kind(u8),
    Array(Vec<Structure>),
    /// A list where an array belongs.
    List(Vec<i32>),
}

#[derive(Debug, Arbitrary)]
struct Structure {
    name: u8,
    fields: Vec<(u8, Value)>,
}

/// A message that the element could post.
#[derive(Debug, Arbitrary)]
struct Message {
    times: [u64; 4],
    number: u64,
    labels: Vec<(String, u16, f64)>,
    model: String,
    kind: u8,
    peak: f64,
}

/// The bytes are a structure of any fields, and a message that goes there and back.
pub(crate) fn run(bytes: &[u8]) {
    gst::init().expect("GStreamer");
    let mut bytes = Unstructured::new(bytes);
    if let Ok(message) = Message::arbitrary(&mut bytes) {
        round_trip(&message);
    }
    if let Ok(structure) = Structure::arbitrary(&mut bytes) {
        parse(&build(&structure, 0));
    }
}

fn parse(structure: &gst::Structure) {
    if let Ok(parsed) = Classification::try_from(structure.as_ref()) {
        let again = Classification::try_from(parsed.to_structure().as_ref());
        assert_eq!(again.map(|again| bits(&again)), Ok(bits(&parsed)));
    }
    if let Ok(parsed) = ClassificationEvent::try_from(structure.as_ref()) {
        let again = ClassificationEvent::try_from(parsed.to_structure().as_ref());
        assert_eq!(again.map(|again| format!("{again:?}")), Ok(format!("{parsed:?}")));
    }
}

/// Text, where NaN equals itself.
fn bits(message: &Classification) -> String {
    format!("{message:?}")
}

fn build(structure: &Structure, depth: usize) -> gst::Structure {
    let mut built = gst::Structure::new_empty(NAMES[usize::from(structure.name) % NAMES.len()]);
    for (field, value) in &structure.fields {
        built.set_value(FIELDS[usize::from(*field) % FIELDS.len()], send_value(value, depth));
    }
    built
}

fn send_value(value: &Value, depth: usize) -> gst::glib::SendValue {
    match value {
        Value::Long(number) => number.to_send_value(),
        Value::Int(number) => number.to_send_value(),
        Value::Double(number) => number.to_send_value(),
        Value::Text(text) => plain(text).to_send_value(),
        Value::Kind(kind) => ["start", "update", "end"][usize::from(*kind) % 3].to_send_value(),
        Value::Array(_) if depth > 2 => gst::Array::default().to_send_value(),
        Value::Array(parts) => {
            gst::Array::new(parts.iter().map(|part| build(part, depth + 1).to_send_value())).to_send_value()
        }
        Value::List(numbers) => gst::List::new(numbers).to_send_value(),
    }
}

/// A C string ends at its first zero.
fn plain(text: &str) -> String {
    text.replace('\0', "")
}

fn round_trip(message: &Message) {
    let label = |(label, index, probability): &(String, u16, f64)| Label {
        label: plain(label),
        index: usize::from(*index),
        probability: *probability,
    };
    let times = message.times.map(|time| gst::ClockTime::from_nseconds(time % gst::ClockTime::MAX.nseconds()));
    let predictions: Vec<Label> = message.labels.iter().map(label).collect();
    let Some(first) = predictions.first() else { return };
    let event = ClassificationEvent {
        kind: [gstsoundclassify::EventKind::Start, gstsoundclassify::EventKind::End][usize::from(message.kind) % 2],
        event_id: message.number,
        timestamp: times[0],
        stream_time: Some(times[1]),
        running_time: None,
        duration: times[3],
        utc: Some(times[2]),
        now: first.clone(),
        peak: message.peak,
    };
    let parsed = ClassificationEvent::try_from(event.to_structure().as_ref());
    assert_eq!(parsed.map(|parsed| format!("{parsed:?}")), Ok(format!("{event:?}")));
    let window = Classification {
        timestamp: times[0],
        stream_time: None,
        running_time: Some(times[2]),
        duration: times[3],
        utc: None,
        rms: message.peak,
        peak: message.peak,
        window: message.number,
        predictions,
        model: plain(&message.model),
    };
    let parsed = Classification::try_from(window.to_structure().as_ref());
    assert_eq!(parsed.map(|parsed| bits(&parsed)), Ok(bits(&window)));
}
