// SPDX-License-Identifier: MIT OR Apache-2.0
//! Recordings of many formats, some damaged: those of `../shared/cases/streams/files.sh`. The network `hands-on` returns its input,
//! so `file`, which runs the element, prints every value of its windows.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::cli::support::{TONES, objects, run, text};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/cases/streams/files.sh");

/// What GStreamer's base and good plugins read: 5.7 s, which have this many windows of half a second, two per second.
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
const WINDOWS: std::ops::RangeInclusive<usize> = 11..=12;

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
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    if !files.iter().any(|file| file.ends_with("base.wav")) {
        println!("skipped: {SCRIPT} makes no recordings here");
        return None;
    }
    Some(files)
}

/// Values of a window: 50 frames, 12 bands.
const VALUES: usize = 600;

/// A manifest around `hands-on` with the windows of `TONES` and a label for each value.
fn hands_on(folder: &Path) -> PathBuf {
    let network = Path::new(TONES).with_file_name("../models/hands-on.onnx");
    fs::copy(network, folder.join("hands-on.onnx")).unwrap();
    let names: Vec<String> = (0..VALUES).map(|value| format!("\"{value}\"")).collect();
    let manifest = fs::read_to_string(TONES).unwrap();
    let (manifest, _) = manifest.split_once("[labels]").unwrap();
    let manifest = manifest
        .replace("tones.onnx", "hands-on.onnx")
        .replace("\"mels-frames\"", "\"frames-mels\"")
        .replace("channel-axis = \"first\"", "channel-axis = \"none\"")
        .replace("\"softmax\"", "\"none\"");
    let path = folder.join("hands-on.toml");
    fs::write(&path, format!("{manifest}[labels]\nnames = [{}]\n", names.join(", "))).unwrap();
    path
}

/// The values of the windows, by recording.
type Windows = BTreeMap<String, Vec<Vec<u32>>>;

/// Those that `file --json` printed, as bits.
fn windows_of_the_element(printed: &str) -> Windows {
    let mut windows = Windows::new();
    for object in objects(printed) {
        let mut values = vec![0; VALUES];
        for prediction in object["predictions"].as_array().unwrap() {
            let value = prediction["probability"].as_f64().unwrap() as f32;
            values[prediction["index"].as_u64().unwrap() as usize] = value.to_bits();
        }
        windows.entry(object["input"].as_str().unwrap().to_owned()).or_default().push(values);
    }
    windows
}

/// Those in the array of `features`, as bits.
fn windows_of_features(array: &Path) -> Windows {
    let npy = npyz::NpyFile::new(fs::File::open(array).unwrap()).unwrap();
    let values: Vec<u32> = npy.into_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect();
    let mut rows = values.chunks(VALUES).map(<[u32]>::to_vec);
    let index = fs::read_to_string(array.with_extension("csv")).unwrap();
    let files = index.lines().skip(1).map(|line| {
        let columns: Vec<_> = line.split(',').collect();
        let count = columns[2].parse().unwrap();
        (columns[0].to_owned(), rows.by_ref().take(count).collect())
    });
    files.collect()
}

#[test]
fn file_and_features_have_the_same_windows_of_each_recording() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let Some(files) = recordings(&made) else { return };
    let array = folder.path().join("all.npy");
    let manifest = hands_on(folder.path());
    let model = ["--oversamples", "2", "--model", manifest.to_str().unwrap()];
    let names: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();

    let options = ["file", "--json", "--threshold", "0", "--top-k", "1000", "--ensembles", "1"];
    let classified = run(options.iter().chain(&model).chain(&names));
    let features = run(["features", "-o", array.to_str().unwrap()].iter().chain(&model).chain(&names));

    let (errors, others) = (text(&classified.stderr), text(&features.stderr));
    assert_eq!((classified.status.code(), features.status.code()), (Some(1), Some(1)), "{errors}{others}");
    let (mut windows, mut rows) = (windows_of_the_element(&text(&classified.stdout)), windows_of_features(&array));
    let ambiguous = made.join(AMBIGUOUS).to_str().unwrap().to_owned();
    for windows in [&mut rows, &mut windows] {
        let count = windows.remove(&ambiguous).map(|windows| windows.len());
        assert!(count.is_none_or(|count| count >= *WINDOWS.start()), "{ambiguous}: {count:?}");
    }
    let counts =
        |windows: &Windows| -> Vec<_> { windows.iter().map(|(name, windows)| (name.clone(), windows.len())).collect() };
    assert_eq!(counts(&rows), counts(&windows));
    for (name, found) in &windows {
        assert!(rows[name] == *found, "{name}: values differ");
    }
    // What has no window is named with a reason.
    for name in names.iter().filter(|name| ***name != ambiguous) {
        let named = errors.lines().any(|line| line.contains(name) && !line.contains("warning:"));
        assert_eq!(windows.contains_key(*name), !named, "{name}: {errors}");
    }
    let count = |name: &str| windows.get(made.join(name).to_str().unwrap()).map_or(0, Vec::len);
    let read: Vec<_> = READ.iter().map(|name| (name, count(name))).collect();
    assert!(read.iter().all(|(_, count)| WINDOWS.contains(count)), "{read:?}");
    assert!(FAIL.iter().all(|name| count(name) == 0), "{:?}", counts(&windows));
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
        fs::read(ogg).unwrap()
    };
    let chain = folder.path().join("chain.ogg");
    fs::write(&chain, [link("1000"), link("2000")].concat()).unwrap();

    let classified = run(["file", "--json", "--threshold", "0", "--model", TONES, chain.to_str().unwrap()]);

    let windows = objects(&text(&classified.stdout));
    assert!((102..=108).contains(&windows.len()), "{}", text(&classified.stderr));
    let end = windows.last().unwrap()["stream-time"].as_u64().unwrap();
    assert!(end > 10_500_000_000, "{end}");
}
