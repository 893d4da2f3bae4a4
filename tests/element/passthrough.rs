// SPDX-License-Identifier: MIT OR Apache-2.0
//! The buffer that leaves is the buffer that came in.

use gst_audio::AudioFormat;

use crate::common::rig::{RATE, Rig, TestModel, noise};

/// Memory address and content of each memory of a buffer.
fn identity(buffer: &gst::BufferRef) -> Vec<(usize, Vec<u8>)> {
    let map = buffer.map_readable().unwrap();
    let memories = (0..buffer.n_memory()).map(|index| buffer.peek_memory(index).as_ptr() as usize);
    memories.map(|address| (address, map.to_vec())).collect()
}

fn bytes(count: usize, seed: u32) -> Vec<u8> {
    noise(count, seed).iter().map(|sample| (sample * 1000.0) as i32 as u8).collect()
}

#[track_caller]
fn goes_through(rig: &mut Rig, buffer: gst::Buffer) {
    let before = (identity(&buffer), buffer.pts(), buffer.dts(), buffer.duration(), buffer.offset(), buffer.flags());
    let address = buffer.as_ptr() as usize;
    assert_eq!(rig.harness.push(buffer), Ok(gst::FlowSuccess::Ok));
    let after = rig.harness.pull().unwrap();
    assert_eq!(after.as_ptr() as usize, address, "another buffer");
    let after = (identity(&after), after.pts(), after.dts(), after.duration(), after.offset(), after.flags());
    assert_eq!(before, after);
}

fn audio_buffer(info: &gst_audio::AudioInfo, frames: usize, seed: u32) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_slice(bytes(frames * info.bpf() as usize, seed));
    let writable = buffer.get_mut().unwrap();
    writable.set_pts(gst::ClockTime::from_mseconds(seed.into()));
    writable.set_duration(gst::ClockTime::from_mseconds(20));
    writable.set_offset(u64::from(seed) * 77);
    if info.layout() == gst_audio::AudioLayout::NonInterleaved {
        gst_audio::AudioMeta::add(writable, info, frames, &[]).unwrap();
    }
    buffer
}

#[test]
fn every_format_rate_and_channel_count() {
    every_kind_of_audio_goes_through(Rig::new(&TestModel::new("linear")));
}

#[test]
#[cfg(feature = "v1_24")]
fn every_format_rate_and_channel_count_with_results_on_buffers() {
    use gst::prelude::*;
    let rig = Rig::with(&TestModel::new("linear"), |element| element.set_property("add-meta", true));
    every_kind_of_audio_goes_through(rig);
}

