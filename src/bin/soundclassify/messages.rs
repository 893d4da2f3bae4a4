// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element's messages as records.

use gstsoundclassify::{Classification, Label};

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

fn get<'a, T: gst::glib::value::FromValue<'a>>(structure: &'a gst::StructureRef, name: &str) -> Got<T> {
    structure.get(name).map_err(|error| format!("message {}: {error}", structure.name()))
}

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
    let kind = match get::<&str>(structure, "kind")? {
        "start" => EventKind::Start,
        "update" => EventKind::Update,
        _ => EventKind::End,
    };
    Ok(Event {
        kind,
        event_id: get(structure, "event-id")?,
        label: get(structure, "label")?,
        index: get(structure, "index")?,
        probability: get(structure, "probability")?,
        peak: get(structure, "peak")?,
        timestamp: get(structure, "timestamp")?,
        stream_time: time(structure, "stream-time")?,
        running_time: time(structure, "running-time")?,
        duration: get(structure, "duration")?,
    })
}

/// `GST_CLOCK_TIME_NONE` is an absent time.
fn time(structure: &gst::StructureRef, name: &str) -> Got<Option<u64>> {
    match structure.get::<Option<gst::ClockTime>>(name) {
        Ok(time) => Ok(time.map(gst::ClockTime::nseconds)),
        Err(_) => get::<u64>(structure, name).map(|time| (time != u64::MAX).then_some(time)),
    }
}
