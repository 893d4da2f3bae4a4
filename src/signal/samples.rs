// SPDX-License-Identifier: MIT OR Apache-2.0
//! Floating-point samples of any format ↔ `f64`.
//!
//! Not by GStreamer's functions: with Orc 0.4.33, those for 32 bits leave the thread's processor in a mode in which denormal
//! numbers are 0, for everything that the thread does afterwards.

use gst_audio::AudioFormat;

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

fn read<const SIZE: usize>(bytes: &[u8], samples: &mut [f64], value: impl Fn([u8; SIZE]) -> f64) {
    for (sample, bytes) in samples.iter_mut().zip(bytes.as_chunks().0) {
        *sample = value(*bytes);
    }
}

fn write<const SIZE: usize>(samples: &[f64], bytes: &mut [u8], value: impl Fn(f64) -> [u8; SIZE]) {
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
}
