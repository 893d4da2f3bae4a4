// SPDX-License-Identifier: MIT OR Apache-2.0
//! Timestamps and new beginnings: segments, seeks, flushes, holes, other formats.

use gst::ClockTime;
use gst::prelude::*;

use crate::common::rig::{RATE, Rig, TestModel, WINDOW, buffer, noise, windows_in};

fn ms(value: u64) -> ClockTime {
    ClockTime::from_mseconds(value)
}

fn segment(change: impl FnOnce(&mut gst::FormattedSegment<ClockTime>)) -> gst::Event {
    let mut segment = gst::FormattedSegment::<ClockTime>::new();
    change(&mut segment);
    gst::event::Segment::new(&segment)
}

#[test]
fn stream_time_and_running_time_come_from_the_segment() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    rig.harness.push_event(segment(|segment| {
        segment.set_start(ms(1000));
        segment.set_time(ms(4000));
        segment.set_base(ms(500));
        segment.set_rate(2.0);
        segment.set_applied_rate(1.0);
    }));
    rig.push(&noise(RATE, 1), Some(ms(2000)));
    let first = &rig.classifications()[0];
    assert_eq!((first.timestamp, first.stream_time, first.running_time), (ms(2000), Some(ms(5000)), Some(ms(1000))));
}

#[test]
fn reverse_playback_has_falling_timestamps_and_rising_running_times() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    rig.harness.push_event(segment(|segment| {
        segment.set_rate(-1.0);
        segment.set_stop(ms(10_000));
    }));
    for second in [9, 8, 7] {
        rig.push(&noise(RATE, 1), Some(ms(second * 1000)));
    }
    let messages = rig.classifications();
    let firsts: Vec<_> = messages.iter().filter(|reported| reported.window == 0).collect();
    assert_eq!(firsts.iter().map(|reported| reported.timestamp).collect::<Vec<_>>(), [ms(9000), ms(8000), ms(7000)]);
    assert_eq!(
        firsts.iter().map(|reported| reported.running_time).collect::<Vec<_>>(),
        [Some(ms(1000)), Some(ms(2000)), Some(ms(3000))]
    );
}

#[test]
fn without_timestamps_samples_count_from_zero() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    rig.push(&noise(RATE, 1), None);
    rig.push(&noise(RATE, 2), None);
    let messages = rig.classifications();
    assert_eq!(messages.len() as u64, windows_in(2 * RATE as u64, 10));
    assert_eq!(
        (messages[0].timestamp, messages[0].stream_time, messages[0].running_time),
        (ClockTime::ZERO, None, None)
    );
    assert!(messages.last().unwrap().timestamp > ms(1800));
}

#[test]
fn segment_in_bytes_has_no_times() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    let bytes = gst::FormattedSegment::<gst::format::Bytes>::new();
    rig.harness.push_event(gst::event::Segment::new(&bytes));
    rig.push(&noise(RATE, 1), None);
    let messages = rig.classifications();
    assert!(!messages.is_empty());
    assert!(messages.iter().all(|reported| reported.running_time.is_none() && reported.stream_time.is_none()));
}

#[track_caller]
fn starts_anew(rig: &Rig, at: ClockTime) {
    let messages = rig.classifications();
    let anew: Vec<_> = messages.iter().filter(|reported| reported.window == 0).collect();
    assert_eq!(anew.last().map(|reported| reported.timestamp), Some(at));
    assert_eq!(anew.len(), 2);
}

#[test]
fn discont_starts_anew_where_the_timestamp_differs() {
    let model = TestModel::new("linear");
    for (at, breaks) in [(1000, 0), (950, 1), (1201, 1)] {
        let mut rig = Rig::plain(&model);
        rig.push(&noise(RATE, 1), Some(ms(0)));
        let mut second = buffer(&noise(RATE, 2), Some(ms(at)));
        second.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
        rig.harness.push(second).unwrap();
        assert_eq!(rig.count("breaks"), breaks, "{at}");
        if breaks > 0 {
            starts_anew(&rig, ms(at));
        } else {
            assert_eq!(rig.classifications().len() as u64, windows_in(2 * RATE as u64, 10));
        }
    }
}

