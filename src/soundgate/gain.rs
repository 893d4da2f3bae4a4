// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gains over the frames of a buffer, in any raw format, in place.

use std::ops::Range;

use gst_audio::AudioFormatInfo;

use crate::signal::samples;

/// Samples unpacked at a time.
const BLOCK: usize = 1024;
/// Frequency of the tone, Hz.
const TONE_FREQUENCY: f64 = 1000.0;
/// Amplitude of the tone: -20 dBFS.
const TONE_AMPLITUDE: f64 = 0.1;

/// A stretch in frames, counted like those of the audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frames {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// How loud the audio is around stretches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Silent in stretches, with ramps outside of them.
    Silence,
    /// A tone in stretches, with ramps outside of them.
    Tone,
    /// Ramps at both ends of stretches, inside of them.
    Inside,
}

impl Shape {
    /// Gain of a frame, 0…1. `ramp`: frames of a ramp.
    pub(crate) fn gain(self, frame: i64, stretches: &[Frames], ramp: i64) -> f64 {
        stretches.iter().map(|stretch| self.gain_of(frame, *stretch, ramp)).fold(1.0, f64::min)
    }

    fn gain_of(self, frame: i64, Frames { from, to }: Frames, ramp: i64) -> f64 {
        let inside = frame >= from && frame < to;
        let distance = match (self, inside) {
            (Self::Silence | Self::Tone, true) => 0,
            (Self::Silence | Self::Tone, false) if frame < from => from.saturating_sub(frame),
            (Self::Silence | Self::Tone, false) => frame.saturating_sub(to).saturating_add(1),
            (Self::Inside, true) => frame.saturating_sub(from).saturating_add(1).min(to.saturating_sub(frame)),
            (Self::Inside, false) => return 1.0,
        };
        (distance as f64 / (ramp + 1) as f64).min(1.0)
    }

    /// Frames of `within` whose gain may differ from 1, as stretches, in order.
    fn changed(self, stretch: Frames, ramp: i64, within: &Range<i64>) -> [Range<i64>; 2] {
        let clip = |from: i64, to: i64| from.max(within.start)..to.min(within.end);
        let Frames { from, to } = stretch;
        match self {
            Self::Silence | Self::Tone => [clip(from.saturating_sub(ramp), to.saturating_add(ramp)), 0..0],
            Self::Inside => {
                let first = from.saturating_add(ramp).min(to);
                [clip(from, first), clip(to.saturating_sub(ramp).max(first), to)]
            }
        }
    }
}

/// Samples of one plane: those of a channel, or those of all channels in turn.
pub(crate) struct Plane<'a> {
    pub(crate) bytes: &'a mut [u8],
    pub(crate) channels: usize,
    /// Of its first frame.
    pub(crate) first: i64,
}

/// Scratch memory for one format after the other.
#[derive(Debug)]
pub(crate) struct Shaper {
    integers: Vec<i32>,
    floats: Vec<f64>,
}

impl Default for Shaper {
    fn default() -> Self {
        Self { integers: vec![0; BLOCK], floats: vec![0.0; BLOCK] }
    }
}

impl Shaper {
    /// Applies gains to a plane; frames whose gain is 1 keep their bytes.
    pub(crate) fn apply(
        &mut self,
        info: &gst_audio::AudioInfo,
        shape: Shape,
        stretches: &[Frames],
        ramp: i64,
        plane: &mut Plane<'_>,
    ) {
        let frame_size = info.width() as usize / 8 * plane.channels;
        let within = plane.first..plane.first + (plane.bytes.len() / frame_size.max(1)) as i64;
        let mut done = within.start;
        for stretch in stretches {
            for changed in shape.changed(*stretch, ramp, &within) {
                let changed = changed.start.max(done)..changed.end;
                if changed.is_empty() {
                    continue;
                }
                done = changed.end;
                let range = (changed.start - plane.first) as usize * frame_size
                    ..(changed.end - plane.first) as usize * frame_size;
                let bytes = &mut plane.bytes[range];
                let is_silent = shape == Shape::Silence && changed.start >= stretch.from && changed.end <= stretch.to;
                if is_silent {
                    info.format_info().fill_silence(bytes);
                } else {
                    let gain = |frame: i64| shape.gain(frame, stretches, ramp);
                    let tone = (shape == Shape::Tone).then_some(f64::from(info.rate()));
                    self.mix(&info.format_info(), plane.channels, bytes, changed.start, &gain, tone);
                }
            }
        }
    }

