// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element's messages as records.

use gstsoundclassify::{Classification, ClassificationEvent, EventKind as Kind, Label};

use crate::record::{Event, EventKind, Prediction, Record, Window};

/// What a message of the element told.
pub(crate) enum Told {
    /// A result.
    Record(Record),
    /// A message that has the right name and the wrong fields.
    Garbled(String),
}

/// The record in a bus message, if it is one of the element's.
pub(crate) fn told(message: &gst::Message) -> Option<Told> {
    let structure = message.structure()?;
    let record = match structure.name().as_str() {
        "soundclassify" => window(structure).map(Record::Window),
        "soundclassify-event" => event(structure).map(Record::Event),
        _ => return None,
    };
    Some(record.map_or_else(Told::Garbled, Told::Record))
}

type Got<T> = Result<T, String>;

fn window(structure: &gst::StructureRef) -> Got<Window> {
    let heard = Classification::try_from(structure).map_err(|error| error.to_string())?;
    let best = prediction(heard.best());
    Ok(Window {
        timestamp: heard.timestamp.nseconds(),
        stream_time: heard.stream_time.map(gst::ClockTime::nseconds),
        running_time: heard.running_time.map(gst::ClockTime::nseconds),
        duration: heard.duration.nseconds(),
        window: heard.window,
        label: best.label,
        index: best.index,
        probability: best.probability,
        predictions: heard.predictions.iter().map(prediction).collect(),
        model: heard.model,
    })
}

fn prediction(label: &Label) -> Prediction {
    // The message itself counts classes in an int.
    let index = i32::try_from(label.index).unwrap_or(i32::MAX);
    Prediction { label: label.label.clone(), index, probability: label.probability }
}

fn event(structure: &gst::StructureRef) -> Got<Event> {
    let told = ClassificationEvent::try_from(structure).map_err(|error| error.to_string())?;
    let now = prediction(&told.now);
    Ok(Event {
        kind: match told.kind {
            Kind::Start => EventKind::Start,
            Kind::Update => EventKind::Update,
            Kind::End => EventKind::End,
        },
        event_id: told.event_id,
        label: now.label,
        index: now.index,
        probability: now.probability,
        peak: told.peak,
        timestamp: told.timestamp.nseconds(),
        stream_time: told.stream_time.map(gst::ClockTime::nseconds),
        running_time: told.running_time.map(gst::ClockTime::nseconds),
        duration: told.duration.nseconds(),
    })
}
