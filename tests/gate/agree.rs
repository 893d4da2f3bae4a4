// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two models on one stream: the built-in one and YAMNet, as in docs/soundgate.md.

use std::path::Path;

use gst::prelude::*;
use gstsoundclassify::{ClassificationEvent, EventKind, GateEvent};

use crate::pipelines::run;
use crate::rig::init;

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");
/// Of the recording, Hz.
const RATE: u32 = 44_100;

/// A folder with YAMNet and its manifest; `None` with a printed reason where the network is missing.
fn yamnet() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let shared = Path::new(SHARED).join("models/yamnet");
    for file in ["yamnet_spectra_in.onnx", "yamnet_class_map.csv"] {
        if !shared.join(file).exists() {
            println!("skipped: {} is missing", shared.join(file).display());
            return None;
        }
        std::fs::copy(shared.join(file), folder.path().join(file)).unwrap();
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/yamnet.toml");
    std::fs::copy(manifest, folder.path().join("yamnet.toml")).unwrap();
    Some(folder)
}

/// Both models, the element or elements after them, and a WAV file.
fn pipeline(folder: &Path, after: &str, file: &str) -> String {
    format!(
        "filesrc location={SHARED}/audio/desktop_sounds.wav ! decodebin ! audioconvert ! \
         soundclassify report=events allow-labels=<Computer_keyboard> ! \
         soundclassify model={0}/yamnet.toml report=events allow-labels=<Typing> event-on=0.4 event-off=0.1 ! \
         {after} ! audioconvert ! audio/x-raw,format=S16LE,channels=1 ! wavenc ! filesink location={0}/{file}",
        folder.display()
    )
}

fn samples(folder: &Path, file: &str) -> Vec<i16> {
    let wav = hound::WavReader::open(folder.join(file)).unwrap();
    assert_eq!(wav.spec().sample_rate, RATE);
    wav.into_samples::<i16>().map(Result::unwrap).collect()
}

/// Start and end of the event of each model, ms, and the samples.
fn events(folder: &Path) -> (Vec<(u64, u64)>, Vec<i16>) {
    let messages = run(&pipeline(folder, "identity", "before.wav"), &[gst::MessageType::Element]);
    let events = messages.iter().filter_map(|it| ClassificationEvent::try_from(it.structure()?).ok());
    let ends = events.filter(|event| event.kind == EventKind::End);
    let times = ends.map(|event| (event.timestamp.mseconds(), (event.timestamp + event.duration).mseconds()));
    (times.collect(), samples(folder, "before.wav"))
}

/// First and last millisecond at which something was muted where `agree` models have an event at the same time, and the end of
/// the event that the gate posted.
fn muted(folder: &Path, before: &[i16], agree: u32) -> ((u64, u64), GateEvent) {
    let gate = format!("soundgate fade=0 agree={agree} label-groups=\"groups,keyboard=<Computer_keyboard,Typing>\"");
    let messages = run(&pipeline(folder, &gate, "after.wav"), &[gst::MessageType::Element]);
    let posted = gate_events(&messages);
    let [start, end] = &posted[..] else { panic!("an event of the gate: {posted:?}") };
    assert_eq!((start.kind, end.kind, start.timestamp), (EventKind::Start, EventKind::End, end.timestamp));
    let after = samples(folder, "after.wav");
    assert_eq!(before.len(), after.len());
    let mut changed = (0..before.len()).filter(|&at| before[at] != after[at]);
    let first = changed.next().expect("something is muted");
    let last = changed.next_back().unwrap();
    assert!(after[first..=last].iter().all(|sample| *sample == 0), "silence, and in one piece");
    let ms = |at: usize| at as u64 * 1000 / u64::from(RATE);
    ((ms(first), ms(last)), end.clone())
}

fn gate_events(messages: &[gst::Message]) -> Vec<GateEvent> {
    messages.iter().filter_map(|message| GateEvent::try_from(message.structure()?).ok()).collect()
}

fn times_of(event: &GateEvent) -> (u64, u64) {
    (event.timestamp.mseconds(), (event.timestamp + event.duration).mseconds())
}