#[test]
fn discont_on_each_buffer_that_fits_resets_nothing() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    for (number, part) in noise(4 * RATE, 1).chunks(RATE / 10).enumerate() {
        let mut next = buffer(part, Some(ms(number as u64 * 100)));
        next.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
        rig.harness.push(next).unwrap();
    }
    assert_eq!(rig.classifications().len() as u64, windows_in(4 * RATE as u64, 10));
    assert_eq!((rig.count("breaks"), rig.warnings()), (0, vec![]));
}

/// Noise without the part from `lost.start` to `lost.end`, ms, as after lost packets.
fn with_a_hole(rig: &mut Rig, lost: std::ops::Range<usize>, announce: impl FnOnce(&mut Rig, &mut gst::BufferRef)) {
    let signal = noise(2 * RATE, 1);
    let [first, second] = [lost.start, lost.end].map(|at| at * RATE / 1000);
    rig.push(&signal[..first], Some(ms(0)));
    let mut rest = buffer(&signal[second..], Some(ms(lost.end as u64)));
    rest.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
    announce(rig, rest.get_mut().unwrap());
    rig.harness.push(rest).unwrap();
}

/// What the same noise with silence in that place gives.
fn with_silence(model: &TestModel, silent: std::ops::Range<usize>) -> Vec<gstsoundclassify::Classification> {
    let mut rig = Rig::plain(model);
    let mut signal = noise(2 * RATE, 1);
    signal[silent.start * RATE / 1000..silent.end * RATE / 1000].fill(0.0);
    rig.push(&signal, Some(ms(0)));
    rig.classifications()
}

#[test]
fn silence_takes_the_place_of_lost_packets() {
    let model = TestModel::new("linear");
    for lost in [1000..1001, 1000..1020, 1000..1200] {
        let mut rig = Rig::plain(&model);
        with_a_hole(&mut rig, lost.clone(), |_, _| {});
        assert_eq!(rig.classifications(), with_silence(&model, lost.clone()), "{lost:?}");
        assert_eq!(rig.count("breaks"), 0);
    }
    let mut rig = Rig::plain(&model);
    with_a_hole(&mut rig, 1000..1201, |_, _| {});
    assert_eq!(rig.count("breaks"), 1);
    starts_anew(&rig, ms(1201));
}

#[test]
fn a_discont_after_a_gap_event_goes_on() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    with_a_hole(&mut rig, 1000..1500, |rig, _| {
        rig.harness.push_event(gst::event::Gap::builder(ms(1000)).duration(ms(500)).build());
    });
    assert_eq!(rig.classifications(), with_silence(&model, 1000..1500));
}

#[test]
fn a_gap_may_overtake_what_is_before_it_and_be_reported_twice() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    let signal = noise(2 * RATE, 1);
    let gap = || gst::event::Gap::builder(ms(1000)).duration(ms(60)).build();
    rig.push(&signal[..RATE - RATE / 250], Some(ms(0)));
    rig.harness.push_event(gap());
    rig.push(&signal[RATE - RATE / 250..RATE], Some(ms(996)));
    rig.harness.push_event(gap());
    let mut rest = buffer(&signal[RATE * 106 / 100..], Some(ms(1060)));
    rest.get_mut().unwrap().set_flags(gst::BufferFlags::DISCONT);
    rig.harness.push(rest).unwrap();
    let (messages, whole) = (rig.classifications(), with_silence(&model, 1000..1060));
    let times = |messages: &[gstsoundclassify::Classification]| {
        messages.iter().map(|reported| reported.timestamp).collect::<Vec<_>>()
    };
    assert_eq!(times(&messages), times(&whole));
    assert_eq!(rig.count("breaks"), 0);
}

