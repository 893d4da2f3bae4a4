// SPDX-License-Identifier: MIT OR Apache-2.0
//! Changes while audio runs: properties, and the model itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use gst::ClockTime;
use gst::prelude::*;
use gstsoundclassify::{Classification, ClassificationEvent, EventKind};
use proptest::prelude::*;
use soundclassify_core::model::{Engine, EngineOptions, Model};

use super::faults::loud;
use crate::common::rig::{RATE, Rig, TestModel, kinds, noise, pts, scene, texts, windows_in};

/// A model that calls itself `name` and its labels otherwise, at twice the rate of the other test models.
pub(crate) fn other_model(name: &str) -> TestModel {
    TestModel::with("loudness", |text| {
        text.replace("\"test\"", &format!("{name:?}"))
            .replace("\"Bark\"", "\"Rain\"")
            .replace("sample-rate = 8000", "sample-rate = 16000")
            .replace("window = 0.112", "window = 0.056")
    })
}

pub(crate) fn set_model(rig: &Rig, model: &TestModel) {
    rig.element.set_property("model", model.manifest().to_str().unwrap());
}

/// To PLAYING, where another stream begins.
fn play_again(rig: &mut Rig) {
    rig.element.set_state(gst::State::Playing).unwrap();
    rig.harness.push_event(gst::event::StreamStart::new("again"));
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<ClockTime>::new()));
}

/// Plays second after second until `done`; gives all that was posted.
#[track_caller]
pub(crate) fn play_until(
    rig: &mut Rig,
    second: &mut usize,
    mut done: impl FnMut(&Rig, &[Classification]) -> bool,
) -> Vec<Classification> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut messages = Vec::new();
    while !done(rig, &messages) {
        assert!(Instant::now() < deadline, "it takes too long");
        rig.push(&noise(RATE, *second as u32 + 1), Some(pts(*second * RATE, RATE)));
        while rig.harness.try_pull().is_some() {}
        *second += 1;
        messages.extend(rig.classifications());
        std::thread::sleep(Duration::from_millis(2));
    }
    messages
}

#[test]
fn another_model_takes_over_at_a_window_border() {
    let (first, second) = (TestModel::new("linear"), other_model("other"));
    for sync in ["always", "never"] {
        let mut rig = Rig::with(&first, |element| {
            element.set_property_from_str("sync", sync);
            // A busy machine drops nothing.
            element.set_property("max-pending", 1000u32);
        });
        rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
        rig.push(&noise(RATE, 1), Some(ClockTime::ZERO));
        set_model(&rig, &second);
        let is_other = |reported: &Classification| reported.model == "other";
        let mut at = 1;
        let messages = play_until(&mut rig, &mut at, |_, messages| messages.iter().any(is_other));
        let border = messages.iter().position(is_other).unwrap();
        let (before, after) = messages.split_at(border);
        assert!(
            before
                .iter()
                .all(|reported| reported.model == "test" && reported.duration == ClockTime::from_mseconds(112))
        );
        assert!(after.iter().all(|reported| is_other(reported) && reported.duration == ClockTime::from_mseconds(56)));
        assert_eq!(after[0].window, 0, "windows begin anew");
        assert!(messages.windows(2).all(|pair| pair[0].timestamp < pair[1].timestamp), "in order");
        assert_eq!(after[0].timestamp.nseconds() % ClockTime::SECOND.nseconds(), 0, "between two buffers");
        assert_eq!(texts(&rig.bus, gst::MessageType::Warning), [""; 0]);
    }
}