#[test]
fn the_default_model_and_yamnet_agree_on_a_keyboard() {
    init();
    let recording = Path::new(SHARED).join("audio/desktop_sounds.wav");
    if !recording.exists() {
        return println!("skipped: {} is missing", recording.display());
    }
    let Some(folder) = yamnet() else { return };
    let (events, before) = events(folder.path());
    let [(one, end), (other, other_end)] = events[..] else { panic!("an event of each model: {events:?}") };

    let (both, of_both) = muted(folder.path(), &before, 2);
    let (any, of_any) = muted(folder.path(), &before, 1);

    println!("events {events:?}; muted where both agree: {both:?}, where any has one: {any:?}");
    assert_ne!(end, other_end, "they differ");
    let near = |(from, to): (u64, u64), wanted: (u64, u64)| from.abs_diff(wanted.0) < 30 && to.abs_diff(wanted.1) < 30;
    assert!(near(both, (one.max(other), end.min(other_end))), "{both:?} {events:?}");
    assert!(near(any, (one.min(other), end.max(other_end))), "{any:?} {events:?}");
    for (event, (from, to)) in [(&of_both, both), (&of_any, any)] {
        assert!(near(times_of(event), (from, to)), "{event:?}");
        assert_eq!((event.label.as_str(), event.sources.len()), ("keyboard", 2), "{event:?}");
        let mut labels: Vec<&str> = event.sources.iter().map(|source| source.label.as_str()).collect();
        labels.sort_unstable();
        assert_eq!(labels, ["Computer_keyboard", "Typing"]);
    }
}

/// A recording of a dog.
const DOG: &str = "training-audio/Bark/tonejs-dog2-710c48.ogg";

/// Messages of the default model and YAMNet, with these properties, on the dog, and of a gate.
fn dog(folder: &Path, one: &str, other: &str, gate: &str) -> Vec<gst::Message> {
    run(
        &format!(
            "filesrc location={SHARED}/{DOG} ! decodebin ! audioconvert ! soundclassify name=default report=events {one} ! \
             soundclassify name=yamnet model={}/yamnet.toml report=events event-on=0.4 event-off=0.1 {other} ! \
             soundgate {gate} ! fakesink",
            folder.display()
        ),
        &[gst::MessageType::Element, gst::MessageType::Warning],
    )
}

#[test]
fn the_default_model_and_yamnet_agree_on_a_dog_by_label_group_or_anything() {
    init();
    if !Path::new(SHARED).join(DOG).exists() {
        return println!("skipped: {SHARED}/{DOG} is missing");
    }
    let Some(folder) = yamnet() else { return };
    let (bark, dog_only) = ("allow-labels=<Bark>", "allow-labels=<Dog>");
    let group = "label-groups=\"groups,animal=<Dog,Cat>\" allow-labels=<animal>";
    // The gate's group, the group of both models, and any label.
    let lines = [
        (bark, dog_only, "agree=2 label-groups=\"groups,dog=<Bark,Dog>\"", "dog"),
        (bark, group, "agree=2 agree-by=group", "animal"),
        (bark, dog_only, "agree=2 agree-by=any", ""),
    ];
    for (one, other, gate, name) in lines {
        let messages = dog(folder.path(), one, other, gate);
        let of_models: Vec<_> = messages
            .iter()
            .filter_map(|it| Some((it.src()?.name(), ClassificationEvent::try_from(it.structure()?).ok()?)))
            .filter(|(_, event)| event.kind == EventKind::End)
            .map(|(name, event)| (name, event.timestamp.mseconds(), (event.timestamp + event.duration).mseconds()))
            .collect();
        let joined: Vec<_> = gate_events(&messages).into_iter().filter(|it| it.kind == EventKind::End).collect();
        println!("{gate}: {of_models:?}; {:?}", joined.iter().map(times_of).collect::<Vec<_>>());
        let of = |name: &'static str| of_models.iter().filter(move |event| event.0 == name);
        let wanted: Vec<(u64, u64)> = of("default")
            .flat_map(|one| of("yamnet").map(|other| (one.1.max(other.1), one.2.min(other.2))))
            .filter(|(from, to)| from + 5 < *to)
            .collect();
        assert!(!wanted.is_empty(), "{of_models:?}");
        assert_eq!(joined.len(), wanted.len(), "{joined:?} {of_models:?}");
        for (event, wanted) in joined.iter().zip(wanted) {
            let (from, to) = times_of(event);
            assert!(from.abs_diff(wanted.0) < 5 && to.abs_diff(wanted.1) < 5, "{event:?} {wanted:?}");
            assert!(name.is_empty() || event.label == name, "{event:?}");
        }
        assert!(!messages.iter().any(|message| message.type_() == gst::MessageType::Warning), "{gate}");
    }
    // Their labels differ, and nothing joins them.
    let messages = dog(folder.path(), bark, dog_only, "agree=2");
    assert!(gate_events(&messages).is_empty());
    assert_eq!(messages.iter().filter(|message| message.type_() == gst::MessageType::Warning).count(), 1);
}
