// SPDX-License-Identifier: MIT OR Apache-2.0
//! Labels on the command line: unknown ones are wrong usage, blanks around them do not matter; and the list of a model's labels.

use crate::cli::support::{LOW, TONES, melody, objects, run, stdout, text, tones};

#[test]
fn unknown_labels_are_wrong_usage_of_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = tones(&folder.path().join("low.wav"), &[(LOW, 0.3)]);
    let path = path.to_str().unwrap();
    let [table, page] = ["out.jsonl", "page.html"].map(|name| folder.path().join(name).display().to_string());
    let commands: [&[&str]; 4] =
        [&["file", path], &["live", "--plain"], &["scan", path, "-o", &table], &["report", path, "-o", &page]];
    for command in commands {
        for option in [
            "--allow-labels=Lowe",
            "--deny-labels=Low,Lowe",
            "--label-thresholds=Lowe=0.3",
            "--allow-labels=<Lowe>",
            "--label-thresholds=thresholds,Lowe=0.3",
        ] {
            let output = run(command.iter().chain(&["--model", TONES, option]));

            let errors = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{command:?} {option}: {errors}");
            assert!(errors.contains("\"Lowe\"") && errors.contains("similar: Low"), "{command:?} {option}: {errors}");
        }
    }
    assert!(!std::path::Path::new(&table).exists() && !std::path::Path::new(&page).exists());
}

#[test]
fn blanks_around_labels_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());
    let labels = |option: &str| {
        let lines = stdout(["file", "--no-time", "--model", TONES, option, path.to_str().unwrap()]);
        let mut labels: Vec<_> = lines.lines().map(|line| line.rsplitn(3, ' ').nth(2).unwrap().to_owned()).collect();
        labels.sort();
        labels.dedup();
        labels
    };

    for option in ["--allow-labels= Low ,Middle ", "--allow-labels=Low, Middle", "--allow-labels=<Low, Middle>"] {
        assert_eq!(labels(option), ["Low", "Middle"], "{option}");
    }
    let all = "--allow-labels=Quiet, High, very high ,Low,Middle";
    assert_eq!(labels(all), ["High, very high", "Low", "Middle", "Quiet"]);
    let strict = "--label-thresholds= Low =1, Middle = 1,High, very high=1";
    assert_eq!(labels(strict), ["Quiet"]);
    let emoji = stdout(["file", "--no-time", "--model", TONES, "--emoji= Low = l ,Middle=m", path.to_str().unwrap()]);
    assert!(emoji.starts_with("l l l"), "{emoji}");
}

#[test]
fn labels_are_listed_with_index_threshold_and_groups() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(std::path::Path::new(TONES).with_file_name("tones.onnx"), folder.path().join("tones.onnx")).unwrap();
    let manifest = std::fs::read_to_string(TONES).unwrap()
        + "thresholds = { Low = 0.25, tone = 0.5 }\ndeny-labels = [\"Quiet\"]\n[labels.groups]\ntone = [\"Low\", \"Middle\"]\n";
    let path = folder.path().join("tones.toml");
    std::fs::write(&path, manifest).unwrap();
    let path = path.to_str().unwrap();

    let plain = stdout(["labels", path]);
    let json = objects(&stdout(["labels", path, "--json"]));

    let expected = [
        "    0  Quiet            -      (not reported)",
        "    1  Low              0.25   tone",
        "    2  Middle           -      tone",
        "    3  High, very high  -",
        "group  tone             0.5    Low, Middle",
    ];
    assert_eq!(plain.lines().collect::<Vec<_>>(), expected);
    assert_eq!(
        (&json[1]["index"], &json[1]["threshold"], &json[1]["groups"][0]),
        (&1.into(), &0.25.into(), &"tone".into())
    );
    assert_eq!((&json[4]["index"], &json[4]["members"][1]), (&serde_json::Value::Null, &"Middle".into()));
    assert_eq!(json[0]["groups"], serde_json::json!([]), "a label without a group has no groups, not none at all");
    assert!(json[0].get("members").is_none() && json[4].get("groups").is_none(), "{json:?}");
    assert!(stdout(["labels"]).lines().count() > 70, "the built-in model");
}
