// SPDX-License-Identifier: MIT OR Apache-2.0
//! Recordings of many formats, some damaged: those of `../shared/cases/streams/files.sh`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{TONES, objects, run, text};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/cases/streams/files.sh");

/// What GStreamer's base and good plugins read: 5.7 s, of which windows of half a second make so many.
const READ: [&str; 20] = [
    "base.wav",
    "s24.wav",
    "f64.wav",
    "u8.wav",
    "ext51.wav",
    "adpcm_ms.wav",
    "adpcm_ima.wav",
    "rf64.wav",
    "pipe_ffff.wav",
    "len0.wav",
    "len7f.wav",
    "oddchunk.wav",
    "odd_tail.wav",
    "trailing_list.wav",
    "center71.wav",
    "wide16.wav",
    "hi384.wav",
    "r250k.wav",
    "antiphase.wav",
    "base.au",
];
const WINDOWS: std::ops::RangeInclusive<usize> = 51..=54;

/// Two links of a chain with one serial number, which RFC 3533 forbids: how much of the second `oggdemux` (1.22) gives is
/// a matter of timing. A chain with two numbers is read whole.
const AMBIGUOUS: &str = "chained.ogg";

/// Nothing in them can be read.
const FAIL: [&str; 5] = ["empty.wav", "headeronly.wav", "truncheader.wav", "noaudio.mp4", "trunc.m4a"];

/// The recordings; `None` with a printed reason where they can't be made.
fn recordings(folder: &Path) -> Option<Vec<PathBuf>> {
    if !Path::new(SCRIPT).exists() {
        println!("skipped: {SCRIPT} is missing");
        return None;
    }
    for program in ["sox", "ffmpeg"] {
        if Command::new(program).arg("-version").output().is_err() {
            println!("skipped: {program} is not installed");
            return None;
        }
    }
    Command::new("bash").arg(SCRIPT).arg(folder).output().unwrap();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    if !files.iter().any(|file| file.ends_with("base.wav")) {
        println!("skipped: {SCRIPT} makes no recordings here");
        return None;
    }
    Some(files)
}

#[test]
fn file_and_features_read_the_same_of_each_recording() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let Some(files) = recordings(&made) else { return };
    let array = folder.path().join("all.npy");
    let model = ["--model", TONES];
    let names: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();

    let classified = run(["file", "--json", "--threshold", "0"].iter().chain(&model).chain(&names));
    let features = run(["features", "-o", array.to_str().unwrap()].iter().chain(&model).chain(&names));

    let (errors, others) = (text(&classified.stderr), text(&features.stderr));
    assert_eq!((classified.status.code(), features.status.code()), (Some(1), Some(1)), "{errors}{others}");
    let mut windows: BTreeMap<String, usize> = BTreeMap::new();
    for object in objects(&text(&classified.stdout)) {
        *windows.entry(object["input"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let index = std::fs::read_to_string(array.with_extension("csv")).unwrap();
    let rows = index.lines().skip(1).map(|line| {
        let columns: Vec<_> = line.split(',').collect();
        (columns[0].to_owned(), columns[2].parse().unwrap())
    });
    let mut rows: BTreeMap<String, usize> = rows.collect();
    let ambiguous = made.join(AMBIGUOUS).to_str().unwrap().to_owned();
    for windows in [&mut rows, &mut windows] {
        let count = windows.remove(&ambiguous);
        assert!(count.is_none_or(|count| count >= *WINDOWS.start()), "{ambiguous}: {count:?}");
    }
    assert_eq!(rows, windows);
    // What has no window is named with a reason.
    for name in names.iter().filter(|name| ***name != ambiguous) {
        let named = errors.lines().any(|line| line.contains(name) && !line.contains("warning:"));
        assert_eq!(windows.contains_key(*name), !named, "{name}: {errors}");
    }
    let count = |name: &str| windows.get(made.join(name).to_str().unwrap()).copied().unwrap_or(0);
    let read: Vec<_> = READ.iter().map(|name| (name, count(name))).collect();
    assert!(read.iter().all(|(_, count)| WINDOWS.contains(count)), "{read:?}");
    assert!(FAIL.iter().all(|name| count(name) == 0), "{windows:?}");
    println!("{} of {} recordings have windows", windows.len(), names.len());
}

#[test]
fn a_chain_of_ogg_streams_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    if recordings(&made).is_none() {
        return;
    }
    let link = |serial: &str| {
        let ogg = folder.path().join(format!("{serial}.ogg"));
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-i"]).arg(made.join("base.wav")).args(["-serial_offset", serial]).arg(&ogg);
        assert!(ffmpeg.status().unwrap().success());
        std::fs::read(ogg).unwrap()
    };
    let chain = folder.path().join("chain.ogg");
    std::fs::write(&chain, [link("1000"), link("2000")].concat()).unwrap();

    let classified = run(["file", "--json", "--threshold", "0", "--model", TONES, chain.to_str().unwrap()]);

    let windows = objects(&text(&classified.stdout));
    assert!((2 * WINDOWS.start()..=2 * WINDOWS.end()).contains(&windows.len()), "{}", text(&classified.stderr));
    let end = windows.last().unwrap()["stream-time"].as_u64().unwrap();
    assert!(end > 10_500_000_000, "{end}");
}
