// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element's properties: one struct, its defaults written once, its ParamSpecs, get and set.

use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;

use crate::model::{Defaults, EngineOptions, ExecutionProvider, Manifest};

/// Whether the streaming thread waits for results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSoundClassifySync")]
#[repr(i32)]
pub enum Sync {
    /// Waits unless the source is live.
    #[default]
    #[enum_value(name = "Wait for results unless the source is live", nick = "auto")]
    Auto,
    /// Waits: every result is told before the audio behind it goes on.
    #[enum_value(name = "Wait for results", nick = "always")]
    Always,
    /// Never waits: audio is never late, results come when they are ready.
    #[enum_value(name = "Never wait for results", nick = "never")]
    Never,
}

/// Hardware and library that ONNX Runtime runs the network with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSoundClassifyExecutionProvider")]
#[repr(i32)]
#[allow(missing_docs, reason = "the names say all there is to say")]
pub enum Provider {
    #[default]
    #[enum_value(name = "Processor", nick = "cpu")]
    Cpu,
    #[enum_value(name = "NVIDIA CUDA", nick = "cuda")]
    Cuda,
    #[enum_value(name = "NVIDIA TensorRT", nick = "tensorrt")]
    TensorRt,
    #[enum_value(name = "Intel OpenVINO", nick = "openvino")]
    OpenVino,
    #[enum_value(name = "Apple Core ML", nick = "coreml")]
    CoreMl,
    #[enum_value(name = "Microsoft DirectML", nick = "directml")]
    DirectMl,
    #[enum_value(name = "XNNPACK", nick = "xnnpack")]
    Xnnpack,
    #[enum_value(name = "AMD ROCm", nick = "rocm")]
    Rocm,
    #[enum_value(name = "AMD MIGraphX", nick = "migraphx")]
    MiGraphX,
    #[enum_value(name = "Qualcomm QNN", nick = "qnn")]
    Qnn,
    #[enum_value(name = "Android NNAPI", nick = "nnapi")]
    Nnapi,
    #[enum_value(name = "Arm Compute Library", nick = "acl")]
    Acl,
    #[enum_value(name = "Huawei CANN", nick = "cann")]
    Cann,
    #[enum_value(name = "Intel oneDNN", nick = "onednn")]
    OneDnn,
}

impl From<Provider> for ExecutionProvider {
    fn from(provider: Provider) -> Self {
        match provider {
            Provider::Cpu => Self::Cpu,
            Provider::Cuda => Self::Cuda,
            Provider::TensorRt => Self::TensorRt,
            Provider::OpenVino => Self::OpenVino,
            Provider::CoreMl => Self::CoreMl,
            Provider::DirectMl => Self::DirectMl,
            Provider::Xnnpack => Self::Xnnpack,
            Provider::Rocm => Self::Rocm,
            Provider::MiGraphX => Self::MiGraphX,
            Provider::Qnn => Self::Qnn,
            Provider::Nnapi => Self::Nnapi,
            Provider::Acl => Self::Acl,
            Provider::Cann => Self::Cann,
            Provider::OneDnn => Self::OneDnn,
        }
    }
}

/// A value that the application set, or one that the model's manifest suggests, or the built-in default.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice<T> {
    set: Option<T>,
    suggested: Option<T>,
    default: T,
}

impl<T: Clone> Choice<T> {
    const fn new(default: T) -> Self {
        Self { set: None, suggested: None, default }
    }

