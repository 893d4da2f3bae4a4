// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tune`: thresholds from labelled recordings.

use std::collections::BTreeSet;

use crate::cli::support::{LOW, MIDDLE, TONES, objects, outside, run, stdout, text, tones};

#[test]
fn a_recording_that_tune_leaves_out_is_named_once() {
    let folder = tempfile::tempdir().unwrap();
    tones(&folder.path().join("low.wav"), &[(LOW, 1.0)]);
    let table = folder.path().join("labelled.csv");
    std::fs::write(&table, "file,label\nlow.wav,Low\nno-such.wav,Low\n").unwrap();

    let output = run(["tune", table.to_str().unwrap(), "--model", TONES]);

    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    assert_eq!(errors.matches("no-such.wav").count(), 1, "{errors}");
    assert!(errors.contains("skipped"), "{errors}");
}

#[test]
fn tune_finds_thresholds_and_writes_them_into_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = "file,label\n".to_owned();
    for (number, (label, frequency)) in
        [("Low", LOW), ("Middle", MIDDLE), ("Low", LOW), ("Middle", MIDDLE)].iter().enumerate()
    {
        tones(&folder.path().join(format!("{number}.wav")), &[(*frequency, 1.0)]);
        table += &format!("{number}.wav,{label}\n");
    }
    let labelled = folder.path().join("labelled.csv");
    std::fs::write(&labelled, table).unwrap();
    let copy = folder.path().join("tuned/tones.toml");
    std::fs::create_dir(folder.path().join("tuned")).unwrap();
    let picture = folder.path().join("curves.svg");

    let lines = objects(&stdout([
        "tune",
        labelled.to_str().unwrap(),
        "--json",
        "--model",
        TONES,
        "-o",
        copy.to_str().unwrap(),
        "--picture",
        picture.to_str().unwrap(),
    ]));

    let labels: Vec<_> = lines.iter().map(|line| line["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["Low", "Middle"]);
    assert!(lines.iter().all(|line| line["precision"] == 1.0 && line["recall"] == 1.0));
    assert!(std::fs::read_to_string(&picture).unwrap().contains("Middle"));
    let tuned = soundclassify_core::model::Model::load(copy.to_str().unwrap()).unwrap();
    let thresholds = &tuned.manifest().defaults.thresholds;
    assert_eq!(thresholds.len(), 2);
    assert_eq!(thresholds["Low"], lines[0]["threshold"].as_f64().unwrap());
    // With them the element reports exactly the labels that the table has.
    for (number, label) in ["Low", "Middle", "Low", "Middle"].iter().enumerate() {
        let recording = folder.path().join(format!("{number}.wav"));
        let copy = copy.to_str().unwrap();
        let reported =
            stdout(["file", "--no-time", "--top-k=9", "--json", "--model", copy, recording.to_str().unwrap()]);
        let labels: BTreeSet<_> = objects(&reported)
            .iter()
            .flat_map(|line| line["predictions"].as_array().unwrap().clone())
            .map(|prediction| prediction["label"].as_str().unwrap().to_owned())
            .filter(|label| ["Low", "Middle"].contains(&label.as_str()))
            .collect();
        assert_eq!(labels, BTreeSet::from([(*label).to_owned()]), "{number}.wav");
    }
}

#[test]
fn a_tuned_copy_does_not_name_the_network_of_another_model() {
    let folder = tempfile::tempdir().unwrap();
    tones(&folder.path().join("low.wav"), &[(LOW, 1.0)]);
    let table = folder.path().join("labelled.csv");
    std::fs::write(&table, "file,label\nlow.wav,Low\n").unwrap();
    let other = folder.path().join("tones.onnx");
    std::fs::write(&other, "another network").unwrap();
    let copy = folder.path().join("tuned.toml");

    let refused = run(["tune", table.to_str().unwrap(), "--model", TONES, "-o", copy.to_str().unwrap()]);

    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("tones.onnx"), "{}", text(&refused.stderr));
    assert!(!copy.exists());
    assert_eq!(std::fs::read_to_string(other).unwrap(), "another network");
}

#[test]
fn a_tuned_copy_has_the_weights_of_its_network() {
    let folder = tempfile::tempdir().unwrap();
    tones(&folder.path().join("low.wav"), &[(LOW, 1.0)]);
    let model = outside(folder.path(), 0.01);
    let table = folder.path().join("labelled.csv");
    std::fs::write(&table, "file,label\nlow.wav,a\n").unwrap();
    let copy = folder.path().join("tuned/outside.toml");
    std::fs::create_dir(folder.path().join("tuned")).unwrap();
    let [table, model, copy] = [&table, &model, &copy].map(|path| path.to_str().unwrap());

    let printed = stdout(["tune", table, "--model", model, "-o", copy]);

    assert!(printed.contains("no recording without the label"), "{printed}");
    let weights = folder.path().join("tuned/weights.bin");
    assert_eq!(std::fs::read(&weights).unwrap(), std::fs::read(folder.path().join("weights.bin")).unwrap());
    assert!(
        !stdout(["file", "--model", copy, "--threshold", "0", folder.path().join("low.wav").to_str().unwrap()])
            .is_empty()
    );
    std::fs::write(weights, "of another network").unwrap();
    assert_eq!(run(["tune", table, "--model", model, "-o", copy]).status.code(), Some(2));
}

#[test]
fn tune_takes_probabilities_only() {
    let folder = tempfile::tempdir().unwrap();
    tones(&folder.path().join("low.wav"), &[(LOW, 1.0)]);
    let model = outside(folder.path(), 5.0);
    let table = folder.path().join("labelled.csv");
    std::fs::write(&table, "file,label\nlow.wav,a\n").unwrap();

    let refused = run(["tune", table.to_str().unwrap(), "--model", model.to_str().unwrap()]);

    let errors = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{errors}");
    assert!(errors.contains("from 0 to 1") && errors.contains("output.activation"), "{errors}");
}

#[test]
fn tune_of_nothing_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("labelled.csv");
    std::fs::write(&table, "file,label\nno-such.wav,Low\n").unwrap();
    let [copy, picture] = ["tuned.toml", "tuned.svg"].map(|name| folder.path().join(name));
    let arguments = [&table, &copy, &picture].map(|path| path.to_str().unwrap());

    let failed = run(["tune", arguments[0], "--model", TONES, "-o", arguments[1], "--picture", arguments[2]]);

    assert_eq!((failed.status.code(), text(&failed.stdout).as_str()), (Some(1), ""));
    assert!(text(&failed.stderr).contains("no output was written"), "{}", text(&failed.stderr));
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_table_without_any_of_the_models_labels_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("labelled.csv");
    std::fs::write(&table, "file,label\na.wav,Doorbell\n").unwrap();
    let table = table.to_str().unwrap();

    let strange = run(["tune", table, "--model", TONES]);
    let nowhere = run(["tune", table, "--model", TONES, "-o", "no/such/folder/tuned.toml"]);

    assert_eq!(strange.status.code(), Some(1));
    assert!(text(&strange.stderr).contains("Doorbell") && text(&strange.stderr).contains("Middle"));
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("no/such/folder"), "{}", text(&nowhere.stderr));
}
