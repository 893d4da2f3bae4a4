// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify` and `soundgate` together in pipelines.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use gst::ClockTime;
use gst::prelude::*;

use crate::rig::init;

/// Frames per second of the test model.
const RATE: usize = 8000;

/// A model that detects "Bark" where it is loud, in a folder.
pub(crate) fn model(folder: &Path) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    std::fs::copy(data.join("data/models/loudness.onnx"), folder.join("test.onnx")).unwrap();
    std::fs::copy(data.join("element/test-model.toml"), folder.join("test.toml")).unwrap();
    folder.join("test.toml")
}

/// Noise that is loud in these stretches, ms.
pub(crate) fn scene(length: usize, loud: &[(usize, usize)]) -> Vec<i16> {
    noise(length, &loud.iter().map(|(from, to)| (*from, *to, 0.25)).collect::<Vec<_>>())
}

/// Noise that has these levels in these stretches, ms, and hardly one elsewhere.
pub(crate) fn noise(length: usize, levels: &[(usize, usize, f64)]) -> Vec<i16> {
    let mut state = 1u32;
    let noise = |frame: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let ms = frame * 1000 / RATE;
        let level = levels.iter().find(|(from, to, _)| (*from..*to).contains(&ms)).map_or(0.0001, |level| level.2);
        (((state >> 8) as f64 / f64::from(1 << 23) - 1.0) * level * 32_767.0) as i16
    };
    (0..length * RATE / 1000).map(noise).collect()
}

fn write_wav(path: &Path, samples: &[i16]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE as u32,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
    writer.finalize().unwrap();
}

fn read_wav(path: &Path) -> Vec<i16> {
    hound::WavReader::open(path).unwrap().into_samples::<i16>().map(Result::unwrap).collect()
}

/// Runs a pipeline to its end; the messages of these types that came.
#[track_caller]
pub(crate) fn run(description: &str, types: &[gst::MessageType]) -> Vec<gst::Message> {
    init();
    let pipeline = gst::parse::launch(description).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let (bus, mut messages) = (pipeline.bus().unwrap(), Vec::new());
    for message in bus.iter_timed(ClockTime::from_seconds(60)) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{}: {:?}", error.error(), error.debug()),
            _ if types.contains(&message.type_()) => messages.push(message.clone()),
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    messages
}

const CLASSIFY: &str = "ensembles=1 report=events allow-labels=<Bark>";

#[test]
fn a_file_is_muted_where_it_is_loud() {
    let folder = tempfile::tempdir().unwrap();
    let (model, from, to) = (model(folder.path()), folder.path().join("in.wav"), folder.path().join("out.wav"));
    let loud = [(2000, 2700), (4000, 5500), (7000, 7800)];
    let audio = scene(10_000, &loud);
    write_wav(&from, &audio);
    run(
        &format!(
            "filesrc location={} ! wavparse ! soundclassify model={} {CLASSIFY} ! soundgate before=150000000 after=150000000 \
             ! wavenc ! filesink location={}",
            from.display(),
            model.display(),
            to.display()
        ),
        &[],
    );
    let muted = read_wav(&to);
    assert_eq!(muted.len(), audio.len());
    let changed: Vec<usize> = (0..audio.len()).filter(|frame| muted[*frame] != audio[*frame]).collect();
    let is_near = |frame: usize| {
        let ms = frame * 1000 / RATE;
        loud.iter().any(|(from, to)| (from - 400..to + 400).contains(&ms))
    };
    assert!(changed.iter().all(|frame| is_near(*frame)));
    let loudest = muted.iter().map(|sample| sample.unsigned_abs()).max();
    assert!(loudest < Some(8000 / 4), "something loud is left: {loudest:?}");
}

