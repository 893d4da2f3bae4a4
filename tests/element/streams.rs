// SPDX-License-Identifier: MIT OR Apache-2.0
//! One stream after another through the same element: what ends with the first, what begins with the second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::ClockTime;
use gst::prelude::*;
use gstsoundclassify::EventKind;

use super::faults::loud;
use crate::common::rig::{RATE, Rig, TestModel, WINDOW, buffer, kinds, noise, scene, windows_in};

/// The events with which another stream begins.
fn begin(rig: &mut Rig, id: &str) {
    rig.harness.push_event(gst::event::StreamStart::new(id));
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<ClockTime>::new()));
}

#[test]
fn short_streams_are_classified_though_no_end_comes_between() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    begin(&mut rig, "one");
    rig.push(&noise(WINDOW / 2, 1), Some(ClockTime::ZERO));
    begin(&mut rig, "two");
    assert_eq!(rig.classifications().len(), 1);
    rig.push(&noise(RATE, 1), Some(ClockTime::ZERO));
    begin(&mut rig, "three");
    rig.push(&noise(WINDOW / 2, 1), Some(ClockTime::ZERO));
    rig.eos();
    assert_eq!(rig.classifications().len() as u64, windows_in(RATE as u64, 10) + 1);
}

#[test]
fn the_same_stream_reported_again_goes_on() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    begin(&mut rig, "one");
    rig.push(&noise(RATE, 1), Some(ClockTime::ZERO));
    begin(&mut rig, "one");
    rig.push(&noise(RATE, 2), Some(ClockTime::SECOND));
    assert_eq!(rig.classifications().len() as u64, windows_in(2 * RATE as u64, 10));
}

#[test]
fn a_segment_that_is_done_ends_events_and_short_streams() {
    let model = TestModel::new("loudness");
    let mut rig =
        Rig::with(&model, |element| element.set_property_from_str("report", "events")).caps("F32LE", RATE as i32, 1);
    rig.push(&scene(&[(2000, 1.0)]), Some(ClockTime::ZERO));
    rig.harness.push_event(gst::event::SegmentDone::new(ClockTime::from_seconds(2)));
    assert_eq!(kinds(&rig.events()).last(), Some(&EventKind::End));

    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    rig.push(&noise(WINDOW / 2, 1), Some(ClockTime::ZERO));
    rig.harness.push_event(gst::event::SegmentDone::new(ClockTime::from_seconds(1)));
    assert_eq!(rig.classifications().len(), 1);
}

/// A source pad whose latency query says whether it is live.
pub(crate) fn source(live: &Arc<AtomicBool>) -> gst::Pad {
    let live = Arc::clone(live);
    let pad =
        gst::Pad::builder(gst::PadDirection::Src).query_function(move |pad, parent, query| match query.view_mut() {
            gst::QueryViewMut::Latency(latency) => {
                latency.set(live.load(Ordering::SeqCst), ClockTime::ZERO, None);
                true
            }
            _ => gst::Pad::query_default(pad, parent, query),
        });
    pad.build()
}

#[test]
fn each_stream_is_asked_whether_it_is_live() {
    // Its network is much slower than the audio comes.
    let model = TestModel::new("slow");
    let (element, bus) = crate::common::rig::element(&model.manifest());
    element.set_property_from_str("sync", "auto");
    element.set_property("max-pending", 1u32);
    let live = Arc::new(AtomicBool::new(true));
    let pad = source(&live);
    pad.set_active(true).unwrap();
    pad.link(&element.static_pad("sink").unwrap()).unwrap();
    let sink = gst::Pad::builder(gst::PadDirection::Sink).chain_function(|_, _, _| Ok(gst::FlowSuccess::Ok)).build();
    sink.set_active(true).unwrap();
    element.static_pad("src").unwrap().link(&sink).unwrap();
    element.set_state(gst::State::Playing).unwrap();
    let play = |id: &str| {
        pad.push_event(gst::event::StreamStart::new(id));
        let caps = gst::Caps::builder("audio/x-raw").field("format", "F32LE").field("rate", RATE as i32);
        let caps = caps.field("channels", 1).field("layout", "interleaved").build();
        pad.push_event(gst::event::Caps::new(&caps));
        pad.push_event(gst::event::Segment::new(&gst::FormattedSegment::<ClockTime>::new()));
        pad.push(buffer(&loud(2 * RATE), Some(ClockTime::ZERO))).unwrap();
    };
    let dropped = || element.property::<gst::Structure>("stats").get::<u64>("dropped").unwrap();

    play("live");
    let before = dropped();
    live.store(false, Ordering::SeqCst);
    play("file");

    assert!(before > 0, "a live stream is not waited for");
    assert_eq!(dropped(), before, "a file is");
    element.set_state(gst::State::Null).unwrap();
    drop(bus);
}
