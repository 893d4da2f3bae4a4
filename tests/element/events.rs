// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports of events and changes, thresholds per label, and the silence gate.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gst::ClockTime;
use gst::prelude::*;
use gstsoundclassify::soundclassify::message::EVENT;
use gstsoundclassify::{ClassificationEvent, EventKind};
use proptest::prelude::*;

use crate::common::rig::{RATE, Rig, TestModel, buffer, kinds, noise, pts, scene, windows_in};

/// The network `loudness` behind an element that reports events of single windows.
fn rig_with(model: &TestModel, setup: impl FnOnce(&gst::Element)) -> Rig {
    let mut rig = Rig::with(model, |element| {
        element.set_property("ensembles", 1u32);
        element.set_property_from_str("report", "events");
        setup(element);
    });
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig
}

fn rig(model: &TestModel) -> Rig {
    rig_with(model, |_| {})
}

fn loudness() -> TestModel {
    TestModel::new("loudness")
}

#[track_caller]
fn about(reported: ClockTime, wanted: u64, tolerance: u64) {
    let difference = reported.absdiff(ClockTime::from_mseconds(wanted));
    assert!(difference <= ClockTime::from_mseconds(tolerance), "{reported} is not about {wanted} ms");
}

#[test]
fn an_event_begins_and_ends_where_the_sound_does() {
    let model = loudness();
    let mut rig = rig(&model);
    rig.push_in(&scene(&[(1000, 0.0), (1500, 1.0), (1500, 0.0)]), &[160]);
    rig.eos();
    let events: Vec<_> = rig.events().into_iter().filter(|event| event.now.label == "Bark").collect();
    assert_eq!(kinds(&events), [EventKind::Start, EventKind::Update, EventKind::End]);
    for event in &events {
        about(event.timestamp, 1000, 180);
        assert_eq!((event.stream_time, event.running_time), (Some(event.timestamp), Some(event.timestamp)));
        assert_eq!((event.event_id, event.now.index, event.timestamp), (events[0].event_id, 0, events[0].timestamp));
    }
    about(events[0].duration, 250, 60);
    about(events[2].duration, 1500, 120);
    assert!(events[2].peak > 0.9 && events[2].now.probability < 0.1, "{events:?}");
}

#[test]
fn one_event_a_label_is_open() {
    let model = TestModel::with("loudness", |text| text.replace("softmax", "sigmoid"));
    let mut rig = rig(&model);
    rig.push_in(&scene(&[(1000, 1.0), (1000, 0.0), (1000, 1.0)]), &[500]);
    rig.eos();
    let events = rig.events();
    let mut open = Vec::new();
    for event in &events {
        match event.kind {
            EventKind::Start => {
                assert!(!open.contains(&event.now.label), "{} twice", event.now.label);
                open.push(event.now.label.clone());
            }
            _ => assert!(open.contains(&event.now.label)),
        }
        if event.kind == EventKind::End {
            open.retain(|label| *label != event.now.label);
        }
    }
    // 0.5 is the probability of "Background" throughout.
    let starts: Vec<&str> = events.iter().filter(|e| e.kind == EventKind::Start).map(|e| &*e.now.label).collect();
    assert_eq!(starts, ["Bark", "Background", "Meow", "Bark"]);
    assert_eq!(open, [""; 0]);
}

#[test]
fn short_events_are_not_reported_and_gaps_are_bridged() {
    let model = loudness();
    let signal = scene(&[(500, 0.0), (150, 1.0), (1000, 0.0), (600, 1.0), (300, 0.0), (600, 1.0), (1000, 0.0)]);
    let ends = |setup: &dyn Fn(&gst::Element)| {
        let mut rig = rig_with(&model, |element| {
            element.set_property("allow-labels", gst::Array::new(["Bark"]));
            element.set_property("oversamples", 50u32);
            setup(element);
        });
        rig.push_in(&signal, &[160]);
        rig.eos();
        rig.events().iter().filter(|event| event.kind == EventKind::End).count()
    };
    assert_eq!(ends(&|_| {}), 1);
    assert_eq!(ends(&|element| element.set_property("event-hold", 100_000_000u64)), 2);
    assert_eq!(ends(&|element| element.set_property("event-min-duration", 50_000_000u64)), 2);
    assert_eq!(ends(&|element| element.set_property("event-min-duration", 3_000_000_000u64)), 0);
}

