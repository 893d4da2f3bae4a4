// SPDX-License-Identifier: MIT OR Apache-2.0
//! The core's `Classifier` gives what the element posts.

use std::time::Duration;

use gst::prelude::*;
use gstsoundclassify::{Classification, ClassificationEvent};
use soundclassify_core::decision::EventKind;
use soundclassify_core::model::Model;
use soundclassify_core::{Classifier, Found, Options};

use crate::common::rig::{Rig, TestModel, pts, scene};

/// A window or an event in figures that both sides have: time, number, classes and probabilities.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Window(u64, Duration, Vec<(usize, f32)>),
    Event(EventKind, u64, usize, Duration, Duration, f32),
}

fn posted(model: &TestModel, options: &Options, rate: u32, samples: &[f32]) -> Vec<Outcome> {
    let mut rig = Rig::with(model, |element| {
        element.set_property("oversamples", options.oversamples.unwrap());
        element.set_property("ensembles", options.ensembles.unwrap());
        element.set_property("silence-threshold", options.silence_threshold.unwrap());
        element.set_property("event-min-duration", options.event_min_duration.unwrap().as_nanos() as u64);
        element.set_property_from_str("report", "all");
    });
    rig.set_caps("F32LE", rate as i32, 1, "interleaved");
    for (number, block) in samples.chunks(1000).enumerate() {
        rig.push(block, Some(pts(1000 * number, rate as usize)));
    }
    rig.eos();
    let messages = std::iter::from_fn(|| rig.bus.pop_filtered(&[gst::MessageType::Element]));
    messages.map(|message| result(message.structure().unwrap())).collect()
}

fn result(structure: &gst::StructureRef) -> Outcome {
    let time = |time: gst::ClockTime| Duration::from_nanos(time.nseconds());
    if let Ok(event) = ClassificationEvent::try_from(structure) {
        let (now, kind) = (event.now, event.kind);
        return Outcome::Event(
            kind,
            event.event_id,
            now.index,
            time(event.timestamp),
            time(event.duration),
            event.peak as f32,
        );
    }
    let window = Classification::try_from(structure).unwrap();
    let predictions = window.predictions.iter().map(|label| (label.index, label.probability as f32));
    Outcome::Window(window.window, time(window.timestamp), predictions.collect())
}

fn found(model: &TestModel, options: &Options, rate: u32, pushes: &[&[f32]]) -> Vec<Outcome> {
    let model = Model::load(model.manifest().to_str().unwrap()).unwrap();
    let mut classifier = Classifier::new(&model, options).unwrap();
    let mut results = Vec::new();
    let mut take = |found: Found<'_>| {
        results.push(match found {
            Found::Window(window) => {
                let predictions = window.predictions.iter().map(|best| (best.index, best.probability));
                Outcome::Window(window.number, window.start, predictions.collect())
            }
            Found::Event(event) => {
                let duration = Duration::from_nanos(event.duration);
                Outcome::Event(event.kind, event.id, event.index, event.onset, duration, event.peak)
            }
        });
    };
    for push in pushes {
        classifier.push(push, rate, &mut take).unwrap();
    }
    classifier.finish(&mut take).unwrap();
    results
}

/// What follows from windows alone, sorted: events of one window come before or after it.
#[track_caller]
fn assert_same(mut one: Vec<Outcome>, mut other: Vec<Outcome>) {
    let key = |result: &Outcome| match result {
        Outcome::Window(number, ..) => (0, *number, 0),
        Outcome::Event(kind, id, _, _, duration, _) => (1, *id, ((*kind as u128) << 64) | duration.as_nanos()),
    };
    one.sort_by_key(key);
    other.sort_by_key(key);
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(&other) {
        match (one, other) {
            (Outcome::Window(number, start, a), Outcome::Window(n, s, b)) => {
                assert_eq!((number, start, a.len()), (n, s, b.len()));
                assert!(a.iter().zip(b).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-5), "{one:?} {other:?}");
            }
            (Outcome::Event(kind, id, index, onset, duration, peak), Outcome::Event(k, i, x, o, d, p)) => {
                assert_eq!((kind, id, index, onset, duration), (k, i, x, o, d));
                assert!((peak - p).abs() < 1e-5);
            }
            _ => panic!("{one:?} {other:?}"),
        }
    }
}

