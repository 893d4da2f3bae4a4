// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scripts that act on sounds, with a model that detects loud noise.

use std::fs;
use std::path::Path;

use crate::launch::sandbox::{Sandbox, number, top};

const RATE: u32 = 8000;

/// A model that calls loud noise `label`, as `model=PATH`.
fn model(sandbox: &Sandbox, label: &str) -> String {
    model_in(sandbox, "test.toml", label)
}

/// The same, described by this file.
fn model_in(sandbox: &Sandbox, file: &str, label: &str) -> String {
    let manifest = include_str!("../../../../tests/element/test-model.toml").replace("\"Bark\"", &format!("{label:?}"));
    fs::write(sandbox.path(file), manifest).unwrap();
    fs::copy(top().join("tests/data/models/loudness.onnx"), sandbox.path("test.onnx")).unwrap();
    format!("model={}", sandbox.path(file).display())
}

/// A recording of silence and noise in turns, of these lengths, ms.
fn recording(sandbox: &Sandbox, lengths: &[u32]) -> String {
    let path = sandbox.path("turns.wav");
    let spec =
        hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut file = hound::WavWriter::create(&path, spec).unwrap();
    let mut state = 1u32;
    for (turn, length) in lengths.iter().enumerate() {
        for _ in 0..length * RATE / 1000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 18) as i16 - 8192;
            file.write_sample(if turn % 2 == 1 { noise } else { 0 }).unwrap();
        }
    }
    file.finalize().unwrap();
    path.display().to_string()
}

fn samples(path: &Path) -> Vec<i16> {
    hound::WavReader::open(path).unwrap().samples::<i16>().map(Result::unwrap).collect()
}

/// Share of samples that are not silent, between two times, ms.
fn loud(samples: &[i16], from: u32, to: u32) -> f64 {
    let part = &samples[(from * RATE / 1000) as usize..(to * RATE / 1000) as usize];
    part.iter().filter(|sample| sample.unsigned_abs() > 100).count() as f64 / part.len() as f64
}

#[test]
fn notify_reports_once_for_each_time() {
    let sandbox = Sandbox::new();
    let (model, file) = (model(&sandbox, "Knock"), recording(&sandbox, &[1000, 1000, 1500, 1000, 1000]));
    let note = sandbox.path("note").display().to_string();
    let command = format!("printf '%s:%s\\n' \"$2\" \"$1\" >> {note}");
    let printed =
        sandbox.script("notify.sh", &[&file, "--run", &command, "ensembles=1", &model]).finish().succeeded().stdout;
    let lines: Vec<(f64, &str)> = printed
        .lines()
        .map(|line| line.split_once(' ').map(|(time, label)| (time.parse().unwrap(), label)).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{printed}");
    for ((time, label), wanted) in lines.iter().zip([1.0, 3.5]) {
        assert!((time - wanted).abs() < 0.2 && *label == "Knock", "{printed}");
    }
    let noted = fs::read_to_string(note).unwrap();
    assert_eq!(noted.lines().filter(|line| line.starts_with("Knock:")).count(), 2, "{noted}");
}

#[test]
fn events_are_printed_as_the_program_prints_them() {
    let mut sandbox = Sandbox::new();
    let (model, file) = (model(&sandbox, "Door bell, big"), recording(&sandbox, &[1000, 2000, 1000]));
    let printed =
        sandbox.script("file.sh", &[&file, "report=events", "ensembles=1", &model]).finish().succeeded().stdout;
    assert!(printed.contains(" start Door bell, big 0 ") && printed.contains(" end Door bell, big 0 "), "{printed}");
    sandbox.variables.push(("ORT_DYLIB_PATH", sandbox.path("plugins/libonnxruntime.so").display().to_string()));
    let words = ["file", "--events", "--ensembles=1", &format!("--{model}"), &file];
    let by_program = sandbox.start(env!("CARGO_BIN_EXE_soundclassify"), words).finish().succeeded().stdout;
    assert_eq!(printed, by_program);
}

#[test]
fn two_models_that_agree_are_one_line() {
    let sandbox = Sandbox::new();
    let (one, other) = (model(&sandbox, "Knock"), model_in(&sandbox, "other.toml", "Thump"));
    let file = recording(&sandbox, &[1000, 1000, 1500, 1000, 1000]);
    let printed = sandbox
        .launch(&format!(
            "filesrc location={file} ! wavparse ! soundclassify {one} report=events ensembles=1 allow-labels=<Knock> ! \
             soundclassify {other} report=events ensembles=1 allow-labels=<Thump> ! \
             soundgate agree=2 label-groups=groups,hit=<Knock,Thump> ! fakesink"
        ))
        .finish()
        .succeeded()
        .stdout;
    let messages: Vec<&str> = printed.lines().filter(|line| line.contains("): soundgate-event, ")).collect();
    let times: Vec<u64> =
        messages.iter().filter_map(|it| number(it, "timestamp")).map(|time| time / 1_000_000).collect();
    assert_eq!(messages.len(), 4, "{printed}");
    for ((message, time), (kind, wanted)) in
        messages.iter().zip(times).zip([("start", 1000), ("end", 1000), ("start", 3500), ("end", 3500)])
    {
        assert!(time.abs_diff(wanted) < 150, "{message}");
        for part in [format!("kind=(string){kind}"), "label=(string)hit".into(), "Knock".into(), "Thump".into()] {
            assert!(message.contains(&part), "{part}: {message}");
        }
    }
}

#[test]
fn desk_work_is_shown_as_rows_of_signs() {
    let sandbox = Sandbox::new();
    let (model, file) = (model(&sandbox, "Writing"), recording(&sandbox, &[500, 1500]));
    let printed = sandbox.script("desk-work-emoji.sh", &[&file, "ensembles=1", &model]).finish().succeeded().stdout;
    assert!(printed.lines().count() >= 10, "{printed}");
    for line in printed.lines() {
        let (rest, probability) = line.rsplit_once(' ').unwrap();
        let tenths = (probability.parse::<f64>().unwrap() * 10.0) as usize;
        assert_eq!(rest.matches('📝').count(), tenths + 1, "{line}");
        assert!(rest.ends_with(" Writing"), "{line}");
    }
}

#[test]
fn events_are_recorded_with_what_came_before() {
    let sandbox = Sandbox::new();
    let (model, file) = (model(&sandbox, "Door/bell"), recording(&sandbox, &[4000, 1000, 7000, 1000, 1000]));
    let folder = sandbox.path("recorded");
    let source = format!("filesrc location={file} ! decodebin");
    let words = ["--source", &source, folder.to_str().unwrap(), "ensembles=1", "allow-labels=<Door/bell>", &model];
    sandbox.script("record-events.sh", &words).finish().succeeded();
    let files = || {
        let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    };
    let first = files();
    let names: Vec<_> = first.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["event-00000.wav", "event-00001.wav"]);
    let whole = samples(&first[0]);
    assert!((whole.len() as f64 / f64::from(RATE) - 6.0).abs() < 0.3, "{}", whole.len());
    assert!(loud(&whole, 0, 2700) == 0.0 && loud(&whole, 3200, 3800) > 0.9 && loud(&whole, 4300, 5600) == 0.0);
    // The last one ends with the recording.
    let last = samples(&first[1]);
    assert!((last.len() as f64 / f64::from(RATE) - 5.0).abs() < 0.3, "{}", last.len());
    // Another run keeps the files of the first.
    let before: Vec<_> = first.iter().map(|file| fs::read(file).unwrap()).collect();
    sandbox.script("record-events.sh", &words).finish().succeeded();
    assert_eq!(first.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>(), before);
    assert_eq!(files().len(), 4);
    // Numbers count on above all files, those behind a missing one and links that lead nowhere included.
    fs::remove_file(folder.join("event-00001.wav")).unwrap();
    let nowhere = sandbox.path("nowhere");
    std::os::unix::fs::symlink(&nowhere, folder.join("event-00008.wav")).unwrap();
    sandbox.script("record-events.sh", &words).finish().succeeded();
    assert!(!nowhere.exists() && folder.join("event-00009.wav").exists() && folder.join("event-00010.wav").exists());
    assert!(!folder.join("event-00001.wav").exists());
}