/// What happens to an open event: exactly one end, and nothing after it.
#[track_caller]
fn ends_once(happens: impl FnOnce(&mut Rig)) -> ClassificationEvent {
    let model = loudness();
    let mut rig = rig(&model);
    rig.push(&scene(&[(500, 0.0), (1000, 1.0)]), Some(ClockTime::ZERO));
    let before: Vec<_> = rig.events().into_iter().filter(|event| event.now.label == "Bark").collect();
    assert_eq!(kinds(&before), [EventKind::Start]);
    happens(&mut rig);
    let after: Vec<_> = rig.events().into_iter().filter(|event| event.now.label == "Bark").collect();
    assert_eq!(kinds(&after), [EventKind::End]);
    assert_eq!(after[0].event_id, before[0].event_id);
    after[0].clone()
}

#[test]
fn the_end_of_the_stream_ends_events_before_it_leaves() {
    let event = ends_once(|rig| {
        // On the bus before the pad behind sees the end of the stream.
        let pad = rig.element.static_pad("src").unwrap();
        let (bus, seen) = (rig.bus.clone(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let reported = seen.clone();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if info.event().is_some_and(|event| event.type_() == gst::EventType::Eos) {
                reported.store(bus.have_pending(), std::sync::atomic::Ordering::SeqCst);
            }
            gst::PadProbeReturn::Ok
        });
        rig.eos();
        assert!(seen.load(std::sync::atomic::Ordering::SeqCst));
    });
    about(event.timestamp + event.duration, 1500, 120);
}

#[test]
fn flush_reset_and_state_change_end_events() {
    ends_once(|rig| {
        rig.harness.push_event(gst::event::FlushStart::new());
        rig.harness.push_event(gst::event::FlushStop::new(true));
    });
    ends_once(|rig| rig.element.emit_by_name::<()>("reset", &[]));
    ends_once(|rig| {
        rig.element.set_state(gst::State::Ready).unwrap();
    });
    ends_once(|rig| {
        rig.element.set_state(gst::State::Null).unwrap();
    });
}

#[test]
fn breaks_in_the_audio_end_events() {
    ends_once(|rig| {
        let mut next = buffer(&vec![0.0; 100], Some(pts(RATE, RATE)));
        next.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
        rig.harness.push(next).unwrap();
    });
    ends_once(|rig| rig.push(&[0.0; 100], Some(ClockTime::from_seconds(100))));
    ends_once(|rig| rig.set_caps("S16LE", 44100, 2, "interleaved"));
}

#[test]
fn other_reports_end_events() {
    for (property, value) in [("report", "windows"), ("report", "changes"), ("post-messages", "false")] {
        ends_once(|rig| rig.element.set_property_from_str(property, value));
    }
    ends_once(|rig| rig.element.set_property("deny-labels", gst::Array::new(["Bark"])));
}

#[test]
fn nothing_is_reported_after_the_end() {
    let model = loudness();
    let mut rig = rig_with(&model, |element| {
        element.set_property_from_str("sync", "never");
        element.set_property("max-pending", 1000u32);
    });
    rig.push_in(&scene(&[(500, 1.0), (700, 0.0), (1000, 1.0)]), &[160]);
    rig.eos();
    let events = rig.events();
    let count = |kind| events.iter().filter(|event| event.kind == kind).count();
    assert_eq!(count(EventKind::Start), count(EventKind::End));
    assert!(count(EventKind::Start) >= 2);
    rig.element.emit_by_name::<()>("reset", &[]);
    rig.element.set_state(gst::State::Null).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(rig.events(), []);
}

#[test]
fn a_sound_shorter_than_a_window_is_an_event() {
    let model = loudness();
    let mut rig = rig_with(&model, |element| element.set_property("event-min-duration", 100_000_000u64));
    rig.push(&noise(800, 1), Some(ClockTime::ZERO));
    rig.eos();
    assert_eq!(kinds(&rig.events()), [EventKind::Start, EventKind::End]);
}