#[test]
fn gaps_are_classified_inside_the_segment_and_up_to_a_minute() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    rig.harness.push_event(segment(|segment| segment.set_start(ms(10_000))));
    rig.harness.push_event(gst::event::Gap::builder(ms(0)).duration(ms(10_000)).build());
    rig.push(&noise(RATE, 1), Some(ms(10_000)));
    assert_eq!(rig.classifications().len() as u64, windows_in(RATE as u64, 10));
    rig.harness.push_event(gst::event::Gap::builder(ms(11_000)).duration(ms(3_600_000)).build());
    assert_eq!(rig.classifications(), []);
    assert_eq!(rig.count("breaks"), 1);
}

#[test]
fn bursts_that_are_stamped_on_arrival_do_not_start_anew() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    let signal = noise(4 * RATE, 1);
    for (number, part) in signal.chunks(RATE / 100).enumerate() {
        rig.push(part, Some(ms(number as u64 / 10 * 100)));
    }
    assert_eq!(rig.classifications().len() as u64, windows_in(4 * RATE as u64, 10));
    assert_eq!(rig.count("breaks"), 0);
}

#[test]
fn what_is_outside_the_segment_is_not_classified() {
    let model = TestModel::new("linear");
    let signal = noise(6 * RATE, 1);
    let mut rig = Rig::plain(&model);
    rig.harness.push_event(segment(|segment| {
        segment.set_start(ms(2500));
        segment.set_stop(ms(4000));
    }));
    for second in 0..6 {
        rig.push(&signal[second * RATE..][..RATE], Some(ms(second as u64 * 1000)));
    }
    rig.eos();
    let messages = rig.classifications();
    assert_eq!(rig.count("breaks"), 0);
    assert_eq!(messages.len() as u64, windows_in(RATE as u64 * 3 / 2, 10));
    assert_eq!((messages[0].timestamp, messages[0].running_time), (ms(2500), Some(ms(0))));
    let mut alone = Rig::plain(&model);
    alone.push(&signal[RATE * 5 / 2..RATE * 4], Some(ms(2500)));
    let predictions = |rig: Vec<gstsoundclassify::Classification>| rig.into_iter().map(|reported| reported.predictions);
    assert!(predictions(messages).eq(predictions(alone.classifications())));
}

#[test]
fn pieces_too_short_for_a_window_make_none_at_the_end() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    for piece in 0..9 {
        rig.push(&noise(WINDOW - 1, piece), Some(ms(1000 * u64::from(piece))));
    }
    rig.eos();
    assert_eq!(rig.classifications(), []);
    // Two pieces that are shorter than one window together: still a short stream.
    let mut rig = Rig::plain(&model);
    rig.push(&noise(WINDOW / 4, 1), Some(ms(0)));
    rig.push(&noise(WINDOW / 4, 2), Some(ms(1000)));
    rig.eos();
    assert_eq!(rig.classifications().len(), 1);
}

#[test]
fn a_hole_that_timestamps_prove_is_silence_and_jitter_is_none() {
    let model = TestModel::new("linear");
    for hole in [41, 60, 200] {
        let mut rig = Rig::plain(&model);
        with_a_hole(&mut rig, 1000..1000 + hole, |_, rest| rest.unset_flags(gst::BufferFlags::DISCONT));
        assert_eq!(rig.classifications(), with_silence(&model, 1000..1000 + hole), "{hole}");
        assert_eq!(rig.count("breaks"), 0);
    }
    let mut rig = Rig::plain(&model);
    rig.push(&noise(RATE, 1), Some(ms(0)));
    rig.push(&noise(RATE, 2), Some(ms(1201)));
    starts_anew(&rig, ms(1201));
    let mut rig = Rig::plain(&model);
    rig.push(&noise(RATE, 1), Some(ms(0)));
    rig.push(&noise(RATE, 2), Some(ms(1040)));
    assert_eq!(rig.classifications().len() as u64, windows_in(2 * RATE as u64, 10));
}