#[test]
fn a_folder_of_recordings_may_have_any_name() {
    let sandbox = Sandbox::new();
    let (model, file) = (model(&sandbox, "Door/bell"), recording(&sandbox, &[2000, 1000, 1000]));
    let folder = sandbox.path("10%d of 50%s");
    let source = format!("filesrc location={file} ! decodebin");
    let words = ["--source", &source, folder.to_str().unwrap(), "ensembles=1", "allow-labels=<Door/bell>", &model];
    sandbox.script("record-events.sh", &words).finish().succeeded();
    assert!(folder.join("event-00000.wav").exists());
}

#[test]
fn a_live_stream_without_events_is_recorded_to_its_end() {
    let mut sandbox = Sandbox::new();
    // `wavenc` (1.22) warns at an end without audio.
    sandbox.variables.push(("G_DEBUG", "fatal-criticals".into()));
    let model = model(&sandbox, "Door/bell");
    let folder = sandbox.path("recorded");
    let source = "audiotestsrc is-live=true num-buffers=60 wave=silence ! audio/x-raw,rate=16000";
    let words = ["--source", source, folder.to_str().unwrap(), "ensembles=1", "allow-labels=<Door/bell>", &model];
    sandbox.script("record-events.sh", &words).finish().succeeded();
    assert!(fs::read_dir(&folder).unwrap().all(|file| file.unwrap().metadata().unwrap().len() <= 44));
}

#[test]
fn a_label_is_muted_from_onset_to_end() {
    let sandbox = Sandbox::new();
    let (model, file) = (model(&sandbox, "Siren"), recording(&sandbox, &[1000, 2000, 2000, 100, 900]));
    let muted = sandbox.path("muted.wav");
    let source = format!("filesrc location={file} ! decodebin");
    let sink = format!("audio/x-raw,format=S16LE ! wavenc ! filesink location={}", muted.display());
    sandbox.script("mute.sh", &["--source", &source, "--sink", &sink, "Siren", &model]).finish().succeeded();
    let (before, after) = (samples(Path::new(&file)), samples(&muted));
    assert_eq!(before.len(), after.len());
    assert!(loud(&before, 1100, 2800) > 0.9 && loud(&after, 1100, 2800) == 0.0);
    assert!(loud(&after, 5010, 5090) > 0.9, "too short for an event");
}