/// Onset and end, ms, of all events of "Bark".
fn borders(model: &TestModel, signal: &[f32], oversamples: u32, ensembles: u32) -> Vec<(u64, u64)> {
    let mut rig = rig_with(model, |element| {
        element.set_property("ensembles", ensembles);
        element.set_property("oversamples", oversamples);
        element.set_property("allow-labels", gst::Array::new(["Bark"]));
    });
    rig.push_in(signal, &[RATE]);
    rig.eos();
    let events = rig.events();
    let ends = events.iter().filter(|event| event.kind == EventKind::End);
    ends.map(|event| (event.timestamp.mseconds(), (event.timestamp + event.duration).mseconds())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn the_number_of_windows_a_second_does_not_matter(
        parts in prop::collection::vec((700usize..2500, 1100usize..2500), 1..5),
        default in any::<bool>(),
    ) {
        let model = loudness();
        // Sounds shorter than the mean are reported or not as it happens.
        let (ensembles, longer) = if default { (10, 900) } else { (1, 0) };
        let parts: Vec<_> = parts.into_iter().flat_map(|(sound, pause)| [(pause, 0.0), (sound + longer, 1.0)]).collect();
        let signal = scene(&[parts, vec![(1500, 0.0)]].concat());
        let fine = borders(&model, &signal, 20, ensembles);
        prop_assert!(!fine.is_empty());
        for oversamples in [5u32, 10] {
            let coarse = borders(&model, &signal, oversamples, ensembles);
            prop_assert_eq!(fine.len(), coarse.len());
            // A stride, and what the grid of frames adds to it.
            let tolerance = 1000 / u64::from(oversamples) + 16;
            for (one, other) in fine.iter().zip(&coarse) {
                prop_assert!(one.0.abs_diff(other.0) <= tolerance && one.1.abs_diff(other.1) <= tolerance, "{:?} {:?}", one, other);
            }
        }
    }
}

#[test]
fn all_are_the_windows_and_the_events() {
    let model = loudness();
    let reported = |report: &str| {
        let mut rig = rig_with(&model, |element| element.set_property_from_str("report", report));
        rig.push_in(&scene(&[(500, 0.0), (1000, 1.0), (1000, 0.0), (1000, 1.0)]), &[160]);
        rig.eos();
        let messages = std::iter::from_fn(|| rig.bus.pop_filtered(&[gst::MessageType::Element]));
        let without_utc = |message: gst::Message| {
            let mut structure = message.structure().unwrap().to_owned();
            structure.remove_field("utc");
            structure
        };
        messages.map(without_utc).partition::<Vec<_>, _>(|it| it.name() == EVENT)
    };
    let ((events, windows), (all_events, all_windows)) =
        ((reported("events").0, reported("windows").1), reported("all"));
    assert!(!events.is_empty() && !windows.is_empty());
    assert_eq!((all_events, all_windows), (events, windows));
}

#[test]
fn events_end_when_they_are_not_reported_any_more() {
    for (before, after) in [("all", "windows"), ("events", "changes")] {
        let event = ends_once(|rig| {
            rig.element.set_property_from_str("report", before);
            rig.element.set_property_from_str("report", after);
        });
        assert_eq!(event.kind, EventKind::End);
    }
}

#[test]
fn changes_are_reported_once() {
    let model = loudness();
    let mut rig = rig_with(&model, |element| {
        element.set_property_from_str("report", "changes");
        element.set_property("threshold", 0.6);
        element.set_property("deny-labels", gst::Array::new(["Meow"]));
    });
    rig.push_in(&scene(&[(500, 0.0), (1000, 1.0), (1000, 0.0), (1000, 1.0)]), &[160]);
    let labels: Vec<String> = rig.classifications().iter().map(|reported| reported.best().label.clone()).collect();
    assert_eq!(labels, ["Bark", "Bark"], "each appearance once");
    rig.element.set_property("deny-labels", gst::Array::new(Vec::<String>::new()));
    rig.push_in(&scene(&[(500, 0.0), (1000, 1.0)]), &[160]);
    let labels: Vec<String> = rig.classifications().iter().map(|reported| reported.best().label.clone()).collect();
    assert_eq!(labels, ["Meow", "Bark"]);
}

#[test]
fn label_thresholds_come_before_all_others() {
    let model = TestModel::with("loudness", |text| text + "\n[defaults]\nthresholds = { Bark = 1.0 }\n");
    let reported = |setup: &dyn Fn(&gst::Element)| {
        let mut rig = Rig::with(&model, |element| {
            element.set_property("ensembles", 1u32);
            element.set_property("allow-labels", gst::Array::new(["Bark"]));
            setup(element);
        });
        rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
        rig.push(&scene(&[(500, 1.0)]), None);
        !rig.classifications().is_empty()
    };
    let own = |value: f64| gst::Structure::builder("thresholds").field("Bark", value).build();
    assert!(!reported(&|_| {}), "the manifest's");
    assert!(reported(&|element| element.set_property("threshold", 0.5)), "the application's over the manifest's");
    assert!(reported(&|element| element.set_property("label-thresholds", own(0.5))), "the label's over the manifest's");
    assert!(!reported(&|element| {
        element.set_property("threshold", 0.5);
        element.set_property("label-thresholds", own(1.0));
    }));
    assert!(
        reported(&|element| element.set_property_from_str("label-thresholds", "thresholds,Bark=0")),
        "a whole number"
    );
}

#[test]
fn a_label_threshold_holds_for_the_start_of_events() {
    let model = TestModel::with("loudness", |text| text.replace("softmax", "sigmoid"));
    let mut rig = rig_with(&model, |element| {
        let thresholds = gst::Structure::builder("thresholds").field("Background", 0.6).build();
        element.set_property("label-thresholds", thresholds);
    });
    rig.push(&scene(&[(1000, 1.0)]), None);
    rig.eos();
    assert!(rig.events().iter().all(|event| event.now.label == "Bark"));
}

#[test]
fn label_thresholds_that_can_not_be_are_warned_of() {
    let model = loudness();
    let rig = Rig::with(&model, |element| {
        element.set_property_from_str("label-thresholds", "thresholds,bark=0.5,Meow=1.5,Bark=0.5");
    });
    let warnings = rig.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("label-thresholds: \"bark\"") && warnings[0].contains("similar: Bark"),
        "{warnings:?}"
    );
    assert!(warnings[1].contains("\"Meow\"") && warnings[1].contains("from 0 to 1"), "{warnings:?}");
}