/// Windows and warnings of 20 s in packets of `length` ms at a rate of `rate` Hz, with these timestamps, µs.
fn stamped(rate: i32, length: usize, stamp: impl Fn(u64) -> u64) -> (u64, Vec<String>, gst::Structure) {
    let model = TestModel::new("linear");
    let mut rig = Rig::new(&model).caps("F32LE", rate, 1);
    let frames = rate as usize * length / 1000;
    for (number, part) in noise(20 * rate as usize, 1).chunks(frames).enumerate() {
        rig.push(part, Some(ClockTime::from_useconds(stamp(number as u64))));
        while rig.harness.try_pull().is_some() {}
    }
    rig.eos();
    let warnings = rig.warnings();
    (rig.count("classified"), warnings, rig.stats())
}

/// From a packet's number to its timestamp, µs.
type Stamp = Box<dyn Fn(u64) -> u64>;

/// Numbers of 0…`most`, the same for the same number.
fn random(number: u64, most: u64) -> u64 {
    (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % (most + 1)
}

#[test]
fn jitter_costs_no_window() {
    let rate = RATE as i32;
    let late = |most: u64| {
        move |packet: u64| (packet.saturating_sub(20)..=packet).map(|n| n * 20_000 + random(n, most)).max().unwrap()
    };
    let stall = |packet: u64| (packet * 20_000).max(packet / 50 * 1_000_000 + 150_000);
    let patterns: [(&str, usize, Stamp); 5] = [
        ("0…60 ms", 20, Box::new(late(60_000))),
        ("0…120 ms", 20, Box::new(late(120_000))),
        ("0…200 ms", 20, Box::new(late(200_000))),
        ("every second 50 ms late", 100, Box::new(|packet| packet * 100_000 + packet % 2 * 50_000)),
        ("stalls", 20, Box::new(stall)),
    ];
    for (name, length, stamp) in patterns {
        let (windows, warnings, stats) = stamped(rate, length, stamp);
        assert!(windows >= windows_in(20 * RATE as u64, 10), "{name}: {windows}, {stats}");
        assert_eq!(warnings, [""; 0], "{name}");
    }
}

#[test]
fn senseless_timestamps_give_all_windows_and_one_warning() {
    let rate = RATE as i32;
    let patterns: [(&str, Stamp); 4] = [
        ("all equal", Box::new(|_| 0)),
        ("three times too fast", Box::new(|packet| packet * 300_000)),
        ("three times too slow", Box::new(|packet| packet * 33_333)),
        ("pieces that overlap", Box::new(|packet| packet / 4 * 200_000 + packet % 4 * 100_000)),
    ];
    for (name, stamp) in patterns {
        let (windows, warnings, _) = stamped(rate, 100, stamp);
        assert_eq!(windows, windows_in(20 * RATE as u64, 10), "{name}");
        assert!(warnings.len() == 1 && warnings[0].contains("time counts samples"), "{name}: {warnings:?}");
    }
}

#[test]
fn a_stream_without_windows_is_warned_of_once() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    // Half a window, and half a second that is missing, again and again.
    for piece in 0..200u64 {
        rig.push(&noise(WINDOW / 2, 1), Some(ms(piece * 600)));
        rig.push(&noise(WINDOW / 4, 1), Some(ms(piece * 600 + 56)));
    }
    let warnings = rig.warnings();
    assert!(
        warnings.len() == 1 && warnings[0].contains("no window") && warnings[0].contains("started again"),
        "{warnings:?}"
    );
}

#[test]
fn formats_that_change_within_each_window_are_warned_of_once() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    // Half a window of each: two channels, one, two …
    for piece in 0..200u64 {
        let channels = 1 + piece as usize % 2;
        rig.set_caps("F32LE", RATE as i32, channels as i32, "interleaved");
        rig.push(&noise(WINDOW / 2 * channels, 1), Some(ms(piece * 56)));
    }
    let warnings = rig.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("new caps"), "{warnings:?}");
}

