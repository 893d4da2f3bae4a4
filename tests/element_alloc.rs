// SPDX-License-Identifier: MIT OR Apache-2.0
//! Once it is warm, the element allocates nothing in Rust on the streaming thread, whether a buffer completes a window or
//! not, and also where that thread runs the network and posts the result, as that of a stream that waits does. Not counted
//! are GStreamer's own buffers, events and messages, and ONNX Runtime's work, which come from C and C++.

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use std::thread;

use common::rig::{RATE, Rig, TestModel, noise, pts};
use gst::prelude::*;

const SECONDS: usize = 10;
const WARM_SECONDS: usize = 3;

/// What happened in ten seconds of sound.
#[derive(Default)]
struct Counts {
    /// Allocations in buffers that complete no window.
    without: u64,
    /// Buffers that complete a window and allocate.
    with: u64,
    windows: u64,
    /// Results that the streaming thread posted.
    own: u64,
}

/// Counts for buffers of so many milliseconds.
fn count(sync: &str, format: &str, rate: usize, milliseconds: usize) -> Counts {
    let model = TestModel::new("linear");
    let rig = Rig::with(&model, |element| {
        element.set_property_from_str("sync", sync);
        element.set_property_from_str("report", "all");
        element.set_property("emit-tags", true);
    });
    let mut rig = rig.caps(format, rate as i32, 1);
    let (reported, streaming) = (Arc::new(AtomicU64::new(0)), thread::current().id());
    let own = Arc::clone(&reported);
    rig.bus.set_sync_handler(move |_, _| {
        own.fetch_add(u64::from(thread::current().id() == streaming), Relaxed);
        gst::BusSyncReply::Pass
    });
    let sound = noise(rate, 1);
    let size = rate * milliseconds / 1000;
    let mut counts = Counts::default();
    for at in 0..(WARM_SECONDS + SECONDS) * 1000 / milliseconds {
        let samples = &sound[at * size % rate..][..size];
        let buffer = match format {
            "F32LE" => common::rig::buffer(samples, Some(pts(at * size, rate))),
            _ => {
                let bytes: Vec<u8> = samples.iter().flat_map(|s| ((s * 32768.0) as i16).to_le_bytes()).collect();
                let mut buffer = gst::Buffer::from_slice(bytes);
                buffer.get_mut().unwrap().set_pts(pts(at * size, rate));
                buffer
            }
        };
        let before = (rig.count("windows"), reported.load(Relaxed));
        let measured = allocation_counter::measure(|| {
            rig.harness.push(buffer).unwrap();
        });
        let windows = rig.count("windows") - before.0;
        while rig.stats().get::<u32>("pending").unwrap() > 0 {
            thread::yield_now();
        }
        drop(rig.harness.pull());
        while rig.bus.pop().is_some() {}
        if at * milliseconds >= WARM_SECONDS * 1000 {
            counts.windows += windows;
            counts.own += reported.load(Relaxed) - before.1;
            match windows {
                0 => counts.without += measured.count_total,
                _ => counts.with += u64::from(measured.count_total > 0),
            }
        }
    }
    assert_eq!(rig.count("dropped"), 0);
    counts
}

/// A tensor that the engine's thread is late to give back makes the pool one larger, up to three, once and for all.
const POOL: u64 = 2;

#[track_caller]
fn check(sync: &str, format: &str, rate: usize, milliseconds: usize) {
    let Counts { without, with, windows, own } = count(sync, format, rate, milliseconds);
    assert!((95..=105).contains(&windows), "{windows} windows");
    assert_eq!(without, 0, "in buffers without a window; {with} in those with one, {own} results posted");
    // Where the engine's thread takes a part of a buffer's windows, the rest is a batch of another size, whose tensors are made once.
    let other_sizes = (milliseconds as u64 / 100).saturating_sub(1);
    assert!(with <= POOL + other_sizes, "{with} buffers with {windows} windows");
    if sync == "always" {
        assert!(own >= windows * 9 / 10, "{own} of {windows} on the streaming thread");
    }
}

#[test]
fn nothing_is_allocated_without_waiting() {
    check("never", "F32LE", RATE, 10);
}

#[test]
fn nothing_is_allocated_while_waiting() {
    check("always", "F32LE", RATE, 10);
}

#[test]
fn nothing_is_allocated_for_several_windows_at_once() {
    check("always", "F32LE", RATE, 500);
}

#[test]
fn nothing_is_allocated_for_other_formats_and_rates() {
    check("always", "S16LE", 48_000, 10);
}
