// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify scan`: a row per file whatever happens to the process.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use crate::cli::support::{HIGH, LOW, MIDDLE, TONES, interrupt, objects, outside, program, run, stdout, text, tones};

/// `files` recordings, every 25th of them broken in one of several ways.
fn folder_of(files: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..files {
        let path = folder.path().join(format!("{:02}", number % 7)).join(format!("{number:04}.wav"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let frequency = [LOW, MIDDLE, HIGH][number % 3];
        match number % 100 {
            24 => std::fs::write(&path, "").unwrap(),
            49 => std::fs::write(&path, "no sound at all, only words").unwrap(),
            74 => std::fs::write(&path, [0; 4096]).unwrap(),
            99 => std::fs::write(&path, b"RIFF\x10\x00\x00\x00WAVEjunkjunkjunk").unwrap(),
            _ => {
                tones(&path, &[(frequency, 0.6 + 0.1 * (number % 5) as f64)]);
            }
        }
    }
    folder
}

fn scan(folder: &Path, output: &Path) -> Child {
    program()
        .args(["scan", "--quiet", "--model", TONES, folder.to_str().unwrap(), "-o", output.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Rows by file; none may be there twice.
#[track_caller]
fn rows(output: &Path) -> BTreeMap<String, serde_json::Value> {
    let lines = std::fs::read_to_string(output).unwrap();
    let mut rows = BTreeMap::new();
    for row in objects(&lines) {
        let file = row["file"].as_str().unwrap().to_owned();
        assert!(rows.insert(file.clone(), row).is_none(), "{file} twice");
    }
    rows
}

/// A number from 0 to `below` that differs from call to call and is the same in every run (splitmix64).
fn random(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ (mixed >> 27)) % below
}

#[test]
fn twenty_kills_change_nothing() {
    let folder = folder_of(500);
    let results = tempfile::tempdir().unwrap();
    let [undisturbed, killed] = ["undisturbed.jsonl", "killed.jsonl"].map(|name| results.path().join(name));
    assert_eq!(scan(folder.path(), &undisturbed).wait().unwrap().code(), Some(1), "broken files are reported");
    let expected = rows(&undisturbed);
    assert_eq!(expected.len(), 500);
    assert_eq!(expected.values().filter(|row| row["status"] == "failed").count(), 20);

    let (mut state, mut kills) = (7, 0);
    while kills < 20 {
        let mut child = scan(folder.path(), &killed);
        // Long enough to get past loading, most of the time; some kills fall into it.
        std::thread::sleep(Duration::from_millis(100 + random(&mut state, 900)));
        match child.try_wait().unwrap() {
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
            }
            // Done too early: the rest of the kills hit runs that start with a shorter table.
            Some(_) => shorten(&killed, &mut state),
        }
    }
    assert_eq!(scan(folder.path(), &killed).wait().unwrap().code(), Some(1));

    let found = rows(&killed);
    assert!(found.keys().eq(expected.keys()), "{} rows in place of {}", found.len(), expected.len());
    for (file, row) in &expected {
        // Which of the two that see a broken file, parser or decodebin, is reported first is GStreamer's choice.
        let reason = |row: &serde_json::Value| row["error"].as_str().map(|why| why.contains(file));
        assert_eq!(reason(&found[file]), reason(row));
        let rest = |row: &serde_json::Value| {
            let mut row = row.clone();
            row.as_object_mut().unwrap().remove("error");
            row
        };
        assert_eq!(rest(&found[file]), rest(row));
    }
}

/// Cuts the table anywhere, as a crash of the machine may.
fn shorten(output: &Path, state: &mut u64) {
    let length = std::fs::metadata(output).unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(output).unwrap();
    file.set_len(random(state, length)).unwrap();
}

#[test]
fn a_table_as_csv_has_a_row_a_file_and_goes_on_too() {
    let folder = folder_of(30);
    let results = tempfile::tempdir().unwrap();
    let output = results.path().join("out.csv");
    assert_eq!(scan(folder.path(), &output).wait().unwrap().code(), Some(1));
    let whole = std::fs::read(&output).unwrap();
    std::fs::write(&output, &whole[..whole.len() / 2]).unwrap();

    assert_eq!(scan(folder.path(), &output).wait().unwrap().code(), Some(1));

    let mut reader = csv::Reader::from_path(&output).unwrap();
    let headers = reader.headers().unwrap().clone();
    let [file, label] = ["file", "label"].map(|name| headers.iter().position(|header| header == name).unwrap());
    let rows: BTreeMap<_, _> =
        reader.records().map(|row| row.unwrap()).map(|row| (row[file].to_owned(), row[label].to_owned())).collect();
    assert_eq!(rows.len(), 30);
    let labels: Vec<_> = rows.values().map(String::as_str).collect();
    assert!(labels.contains(&"Low") && labels.contains(&"High, very high"));
}

#[test]
fn events_stand_in_the_row_beside_the_labels() {
    let folder = tempfile::tempdir().unwrap();
    tones(&folder.path().join("melody.wav"), &[(LOW, 1.5), (0.0, 1.5), (HIGH, 1.5)]);
    let output = folder.path().join("out.jsonl");
    let arguments = ["--model", TONES, "--deny-labels", "Quiet", "--event-min-duration", "1s"];

    let scan = run(["scan", "--events", folder.path().to_str().unwrap(), "-o", output.to_str().unwrap()]
        .iter()
        .chain(&arguments));

    assert!(scan.status.success(), "{}", text(&scan.stderr));
    let rows = rows(&output);
    let row = rows.values().next().unwrap();
    let events = row["events"].as_array().unwrap();
    let labels: Vec<_> = events.iter().map(|event| event["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["Low", "High, very high"], "{row:#}");
    assert!(events.iter().all(|event| event["duration"].as_f64().unwrap() >= 1.0), "{row:#}");
    assert_eq!(row["windows"], 40, "all windows count, too");
}

#[test]
fn lists_come_from_files_and_from_standard_input() {
    let folder = folder_of(12);
    let results = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..12).map(|n| folder.path().join(format!("{:02}/{n:04}.wav", n % 7))).collect();
    let list = results.path().join("list.txt");
    // One of them twice.
    let names: String = paths.iter().chain(&paths[..1]).map(|path| format!("{}\n", path.display())).collect();
    std::fs::write(&list, names).unwrap();
    let outputs = ["list.jsonl", "stdin.jsonl"].map(|name| results.path().join(name));

    let of_list = run(["scan", "--model", TONES, list.to_str().unwrap(), "-o", outputs[0].to_str().unwrap()]);
    let of_stdin = program()
        .args(["scan", "--model", TONES, "-", "-o", outputs[1].to_str().unwrap()])
        .stdin(std::fs::File::open(&list).unwrap())
        .output()
        .unwrap();

    assert!(of_list.status.success(), "{}", text(&of_list.stderr));
    assert!(of_stdin.status.success(), "{}", text(&of_stdin.stderr));
    assert!(text(&of_list.stderr).contains("12 files in"), "{}", text(&of_list.stderr));
    assert_eq!(rows(&outputs[0]), rows(&outputs[1]));
    assert_eq!(rows(&outputs[0]).len(), 12);
}

#[test]
fn a_line_that_is_no_name_is_reported_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let sound = tones(&folder.path().join("low.wav"), &[(LOW, 0.3)]);
    let output = folder.path().join("out.jsonl");
    let list = format!("\u{feff}{}\r\nb\0.wav\nno-such.wav\n", sound.display());
    let (names, mut writer) = std::io::pipe().unwrap();
    writer.write_all(list.as_bytes()).unwrap();
    drop(writer);

    let scan =
        program().args(["scan", "--model", TONES, "-", "-o", output.to_str().unwrap()]).stdin(names).output().unwrap();

    assert_eq!(scan.status.code(), Some(1));
    assert!(text(&scan.stderr).contains("line 2"), "{}", text(&scan.stderr));
    let rows = rows(&output);
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[sound.to_str().unwrap()]["status"], "ok");
}

#[test]
fn a_recording_of_an_unknown_extension_is_no_list() {
    let folder = tempfile::tempdir().unwrap();
    let sound = tones(&folder.path().join("low.snippet"), &[(LOW, 0.3)]);
    let output = folder.path().join("out.jsonl");

    stdout(["scan", "--model", TONES, sound.to_str().unwrap(), "-o", output.to_str().unwrap()]);

    assert_eq!(rows(&output)[sound.to_str().unwrap()]["status"], "ok");
}

#[test]
fn other_options_do_not_mix_into_a_table() {
    let folder = folder_of(3);
    let results = tempfile::tempdir().unwrap();
    let output = results.path().join("out.jsonl");
    assert!(scan(folder.path(), &output).wait().unwrap().success());
    let arguments =
        ["scan", "--model", TONES, "--ensembles", "5", folder.path().to_str().unwrap(), "-o", output.to_str().unwrap()];

    let refused = run(arguments);
    let restarted = run(arguments.iter().chain(&["--restart"]));

    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("--restart"));
    assert!(restarted.status.success());
    assert_eq!(rows(&output).len(), 3);
}

#[test]
fn another_model_of_the_same_name_does_not_mix_into_a_table_and_a_default_is_no_other_option() {
    let folder = folder_of(2);
    let results = tempfile::tempdir().unwrap();
    let output = results.path().join("out.jsonl");
    let manifest = results.path().join("tones.toml");
    std::fs::copy(TONES, &manifest).unwrap();
    let network = Path::new(TONES).with_extension("onnx");
    std::fs::copy(&network, manifest.with_extension("onnx")).unwrap();
    let scan = |more: &[&str]| {
        let arguments = ["scan", "--model", manifest.to_str().unwrap(), "-o", output.to_str().unwrap()];
        run(arguments.iter().chain(&[folder.path().to_str().unwrap()]).chain(more))
    };
    assert!(scan(&[]).status.success());

    let same = scan(&["--max-pending", &default_of("max-pending")]);
    // An ONNX file stays one with a field at its end that nobody knows.
    let mut bytes = std::fs::read(&network).unwrap();
    bytes.extend([0xfa, 0x3e, 0x01, 0x00]);
    std::fs::write(manifest.with_extension("onnx"), bytes).unwrap();
    let other = scan(&[]);

    assert!(same.status.success(), "{}", text(&same.stderr));
    assert_eq!(other.status.code(), Some(2), "{}", text(&other.stderr));
    assert!(text(&other.stderr).contains("another model"), "{}", text(&other.stderr));
}

#[test]
fn other_weights_beside_the_network_do_not_mix_into_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let sound = tones(&folder.path().join("low.wav"), &[(LOW, 1.0)]);
    let model = outside(folder.path(), 1.0);
    let output = folder.path().join("out.jsonl");
    let scan = || {
        let paths = [&model, &sound, &output].map(|path| path.to_str().unwrap());
        run(["scan", "--model", paths[0], paths[1], "-o", paths[2]])
    };
    let first = scan();
    assert!(first.status.success(), "{}", text(&first.stderr));
    assert!(scan().status.success());

    outside(folder.path(), 2.0);
    let other = scan();

    assert_eq!(other.status.code(), Some(2), "{}", text(&other.stderr));
    assert!(text(&other.stderr).contains("another model"), "{}", text(&other.stderr));
}

/// The default of an option that the help shows.
fn default_of(option: &str) -> String {
    let help = stdout(["scan", "--help"]);
    let help = help.split(&format!("--{option} ")).nth(1).unwrap();
    help.split("[default: ").nth(1).unwrap().split(']').next().unwrap().to_owned()
}

#[test]
fn ctrl_c_stops_a_scan_with_130_and_it_goes_on_later() {
    let folder = folder_of(120);
    let results = tempfile::tempdir().unwrap();
    let output = results.path().join("out.jsonl");
    let mut child = scan(folder.path(), &output);
    while std::fs::metadata(&output).map_or(0, |data| data.len()) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "done before its first row");
        std::thread::sleep(Duration::from_millis(20));
    }

    interrupt(&child);

    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(rows(&output).len() < 120, "stopped at once");
    assert_eq!(scan(folder.path(), &output).wait().unwrap().code(), Some(1));
    assert_eq!(rows(&output).len(), 120);
}