fn every_kind_of_audio_goes_through(mut rig: Rig) {
    let mut seen = 0;
    for format in AudioFormat::iter_raw() {
        for channels in [1u32, 2, 6] {
            for rate in [8000u32, 16000, 44100, 48000, 96000] {
                for layout in ["interleaved", "non-interleaved"] {
                    rig.set_caps(format.to_str(), rate as i32, channels as i32, layout);
                    let info = gst_audio::AudioInfo::builder(format, rate, channels)
                        .layout(if layout == "interleaved" {
                            gst_audio::AudioLayout::Interleaved
                        } else {
                            gst_audio::AudioLayout::NonInterleaved
                        })
                        .build()
                        .unwrap();
                    goes_through(&mut rig, audio_buffer(&info, rate as usize / 50, 1000 + seen));
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(seen as usize, AudioFormat::iter_raw().count() * 3 * 5 * 2);
    // 1.28 has four more.
    assert!(AudioFormat::iter_raw().count() >= 30);
    // No format lasts for a window.
    let warnings = rig.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("no window"), "{warnings:?}");
}

#[test]
fn the_thread_goes_on_computing_with_denormal_numbers() {
    let mut rig = Rig::new(&TestModel::new("linear"));
    for format in AudioFormat::iter_raw() {
        for channels in [1u32, 2] {
            rig.set_caps(format.to_str(), RATE as i32, channels as i32, "interleaved");
            let info = gst_audio::AudioInfo::builder(format, RATE as u32, channels).build().unwrap();
            goes_through(&mut rig, audio_buffer(&info, 2 * RATE, 1));
            let half = std::hint::black_box(f32::MIN_POSITIVE) * std::hint::black_box(0.5);
            assert!(half > 0.0, "{format} {channels}");
        }
    }
}

#[test]
fn buffers_of_any_size() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    for frames in [1, 0, 1, 2, 7, RATE, 0, 10 * RATE, 1] {
        let mut buffer = gst::Buffer::from_slice(bytes(frames * 4, frames as u32 + 1));
        buffer.get_mut().unwrap().set_flags(gst::BufferFlags::MARKER);
        goes_through(&mut rig, buffer);
    }
}

#[test]
fn buffers_of_several_memories() {
    let model = TestModel::new("linear");
    let mut rig = Rig::plain(&model);
    let mut buffer = gst::Buffer::from_slice(bytes(400, 1));
    buffer.get_mut().unwrap().append_memory(gst::Memory::from_slice(bytes(1600, 2)));
    let addresses: Vec<_> = (0..2).map(|index| buffer.peek_memory(index).as_ptr()).collect();
    assert_eq!(rig.harness.push(buffer), Ok(gst::FlowSuccess::Ok));
    let after = rig.harness.pull().unwrap();
    assert_eq!((0..2).map(|index| after.peek_memory(index).as_ptr()).collect::<Vec<_>>(), addresses);
}

#[test]
fn every_format_is_classified_alike() {
    let model = TestModel::new("linear");
    let signal: Vec<f32> = noise(RATE, 5).iter().map(|sample| (sample * 100.0).round() / 128.0).collect();
    let mut wanted = Rig::plain(&model);
    wanted.push(&signal, None);
    let wanted = wanted.classifications();
    assert!(wanted.len() > 5);
    for format in AudioFormat::iter_raw() {
        for channels in [1usize, 2, 6] {
            let mut rig = Rig::new(&model).caps(format.to_str(), RATE as i32, channels as i32);
            let buffer = gst::Buffer::from_slice(packed(format, &signal, channels));
            rig.harness.push(buffer).unwrap();
            let messages = rig.classifications();
            assert_eq!(messages.len(), wanted.len(), "{format} {channels}");
            for (messages, wanted) in messages.iter().zip(&wanted) {
                assert_eq!(messages.best().label, wanted.best().label, "{format} {channels}: {messages:?} {wanted:?}");
                assert!((messages.best().probability - wanted.best().probability).abs() < 1e-4, "{format} {channels}");
            }
        }
    }
}

// The same sound in every channel, through GStreamer's own packing, which for 20 bits in 32 is wrong in 1.28.
fn packed(format: AudioFormat, signal: &[f32], channels: usize) -> Vec<u8> {
    let info = gst_audio::AudioFormatInfo::from_format(format);
    let samples = signal.iter().flat_map(|sample| std::iter::repeat_n(*sample, channels));
    let wide: Vec<u8> = if info.unpack_format() == gst_audio::AUDIO_FORMAT_F64 {
        samples.flat_map(|sample| f64::from(sample).to_ne_bytes()).collect()
    } else {
        samples.flat_map(|sample| ((f64::from(sample) * 2_147_483_648.0) as i32).to_ne_bytes()).collect()
    };
    if (info.width(), info.depth()) == (32, 20) {
        return wide.as_chunks().0.iter().flat_map(|bytes| twenty_bits(i32::from_ne_bytes(*bytes), &info)).collect();
    }
    let mut bytes = vec![0; signal.len() * channels * info.width() as usize / 8];
    info.pack(gst_audio::AudioPackFlags::empty(), &mut bytes, &wide);
    bytes
}

fn twenty_bits(sample: i32, info: &gst_audio::AudioFormatInfo) -> [u8; 4] {
    let stored = if info.is_signed() { sample >> 12 } else { ((i64::from(sample) + (1 << 31)) >> 12) as i32 };
    if info.is_little_endian() { stored.to_le_bytes() } else { stored.to_be_bytes() }
}

#[test]
fn planes_are_classified_as_interleaved_channels_are() {
    let model = TestModel::new("linear");
    let (left, right) = (noise(RATE, 1), noise(RATE, 2));
    let interleaved: Vec<f32> = left.iter().zip(&right).flat_map(|(left, right)| [*left, *right]).collect();
    let mut one = Rig::new(&model).caps("F32LE", RATE as i32, 2);
    one.push(&interleaved, None);
    let mut other = Rig::new(&model);
    other.set_caps("F32LE", RATE as i32, 2, "non-interleaved");
    let info = gst_audio::AudioInfo::builder(gst_audio::AUDIO_FORMAT_F32, RATE as u32, 2)
        .layout(gst_audio::AudioLayout::NonInterleaved)
        .build()
        .unwrap();
    let mut planes = crate::common::rig::buffer(&[left, right].concat(), None);
    gst_audio::AudioMeta::add(planes.get_mut().unwrap(), &info, RATE, &[]).unwrap();
    other.harness.push(planes).unwrap();
    let (one, other) = (one.classifications(), other.classifications());
    assert!(one.len() > 5);
    assert_eq!(one, other);
}

/// Texts of the warnings that a buffer gives; it goes through whatever they say.
#[track_caller]
fn warned_of(rig: &mut Rig, buffer: gst::Buffer) -> Vec<String> {
    goes_through(rig, buffer.clone());
    goes_through(rig, buffer);
    rig.warnings()
}

#[test]
fn buffers_that_contradict_their_caps_go_through_with_one_warning() {
    crate::common::rig::init();
    let info = |layout, format, channels| {
        gst_audio::AudioInfo::builder(format, RATE as u32, channels).layout(layout).build().unwrap()
    };
    let (plain, planar) = (gst_audio::AudioLayout::Interleaved, gst_audio::AudioLayout::NonInterleaved);
    let with_meta = |info: &gst_audio::AudioInfo, samples: usize| {
        let mut buffer = gst::Buffer::from_slice(bytes(3200, 1));
        gst_audio::AudioMeta::add(buffer.get_mut().unwrap(), info, samples, &[]).unwrap();
        buffer
    };
    let f32 = gst_audio::AUDIO_FORMAT_F32;
    let without = || gst::Buffer::from_slice(bytes(3200, 1));
    for (layout, buffer) in [
        ("non-interleaved", without()),
        ("interleaved", with_meta(&info(planar, f32, 2), 100)),
        ("non-interleaved", with_meta(&info(plain, f32, 2), 100)),
        ("non-interleaved", with_meta(&info(planar, f32, 4), 100)),
        ("interleaved", with_meta(&info(plain, AudioFormat::S16le, 2), 100)),
    ] {
        let mut rig = Rig::new(&TestModel::new("linear"));
        rig.set_caps("F32LE", RATE as i32, 2, layout);
        let warnings = warned_of(&mut rig, buffer);
        assert!(warnings.len() == 1 && warnings[0].contains("can't be read"), "{layout}: {warnings:?}");
    }
}

#[test]
fn very_many_planar_channels_are_analysed() {
    crate::common::rig::init();
    for channels in [64u32, 65, 1000] {
        let mut rig = Rig::new(&TestModel::new("linear"));
        rig.set_caps("F32LE", RATE as i32, channels as i32, "non-interleaved");
        let mask = vec![gst_audio::AudioChannelPosition::None; channels as usize];
        let info = gst_audio::AudioInfo::builder(gst_audio::AUDIO_FORMAT_F32, RATE as u32, channels)
            .layout(gst_audio::AudioLayout::NonInterleaved)
            .positions(&mask)
            .build();
        // GStreamer describes at most 64 channels by positions.
        let Ok(info) = info else { continue };
        let mut buffer = crate::common::rig::buffer(&noise(RATE * channels as usize, 1), None);
        gst_audio::AudioMeta::add(buffer.get_mut().unwrap(), &info, RATE, &[]).unwrap();
        assert_eq!(warned_of(&mut rig, buffer), [""; 0]);
        assert!(rig.count("windows") > 0, "{channels}");
    }
}

#[test]
fn parts_of_frames_are_warned_of_once() {
    let mut rig = Rig::new(&TestModel::new("linear")).caps("S16LE", RATE as i32, 2);
    for number in 0..20 {
        goes_through(&mut rig, gst::Buffer::from_slice(bytes(1447, number + 1)));
    }
    let warnings = rig.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("1447 bytes"), "{warnings:?}");
    // The end of a file that was cut off.
    let mut rig = Rig::new(&TestModel::new("linear")).caps("S16LE", RATE as i32, 2);
    goes_through(&mut rig, gst::Buffer::from_slice(bytes(1447, 1)));
    assert_eq!(rig.warnings(), [""; 0]);
}

#[test]
fn channels_that_cancel_each_other_are_warned_of_once() {
    let warnings = |right: &dyn Fn(f32) -> f32, channel: i32| {
        use gst::prelude::*;
        let model = TestModel::new("linear");
        let mut rig = Rig::with(&model, |element| element.set_property("channel", channel));
        rig.set_caps("F32LE", RATE as i32, 2, "interleaved");
        let signal: Vec<f32> = noise(6 * RATE, 1).into_iter().flat_map(|left| [left, right(left)]).collect();
        for part in signal.chunks(RATE / 5) {
            goes_through(&mut rig, crate::common::rig::buffer(part, None));
        }
        rig.warnings()
    };
    for gain in [1.0, 0.95] {
        let inverted = warnings(&|left| -left * gain, -1);
        assert!(inverted.len() == 1 && inverted[0].contains("channel=0"), "{inverted:?}");
    }
    assert_eq!(warnings(&|left| -left, 0), [""; 0]);
    assert_eq!(warnings(&|left| left, -1), [""; 0]);
    assert_eq!(warnings(&|_| 0.0, -1), [""; 0]);
}

#[test]
fn low_rates_go_through_with_a_warning() {
    for rate in [1, 100, 999] {
        let mut rig = Rig::new(&TestModel::new("linear")).caps("S16LE", rate, 1);
        goes_through(&mut rig, gst::Buffer::from_slice(bytes(65_536, 1)));
        let warnings = rig.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains(&format!("{rate} Hz")), "{warnings:?}");
    }
}

