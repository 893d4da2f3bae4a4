// SPDX-License-Identifier: MIT OR Apache-2.0
//! A harness around the element, a tiny model for it, and signals.

use std::path::{Path, PathBuf};
use std::sync::Once;

use gst::prelude::*;
use gst_check::Harness;
use gstsoundclassify::{Classification, ClassificationEvent, EventKind};

/// Rate of the test models, Hz.
pub(crate) const RATE: usize = 8000;
/// Samples of one window of the test models.
pub(crate) const WINDOW: usize = 896;
const HOP: u64 = 128;

pub(crate) fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstsoundclassify::plugin_register_static().unwrap();
    });
}

/// A manifest in a separate folder, beside one of the networks of `tests/data/models`.
pub(crate) struct TestModel {
    folder: tempfile::TempDir,
}

impl TestModel {
    pub(crate) fn new(network: &str) -> Self {
        Self::with(network, |manifest| manifest)
    }

    pub(crate) fn with(network: &str, change: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models").join(format!("{network}.onnx"));
        std::fs::copy(&source, folder.path().join("test.onnx")).unwrap();
        let manifest = change(include_str!("../element/test-model.toml").to_string());
        std::fs::write(folder.path().join("test.toml"), manifest).unwrap();
        Self { folder }
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.folder.path().join("test.toml")
    }

    pub(crate) fn network(&self) -> PathBuf {
        self.folder.path().join("test.onnx")
    }
}

/// Windows of the test models that are due after this many samples, at `oversamples` windows per second.
pub(crate) fn windows_in(samples: u64, oversamples: u64) -> u64 {
    (0..).take_while(|window| start_of(*window, oversamples) + WINDOW as u64 <= samples).count() as u64
}

/// First sample of a window of the test models.
pub(crate) fn start_of(window: u64, oversamples: u64) -> u64 {
    let (stride, grid) = (window * RATE as u64, oversamples * HOP);
    (2 * stride + grid) / (2 * grid) * HOP
}

/// The element under test, PLAYING in a harness, with a bus.
pub(crate) struct Rig {
    pub(crate) harness: Harness,
    pub(crate) element: gst::Element,
    pub(crate) bus: gst::Bus,
}

/// An element with `sync=always` and this manifest.
pub(crate) fn element(manifest: &Path) -> (gst::Element, gst::Bus) {
    init();
    let element = gst::ElementFactory::make("soundclassify")
        .property("model", manifest.to_str().unwrap())
        .property_from_str("sync", "always")
        .build()
        .unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    (element, bus)
}

impl Rig {
    pub(crate) fn new(model: &TestModel) -> Self {
        Self::with(model, |_| {})
    }

    pub(crate) fn with(model: &TestModel, setup: impl FnOnce(&gst::Element)) -> Self {
        let (element, bus) = element(&model.manifest());
        setup(&element);
        let harness = Harness::with_element(&element, Some("sink"), Some("src"));
        Self { harness, element, bus }
    }

    /// Mono f32 at the model's own rate: what is pushed is what is analysed.
    pub(crate) fn plain(model: &TestModel) -> Self {
        Self::with(model, |_| {}).caps("F32LE", RATE as i32, 1)
    }

    /// As [`Self::plain`], and waits for no results: at most so many windows wait for the model.
    pub(crate) fn not_waiting(model: &TestModel, max_pending: u32) -> Self {
        let tune = |element: &gst::Element| {
            element.set_property_from_str("sync", "never");
            element.set_property("max-pending", max_pending);
        };
        Self::with(model, tune).caps("F32LE", RATE as i32, 1)
    }

    pub(crate) fn caps(mut self, format: &str, rate: i32, channels: i32) -> Self {
        self.set_caps(format, rate, channels, "interleaved");
        self
    }

    pub(crate) fn set_caps(&mut self, format: &str, rate: i32, channels: i32, layout: &str) {
        let caps = gst::Caps::builder("audio/x-raw")
            .field("format", format)
            .field("rate", rate)
            .field("channels", channels)
            .field("layout", layout);
        let caps = if channels > 2 { caps.field("channel-mask", gst::Bitmask::new(0)) } else { caps };
        self.harness.set_src_caps(caps.build());
    }

