// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element's properties as GObject sees them: names, descriptions, ranges, defaults.

use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;

use super::settings::Settings;

/// The ParamSpecs, in the order in which `gst-inspect-1.0` shows them.
pub(crate) static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
    let default = Settings::default();
    let mut all = model_properties(&default);
    all.extend(window_properties(&default));
    all.extend(decision_properties(&default));
    all.extend(label_properties());
    all.push(silence_threshold(&default));
    all.extend(event_properties(&default));
    all.extend(rule_properties());
    all.extend(output_properties(&default));
    all.push(add_meta(&default));
    all.extend(engine_properties(&default));
    all
});

fn model_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecString::builder("model")
            .nick("Model")
            .blurb(
                "Built-in model: default, sure, audioset or small; or path of a manifest (.toml), or of an .onnx file with a \
                 manifest of the same name (.toml) beside it. From PAUSED on, a new model is loaded in the background; if that \
                 fails, the old one stays. The built-in networks were trained from EfficientAT's mn04 by Florian Schmid (MIT \
                 licence)",
            )
            .default_value(Some(default.model.as_str()))
            .mutable_playing()
            .build(),
    ]
}

fn window_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecUInt::builder("oversamples")
            .nick("Oversamples")
            .blurb("Windows per second of audio (overlapping)")
            .minimum(1)
            .maximum(100)
            .default_value(default.oversamples.get())
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("process-count")
            .nick("Process count")
            .blurb("Windows per model run; more windows cost less each and are reported later")
            .minimum(1)
            .maximum(64)
            .default_value(default.process_count.get())
            .mutable_ready()
            .build(),
        glib::ParamSpecInt::builder("channel")
            .nick("Channel")
            .blurb("Channel that is classified, from 0; -1: the average of all channels")
            .minimum(-1)
            .maximum(i32::MAX)
            .default_value(default.channel)
            .mutable_ready()
            .build(),
    ]
}

fn decision_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecUInt::builder("ensembles")
            .nick("Ensembles")
            .blurb(
                "Windows in the moving geometric mean (for events: tenths of a second, whatever 'oversamples' is); 1: no \
                 averaging",
            )
            .minimum(1)
            .maximum(256)
            .default_value(default.ensembles.get())
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecUInt::builder("top-k")
            .nick("Top k")
            .blurb("Maximum length of the list of predictions in a message")
            .minimum(1)
            .maximum(1000)
            .default_value(default.top_k.get())
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecDouble::builder("threshold")
            .nick("Threshold")
            .blurb(
                "Minimum probability of a reported label; if set, it replaces the thresholds of the model's manifest",
            )
            .minimum(0.0)
            .maximum(1.0)
            .default_value(default.threshold.get())
            .mutable_playing()
            .controllable()
            .build(),
    ]
}

fn label_properties() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecBoxed::builder::<gst::Structure>("label-thresholds")
            .nick("Label thresholds")
            .blurb(
                "Minimum probability per label; for these labels it replaces 'threshold' and the model's manifest. Example: \
                 \"thresholds,Bark=0.4,Door_bell=0.8\"",
            )
            .mutable_playing()
            .build(),
        label_list(
            "allow-labels",
            "Allowed labels",
            "Report only these labels or groups ('soundclassify labels MODEL' lists them); empty: all labels. Example: <Bark,Meow>",
        ),
        label_list("deny-labels", "Denied labels", "Report all labels except these. Example: <Background>"),
        glib::ParamSpecBoxed::builder::<gst::Structure>("label-groups")
            .nick("Label groups")
            .blurb(
                "Labels that are reported as one, under the name of their group. A group can have thresholds and rules, and \
                 can be allowed and denied, like a label. Its labels are not reported by themselves unless 'allow-labels' \
                 contains them. If set, it replaces the groups of the model's manifest. Example: \
                 \"groups,alarm=<Siren,Alarm>\"",
            )
            .mutable_playing()
            .build(),
    ]
}

fn silence_threshold(default: &Settings) -> glib::ParamSpec {
    glib::ParamSpecDouble::builder("silence-threshold")
        .nick("Silence threshold")
        .blurb(
            "Windows whose level is below this value, in dBFS, are not classified, until a window is 3 dB above it; \
             -inf: all windows are classified",
        )
        .minimum(f64::NEG_INFINITY)
        .maximum(0.0)
        .default_value(default.silence_threshold.get())
        .mutable_playing()
        .controllable()
        .build()
}

