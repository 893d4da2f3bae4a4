// SPDX-License-Identifier: MIT OR Apache-2.0
//! Live changes to networks that crash ONNX Runtime or never load: the old model stays, and the next request is served.

use std::env::{consts::EXE_SUFFIX, current_exe};
use std::time::{Duration, Instant};

use gst::prelude::*;
use soundclassify_core::model::check;

use super::live::{other_model, play_until, set_model};
use crate::common::rig::{RATE, Rig, TestModel, noise, pts};

/// Whether the checker was built beside the tests, which then use it.
fn has_checker() -> bool {
    let file = format!("soundclassify-check-model{EXE_SUFFIX}");
    // Tests are in a folder below that of the programs.
    let checker =
        current_exe().unwrap().ancestors().skip(1).take(2).map(|dir| dir.join(&file)).find(|path| path.is_file());
    match checker {
        Some(checker) => check::set_checker(checker, Vec::new()),
        None => {
            println!("skipped: soundclassify-check-model is not built (cargo build --package soundclassify-core)");
            return false;
        }
    }
    true
}

#[test]
fn a_model_that_crashes_leaves_the_old_one() {
    if !has_checker() {
        return;
    }
    let (first, crash) = (TestModel::new("linear"), TestModel::new("hostile/crash-load"));
    let mut rig = Rig::plain(&first);
    set_model(&rig, &crash);
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut warnings = Vec::new();
    while warnings.is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
        warnings = rig.warnings();
    }
    assert!(warnings.len() == 1 && warnings[0].contains("crashed ONNX Runtime"), "{warnings:?}");
    assert_eq!(rig.element.property::<String>("model"), first.manifest().to_str().unwrap());
    rig.push(&noise(RATE, 1), Some(pts(0, RATE)));
    assert!(rig.classifications().iter().all(|message| message.model == "test"));
    let next = other_model("other");
    set_model(&rig, &next);
    play_until(&mut rig, &mut 1, |_, messages| messages.iter().any(|message| message.model == "other"));
}

#[test]
fn a_model_that_never_loads_delays_neither_the_next_one_nor_the_end() {
    if !has_checker() {
        return;
    }
    let (first, endless, next) = (TestModel::new("linear"), TestModel::new("hostile/load-time"), other_model("other"));
    let mut rig = Rig::plain(&first);
    set_model(&rig, &endless);
    std::thread::sleep(Duration::from_millis(300));
    set_model(&rig, &next);
    let mut second = 0;
    play_until(&mut rig, &mut second, |_, messages| messages.iter().any(|message| message.model == "other"));
    assert_eq!(rig.element.property::<String>("model"), next.manifest().to_str().unwrap());

    set_model(&rig, &endless);
    std::thread::sleep(Duration::from_millis(300));
    let begin = Instant::now();
    rig.element.set_state(gst::State::Null).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(rig.warnings(), Vec::<String>::new());
}
