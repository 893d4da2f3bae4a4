// SPDX-License-Identifier: MIT OR Apache-2.0
//! Samples of any format ↔ `f64` or `i32`.
//!
//! Not all by GStreamer's functions. With Orc 0.4.33, those for 32-bit floating-point samples leave the thread's processor in a
//! mode in which denormal numbers are 0, for everything that the thread does afterwards. In GStreamer 1.28, those for 20 bits
//! in 32 take a sample for three bytes. For S16LE, the most frequent format, the call takes 2 µs of a buffer of 10 ms, because its
//! code is in no cache by then.

use gst_audio::{AudioFormat, AudioFormatInfo};

/// Without it, GStreamer fills the lower bits with the upper ones: a sample is not its value by full scale, and packing does not
/// give back what was unpacked.
const EXACT: gst_audio::AudioPackFlags = gst_audio::AudioPackFlags::TRUNCATE_RANGE;
/// Bits of an `i32` below a sample of 20 bits.
const BELOW_20: u32 = 12;

/// Reads the samples of some bytes. Other formats than floating-point ones leave `samples` as they are.
pub(crate) fn unpack(format: AudioFormat, bytes: &[u8], samples: &mut [f64]) {
    match format {
        AudioFormat::F32le => read(bytes, samples, |bytes| f32::from_le_bytes(bytes).into()),
        AudioFormat::F32be => read(bytes, samples, |bytes| f32::from_be_bytes(bytes).into()),
        AudioFormat::F64le => read(bytes, samples, f64::from_le_bytes),
        AudioFormat::F64be => read(bytes, samples, f64::from_be_bytes),
        _ => {}
    }
}

/// Writes samples; 32 bits are rounded to the nearest value.
pub(crate) fn pack(format: AudioFormat, samples: &[f64], bytes: &mut [u8]) {
    match format {
        AudioFormat::F32le => write(samples, bytes, |sample| (sample as f32).to_le_bytes()),
        AudioFormat::F32be => write(samples, bytes, |sample| (sample as f32).to_be_bytes()),
        AudioFormat::F64le => write(samples, bytes, f64::to_le_bytes),
        AudioFormat::F64be => write(samples, bytes, f64::to_be_bytes),
        _ => {}
    }
}

/// Reads 16-bit samples; full scale is ±1.
pub(crate) fn unpack_s16le(bytes: &[u8], samples: &mut [f32]) {
    read(bytes, samples, |bytes| f32::from(i16::from_le_bytes(bytes)) / 32_768.0);
}

/// Reads integer samples; full scale is that of `i32`.
pub(crate) fn unpack_integers(format: &AudioFormatInfo, bytes: &[u8], samples: &mut [i32]) {
    match Twenty::of(format) {
        Some(twenty) => read(bytes, samples, |bytes| twenty.value(bytes)),
        None if format.format() == AudioFormat::S16le => {
            read(bytes, samples, |bytes| i32::from(i16::from_le_bytes(bytes)) << 16);
        }
        None => format.unpack(EXACT, bytemuck::cast_slice_mut(samples), bytes),
    }
}

/// Writes integer samples; bits that the format lacks are cut off.
pub(crate) fn pack_integers(format: &AudioFormatInfo, samples: &[i32], bytes: &mut [u8]) {
    match Twenty::of(format) {
        Some(twenty) => write(samples, bytes, |sample| twenty.bytes(sample)),
        None => format.pack(EXACT, bytes, bytemuck::cast_slice(samples)),
    }
}

/// Samples of 20 bits, the lower ones of 32.
#[derive(Debug, Clone, Copy)]
struct Twenty {
    little_endian: bool,
    signed: bool,
}

impl Twenty {
    fn of(format: &AudioFormatInfo) -> Option<Self> {
        let is_twenty = (format.width(), format.depth()) == (32, 20);
        is_twenty.then(|| Self { little_endian: format.is_little_endian(), signed: format.is_signed() })
    }

    /// Added to signed values, which makes them unsigned, and back.
    fn offset(self) -> i32 {
        if self.signed { 0 } else { i32::MIN }
    }

