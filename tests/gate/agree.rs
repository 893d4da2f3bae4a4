// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two models on one stream: the built-in one and YAMNet, as in docs/soundgate.md.

use std::path::Path;

use gstsoundclassify::{ClassificationEvent, EventKind};

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
         soundclassify model={0}/yamnet.toml report=events allow-labels=<Typing> event-on=0.2 event-off=0.1 ! \
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

/// First and last millisecond at which something was muted where `agree` models have an event at the same time.
fn muted(folder: &Path, before: &[i16], agree: u32) -> (u64, u64) {
    run(&pipeline(folder, &format!("soundgate fade=0 agree={agree}"), "after.wav"), &[]);
    let after = samples(folder, "after.wav");
    assert_eq!(before.len(), after.len());
    let mut changed = (0..before.len()).filter(|&at| before[at] != after[at]);
    let first = changed.next().expect("something is muted");
    let last = changed.next_back().unwrap();
    assert!(after[first..=last].iter().all(|sample| *sample == 0), "silence, and in one piece");
    let ms = |at: usize| at as u64 * 1000 / u64::from(RATE);
    (ms(first), ms(last))
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

    let both = muted(folder.path(), &before, 2);
    let any = muted(folder.path(), &before, 1);

    println!("events {events:?}; muted where both agree: {both:?}, where any has one: {any:?}");
    assert_ne!(end, other_end, "they differ");
    let near = |(from, to): (u64, u64), wanted: (u64, u64)| from.abs_diff(wanted.0) < 30 && to.abs_diff(wanted.1) < 30;
    assert!(near(both, (one.max(other), end.min(other_end))), "{both:?} {events:?}");
    assert!(near(any, (one.min(other), end.max(other_end))), "{any:?} {events:?}");
}