    /// What holds now.
    pub(super) fn get(&self) -> T {
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
pub(super) struct Settings {
    pub(super) model: String,
    pub(super) oversamples: Choice<u32>,
    pub(super) process_count: Choice<u32>,
    pub(super) ensembles: Choice<u32>,
    pub(super) channel: i32,
    pub(super) top_k: Choice<u32>,
    pub(super) threshold: Choice<f64>,
    pub(super) allow_labels: Choice<Vec<String>>,
    pub(super) deny_labels: Choice<Vec<String>>,
    pub(super) post_messages: bool,
    pub(super) emit_tags: bool,
    pub(super) sync: Sync,
    pub(super) max_pending: u32,
    pub(super) threads: u32,
    pub(super) execution_provider: Provider,
    pub(super) device: i32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: "default".into(),
            oversamples: Choice::new(10),
            process_count: Choice::new(1),
            ensembles: Choice::new(10),
            channel: -1,
            top_k: Choice::new(3),
            threshold: Choice::new(0.0),
            allow_labels: Choice::new(Vec::new()),
            deny_labels: Choice::new(Vec::new()),
            post_messages: true,
            emit_tags: false,
            sync: Sync::Auto,
            max_pending: 20,
            threads: 1,
            execution_provider: Provider::Cpu,
            device: 0,
        }
    }
}

/// What a property change asks of a running element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing to do, or not while running.
    Later,
    /// The decision follows from the next window on.
    Decision,
}

impl Settings {
    /// Takes over what the model's manifest suggests, below what the application set.
    pub(super) fn suggest(&mut self, defaults: &Defaults) {
        self.oversamples.suggest(defaults.oversamples);
        self.process_count.suggest(defaults.process_count);
        self.ensembles.suggest(defaults.ensembles);
        self.top_k.suggest(defaults.top_k);
        self.threshold.suggest(defaults.threshold);
        self.allow_labels.suggest(Some(defaults.allow_labels.clone()));
        self.deny_labels.suggest(Some(defaults.deny_labels.clone()));
    }

    /// Least probability at which a label is told: the application's value, or else the manifest's for this label.
    pub(super) fn threshold_of(&self, label: &str, model: &Manifest) -> f64 {
        let suggested = || model.defaults.thresholds.get(label).copied();
        self.threshold.set.or_else(suggested).unwrap_or_else(|| self.threshold.get())
    }

    /// What the engine is shared by.
    pub(super) fn engine_options(&self) -> EngineOptions {
        EngineOptions { provider: self.execution_provider.into(), device: self.device, threads: self.threads }
    }

    /// Value of a property, but for those that are computed.
    pub(super) fn value(&self, name: &str) -> glib::Value {
        match name {
            "model" => self.model.to_value(),
            "oversamples" => self.oversamples.get().to_value(),
            "process-count" => self.process_count.get().to_value(),
            "ensembles" => self.ensembles.get().to_value(),
            "channel" => self.channel.to_value(),
            "top-k" => self.top_k.get().to_value(),
            "threshold" => self.threshold.get().to_value(),
            "allow-labels" => gst::Array::new(self.allow_labels.get()).to_value(),
            "deny-labels" => gst::Array::new(self.deny_labels.get()).to_value(),
            "post-messages" => self.post_messages.to_value(),
            "emit-tags" => self.emit_tags.to_value(),
            "sync" => self.sync.to_value(),
            "max-pending" => self.max_pending.to_value(),
            "threads" => self.threads.to_value(),
            "execution-provider" => self.execution_provider.to_value(),
            "device" => self.device.to_value(),
            _ => unreachable!("property {name} is not one of ours"),
        }
    }

