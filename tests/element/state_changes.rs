// SPDX-License-Identifier: MIT OR Apache-2.0
//! State changes, from one thread and from several.

use gst::prelude::*;

use crate::common::rig::{RATE, Rig, TestModel, buffer, element, noise, pts, windows_in};

#[test]
fn a_hundred_state_changes() {
    let model = TestModel::new("linear");
    let (element, bus) = element(&model.manifest());
    for _ in 0..100 {
        element.set_state(gst::State::Playing).unwrap();
        element.set_state(gst::State::Null).unwrap();
    }
    assert!(bus.pop_filtered(&[gst::MessageType::Error, gst::MessageType::Warning]).is_none());
}

#[test]
fn every_start_begins_anew() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    let mut reported = Vec::new();
    for _ in 0..5 {
        rig.push(&noise(RATE, 1), Some(gst::ClockTime::ZERO));
        reported.push(rig.classifications());
        rig.element.set_state(gst::State::Null).unwrap();
        rig.element.set_state(gst::State::Playing).unwrap();
        rig.harness.push_event(gst::event::StreamStart::new("again"));
        rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
        rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    }
    assert_eq!(reported[0].len() as u64, windows_in(RATE as u64, 10));
    assert!(reported.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn elements_come_and_go_beside_each_other() {
    let model = TestModel::new("linear");
    let manifest = model.manifest();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let (element, _bus) = element(&manifest);
                    element.set_state(gst::State::Ready).unwrap();
                    element.set_state(gst::State::Null).unwrap();
                }
            });
        }
    });
}

#[test]
fn a_reset_takes_no_window_that_comes_after_it() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    let element = rig.element.clone();
    let disturber = std::thread::spawn(move || {
        for turn in 0..600u64 {
            std::thread::sleep(std::time::Duration::from_micros(turn * 37 % 700));
            element.emit_by_name::<()>("reset", &[]);
        }
    });
    let signal = noise(RATE, 1);
    let (mut next, mut at) = (0, 0);
    while !disturber.is_finished() {
        rig.push(&signal, Some(pts(at, RATE)));
        at += signal.len();
        while rig.harness.try_pull().is_some() {}
        // A reset may take the last ones of before; the first one after it is number 0 again.
        for reported in rig.classifications() {
            assert!(
                reported.window == 0 || reported.window == next,
                "window {} instead of 0 or {next}",
                reported.window
            );
            next = reported.window + 1;
        }
    }
    disturber.join().unwrap();
}

#[test]
fn flushes_and_resets_at_random_moments() {
    let model = TestModel::new("linear");
    for sync in ["always", "never"] {
        let mut rig = Rig::with(&model, |element| element.set_property_from_str("sync", sync));
        rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
        let (pad, element) = (rig.element.static_pad("sink").unwrap(), rig.element.clone());
        let disturber = std::thread::spawn(move || {
            for turn in 0..200u64 {
                std::thread::sleep(std::time::Duration::from_micros(turn * 37 % 1500));
                if turn % 3 == 0 {
                    element.emit_by_name::<()>("reset", &[]);
                } else {
                    pad.send_event(gst::event::FlushStart::new());
                    pad.send_event(gst::event::FlushStop::new(false));
                }
            }
        });
        let signal = noise(400, 1);
        let mut at = 0;
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        while !disturber.is_finished() {
            rig.harness.push_event(gst::event::Segment::new(&segment));
            let _ = rig.harness.push(buffer(&signal, Some(pts(at, RATE))));
            while rig.harness.try_pull().is_some() {}
            at += signal.len();
        }
        disturber.join().unwrap();
        rig.classifications();
        rig.harness.push_event(gst::event::Segment::new(&segment));
        rig.push(&noise(RATE, 1), Some(gst::ClockTime::from_seconds(100_000)));
        rig.eos();
        assert!(rig.classifications().len() as u64 >= windows_in(RATE as u64, 10));
        assert_eq!(rig.warnings(), [""; 0]);
    }
}

#[test]
fn memory_is_given_back() {
    let model = TestModel::new("linear");
    let weak = {
        let mut rig = Rig::plain(&model);
        rig.push(&noise(RATE, 1), None);
        // Messages on the bus hold the element.
        rig.bus.set_flushing(true);
        rig.element.downgrade()
    };
    assert!(weak.upgrade().is_none(), "something still holds the element");
}

