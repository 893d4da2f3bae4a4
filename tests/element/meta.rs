// SPDX-License-Identifier: MIT OR Apache-2.0
//! Results on buffers: which buffer carries which, and that nothing else about it changes.

use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_analytics::prelude::*;
use gst_analytics::{AnalyticsClassificationMtd, AnalyticsRelationMeta};
use gstsoundclassify::Classification;

use crate::common::rig::{RATE, Rig, TestModel, WINDOW, buffer, noise, pts, windows_in};

/// Labels and confidences of one classification.
type Reported = Vec<(String, f64)>;

/// All classifications of a buffer, which has one meta for them or none.
#[track_caller]
fn reported_by(buffer: &gst::BufferRef) -> Vec<Reported> {
    assert!(buffer.iter_meta::<AnalyticsRelationMeta>().count() <= 1);
    let Some(meta) = buffer.meta::<AnalyticsRelationMeta>() else { return Vec::new() };
    let labels = (0..).map_while(|id| meta.mtd::<AnalyticsClassificationMtd>(id));
    let reported: Vec<Reported> = labels
        .map(|reported| {
            reported.iterate().map(|(label, level)| (label.as_str().to_string(), f64::from(level))).collect()
        })
        .collect();
    assert_eq!(reported.len(), meta.len());
    assert!(!reported.is_empty(), "a meta that says nothing");
    reported
}

fn reported(messages: &[Classification]) -> Vec<Reported> {
    let predictions = messages.iter().map(|reported| reported.predictions.iter());
    predictions.map(|labels| labels.map(|label| (label.label.clone(), label.probability)).collect()).collect()
}

fn rig(model: &TestModel, setup: impl FnOnce(&gst::Element)) -> Rig {
    let rig = Rig::with(model, |element| {
        element.set_property("add-meta", true);
        setup(element);
    });
    rig.caps("F32LE", RATE as i32, 1)
}

#[test]
fn the_buffer_that_completes_a_window_carries_its_result() {
    let model = TestModel::new("linear");
    let mut rig = rig(&model, |_| {});
    let mut seen = 0;
    for (number, part) in noise(2 * RATE, 1).chunks(80).enumerate() {
        rig.push(part, Some(pts(number * 80, RATE)));
        let messages = rig.classifications();
        assert_eq!(reported_by(&rig.harness.pull().unwrap()), reported(&messages), "buffer {number}");
        seen += messages.len() as u64;
    }
    assert_eq!(seen, windows_in(2 * RATE as u64, 10));
}

#[test]
fn a_long_buffer_carries_all_its_windows_in_order() {
    let model = TestModel::new("linear");
    let mut rig = rig(&model, |_| {});
    rig.push(&noise(30 * RATE, 1), None);
    let messages = rig.classifications();
    assert_eq!(messages.len() as u64, windows_in(30 * RATE as u64, 10));
    assert_eq!(reported_by(&rig.harness.pull().unwrap()), reported(&messages));
}

#[test]
fn a_batch_is_on_the_buffer_that_completes_it() {
    let model = TestModel::new("linear");
    let mut rig = rig(&model, |element| element.set_property("process-count", 4u32));
    let mut counts = Vec::new();
    for part in noise(2 * RATE, 1).chunks(80) {
        rig.push(part, None);
        counts.push(reported_by(&rig.harness.pull().unwrap()).len());
    }
    assert!(counts.iter().all(|count| [0, 4].contains(count)), "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>() as u64, windows_in(2 * RATE as u64, 10) / 4 * 4);
}

/// Without waiting, a result is on a buffer that leaves after it became known, once and in order.
#[test]
fn without_waiting_each_result_is_on_one_later_buffer() {
    let model = TestModel::new("linear");
    let mut rig = rig(&model, |element| {
        element.set_property_from_str("sync", "never");
        element.set_property("max-pending", 1000u32);
    });
    let (mut on_buffers, mut messages) = (Vec::new(), Vec::new());
    let windows = windows_in(2 * RATE as u64, 10) as usize;
    let deadline = Instant::now() + Duration::from_secs(20);
    let parts = noise(2 * RATE, 1);
    // Buffers without a sample let the last results out.
    for part in parts.chunks(80).chain(std::iter::repeat(&[][..])) {
        rig.push(part, None);
        messages.extend(rig.classifications());
        on_buffers.extend(reported_by(&rig.harness.pull().unwrap()));
        if on_buffers.len() >= windows || Instant::now() > deadline {
            break;
        }
    }
    messages.extend(rig.classifications());
    assert_eq!(messages.len(), windows);
    assert_eq!(on_buffers, reported(&messages));
}

#[test]
fn no_meta_when_it_is_not_wanted() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    let carried = |rig: &mut Rig| {
        rig.push(&noise(RATE, 1), None);
        reported_by(&rig.harness.pull().unwrap()).len()
    };
    assert_eq!(carried(&mut rig), 0);
    rig.element.set_property("add-meta", true);
    assert!(carried(&mut rig) > 5);
    rig.element.set_property("add-meta", false);
    assert_eq!(carried(&mut rig), 0);
}

