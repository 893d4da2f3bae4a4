// SPDX-License-Identifier: MIT OR Apache-2.0
//! Actions for events: commands and publications.

use gst::{glib, prelude::*};

use super::{
    commands::Commands,
    measurements::Measurement,
    mqtt::{Broker, Identity, Mqtt, Order},
    onsets,
    reported::Reported,
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
    pub(super) fn new(
        args: &LiveArgs,
        broker: Option<&Broker>,
        warm_engine: &WarmEngine,
        name: &str,
        quiet: bool,
    ) -> Result<Self> {
        let name = args.name.clone().unwrap_or_else(|| name.to_owned());
        let connect = |broker| Mqtt::new(broker, identity(args, warm_engine, &name)?);
        let mqtt = broker.map(connect).transpose()?;
        Ok(Self { commands: Commands::new(&args.on, quiet), mqtt, name })
    }

    /// Whether the level is published.
    pub(super) fn wants_level(args: &LiveArgs) -> bool {
        args.mqtt.is_some()
    }

    /// Takes in a record. `onset`: time of day at which its event began. Warnings for the user.
    pub(super) fn record(&mut self, record: &Record, onset: Option<&glib::DateTime>) -> Option<String> {
        let Record::Event(event) = record else { return None };
        if let Some(mqtt) = &self.mqtt {
            mqtt.event(event, &self.name, &onset.map(onsets::with_zone).unwrap_or_default());
        }
        self.commands.event(event)
    }

    /// Takes in the level of the audio.
    pub(super) fn measured(&mut self, measurement: &Measurement) {
        if let (Some(mqtt), Measurement::Loudness { level, .. }) = (&mut self.mqtt, measurement) {
            mqtt.level(*level);
        }
    }

    /// Orders from the broker's clients, and warnings about the broker and the commands.
    pub(super) fn news(&mut self) -> (Vec<Order>, Vec<String>) {
        let news = self.mqtt.as_ref().map(|mqtt| (mqtt.orders().collect(), mqtt.warnings().collect()));
        let (orders, mut warnings): (Vec<_>, Vec<_>) = news.unwrap_or_default();
        warnings.extend(self.commands.warnings());
        (orders, warnings)
    }

    /// Ends commands and publications. `all`: whether the commands that wait are run. Warnings for the user.
    pub(super) fn finish(self, all: bool) -> Vec<String> {
        let Self { commands, mqtt, .. } = self;
        drop(mqtt);
        commands.finish(all)
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
    let reported = Reported::of(warm_engine)?;
    Ok(Identity {
        name: name.to_owned(),
        labels: reported.names().cloned().collect(),
        all: reported.all().to_vec(),
        model: reported.model().to_owned(),
        discovery: !args.no_discovery,
    })
}