    /// Pushes samples as one buffer.
    #[track_caller]
    pub(crate) fn push(&mut self, samples: &[f32], pts: Option<gst::ClockTime>) {
        assert_eq!(self.harness.push(buffer(samples, pts)), Ok(gst::FlowSuccess::Ok));
    }

    /// Pushes samples in buffers of these sizes, over and over.
    #[track_caller]
    pub(crate) fn push_in(&mut self, samples: &[f32], sizes: &[usize]) {
        let mut at = 0;
        for size in sizes.iter().cycle() {
            let end = samples.len().min(at + size);
            self.push(&samples[at..end], Some(pts(at, RATE)));
            at = end;
            if at == samples.len() {
                break;
            }
        }
    }

    pub(crate) fn eos(&mut self) {
        assert!(self.harness.push_event(gst::event::Eos::new()));
    }

    /// All that was posted since the last call, but for its time in UTC.
    pub(crate) fn classifications(&self) -> Vec<Classification> {
        let mut messages = Vec::new();
        while let Some(message) = self.bus.pop_filtered(&[gst::MessageType::Element]) {
            let structure = message.structure().unwrap();
            // The harness's clock stands still.
            messages.push(Classification { utc: None, ..Classification::try_from(structure).unwrap() });
        }
        messages
    }

    /// All events that were posted since the last call, but for their time in UTC.
    pub(crate) fn events(&self) -> Vec<ClassificationEvent> {
        let messages = std::iter::from_fn(|| self.bus.pop_filtered(&[gst::MessageType::Element]));
        let events = messages.map(|message| ClassificationEvent::try_from(message.structure().unwrap()).unwrap());
        events.map(|event| ClassificationEvent { utc: None, ..event }).collect()
    }

    /// Texts of warnings on the bus; call it before [`Self::classifications`], which drops other messages.
    pub(crate) fn warnings(&self) -> Vec<String> {
        texts(&self.bus, gst::MessageType::Warning)
    }

    pub(crate) fn stats(&self) -> gst::Structure {
        self.element.property("stats")
    }

    #[track_caller]
    pub(crate) fn count(&self, field: &str) -> u64 {
        self.stats().get(field).unwrap()
    }
}

/// Texts of the messages of one type on a bus.
pub(crate) fn texts(bus: &gst::Bus, kind: gst::MessageType) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(message) = bus.pop_filtered(&[kind]) {
        match message.view() {
            gst::MessageView::Warning(warning) => texts.push(warning.error().to_string()),
            gst::MessageView::Error(error) => texts.push(error.error().to_string()),
            _ => {}
        }
    }
    texts
}

pub(crate) fn pts(sample: usize, rate: usize) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(
        (sample as u64).mul_div_floor(gst::ClockTime::SECOND.nseconds(), rate as u64).unwrap(),
    )
}

pub(crate) fn buffer(samples: &[f32], pts: Option<gst::ClockTime>) -> gst::Buffer {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut buffer = gst::Buffer::from_slice(bytes);
    buffer.get_mut().unwrap().set_pts(pts);
    buffer
}

/// Kinds of events, in order.
pub(crate) fn kinds(events: &[ClassificationEvent]) -> Vec<EventKind> {
    events.iter().map(|event| event.kind).collect()
}

/// Noise of these lengths, ms, and levels, 0…1; the network `loudness` detects "Bark" where it is loud.
pub(crate) fn scene(parts: &[(usize, f32)]) -> Vec<f32> {
    let part = |(seed, part): (usize, &(usize, f32))| {
        let (length, level) = *part;
        noise(length * RATE / 1000, seed as u32 + 1).into_iter().map(move |sample| sample * level)
    };
    parts.iter().enumerate().flat_map(part).collect()
}

/// Noise in ±0.25, the same for the same seed.
pub(crate) fn noise(samples: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 24) as f32
    };
    (0..samples).map(|_| next() * 0.5 - 0.25).collect()
}