#[test]
fn flushes_within_each_window_are_warned_of_once() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    for _ in 0..200 {
        rig.push(&noise(WINDOW / 2, 1), Some(ms(0)));
        rig.harness.push_event(gst::event::FlushStart::new());
        rig.harness.push_event(gst::event::FlushStop::new(true));
        rig.harness.push_event(segment(|_| {}));
    }
    let warnings = rig.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("flushes"), "{warnings:?}");
}

#[test]
fn audio_outside_of_the_segment_is_warned_of_once() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    rig.harness.push_event(segment(|segment| segment.set_start(ms(1_000_000))));
    for second in 0..20 {
        rig.push(&noise(RATE, 1), Some(ms(second * 1000)));
    }
    assert_eq!(rig.count("windows"), 0);
    let warnings = rig.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("outside of the segment"), "{warnings:?}");
    rig.push(&noise(RATE, 1), Some(ms(1_000_000)));
    assert!(!rig.classifications().is_empty());
}

#[test]
fn caps_change_starts_anew_at_the_new_rate() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    rig.push(&noise(RATE, 1), Some(ms(0)));
    rig.set_caps("S16LE", 48000, 2, "interleaved");
    rig.harness.push(gst::Buffer::from_slice(vec![7u8; 48000 * 4])).unwrap();
    rig.eos();
    let messages = rig.classifications();
    assert_eq!(messages.len() as u64, 2 * windows_in(RATE as u64, 10));
    assert_eq!(messages.iter().filter(|reported| reported.window == 0).count(), 2);
}

#[test]
fn same_caps_again_change_nothing() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    rig.push(&noise(RATE, 1), Some(ms(0)));
    rig.set_caps("F32LE", RATE as i32, 1, "interleaved");
    rig.push(&noise(RATE, 2), Some(ms(1000)));
    assert_eq!(rig.classifications().len() as u64, windows_in(2 * RATE as u64, 10));
}

#[test]
fn flush_forgets_what_came_before() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    rig.push(&noise(WINDOW - 1, 1), Some(ms(0)));
    rig.harness.push_event(gst::event::FlushStart::new());
    rig.harness.push_event(gst::event::FlushStop::new(true));
    rig.harness.push_event(segment(|segment| segment.set_start(ms(60_000))));
    rig.push(&noise(WINDOW, 1), Some(ms(60_000)));
    let messages = rig.classifications();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].running_time, Some(ClockTime::ZERO));
}

#[test]
fn reset_signal_forgets_audio_and_ensemble() {
    let model = TestModel::new("linear");
    let signal = noise(RATE, 4);
    let mut rig = Rig::plain(&model);
    rig.push(&signal, Some(ms(0)));
    let first = rig.classifications();
    rig.element.emit_by_name::<()>("reset", &[]);
    rig.push(&signal, Some(ms(1000)));
    let second = rig.classifications();
    assert_eq!(second[0].window, 0);
    assert_eq!(second[0].timestamp, ms(1000));
    for (one, other) in first.iter().zip(&second) {
        assert_eq!(one.predictions, other.predictions);
    }
}

#[test]
fn gap_buffers_and_gap_events_are_silence() {
    let model = TestModel::new("linear");
    let silence = vec![0.0; RATE];
    let mut wanted = Rig::plain(&model);
    wanted.push(&noise(RATE, 1), Some(ms(0)));
    wanted.push(&silence, Some(ms(1000)));
    wanted.push(&noise(RATE, 2), Some(ms(2000)));
    let wanted = wanted.classifications();

    let mut flagged = Rig::plain(&model);
    flagged.push(&noise(RATE, 1), Some(ms(0)));
    let mut gap = buffer(&noise(RATE, 77), Some(ms(1000)));
    gap.get_mut().unwrap().set_flags(gst::BufferFlags::GAP);
    flagged.harness.push(gap).unwrap();
    flagged.push(&noise(RATE, 2), Some(ms(2000)));
    assert_eq!(flagged.classifications(), wanted);

    let mut event = Rig::plain(&model);
    event.push(&noise(RATE, 1), Some(ms(0)));
    event.harness.push_event(gst::event::Gap::builder(ms(1000)).duration(ms(1000)).build());
    event.push(&noise(RATE, 2), Some(ms(2000)));
    assert_eq!(event.classifications(), wanted);
}