#[test]
fn one_buffer_stands_for_at_most_ten_minutes() {
    let mut rig = Rig::new(&TestModel::new("linear")).caps("S8", 1000, 1);
    for flags in [gst::BufferFlags::empty(), gst::BufferFlags::GAP] {
        let mut buffer = gst::Buffer::from_slice(bytes(3_600_000, 1));
        buffer.get_mut().unwrap().set_flags(flags);
        goes_through(&mut rig, buffer);
    }
    assert!(rig.count("windows") <= 2 * 6000, "{}", rig.stats());
    let warnings = rig.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("600 s"), "{warnings:?}");
}

#[test]
fn segments_without_an_end_and_backwards_have_no_running_time() {
    let mut rig = Rig::plain(&TestModel::new("linear"));
    for (rate, applied) in [(-1.0, 1.0), (1.0, -1.0), (-2.0, -1.0)] {
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        segment.set_rate(rate);
        segment.set_applied_rate(applied);
        rig.harness.push_event(gst::event::Segment::new(&segment));
        rig.push(&noise(RATE, 1), Some(gst::ClockTime::from_seconds(5)));
        let messages = rig.classifications();
        assert!(!messages.is_empty());
        assert_eq!(messages[0].running_time.is_none(), rate < 0.0);
        assert_eq!(messages[0].stream_time.is_none(), applied < 0.0);
    }
}