#[test]
fn filters_and_silence_hold_and_messages_do_not_matter() {
    let model = TestModel::new("linear");
    let mut rig = rig(&model, |element| {
        element.set_property("post-messages", false);
        element.set_property_from_str("report", "events");
        element.set_property("deny-labels", gst::Array::new(["Meow"]));
        element.set_property("top-k", 1u32);
        element.set_property("silence-threshold", -60.0);
    });
    rig.push(&noise(RATE, 1), None);
    let carried = reported_by(&rig.harness.pull().unwrap());
    assert_eq!(carried.len() as u64, windows_in(RATE as u64, 10));
    assert!(carried.iter().all(|reported| reported.len() == 1 && reported[0].0 != "Meow"), "{carried:?}");
    rig.element.emit_by_name::<()>("reset", &[]);
    rig.push(&vec![0.0; RATE], None);
    assert_eq!(reported_by(&rig.harness.pull().unwrap()), [[]; 0]);
    rig.element.set_property("threshold", 1.0);
    rig.push(&noise(RATE, 1), None);
    assert_eq!(reported_by(&rig.harness.pull().unwrap()), [[]; 0]);
}

/// Memory addresses and all that is not a meta.
fn identity(buffer: &gst::BufferRef) -> (Vec<usize>, Vec<u8>, [Option<gst::ClockTime>; 3], u64, gst::BufferFlags) {
    let memories = (0..buffer.n_memory()).map(|index| buffer.peek_memory(index).as_ptr() as usize).collect();
    let times = [buffer.pts(), buffer.dts(), buffer.duration()];
    (memories, buffer.map_readable().unwrap().to_vec(), times, buffer.offset(), buffer.flags())
}

fn example(second: usize) -> gst::Buffer {
    let mut example = buffer(&noise(RATE, second as u32 + 1), Some(pts(second * RATE, RATE)));
    let writable = example.get_mut().unwrap();
    writable.append_memory(gst::Memory::from_slice([1, 2, 3, 4]));
    writable.set_duration(gst::ClockTime::SECOND);
    writable.set_offset(77);
    writable.set_flags(gst::BufferFlags::MARKER);
    example
}

#[test]
fn the_buffer_stays_the_same_when_nobody_else_holds_it() {
    let model = TestModel::new("linear");
    let mut rig = rig(&model, |_| {});
    for second in 0..3 {
        let sent = example(second);
        let (address, before) = (sent.as_ptr() as usize, identity(&sent.copy()));
        rig.harness.push(sent).unwrap();
        let after = rig.harness.pull().unwrap();
        assert!(!reported_by(&after).is_empty());
        assert_eq!(identity(&after), before);
        assert_eq!(after.as_ptr() as usize, address, "another buffer");
    }
}

#[test]
fn a_buffer_that_others_hold_is_left_alone_and_its_memory_is_shared() {
    let model = TestModel::new("linear");
    let mut rig = rig(&model, |_| {});
    for second in 0..3 {
        let held = example(second);
        rig.harness.push(held.clone()).unwrap();
        let after = rig.harness.pull().unwrap();
        assert!(!reported_by(&after).is_empty());
        assert_eq!(reported_by(&held), [[]; 0], "somebody else's buffer changed");
        assert_eq!(identity(&after), identity(&held));
    }
}

#[test]
fn a_buffer_without_results_is_never_another_one() {
    let model = TestModel::new("linear");
    let mut rig = rig(&model, |_| {});
    let held = buffer(&noise(WINDOW - 1, 1), None);
    rig.harness.push(held.clone()).unwrap();
    assert_eq!(rig.harness.pull().unwrap().as_ptr(), held.as_ptr());
}

#[test]
fn results_join_those_of_an_element_before() {
    let model = TestModel::new("linear");
    let mut rig = rig(&model, |_| {});
    let mut sent = buffer(&noise(RATE, 1), None);
    let mut meta = AnalyticsRelationMeta::add(sent.get_mut().unwrap());
    meta.add_one_cls_mtd(0.5, gst::glib::Quark::from_str("Whistle")).unwrap();
    rig.harness.push(sent).unwrap();
    let carried = reported_by(&rig.harness.pull().unwrap());
    assert_eq!(carried[0], [("Whistle".to_string(), 0.5)]);
    assert_eq!(carried[1..], reported(&rig.classifications()));
}

#[test]
fn nothing_of_before_a_flush_or_the_end_is_on_a_later_buffer() {
    let model = TestModel::new("linear");
    for sync in ["always", "never"] {
        let mut rig = rig(&model, |element| {
            element.set_property_from_str("sync", sync);
            element.set_property("process-count", 64u32);
        });
        let ends: [&dyn Fn(&mut Rig); 3] = [
            &|rig| rig.eos(),
            &|rig| {
                rig.harness.push_event(gst::event::FlushStart::new());
                rig.harness.push_event(gst::event::FlushStop::new(true));
            },
            &|rig| rig.element.emit_by_name::<()>("reset", &[]),
        ];
        for end in ends {
            rig.push(&noise(RATE, 1), None);
            rig.harness.pull().unwrap();
            end(&mut rig);
            rig.harness.push_event(gst::event::StreamStart::new("again"));
            rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
            rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
            rig.push(&noise(80, 1), None);
            assert_eq!(reported_by(&rig.harness.pull().unwrap()), [[]; 0], "{sync}");
        }
    }
}
