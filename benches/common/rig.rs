// SPDX-License-Identifier: MIT OR Apache-2.0
//! An element in a harness, what it is fed with, and what that takes.

use std::{
    fs,
    time::{Duration, Instant},
};

use gst::prelude::*;
use gst_check::Harness;
use soundclassify_core::model::Model;

pub(crate) fn init() {
    gst::init().unwrap();
    gstsoundclassify::plugin_register_static().unwrap();
}

/// Processor time of this process's living threads; Linux only. Wall time says little on a shared machine.
pub(crate) fn processor_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux").flatten();
    tasks.filter_map(|task| scheduled(&task.path().join("schedstat"))).sum()
}

/// Processor time of the calling thread.
pub(crate) fn thread_time() -> Duration {
    scheduled("/proc/thread-self/schedstat".as_ref()).expect("Linux")
}

fn scheduled(path: &std::path::Path) -> Option<Duration> {
    let nanoseconds = fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Samples of noise in ±0.25.
pub(crate) fn noise_samples(length: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 25) as f32 - 0.25
    };
    (0..length).map(|_| next()).collect()
}

/// Noise in ±0.25 as the bytes of mono f32.
pub(crate) fn noise(samples: usize) -> Vec<u8> {
    noise_samples(samples).iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// One element in a harness, fed at the model's rate.
pub(crate) struct Rig {
    harness: Harness,
    pub(crate) element: gst::Element,
    pub(crate) rate: usize,
    parts: usize,
    pushed: u64,
}

impl Rig {
    /// Fed with buffers of 10 ms.
    pub(crate) fn new(sync: &str, model: &str) -> Self {
        Self::with(sync, model, 100)
    }

    /// Fed with this many buffers a second.
    pub(crate) fn with(sync: &str, model: &str, parts: usize) -> Self {
        Self::tuned(sync, model, parts, |_| {})
    }

    /// Fed with buffers of 10 ms, does not wait, and drops nothing.
    pub(crate) fn one_of_many() -> Self {
        Self::tuned("never", "default", 100, |element| element.set_property("max-pending", 1000u32))
    }

    /// With properties that have to be set before it plays.
    pub(crate) fn tuned(sync: &str, model: &str, parts: usize, tune: impl FnOnce(&gst::Element)) -> Self {
        let element = gst::ElementFactory::make("soundclassify")
            .property("model", model)
            .property_from_str("sync", sync)
            .build()
            .unwrap();
        tune(&element);
        let rate = Model::load(model).unwrap().manifest().features.sample_rate as usize;
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_src_caps(
            gst::Caps::builder("audio/x-raw")
                .field("format", "F32LE")
                .field("rate", rate as i32)
                .field("channels", 1)
                .field("layout", "interleaved")
                .build(),
        );
        harness.set_drop_buffers(true);
        Self { harness, element, rate, parts, pushed: 0 }
    }

    /// The next part of a second of audio.
    fn buffer(&mut self, second: &[u8]) -> gst::Buffer {
        let (size, at) = (self.rate / self.parts * 4, self.pushed as usize % self.parts);
        let mut buffer = gst::Buffer::from_slice(second[at * size..][..size].to_vec());
        let pts = gst::ClockTime::SECOND.nseconds() / self.parts as u64 * self.pushed;
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_nseconds(pts));
        self.pushed += 1;
        buffer
    }

    /// Seconds of audio, one after the other.
    pub(crate) fn buffers(&mut self, second: &[u8], seconds: usize) -> Vec<gst::Buffer> {
        (0..seconds * self.parts).map(|_| self.buffer(second)).collect()
    }

    pub(crate) fn push_buffers(&mut self, buffers: Vec<gst::Buffer>) {
        for buffer in buffers {
            self.harness.push(buffer).unwrap();
        }
    }

    /// Takes the next part of a second of audio to the element; the time that this takes.
    pub(crate) fn push(&mut self, second: &[u8]) -> Duration {
        let buffer = self.buffer(second);
        let begun = Instant::now();
        self.harness.push(buffer).unwrap();
        begun.elapsed()
    }

    /// Seconds of audio, made and taken to the element one by one.
    pub(crate) fn push_seconds(&mut self, second: &[u8], seconds: usize) {
        for _ in 0..seconds * self.parts {
            self.push(second);
        }
    }

    /// Waits until all windows have their results; none may have been dropped.
    pub(crate) fn settle(&self) {
        let stats = || self.element.property::<gst::Structure>("stats");
        while stats().get::<u32>("pending").unwrap() > 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(stats().get::<u64>("windows"), stats().get::<u64>("classified"), "windows were lost");
    }

    pub(crate) fn end(&mut self) {
        assert!(self.harness.push_event(gst::event::Eos::new()));
    }

    pub(crate) fn classified(&self) -> u64 {
        self.element.property::<gst::Structure>("stats").get("classified").unwrap()
    }
}
