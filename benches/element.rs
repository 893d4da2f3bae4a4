// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the whole element costs: beside the bare network, on the streaming thread, for many streams, to start.
//! Ratios in one run, medians.
//!
//!     ORT_DYLIB_PATH=target/onnxruntime/libonnxruntime.so cargo bench --bench element [-- SECTION...]
//!
//! Sections: window, thread, streams, start; `cost` prints the processor seconds of one more window and nothing else.

mod common;

use std::{
    fs,
    time::{Duration, Instant},
};

use common::rig::{Rig, median, noise, processor_time, thread_time};
use gst::prelude::*;
use soundclassify_core::model::{EngineOptions, Model, Network, load_network};

const ROUNDS: usize = 7;
const SECONDS: usize = 20;
const STREAMS: usize = 50;
/// Windows per second, by default.
const WINDOWS: usize = 10;

fn main() {
    common::rig::init();
    let wanted: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if wanted == ["cost"] {
        return println!("{}", cost());
    }
    println!("| what | against, in the same run | ratio | goal |\n|---|---|---|---|");
    let sections: [(&str, fn()); 4] = [
        ("window", window_against_network),
        ("thread", streaming_threads),
        ("streams", many_streams),
        ("start", start),
    ];
    let is_wanted = |name| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    sections.iter().filter(|(name, _)| is_wanted(*name)).for_each(|(_, run)| run());
}

fn row(what: &str, against: &str, value: &str, goal: &str) {
    println!("| {what} | {against} | {value} | {goal} |");
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|value| value.parse().ok()).expect("KiB")
}

fn bare_network(model: &str) -> (Box<dyn Network>, Vec<f32>, Vec<f32>) {
    let network = load_network(&Model::load(model).unwrap(), EngineOptions::default()).unwrap();
    let (window, scores) = (vec![0.5f32; network.window_len()], vec![0.0; network.classes()]);
    (network, window, scores)
}

/// A warm element that waits for its results, and the sound for it.
fn warm_rig() -> (Rig, Vec<u8>) {
    let mut rig = Rig::new("always", "default");
    let second = noise(rig.rate);
    rig.push_seconds(&second, 2);
    (rig, second)
}

fn cost() -> f64 {
    let (mut rig, second) = warm_rig();
    let (buffers, before) = (rig.buffers(&second, SECONDS), rig.classified());
    let begun = processor_time();
    rig.push_buffers(buffers);
    (processor_time() - begun).as_secs_f64() / (rig.classified() - before) as f64
}

fn window_against_network() {
    let (mut network, window, mut scores) = bare_network("default");
    let (mut rig, second) = warm_rig();
    let windows = (SECONDS * WINDOWS) as f64;
    let (mut bare, mut paused, mut whole, mut own) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = processor_time();
        (0..SECONDS * WINDOWS).for_each(|_| network.run(&[&window], &mut scores).unwrap());
        bare.push((processor_time() - begun).as_secs_f64() / windows);
        let begun = processor_time();
        for _ in 0..SECONDS * WINDOWS {
            std::thread::sleep(Duration::from_micros(200));
            network.run(&[&window], &mut scores).unwrap();
        }
        paused.push((processor_time() - begun).as_secs_f64() / windows);
        let buffers = rig.buffers(&second, SECONDS);
        let (begun, begun_here) = (processor_time(), thread_time());
        rig.push_buffers(buffers);
        whole.push((processor_time() - begun).as_secs_f64() / windows);
        own.push((thread_time() - begun_here).as_secs_f64() / windows);
    }
    let ratio = |values: &[f64]| format!("{:.2}", median(values.iter().zip(&bare).map(|(a, b)| a / b).collect()));
    let against = format!("the network alone, {:.2} ms of processor time", median(bare.clone()) * 1e3);
    row("one more window, whole element, `sync=always`", &against, &ratio(&whole), "≤ 1.10");
    row("of which on the streaming thread", "the same", &ratio(&own), "");
    row("the network and a sleep of 0.2 ms before it", "the same without the sleep", &ratio(&paused), "");
}

/// A network that does what the tests' tiny ones do, 200 ms a run.
fn slow_model(folder: &std::path::Path) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(root.join("tests/data/models/slow.onnx"), folder.join("test.onnx")).unwrap();
    fs::copy(root.join("tests/element/test-model.toml"), folder.join("test.toml")).unwrap();
    folder.join("test.toml").to_str().unwrap().to_string()
}

fn streaming_threads() {
    let folder = tempfile::tempdir().unwrap();
    streaming_thread(&slow_model(folder.path()), "tiny features, 200 ms a run");
    streaming_thread("default", "the built-in model");
}

fn streaming_thread(model: &str, name: &str) {
    let mut rig = Rig::new("never", model);
    let loud: Vec<u8> = (0..rig.rate).flat_map(|n| ((n as f32 * 0.4).sin() * 0.9).to_le_bytes()).collect();
    // With pauses, as from a live source: a thread that pushes without one would measure the scheduler.
    let mut times = Vec::new();
    for _ in 0..1000 {
        times.push(rig.push(&loud).as_secs_f64() * 1e6);
        std::thread::sleep(Duration::from_millis(5));
    }
    times.sort_by(f64::total_cmp);
    let times = format!("p50 {:.0} µs, p99 {:.0} µs, max {:.0} µs", times[500], times[989], times[999]);
    row(&format!("streaming thread per 10 ms buffer, `sync=never`, {name}"), "–", &times, "p99 ≤ 100 µs");
    rig.element.set_state(gst::State::Null).unwrap();
}

fn cost_of(streams: usize, second: &[u8]) -> f64 {
    let mut rigs: Vec<Rig> = (0..streams).map(|_| Rig::one_of_many()).collect();
    let begun = processor_time();
    for _ in 0..300 {
        for rig in &mut rigs {
            rig.push(second);
        }
    }
    rigs.iter().for_each(Rig::settle);
    rigs.iter_mut().for_each(Rig::end);
    (processor_time() - begun).as_secs_f64()
}

/// Memory of streams that are fed no faster than they are classified, KiB.
fn memory_of(streams: usize, second: &[u8]) -> u64 {
    let before = resident_kib();
    let mut rigs: Vec<Rig> = (0..streams).map(|_| Rig::one_of_many()).collect();
    for _ in 0..30 {
        for rig in &mut rigs {
            for _ in 0..10 {
                rig.push(second);
            }
            rig.settle();
        }
    }
    resident_kib().saturating_sub(before)
}

fn many_streams() {
    let keep = Rig::new("never", "default");
    let second = noise(keep.rate);
    cost_of(1, &second);
    let memory = (0..5).map(|_| memory_of(STREAMS, &second)).max().unwrap_or_default();
    let mut ratios = Vec::new();
    for _ in 0..5 {
        let one: f64 = (0..5).map(|_| cost_of(1, &second)).sum::<f64>() / 5.0;
        ratios.push(cost_of(STREAMS, &second) / (STREAMS as f64 * one));
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
    row("NULL→PLAYING", "the model loaded and warmed up by itself", &format!("{:.2}", median(ratios)), "≤ 1.2");
}