#[test]
fn windows_before_a_new_segment_keep_its_predecessors_times() {
    let model = TestModel::new("linear");
    let mut rig = Rig::new(&model).caps("F32LE", 48000, 1);
    // The resampler still holds the last window's end when the segment comes.
    rig.push(&noise(48000, 1), Some(ms(0)));
    rig.harness.push_event(segment(|segment| segment.set_base(ms(1000))));
    rig.push(&noise(48000, 2), Some(ms(0)));
    rig.eos();
    let messages = rig.classifications();
    let second = messages.iter().rposition(|reported| reported.window == 0).unwrap();
    for (number, reported) in messages.iter().enumerate() {
        let base = if number < second { ms(0) } else { ms(1000) };
        assert_eq!(reported.running_time, Some(base + reported.timestamp), "{reported:?}");
    }
    assert_eq!(messages.len() as u64, 2 * windows_in(RATE as u64, 10));
}

#[test]
fn reset_within_a_long_buffer_keeps_the_timestamps() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    let element = rig.element.downgrade();
    let reported = std::sync::atomic::AtomicU32::new(0);
    let (sender, messages) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    rig.bus.set_sync_handler(move |_, message| {
        if let Some(Ok(messages)) = message.structure().map(gstsoundclassify::Classification::try_from) {
            if reported.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 7 {
                element.upgrade().unwrap().emit_by_name::<()>("reset", &[]);
            }
            sender.lock().unwrap().send(messages.timestamp).unwrap();
        }
        gst::BusSyncReply::Drop
    });
    rig.push(&noise(5 * RATE, 1), Some(ms(100_000)));
    rig.bus.unset_sync_handler();
    let timestamps: Vec<_> = messages.iter().collect();
    assert!(timestamps.len() > 20);
    assert!(timestamps.iter().all(|timestamp| *timestamp >= ms(100_000)), "{timestamps:?}");
}

#[test]
fn short_rest_after_a_break_is_no_short_stream() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    rig.push(&noise(RATE, 1), Some(ms(0)));
    rig.push(&noise(100, 1), Some(ms(5000)));
    rig.eos();
    assert_eq!(rig.classifications().len() as u64, windows_in(RATE as u64, 10));
}

#[test]
fn digital_silence_is_not_run_again_and_again() {
    // 200 ms per window: a minute of silence would take two.
    let model = TestModel::new("slow");
    let mut rig = Rig::with(&model, |element| {
        element.set_property_from_str("sync", "never");
        element.set_property("max-pending", 1000u32);
    })
    .caps("F32LE", RATE as i32, 1);
    rig.push(&vec![0.0; 3 * RATE], Some(ms(0)));
    let first = rig.bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Element]);
    assert!(first.is_some(), "a window has scores");
    rig.push(&vec![0.0; 60 * RATE], Some(ms(3000)));
    let pending = rig.stats().get::<u32>("pending").unwrap();
    // Those of before, and those known behind them.
    assert!(rig.count("classified") > 590, "{} classified, {pending} pending", rig.count("classified"));
}

#[test]
fn a_long_gap_has_all_its_windows() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    rig.push(&noise(2 * RATE, 1), Some(ms(0)));
    rig.harness.push_event(gst::event::Gap::builder(ms(2000)).duration(ms(60_000)).build());
    rig.push(&noise(RATE, 2), Some(ms(62_000)));
    assert_eq!(rig.classifications().len() as u64, windows_in(63 * RATE as u64, 10));
    assert_eq!(rig.count("classified"), rig.count("windows"));
}