#[test]
fn seeks_while_playing() {
    crate::common::rig::init();
    let model = TestModel::new("linear");
    let description = format!(
        "audiotestsrc num-buffers=100000 samplesperbuffer=441 ! audio/x-raw,rate=44100 ! soundclassify name=classifier \
         model={} ! fakesink sync=true",
        model.manifest().display()
    );
    let pipeline = gst::parse::launch(&description).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let (state, ..) = pipeline.state(gst::ClockTime::from_seconds(5));
    state.unwrap();
    let bus = pipeline.bus().unwrap();
    for (turn, second) in [50u64, 3, 700, 0, 20].into_iter().enumerate() {
        let rate = if turn % 2 == 0 { 1.0 } else { 2.0 };
        let target = gst::ClockTime::from_seconds(second);
        pipeline
            .seek(
                rate,
                gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE,
                gst::SeekType::Set,
                target,
                gst::SeekType::None,
                gst::ClockTime::NONE,
            )
            .unwrap();
        let messages = first_window_near(&bus, target);
        assert_eq!(messages.timestamp, target, "turn {turn}");
        assert_eq!(messages.stream_time, Some(target));
        assert_eq!(messages.running_time, Some(gst::ClockTime::ZERO));
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

/// The first window that begins at `target`; windows from before the seek are passed over.
fn first_window_near(bus: &gst::Bus, target: gst::ClockTime) -> gstsoundclassify::Classification {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::time::Instant::now() < deadline {
        let Some(message) = bus.timed_pop(gst::ClockTime::from_mseconds(200)) else { continue };
        let Some(structure) = message.structure() else { continue };
        match gstsoundclassify::Classification::try_from(structure) {
            Ok(reported) if reported.timestamp == target && reported.window == 0 => return reported,
            _ => {}
        }
    }
    panic!("no window at {target}");
}

#[test]
fn state_change_does_not_wait_for_a_long_gap() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    rig.push(&noise(RATE, 1), Some(gst::ClockTime::ZERO));
    let (element, pad) = (rig.element.clone(), rig.element.static_pad("sink").unwrap());
    let gap = std::thread::spawn(move || {
        let hours = gst::ClockTime::from_seconds(100 * 3600);
        pad.send_event(gst::event::Gap::builder(gst::ClockTime::SECOND).duration(hours).build());
    });
    std::thread::sleep(std::time::Duration::from_millis(300));
    let begun = std::time::Instant::now();
    element.set_state(gst::State::Null).unwrap();
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
    gap.join().unwrap();
}

#[test]
fn buffers_that_meet_state_changes_and_flushes_are_no_error() {
    let model = TestModel::new("linear");
    for flushes in [false, true] {
        let (element, bus) = element(&model.manifest());
        element.set_property_from_str("sync", "never");
        let src = gst::Pad::builder(gst::PadDirection::Src).build();
        let sink =
            gst::Pad::builder(gst::PadDirection::Sink).chain_function(|_, _, _| Ok(gst::FlowSuccess::Ok)).build();
        src.link(&element.static_pad("sink").unwrap()).unwrap();
        element.static_pad("src").unwrap().link(&sink).unwrap();
        [&src, &sink].iter().for_each(|pad| pad.set_active(true).unwrap());
        let stop = std::sync::atomic::AtomicBool::new(false);
        let goes_on = || !stop.load(std::sync::atomic::Ordering::SeqCst);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for turn in (0u64..).take_while(|_| goes_on()) {
                    let states = [gst::State::Ready, gst::State::Paused, gst::State::Playing, gst::State::Ready];
                    let _ = element.set_state(states[(turn * 7 % 11 % 4) as usize]);
                    std::thread::sleep(std::time::Duration::from_micros(turn * 37 % 3000));
                }
            });
            scope.spawn(|| {
                while flushes && goes_on() {
                    src.push_event(gst::event::FlushStart::new());
                    src.push_event(gst::event::FlushStop::new(true));
                    std::thread::sleep(std::time::Duration::from_millis(3));
                }
            });
            let begun = std::time::Instant::now();
            for turn in 0.. {
                if turn % 50 == 0 {
                    src.push_event(gst::event::StreamStart::new("one"));
                    let rate = if turn % 100 == 0 { 16_000 } else { 44_100 };
                    let caps = gst::Caps::builder("audio/x-raw").field("format", "F32LE").field("rate", rate);
                    let caps = caps.field("channels", 1).field("layout", "interleaved").build();
                    src.push_event(gst::event::Caps::new(&caps));
                    src.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
                }
                let _ = src.push(buffer(&noise(160, 1), None));
                if begun.elapsed().as_secs() >= 4 {
                    break;
                }
            }
            stop.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        element.set_state(gst::State::Null).unwrap();
        assert_eq!(crate::common::rig::texts(&bus, gst::MessageType::Error), [""; 0]);
    }
}