fn options() -> Options {
    Options {
        oversamples: Some(20),
        ensembles: Some(3),
        silence_threshold: Some(-60.0),
        event_min_duration: Some(Duration::from_millis(100)),
        ..Options::default()
    }
}

#[test]
fn windows_and_events_are_the_element_s() {
    let model = TestModel::new("loudness");
    let scene = scene(&[(1000, 0.1), (1500, 1.0), (700, 0.0), (1500, 1.0), (900, 0.05)]);
    for rate in [8000, 44_100] {
        let posted = posted(&model, &options(), rate, &scene);

        let found = found(&model, &options(), rate, &scene.chunks(777).collect::<Vec<_>>());

        assert!(posted.iter().any(|result| matches!(result, Outcome::Event(EventKind::End, ..))), "{rate}");
        assert!(posted.iter().filter(|result| matches!(result, Outcome::Window(..))).count() > 10, "{rate}");
        assert_same(found, posted);
    }
}

#[test]
fn rules_and_groups_of_the_manifest_are_applied_as_the_element_does() {
    let model = TestModel::with("loudness", |text| {
        text + "\n[labels.groups]\npet = [\"Bark\", \"Meow\"]\n\n[rules.pet]\non = 0.4\noff = 0.2\nhold = \"100ms\"\ncooldown = \"1s\"\n\n\
            [rules.Bark]\non = 0.9\nmin-duration = \"700ms\"\n\n[defaults]\nallow-labels = [\"pet\", \"Bark\"]\n"
    });
    let scene = scene(&[(300, 1.0), (400, 0.0), (900, 1.0), (700, 0.0), (300, 1.0), (900, 0.05), (1000, 1.0)]);
    let posted = posted(&model, &options(), 8000, &scene);

    let found = found(&model, &options(), 8000, &scene.chunks(777).collect::<Vec<_>>());

    let ended = |class: usize| {
        posted.iter().filter(|it| matches!(it, Outcome::Event(EventKind::End, _, index, ..) if *index == class)).count()
    };
    // The group's second and third sound come too soon after its first; the label has only what is long enough.
    assert_eq!((ended(3), ended(0), ended(1)), (3, 2, 0), "{posted:?}");
    assert_same(found, posted);
}

#[test]
fn a_stream_shorter_than_a_window_is_classified_as_the_element_does() {
    let model = TestModel::new("loudness");
    let short = scene(&[(50, 1.0)]);

    let found = found(&model, &options(), 8000, &[&short]);

    assert_eq!(found.len(), 1 + found.iter().filter(|result| matches!(result, Outcome::Event(..))).count());
    assert_same(found, posted(&model, &options(), 8000, &short));
}

#[test]
fn one_push_or_many_are_the_same_and_so_is_a_second_stream() {
    let model = TestModel::new("loudness");
    let scene = scene(&[(900, 0.2), (1100, 1.0), (900, 0.0)]);
    let whole = found(&model, &options(), 44_100, &[&scene]);

    let parts = found(&model, &options(), 44_100, &scene.chunks(123).collect::<Vec<_>>());

    assert_same(whole, parts);
}

#[test]
fn options_out_of_their_range_and_unknown_labels_are_refused() {
    let model = Model::load(TestModel::new("loudness").manifest().to_str().unwrap()).unwrap();
    let error = |options: Options| Classifier::new(&model, &options).unwrap_err().to_string();

    let range = error(Options { oversamples: Some(0), ..Options::default() });
    let label = error(Options { deny_labels: Some(vec!["Barks".into()]), ..Options::default() });
    let level = error(Options { silence_threshold: Some(f64::NAN), ..Options::default() });

    assert!(range.contains("oversamples") && range.contains("1 to 100") && range.contains("found 0"), "{range}");
    assert!(label.contains("deny_labels") && label.contains("such as Bark"), "{label}");
    assert!(level.contains("silence_threshold"), "{level}");
}
