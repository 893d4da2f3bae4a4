// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify learn`: a label of one's own from a few recordings.

use std::path::{Path, PathBuf};

use crate::cli::support::{HIGH, LOW, MIDDLE, melody, objects, run, small_manifest, stdout, text, tones};

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
    add(&manifest, "[labels.groups]\nab = [\"a\", \"b\"]\n");
    let output = folder.path().join("mine.toml").display().to_string();
    let manifest = manifest.display().to_string();
    let named = |name: &str| format!("{name}={}", low[0]);
    let copy = folder.path().join("copy.wav").display().to_string();
    std::fs::copy(&low[1], &copy).unwrap();
    for (words, status, reason) in [
        (vec![named("Kettle"), low[1].clone()], 2, "found 2"),
        (vec![named("a"), low[1].clone(), low[2].clone()], 2, "already has a label or group"),
        (vec![named("ab"), low[1].clone(), low[2].clone()], 2, "already has a label or group"),
        (vec![named("Kettle"), low[1].clone(), low[2].clone()], 1, "--background"),
        (vec![named("Kettle"), low[1].clone(), "no-such.wav".into()], 1, "no-such.wav"),
        (vec![named("Kettle"), low[1].clone(), copy.clone()], 1, "are the same recording"),
        (
            vec![
                named("Kettle"),
                low[1].clone(),
                low[2].clone(),
                format!("Lift={copy}"),
                low[3].clone(),
                low[4].clone(),
            ],
            1,
            "are the same recording",
        ),
    ] {
        let words = ["learn", "--model", &manifest, "-o", &output].into_iter().map(String::from).chain(words);
        let refused = run(words);
        assert_eq!(refused.status.code(), Some(status), "{}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains(reason), "{}", text(&refused.stderr));
        assert!(!Path::new(&output).exists());
    }
}

#[test]
fn a_learned_model_can_learn_more_and_is_tuned_with_its_table() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = model(folder.path());
    add(&manifest, "[defaults]\nallow-labels = [\"a\"]\n");
    let place = |name: &str| folder.path().join(name).display().to_string();
    let [one, two, tuned] = ["one.toml", "two.toml", "tuned.toml"].map(place);
    let [low, high, middle] =
        [("low", LOW), ("high", HIGH), ("middle", MIDDLE)].map(|(name, hz)| recordings(folder.path(), name, hz));
    let manifest = manifest.display().to_string();

    // Names in the network differ, although letters that it can't have are replaced.
    let first = format!("A b={}", low[0]);
    let mut words = vec!["learn", "--model", &manifest, "-o", &one, "--background"];
    words.extend(high.iter().map(String::as_str));
    words.extend([&first, &low[1], &low[2]].map(String::as_str));
    stdout(&words);
    stdout(["tune", "--quiet", &high[0], "--model", &one, "-o", &tuned]);
    let second = format!("A_b={}", middle[0]);
    let line =
        objects(&stdout(["learn", "--json", "--model", &tuned, "-o", &two, &second, &middle[1], &middle[2]])).remove(0);

    assert_eq!((line["others"].as_u64(), line["background"].as_u64()), (Some(3), Some(0)), "{line}");
    let labels = objects(&stdout(["labels", "--json", &two]));
    let names: Vec<_> = labels.iter().filter_map(|line| line["label"].as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "A b", "A_b"]);
    let found = objects(&stdout(["file", "--json", "--ensembles=1", "--model", &two, &middle[3]]));
    let predicted = |line: &serde_json::Value| line["predictions"].to_string().contains("A_b");
    assert!(found.iter().any(predicted), "{found:?}");
}

