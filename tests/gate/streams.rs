// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flushes, ends, gaps, caps changes and live changes of properties while audio is held.

use gst::prelude::*;
use gstsoundclassify::{EventKind, GateEvent};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::rig::{Event, MS, RATE, Rig, event, frame_at, laid_out, signal};

fn gate(delay: u64) -> Rig {
    Rig::new(|gate| gate.set_property("delay", delay))
}

#[test]
fn audio_is_held_for_the_delay_and_no_longer() {
    let mut rig = gate(500 * MS);
    let audio = signal(16_000);
    for (index, chunk) in audio.chunks(80).enumerate() {
        rig.push(chunk, index as u64 * 80);
        let left: usize = (index + 1) * 80;
        let out = rig.harness.buffers_in_queue() as usize * 80;
        assert_eq!(left - out, left.min(4000), "{index}");
    }
}

#[test]
fn live_audio_is_never_held_longer_whatever_the_sizes_of_buffers() {
    let mut rig = gate(505 * MS);
    rig.harness.set_live(true);
    for index in 0..200u64 {
        rig.push(&signal(80), index * 80);
        let held = (index + 1) * 80 - u64::from(rig.harness.buffers_in_queue()) * 80;
        // Of the buffer that just came, the first sample is 10 ms old.
        assert!(held <= 4040, "{index}: {held}");
        assert!(index < 60 || held >= 3960, "{index}: {held}");
    }
}

#[test]
fn of_long_live_buffers_each_sample_is_held_for_the_delay() {
    for frames in [800, 8000, 12_345] {
        let mut rig = gate(505 * MS);
        rig.harness.set_live(true);
        let audio = signal(frames * 6);
        let mut left = Vec::new();
        for (index, chunk) in audio.chunks(frames).enumerate() {
            rig.push(chunk, (index * frames) as u64);
            left.extend(rig.out());
            let (came, went) = ((index + 1) * frames, left.iter().map(|(_, samples, _)| samples.len()).sum::<usize>());
            assert_eq!(came - went, came.min(4040), "{frames} {index}");
        }
        rig.eos();
        left.extend(rig.out());
        assert!(left.iter().all(|(.., discont)| !discont), "{frames}");
        assert_eq!(left.iter().map(|(frame, ..)| *frame).collect::<Vec<_>>(), {
            let lengths = left.iter().map(|(_, samples, _)| samples.len() as u64);
            lengths.scan(0, |at, length| Some(std::mem::replace(at, *at + length))).collect::<Vec<_>>()
        });
        let all = laid_out(&left, audio.len());
        assert!(all == audio.iter().copied().map(Some).collect::<Vec<_>>(), "{frames}");
    }
}

#[test]
fn an_event_is_muted_exactly_in_live_buffers_that_are_longer_than_the_delay() {
    let mut rig = gate(505 * MS);
    rig.harness.set_live(true);
    let audio = signal(40_000);
    rig.run(&audio, &[8000], &[event(1, 1700 * MS, 2300 * MS), event(2, 2950 * MS, 3010 * MS)], 500 * MS);
    let got = laid_out(&rig.out(), audio.len());
    let muted: Vec<usize> = (0..audio.len()).filter(|frame| got[*frame] == Some(0)).collect();
    let wanted: Vec<usize> = (13_600..18_400).chain(23_600..24_080).collect();
    assert!(muted == wanted, "{:?}…{:?}, {}", muted.first(), muted.last(), muted.len());
}

#[test]
fn whatever_timestamps_say_no_more_than_the_delay_is_held() {
    let mut rig = gate(500 * MS);
    let audio = signal(80);
    for index in 0..300u64 {
        // Back and forth, and none at all.
        rig.push(&audio, [index * 80, 0, 1_000_000, 17][index as usize % 4]);
        assert!(index + 1 - u64::from(rig.harness.buffers_in_queue()) <= 51, "{index}");
    }
}

#[test]
fn a_flush_empties_it_and_the_end_lets_all_out() {
    let mut rig = gate(500 * MS);
    rig.push(&signal(4000), 0);
    rig.send(event(1, 0, 100 * MS), EventKind::Start);
    rig.harness.push_event(gst::event::FlushStart::new());
    rig.harness.push_event(gst::event::FlushStop::new(true));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    rig.harness.push_event(gst::event::Segment::new(&segment));
    rig.push(&signal(800), 0);
    rig.eos();
    assert_eq!(rig.out(), [(0, signal(800), false)]);
}