#[test]
fn a_new_models_defaults_wait_for_its_first_window() {
    let first = TestModel::new("slow");
    let second = TestModel::with("loudness", |text| {
        text.replace("\"test\"", "\"other\"").replace("\"Bark\"", "\"Rain\"")
            + "\n[defaults]\nallow-labels = [\"Rain\"]\n"
    });
    let mut rig = Rig::not_waiting(&first, 200);
    rig.push(&loud(10 * RATE), Some(ClockTime::ZERO));
    set_model(&rig, &second);
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut at_load = None;
    let mut messages = Vec::new();
    while messages.len() < windows_in(10 * RATE as u64, 10) as usize {
        assert!(Instant::now() < deadline, "{messages:?}");
        if at_load.is_none() && !rig.element.property::<gst::Array>("allow-labels").is_empty() {
            at_load = Some(messages.len());
        }
        messages.extend(rig.classifications());
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(at_load.is_some_and(|count| count < messages.len()), "loaded while windows waited: {at_load:?}");
    assert!(
        messages.iter().all(|reported| reported.model == "test" && reported.best().label != "Rain"),
        "{messages:?}"
    );
}

#[test]
fn what_waits_for_a_slow_model_is_reported_before_the_next_one() {
    let (first, second) = (TestModel::new("slow-1"), other_model("other"));
    let mut rig = Rig::not_waiting(&first, 1000);
    // Of about 40 ms each: in total longer than the timeout for a model that does not reply.
    rig.push(&loud(10 * RATE), Some(ClockTime::ZERO));
    set_model(&rig, &second);
    // A busy machine takes many times as long.
    let (deadline, mut at) = (Instant::now() + Duration::from_secs(150), 10 * RATE);
    while !rig.classifications().iter().any(|reported| reported.model == "other") {
        assert!(Instant::now() < deadline, "{}", rig.stats());
        rig.push(&loud(RATE / 10), Some(pts(at, RATE)));
        at += RATE / 10;
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!((rig.count("errors"), rig.count("dropped")), (0, 0));
}

#[test]
fn events_end_when_another_model_takes_over_and_their_numbers_go_on() {
    let (first, second) = (TestModel::new("loudness"), other_model("other"));
    let mut rig = Rig::with(&first, |element| element.set_property_from_str("report", "events"));
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig.push(&noise(RATE, 1), Some(ClockTime::ZERO));
    set_model(&rig, &second);
    let mut reported: Vec<ClassificationEvent> = rig.events();
    let deadline = Instant::now() + Duration::from_secs(20);
    for second in 1.. {
        rig.push(&noise(RATE, 1), Some(pts(second * RATE, RATE)));
        reported.extend(rig.events());
        if reported.iter().any(|event| event.now.label == "Rain") {
            break;
        }
        assert!(Instant::now() < deadline, "{reported:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    rig.eos();
    reported.extend(rig.events());
    reported.retain(|event| event.kind != EventKind::Update);
    let brief: Vec<_> = reported.iter().map(|event| (event.now.label.as_str(), event.event_id)).collect();
    assert_eq!(kinds(&reported), [EventKind::Start, EventKind::End, EventKind::Start, EventKind::End]);
    assert_eq!(brief, [("Bark", 1), ("Bark", 1), ("Rain", 2), ("Rain", 2)]);
}

#[test]
fn a_model_that_can_not_be_used_leaves_the_old_one() {
    let first = TestModel::new("linear");
    let mut rig = Rig::plain(&first);
    let unfit = TestModel::new("four-classes");
    for (at, broken) in [PathBuf::from("/nowhere/dogs.toml"), unfit.manifest()].into_iter().enumerate() {
        rig.element.set_property("model", broken.to_str().unwrap());
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut warnings = Vec::new();
        while warnings.is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
            warnings = rig.warnings();
        }
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(broken.to_str().unwrap()) && warnings[0].contains("stays"), "{warnings:?}");
        assert_eq!(rig.element.property::<String>("model"), first.manifest().to_str().unwrap());
        rig.push(&noise(RATE, 1), Some(pts(at * RATE, RATE)));
        let messages = rig.classifications();
        assert!(!messages.is_empty() && messages.iter().all(|reported| reported.model == "test"));
    }
}

#[test]
fn the_last_of_many_models_wins() {
    let first = TestModel::new("linear");
    let others: Vec<_> = (0..20).map(|number| other_model(&format!("other-{number}"))).collect();
    let mut rig = Rig::plain(&first);
    for model in &others {
        set_model(&rig, model);
    }
    let mut at = 0;
    play_until(&mut rig, &mut at, |_, messages| messages.iter().any(|reported| reported.model == "other-19"));
    let messages = play_until(&mut rig, &mut at, |_, messages| messages.len() > 20);
    assert!(messages.iter().all(|reported| reported.model == "other-19"));
}

fn engine_of(model: &TestModel) -> Weak<Engine> {
    let model = Model::load(model.manifest().to_str().unwrap()).unwrap();
    Arc::downgrade(&Engine::shared(&model, &EngineOptions::default()).unwrap())
}

#[test]
fn the_old_engine_is_freed() {
    // A network of its own: engines are shared with the other tests.
    let first = TestModel::with("time-axis", |text| text.replace("softmax", "sigmoid"));
    let second = other_model("other");
    let mut rig = Rig::plain(&first);
    let engine = engine_of(&first);
    assert!(engine.upgrade().is_some());
    set_model(&rig, &second);
    let mut at = 0;
    play_until(&mut rig, &mut at, |_, messages| messages.iter().any(|reported| reported.model == "other"));
    let deadline = Instant::now() + Duration::from_secs(5);
    while engine.upgrade().is_some() {
        assert!(Instant::now() < deadline, "somebody still holds the old engine");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_same_model_again_changes_nothing() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    for second in 0..5 {
        set_model(&rig, &model);
        rig.push(&noise(RATE, 1), Some(pts(second * RATE, RATE)));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(rig.classifications().iter().filter(|reported| reported.window == 0).count(), 1);
}

/// A model that takes seconds to load.
fn slow_model(name: &str) -> TestModel {
    TestModel::with("slow-start", |text| text.replace("\"test\"", &format!("{name:?}")))
}

/// An element that is READY with a model.
fn ready(model: &TestModel) -> (gst::Element, gst::Bus) {
    let (element, bus) = crate::common::rig::element(&model.manifest());
    element.set_state(gst::State::Ready).unwrap();
    (element, bus)
}

fn models_classified_by(element: gst::Element, bus: gst::Bus) -> Vec<String> {
    let harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    let mut rig = Rig { harness, element, bus }.caps("F32LE", RATE as i32, 1);
    rig.push(&noise(RATE, 1), Some(ClockTime::ZERO));
    let mut models: Vec<_> = rig.classifications().into_iter().map(|reported| reported.model).collect();
    models.dedup();
    models
}

#[test]
fn a_model_set_in_ready_has_the_first_window() {
    let (first, second) = (TestModel::new("linear"), slow_model("slow"));
    let (element, bus) = ready(&first);
    element.set_property("model", second.manifest().to_str().unwrap());
    assert_eq!(models_classified_by(element, bus), ["slow"]);
}

#[test]
fn a_model_set_in_ready_that_can_not_be_used_refuses_paused() {
    let (first, second) = (TestModel::new("linear"), other_model("other"));
    let (element, bus) = ready(&first);
    element.set_property("model", "/nowhere/dogs.toml");
    for _ in 0..2 {
        assert!(element.set_state(gst::State::Paused).is_err());
        let errors = texts(&bus, gst::MessageType::Error);
        assert!(errors.len() == 1 && errors[0].contains("/nowhere/dogs.toml"), "{errors:?}");
        assert_eq!(element.current_state(), gst::State::Ready);
    }
    element.set_property("model", second.manifest().to_str().unwrap());
    assert_eq!(models_classified_by(element, bus), ["other"]);
}

#[test]
fn a_provider_set_in_ready_that_is_not_there_refuses_paused() {
    let model = TestModel::new("linear");
    let (element, bus) = ready(&model);
    element.set_property_from_str("execution-provider", "coreml");
    assert!(element.set_state(gst::State::Paused).is_err());
    let errors = texts(&bus, gst::MessageType::Error);
    assert!(errors[0].contains("coreml") && errors[0].contains("cpu"), "{errors:?}");
    element.set_property_from_str("execution-provider", "cpu");
    assert_eq!(models_classified_by(element, bus), ["test"]);
}

#[test]
fn threads_and_device_set_in_ready_hold_from_the_first_window_on() {
    for (property, value) in [("threads", "2"), ("device", "1")] {
        // Networks of their own: engines are shared with the other tests.
        let model = TestModel::with("time-axis", |text| text.replace("softmax", "none"));
        let (element, bus) = ready(&model);
        let engine = engine_of(&model);
        element.set_property_from_str(property, value);
        assert!(engine.upgrade().is_some());
        element.set_state(gst::State::Paused).unwrap();
        assert!(engine.upgrade().is_none(), "{property} has no effect");
        assert!(texts(&bus, gst::MessageType::Warning).is_empty());
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn a_model_still_loading_in_ready_has_the_first_window_of_the_next_stream() {
    let (first, second) = (TestModel::new("linear"), slow_model("slow"));
    let mut rig = Rig::plain(&first);
    rig.push(&noise(RATE, 1), Some(ClockTime::ZERO));
    assert!(rig.classifications().iter().all(|reported| reported.model == "test"));
    set_model(&rig, &second);
    rig.element.set_state(gst::State::Ready).unwrap();
    play_again(&mut rig);
    rig.push(&noise(RATE, 1), Some(ClockTime::ZERO));
    let messages = rig.classifications();
    assert!(!messages.is_empty() && messages.iter().all(|reported| reported.model == "slow"));
}

#[test]
fn a_model_that_loads_too_late_does_not_replace_one_set_in_ready() {
    let (first, slow, second) = (TestModel::new("linear"), slow_model("slow"), other_model("other"));
    let mut rig = Rig::plain(&first);
    set_model(&rig, &slow);
    rig.element.set_state(gst::State::Ready).unwrap();
    set_model(&rig, &second);
    play_again(&mut rig);
    let (mut at, begun) = (0, Instant::now());
    let messages =
        play_until(&mut rig, &mut at, |_, messages| messages.len() > 20 && begun.elapsed() > Duration::from_secs(4));
    assert!(messages.iter().all(|reported| reported.model == "other"));
}

#[test]
fn a_state_change_does_not_wait_for_a_load() {
    let (model, slow) = (TestModel::new("linear"), TestModel::new("slow-start"));
    let mut rig = Rig::plain(&model);
    let weak = rig.element.downgrade();
    set_model(&rig, &slow);
    rig.push(&noise(RATE, 1), Some(ClockTime::ZERO));
    assert!(!rig.classifications().is_empty(), "the old model goes on");
    let begun = Instant::now();
    rig.element.set_state(gst::State::Null).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(rig.warnings(), [""; 0]);
    let Rig { harness, element, bus } = rig;
    // Messages on the bus hold the element.
    bus.set_flushing(true);
    drop((harness, element, bus));
    assert!(weak.upgrade().is_none(), "something still holds the element");
}

#[test]
fn another_life_does_not_get_the_model_of_the_last_one() {
    let (first, slow, second) = (TestModel::new("linear"), TestModel::new("slow-start"), other_model("other"));
    let mut rig = Rig::plain(&first);
    set_model(&rig, &slow);
    rig.element.set_state(gst::State::Null).unwrap();
    set_model(&rig, &second);
    play_again(&mut rig);
    let mut at = 0;
    let begun = Instant::now();
    let messages =
        play_until(&mut rig, &mut at, |_, messages| messages.len() > 20 && begun.elapsed() > Duration::from_secs(3));
    assert!(messages.iter().all(|reported| reported.model == "other"));
    assert_eq!(rig.element.property::<String>("model"), second.manifest().to_str().unwrap());
}

#[test]
fn a_model_that_hangs_can_be_replaced() {
    let (first, second) = (TestModel::new("hangs"), other_model("other"));
    let mut rig = Rig::not_waiting(&first, 20);
    let loud: Vec<f32> = (0..RATE).map(|n| (n as f32 * 0.4).sin() * 0.9).collect();
    rig.push(&loud, Some(ClockTime::ZERO));
    set_model(&rig, &second);
    let mut at = 1;
    play_until(&mut rig, &mut at, |_, messages| messages.iter().any(|reported| reported.model == "other"));
}

/// What changes while playing: all properties that may, an action and a property to read.
fn live_changes(element: &gst::Element) -> Vec<String> {
    let own = element.list_properties().into_iter().filter(|spec| spec.owner_type() == element.type_());
    let live = own.filter(|spec| spec.flags().contains(gst::PARAM_FLAG_MUTABLE_PLAYING));
    live.map(|spec| spec.name().to_owned()).chain(["reset".to_owned(), "stats".to_owned()]).collect()
}

/// Draws a number below a limit.
type Die<'a> = &'a mut dyn FnMut(u32) -> u32;

/// Changes something, with a value drawn by `die`.
fn change(what: &str, element: &gst::Element, models: &[PathBuf], die: Die<'_>) {
    let fraction = f64::from(die(100)) / 100.0;
    let time = u64::from(die(1000)) * 1_000_000;
    let label = ["Bark", "Meow", "Rain", "loud", "Background"][die(5) as usize];
    let some = die(2) == 0;
    let labels = |label| gst::Array::new(if some { vec![label] } else { vec![] });
    match what {
        "ensembles" => element.set_property(what, die(256) + 1),
        "top-k" => element.set_property(what, die(1000) + 1),
        "threshold" => element.set_property(what, fraction / 2.0),
        "label-thresholds" => {
            element.set_property(what, some.then(|| gst::Structure::builder("t").field(label, fraction).build()));
        }
        "label-rules" => element.set_property(what, some.then(|| rule(label, fraction, time))),
        "label-groups" => {
            let members = gst::Array::new(["Bark", "Rain"]);
            element.set_property(what, some.then(|| gst::Structure::builder("g").field("loud", members).build()));
        }
        "allow-labels" | "deny-labels" | "suppress-while" => element.set_property(what, labels(label)),
        "silence-threshold" => element.set_property(what, if some { -60.0 * fraction } else { f64::NEG_INFINITY }),
        "report" => element.set_property_from_str(what, ["windows", "changes", "events", "all"][die(4) as usize]),
        "post-messages" => element.set_property(what, die(4) > 0),
        "emit-tags" | "add-meta" => element.set_property(what, some),
        "event-on" | "event-off" => element.set_property(what, fraction),
        "event-min-duration" | "event-hold" => element.set_property(what, time),
        "event-cooldown" => element.set_property(what, if some { time } else { 0 }),
        "model" => element.set_property(what, models[die(models.len() as u32) as usize].to_str().unwrap()),
        "reset" => element.emit_by_name::<()>(what, &[]),
        "stats" => drop(element.property::<gst::Structure>(what)),
        _ => panic!("no test changes the live property {what}"),
    }
}

fn rule(label: &str, fraction: f64, time: u64) -> gst::Structure {
    let rule = gst::Structure::builder("rule").field("on", fraction).field("off", fraction / 2.0);
    let rule = rule.field("hold", time / 2).field("min-duration", time / 4).field("cooldown", time).build();
    gst::Structure::builder("rules").field(label, rule).build()
}

/// Kind, id and label of a start or an end.
type Border = (EventKind, u64, String);

fn border(event: &ClassificationEvent) -> Option<Border> {
    (event.kind != EventKind::Update).then(|| (event.kind, event.event_id, event.now.label.clone()))
}

/// Starts and ends that went downstream since the last call.
fn borders_in_stream(rig: &mut Rig) -> Vec<Border> {
    let events = std::iter::from_fn(|| rig.harness.try_pull_event());
    let structures = events.filter_map(|event| event.structure().map(ToOwned::to_owned));
    structures.filter_map(|structure| border(&ClassificationEvent::try_from(structure.as_ref()).ok()?)).collect()
}

/// Checks all that is on the bus: windows rise; each event has one start, then updates, then one end. Starts and ends.
fn borders_on(bus: &gst::Bus) -> Result<Vec<Border>, TestCaseError> {
    let mut open = BTreeMap::new();
    let (mut last, mut borders, mut seen) = (None, Vec::new(), 0);
    while let Some(message) = bus.pop() {
        if let gst::MessageView::Error(error) = message.view() {
            return Err(TestCaseError::fail(error.error().to_string()));
        }
        let Some(structure) = message.structure().filter(|_| message.type_() == gst::MessageType::Element) else {
            continue;
        };
        seen += 1;
        if let Ok(window) = Classification::try_from(structure) {
            prop_assert!(last.replace(window.timestamp) < Some(window.timestamp), "{:?}", window);
            continue;
        }
        let event = ClassificationEvent::try_from(structure).unwrap();
        match event.kind {
            EventKind::Start => {
                prop_assert!(open.insert(event.now.label.clone(), event.event_id).is_none(), "{:?}", event);
            }
            _ => prop_assert_eq!(open.get(&event.now.label), Some(&event.event_id)),
        }
        if event.kind == EventKind::End {
            open.remove(&event.now.label);
        }
        borders.extend(border(&event));
    }
    prop_assert!(open.is_empty(), "{:?}", open);
    prop_assert!(seen > 0);
    Ok(borders)
}

/// Plays while everything but `left_out` changes a thousand times. Starts and ends on the bus, and in the stream.
fn changed_while_playing(
    seed: u32,
    waits: bool,
    left_out: Option<&str>,
) -> Result<(Vec<Border>, Vec<Border>), TestCaseError> {
    let models = [TestModel::new("loudness"), other_model("other"), TestModel::new("linear")];
    let mut rig = Rig::with(&models[0], |element| {
        element.set_property_from_str("sync", if waits { "always" } else { "never" });
    });
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    let (element, weak) = (rig.element.clone(), rig.element.downgrade());
    let paths: Vec<PathBuf> = models.iter().map(TestModel::manifest).collect();
    let changes = live_changes(&element).into_iter().filter(|what| Some(what.as_str()) != left_out);
    let mut changes: Vec<String> = changes.flat_map(|what| std::iter::repeat_n(what, 1000)).collect();
    let changer = std::thread::spawn(move || {
        let mut state = u64::from(seed);
        let mut die = |sides: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32 % sides
        };
        for last in (1..changes.len()).rev() {
            changes.swap(last, die(last as u32 + 1) as usize);
        }
        for what in changes {
            change(&what, &element, &paths, &mut die);
            std::thread::sleep(Duration::from_micros(u64::from(die(100))));
        }
    });
    let signal = scene(&[(700, 1.0), (900, 0.0), (400, 1.0), (300, 0.0)]);
    let (mut at, mut in_stream) = (0, Vec::new());
    while !changer.is_finished() || at < 20 * signal.len() {
        for part in signal.chunks(160) {
            rig.push(part, Some(pts(at, RATE)));
            at += part.len();
        }
        while rig.harness.try_pull().is_some() {}
        in_stream.extend(borders_in_stream(&mut rig));
    }
    changer.join().unwrap();
    rig.eos();
    in_stream.extend(borders_in_stream(&mut rig));
    let Rig { harness, element, bus } = rig;
    let posted = borders_on(&bus)?;
    bus.set_flushing(true);
    drop((harness, element));
    bus.set_flushing(true);
    let deadline = Instant::now() + Duration::from_secs(5);
    while weak.upgrade().is_some() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    prop_assert!(weak.upgrade().is_none(), "something still holds the element");
    Ok((posted, in_stream))
}

/// Ids count from 1, and each start has exactly one end.
fn check_ids(borders: &[Border]) -> Result<(), TestCaseError> {
    let ids = |kind| borders.iter().filter(move |border| border.0 == kind).map(|border| border.1);
    let starts: Vec<_> = ids(EventKind::Start).collect();
    prop_assert!(starts.iter().copied().eq(1..=starts.len() as u64), "{:?}", starts);
    let mut ends: Vec<_> = ids(EventKind::End).collect();
    ends.sort_unstable();
    prop_assert_eq!(ends, starts);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1, ..ProptestConfig::default() })]
    #[test]
    fn a_thousand_changes_of_everything_while_audio_runs(seed in 1u32..u32::MAX, waits in any::<bool>()) {
        let (posted, in_stream) = changed_while_playing(seed, waits, None)?;
        // Numbers count all events: those that are not posted go downstream with theirs.
        check_ids(&in_stream)?;
        let starts: BTreeSet<_> = posted.iter().map(|border| border.1).collect();
        let of_posted: Vec<_> = in_stream.into_iter().filter(|border| starts.contains(&border.1)).collect();
        prop_assert_eq!(posted, of_posted);
    }

    #[test]
    fn all_events_are_posted_with_consecutive_ids_whatever_else_changes(seed in 1u32..u32::MAX, waits in any::<bool>()) {
        let (posted, in_stream) = changed_while_playing(seed, waits, Some("post-messages"))?;
        check_ids(&posted)?;
        prop_assert!(posted.len() > 100, "{}", posted.len());
        prop_assert_eq!(posted, in_stream);
    }
}

#[test]
fn statistics_are_cheap() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    rig.push(&noise(20 * RATE, 1), None);
    let begun = Instant::now();
    for _ in 0..1000 {
        let _: gst::Structure = rig.element.property("stats");
    }
    // At 100 a second: less than a hundredth of a processor, on a busy one.
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
}