    fn value(self, bytes: [u8; 4]) -> i32 {
        let stored = if self.little_endian { i32::from_le_bytes(bytes) } else { i32::from_be_bytes(bytes) };
        (stored << BELOW_20) ^ self.offset()
    }

    fn bytes(self, value: i32) -> [u8; 4] {
        let stored = value ^ self.offset();
        let stored = if self.signed { stored >> BELOW_20 } else { (stored as u32 >> BELOW_20) as i32 };
        if self.little_endian { stored.to_le_bytes() } else { stored.to_be_bytes() }
    }
}

fn read<T, const SIZE: usize>(bytes: &[u8], samples: &mut [T], value: impl Fn([u8; SIZE]) -> T) {
    for (sample, bytes) in samples.iter_mut().zip(bytes.as_chunks().0) {
        *sample = value(*bytes);
    }
}

fn write<T: Copy, const SIZE: usize>(samples: &[T], bytes: &mut [u8], value: impl Fn(T) -> [u8; SIZE]) {
    for (sample, bytes) in samples.iter().zip(bytes.as_chunks_mut().0) {
        *bytes = value(*sample);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_return_as_they_were() {
        let samples = [0.0, -0.0, 1.0, -0.1, 1e-310, f64::INFINITY, f64::from(f32::MIN_POSITIVE) / 2.0];
        for (format, size) in
            [(AudioFormat::F32le, 4), (AudioFormat::F32be, 4), (AudioFormat::F64le, 8), (AudioFormat::F64be, 8)]
        {
            let (mut bytes, mut again) = (vec![1; size * samples.len()], [1.0; 7]);
            pack(format, &samples, &mut bytes);
            unpack(format, &bytes, &mut again);
            let rounded = samples.map(|sample| if size == 4 { f64::from(sample as f32) } else { sample });
            assert_eq!(again.map(f64::to_bits), rounded.map(f64::to_bits), "{format:?}");
        }
    }

    #[test]
    fn twenty_bits_are_the_lower_ones_of_four_bytes() {
        for (value, signed, stored) in [
            (1 << 30, true, 0x0004_0000_u32),
            (-(1 << 30), true, 0xfffc_0000),
            (1 << 30, false, 0x000c_0000),
            (-(1 << 30), false, 0x0004_0000),
            (-4096, true, 0xffff_ffff),
            (0, false, 0x0008_0000),
        ] {
            for little_endian in [true, false] {
                let (twenty, bytes) = (Twenty { little_endian, signed }, stored.to_be_bytes());
                let bytes = if little_endian { stored.to_le_bytes() } else { bytes };
                assert_eq!((twenty.value(bytes), twenty.bytes(value)), (value, bytes), "{value} {twenty:?}");
            }
        }
    }

    #[test]
    fn sixteen_bits_are_those_of_gstreamer() {
        gst::init().unwrap();
        let format = AudioFormatInfo::from_format(AudioFormat::S16le);
        let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let (mut own, mut theirs) = (vec![0; 65536], vec![1; 65536]);
        unpack_integers(&format, &bytes, &mut own);
        format.unpack(EXACT, bytemuck::cast_slice_mut(&mut theirs), &bytes);
        assert_eq!(own, theirs);
        let mut narrow = vec![0.0; 65536];
        unpack_s16le(&bytes, &mut narrow);
        assert!(narrow.iter().zip(own).all(|(narrow, wide)| f64::from(*narrow) == f64::from(wide) / 2_147_483_648.0));
    }

    #[test]
    fn integers_of_every_format_return_without_the_bits_that_it_lacks() {
        gst::init().unwrap();
        let samples: Vec<i32> = (0..5000).map(|n: i32| n.wrapping_mul(1_640_531_527)).collect();
        for format in AudioFormat::iter_raw() {
            let info = AudioFormatInfo::from_format(format);
            if info.is_float() {
                continue;
            }
            let mut bytes = vec![0; samples.len() * info.width() as usize / 8];
            let mut again = vec![0; samples.len()];
            pack_integers(&info, &samples, &mut bytes);
            unpack_integers(&info, &bytes, &mut again);
            let kept = !0_i32 << (32 - info.depth());
            assert!(samples.iter().zip(&again).all(|(before, after)| before & kept == *after), "{format}");
        }
    }
}
