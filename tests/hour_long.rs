// SPDX-License-Identifier: MIT OR Apache-2.0
//! An hour of audio at full speed, in a separate process: its memory is measured.
#![cfg(target_os = "linux")]

mod common;

use common::rig::{RATE, Rig, TestModel, noise, pts, start_of};
use gst::prelude::*;

#[test]
fn an_hour_is_exact_to_the_sample() {
    let model = TestModel::new("linear");
    let mut rig = Rig::with(&model, |element| element.set_property("oversamples", 1u32));
    rig.set_caps("F32LE", 11025, 1, "interleaved");
    let second = noise(11025, 1);
    let (mut last, mut early) = (None, 0);
    for at in 0..3600usize {
        if at == 300 {
            early = resident_kib();
        }
        rig.push(&second, Some(pts(at * 11025, 11025)));
        last = rig.classifications().pop().or(last);
        while rig.harness.try_pull().is_some() {}
    }
    let grown = resident_kib().saturating_sub(early);
    assert!(grown < 4096, "{grown} KiB more after an hour than after five minutes");
    rig.eos();
    let last = rig.classifications().pop().or(last).unwrap();
    assert_eq!(last.window, 3599);
    assert_eq!(last.timestamp, pts(start_of(3599, 1) as usize, RATE));
    assert_eq!(last.running_time, Some(last.timestamp));
}

/// Memory of this process.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
