// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `soundgate` costs in processor time beside `queue` with the same delay, for buffers of 10 ms. Pairs in one run, medians
//! of their ratios.
//!
//!     cargo bench --bench gate

mod common;

use std::time::Duration;

use common::rig::{init, median, processor_time};
use gst::ClockTime;
use gst::prelude::*;
use gst_check::Harness;

const ROUNDS: usize = 21;
/// Buffers of 10 ms in a round: five minutes.
const BUFFERS: usize = 30_000;
const DELAY: u64 = 2_905_000_000;
/// Frames of 10 ms.
const FRAMES: usize = 480;

fn main() {
    init();
    println!("| what | against, in the same run | ratio | goal |\n|---|---|---|---|");
    let queue =
        format!("queue min-threshold-time={DELAY} max-size-time={} max-size-bytes=0 max-size-buffers=0", 2 * DELAY);
    let gate = format!("soundgate delay={DELAY}");
    let (mut ratios, mut queues) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // The order alternates, so that neither profits from the other.
        let (first, second) = if round % 2 == 0 { (&queue, &gate) } else { (&gate, &queue) };
        let (first, second) = (cost(first), cost(second));
        let (queue, gate) = if round % 2 == 0 { (first, second) } else { (second, first) };
        ratios.push(gate.as_secs_f64() / queue.as_secs_f64());
        queues.push(queue.as_secs_f64() * 1e6 / BUFFERS as f64);
    }
    let against = format!("`queue` with the same delay, {:.2} µs a buffer", median(queues));
    println!("| `soundgate`, buffers of 10 ms | {against} | {:.2} | ≤ 1.2 |", median(ratios));
}

/// Processor time of all buffers, until the last has come out.
fn cost(element: &str) -> Duration {
    let bin = gst::parse::bin_from_description(element, true).unwrap();
    bin.set_bus(Some(&gst::Bus::new()));
    let mut harness = Harness::with_element(&bin, Some("sink"), Some("src"));
    harness.set_src_caps_str("audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved");
    harness.set_drop_buffers(true);
    let memory = gst::Memory::from_slice(vec![1u8; 2 * FRAMES]);
    let buffers: Vec<gst::Buffer> = (0..BUFFERS as u64).map(|index| buffer(index, &memory)).collect();
    let begun = processor_time();
    for buffer in buffers {
        harness.push(buffer).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    while harness.pull_event().is_ok_and(|event| event.type_() != gst::EventType::Eos) {}
    processor_time() - begun
}

fn buffer(index: u64, memory: &gst::Memory) -> gst::Buffer {
    let mut buffer = gst::Buffer::new();
    let unique = buffer.get_mut().unwrap();
    unique.append_memory(memory.clone());
    unique.set_pts(ClockTime::from_mseconds(10 * index));
    unique.set_duration(ClockTime::from_mseconds(10));
    buffer
}
