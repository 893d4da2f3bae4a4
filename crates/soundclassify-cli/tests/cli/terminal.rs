// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nothing of a file name or of a file reaches a terminal or a spreadsheet as a command.

use std::path::PathBuf;

use crate::cli::support::{LOW, TONES, objects, run, text, tones};

const NAME: &str = "a\u{1b}[2J\u{9b}31m\u{202e}\n.wav";

#[track_caller]
fn assert_harmless(output: &str) {
    let harmful = |character: char| character != '\n' && (character.is_control() || character == '\u{202e}');
    assert!(!output.contains(harmful), "{output:?}");
}

#[test]
fn names_with_control_characters_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = tones(&folder.path().join(NAME), &[(LOW, 0.3)]);
    let path = path.to_str().unwrap();
    let missing = folder.path().join(format!("no {NAME}"));
    let broken = folder.path().join(format!("broken {NAME}"));
    std::fs::write(&broken, "no sound").unwrap();
    let [missing, broken] = [&missing, &broken].map(|path| path.to_str().unwrap());

    for form in ["--json", "--no-time"] {
        let output = run(["file", "--model", TONES, form, path, missing, broken]);

        assert_eq!(output.status.code(), Some(1));
        let (out, errors) = (text(&output.stdout), text(&output.stderr));
        assert_harmless(&out);
        assert_harmless(&errors);
        assert_eq!(errors.lines().count(), 2, "{errors}");
        assert!(errors.contains("\\u{1b}[2J"), "{errors}");
        if form == "--json" {
            assert_eq!(objects(&out)[0]["input"], path);
        } else {
            assert!(out.lines().next().unwrap().contains("\\u{9b}31m\\u{202e}\\n.wav"), "{out}");
        }
    }
}

#[test]
fn a_manifest_with_control_characters_is_refused_in_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("a.toml");
    std::fs::write(&model, "\"na\\u001b[2Jme\" = 1\n").unwrap();
    for command in ["inspect", "file"] {
        let mut arguments = vec![command.to_owned(), model.display().to_string()];
        if command == "file" {
            arguments = vec!["file".into(), "--model".into(), model.display().to_string(), "a.wav".into()];
        }

        let output = run(arguments);

        assert_eq!(output.status.code(), Some(1));
        assert_harmless(&text(&output.stdout));
        assert_harmless(&text(&output.stderr));
    }
}

#[test]
fn cells_of_a_table_are_no_formulas() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["=1+2.wav", "'quoted.wav", "plain.wav"] {
        tones(&folder.path().join(name), &[(LOW, 0.3)]);
    }
    let list = folder.path().join("list.txt");
    std::fs::write(&list, "=1+2.wav\n'quoted.wav\nplain.wav\n").unwrap();
    let scan = || {
        let arguments = ["scan", "-q", "--model", TONES, "-o", "out.csv", "list.txt"];
        let scanned = crate::cli::support::program().args(arguments).current_dir(folder.path()).output().unwrap();
        assert!(scanned.status.success(), "{}", text(&scanned.stderr));
        std::fs::read_to_string(folder.path().join("out.csv")).unwrap()
    };

    let table = scan();
    let files: Vec<_> = table.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    let mut sorted = files.clone();
    sorted.sort();
    // A scan writes absolute paths, which are no formulas.
    let whole = ["'quoted.wav", "=1+2.wav", "plain.wav"].map(|name| folder.path().join(name).display().to_string());
    assert_eq!(sorted, whole);
    assert_eq!(scan(), table, "a second run finds its own rows");

    let array = folder.path().join("all.npy");
    let inputs = ["=1+2.wav", "plain.wav"].map(|name| PathBuf::from(name).display().to_string());
    let made = crate::cli::support::program()
        .args(["features", "--model", TONES, "-o", array.to_str().unwrap(), &inputs[0], &inputs[1]])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(std::fs::read_to_string(array.with_extension("csv")).unwrap().contains("\n'=1+2.wav,0,"));
}
