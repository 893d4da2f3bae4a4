// SPDX-License-Identifier: MIT OR Apache-2.0
//! Elements come and go and leave nothing behind, in a separate process: its memory and threads are measured. 400 lives
//! from NULL to PLAYING and back; `SOUNDCLASSIFY_LIVES=10000 cargo nextest run --test leaks` for more.
#![cfg(target_os = "linux")]

mod common;

use std::time::{Duration, Instant};

use common::rig::{Rig, TestModel, WINDOW, noise, pts};
use gst::glib;
use gst::prelude::*;

const LIVES: usize = 400;
/// More memory, KiB, than that after the first quarter: what allocators keep, whatever the number of lives.
const MOST: u64 = 2048;

#[test]
fn lives_leave_nothing_behind() {
    let wanted = std::env::var("SOUNDCLASSIFY_LIVES").ok().map(|text| text.parse().expect("a number"));
    let lives = wanted.unwrap_or(LIVES);
    let model = TestModel::new("linear");
    let sound = noise(WINDOW, 1);
    let (mut early, mut threads) = (0, 0);
    for number in 0..lives {
        if number == lives / 4 {
            (early, threads) = (status("VmRSS:"), status("Threads:"));
        }
        assert!(life(&model, &sound).upgrade().is_none(), "the element of life {number} is still there");
    }
    let grown = status("VmRSS:").saturating_sub(early);
    println!("{lives} lives, {grown} KiB more than after a quarter of them ({early} KiB)");
    assert!(grown < MOST, "{grown} KiB more after {lives} lives");
    // The system counts a thread until it has ended, which may be after the join.
    let deadline = Instant::now() + Duration::from_secs(5);
    while status("Threads:") > threads && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(status("Threads:") <= threads, "{} threads, {threads} before", status("Threads:"));
}

/// NULL → PLAYING, a window, EOS, → NULL.
fn life(model: &TestModel, sound: &[f32]) -> glib::WeakRef<gst::Element> {
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
