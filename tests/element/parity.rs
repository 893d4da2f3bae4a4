// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole element against the results of the original classifier and of YAMNet's published front end, recomputed
//! with librosa, TensorFlow and ONNX Runtime by the oracles in `../shared/reference`. Skipped where that is absent.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use gst::prelude::*;
use gstsoundclassify::Classification;

use crate::common::rig::Rig;

fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if !path.exists() {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

/// An array of an `.npz` file, flat, with its shape.
fn array(npz: &Path, name: &str) -> (Vec<u64>, Vec<f32>) {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(npz).unwrap()).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
    let npy = npyz::NpyFile::new(Cursor::new(bytes)).unwrap();
    (npy.shape().to_vec(), npy.into_vec::<f32>().unwrap())
}

/// All predictions of a manifest of ours with somebody else's network beside it, on the 16 kHz recording.
fn messages(manifest: &str, beside: &[&str], setup: impl FnOnce(&gst::Element)) -> Option<Vec<Classification>> {
    let recording = shared("audio/desktop_sounds-16k.wav")?;
    let folder = tempfile::tempdir().unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(manifest);
    std::fs::copy(ours, folder.path().join(manifest)).unwrap();
    for path in beside {
        let theirs = shared(path)?;
        link(&theirs, &folder.path().join(theirs.file_name().unwrap()));
    }
    let (element, bus) = crate::common::rig::element(&folder.path().join(manifest));
    setup(&element);
    let harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    let mut rig = Rig { harness, element, bus };
    rig.set_caps("S16LE", 16000, 1, "interleaved");
    let mut wav = hound::WavReader::open(recording).unwrap();
    let bytes: Vec<u8> = wav.samples::<i16>().flat_map(|sample| sample.unwrap().to_le_bytes()).collect();
    for (at, chunk) in bytes.chunks(2 * 1024).enumerate() {
        let mut buffer = gst::Buffer::from_slice(chunk.to_vec());
        buffer.get_mut().unwrap().set_pts(crate::common::rig::pts(at * 1024, 16000));
        rig.harness.push(buffer).unwrap();
    }
    Some(rig.classifications())
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) {
    std::os::unix::fs::symlink(from, to).unwrap();
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}

fn scores(reported: &Classification, classes: usize) -> Vec<f32> {
    let mut scores = vec![0.0; classes];
    for label in &reported.predictions {
        scores[label.index] = label.probability as f32;
    }
    scores
}

fn best(scores: &[f32]) -> usize {
    (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap()
}

#[test]
fn original_ensemble_of_the_laser_machine_listener() {
    let network = "models/laser-machine-listener/cnn-alexbased-laser-machine-listener.onnx";
    let all = |element: &gst::Element| {
        element.set_property("top-k", 6u32);
        element.set_property("threshold", 0.0);
    };
    let Some(messages) = messages("laser-machine-listener.toml", &[network], all) else { return };
    let (shape, wanted) = array(&shared("reference/desktop_sounds-16k-lml.npz").unwrap(), "ensemble");
    let classes = shape[1] as usize;
    assert!(messages.len() >= shape[0] as usize);
    let (mut sum, mut worst, mut same) = (0.0f64, 0.0f32, 0);
    for (reported, wanted) in messages.iter().zip(wanted.chunks(classes)) {
        let got = scores(reported, classes);
        same += usize::from(best(&got) == best(wanted));
        for (got, wanted) in got.iter().zip(wanted) {
            sum += f64::from((got - wanted).abs());
            worst = worst.max((got - wanted).abs());
        }
    }
    let (mean, top) = (sum / wanted.len() as f64, same as f64 / shape[0] as f64);
    eprintln!("mean {mean:.5}, max {worst:.4}, same best label in {:.1} % of {} windows", 100.0 * top, shape[0]);
    assert!(mean <= 0.006 && worst <= 0.03 && top >= 0.95);
}

#[test]
fn yamnet_scores() {
    let files = ["models/yamnet/yamnet_spectra_in.onnx", "models/yamnet/yamnet_class_map.csv"];
    let raw = |element: &gst::Element| {
        element.set_property("top-k", 521u32);
        element.set_property("threshold", 0.0);
        element.set_property("ensembles", 1u32);
        // Steps of 10 ms, one frame: every reference patch, 0.48 s apart, is among them.
        element.set_property("oversamples", 100u32);
    };
    let Some(messages) = messages("yamnet.toml", &files, raw) else { return };
    let (shape, wanted) = array(&shared("reference/desktop_sounds-16k-yamnet.npz").unwrap(), "score");
    let (mut worst, mut beyond) = (0.0f32, 0);
    for (patch, wanted) in wanted.chunks(shape[1] as usize).enumerate() {
        let reported = &messages[patch * 48];
        assert_eq!(reported.timestamp, gst::ClockTime::from_mseconds(patch as u64 * 480));
        for (got, wanted) in scores(reported, 521).iter().zip(wanted) {
            beyond += usize::from((got - wanted).abs() > 1e-2);
            worst = worst.max((got - wanted).abs());
        }
    }
    eprintln!("{beyond} of {} scores differ by more than 0.01, at most by {worst:.4}", wanted.len());
    // The network rounds its input to 8 bits: noise of 1e-6 on the reference patches, where one value lies at a
    // rounding border, moves some of its scores by up to 0.08 (measured). Where no value does, all agree. Without VNNI, products
    // of 8 bits saturate: ONNX Runtime alone is beyond for 23 scores of the reference patches on a processor with AVX2 only.
    assert!(beyond <= wanted.len() / 400 && worst <= 0.08);
}
