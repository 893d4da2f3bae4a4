// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests of the companion program share: the program, sounds to feed it, a model without training.

use std::{
    f64::consts::TAU,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    thread::JoinHandle,
};

use crate::common::errors::without_schema_errors;

/// Manifest of the model that distinguishes low, middle and high tones and silence.
pub(crate) const TONES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tones/tones.toml");
/// Frequencies that the model distinguishes, Hz.
pub(crate) const LOW: f64 = 300.0;
pub(crate) const MIDDLE: f64 = 1300.0;
pub(crate) const HIGH: f64 = 5000.0;

/// The program.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soundclassify"));
    command.env_remove("NO_COLOR").env("G_DEBUG", "fatal-criticals");
    command
}

/// Runs the program to its end.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    program().args(arguments).output().unwrap()
}

/// Standard output of a run that must succeed.
#[track_caller]
pub(crate) fn stdout<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{:?}: {}", output.status, text(&output.stderr));
    text(&output.stdout)
}

/// Sends a signal to a program.
#[track_caller]
pub(crate) fn signal(name: &str, child: &Child) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Ctrl-C; a request to terminate where the tests run in the background of a shell, which has Ctrl-C ignored by all that
/// they start.
#[track_caller]
pub(crate) fn interrupt(child: &Child) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0");
    let ignored = u64::from_str_radix(mask.trim(), 16).unwrap() & 0b10 != 0;
    signal(if ignored { "-TERM" } else { "-INT" }, child);
}

/// What a program printed, without what ONNX Runtime has to say.
pub(crate) fn text(bytes: &[u8]) -> String {
    without_schema_errors(&String::from_utf8_lossy(bytes))
}

/// Reads standard error of a program from now on: one that fills the pipe would wait. What it printed, at its end.
pub(crate) fn collect_errors(child: &mut Child) -> JoinHandle<String> {
    let mut errors = child.stderr.take().unwrap();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        errors.read_to_end(&mut bytes).unwrap();
        text(&bytes)
    })
}

/// The objects of JSON lines.
pub(crate) fn objects(lines: &str) -> Vec<serde_json::Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Writes a recording: tones of (Hz, seconds) one after another, 0 Hz is silence.
pub(crate) fn tones(path: &Path, parts: &[(f64, f64)]) -> PathBuf {
    const RATE: u32 = 16_000;
    let spec =
        hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for &(frequency, seconds) in parts {
        for n in 0..(seconds * f64::from(RATE)) as u32 {
            let value = 0.4 * (TAU * frequency * f64::from(n) / f64::from(RATE)).sin();
            writer.write_sample((value * 32767.0) as i16).unwrap();
        }
    }
    writer.finalize().unwrap();
    path.to_owned()
}

/// Three tones, each a second long, with silence between.
pub(crate) fn melody(folder: &Path) -> PathBuf {
    let parts = [(LOW, 1.0), (0.0, 1.0), (MIDDLE, 1.0), (0.0, 1.0), (HIGH, 1.0), (0.0, 1.0)];
    tones(&folder.join("melody.wav"), &parts)
}

/// A model of the labels a, b and c whose network has its weights, all of this value, in the file `weights.bin`, and
/// leaves sums of them as they are. Its manifest.
pub(crate) fn outside(folder: &Path, weight: f32) -> PathBuf {
    let network = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/models/outside.onnx");
    std::fs::copy(network, folder.join("outside.onnx")).unwrap();
    let weights: Vec<u8> = [weight; 24 * 3].into_iter().flat_map(f32::to_le_bytes).collect();
    std::fs::write(folder.join("weights.bin"), weights).unwrap();
    let manifest = folder.join("outside.toml");
    let text = small_manifest("outside", "[output]\nactivation = \"none\"");
    std::fs::write(&manifest, text.replace("\"none\"\n\n[features]", "\"minmax\"\n\n[features]")).unwrap();
    manifest
}

/// A manifest of a network `NAME.onnx` of `tests/data/models`: windows of 4 bands by 6 frames, the labels a, b and c.
pub(crate) fn small_manifest(name: &str, output: &str) -> String {
    format!(
        r#"
name = "{name}"
description = "A test"
licence = "MIT OR Apache-2.0"
version = "1"
onnx = "{name}.onnx"

[input]
layout = "mels-frames"
channel-axis = "first"
normalize = "none"

[features]
sample-rate = 16000
window = 0.1
n-fft = 512
hop-length = 160
n-mels = 4
frames = 6

{output}

[labels]
names = ["a", "b", "c"]
"#
    )
}
