// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `soundgate` costs in processor time beside `queue` with the same delay, for buffers of 10 ms. Pairs in one run, medians
//! of their ratios.
//!
//!     cargo bench --bench gate

mod common;

use std::time::Duration;

use common::{
    compare,
    rig::{init, median},
};
use gst::ClockTime;
use gst::prelude::*;
use gst_check::Harness;

const ROUNDS: usize = 11;
/// Buffers of 10 ms in a round: five minutes.
const BUFFERS: usize = 30_000;
const DELAY: u64 = 2_905_000_000;
/// Frames of 10 ms.
const FRAMES: usize = 480;

fn main() {
    init();
    compare::print_head();
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
    compare::print_row("`soundgate`, buffers of 10 ms", &against, median(ratios), 1.2);
}

/// Processor time of all buffers, until those have come out that are older than the delay.
fn cost(element: &str) -> Duration {
    let bin = gst::parse::bin_from_description(element, true).unwrap();
    bin.set_bus(Some(&gst::Bus::new()));
    let mut harness = Harness::with_element(&bin, Some("sink"), Some("src"));
    harness.set_src_caps_str("audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved");
    harness.set_drop_buffers(true);
    let memory = gst::Memory::from_slice(vec![1u8; 2 * FRAMES]);
    let buffers: Vec<gst::Buffer> = (0..BUFFERS as u64).map(|index| buffer(index, &memory)).collect();
    let begun = time_of_process();
    for buffer in buffers {
        harness.push(buffer).unwrap();
    }
    let held = (DELAY / 10_000_000) as usize + 2;
    while (harness.buffers_received() as usize) < BUFFERS - held {
        std::thread::sleep(Duration::from_millis(1));
    }
    time_of_process() - begun
}

fn buffer(index: u64, memory: &gst::Memory) -> gst::Buffer {
    let mut buffer = gst::Buffer::new();
    let unique = buffer.get_mut().unwrap();
    unique.append_memory(memory.clone());
    unique.set_pts(ClockTime::from_mseconds(10 * index));
    unique.set_duration(ClockTime::from_mseconds(10));
    buffer
}

/// Processor time of this process, of threads that have ended, too; Linux only, to a hundredth of a second.
fn time_of_process() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("the name in brackets");
    let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks"));
    Duration::from_millis(10 * ticks.sum::<u64>())
}
