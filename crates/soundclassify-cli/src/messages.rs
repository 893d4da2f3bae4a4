// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element's messages as records.

use gstsoundclassify::{Classification, ClassificationEvent, EventKind as Kind, Label};

use crate::record::{Event, EventKind, Prediction, Record, Window};

/// The content of a message of the element.
pub(crate) enum Parsed {
    /// A result.
    Record(Record),
    /// A message that has the right name and the wrong fields.
    Garbled(String),
}

/// The record in a bus message, if it is one of the element's.
pub(crate) fn parse(message: &gst::Message) -> Option<Parsed> {
    let structure = message.structure()?;
    let record = match structure.name().as_str() {
        "soundclassify" => window(structure).map(Record::Window),
        "soundclassify-event" => event(structure).map(Record::Event),
        _ => return None,
    };
    Some(record.map_or_else(Parsed::Garbled, Parsed::Record))
}

type Got<T> = Result<T, String>;

fn window(structure: &gst::StructureRef) -> Got<Window> {
    let window = Classification::try_from(structure).map_err(|error| error.to_string())?;
    let best = prediction(window.best());
    Ok(Window {
        timestamp: window.timestamp.nseconds(),
        stream_time: window.stream_time.map(gst::ClockTime::nseconds),
        running_time: window.running_time.map(gst::ClockTime::nseconds),
        duration: window.duration.nseconds(),
        endtime: Some(window.timestamp.saturating_add(window.duration).nseconds()),
        utc: window.utc.map(gst::ClockTime::nseconds),
        rms: Some(window.rms),
        peak: Some(window.peak),
        window: window.window,
        label: best.label,
        index: best.index,
        probability: best.probability,
        predictions: window.predictions.iter().map(prediction).collect(),
        model: window.model,
    })
}

fn prediction(label: &Label) -> Prediction {
    // The message itself counts classes in an int.
    let index = i32::try_from(label.index).unwrap_or(i32::MAX);
    Prediction { label: label.label.clone(), index, probability: label.probability }
}

fn event(structure: &gst::StructureRef) -> Got<Event> {
    let event = ClassificationEvent::try_from(structure).map_err(|error| error.to_string())?;
    let now = prediction(&event.now);
    Ok(Event {
        kind: match event.kind {
            Kind::Start => EventKind::Start,
            Kind::Update => EventKind::Update,
            Kind::End => EventKind::End,
        },
        event_id: event.event_id,
        label: now.label,
        index: now.index,
        probability: now.probability,
        peak: event.peak,
        timestamp: event.timestamp.nseconds(),
        stream_time: event.stream_time.map(gst::ClockTime::nseconds),
        running_time: event.running_time.map(gst::ClockTime::nseconds),
        duration: event.duration.nseconds(),
        endtime: Some(event.timestamp.saturating_add(event.duration).nseconds()),
        utc: event.utc.map(gst::ClockTime::nseconds),
    })
}