#[test]
fn silence_is_not_classified_and_counted() {
    let model = TestModel::new("linear");
    let mut rig = Rig::with(&model, |element| element.set_property("silence-threshold", -50.0));
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    // ±0.25 of noise is −16.8 dBFS.
    rig.push_in(&scene(&[(1000, 1.0), (1000, 0.001), (1000, 1.0)]), &[160]);
    let windows = windows_in(3 * RATE as u64, 10);
    let (gated, classified) = (rig.count("gated"), rig.count("classified"));
    assert_eq!((rig.count("windows"), gated + classified), (windows, windows));
    assert!((7..=9).contains(&gated), "{gated}");
    let messages = rig.classifications();
    assert_eq!(messages.len() as u64, classified);
    // Numbers continue through silence, and the ensemble starts again.
    let after =
        messages.windows(2).find(|pair| pair[1].window > pair[0].window + 1).map(|pair| pair[1].clone()).unwrap();
    assert_eq!(after.window, messages.iter().filter(|reported| reported.window < after.window).count() as u64 + gated);
    let mut alone = Rig::with(&model, |element| element.set_property("ensembles", 1u32));
    alone.set_caps("F32LE", RATE as i32, 1, "interleaved");
    alone.push_in(&scene(&[(1000, 1.0), (1000, 0.001), (1000, 1.0)]), &[160]);
    let raw = alone.classifications().into_iter().find(|reported| reported.window == after.window).unwrap();
    assert!((raw.best().probability - after.best().probability).abs() < 1e-6);
    rig.element.set_property("silence-threshold", f64::NEG_INFINITY);
    rig.push(&[0.0; 2 * RATE], None);
    assert_eq!(rig.count("gated"), gated);
}

#[test]
fn silence_ends_events() {
    let model = loudness();
    let mut rig = rig_with(&model, |element| element.set_property("silence-threshold", -50.0));
    rig.push(&scene(&[(800, 1.0), (1200, 0.0)]), Some(ClockTime::ZERO));
    let events = rig.events();
    assert_eq!(kinds(&events), [EventKind::Start, EventKind::End]);
    about(events[1].duration, 800, 120);
    assert_eq!(events[1].now.probability, 0.0);
}

#[test]
fn silence_does_not_wait_for_an_incomplete_batch() {
    let model = loudness();
    let mut rig = rig_with(&model, |element| {
        element.set_property("silence-threshold", -50.0);
        element.set_property("process-count", 64u32);
    });
    rig.push(&scene(&[(800, 1.0), (1200, 0.0)]), Some(ClockTime::ZERO));
    assert_eq!(kinds(&rig.events()), [EventKind::Start, EventKind::End]);
}

