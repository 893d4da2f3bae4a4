// SPDX-License-Identifier: MIT OR Apache-2.0
//! A recording that gives no sample and no window is a failure of every command, with its reason.

use std::path::{Path, PathBuf};

use crate::cli::support::{LOW, TONES, objects, run, text, tones};

/// WAV files without one whole sample: no data, half a frame of data, a header that promises nothing, half a header.
fn empties(folder: &Path) -> Vec<PathBuf> {
    let whole = std::fs::read(tones(&folder.join("whole.wav"), &[(LOW, 0.5)])).unwrap();
    let mut none = whole[..44].to_vec();
    none[40..44].fill(0);
    let mut half = whole[..45].to_vec();
    half[40..44].copy_from_slice(&1_u32.to_le_bytes());
    let (promise, cut) = (whole[..44].to_vec(), whole[..30].to_vec());
    let files = [("none.wav", none), ("half.wav", half), ("promise.wav", promise), ("cut.wav", cut)];
    files
        .into_iter()
        .map(|(name, bytes)| {
            let path = folder.join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        })
        .collect()
}

#[test]
fn file_names_each_of_them() {
    let folder = tempfile::tempdir().unwrap();
    for path in empties(folder.path()) {
        let output = run(["file", "--model", TONES, path.to_str().unwrap()]);

        let errors = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""), "{errors}");
        assert!(errors.contains(path.to_str().unwrap()) && errors.lines().count() == 1, "{errors}");
        assert!(errors.contains("it contains no audio samples"), "{errors}");
    }
}

#[test]
fn scan_records_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let paths = empties(folder.path());
    let table = folder.path().join("out.jsonl");

    let arguments = ["scan", "--model", TONES, "-q", "-o", table.to_str().unwrap(), folder.path().to_str().unwrap()];
    let output = run(arguments);

    assert_eq!(output.status.code(), Some(1));
    let rows = objects(&std::fs::read_to_string(&table).unwrap());
    assert_eq!(rows.len(), paths.len() + 1);
    for row in rows {
        let whole = row["file"].as_str().unwrap().ends_with("whole.wav");
        assert_eq!(row["status"], if whole { "ok" } else { "failed" }, "{row}");
        assert!(whole || row["error"].as_str().is_some_and(|why| !why.is_empty()), "{row}");
    }
}

#[test]
fn a_scan_of_nothing_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, table) = (folder.path().join("empty"), folder.path().join("out.csv"));
    std::fs::create_dir(&empty).unwrap();
    let list = folder.path().join("list.txt");
    std::fs::write(&list, "").unwrap();
    for input in [&empty, &list] {
        let arguments = ["scan", "--model", TONES, "--restart", "-o", table.to_str().unwrap(), input.to_str().unwrap()];
        let output = run(arguments);

        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("no recording was found in") && errors.contains(input.to_str().unwrap()), "{errors}");
    }
}

#[test]
fn report_and_features_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for path in empties(folder.path()) {
        for (command, name) in [("report", "page.html"), ("features", "array.npy")] {
            let output = folder.path().join(name);

            let failed = run([command, "--model", TONES, "-o", output.to_str().unwrap(), path.to_str().unwrap()]);

            assert_eq!(failed.status.code(), Some(1), "{command}: {}", text(&failed.stderr));
            assert!(!output.exists(), "{command}");
        }
    }
}

#[test]
fn an_address_that_ends_without_audio_is_a_failure_of_live() {
    let folder = tempfile::tempdir().unwrap();
    for path in empties(folder.path()) {
        let address = format!("file://{}", path.display());

        let failed = run(["live", "--plain", "--model", TONES, &address]);

        assert_eq!(failed.status.code(), Some(1), "{}", text(&failed.stderr));
    }
}
