// SPDX-License-Identifier: MIT OR Apache-2.0
//! Actions for events: commands and publications.

use gst::{glib, prelude::*};
use gstsoundclassify::ClassificationEvent;

use super::{
    commands::Commands,
    model,
    mqtt::{Identity, Mqtt, Order},
    sound::Sound,
};
use crate::{args::LiveArgs, exit::Result, record::Record, session::Session, warm_engine::WarmEngine};

/// The commands and the broker of the command line.
pub(super) struct Actions {
    commands: Commands,
    mqtt: Option<Mqtt>,
    name: String,
}

impl Actions {
    /// `name`: of the device or stream; `quiet`: whether the screen is the view's.
    pub(super) fn new(args: &LiveArgs, warm_engine: &WarmEngine, name: &str, quiet: bool) -> Result<Self> {
        let name = args.name.clone().unwrap_or_else(|| name.to_owned());
        let mqtt = match args.mqtt.clone() {
            Some(broker) => {
                let broker = broker.with_password(args.mqtt_password_file.as_deref())?;
                Some(Mqtt::new(&broker, identity(args, warm_engine, &name)?))
            }
            None => None,
        };
        Ok(Self { commands: Commands::new(&args.on, quiet), mqtt, name })
    }

    /// Whether the level is published.
    pub(super) fn wants_level(args: &LiveArgs) -> bool {
        args.mqtt.is_some()
    }

    /// Takes in a record. `end`: where the audio ends by now, nanoseconds. Warnings for the user.
    pub(super) fn record(&mut self, record: &Record, end: u64) -> Option<String> {
        let Record::Event(event) = record else { return None };
        if let Some(mqtt) = &self.mqtt {
            mqtt.event(event, &self.name, &time_of_day(event, end));
        }
        self.commands.event(event)
    }

    /// Takes in the level of the audio.
    pub(super) fn sound(&mut self, sound: &Sound) {
        if let (Some(mqtt), Sound::Loudness { level, .. }) = (&mut self.mqtt, sound) {
            mqtt.level(*level);
        }
    }

    /// Orders from the broker's clients, and warnings about the broker.
    pub(super) fn news(&mut self) -> (Vec<Order>, Vec<String>) {
        self.mqtt.as_ref().map(|mqtt| (mqtt.orders().collect(), mqtt.warnings().collect())).unwrap_or_default()
    }
}

/// Sets the threshold of a label, those of other labels stay.
pub(super) fn set_threshold(session: &Session, label: &str, threshold: f64) {
    let element = session.element();
    let given = element.property::<Option<gst::Structure>>("label-thresholds");
    let mut thresholds = given.unwrap_or_else(|| gst::Structure::new_empty("thresholds"));
    thresholds.set(label, threshold);
    element.set_property("label-thresholds", thresholds);
}

fn identity(args: &LiveArgs, warm_engine: &WarmEngine, name: &str) -> Result<Identity> {
    let model = model(warm_engine)?;
    let manifest = model.manifest();
    let list = |property: &str| -> Vec<String> {
        let array = warm_engine.settings().property::<gst::Array>(property);
        array.iter().filter_map(|value| value.get().ok()).collect()
    };
    let (allowed, denied) = (list("allow-labels"), list("deny-labels"));
    let labels = manifest
        .labels
        .iter()
        .filter(|label| (allowed.is_empty() || allowed.contains(label)) && !denied.contains(label));
    Ok(Identity {
        name: name.to_owned(),
        labels: labels.cloned().collect(),
        model: manifest.name.clone(),
        discovery: !args.no_discovery,
    })
}

/// Time of day of an event's onset, ISO 8601 with the zone. `end`: where the audio ends by now, nanoseconds.
pub(super) fn time_of_day(event: &ClassificationEvent, end: u64) -> String {
    local_onset(event, end)
        .and_then(|time| time.format("%Y-%m-%dT%H:%M:%S.%f%:z"))
        .map_or_else(|_| String::new(), String::from)
}

/// The local time of an event's onset: as the source says, or else by what came after it until `end`, nanoseconds.
pub(super) fn local_onset(
    event: &ClassificationEvent,
    end: u64,
) -> std::result::Result<glib::DateTime, glib::BoolError> {
    let microseconds = |time: gst::ClockTime| i64::try_from(time.useconds()).unwrap_or(i64::MAX);
    let (from, later) = match event.utc.map(microseconds) {
        Some(utc) => (glib::DateTime::from_unix_local(utc / 1_000_000)?, utc % 1_000_000),
        None => (
            glib::DateTime::now_local()?,
            -microseconds(gst::ClockTime::from_nseconds(end).saturating_sub(event.start())),
        ),
    };
    from.add(glib::TimeSpan::from_microseconds(later))
}