#[test]
fn the_files_of_another_model_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (manifest, low) = (model(folder.path()), recordings(folder.path(), "low", LOW));
    std::fs::write(folder.path().join("other.onnx"), "mine").unwrap();
    let other = folder.path().join("other.toml").display().to_string();
    let kettle = format!("Kettle={}", low[0]);

    let high = recordings(folder.path(), "high", HIGH);
    let model = manifest.to_str().unwrap();
    let words = ["learn", "--model", model, "-o", &other, "--background", &high[0], &kettle, &low[1], &low[2]];
    let learn = || run(words);

    let refused = learn();
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("belongs to a different model"), "{}", text(&refused.stderr));

    std::fs::write(&other, "name = \"mine\"\n").unwrap();
    let refused = learn();
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("did not write it"), "{}", text(&refused.stderr));
    let kept = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!((kept("other.onnx"), kept("other.toml")), ("mine".into(), "name = \"mine\"\n".into()));

    // What a run wrote, the next one may replace.
    std::fs::remove_file(folder.path().join("other.onnx")).unwrap();
    std::fs::remove_file(&other).unwrap();
    for _ in 0..2 {
        assert_eq!(learn().status.code(), Some(0));
    }
}

fn add(manifest: &Path, tables: &str) {
    let plain = std::fs::read_to_string(manifest).unwrap();
    std::fs::write(manifest, format!("{plain}\n{tables}")).unwrap();
}

/// Adds the label Kettle to the model of a folder, and returns what the command wrote to standard error.
fn learn_kettle(folder: &Path, output: &Path) -> String {
    let [low, high] = [("low", LOW), ("high", HIGH)].map(|(name, hz)| recordings(folder, name, hz));
    let manifest = folder.join("small.toml").display().to_string();
    let kettle = format!("Kettle={}", low[0]);
    let mut words = vec!["learn", &kettle, &low[1], &low[2], "--model", &manifest, "-o", output.to_str().unwrap()];
    words.push("--background");
    words.extend(high.iter().map(String::as_str));
    let learned = run(&words);
    assert!(learned.status.success(), "{}", text(&learned.stderr));
    text(&learned.stderr)
}

#[test]
fn the_check_of_a_model_gets_the_new_labels() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = model(folder.path());
    let recording = melody(folder.path()).display().to_string();
    for (what, array) in [("--scores", "scores.npy"), ("--jobs=1", "features.npy")] {
        let array = folder.path().join(array).display().to_string();
        stdout(["features", "--model", manifest.to_str().unwrap(), what, &recording, "-o", &array]);
    }
    let plain = std::fs::read_to_string(&manifest).unwrap();
    let check = "\n[check]\naudio = \"melody.wav\"\nscores = \"scores.npy\"\nfeatures = \"features.npy\"\n";
    std::fs::write(&manifest, plain + check).unwrap();
    let output = folder.path().join("mine.toml");

    let errors = learn_kettle(folder.path(), &output);

    assert!(!errors.contains("[check]"), "{errors}");
    let verified = stdout(["inspect", "--verify", output.to_str().unwrap()]);
    assert!(verified.contains("scores    expected [60, 4] of ") && verified.contains("verified  yes"), "{verified}");

    // The numbers of the authors stay: what contradicts them contradicts the new model's check.
    let scores = folder.path().join("scores.npy");
    let mut bytes = std::fs::read(&scores).unwrap();
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&0.75f32.to_le_bytes());
    std::fs::write(&scores, &bytes).unwrap();
    learn_kettle(folder.path(), &output);
    let wrong = run(["inspect", "--verify", output.to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stdout).contains("c: expected 0.75"), "{}", text(&wrong.stdout));

    // Scores of other windows say nothing about this model.
    tones(&folder.path().join("melody.wav"), &[(LOW, 0.5)]);
    let errors = learn_kettle(folder.path(), &output);
    for part in ["has no [check]: ", "check.scores (line", "expected the scores of 5 windows and 3 labels", "[60, 3]"] {
        assert!(errors.contains(part), "{part:?} is not in: {errors}");
    }
    assert!(!std::fs::read_to_string(&output).unwrap().contains("[check]"));
}
