// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element's settings: the values of the properties with their only defaults, get and set, and derived values.

use std::collections::BTreeMap;

use gst::glib;
use gst::prelude::*;

use super::enums::{Provider, Report, Sync};
use super::rules::{self, GivenRule};
use soundclassify_core::decision::{EventRules, LabelRule, Names};
use soundclassify_core::defaults;
use soundclassify_core::model::{Defaults, EngineOptions, Manifest};

/// A value that the application set, or one that the model's manifest suggests, or the built-in default.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice<T> {
    set: Option<T>,
    suggested: Option<T>,
    default: T,
}

impl<T: Clone> Choice<T> {
    const fn new(default: T) -> Self {
        Self { set: None, suggested: None, default }
    }

    /// What holds now.
    pub(crate) fn get(&self) -> T {
        self.set.as_ref().or(self.suggested.as_ref()).unwrap_or(&self.default).clone()
    }

    fn set(&mut self, value: T) {
        self.set = Some(value);
    }

    fn suggest(&mut self, value: Option<T>) {
        self.suggested = value;
    }
}

/// The properties.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) model: String,
    pub(crate) oversamples: Choice<u32>,
    pub(crate) process_count: Choice<u32>,
    pub(crate) ensembles: Choice<u32>,
    pub(crate) channel: i32,
    pub(crate) top_k: Choice<u32>,
    pub(crate) threshold: Choice<f64>,
    pub(crate) label_thresholds: Option<gst::Structure>,
    pub(crate) allow_labels: Choice<Vec<String>>,
    pub(crate) deny_labels: Choice<Vec<String>>,
    pub(crate) silence_threshold: Choice<f64>,
    pub(crate) post_messages: bool,
    pub(crate) report: Report,
    pub(crate) event_on: Choice<f64>,
    pub(crate) event_off: Choice<f64>,
    pub(crate) event_min_duration: Choice<u64>,
    pub(crate) event_hold: Choice<u64>,
    pub(crate) event_cooldown: u64,
    pub(crate) label_rules: Option<gst::Structure>,
    pub(crate) label_groups: Option<gst::Structure>,
    pub(crate) suppress_while: Vec<String>,
    pub(crate) emit_tags: bool,
    pub(crate) add_meta: bool,
    pub(crate) sync: Sync,
    pub(crate) max_pending: u32,
    pub(crate) threads: u32,
    pub(crate) execution_provider: Provider,
    pub(crate) device: i32,
    /// Rises with each change: distinguishes newer settings from older ones.
    pub(crate) version: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: "default".into(),
            oversamples: Choice::new(defaults::OVERSAMPLES),
            process_count: Choice::new(1),
            ensembles: Choice::new(defaults::ENSEMBLES),
            channel: -1,
            top_k: Choice::new(defaults::TOP_K),
            threshold: Choice::new(defaults::THRESHOLD),
            label_thresholds: None,
            allow_labels: Choice::new(Vec::new()),
            deny_labels: Choice::new(Vec::new()),
            silence_threshold: Choice::new(defaults::SILENCE_THRESHOLD),
            post_messages: true,
            report: Report::Windows,
            event_on: Choice::new(defaults::EVENT_ON),
            event_off: Choice::new(defaults::EVENT_OFF),
            event_min_duration: Choice::new(defaults::EVENT_MIN_DURATION),
            event_hold: Choice::new(defaults::EVENT_HOLD),
            event_cooldown: 0,
            label_rules: None,
            label_groups: None,
            suppress_while: Vec::new(),
            emit_tags: false,
            add_meta: false,
            sync: Sync::Auto,
            max_pending: 20,
            threads: 1,
            execution_provider: Provider::Cpu,
            device: 0,
            version: 0,
        }
    }
}

/// What a property change asks of a running element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing to do, or not while running.
    Later,
    /// The decision and the silence gate follow from the next window on.
    Decision,
    /// As [`Effect::Decision`], and labels are named that the model may lack.
    Labels,
    /// Another model is to be loaded.
    Model,
}

impl Settings {
    /// Takes over what the model's manifest suggests, below what the application set.
    pub(crate) fn suggest(&mut self, defaults: &Defaults) {
        self.version += 1;
        self.oversamples.suggest(defaults.oversamples);
        self.process_count.suggest(defaults.process_count);
        self.ensembles.suggest(defaults.ensembles);
        self.top_k.suggest(defaults.top_k);
        self.threshold.suggest(defaults.threshold);
        self.allow_labels.suggest(Some(defaults.allow_labels.clone()));
        self.deny_labels.suggest(Some(defaults.deny_labels.clone()));
        self.silence_threshold.suggest(defaults.silence_threshold);
        self.event_on.suggest(defaults.event_on);
        self.event_off.suggest(defaults.event_off);
        self.event_min_duration.suggest(defaults.event_min_duration);
        self.event_hold.suggest(defaults.event_hold);
    }