#[test]
fn the_manifest_suggests_events_and_silence() {
    let model = TestModel::with("loudness", |text| {
        text + "\n[defaults]\nsilence-threshold = -60.0\nevent-on = 0.7\nevent-off = 0.2\nevent-min-duration = 1_000\nevent-hold = 2_000\n"
    });
    let rig = Rig::with(&model, |element| element.set_property("event-off", 0.3));
    let of = |name: &str| rig.element.property::<f64>(name);
    assert_eq!([of("silence-threshold"), of("event-on"), of("event-off")], [-60.0, 0.7, 0.3]);
    let of = |name: &str| rig.element.property::<u64>(name);
    assert_eq!([of("event-min-duration"), of("event-hold")], [1000, 2000]);
}

#[test]
fn a_live_source_that_falls_silent_keeps_no_event_open() {
    let model = loudness();
    let (element, bus) = crate::common::rig::element(&model.manifest());
    element.set_property("ensembles", 1u32);
    element.set_property_from_str("report", "events");
    element.set_property("event-hold", 100_000_000u64);
    let pad = super::streams::source(&Arc::new(AtomicBool::new(true)));
    pad.set_active(true).unwrap();
    pad.link(&element.static_pad("sink").unwrap()).unwrap();
    let sink = gst::Pad::builder(gst::PadDirection::Sink).chain_function(|_, _, _| Ok(gst::FlowSuccess::Ok)).build();
    sink.set_active(true).unwrap();
    element.static_pad("src").unwrap().link(&sink).unwrap();
    element.set_state(gst::State::Playing).unwrap();
    pad.push_event(gst::event::StreamStart::new("live"));
    let caps = gst::Caps::builder("audio/x-raw").field("format", "F32LE").field("rate", RATE as i32);
    pad.push_event(gst::event::Caps::new(&caps.field("channels", 1).field("layout", "interleaved").build()));
    pad.push_event(gst::event::Segment::new(&gst::FormattedSegment::<ClockTime>::new()));

    pad.push(buffer(&scene(&[(500, 0.0), (1000, 1.0)]), Some(ClockTime::ZERO))).unwrap();
    let begun = std::time::Instant::now();
    let ended = std::iter::from_fn(|| bus.timed_pop_filtered(ClockTime::from_seconds(5), &[gst::MessageType::Element]))
        .filter_map(|message| ClassificationEvent::try_from(message.structure().unwrap()).ok())
        .find(|event| event.kind == EventKind::End && event.now.label == "Bark")
        .expect("the event ends");

    let waited = begun.elapsed().as_millis();
    assert!((900..3000).contains(&waited), "{waited} ms");
    about(ended.timestamp, 500, 40);
    assert_eq!(ended.timestamp + ended.duration, ClockTime::from_mseconds(1500), "the last sample received");
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn an_event_that_is_open_at_the_end_ends_with_the_last_sample() {
    let model = loudness();
    for (length, pieces) in [(1700, 160), (1000, 8000), (113, 160), (90, 160)] {
        let mut rig = rig_with(&model, |element| {
            element.set_property("event-min-duration", 50_000_000u64);
            element.set_property("allow-labels", gst::Array::new(["Bark"]));
        });
        rig.push_in(&scene(&[(length, 1.0)]), &[pieces]);
        rig.eos();
        let events = rig.events();
        let end = events.last().unwrap();
        assert_eq!(end.kind, EventKind::End, "{length} ms");
        assert_eq!((end.timestamp, end.duration), (ClockTime::ZERO, ClockTime::from_mseconds(length as u64)));
    }
}

#[test]
fn onsets_and_ends_are_where_the_sound_begins_and_ends() {
    let model = loudness();
    let (mut onsets, mut ends) = (Vec::new(), Vec::new());
    for ensembles in [1u32, 10] {
        for number in 0..20usize {
            let (pause, sound) = (1100 + 37 * number, 1100 + 53 * number);
            let mut rig = rig_with(&model, |element| {
                element.set_property("ensembles", ensembles);
                element.set_property("allow-labels", gst::Array::new(["Bark"]));
            });
            // 30 dB below the sound, as a room is.
            rig.push_in(&scene(&[(pause, 0.03), (sound, 1.0), (1600, 0.03)]), &[160]);
            rig.eos();
            let events = rig.events();
            let end = events.iter().find(|event| event.kind == EventKind::End).unwrap();
            onsets.push(end.timestamp.mseconds().abs_diff(pause as u64));
            ends.push((end.timestamp + end.duration).mseconds().abs_diff((pause + sound) as u64));
        }
    }
    for errors in [&mut onsets, &mut ends] {
        errors.sort_unstable();
        let (median, most) = (errors[errors.len() / 2], errors[errors.len() * 9 / 10]);
        assert!(median <= 100 && most <= 300, "{errors:?}");
    }
}
