// SPDX-License-Identifier: MIT OR Apache-2.0
//! The messages for `serde`: the names and units of their fields in GStreamer; times that are not known are null, and `utc` is
//! left out unless the source is live.

use gst::ClockTime;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::{Classification, ClassificationEvent, GateEvent, GateSource, Label};

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Label", 3)?;
        best(&mut fields, self)?;
        fields.end()
    }
}

impl Serialize for Classification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { timestamp, stream_time, running_time, duration, utc, .. } = *self;
        let mut fields = serializer.serialize_struct("Classification", 14)?;
        times(&mut fields, [Some(timestamp), stream_time, running_time], duration, utc)?;
        fields.serialize_field("rms", &self.rms)?;
        fields.serialize_field("peak", &self.peak)?;
        fields.serialize_field("window", &self.window)?;
        best(&mut fields, self.best())?;
        fields.serialize_field("predictions", &self.predictions)?;
        fields.serialize_field("model", &self.model)?;
        fields.end()
    }
}

impl Serialize for ClassificationEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { timestamp, stream_time, running_time, duration, utc, .. } = *self;
        let mut fields = serializer.serialize_struct("ClassificationEvent", 12)?;
        fields.serialize_field("kind", self.kind.name())?;
        fields.serialize_field("event-id", &self.event_id)?;
        best(&mut fields, &self.now)?;
        fields.serialize_field("peak", &self.peak)?;
        times(&mut fields, [Some(timestamp), stream_time, running_time], duration, utc)?;
        fields.end()
    }
}

impl Serialize for GateEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { timestamp, stream_time, running_time, duration, utc, .. } = *self;
        let mut fields = serializer.serialize_struct("GateEvent", 11)?;
        fields.serialize_field("kind", self.kind.name())?;
        fields.serialize_field("event-id", &self.event_id)?;
        fields.serialize_field("label", &self.label)?;
        fields.serialize_field("probability", &self.probability)?;
        fields.serialize_field("sources", &self.sources)?;
        times(&mut fields, [Some(timestamp), stream_time, running_time], duration, utc)?;
        fields.end()
    }
}

impl Serialize for GateSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("GateSource", 3)?;
        fields.serialize_field("element", &self.element)?;
        fields.serialize_field("label", &self.label)?;
        fields.serialize_field("probability", &self.probability)?;
        fields.end()
    }
}

fn best<S: SerializeStruct>(fields: &mut S, label: &Label) -> Result<(), S::Error> {
    fields.serialize_field("label", &label.label)?;
    fields.serialize_field("index", &label.index)?;
    fields.serialize_field("probability", &label.probability)
}

/// `start`: timestamp, stream time and running time.
fn times<S: SerializeStruct>(
    fields: &mut S,
    start: [Option<ClockTime>; 3],
    duration: ClockTime,
    utc: Option<ClockTime>,
) -> Result<(), S::Error> {
    let [timestamp, stream_time, running_time] = start.map(|time| time.map(ClockTime::nseconds));
    fields.serialize_field("timestamp", &timestamp)?;
    fields.serialize_field("stream-time", &stream_time)?;
    fields.serialize_field("running-time", &running_time)?;
    fields.serialize_field("duration", &duration.nseconds())?;
    fields.serialize_field("endtime", &timestamp.map(|start| start.saturating_add(duration.nseconds())))?;
    match utc {
        Some(utc) => fields.serialize_field("utc", &utc.nseconds()),
        None => fields.skip_field("utc"),
    }
}