#[test]
fn muting_starts_within_a_tenth_of_a_second_in_the_median() {
    let folder = tempfile::tempdir().unwrap();
    let (model, from, to) = (model(folder.path()), folder.path().join("in.wav"), folder.path().join("out.wav"));
    let loud: Vec<(usize, usize)> = (0..15).map(|n| (1000 + n * 2137, 1000 + n * 2137 + 500 + n * 40)).collect();
    let audio = scene(34_000, &loud);
    write_wav(&from, &audio);
    run(
        &format!(
            "filesrc location={} ! wavparse ! soundclassify model={} {CLASSIFY} ! soundgate fade=0 ! wavenc ! filesink location={}",
            from.display(),
            model.display(),
            to.display()
        ),
        &[],
    );
    let muted = read_wav(&to);
    let error = |(from, to): &(usize, usize)| {
        let range = (from - 600) * RATE / 1000..(to + 300) * RATE / 1000;
        let first = range.clone().find(|frame| muted[*frame] == 0 && audio[*frame] != 0);
        first.map_or(10_000, |frame| (frame * 1000 / RATE).abs_diff(*from))
    };
    let mut errors: Vec<usize> = loud.iter().map(error).collect();
    errors.sort_unstable();
    println!("muting starts beside the true start by, ms: {errors:?}");
    assert!(errors[errors.len() / 2] <= 100, "{errors:?}");
}

#[test]
fn a_file_per_event_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (model, from) = (model(folder.path()), folder.path().join("in.wav"));
    write_wav(&from, &scene(10_000, &[(2000, 2700), (4000, 5500), (7000, 7800)]));
    run(
        &format!(
            "filesrc location={} ! wavparse ! soundclassify model={} {CLASSIFY} ! soundgate mode=keep before=200000000 \
             after=200000000 ! splitmuxsink async-handling=true muxer=wavenc max-size-time=1 location={}/event-%02d.wav",
            from.display(),
            model.display(),
            folder.path().display()
        ),
        &[],
    );
    let files: Vec<PathBuf> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut lengths: Vec<(PathBuf, usize)> = files
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("event-")))
        .map(|path| (path.clone(), read_wav(&path).len() * 1000 / RATE))
        .collect();
    lengths.sort();
    assert_eq!(lengths.len(), 3, "{lengths:?}");
    for ((_, length), wanted) in lengths.iter().zip([1100, 1900, 1200]) {
        assert!(length.abs_diff(wanted) < 300, "{lengths:?}");
    }
}

#[test]
fn a_live_pipeline_is_in_time_with_the_answered_latency() {
    // 10 ms of the source, a stride of 100 ms of `sync=always`, 500 ms of the gate.
    is_in_time(200, 80, "sync=always", 600);
}

#[test]
fn a_live_pipeline_of_buffers_longer_than_the_delay_is_in_time() {
    // 600 ms of the source, 500 ms of the gate.
    is_in_time(4, 4800, "sync=never", 1100);
}

/// Runs a live source with so many buffers of so many frames; `wanted`: the minimum latency, ms.
#[track_caller]
fn is_in_time(buffers: u32, frames: u32, sync: &str, wanted: u64) {
    init();
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    let pipeline = gst::parse::launch(&format!(
        "audiotestsrc is-live=true num-buffers={buffers} samplesperbuffer={frames} ! audio/x-raw,rate=8000,channels=1 ! \
         soundclassify model={} {sync} {CLASSIFY} ! soundgate delay=500000000 ! \
         fakesink name=sink sync=true qos=true max-lateness=100000000",
        model.display()
    ))
    .unwrap();
    let late = Arc::new(Mutex::new(0));
    let sink = pipeline.downcast_ref::<gst::Bin>().unwrap().by_name("sink").unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    for message in bus.iter_timed(ClockTime::from_seconds(30)) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{}", error.error()),
            gst::MessageView::Qos(qos) if qos.src() == Some(sink.upcast_ref()) => *late.lock().unwrap() += 1,
            _ => {}
        }
    }
    let mut latency = gst::query::Latency::new();
    assert!(pipeline.query(&mut latency));
    let (live, min, _) = latency.result();
    assert!(live && min >= ClockTime::from_mseconds(wanted), "{live} {min}");
    let dropped = sink.property::<gst::Structure>("stats").get::<u64>("dropped").unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!((*late.lock().unwrap(), dropped), (0, 0));
}
