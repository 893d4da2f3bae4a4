// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the whole element costs: beside the bare network, on the streaming thread, for many streams, to start.
//! Ratios in one run, medians.
//!
//!     ORT_DYLIB_PATH=target/onnxruntime/libonnxruntime.so cargo bench --bench element

use std::{
    fs,
    time::{Duration, Instant},
};

use gst::prelude::*;
use gst_check::Harness;
use gstsoundclassify::model::{EngineOptions, Model, Network, load_network};

const ROUNDS: usize = 7;
const SECONDS: usize = 20;
const STREAMS: usize = 50;

fn main() {
    gst::init().unwrap();
    gstsoundclassify::plugin_register_static().unwrap();
    println!("| what | against, in the same run | ratio | goal |\n|---|---|---|---|");
    window_against_network();
    streaming_thread();
    many_streams();
    start();
}

fn row(what: &str, against: &str, value: &str, goal: &str) {
    println!("| {what} | {against} | {value} | {goal} |");
}

/// Processor time of this process's living threads; Linux only. Wall time says little on a shared machine.
fn processor_time() -> Duration {
    let nanoseconds = |task: fs::DirEntry| -> Option<u64> {
        fs::read_to_string(task.path().join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
    };
    let tasks = fs::read_dir("/proc/self/task").expect("Linux").flatten();
    Duration::from_nanos(tasks.filter_map(nanoseconds).sum())
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|value| value.parse().ok()).expect("KiB")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn noise(samples: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 25) as f32 - 0.25
    };
    (0..samples).flat_map(|_| next().to_le_bytes()).collect()
}

/// One element in a harness, fed with 10 ms buffers at the model's rate.
struct Rig {
    harness: Harness,
    element: gst::Element,
    rate: usize,
    pushed: u64,
}

impl Rig {
    fn new(sync: &str, model: &str) -> Self {
        let element = gst::ElementFactory::make("soundclassify")
            .property("model", model)
            .property_from_str("sync", sync)
            .build()
            .unwrap();
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
        Self { harness, element, rate, pushed: 0 }
    }

    fn push(&mut self, second: &[u8], at: usize) -> Duration {
        let size = self.rate / 100 * 4;
        let mut buffer = gst::Buffer::from_slice(second[at % 100 * size..][..size].to_vec());
        let pts = gst::ClockTime::from_mseconds(self.pushed * 10);
        buffer.get_mut().unwrap().set_pts(pts);
        self.pushed += 1;
        let begun = Instant::now();
        self.harness.push(buffer).unwrap();
        let took = begun.elapsed();
        drop(self.harness.pull());
        took
    }

    fn classified(&self) -> u64 {
        self.element.property::<gst::Structure>("stats").get("classified").unwrap()
    }
}

fn bare_network(model: &str) -> (Box<dyn Network>, Vec<f32>, Vec<f32>) {
    let network = load_network(&Model::load(model).unwrap(), EngineOptions::default()).unwrap();
    let (window, scores) = (vec![0.5f32; network.window_len()], vec![0.0; network.classes()]);
    (network, window, scores)
}

fn window_against_network() {
    let (mut network, window, mut scores) = bare_network("default");
    let mut rig = Rig::new("always", "default");
    let second = noise(rig.rate);
    for at in 0..200 {
        rig.push(&second, at);
    }
    let (mut ratios, mut bare_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = processor_time();
        (0..SECONDS * 10).for_each(|_| network.run(&[&window], &mut scores).unwrap());
        let bare = (processor_time() - begun).as_secs_f64() / (SECONDS * 10) as f64;
        let (begun, before) = (processor_time(), rig.classified());
        for at in 0..SECONDS * 100 {
            rig.push(&second, at);
        }
        let whole = (processor_time() - begun).as_secs_f64() / (rig.classified() - before) as f64;
        ratios.push(whole / bare);
        bare_times.push(bare * 1e3);
    }
    let against = format!("bare `session.run`, {:.2} ms of processor time", median(bare_times));
    row("one more window, whole element, `sync=always`", &against, &format!("{:.2}", median(ratios)), "≤ 1.10");
}

/// A network that does what the tests' tiny ones do, 200 ms a run.
fn slow_model(folder: &std::path::Path) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(root.join("tests/data/models/slow.onnx"), folder.join("test.onnx")).unwrap();
    fs::copy(root.join("tests/element/test-model.toml"), folder.join("test.toml")).unwrap();
    folder.join("test.toml").to_str().unwrap().to_string()
}

fn streaming_thread() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new("never", &slow_model(folder.path()));
    let loud: Vec<u8> = (0..rig.rate).flat_map(|n| ((n as f32 * 0.4).sin() * 0.9).to_le_bytes()).collect();
    // In real time: a thread that pushes without a pause would measure the scheduler.
    let mut times = Vec::new();
    for at in 0..1000 {
        times.push(rig.push(&loud, at).as_secs_f64() * 1e6);
        std::thread::sleep(Duration::from_millis(5));
    }
    times.sort_by(f64::total_cmp);
    let told = format!("p50 {:.0} µs, p99 {:.0} µs, max {:.0} µs", times[500], times[989], times[999]);
    row("streaming thread per 10 ms buffer, `sync=never`", "a model of 200 ms a run", &told, "p99 ≤ 100 µs");
    rig.element.set_state(gst::State::Null).unwrap();
}

fn cost_of(streams: usize, second: &[u8]) -> (f64, u64) {
    let before = resident_kib();
    let mut rigs: Vec<Rig> = (0..streams).map(|_| Rig::new("never", "default")).collect();
    for rig in &rigs {
        rig.element.set_property("max-pending", 1000u32);
    }
    let begun = processor_time();
    for at in 0..300 {
        for rig in &mut rigs {
            rig.push(second, at);
        }
    }
    for rig in &mut rigs {
        assert!(rig.harness.push_event(gst::event::Eos::new()));
    }
    let cost = (processor_time() - begun).as_secs_f64();
    (cost, resident_kib().saturating_sub(before))
}

fn many_streams() {
    let keep = Rig::new("never", "default");
    let second = noise(keep.rate);
    cost_of(1, &second);
    let mut ratios = Vec::new();
    let mut memory = 0;
    for _ in 0..3 {
        let one: f64 = (0..5).map(|_| cost_of(1, &second).0).sum::<f64>() / 5.0;
        let (all, kib) = cost_of(STREAMS, &second);
        ratios.push(all / (STREAMS as f64 * one));
        memory = memory.max(kib);
    }
    row("50 streams, one process", "50 × one stream alone", &format!("{:.2}", median(ratios)), "≤ 0.9");
    row("memory of one more stream", "–", &format!("{} KiB", memory / STREAMS as u64), "≤ 1024 KiB");
}

fn start() {
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        drop(bare_network("default"));
        let bare = begun.elapsed();
        let begun = Instant::now();
        let rig = Rig::new("always", "default");
        let whole = begun.elapsed();
        rig.element.set_state(gst::State::Null).unwrap();
        ratios.push(whole.as_secs_f64() / bare.as_secs_f64());
    }
    row("NULL→PLAYING", "bare session creation", &format!("{:.2}", median(ratios)), "≤ 1.2");
}