#[test]
fn caps_and_tags_that_were_held_apply_behind_a_flush() {
    let mut rig = gate(1500 * MS);
    rig.push(&signal(4000), 0);
    rig.set_caps("F32LE", RATE as i32, 2);
    let mut tags = gst::TagList::new();
    tags.get_mut().unwrap().add::<gst::tags::Title>(&"a title", gst::TagMergeMode::Replace);
    rig.harness.push_event(gst::event::Tag::new(tags));
    rig.harness.push_event(gst::event::FlushStart::new());
    rig.harness.push_event(gst::event::FlushStop::new(true));
    rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    rig.push(&signal(4000), 0);
    rig.eos();

    assert_eq!(rig.out().len(), 1);
    let events: Vec<gst::Event> = std::iter::from_fn(|| rig.harness.try_pull_event()).collect();
    let position = |kind: gst::EventType| events.iter().rposition(|event| event.type_() == kind).unwrap();
    let caps = match events[position(gst::EventType::Caps)].view() {
        gst::EventView::Caps(caps) => caps.caps_owned(),
        _ => unreachable!(),
    };
    assert_eq!(caps.structure(0).unwrap().get::<&str>("format"), Ok("F32LE"));
    let flush = position(gst::EventType::FlushStop);
    assert!(position(gst::EventType::Caps) > flush && position(gst::EventType::Tag) > flush, "{events:?}");
    let segments = events[flush..].iter().filter(|event| event.type_() == gst::EventType::Segment);
    assert_eq!(segments.count(), 1, "{events:?}");
}

#[test]
fn a_caps_change_keeps_its_place_and_audio_of_both_formats_is_muted() {
    let mut rig = gate(1500 * MS);
    rig.push(&signal(4000), 0);
    rig.set_caps("F32LE", RATE as i32, 2);
    let mut buffer = gst::Buffer::from_mut_slice(1f32.to_le_bytes().repeat(8000));
    buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(500));
    rig.send(event(1, 400 * MS, 600 * MS), EventKind::Start);
    rig.send(event(1, 400 * MS, 600 * MS), EventKind::End);
    rig.harness.push(buffer).unwrap();
    assert_eq!(rig.harness.buffers_in_queue(), 0);
    rig.eos();
    let first = rig.harness.pull().unwrap();
    let samples: Vec<i16> =
        first.map_readable().unwrap().chunks(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect();
    assert_eq!(samples[..3200], signal(4000)[..3200]);
    assert_eq!(samples[3200..], [0; 800]);
    let second = rig.harness.pull().unwrap();
    let map = second.map_readable().unwrap();
    assert!(map[..800 * 8].iter().all(|byte| *byte == 0));
    assert_eq!(map[800 * 8..], 1f32.to_le_bytes().repeat(6400));
    // The caps came between the two.
    let events: Vec<_> = std::iter::from_fn(|| rig.harness.try_pull_event()).map(|event| event.type_()).collect();
    assert_eq!(events.iter().filter(|kind| **kind == gst::EventType::Caps).count(), 2, "{events:?}");
}

#[test]
fn gaps_move_time_on_and_keep_their_place() {
    let mut rig = gate(500 * MS);
    rig.push(&signal(800), 0);
    assert_eq!(rig.harness.buffers_in_queue(), 0);
    let gap = gst::event::Gap::builder(gst::ClockTime::from_mseconds(100)).duration(gst::ClockTime::SECOND).build();
    assert!(rig.harness.push_event(gap));
    assert_eq!(rig.harness.buffers_in_queue(), 1);
    rig.push(&signal(800), frame_at(1100 * MS) as u64);
    rig.eos();
    let out = rig.out();
    assert_eq!(out.iter().map(|(frame, ..)| *frame).collect::<Vec<_>>(), [0, 8800]);
}

#[test]
fn all_formats_layouts_and_channels_go_through_unchanged_outside_of_events() {
    crate::rig::init();
    for format in gst_audio::AudioFormat::iter_raw() {
        for channels in [1, 2, 6] {
            let mut rig = gate(100 * MS);
            rig.set_caps(format.to_str().as_str(), RATE as i32, channels);
            let width = gst_audio::AudioFormatInfo::from_format(format).width() as usize / 8;
            let frame = width * channels as usize;
            let bytes: Vec<u8> = (0..1600 * frame).map(|byte| (byte * 31 % 251) as u8).collect();
            let mut buffer = gst::Buffer::from_mut_slice(bytes.clone());
            buffer.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
            rig.send(event(1, 50 * MS, 100 * MS), EventKind::Start);
            rig.send(event(1, 50 * MS, 100 * MS), EventKind::End);
            rig.harness.push(buffer).unwrap();
            rig.eos();
            let out = rig.harness.pull().unwrap();
            let map = out.map_readable().unwrap();
            assert_eq!(map[..400 * frame], bytes[..400 * frame], "{format} {channels}");
            assert_eq!(map[800 * frame..], bytes[800 * frame..], "{format} {channels}");
            let mut silence = vec![0; 400 * frame];
            gst_audio::AudioFormatInfo::from_format(format).fill_silence(&mut silence);
            assert!(map[400 * frame..800 * frame] == silence, "{format} {channels}");
        }
    }
}

#[test]
fn fades_leave_the_thread_computing_with_denormal_numbers() {
    crate::rig::init();
    for format in gst_audio::AudioFormat::iter_raw() {
        let mut rig = gate(100 * MS);
        rig.gate.set_property("fade", 20 * MS);
        rig.set_caps(format.to_str().as_str(), RATE as i32, 2);
        let frame = gst_audio::AudioFormatInfo::from_format(format).width() as usize / 4;
        let mut buffer = gst::Buffer::from_mut_slice(vec![7; 1600 * frame]);
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
        rig.send(event(1, 50 * MS, 100 * MS), EventKind::Start);
        rig.send(event(1, 50 * MS, 100 * MS), EventKind::End);
        rig.harness.push(buffer).unwrap();
        rig.eos();
        assert!(rig.harness.pull().is_ok());
        let half = std::hint::black_box(f32::MIN_POSITIVE) * std::hint::black_box(0.5);
        assert!(half > 0.0, "{format}");
    }
}

