// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wrong models, wrong manifests, models that fail while running: always a message that says what to do, and audio
//! continues.

use std::path::Path;
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::common::rig::{RATE, Rig, TestModel, element, noise, texts, windows_in};

/// The error with which READY is refused.
#[track_caller]
fn refused(manifest: &Path) -> String {
    let (element, bus) = element(manifest);
    assert!(element.set_state(gst::State::Ready).is_err(), "READY should fail");
    let errors = texts(&bus, gst::MessageType::Error);
    assert_eq!(errors.len(), 1, "{errors:?}");
    element.set_state(gst::State::Null).unwrap();
    errors.into_iter().next().unwrap()
}

#[track_caller]
fn refused_saying(manifest: &Path, parts: &[&str]) {
    let error = refused(manifest);
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn missing_manifest() {
    refused_saying(Path::new("/nowhere/dogs.toml"), &["/nowhere/dogs.toml", "not found"]);
}

#[test]
fn missing_network() {
    let model = TestModel::new("linear");
    std::fs::remove_file(model.network()).unwrap();
    refused_saying(&model.manifest(), &["test.onnx", "not found"]);
}

#[test]
fn broken_networks() {
    let whole = std::fs::read(TestModel::new("linear").network()).unwrap();
    let random: Vec<u8> = noise(5000, 3).iter().map(|sample| (sample * 1e6) as i32 as u8).collect();
    for content in [Vec::new(), whole[..whole.len() / 2].to_vec(), random] {
        let model = TestModel::new("linear");
        std::fs::write(model.network(), content).unwrap();
        refused_saying(&model.manifest(), &["test.onnx"]);
    }
}

#[test]
fn networks_that_do_not_fit() {
    for (network, parts) in [
        ("four-classes", &["3", "4"] as &[&str]),
        ("rank-2", &["test.onnx"]),
        ("int-input", &["test.onnx", "f32"]),
        ("int-output", &["test.onnx"]),
        ("two-inputs", &["input"]),
        ("unknown-operator", &["Hearken"]),
    ] {
        let model = TestModel::new(network);
        let error = refused(&model.manifest());
        let lower = error.to_lowercase();
        for part in parts {
            assert!(lower.contains(&part.to_lowercase()), "{network}: {part:?} is not in {error:?}");
        }
    }
}

#[test]
fn manifest_errors_name_the_key() {
    for (from, to, part) in [
        ("n-mels = 4", "n-mels = 0", "n-mels"),
        ("hop-length = 128", "hop-length = 0", "hop-length"),
        ("layout = \"mels-frames\"", "layout = \"sideways\"", "layout"),
        ("onnx = \"test.onnx\"", "onnx = \"../test.onnx\"", "onnx"),
        ("names = [", "nmaes = [", "nmaes"),
        ("fmax = 4000.0", "fmax = 5000.0", "fmax"),
        ("version = \"1\"", "version = ", "test.toml"),
    ] {
        let model = TestModel::with("linear", |text| text.replace(from, to));
        refused_saying(&model.manifest(), &[part]);
    }
}

#[test]
fn provider_that_is_not_there_is_refused_with_those_that_are() {
    let model = TestModel::new("linear");
    let (element, bus) = element(&model.manifest());
    element.set_property_from_str("execution-provider", "coreml");
    assert!(element.set_state(gst::State::Ready).is_err());
    let errors = texts(&bus, gst::MessageType::Error);
    assert!(errors[0].contains("coreml") && errors[0].contains("cpu"), "{errors:?}");
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn after_an_error_a_right_model_works() {
    let model = TestModel::new("linear");
    let (element, bus) = element(Path::new("/nowhere/dogs.toml"));
    assert!(element.set_state(gst::State::Ready).is_err());
    element.set_property("model", model.manifest().to_str().unwrap());
    element.set_state(gst::State::Ready).unwrap();
    element.set_state(gst::State::Null).unwrap();
    assert_eq!(texts(&bus, gst::MessageType::Error).len(), 1);
}

#[test]
fn scores_that_are_no_numbers_are_counted_and_warned_of_once() {
    let model = TestModel::new("nan");
    let mut rig = Rig::plain(&model);
    rig.push(&noise(RATE, 1), None);
    rig.push(&noise(RATE, 2), None);
    let windows = windows_in(2 * RATE as u64, 10);
    assert_eq!(rig.count("errors"), windows);
    assert_eq!(rig.harness.buffers_in_queue(), 2);
    assert_eq!(rig.warnings().len(), 1);
    assert_eq!(rig.classifications(), []);
}

/// A low tone that makes the networks `hangs` and `slow` show their nature, and silence that does not.
pub(crate) fn loud(samples: usize) -> Vec<f32> {
    (0..samples).map(|n| (n as f32 * 0.4).sin() * 0.9).collect()
}

#[test]
fn hanging_model_stops_neither_audio_nor_state_changes() {
    let model = TestModel::new("hangs");
    let mut rig = Rig::not_waiting(&model, 20);
    let begun = Instant::now();
    rig.push_in(&loud(4 * RATE), &[80]);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(rig.count("dropped") > 0);
    let begun = Instant::now();
    rig.element.set_state(gst::State::Null).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_model_that_hangs_on_a_live_stream_is_warned_of_once() {
    let model = TestModel::new("hangs");
    let mut rig = Rig::not_waiting(&model, 20);
    let begun = Instant::now();
    // The loop takes the warning off the bus.
    while rig.warnings().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no warning");
        rig.push(&loud(RATE / 10), None);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
    rig.push(&loud(RATE), None);
    assert_eq!(rig.warnings(), [""; 0]);
}

#[test]
fn hanging_model_does_not_hold_up_the_end() {
    let model = TestModel::new("hangs");
    let mut rig = Rig::not_waiting(&model, 20);
    rig.push(&loud(RATE), None);
    let begun = Instant::now();
    rig.eos();
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    let warnings = rig.warnings();
    assert!(warnings.iter().any(|text| text.contains("no result")), "{warnings:?}");
}

#[test]
fn slow_model_does_not_hold_up_the_end() {
    let model = TestModel::new("slow-1");
    let mut rig = Rig::not_waiting(&model, 1000);
    rig.push(&loud(60 * RATE), None);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(rig.count("dropped"), 0);
    let begun = Instant::now();
    rig.eos();
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    assert!(rig.count("classified") > 0 && rig.count("dropped") > 0, "{}", rig.stats());
    let reported = rig.count("classified") + rig.count("dropped") + rig.count("errors");
    assert_eq!(rig.count("windows"), reported, "{}", rig.stats());
    assert_eq!(rig.warnings(), [""; 0]);
}

#[test]
fn the_end_of_many_streams_of_a_slow_model_is_no_hang() {
    let model = TestModel::new("slow-1");
    let stream = |_| {
        let mut rig = Rig::not_waiting(&model, 20);
        rig.push(&loud(RATE), None);
        rig
    };
    let mut rigs: Vec<_> = (0..30).map(stream).collect();
    std::thread::scope(|scope| {
        for rig in &mut rigs {
            scope.spawn(|| rig.eos());
        }
    });
    for rig in &mut rigs {
        assert_eq!((rig.warnings(), rig.count("errors")), (vec![], 0));
        assert_eq!(rig.count("windows"), rig.count("classified") + rig.count("dropped"), "{}", rig.stats());
    }
}

#[test]
fn flush_frees_a_streaming_thread_that_waits_for_a_hanging_model() {
    flush_frees_the_streaming_thread(0, 1);
}

#[test]
fn flush_frees_a_streaming_thread_that_runs_a_model_which_was_quick_before() {
    flush_frees_the_streaming_thread(3 * RATE, 2);
}

/// `quick`: samples that the model does not hang on, first; `threads`: another number has an engine of its own.
fn flush_frees_the_streaming_thread(quick: usize, threads: u32) {
    let model = TestModel::new("hangs");
    let mut rig = Rig::with(&model, |element| element.set_property("threads", threads)).caps("F32LE", RATE as i32, 1);
    rig.push(&vec![0.0; quick], None);
    assert_eq!(rig.count("classified") > 0, quick > 0);
    let pad = rig.element.static_pad("sink").unwrap();
    let flusher = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        assert!(pad.send_event(gst::event::FlushStart::new()));
    });
    let begun = Instant::now();
    let _ = rig.harness.push(crate::common::rig::buffer(&loud(RATE), None));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    flusher.join().unwrap();
}

#[test]
fn slow_model_drops_the_oldest_and_says_so_once_a_second() {
    let model = TestModel::new("slow");
    let mut rig = Rig::not_waiting(&model, 3);
    rig.push_in(&loud(6 * RATE), &[80]);
    let dropped = rig.count("dropped");
    assert!(dropped > 10, "{dropped}");
    assert!(rig.stats().get::<u32>("pending").unwrap() <= 3 + 16);
    let (mut qos, mut reported) = (0, 0);
    while let Some(message) = rig.bus.pop_filtered(&[gst::MessageType::Qos]) {
        if let gst::MessageView::Qos(message) = message.view() {
            assert!(message.get().0, "live");
            let (processed, lost) = message.stats();
            let (processed, lost) = (processed.value() as u64, lost.value() as u64);
            assert!(lost > reported && lost <= dropped, "{lost} after {reported} of {dropped}");
            assert!(processed <= rig.count("classified") && processed < lost, "{processed}");
            reported = lost;
            qos += 1;
        }
    }
    assert!((1..=3).contains(&qos), "{qos}");
    rig.element.set_state(gst::State::Null).unwrap();
}

#[test]
fn audio_waits_for_a_hanging_model_once_and_then_goes_on() {
    audio_waits_once(0, 1);
}

#[test]
fn audio_waits_once_for_a_model_that_hangs_later() {
    audio_waits_once(3 * RATE, 3);
}

/// Audio waits once for a model that hangs after `quick` samples.
fn audio_waits_once(quick: usize, threads: u32) {
    let model = TestModel::new("hangs");
    let mut rig = Rig::with(&model, |element| element.set_property("threads", threads)).caps("F32LE", RATE as i32, 1);
    rig.push(&vec![0.0; quick], None);
    assert_eq!(rig.count("classified") > 0, quick > 0);
    rig.push(&loud(RATE), None);
    let warnings = rig.warnings();
    assert!(warnings.iter().any(|text| text.contains("no result")), "{warnings:?}");
    let begun = Instant::now();
    rig.push_in(&loud(20 * RATE), &[800]);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(rig.harness.buffers_in_queue(), 1 + 1 + 200);
    assert!(rig.count("errors") > 100);
    rig.element.set_state(gst::State::Null).unwrap();
}

/// Longer than a model rests.
const REST: Duration = Duration::from_millis(5200);

#[test]
fn nothing_piles_up_behind_a_window_that_hangs() {
    let model = TestModel::new("hangs");
    let mut rig = Rig::plain(&model);
    nothing_piles_up(&mut rig);
}

/// Behind a window that hangs, once the model has rested.
fn nothing_piles_up(rig: &mut Rig) {
    rig.push(&loud(RATE), None);
    std::thread::sleep(REST);
    rig.push_in(&loud(10 * RATE), &[800]);
    assert!(rig.count("errors") > 100);
    assert!(rig.stats().get::<u32>("pending").unwrap() <= 1, "{}", rig.stats());
}

#[test]
fn nothing_piles_up_behind_a_window_of_another_stream_that_hangs() {
    let model = TestModel::new("hangs");
    let mut hanging = Rig::not_waiting(&model, 20);
    hanging.push(&loud(RATE), None);
    std::thread::sleep(Duration::from_millis(200));
    nothing_piles_up(&mut Rig::plain(&model));
}

#[test]
fn silence_does_not_pile_up_behind_a_window_that_hangs() {
    let model = TestModel::new("hangs");
    let mut rig = Rig::with(&model, |element| {
        element.set_property_from_str("sync", "never");
        element.set_property("silence-threshold", -20.0);
    });
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig.push(&loud(RATE), None);
    let before = rig.count("windows");
    rig.push_in(&vec![0.0; 200 * RATE], &[800]);
    assert!(rig.count("windows") > before + 1500, "{}", rig.stats());
    assert!(rig.stats().get::<u32>("pending").unwrap() <= 1, "{}", rig.stats());
    assert!(rig.count("errors") > 0);
}