    /// Minimum probability at which a label is reported: its own in `label-thresholds`, or else `threshold` if the
    /// application set it, or else the manifest's for this label, or else `threshold`.
    pub(crate) fn threshold_of(&self, label: &str, model: &Manifest) -> f64 {
        let own =
            self.label_thresholds.as_ref().and_then(|all| all.value(label).ok()).and_then(|value| probability(value));
        let suggested = || model.defaults.thresholds.get(label).copied();
        own.or(self.threshold.set).or_else(suggested).unwrap_or_else(|| self.threshold.get())
    }

    /// Names and values of `label-thresholds`; `None` for a value that is no probability.
    pub(crate) fn label_thresholds(&self) -> BTreeMap<String, Option<f64>> {
        let all = self.label_thresholds.iter().flat_map(|all| all.iter());
        all.map(|(label, value)| (label.to_string(), probability(value))).collect()
    }

    /// The labels and groups of this model, with these settings.
    pub(crate) fn names(&self, model: &Manifest) -> Names {
        let groups = self.label_groups.as_ref().map(rules::groups);
        Names::new(&model.labels, &model.groups, groups.as_deref().unwrap_or_default())
    }

    /// Rules by label in `label-rules`.
    pub(crate) fn label_rules(&self) -> BTreeMap<String, GivenRule> {
        self.label_rules.as_ref().map(rules::rules).unwrap_or_default()
    }

    /// What makes an event. A label's events start at `event-on` and not below its threshold, unless its rule says when.
    pub(crate) fn event_rules(&self, model: &Manifest, names: &Names) -> EventRules {
        let own = self.label_rules();
        let all = LabelRule {
            on: self.event_on.get() as f32,
            off: self.event_off.get() as f32,
            min_duration: self.event_min_duration.get(),
            hold: self.event_hold.get(),
            cooldown: self.event_cooldown,
        };
        let of = |label: &String| {
            let threshold = self.threshold_of(label, model) as f32;
            let all = LabelRule { on: all.on.max(threshold), ..all };
            let suggested = model.rules.get(label).map_or(all, |rule| rule.over(all));
            own.get(label).map_or(suggested, |given| given.rule.over(suggested))
        };
        let reported = self.reported(names);
        let rule = |(label, reported): (&String, bool)| reported.then(|| of(label));
        let suppressor = |name: &String| {
            let index = names.index(name)?;
            let threshold = self.threshold_of(name, model) as f32;
            Some((index, if threshold > 0.0 { threshold } else { of(name).on }))
        };
        EventRules {
            labels: names.all.iter().zip(reported).map(rule).collect(),
            suppressors: self.suppress_while.iter().filter_map(suppressor).collect(),
        }
    }

    /// Whether each label or group may be reported. Labels of one of the application's groups are reported by its name,
    /// and by their own only where `allow-labels` has it.
    pub(crate) fn reported(&self, names: &Names) -> Vec<bool> {
        names.reported(&self.allow_labels.get(), &self.deny_labels.get())
    }

    /// As many windows as make the time of `ensembles` windows at ten a second, so that events are the same at any rate.
    pub(crate) fn event_windows(&self) -> usize {
        match self.ensembles.get() {
            1 => 1,
            windows => (f64::from(windows) * f64::from(self.oversamples.get()) / 10.0).round() as usize,
        }
    }

    /// Maximum number of windows of which a mean is taken.
    pub(crate) fn max_ensemble(&self) -> usize {
        self.event_windows().max(self.ensembles.get() as usize)
    }

    /// What the engine is shared by.
    pub(crate) fn engine_options(&self) -> EngineOptions {
        EngineOptions { provider: self.execution_provider.into(), device: self.device, threads: self.threads }
    }

    /// Value of a property, but for those that are computed.
    pub(crate) fn value(&self, name: &str) -> glib::Value {
        match name {
            "model" => self.model.to_value(),
            "oversamples" => self.oversamples.get().to_value(),
            "process-count" => self.process_count.get().to_value(),
            "ensembles" => self.ensembles.get().to_value(),
            "channel" => self.channel.to_value(),
            "top-k" => self.top_k.get().to_value(),
            "threshold" => self.threshold.get().to_value(),
            "label-thresholds" => self.label_thresholds.to_value(),
            "allow-labels" => gst::Array::new(self.allow_labels.get()).to_value(),
            "deny-labels" => gst::Array::new(self.deny_labels.get()).to_value(),
            "silence-threshold" => self.silence_threshold.get().to_value(),
            "post-messages" => self.post_messages.to_value(),
            "report" => self.report.to_value(),
            "event-on" => self.event_on.get().to_value(),
            "event-off" => self.event_off.get().to_value(),
            "event-min-duration" => self.event_min_duration.get().to_value(),
            "event-hold" => self.event_hold.get().to_value(),
            "event-cooldown" => self.event_cooldown.to_value(),
            "label-rules" => self.label_rules.to_value(),
            "label-groups" => self.label_groups.to_value(),
            "suppress-while" => gst::Array::new(self.suppress_while.clone()).to_value(),
            "emit-tags" => self.emit_tags.to_value(),
            "add-meta" => self.add_meta.to_value(),
            "sync" => self.sync.to_value(),
            "max-pending" => self.max_pending.to_value(),
            "threads" => self.threads.to_value(),
            "execution-provider" => self.execution_provider.to_value(),
            "device" => self.device.to_value(),
            _ => unreachable!("property {name} is not one of ours"),
        }
    }