fn event_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    let level = |name, nick, blurb, default| {
        let spec = glib::ParamSpecDouble::builder(name).nick(nick).blurb(blurb).minimum(0.0).maximum(1.0);
        spec.default_value(default).mutable_playing().controllable().build()
    };
    let time = |name, nick, blurb, default| {
        let spec = glib::ParamSpecUInt64::builder(name).nick(nick).blurb(blurb).default_value(default);
        spec.mutable_playing().controllable().build()
    };
    vec![
        glib::ParamSpecEnum::builder_with_default("report", default.report)
            .nick("Report")
            .blurb("What is posted: windows, changes of the best label, events with a beginning and an end, or windows and events")
            .mutable_playing()
            .build(),
        level(
            "event-on",
            "Event on",
            "An event starts when the probability reaches this value and the label's threshold",
            default.event_on.get(),
        ),
        level("event-off", "Event off", "An event ends when the probability falls below this value; one above event-on counts as event-on", default.event_off.get()),
        time(
            "event-min-duration",
            "Minimum duration of an event",
            "Minimum duration of a reported event, ns; its start is posted when it has lasted this long",
            default.event_min_duration.get(),
        ),
        time(
            "event-hold",
            "Event hold",
            "Maximum gap within an event, ns; the end is posted when a gap is longer",
            default.event_hold.get(),
        ),
        time(
            "event-cooldown",
            "Event cooldown",
            "Time after an event without a new event of the same label, ns; events that it prevents are counted in \
             'stats'",
            default.event_cooldown,
        ),
    ]
}

fn rule_properties() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecBoxed::builder::<gst::Structure>("label-rules")
            .nick("Label rules")
            .blurb(
                "Rules for events per label or group: on, off (0-1), min-duration, hold, cooldown (ns). Each value replaces \
                 that of the model's manifest and of the element. Example: \
                 \"rules,Bark=(structure)[rule,on=0.6,cooldown=(guint64)60000000000]\"",
            )
            .mutable_playing()
            .build(),
        label_list(
            "suppress-while",
            "Suppressing labels",
            "While one of these labels reaches its threshold (without a threshold: the value at which its events start), or \
             has an event, other labels have no events; events that this prevents are counted in 'stats'. Example: <Speech>",
        ),
    ]
}

fn label_list(name: &str, nick: &str, blurb: &str) -> glib::ParamSpec {
    gst::ParamSpecArray::builder(name)
        .nick(nick)
        .blurb(blurb)
        .element_spec(&glib::ParamSpecString::builder("label").nick("Label").blurb("A label of the model").build())
        .mutable_playing()
        .build()
}

fn output_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecBoolean::builder("post-messages")
            .nick("Post messages")
            .blurb("Post element messages on the bus: 'soundclassify' for windows, 'soundclassify-event' for events")
            .default_value(default.post_messages)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("emit-tags")
            .nick("Emit tags")
            .blurb("Send a tag event downstream when the best label changes")
            .default_value(default.emit_tags)
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("sync", default.sync)
            .nick("Sync")
            .blurb("Whether the streaming thread waits for results")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("max-pending")
            .nick("Max pending")
            .blurb(
                "Maximum number of windows that wait for the model when the streaming thread does not wait; beyond that, \
                 the oldest window is dropped and counted",
            )
            .minimum(1)
            .maximum(1000)
            .default_value(default.max_pending)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(
                "Statistics: windows, classified, gated, dropped, breaks, invalid-samples, errors; inference-time-mean, \
                 inference-time-p99, latency-p99 (ns); events-in-cooldown, events-suppressed; pending, batch-mean, \
                 real-time-factor",
            )
            .read_only()
            .build(),
    ]
}

fn add_meta(default: &Settings) -> glib::ParamSpec {
    glib::ParamSpecBoolean::builder("add-meta")
        .nick("Add metadata")
        .blurb(
            "Add a GstCustomMeta 'soundclassify' to the buffer with which results become known. Its field 'results' is an \
             array with the structure of the message of each window in which a label passes the filters. Built with the \
             feature v1_24, the buffer also gets a GstAnalyticsRelationMeta with a classification for each window",
        )
        .default_value(default.add_meta)
        .mutable_playing()
        .build()
}

fn engine_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecUInt::builder("threads")
            .nick("Threads")
            .blurb("Threads of ONNX Runtime within one model run; 0: ONNX Runtime chooses")
            .minimum(0)
            .maximum(64)
            .default_value(default.threads)
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("execution-provider", default.execution_provider)
            .nick("Execution provider")
            .blurb("Execution provider of ONNX Runtime: the hardware and library that runs the network")
            .mutable_ready()
            .build(),
        glib::ParamSpecInt::builder("device")
            .nick("Device")
            .blurb("Device index for execution providers with several devices")
            .minimum(0)
            .maximum(i32::MAX)
            .default_value(default.device)
            .mutable_ready()
            .build(),
    ]
}
