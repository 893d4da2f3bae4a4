// SPDX-License-Identifier: MIT OR Apache-2.0
//! Level and wall-clock time in the messages.

use std::f64::consts::TAU;
use std::time::{Duration, SystemTime};

use gst::ClockTime;
use gst::prelude::*;
use gstsoundclassify::{Classification, ClassificationEvent};

use crate::common::rig::{RATE, Rig, TestModel, buffer, init, noise, pts};

fn now() -> ClockTime {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().try_into().unwrap()
}

/// Messages of a pipeline that plays a source through the element.
fn played(source: &str) -> Vec<Classification> {
    init();
    let model = TestModel::new("linear");
    let line = format!("{source} ! soundclassify model={} ! fakesink", model.manifest().display());
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut messages = Vec::new();
    loop {
        let message = bus.timed_pop(ClockTime::from_seconds(20)).unwrap();
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{error:?}"),
            gst::MessageView::Element(_) => {
                messages.extend(message.structure().and_then(|structure| Classification::try_from(structure).ok()));
            }
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    messages
}

#[test]
fn the_level_is_of_the_mix_before_resampling() {
    let model = TestModel::new("linear");
    for (rate, channels, factor) in [(RATE, 1, 1.0), (48_000, 1, 1.0), (48_000, 2, 0.5)] {
        let mut rig = Rig::with(&model, |_| {});
        rig.set_caps("F32LE", rate as i32, channels, "interleaved");
        // Above what the model's rate can hold: resampling leaves little of it.
        let tone = |n: usize| (TAU * 0.25 * n as f64).sin() as f32 * 0.5;
        let frames = (0..2 * rate).map(|n| if n < rate { tone(n) } else { 0.0 });
        let silent = std::iter::repeat_n(0.0, channels as usize - 1);
        let samples: Vec<f32> = frames.flat_map(|frame| std::iter::once(frame).chain(silent.clone())).collect();
        for (number, block) in samples.chunks(441 * channels as usize).enumerate() {
            rig.push(block, Some(pts(441 * number, rate)));
        }
        let messages = rig.classifications();
        let (first, last) = (&messages[0], messages.last().unwrap());
        let peak = 20.0 * (0.5f64 * factor).log10();
        assert!((first.rms - (peak - 3.01)).abs() < 0.05, "{first:?}");
        assert!((first.peak - peak).abs() < 0.1, "{first:?}");
        assert_eq!((last.rms, last.peak), (-350.0, -350.0));
    }
}

#[test]
fn the_level_does_not_depend_on_buffer_sizes() {
    let model = TestModel::new("linear");
    let samples = noise(3 * RATE, 1);
    let levels = |sizes: &[usize]| {
        let mut rig = Rig::plain(&model);
        rig.push_in(&samples, sizes);
        rig.classifications().iter().map(|window| (window.window, window.rms, window.peak)).collect::<Vec<_>>()
    };
    let (whole, parts) = (levels(&[3 * RATE]), levels(&[1, 7, 1000, 333]));
    assert!(whole.len() > 20);
    assert_eq!(whole, parts);
}

#[test]
fn utc_is_the_sources_own_where_it_has_one() {
    let model = TestModel::new("loudness");
    let mut rig =
        Rig::with(&model, |element| element.set_property_from_str("report", "all")).caps("F32LE", RATE as i32, 1);
    let noon = ClockTime::from_seconds(1_800_000_000);
    for (kind, zero) in [("timestamp/x-unix", 0), ("timestamp/x-ntp", 2_208_988_800)] {
        let caps = gst::Caps::new_empty_simple(kind);
        for second in 0..3 {
            let at = pts(second * RATE, RATE);
            let mut buffer = buffer(&noise(RATE, 1).iter().map(|sample| sample * 4.0).collect::<Vec<_>>(), Some(at));
            let utc = noon + at + ClockTime::from_seconds(zero);
            // Not every buffer need have it.
            if second != 1 {
                gst::ReferenceTimestampMeta::add(buffer.get_mut().unwrap(), &caps, utc, ClockTime::NONE);
            }
            rig.harness.push(buffer).unwrap();
        }
        // The next kind's timestamps begin anew.
        rig.element.emit_by_name::<()>("reset", &[]);
        let (mut windows, mut events) = (0, 0);
        while let Some(message) = rig.bus.pop_filtered(&[gst::MessageType::Element]) {
            let structure = message.structure().unwrap();
            if let Ok(event) = ClassificationEvent::try_from(structure) {
                assert_eq!(event.utc, Some(noon + event.timestamp), "{kind}");
                events += 1;
            } else {
                let window = Classification::try_from(structure).unwrap();
                assert_eq!(window.utc, Some(noon + window.timestamp), "{kind}");
                windows += 1;
            }
        }
        assert!(windows > 20 && events >= 2, "{kind}: {windows} {events}");
    }
}

#[test]
fn utc_is_this_machines_for_live_sources_and_absent_for_others() {
    let begun = now();
    let live = played(
        "audiotestsrc is-live=true num-buffers=20 samplesperbuffer=800 wave=white-noise ! audio/x-raw,rate=8000",
    );
    let ended = now();
    assert!(live.len() > 5);
    for window in &live {
        let utc = window.utc.unwrap();
        // The source sends a buffer when its first sample is due.
        let (buffer, end) = (ClockTime::from_mseconds(100), utc + window.duration);
        assert!(utc + buffer > begun && end < ended + buffer, "{begun} {window:?} {ended}");
    }
    let apart = |pair: &[Classification]| pair[1].utc.unwrap().absdiff(pair[0].utc.unwrap());
    let step = Duration::from_millis(128);
    assert!(live.windows(2).all(|pair| apart(pair) < ClockTime::try_from(step).unwrap()), "{live:?}");

    let file = played("audiotestsrc num-buffers=20 samplesperbuffer=800 wave=white-noise ! audio/x-raw,rate=8000");
    assert!(file.len() > 5 && file.iter().all(|window| window.utc.is_none()), "{file:?}");
}