    /// Sets a property to a value that GObject checked against its ParamSpec.
    pub(crate) fn set(&mut self, name: &str, value: &glib::Value) -> Effect {
        self.version += 1;
        match name {
            "model" => self.model = text(value).unwrap_or_else(|| Self::default().model),
            "oversamples" => self.oversamples.set(checked(value)),
            "process-count" => self.process_count.set(checked(value)),
            "ensembles" => self.ensembles.set(checked(value)),
            "channel" => self.channel = checked(value),
            "top-k" => self.top_k.set(checked(value)),
            "threshold" => self.threshold.set(checked(value)),
            "label-thresholds" => self.label_thresholds = value.get().ok().flatten(),
            "allow-labels" => self.allow_labels.set(strings(value)),
            "deny-labels" => self.deny_labels.set(strings(value)),
            "silence-threshold" => self.silence_threshold.set(checked(value)),
            "post-messages" => self.post_messages = checked(value),
            "report" => self.report = checked(value),
            "event-on" => self.event_on.set(checked(value)),
            "event-off" => self.event_off.set(checked(value)),
            "event-min-duration" => self.event_min_duration.set(checked(value)),
            "event-hold" => self.event_hold.set(checked(value)),
            "event-cooldown" => self.event_cooldown = checked(value),
            "label-rules" => self.label_rules = value.get().ok().flatten(),
            "label-groups" => self.label_groups = value.get().ok().flatten(),
            "suppress-while" => self.suppress_while = strings(value),
            "emit-tags" => self.emit_tags = checked(value),
            "add-meta" => self.add_meta = checked(value),
            "sync" => self.sync = checked(value),
            "max-pending" => self.max_pending = checked(value),
            "threads" => self.threads = checked(value),
            "execution-provider" => self.execution_provider = checked(value),
            "device" => self.device = checked(value),
            _ => unreachable!("property {name} is not one of ours"),
        }
        match name {
            "model" | "threads" | "execution-provider" | "device" => Effect::Model,
            "allow-labels" | "deny-labels" | "label-thresholds" | "label-rules" | "label-groups" | "suppress-while" => {
                Effect::Labels
            }
            "ensembles" | "top-k" | "threshold" | "silence-threshold" | "post-messages" | "report" | "event-on"
            | "event-off" | "event-min-duration" | "event-hold" | "event-cooldown" | "emit-tags" | "add-meta" => {
                Effect::Decision
            }
            _ => Effect::Later,
        }
    }
}

fn checked<'a, T: glib::value::FromValue<'a>>(value: &'a glib::Value) -> T {
    // GObject compared the type with the ParamSpec before it called us.
    value.get::<'a, T>().unwrap_or_else(|_| unreachable!("GObject checked the type"))
}

fn text(value: &glib::Value) -> Option<String> {
    value.get().ok().flatten()
}

fn strings(value: &glib::Value) -> Vec<String> {
    let array: gst::ArrayRef<'_> = checked(value);
    array.as_slice().iter().filter_map(|item| item.get::<String>().ok()).collect()
}

// A number of any type, as `gst-launch-1.0` makes integers of what has no point.
pub(super) fn probability(value: &glib::Value) -> Option<f64> {
    let number = value.transform::<f64>().ok()?.get::<f64>().ok()?;
    (0.0..=1.0).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::super::properties::PROPERTIES;
    use super::*;

    #[test]
    fn application_wins_over_manifest_over_default() {
        let mut choice = Choice::new(10);
        assert_eq!(choice.get(), 10);
        choice.suggest(Some(5));
        assert_eq!(choice.get(), 5);
        choice.set(10);
        assert_eq!(choice.get(), 10);
    }

    #[test]
    fn every_property_has_words_and_reads_back_its_default() {
        gst::init().unwrap();
        let settings = Settings::default();
        for spec in PROPERTIES.iter().filter(|spec| spec.name() != "stats") {
            assert!(!spec.nick().is_empty() && spec.blurb().is_some_and(|blurb| blurb.len() > 10), "{}", spec.name());
            let (value, default) = (settings.value(spec.name()), spec.default_value());
            // No structure can't be written as text.
            if ![gst::Array::static_type(), gst::Structure::static_type()].contains(&spec.value_type()) {
                assert_eq!(value.serialize().ok(), default.serialize().ok(), "{}", spec.name());
            }
        }
    }

    #[test]
    fn label_thresholds_are_numbers_of_any_type_from_0_to_1() {
        gst::init().unwrap();
        let thresholds = gst::Structure::builder("thresholds")
            .field("Bark", 0.25)
            .field("Meow", 1i32)
            .field("Rain", 2.0)
            .field("Knock", "often");
        let settings = Settings { label_thresholds: Some(thresholds.build()), ..Settings::default() };
        let reported: Vec<_> = settings.label_thresholds().into_iter().collect();
        let wanted = [("Bark", Some(0.25)), ("Knock", None), ("Meow", Some(1.0)), ("Rain", None)];
        assert_eq!(reported, wanted.map(|(label, value)| (label.to_string(), value)));
    }
}
