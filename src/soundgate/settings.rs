// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gate's properties: values, descriptions, ranges, defaults.

use std::sync::{Arc, LazyLock};

use gst::glib;
use gst::prelude::*;

use super::agreement::Agreement;
use crate::soundclassify::groups;
use crate::soundclassify::message::Labelled;

/// `delay` of this value follows from the `soundclassify` upstream.
pub(crate) const AUTO: u64 = u64::MAX;

/// What the gate does with the audio of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSoundGateMode")]
#[repr(i32)]
pub enum Mode {
    /// Silence instead of the audio of events.
    #[default]
    #[enum_value(name = "Silence instead of the audio of events", nick = "mute")]
    Mute,
    /// Only the audio of events; GAP events replace the rest.
    #[enum_value(name = "Only the audio of events", nick = "keep")]
    Keep,
    /// All audio except that of events; GAP events replace it.
    #[enum_value(name = "All audio except that of events", nick = "drop")]
    Drop,
    /// A tone of 1 kHz, peak -20 dBFS, instead of the audio of events.
    #[enum_value(name = "A tone instead of the audio of events", nick = "replace")]
    Replace,
}

/// The properties.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) labels: Vec<String>,
    pub(crate) mode: Mode,
    pub(crate) before: u64,
    pub(crate) after: u64,
    pub(crate) delay: u64,
    pub(crate) fade: u64,
    pub(crate) agree: u32,
    pub(crate) label_groups: Option<gst::Structure>,
    /// Of `agree-by` and `label-groups`.
    pub(crate) agreement: Arc<Agreement>,
    pub(crate) post_messages: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            labels: Vec::new(),
            mode: Mode::Mute,
            before: 0,
            after: 0,
            delay: AUTO,
            fade: 5_000_000,
            agree: 1,
            label_groups: None,
            agreement: Arc::default(),
            post_messages: true,
        }
    }
}

/// Maximum of `before`, `after` and `delay`: an hour.
const MAX_TIME: u64 = 3_600_000_000_000;
/// Maximum of `fade`.
const MAX_FADE: u64 = 10_000_000_000;

/// The ParamSpecs, in the order in which `gst-inspect-1.0` shows them.
pub(crate) static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
    let default = Settings::default();
    [audio_properties(&default), agreement_properties(&default)].concat()
});

fn audio_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    let time = |name, nick, blurb, max, value| {
        let spec = glib::ParamSpecUInt64::builder(name).nick(nick).blurb(blurb).maximum(max).default_value(value);
        spec.mutable_playing().controllable().build()
    };
    vec![
        gst::ParamSpecArray::builder("labels")
            .nick("Labels")
            .blurb("Act on events of these labels and groups only, from the next event on; empty: all. Example: <Bark,Meow>")
            .element_spec(&glib::ParamSpecString::builder("label").nick("Label").blurb("A label or group").build())
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("mode", default.mode)
            .nick("Mode")
            .blurb("What happens to the audio of events")
            .mutable_playing()
            .build(),
        time("before", "Before", "Time that is added before each event, ns", MAX_TIME, default.before),
        time("after", "After", "Time that is added after each event, ns", MAX_TIME, default.after),
        glib::ParamSpecUInt64::builder("delay")
            .nick("Delay")
            .blurb(
                "Time for which audio is held back until its events are known, ns, at most an hour; \
                 18446744073709551615 (-1): automatic, as long as the 'soundclassify' upstream needs to detect a beginning \
                 or an end, plus 'before' and 'fade'",
            )
            .default_value(default.delay)
            .mutable_playing()
            .build(),
        time(
            "fade",
            "Fade",
            "Length of the ramps, ns: outside of audio that is muted, replaced or dropped, inside of audio that is kept",
            MAX_FADE,
            default.fade,
        ),
    ]
}

fn agreement_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecUInt::builder("agree")
            .nick("Agree")
            .blurb(
                "Number of 'soundclassify' elements upstream that must have an event at the same time, of the same label or \
                 group ('agree-by'); 1: any of them",
            )
            .minimum(1)
            .maximum(64)
            .default_value(default.agree)
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecEnum::builder_with_default("agree-by", default.agreement.by)
            .nick("Agree by")
            .blurb("What the events of 'agree' elements must have in common")
            .mutable_playing()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("label-groups")
            .nick("Label groups")
            .blurb(
                "Labels that count as one, under the name of their group, for 'labels', 'agree' and messages; labels of different \
                 models may differ. Example: \"groups,dog=<Bark,Dog>\"",
            )
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("post-messages")
            .nick("Post messages")
            .blurb("Post an element message 'soundgate-event' when an event begins and when it ends")
            .default_value(default.post_messages)
            .mutable_playing()
            .build(),
    ]
}

impl Settings {
    /// The value of a property.
    pub(crate) fn value(&self, name: &str) -> glib::Value {
        match name {
            "labels" => gst::Array::new(self.labels.clone()).to_value(),
            "mode" => self.mode.to_value(),
            "before" => self.before.to_value(),
            "after" => self.after.to_value(),
            "delay" => self.delay.to_value(),
            "fade" => self.fade.to_value(),
            "agree" => self.agree.to_value(),
            "agree-by" => self.agreement.by.to_value(),
            "label-groups" => self.label_groups.to_value(),
            "post-messages" => self.post_messages.to_value(),
            _ => unreachable!("property {name} is not one of ours"),
        }
    }

    /// Sets a property to a value that GObject checked against its ParamSpec.
    pub(crate) fn set(&mut self, name: &str, value: &glib::Value) {
        match name {
            "labels" => self.labels = strings(value),
            "mode" => self.mode = checked(value),
            "before" => self.before = checked(value),
            "after" => self.after = checked(value),
            "delay" => self.delay = checked(value),
            "fade" => self.fade = checked(value),
            "agree" => self.agree = checked(value),
            "agree-by" => self.agreement = Arc::new(Agreement { by: checked(value), ..(*self.agreement).clone() }),
            "label-groups" => {
                self.label_groups = checked(value);
                let groups = self.label_groups.as_ref().map(groups).unwrap_or_default();
                self.agreement = Arc::new(Agreement { groups, ..(*self.agreement).clone() });
            }
            "post-messages" => self.post_messages = checked(value),
            _ => unreachable!("property {name} is not one of ours"),
        }
    }

    /// The values that name labels and groups, and how many sources have to agree on them.
    pub(crate) fn names(&self) -> (Vec<String>, u32, Arc<Agreement>) {
        (self.labels.clone(), self.agree, Arc::clone(&self.agreement))
    }

    /// Whether events of this label count.
    pub(crate) fn has_label(&self, label: &Labelled) -> bool {
        self.agreement.selects(&self.labels, label)
    }

    /// How long audio is held back if the `soundclassify` elements upstream need `upstream`, ns; at most [`MAX_TIME`].
    pub(crate) fn delay(&self, upstream: Option<u64>) -> u64 {
        let delay = match (self.delay, upstream) {
            (AUTO, Some(upstream)) => upstream.saturating_add(self.before).saturating_add(self.fade),
            (AUTO, None) => 0,
            (delay, _) => delay,
        };
        delay.min(MAX_TIME)
    }
}

fn checked<'a, T: glib::value::FromValue<'a>>(value: &'a glib::Value) -> T {
    // GObject compared the type with the ParamSpec before it called us.
    value.get::<'a, T>().unwrap_or_else(|_| unreachable!("GObject checked the type"))
}

fn strings(value: &glib::Value) -> Vec<String> {
    let array: gst::ArrayRef<'_> = checked(value);
    array.as_slice().iter().filter_map(|item| item.get::<String>().ok()).collect()
}
