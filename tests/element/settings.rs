// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties: from the application, from the manifest, while playing.

use gst::prelude::*;

use crate::common::rig::{RATE, Rig, TestModel, element, noise, texts, windows_in};

#[test]
fn manifest_suggests_and_the_application_decides() {
    let model = TestModel::with("linear", |text| {
        text + "\n[defaults]\noversamples = 5\ntop-k = 2\ndeny-labels = [\"Background\"]\nthresholds = { Bark = 0.9 }\n"
    });
    let rig = Rig::with(&model, |element| element.set_property("top-k", 1u32));
    assert_eq!(rig.element.property::<u32>("oversamples"), 5);
    assert_eq!(rig.element.property::<u32>("top-k"), 1);
    let mut rig = rig.caps("F32LE", RATE as i32, 1);
    rig.push(&noise(2 * RATE, 1), None);
    assert_eq!(rig.count("classified"), windows_in(2 * RATE as u64, 5));
    assert!(rig.classifications().iter().all(|reported| reported.best().label != "Background"));
}

#[test]
fn thresholds_of_the_manifest_hold_until_the_application_sets_one() {
    let model = TestModel::with("linear", |text| {
        text + "\n[defaults]\nthresholds = { Bark = 1.0, Meow = 1.0, Background = 1.0 }\n"
    });
    let mut rig = Rig::plain(&model);
    rig.push(&noise(RATE, 1), None);
    assert_eq!(rig.classifications(), []);
    rig.element.set_property("threshold", 0.0);
    rig.push(&noise(RATE, 1), None);
    assert!(!rig.classifications().is_empty());
}

#[test]
fn unknown_labels_are_warned_of_with_near_ones() {
    let model = TestModel::new("linear");
    let rig = Rig::with(&model, |element| element.set_property("allow-labels", gst::Array::new(["bark", "Zither"])));
    let warnings = rig.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("\"bark\"") && warnings[0].contains("Bark"), "{warnings:?}");
    assert!(warnings[1].contains("\"Zither\"") && warnings[1].contains("no label is similar"), "{warnings:?}");
    rig.element.set_property("deny-labels", gst::Array::new(["Meoww"]));
    assert!(rig.warnings().last().unwrap().contains("Meow"));
}

#[test]
fn channel_picks_one() {
    let model = TestModel::new("linear");
    let (left, right) = (noise(RATE, 1), vec![0.0; RATE]);
    let stereo: Vec<f32> = left.iter().zip(&right).flat_map(|(left, right)| [*left, *right]).collect();
    let of = |channel: i32, samples: &[f32], channels: i32| {
        let mut rig = Rig::with(&model, |element| element.set_property("channel", channel));
        rig.set_caps("F32LE", RATE as i32, channels, "interleaved");
        rig.push(samples, None);
        rig.classifications()
    };
    assert_eq!(of(0, &stereo, 2), of(-1, &left, 1));
    assert_eq!(of(1, &stereo, 2), of(-1, &right, 1));
}

#[test]
fn channel_that_does_not_exist_is_warned_of_and_audio_goes_on() {
    let model = TestModel::new("linear");
    let mut rig = Rig::with(&model, |element| element.set_property("channel", 2));
    rig.set_caps("F32LE", RATE as i32, 2, "interleaved");
    rig.push(&noise(RATE, 1), None);
    let warnings = rig.warnings();
    assert!(warnings[0].contains("channel 2 does not exist in audio of 2 channels"), "{warnings:?}");
    assert_eq!(rig.classifications(), []);
    assert_eq!(rig.harness.buffers_in_queue(), 1);
    rig.set_caps("F32LE", RATE as i32, 3, "interleaved");
    rig.push(&noise(3 * RATE, 1), None);
    assert!(!rig.classifications().is_empty());
}

#[test]
fn properties_change_while_playing() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    let element = rig.element.clone();
    let changer = std::thread::spawn(move || {
        for turn in 0..1000u32 {
            element.set_property("ensembles", turn % 256 + 1);
            element.set_property("top-k", turn % 3 + 1);
            element.set_property("threshold", f64::from(turn % 10) / 20.0);
            element.set_property("deny-labels", gst::Array::new(if turn % 2 == 0 { vec!["Bark"] } else { vec![] }));
            element.set_property("oversamples", turn % 100 + 1);
            element.set_property("post-messages", turn % 7 != 0);
            let _: gst::Structure = element.property("stats");
        }
    });
    rig.push_in(&noise(20 * RATE, 1), &[160]);
    changer.join().unwrap();
    assert_eq!(rig.count("classified"), windows_in(20 * RATE as u64, 10));
    let messages = rig.classifications();
    assert!(messages.windows(2).all(|pair| pair[0].window < pair[1].window));
}

#[test]
fn auto_waits_unless_the_source_is_live() {
    let model = TestModel::new("slow");
    for live in [false, true] {
        let mut rig = Rig::with(&model, |element| {
            element.set_property_from_str("sync", "auto");
            element.set_property("oversamples", 1u32);
            answer_latency(element, live);
        });
        rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
        rig.push(&vec![0.5; RATE], None);
        let reported = rig.classifications().len() as u64;
        assert_eq!(reported, if live { 0 } else { windows_in(RATE as u64, 1) }, "live: {live}");
    }
}

// Answers latency queries in the source's place.
fn answer_latency(element: &gst::Element, live: bool) {
    let pad = element.static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::QUERY_UPSTREAM | gst::PadProbeType::PUSH, move |_, info| {
        let Some(gst::PadProbeData::Query(query)) = &mut info.data else { return gst::PadProbeReturn::Ok };
        let gst::QueryViewMut::Latency(latency) = query.view_mut() else { return gst::PadProbeReturn::Ok };
        latency.set(live, gst::ClockTime::ZERO, gst::ClockTime::NONE);
        gst::PadProbeReturn::Handled
    });
}

#[test]
fn empty_model_name_is_the_default_model() {
    let (element, _bus) = element(std::path::Path::new("x"));
    element.set_property("model", None::<&str>);
    assert_eq!(element.property::<String>("model"), "default");
}

#[test]
fn default_model_needs_no_property() {
    crate::common::rig::init();
    let element = gst::ElementFactory::make("soundclassify").build().unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let state = element.set_state(gst::State::Ready);
    assert!(state.is_ok(), "{:?}", texts(&bus, gst::MessageType::Error));
    element.set_state(gst::State::Null).unwrap();
}
