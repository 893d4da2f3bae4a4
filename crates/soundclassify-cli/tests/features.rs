// SPDX-License-Identifier: MIT OR Apache-2.0
//! Training and running give the same features bit for bit: the `.npy` of `soundclassify features`, which training reads,
//! against the tensors that the element hands to the engine.
//!
//! The network `hands-on` gives its input as scores. Windows of at most 1000 values, the longest list in a message, in
//! 0…1 and with `ensembles = 1`, which leaves scores as they are, come out of the element with every bit.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Once,
};

use gst::prelude::*;
use gstsoundclassify::Classification;

/// Two seconds of stereo at 44.1 kHz: a sweep with noise left, a beating tone right.
fn write_sound(path: &Path) {
    let format = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, format).unwrap();
    let mut noise = 1u32;
    for sample in 0..2 * 44_100 {
        let time = f64::from(sample) / 44_100.0;
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let left = 9000.0 * (900.0 * time * time * 6.0).sin() + f64::from(noise >> 20) - 2048.0;
        let right = 12_000.0 * (3000.0 * time).sin() * (20.0 * time).sin();
        writer.write_sample(left as i16).unwrap();
        writer.write_sample(right as i16).unwrap();
    }
    writer.finalize().unwrap();
}

/// A manifest around `hands-on`, with a label per value.
fn write_model(folder: &Path, features: &str, values: usize) -> PathBuf {
    let network = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/models/hands-on.onnx");
    std::fs::copy(network, folder.join("hands-on.onnx")).unwrap();
    let labels: String = (0..values).map(|value| format!("{value}\n")).collect();
    std::fs::write(folder.join("labels.txt"), labels).unwrap();
    let manifest = folder.join("hands-on.toml");
    let text = format!(
        r#"
name = "hands-on"
description = "The window itself"
licence = "MIT OR Apache-2.0"
version = "1"
onnx = "hands-on.onnx"

[input]
layout = "frames-mels"
channel-axis = "none"
normalize = "minmax"

[features]
{features}

[output]
activation = "none"

[labels]
file = "labels.txt"
"#
    );
    std::fs::write(&manifest, text).unwrap();
    manifest
}

/// The windows as training reads them.
fn trained_on(program: &str, manifest: &Path, sound: &Path) -> Vec<f32> {
    let array = manifest.with_extension("npy");
    let done = Command::new(program)
        .args(["features", "--oversamples", "10", "--model"])
        .args([manifest, sound])
        .arg("--output")
        .arg(&array)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let bytes = std::fs::read(array).unwrap();
    npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap()
}

/// The windows as the engine gets them.
fn run_on(manifest: &Path, sound: &Path, values: usize) -> Vec<f32> {
    let description = format!(
        "filesrc location={} blocksize=1999 ! wavparse ! soundclassify model={} oversamples=10 ensembles=1 top-k=1000 \
         sync=always ! fakesink",
        sound.display(),
        manifest.display()
    );
    let pipeline = gst::parse::launch(&description).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut windows = Vec::new();
    for message in pipeline.bus().unwrap().iter_timed(gst::ClockTime::from_seconds(60)) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{error:?}"),
            gst::MessageView::Element(_) => {
                let messages = Classification::try_from(message.structure().unwrap()).unwrap();
                assert_eq!(messages.predictions.len(), values);
                let first = windows.len();
                windows.resize(first + values, f32::NAN);
                for prediction in &messages.predictions {
                    windows[first + prediction.index] = prediction.probability as f32;
                }
            }
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    windows
}

#[track_caller]
fn assert_same(features: &str, values: usize) {
    static INIT: Once = Once::new();
    let program = env!("CARGO_BIN_EXE_soundclassify");
    INIT.call_once(|| {
        gst::init().unwrap();
        gstsoundclassify::plugin_register_static().unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound.wav");
    write_sound(&sound);
    let manifest = write_model(folder.path(), features, values);
    let (trained, run) = (trained_on(program, &manifest, &sound), run_on(&manifest, &sound, values));
    assert!(trained.len() > 10 * values, "{} values are no ten windows", trained.len());
    assert_eq!(trained.len(), run.len());
    let other = trained.iter().zip(&run).filter(|(trained, run)| trained.to_bits() != run.to_bits()).count();
    assert_eq!(other, 0, "values that differ, of {}", run.len());
}

#[test]
fn yamnet_features_are_the_same_in_training_and_running() {
    assert_same("preset = \"yamnet\"\nframes = 15\nwindow = 0.2", 15 * 64);
}

#[test]
fn originals_features_are_the_same_in_training_and_running() {
    assert_same("preset = \"fsdkaggle2018\"\nframes = 7", 7 * 128);
}
