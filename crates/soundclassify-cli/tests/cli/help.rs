// SPDX-License-Identifier: MIT OR Apache-2.0
//! Help, wrong usage, completion, the manual page.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use crate::cli::support::{LOW, TONES, run, stdout, text, tones};

#[test]
fn options_say_what_they_are_in_the_programs_own_form() {
    let help = stdout(["file", "--help"]);

    assert!(help.contains("[default: 0.35]") && help.contains("--allow-labels <LABEL,…>"), "{help}");
    assert!(!help.contains("<Bark") && !help.contains("thresholds,"), "{help}");
    assert!(help.contains("[default: 500ms]") && !help.contains(", ns") && !help.contains("'stats'"), "{help}");
}

fn no_microphone() -> bool {
    !run(["live", "--list-devices"]).status.success()
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_allowed() {
    for (arguments, wanted) in [
        (&["tune", "a.csv", "-o", "tuned.txt"][..], ".toml"),
        (&["report", "a.wav", "--picture", "a.gif"], ".svg or .png"),
        (&["file", "--oversamples", "0", "a.wav"], "from 1 to 100"),
        (&["file", "--sync", "maybe", "a.wav"], "always"),
        (&["file"], "<FILE|URI>"),
        (&["fiel"], "file"),
        (&["scan", "/tmp", "-o", "a.xls"], ".jsonl, .csv or .parquet"),
        (&["scan", "/tmp", "--events", "-o", "a.csv"], "--format csv"),
        (&["live", "--plain", "--device", "no such microphone"], "no such microphone"),
        (
            &["live", "--plain", "--device", "another that is missing"],
            if no_microphone() { "doctor" } else { "give one" },
        ),
    ] {
        let output = run(arguments);

        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(wanted), "{arguments:?}: {errors}");
    }
}

#[test]
fn completions_and_manual_know_the_elements_properties() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = stdout(["completions", shell]);
        assert!(script.contains("SOUNDCLASSIFY_COMPLETE") && script.contains("soundclassify"), "{shell}: {script}");
    }
    let page = stdout(["man"]);
    let headings =
        |mark: &str| page.lines().filter_map(|it| it.strip_prefix(mark)).map(|it| it.replace('"', "")).collect();
    let sections: Vec<String> = headings(".SH ");
    let wanted = "NAME SYNOPSIS DESCRIPTION OPTIONS COMMANDS PROPERTIES_OF_THE_ELEMENT EXAMPLES EXIT_STATUS ENVIRONMENT FILES \
        SEE_ALSO VERSION";
    assert_eq!(sections.join("+").replace(' ', "_").replace('+', " "), wanted);
    let commands: Vec<String> = headings(".SS ");
    assert_eq!(commands[..3], ["live", "file", "scan"]);
    assert!(commands.contains(&"man".to_owned()) && !commands.contains(&"work".to_owned()), "{commands:?}");
    assert!(!page.contains('`'), "{page}");
    for option in ["max\\-pending", "list\\-devices", "shard", "ORT_DYLIB_PATH"] {
        assert_eq!(
            page.lines().filter(|line| line.starts_with(&format!("\\fB\\-\\-{option}\\fR")) || *line == option).count(),
            1,
            "{option}"
        );
    }
    assert!(!page.contains("soundclassify\\-file(1)"), "there is one page only");
    let bash = std::process::Command::new("bash").args(["-n", "/dev/stdin"]).stdin(Stdio::piped()).spawn();
    if let Ok(mut bash) = bash {
        std::io::Write::write_all(&mut bash.stdin.take().unwrap(), stdout(["completions", "bash"]).as_bytes()).unwrap();
        assert!(bash.wait().unwrap().success());
    }
}

#[test]
fn the_help_is_quick_and_lists_exit_statuses() {
    let start = Instant::now();
    let help = stdout(["--help"]);

    assert!(help.contains("130") && help.contains("scan"), "{help}");
    assert!(help.contains("soundclassify [file] [OPTIONS] FILE…"), "{help}");
    assert!(stdout(["live", "--help"]).contains("space pause"), "the keys of the view");
    assert!(stdout(["report", "--help"]).contains("--max-labels <N>"));
    let refused = run(["report", "--max-labels", "9", "a.wav", "-o", "a.html"]);
    assert!(text(&refused.stderr).contains("9 is not in 1..=8"), "as many as there are colours");
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(stdout(["file", "--help"]).contains("--allow-labels"));
}

#[test]
fn the_page_of_the_program_has_every_command() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/program.md")).unwrap();
    let help = stdout(["--help"]);
    let list = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<_> =
        commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();

    assert!(names.len() > 8, "{help}");
    for name in names {
        assert!(
            page.contains(&format!("soundclassify {name}")) || page.contains(&format!("soundclassify [{name}]")),
            "{name}"
        );
    }
}

#[test]
fn a_recording_in_the_place_of_a_command_is_classified() {
    let folder = tempfile::tempdir().unwrap();
    let path = tones(&folder.path().join("low.wav"), &[(LOW, 0.3)]);

    let lines = stdout([path.to_str().unwrap(), "--model", TONES]);

    assert!(lines.starts_with("0.000 Low 1 "), "{lines}");
    let events = stdout(["--events", "--model", TONES, path.to_str().unwrap()]);
    assert!(events.starts_with("0.000 start Low 1 "), "{events}");
    assert!(stdout(["--help"]).contains("soundclassify live --help"));
}

#[test]
fn what_looks_like_a_path_is_a_file_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    for (word, wanted) in [
        ("no-such.wav", "No such file"),
        ("no/such", "No such file"),
        (folder, "`soundclassify scan"),
        ("no-such\u{20}recording.flac", "No such file"),
    ] {
        let output = run([word, "--model", TONES]);

        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{word}: {errors}");
        assert!(errors.contains(word) && errors.contains(wanted), "{word}: {errors}");
    }
    assert!(text(&run(["fiel"]).stderr).contains("unrecognized subcommand"));
    assert!(stdout(["help"]).contains("scan"));
}

#[test]
fn versions_are_those_of_the_program_and_of_what_it_runs_on() {
    let lines = stdout(["--version"]);

    let names: Vec<_> = lines.lines().map(|line| line.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(names, ["soundclassify", "GStreamer", "ONNX Runtime"], "{lines}");
    assert!(lines.lines().all(|line| line.ends_with(|last: char| last.is_ascii_digit())), "{lines}");
}