#[test]
fn a_thousand_live_changes_leave_it_running() {
    let mut rig = gate(200 * MS);
    let gate = rig.gate.clone();
    let over = Arc::new(AtomicBool::new(false));
    let changes = {
        let over = Arc::clone(&over);
        std::thread::spawn(move || {
            let mut state = 1u64;
            let mut next = |most: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % most
            };
            for _ in 0..1000 {
                match next(10) {
                    0 => gate.set_property_from_str("mode", ["mute", "keep", "drop", "replace"][next(4) as usize]),
                    1 => gate.set_property("before", next(300) * MS),
                    2 => gate.set_property("after", next(300) * MS),
                    3 => gate.set_property("delay", [next(400) * MS, u64::MAX][next(2) as usize]),
                    4 => gate.set_property("fade", next(30) * MS),
                    5 => gate.set_property("agree", next(3) as u32 + 1),
                    6 => gate.set_property_from_str("agree-by", ["label", "group", "any"][next(3) as usize]),
                    7 => gate.set_property("post-messages", next(2) == 0),
                    8 => {
                        let groups = ["groups,pet=<Bark,Meow>", "groups,dog=<Bark>,pet=<Meow>"][next(2) as usize];
                        let groups = (next(3) > 0).then(|| groups.parse::<gst::Structure>().unwrap());
                        gate.set_property("label-groups", groups);
                    }
                    _ => gate.set_property("labels", gst::Array::new(&["Bark", "Meow"][..next(3) as usize])),
                }
                std::thread::yield_now();
            }
            over.store(true, Ordering::SeqCst);
        })
    };
    let audio = signal(80);
    let mut index = 0;
    while !over.load(Ordering::SeqCst) || index < 1000 {
        let at = index * 10 * MS;
        for (source, label) in [("a", "Bark"), ("b", "Bark"), ("c", "Meow")] {
            let sent = |id, from, to| Event { source, label, ..event(id, from, to) };
            if index % 20 == 0 {
                rig.send(sent(index, at, at + 100 * MS), EventKind::Start);
            }
            if index % 20 == 15 {
                rig.send(sent(index - 15, at - 150 * MS, at), EventKind::End);
            }
        }
        rig.push(&audio, index * 80);
        index += 1;
    }
    changes.join().unwrap();
    rig.eos();
    let mut last = 0;
    for (frame, samples, _) in rig.out() {
        assert!(frame >= last, "{frame} after {last}");
        last = frame + samples.len() as u64;
    }
    // Each event begins once and then ends once, in the order of their numbers, unless nothing was to be posted.
    let messages = std::iter::from_fn(|| rig.bus.pop_filtered(&[gst::MessageType::Element]));
    let events: Vec<GateEvent> =
        messages.map(|message| GateEvent::try_from(message.structure().unwrap()).unwrap()).collect();
    assert!(events.len() > 10, "{}", events.len());
    let numbers = |kind| events.iter().filter(move |event| event.kind == kind).map(|event| event.event_id);
    assert!(numbers(EventKind::Start).is_sorted_by(|one, next| one < next));
    let mut ended: Vec<u64> = numbers(EventKind::End).collect();
    ended.sort_unstable();
    assert!(ended.is_sorted_by(|one, next| one < next));
    for event in events.iter().filter(|event| event.kind == EventKind::End) {
        let is_start = |other: &&GateEvent| other.kind == EventKind::Start && other.event_id == event.event_id;
        let start = events.iter().find(is_start);
        assert!(start.is_none_or(|start| start.timestamp == event.timestamp), "{event:?}");
    }
}

#[test]
fn latency_is_that_of_upstream_and_the_delay() {
    let mut rig = gate(700 * MS);
    rig.harness.set_upstream_latency(gst::ClockTime::from_mseconds(30));
    assert_eq!(rig.harness.query_latency(), Some(gst::ClockTime::from_mseconds(730)));
    rig.gate.set_property("delay", 100 * MS);
    assert_eq!(rig.harness.query_latency(), Some(gst::ClockTime::from_mseconds(130)));
    let latency = rig.bus.pop_filtered(&[gst::MessageType::Latency]);
    assert!(latency.is_some(), "a changed delay is announced");
}

#[test]
fn without_a_soundclassify_upstream_a_warning_says_so_once() {
    let mut rig = Rig::new(|_| {});
    let audio = signal(24_000);
    rig.run(&audio, &[160], &[], 0);
    assert_eq!(laid_out(&rig.out(), audio.len()), audio.iter().copied().map(Some).collect::<Vec<_>>());
    let warnings = std::iter::from_fn(|| rig.bus.pop_filtered(&[gst::MessageType::Warning])).count();
    assert_eq!(warnings, 1);
}
