// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the companion program costs beside the bare pipeline, and what `scan` gains on all cores. Ratios in one run,
//! medians.
//!
//!     ORT_DYLIB_PATH=target/onnxruntime/libonnxruntime.so cargo bench --bench companion

use std::{
    f64::consts::TAU,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use gst::prelude::*;

const ROUNDS: usize = 5;
/// Length of the recording that both `file` and the bare pipeline classify; an hour with `SOUNDCLASSIFY_BENCH_SECONDS=3600`.
const SECONDS: u32 = 120;
const FILES_PER_CORE: usize = 30;
const FILE_SECONDS: u32 = 20;
const TONES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tones/tones.toml");

fn main() {
    gst::init().unwrap();
    gstsoundclassify::plugin_register_static().unwrap();
    let folder = tempfile::tempdir().unwrap();
    println!("| what | against, in the same run | ratio | goal |\n|---|---|---|---|");
    let speed = file_against_pipeline(folder.path());
    scan_against_file(folder.path(), speed);
    scan_memory(folder.path());
}

fn row(what: &str, against: &str, ratio: f64, goal: &str) {
    println!("| {what} | {against} | {ratio:.2} | {goal} |");
}

fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn recording(path: &Path, rate: u32, seconds: u32) -> PathBuf {
    let (bits_per_sample, sample_format) = (16, hound::SampleFormat::Int);
    let spec = hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample, sample_format };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for n in 0..rate * seconds {
        let at = f64::from(n) / f64::from(rate);
        let tone = (TAU * 440.0 * at).sin() * (TAU * 0.7 * at).sin();
        let noise = f64::from(n.wrapping_mul(2_654_435_761) >> 16) / 65536.0 - 0.5;
        writer.write_sample((8000.0 * tone + 2000.0 * noise) as i16).unwrap();
    }
    writer.finalize().unwrap();
    path.to_owned()
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soundclassify"));
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The pipeline without the program: decoder, element, sink, and nobody who reads the messages but their end.
fn bare(path: &Path) {
    let line = format!("filesrc location=\"{}\" ! decodebin ! soundclassify ! fakesink sync=false", path.display());
    let pipeline = gst::parse::launch(&line).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(gst::ClockTime::NONE, &[gst::MessageType::Eos, gst::MessageType::Error]).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
}

/// Gives the speed of `file`, seconds of sound a second.
fn file_against_pipeline(folder: &Path) -> f64 {
    let seconds =
        std::env::var("SOUNDCLASSIFY_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let path = recording(&folder.join("long.wav"), 44_100, seconds);
    let name = path.to_str().unwrap();
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let own = time(|| assert!(program(&["file", name]).status().unwrap().success()));
            (own, time(|| bare(&path)))
        })
        .collect();
    let ratio = median(rounds.iter().map(|(own, bare)| bare / own).collect());
    row(&format!("speed of `file`, {seconds} s"), "the bare pipeline", ratio, "≥ 0.9");
    f64::from(seconds) / median(rounds.iter().map(|round| round.0).collect())
}

fn scan_against_file(folder: &Path, speed: f64) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let many = folder.join("many");
    std::fs::create_dir(&many).unwrap();
    let first = recording(&many.join("0.wav"), 44_100, FILE_SECONDS);
    let files = cores * FILES_PER_CORE;
    for number in 1..files {
        std::fs::hard_link(&first, many.join(format!("{number}.wav"))).unwrap();
    }
    let out = folder.join("out.jsonl");
    let arguments = ["scan", many.to_str().unwrap(), "-o", out.to_str().unwrap(), "--quiet", "--restart"];
    let share = recording(&folder.join("share.wav"), 44_100, FILE_SECONDS * FILES_PER_CORE as u32);
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let scan = time(|| assert!(program(&arguments).status().unwrap().success()));
            (scan, time(|| at_once(cores, share.to_str().unwrap())))
        })
        .collect();
    let throughput = files as f64 * f64::from(FILE_SECONDS) / median(rounds.iter().map(|round| round.0).collect());
    let against = format!("{cores} × one run of `file`");
    row("throughput of `scan`", &against, throughput / (cores as f64 * speed), "≥ 0.9, on an idle machine");
    // The same where other programs want the cores, too.
    let ratio = median(rounds.iter().map(|(scan, files)| files / scan).collect());
    row("throughput of `scan`", &format!("{cores} runs of `file` at once"), ratio, "≥ 0.9");
}

fn at_once(count: usize, name: &str) {
    let children: Vec<_> = (0..count).map(|_| program(&["file", name]).spawn().unwrap()).collect();
    children.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
}

/// Memory of the scan's own process over ten times the files.
fn scan_memory(folder: &Path) {
    let peak = |files: usize| {
        let many = folder.join(format!("short-{files}"));
        std::fs::create_dir(&many).unwrap();
        let first = recording(&many.join("0.wav"), 16_000, 1);
        (1..files).for_each(|number| std::fs::hard_link(&first, many.join(format!("{number}.wav"))).unwrap());
        let out = folder.join(format!("short-{files}.jsonl"));
        let arguments = ["scan", "--quiet", "--model", TONES, many.to_str().unwrap(), "-o", out.to_str().unwrap()];
        let mut child = program(&arguments).spawn().unwrap();
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            peak = peak.max(resident_kib(child.id()).unwrap_or(0));
            std::thread::sleep(Duration::from_millis(20));
        }
        peak as f64
    };
    let (few, many) = (peak(300), peak(3000));
    row("memory of `scan`, 3000 files", "300 files", many / few, "≤ 1.1");
}

fn resident_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find(|line| line.starts_with("VmHWM:"))?.split_whitespace().nth(1)?.parse().ok()
}
