// SPDX-License-Identifier: MIT OR Apache-2.0
//! Elements that are freed leave nothing behind, in a separate process: its memory and threads are measured. 400 cycles
//! from NULL to PLAYING and back; `SOUNDCLASSIFY_LEAK_CYCLES=10000 cargo nextest run --test leaks` for more.
#![cfg(target_os = "linux")]

mod common;

use std::time::{Duration, Instant};

use common::rig::{Rig, TestModel, WINDOW, noise, pts};
use gst::glib;
use gst::prelude::*;

const CYCLES: usize = 400;
/// Maximum growth of memory after the first quarter, KiB: what allocators keep, whatever the number of cycles.
const MAX_GROWTH: u64 = 2048;

#[test]
fn cycles_leave_nothing_behind() {
    let wanted = std::env::var("SOUNDCLASSIFY_LEAK_CYCLES").ok().map(|text| text.parse().expect("a number"));
    let cycles = wanted.unwrap_or(CYCLES);
    let model = TestModel::new("linear");
    let sound = noise(WINDOW, 1);
    let (mut early, mut threads) = (0, 0);
    for number in 0..cycles {
        if number == cycles / 4 {
            (early, threads) = (status("VmRSS:"), status("Threads:"));
        }
        assert!(cycle(&model, &sound).upgrade().is_none(), "the element of cycle {number} is still there");
    }
    let grown = status("VmRSS:").saturating_sub(early);
    println!("{cycles} cycles, {grown} KiB more than after a quarter of them ({early} KiB)");
    assert!(grown < MAX_GROWTH, "{grown} KiB more after {cycles} cycles");
    // The system counts a thread until it has ended, which may be after the join.
    let deadline = Instant::now() + Duration::from_secs(5);
    while status("Threads:") > threads && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(status("Threads:") <= threads, "{} threads, {threads} before", status("Threads:"));
}

/// NULL → PLAYING, a window, EOS, → NULL.
fn cycle(model: &TestModel, sound: &[f32]) -> glib::WeakRef<gst::Element> {
    let mut rig = Rig::plain(model);
    rig.push(sound, Some(pts(0, 1)));
    rig.eos();
    assert_eq!(rig.classifications().len(), 1);
    let weak = rig.element.downgrade();
    let Rig { harness, element, bus } = rig;
    drop(harness);
    element.set_state(gst::State::Null).unwrap();
    // Its messages hold the element, which holds the bus.
    bus.set_flushing(true);
    weak
}

/// A number of this process's status.
fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
