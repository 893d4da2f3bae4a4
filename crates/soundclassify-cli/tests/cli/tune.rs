// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify tune`: folders of labels, cross-fitting, and thresholds from unlabelled audio.

use crate::cli::{
    support::{LOW, MIDDLE, TONES, melody, objects, run, stdout, text, tones},
    verify::Checked,
};

#[test]
fn a_folder_for_each_label_takes_the_place_of_a_table() {
    let folder = tempfile::tempdir().unwrap();
    for (label, frequency) in [("Low", LOW), ("Middle", MIDDLE)] {
        std::fs::create_dir(folder.path().join(label)).unwrap();
        for number in 0..3 {
            tones(&folder.path().join(label).join(format!("{number}.wav")), &[(frequency, 1.0)]);
        }
    }

    let lines = objects(&stdout(["tune", folder.path().to_str().unwrap(), "--json", "--model", TONES]));

    assert_eq!(lines.len(), 2);
    for line in lines {
        assert_eq!((line["recordings"].as_u64(), line["precision"].as_f64()), (Some(3), Some(1.0)), "{line}");
        assert_eq!(line["cross_fitted_precision"].as_f64(), Some(1.0), "{line}");
    }
}

#[test]
fn columns_of_any_name_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    tones(&folder.path().join("low.wav"), &[(LOW, 1.0)]);
    let table = folder.path().join("labelled.tsv");
    std::fs::write(&table, "sound\tmeaning\nlow.wav\tLow\n").unwrap();
    let table = table.to_str().unwrap();

    let unnamed = run(["tune", table, "--model", TONES]);
    let lines = stdout(["tune", table, "--file-column=sound", "--label-column=meaning", "--json", "--model", TONES]);

    assert_eq!(unnamed.status.code(), Some(1));
    assert!(text(&unnamed.stderr).contains("sound, meaning"), "{}", text(&unnamed.stderr));
    assert_eq!(objects(&lines)[0]["cross_fitted_precision"], serde_json::Value::Null);
}

#[test]
fn thresholds_of_unlabelled_audio_keep_labels_rare() {
    let folder = tempfile::tempdir().unwrap();
    let recording = melody(folder.path());
    let [copy, picture] = ["quiet.toml", "quiet.svg"].map(|name| folder.path().join(name));
    let arguments = [&recording, &copy, &picture].map(|path| path.to_str().unwrap());

    let lines = objects(&stdout([
        "tune",
        "--quiet",
        arguments[0],
        "--per-day",
        "0",
        "--json",
        "--model",
        TONES,
        "-o",
        arguments[1],
        "--picture",
        arguments[2],
    ]));

    let low = lines.iter().find(|line| line["label"] == "Low").unwrap();
    assert!(low["per_day_before"].as_f64().unwrap() > 0.0 && low["per_day"].as_f64() == Some(0.0), "{low}");
    assert!(std::fs::read_to_string(&picture).unwrap().contains("events a day"));
    let tuned = soundclassify_core::model::Model::load(arguments[1]).unwrap();
    assert_eq!(tuned.manifest().name, "quiet");
    // With these thresholds the recording has no event.
    let events = |model| text(&run(["file", "--events", "--model", model, arguments[0]]).stdout);
    assert_eq!((events(arguments[1]), events(TONES).is_empty()), (String::new(), false));
}

#[test]
fn a_day_with_more_posts_needs_lower_thresholds() {
    let folder = tempfile::tempdir().unwrap();
    let recording = melody(folder.path());
    let recording = recording.to_str().unwrap();
    let lines = |per_day: &str| {
        objects(&stdout(["tune", "--quiet", recording, "--per-day", per_day, "--json", "--model", TONES])).len()
    };

    let (strict, loose) = (lines("0"), lines("1000000"));

    assert!(strict > loose, "{strict} labels are raised, and {loose} where all may be posted");
}

#[test]
fn quiet_audio_that_can_not_be_read_is_no_success() {
    let nothing = run(["tune", "--quiet", "no-such.wav", "--model", TONES]);
    let both = run(["tune", "a.csv", "--quiet", "a.wav"]);

    assert_eq!(nothing.status.code(), Some(1));
    assert!(text(&nothing.stderr).contains("no-such.wav") && text(&nothing.stderr).contains("no output was written"));
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn the_check_of_a_model_holds_for_its_tuned_copy() {
    let model = Checked::new();
    let [manifest, recording, copy] =
        ["tones.toml", "melody.wav", "tuned/quiet.toml"].map(|name| model.path(name).to_str().unwrap().to_owned());
    std::fs::create_dir(model.path("tuned")).unwrap();
    let tune = || run(["tune", "--quiet", &recording, "--per-day", "0", "--model", &manifest, "-o", &copy]);

    let tuned = tune();
    assert_eq!(text(&tuned.stderr).matches("[check]").count(), 0, "{}", text(&tuned.stderr));
    let verified = stdout(["inspect", "--verify", &copy]);
    assert!(verified.contains("expected [55, 4]") && verified.contains("verified  yes"), "{verified}");

    // Without its recording the copy has no check, and the command says so.
    std::fs::remove_dir_all(model.path("tuned")).unwrap();
    std::fs::create_dir(model.path("tuned")).unwrap();
    model.check("scores = \"gone.npy\"");
    let tuned = tune();
    assert!(tuned.status.success(), "{}", text(&tuned.stderr));
    assert!(text(&tuned.stderr).contains("has no [check], because") && text(&tuned.stderr).contains("gone.npy"));
    assert!(!std::fs::read_to_string(&copy).unwrap().contains("[check]"));
}

#[test]
fn the_check_of_a_built_in_model_holds_for_its_tuned_copy() {
    let folder = tempfile::tempdir().unwrap();
    let recording = melody(folder.path()).to_str().unwrap().to_owned();
    let copy = folder.path().join("quiet.toml").to_str().unwrap().to_owned();

    stdout(["tune", "--quiet", &recording, "--per-day", "0", "--model", "small", "-o", &copy]);

    let verified = stdout(["inspect", "--verify", &copy]);
    assert!(verified.contains("verified  yes"), "{verified}");
}