    fn mix(
        &mut self,
        format: &AudioFormatInfo,
        channels: usize,
        bytes: &mut [u8],
        first: i64,
        gain: &dyn Fn(i64) -> f64,
        tone: Option<f64>,
    ) {
        let width = format.width() as usize / 8;
        let frames = (BLOCK / channels).max(1);
        let samples = frames * channels;
        if self.integers.len() < samples {
            self.integers.resize(samples, 0);
            self.floats.resize(samples, 0.0);
        }
        for (block, bytes) in bytes.chunks_mut(samples * width).enumerate() {
            let count = bytes.len() / width;
            let first = first + (block * frames) as i64;
            let sample_of = |value: f64, position: usize, full: f64| {
                let frame = first + (position / channels) as i64;
                let gain = gain(frame);
                let tone = tone.map_or(0.0, |rate| tone_at(frame, rate) * full * (1.0 - gain));
                // What is no number stays none, whatever it is multiplied with.
                if gain == 0.0 { tone } else { value * gain + tone }
            };
            if format.unpack_format() == gst_audio::AUDIO_FORMAT_F64 {
                let block = &mut self.floats[..count];
                samples::unpack(format.format(), bytes, block);
                for (position, sample) in block.iter_mut().enumerate() {
                    *sample = sample_of(*sample, position, 1.0);
                }
                samples::pack(format.format(), block, bytes);
            } else {
                let block = &mut self.integers[..count];
                samples::unpack_integers(format, bytes, block);
                for (position, sample) in block.iter_mut().enumerate() {
                    *sample = sample_of((*sample).into(), position, -f64::from(i32::MIN)).round() as i32;
                }
                samples::pack_integers(format, block, bytes);
            }
        }
    }
}

fn tone_at(frame: i64, rate: f64) -> f64 {
    // Exact for days: only the part of a second matters.
    let second = frame.rem_euclid(rate.max(1.0) as i64) as f64 / rate;
    (second * TONE_FREQUENCY * std::f64::consts::TAU).sin() * TONE_AMPLITUDE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(format: gst_audio::AudioFormat, shape: Shape, stretches: &[Frames], ramp: i64, bytes: &mut [u8]) {
        gst::init().unwrap();
        let info = gst_audio::AudioInfo::builder(format, 8000, 1).build().unwrap();
        Shaper::default().apply(&info, shape, stretches, ramp, &mut Plane { bytes, channels: 1, first: 0 });
    }

    #[test]
    fn outside_of_stretches_and_ramps_every_byte_stays_in_every_format() {
        gst::init().unwrap();
        for format in gst_audio::AudioFormat::iter_raw() {
            let width = gst_audio::AudioFormatInfo::from_format(format).width() as usize / 8;
            let before: Vec<u8> = (0..100 * width).map(|byte| (byte * 37 % 251) as u8).collect();
            let mut after = before.clone();
            shaped(format, Shape::Silence, &[Frames { from: 40, to: 60 }], 5, &mut after);
            assert_eq!(after[..35 * width], before[..35 * width], "{format:?}");
            assert_eq!(after[65 * width..], before[65 * width..], "{format:?}");
            let mut silence = vec![0; 20 * width];
            gst_audio::AudioFormatInfo::from_format(format).fill_silence(&mut silence);
            assert_eq!(after[40 * width..60 * width], silence, "{format:?}");
        }
    }

    #[test]
    fn ramps_lie_outside_of_silence_and_inside_of_what_is_kept() {
        let stretches = [Frames { from: 10, to: 20 }];
        let gains = |shape: Shape| (5..25).map(|frame| shape.gain(frame, &stretches, 3)).collect::<Vec<_>>();
        let silence = gains(Shape::Silence);
        assert_eq!(silence[..6], [1.0, 1.0, 0.75, 0.5, 0.25, 0.0]);
        assert_eq!(silence[14..19], [0.0, 0.25, 0.5, 0.75, 1.0]);
        let inside = gains(Shape::Inside);
        assert_eq!(inside[4..9], [1.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(inside[11..16], [1.0, 0.75, 0.5, 0.25, 1.0]);
    }

    #[test]
    fn what_is_no_number_is_silenced_beside_a_ramp_and_replaced() {
        for (shape, value) in [(Shape::Silence, f32::NAN), (Shape::Silence, f32::INFINITY), (Shape::Tone, f32::NAN)] {
            let mut bytes: Vec<u8> = [value; 100].iter().flat_map(|sample| sample.to_ne_bytes()).collect();
            shaped(gst_audio::AUDIO_FORMAT_F32, shape, &[Frames { from: 40, to: 60 }], 5, &mut bytes);
            let sample = |bytes: &[u8]| f32::from_ne_bytes(bytes.try_into().unwrap());
            let samples: Vec<f32> = bytes.chunks(4).map(sample).collect();
            assert!(samples[40..60].iter().all(|sample| sample.abs() <= 0.1001), "{shape:?} {value}");
            assert!(samples[..35].iter().chain(&samples[65..]).all(|sample| !sample.is_finite()), "{shape:?} {value}");
        }
    }

    #[test]
    fn a_tone_takes_the_place_of_a_stretch() {
        let mut bytes: Vec<u8> = [0.5f32; 100].iter().flat_map(|sample| sample.to_ne_bytes()).collect();
        shaped(gst_audio::AUDIO_FORMAT_F32, Shape::Tone, &[Frames { from: 40, to: 60 }], 0, &mut bytes);
        let samples: Vec<f32> = bytes.chunks(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().unwrap())).collect();
        assert!(samples[..40].iter().chain(&samples[60..]).all(|sample| *sample == 0.5));
        let (minimum, maximum) = samples[40..60].iter().fold((1f32, -1f32), |(a, b), s| (a.min(*s), b.max(*s)));
        assert!((-0.1001..-0.09).contains(&minimum) && (0.09..0.1001).contains(&maximum), "{minimum} {maximum}");
    }
}
