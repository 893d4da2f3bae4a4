// SPDX-License-Identifier: MIT OR Apache-2.0
//! Once it is warm, `soundgate` allocates nothing in Rust for a buffer, whatever it does with it. Not counted are GStreamer's
//! own buffers and events, which come from C, and what the gate does once per event or second of audio: events, their
//! messages, and the query for the delay.

use gst::ClockTime;
use gst::prelude::*;
use gst_check::Harness;
use gstsoundclassify::{ClassificationEvent, EventKind, Label};

/// Frames per second.
const RATE: u64 = 48_000;
const MS: u64 = 1_000_000;
/// Buffers of 10 ms: those until it is warm, and those that are counted.
const WARM: u64 = 500;
const COUNTED: u64 = 1000;
/// Every second an event begins and ends, after which the gate asks for the delay.
const SECOND: u64 = 100;

fn gate(mode: &str) -> Harness {
    gst::init().unwrap();
    gstsoundclassify::plugin_register_static().unwrap();
    let gate = gst::ElementFactory::make("soundgate").property("delay", 700 * MS).build().unwrap();
    gate.set_property_from_str("mode", mode);
    gate.set_bus(Some(&gst::Bus::new()));
    let mut harness = Harness::with_element(&gate, Some("sink"), Some("src"));
    harness.set_src_caps_str(&format!("audio/x-raw,format=S16LE,rate={RATE},channels=2,layout=interleaved"));
    harness
}

fn event(id: u64, kind: EventKind, from: u64, length: u64) -> gst::Event {
    let from = ClockTime::from_nseconds(from);
    let event = ClassificationEvent {
        kind,
        event_id: id,
        timestamp: from,
        stream_time: Some(from),
        running_time: Some(from),
        duration: ClockTime::from_nseconds(length),
        utc: None,
        now: Label { label: "Bark".into(), index: 0, probability: 0.9 },
        peak: 0.9,
    };
    let mut structure = event.to_structure();
    structure.set("source", "classify");
    gst::event::CustomDownstream::new(structure)
}

fn buffer(index: u64) -> gst::Buffer {
    // GStreamer's own memory: that of a `Vec` would be copied in Rust.
    let mut buffer = gst::Buffer::with_size((RATE / 100 * 4) as usize).unwrap();
    buffer.get_mut().unwrap().map_writable().unwrap().fill(1);
    let unique = buffer.get_mut().unwrap();
    unique.set_pts(ClockTime::from_nseconds(index * 10 * MS));
    unique.set_duration(ClockTime::from_nseconds(10 * MS));
    buffer
}

/// Allocations in buffers that come neither with an event nor with a query.
fn allocations(mode: &str, has_events: bool) -> u64 {
    let mut harness = gate(mode);
    let bus = harness.element().unwrap().bus().unwrap();
    let (mut count, mut left, mut messages) = (0, 0, 0);
    for index in 0..WARM + COUNTED {
        let now = index * 10 * MS;
        if has_events && index % SECOND == 40 {
            assert!(harness.push_event(event(index / SECOND + 1, EventKind::Start, now - 200 * MS, 0)));
        }
        if has_events && index % SECOND == 80 {
            assert!(harness.push_event(event(index / SECOND + 1, EventKind::End, now - 600 * MS, 450 * MS)));
        }
        let buffer = buffer(index);
        let measured = allocation_counter::measure(|| {
            harness.push(buffer).unwrap();
        });
        let posted = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Element])).count();
        messages += posted;
        if index >= WARM && posted == 0 && !matches!(index % SECOND, 0 | 40 | 80) {
            count += measured.count_total;
        }
        left += u64::from(harness.buffers_in_queue());
        while harness.try_pull().is_some() {}
        while harness.try_pull_event().is_some() {}
    }
    assert_eq!(messages > 0, has_events);
    assert!(left > COUNTED / 3, "{left} buffers came out");
    count
}

#[test]
fn nothing_is_allocated_without_events() {
    for mode in ["mute", "replace", "drop"] {
        assert_eq!(allocations(mode, false), 0, "{mode}");
    }
}

#[test]
fn nothing_is_allocated_while_events_are_acted_on() {
    for mode in ["mute", "replace", "drop", "keep"] {
        assert_eq!(allocations(mode, true), 0, "{mode}");
    }
}