    /// Sets a property to a value that GObject checked against its ParamSpec.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) -> Effect {
        match name {
            "model" => self.model = text(value).unwrap_or_else(|| Self::default().model),
            "oversamples" => self.oversamples.set(checked(value)),
            "process-count" => self.process_count.set(checked(value)),
            "ensembles" => self.ensembles.set(checked(value)),
            "channel" => self.channel = checked(value),
            "top-k" => self.top_k.set(checked(value)),
            "threshold" => self.threshold.set(checked(value)),
            "allow-labels" => self.allow_labels.set(strings(value)),
            "deny-labels" => self.deny_labels.set(strings(value)),
            "post-messages" => self.post_messages = checked(value),
            "emit-tags" => self.emit_tags = checked(value),
            "sync" => self.sync = checked(value),
            "max-pending" => self.max_pending = checked(value),
            "threads" => self.threads = checked(value),
            "execution-provider" => self.execution_provider = checked(value),
            "device" => self.device = checked(value),
            _ => unreachable!("property {name} is not one of ours"),
        }
        match name {
            "ensembles" | "top-k" | "threshold" | "allow-labels" | "deny-labels" | "post-messages" | "emit-tags" => {
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

/// The ParamSpecs, in the order in which `gst-inspect-1.0` shows them.
pub(super) static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
    let default = Settings::default();
    let mut all = model_properties(&default);
    all.extend(window_properties(&default));
    all.extend(decision_properties(&default));
    all.extend(output_properties(&default));
    all.extend(engine_properties(&default));
    all
});

fn model_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecString::builder("model")
            .nick("Model")
            .blurb(
                "Built-in model name, or path of a manifest (.toml) or of an .onnx file with a manifest of the same \
                 stem beside it",
            )
            .default_value(Some(default.model.as_str()))
            .mutable_ready()
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
            .blurb("Windows per model run; more costs less and tells later")
            .minimum(1)
            .maximum(64)
            .default_value(default.process_count.get())
            .mutable_ready()
            .build(),
        glib::ParamSpecInt::builder("channel")
            .nick("Channel")
            .blurb("Channel that is listened to, from 0; -1: the average of all channels")
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
            .blurb("Windows in the moving geometric mean of predictions; 1: raw predictions")
            .minimum(1)
            .maximum(256)
            .default_value(default.ensembles.get())
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("top-k")
            .nick("Top k")
            .blurb("Longest list of predictions in a message")
            .minimum(1)
            .maximum(1000)
            .default_value(default.top_k.get())
            .mutable_playing()
            .build(),
        glib::ParamSpecDouble::builder("threshold")
            .nick("Threshold")
            .blurb("Least probability that is reported")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(default.threshold.get())
            .mutable_playing()
            .build(),
        label_list(
            "allow-labels",
            "Allowed labels",
            "Only these labels are reported; empty: all. Example: <Bark,Meow>",
        ),
        label_list("deny-labels", "Denied labels", "All labels but these are reported. Example: <Background>"),
    ]
}

fn label_list(name: &str, nick: &str, blurb: &str) -> glib::ParamSpec {
    gst::ParamSpecArray::builder(name)
        .nick(nick)
        .blurb(blurb)
        .element_spec(
            &glib::ParamSpecString::builder("label").nick("Label").blurb("A label of the model, exactly").build(),
        )
        .mutable_playing()
        .build()
}

fn output_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecBoolean::builder("post-messages")
            .nick("Post messages")
            .blurb("Post an element message 'soundclassify' on the bus for each window")
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
                "Windows that may wait for the model when the streaming thread does not wait; beyond it the oldest is \
                 dropped and counted",
            )
            .minimum(1)
            .maximum(1000)
            .default_value(default.max_pending)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(
                "windows, classified, gated, dropped, invalid-samples, errors; inference-time-mean, \
                 inference-time-p99, latency-p99 (ns); pending, batch-mean, real-time-factor",
            )
            .read_only()
            .build(),
    ]
}

fn engine_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecUInt::builder("threads")
            .nick("Threads")
            .blurb("Threads of ONNX Runtime within one model run; 0: its own choice")
            .minimum(0)
            .maximum(64)
            .default_value(default.threads)
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("execution-provider", default.execution_provider)
            .nick("Execution provider")
            .blurb("Hardware and library that ONNX Runtime runs the network with")
            .mutable_ready()
            .build(),
        glib::ParamSpecInt::builder("device")
            .nick("Device")
            .blurb("Device index, for execution providers that have several")
            .minimum(0)
            .maximum(i32::MAX)
            .default_value(default.device)
            .mutable_ready()
            .build(),
    ]
}

#[cfg(test)]
mod tests {
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
            if spec.value_type() != gst::Array::static_type() {
                assert_eq!(value.serialize().ok(), default.serialize().ok(), "{}", spec.name());
            }
        }
    }
}
