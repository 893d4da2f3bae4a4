// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify learn`: a label of one's own from a few recordings.

use std::path::{Path, PathBuf};

use crate::support::{HIGH, LOW, MIDDLE, objects, run, small_manifest, stdout, text, tones};

/// A network whose embedding is its window, with a manifest that says so.
fn model(folder: &Path) -> PathBuf {
    let network = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/models/two-outputs.onnx");
    std::fs::copy(network, folder.join("small.onnx")).unwrap();
    let manifest = folder.join("small.toml");
    std::fs::write(&manifest, small_manifest("small", OUTPUT)).unwrap();
    manifest
}

const OUTPUT: &str = r#"[output]
name = "logits"
activation = "softmax"
embedding = "embedding""#;

fn recordings(folder: &Path, name: &str, frequency: f64) -> Vec<String> {
    let file = |n: i32| {
        let parts = [(0.0, 0.2), (frequency + 15.0 * f64::from(n), 0.6), (0.0, 0.2)];
        tones(&folder.join(format!("{name}-{n}.wav")), &parts).display().to_string()
    };
    (0..5).map(file).collect()
}

#[test]
fn a_learned_label_is_detected_by_the_element() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = model(folder.path());
    let [low, high, middle] =
        [("low", LOW), ("high", HIGH), ("middle", MIDDLE)].map(|(name, hz)| recordings(folder.path(), name, hz));
    let output = folder.path().join("mine.toml");
    let (kettle, manifest) = (format!("Kettle={}", low[0]), manifest.display().to_string());
    let mut words = vec!["learn", &kettle];
    words.extend(low[1..].iter().map(String::as_str));
    words.extend(["--json", "--model", &manifest, "-o", output.to_str().unwrap(), "--background"]);
    words.extend(high.iter().chain(&middle[..4]).map(String::as_str));

    let line = objects(&stdout(&words)).remove(0);

    assert_eq!((line["label"].as_str(), line["recall"].as_f64()), (Some("Kettle"), Some(1.0)), "{line}");
    assert_eq!(line["wrong"].as_u64(), Some(0), "{line}");
    let model = soundclassify_core::model::Model::load(output.to_str().unwrap()).unwrap();
    assert_eq!(model.manifest().labels, ["a", "b", "c", "Kettle"]);
    let found = |file: &str| {
        let lines = stdout([
            "file",
            "--json",
            "--ensembles=1",
            "--allow-labels=Kettle",
            "--model",
            output.to_str().unwrap(),
            file,
        ]);
        objects(&lines).iter().filter(|line| line["label"] == "Kettle").count()
    };
    let (new, other) = (tones(&folder.path().join("new.wav"), &[(LOW + 7.0, 0.6)]), &middle[4]);
    assert!(found(new.to_str().unwrap()) > 0);
    assert_eq!(found(other), 0);
}

#[test]
fn what_can_not_be_learned_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (manifest, low) = (model(folder.path()), recordings(folder.path(), "low", LOW));
    let output = folder.path().join("mine.toml").display().to_string();
    let manifest = manifest.display().to_string();
    let named = |name: &str| format!("{name}={}", low[0]);
    for (words, status, reason) in [
        (vec![named("Kettle"), low[1].clone()], 2, "found 2"),
        (vec![named("a"), low[1].clone(), low[2].clone()], 2, "has this label"),
        (vec![named("Kettle"), low[1].clone(), low[2].clone()], 1, "--background"),
        (vec![named("Kettle"), low[1].clone(), "no-such.wav".into()], 1, "no-such.wav"),
    ] {
        let words = ["learn", "--model", &manifest, "-o", &output].into_iter().map(String::from).chain(words);
        let refused = run(words);
        assert_eq!(refused.status.code(), Some(status), "{}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains(reason), "{}", text(&refused.stderr));
        assert!(!Path::new(&output).exists());
    }
}