#[test]
fn ctrl_c_stops_a_scan_that_waits_for_names() {
    let folder = folder_of(1);
    let output = folder.path().join("out.jsonl");
    let mut child = program()
        .args(["scan", "--quiet", "--model", TONES, "-", "-o", output.to_str().unwrap()])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut names = child.stdin.take().unwrap();
    writeln!(names, "{}", folder.path().join("00/0000.wav").display()).unwrap();
    while std::fs::metadata(&output).map_or(0, |data| data.len()) == 0 {
        std::thread::sleep(Duration::from_millis(20));
    }

    interrupt(&child);

    let deadline = Instant::now() + Duration::from_secs(10);
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill().unwrap();
                panic!("it goes on");
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    assert_eq!(status.code(), Some(130));
    assert_eq!(rows(&output).len(), 1);
    drop(names);
}

#[test]
fn a_worker_that_dies_costs_one_file() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..12 {
        tones(&folder.path().join(format!("{number}.wav")), &[(LOW, 30.0)]);
    }
    let results = tempfile::tempdir().unwrap();
    let output = results.path().join("out.jsonl");
    let child = program()
        .args(["scan", "--quiet", "--jobs", "1", "--model", TONES, folder.path().to_str().unwrap(), "-o"])
        .arg(&output)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let scanner = child.id().to_string();
    let mut child = child;
    while std::fs::metadata(&output).map_or(0, |data| data.len()) == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }

    // The scan's only child process.
    let worker = std::process::Command::new("pgrep").args(["-P", &scanner]).output().unwrap();
    let worker = text(&worker.stdout).trim().to_owned();
    std::process::Command::new("kill").args(["-KILL", &worker]).status().unwrap();

    assert_eq!(child.wait().unwrap().code(), Some(1));
    let rows = rows(&output);
    let crashed = rows.values().filter(|row| row["error"].as_str().is_some_and(|why| why.contains("worker process")));
    assert_eq!((rows.len(), crashed.count()), (12, 1));
}
