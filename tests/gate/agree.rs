// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two models on one stream: the built-in one and YAMNet, as in docs/soundgate.md.

use std::path::Path;

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

/// First and last millisecond at which something was muted where `agree` models have an event at the same time.
fn muted(folder: &Path, agree: u32) -> (u32, u32) {
    let samples = |gate: &str, name: &str| {
        let path = folder.join(name);
        run(
            &format!(
                "filesrc location={SHARED}/audio/desktop_sounds.wav ! decodebin ! audioconvert ! \
                 soundclassify report=events allow-labels=<Computer_keyboard> ! \
                 soundclassify model={}/yamnet.toml report=events allow-labels=<Typing> event-on=0.2 event-off=0.1 ! \
                 {gate} ! audioconvert ! audio/x-raw,format=S16LE,channels=1 ! wavenc ! filesink location={}",
                folder.display(),
                path.display()
            ),
            &[],
        );
        let wav = hound::WavReader::open(&path).unwrap();
        assert_eq!(wav.spec().sample_rate, RATE);
        wav.into_samples::<i16>().map(Result::unwrap).collect::<Vec<_>>()
    };
    let before = samples("identity", "before.wav");
    let after = samples(&format!("soundgate fade=0 agree={agree}"), "after.wav");
    assert_eq!(before.len(), after.len());
    let mut changed = (0..before.len()).filter(|&at| before[at] != after[at]);
    let first = changed.next().expect("something is muted");
    let last = changed.next_back().unwrap();
    assert!(after[first..=last].iter().all(|sample| *sample == 0), "silence, and in one piece");
    let ms = |at: usize| (at as u64 * 1000 / u64::from(RATE)) as u32;
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

    let (both, any) = (muted(folder.path(), 2), muted(folder.path(), 1));

    println!("muted: {both:?} ms where both agree, {any:?} ms where any has an event");
    assert!((4600..4950).contains(&both.0) && (5800..6800).contains(&both.1), "{both:?}");
    assert!(any.0 <= both.0 && both.1 + 500 < any.1, "{any:?} {both:?}");
}
