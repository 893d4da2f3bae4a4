// SPDX-License-Identifier: MIT OR Apache-2.0
//! Once it is warm, the element allocates nothing in Rust on the streaming thread, whether a buffer completes a window or
//! not, and also where that thread runs the network and tells the result, as that of a stream that waits does. Not counted
//! are GStreamer's own buffers, events and messages, and ONNX Runtime's work, which come from C and C++.

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
    let rig = Rig::with(&model, |element| {
        element.set_property_from_str("sync", sync);
        element.set_property_from_str("report", "all");
    });
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

#[track_caller]
fn check(sync: &str, format: &str, rate: usize) {
    let (without, with, windows) = allocations(sync, format, rate);
    assert!((95..=105).contains(&windows), "{windows} windows");
    assert_eq!(without, 0);
    assert!(with <= POOL, "{with} in {windows} windows");
}

#[test]
fn nothing_is_allocated_without_waiting() {
    check("never", "F32LE", RATE);
}

#[test]
fn nothing_is_allocated_while_waiting() {
    check("always", "F32LE", RATE);
}

#[test]
fn nothing_is_allocated_for_other_formats_and_rates() {
    check("always", "S16LE", 48_000);
}
