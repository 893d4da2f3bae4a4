// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a shell completes.

use std::process::Command;

use crate::cli::support::{TONES, program, stdout, text};

/// What bash is offered for the last of these words.
fn offered(words: &[&str]) -> Vec<String> {
    let output = program()
        .env("SOUNDCLASSIFY_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .env("_CLAP_IFS", "\n")
        .args(["--", "soundclassify"])
        .args(words)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn commands_options_and_their_values_are_completed() {
    assert!(offered(&["sc"]).contains(&"scan".to_owned()));
    assert_eq!(offered(&["file", "--oversam"]), ["--oversamples"]);
    assert_eq!(offered(&["file", "--execution-provider", "ten"]), ["tensorrt"]);
}

#[test]
fn labels_are_those_of_the_model_on_the_command_line() {
    assert!(offered(&["file", "--allow-labels", "Ba"]).contains(&"Bark".to_owned()));
    assert_eq!(offered(&["file", "--model", TONES, "--allow-labels", "L"]), ["Low"]);
    let model = format!("--model={TONES}");
    assert_eq!(offered(&["scan", &model, "--deny-labels", "Low,M"]), ["Low,Middle"]);
    assert_eq!(offered(&["file", &model, "--label-thresholds", "Low=0.5,Q"]), ["Low=0.5,Quiet="]);
    assert_eq!(offered(&["live", &model, "--on", "Mi"]), ["Middle="]);
    // Each label once.
    assert!(!offered(&["file", &model, "--allow-labels", "Low,"]).contains(&"Low,Low".to_owned()));
}

#[test]
fn without_a_command_the_options_are_those_of_live() {
    assert!(offered(&["--allow-labels", "Ba"]).contains(&"Bark".to_owned()));
    assert_eq!(offered(&["--plain", "--oversam"]), ["--oversamples"]);
    assert!(offered(&["--v"]).contains(&"--version".to_owned()));
}

#[test]
fn recordings_of_a_new_label_are_completed() {
    let folder = TONES.rsplit_once('/').unwrap().0;
    let file = format!("{folder}/ton");
    assert!(offered(&["learn", &file]).contains(&TONES.to_owned()));
    assert!(offered(&["learn", &format!("Kettle={file}")]).contains(&format!("Kettle={TONES}")));
    // What bash gives of `Kettle=`.
    assert!(!offered(&["learn", "="]).is_empty());
}

#[test]
fn models_are_built_in_names_and_files() {
    assert_eq!(offered(&["file", "--model", "def"]), ["default"]);
    assert_eq!(offered(&["inspect", "sur"]), ["sure"]);
    let folder = TONES.rsplit_once('/').unwrap().0;
    let found = offered(&["file", "--model", &format!("{folder}/")]);
    assert_eq!(found, [TONES.replace(".toml", ".onnx"), TONES.to_owned()]);
}

#[test]
fn files_of_every_command_are_completed() {
    let folder = TONES.rsplit_once('/').unwrap().0;
    for command in [&["file"][..], &["report"], &["live"], &["features"], &["scan"], &["inspect", "sure", "--input"]] {
        let word = format!("{folder}/ton");
        let words = [command, &[&word]].concat();
        assert!(offered(&words).contains(&TONES.to_owned()), "{command:?}: {:?}", offered(&words));
    }
    assert_eq!(offered(&["labels", "sur"]), ["sure"]);
}

#[test]
fn bash_completes_with_the_script() {
    let script = format!(
        "{}\nCOMP_WORDS=(soundclassify file --model small --allow-labels Bar); COMP_CWORD=5; COMP_TYPE=9\n\
         _clap_complete_soundclassify soundclassify Bar --allow-labels; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        stdout(["completions", "bash"])
    );
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_soundclassify")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let Ok(output) = Command::new("bash").args(["--norc", "-c", &script]).env("PATH", path).output() else {
        return println!("skipped: bash is not installed");
    };
    let offered = text(&output.stdout);
    assert!(offered.lines().any(|label| label == "Bark"), "{offered}{}", text(&output.stderr));
}
