// SPDX-License-Identifier: MIT OR Apache-2.0
//! Once it is warm, the element allocates nothing in Rust on the streaming thread, whether a buffer completes a window or
//! not, up to the window's way to the engine. Not counted are GStreamer's own buffers, events and messages, which come
//! from C. What a run and a message need is allocated by whoever makes them: the engine's thread, or that of a stream that
//! waits for its results.

#[allow(dead_code, reason = "shared with the tests of the element")]
#[path = "element/rig.rs"]
mod rig;

use gst::prelude::*;
use rig::{RATE, Rig, TestModel, noise, pts};

const WARM: usize = 300;
const BUFFERS: usize = 1000;

/// Allocations of buffers of 10 ms that complete no window, of those that do, and the number of the latter.
fn allocations(sync: &str, format: &str, rate: usize) -> (u64, u64, u64) {
    let model = TestModel::new("linear");
    let rig = Rig::with(&model, |element| element.set_property_from_str("sync", sync));
    let mut rig = rig.caps(format, rate as i32, 1);
    let sound = noise(rate, 1);
    let size = rate / 100;
    let (mut without, mut with, mut windows) = (0, 0, 0);
    for at in 0..WARM + BUFFERS {
        let samples = &sound[at * size % rate..][..size];
        let buffer = match format {
            "F32LE" => rig::buffer(samples, Some(pts(at * size, rate))),
            _ => {
                let bytes: Vec<u8> = samples.iter().flat_map(|s| ((s * 32768.0) as i16).to_le_bytes()).collect();
                let mut buffer = gst::Buffer::from_slice(bytes);
                buffer.get_mut().unwrap().set_pts(pts(at * size, rate));
                buffer
            }
        };
        let before = rig.count("windows");
        let measured = allocation_counter::measure(|| {
            rig.harness.push(buffer).unwrap();
        });
        let brought = rig.count("windows") - before;
        while rig.stats().get::<u32>("pending").unwrap() > 0 {
            std::thread::yield_now();
        }
        drop(rig.harness.pull());
        while rig.bus.pop().is_some() {}
        if at >= WARM {
            windows += brought;
            *if brought == 0 { &mut without } else { &mut with } += measured.count_total;
        }
    }
    assert_eq!(rig.count("dropped"), 0);
    (without, with, windows)
}

/// A tensor that the engine's thread is late to give back makes the pool one larger, up to three, once and for all.
const POOL: u64 = 2;

/// ONNX Runtime's handles of input and output, and the labels of a message.
const RUN_AND_MESSAGE: u64 = 8;

#[track_caller]
fn check(sync: &str, format: &str, rate: usize) {
    let most = if sync == "always" { RUN_AND_MESSAGE } else { 0 };
    let (without, with, windows) = allocations(sync, format, rate);
    assert!((95..=105).contains(&windows), "{windows} windows");
    assert_eq!(without, 0);
    assert!(with <= POOL + most * windows, "{with} in {windows} windows");
}

#[test]
fn nothing_is_allocated_without_waiting() {
    check("never", "F32LE", RATE);
}

#[test]
fn a_stream_that_waits_allocates_for_the_run_and_the_message_only() {
    check("always", "F32LE", RATE);
}

#[test]
fn nothing_is_allocated_for_other_formats_and_rates() {
    check("never", "S16LE", 48_000);
}
