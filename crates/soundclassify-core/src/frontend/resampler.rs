// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mono sample rate conversion with compensated delay. The sizes of the pushes do not affect the result.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Async, Fft, FixedAsync, FixedSync, Resampler as _, SincInterpolationParameters, WindowFunction};

use crate::error::{Error, Result};

/// Minimum length of the exact resampler's blocks: longer ones cut off closer to half the sample rate and answer later.
const MIN_BLOCK: usize = 256;
/// Maximum length of a chunk of the interpolating resampler, samples.
const SINC_CHUNK: usize = 1024;
/// Maximum ratio of the rates.
const MAX_RATIO: u32 = 256;
/// Maximum number of conversions in a row without output at the end of a stream.
const MAX_IDLE: u32 = 64;
/// Maximum length of a block of the exact resampler; rates with hardly a common divisor are interpolated instead.
const MAX_BLOCK: usize = 8192;

/// Maximum absolute value that is analysed, far above full scale; beyond it the arithmetic would overflow.
const MAX_SAMPLE: f32 = 1e6;

/// The sample, or what stands for it where arithmetic would fail.
pub(super) fn valid(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-MAX_SAMPLE, MAX_SAMPLE) } else { 0.0 }
}

/// Resampler of one mono stream: output sample `n` is the sound at `n / to` seconds.
pub struct Resampler {
    delayed: Delayed,
    waiting: Vec<f32>,
    output: Vec<f32>,
    from: u64,
    to: u64,
    taken: u64,
    given: u64,
    skip: usize,
}

impl Resampler {
    /// A resampler between two rates, Hz.
    ///
    /// # Errors
    /// [`Error::Rate`] when one is 0, or they are too far apart for the filter.
    pub fn new(from: u32, to: u32) -> Result<Self> {
        if from == 0 || to == 0 {
            return Err(Error::Rate { from, to, reason: "a rate is 0".into() });
        }
        if from / MAX_RATIO > to {
            let reason = format!("more than {MAX_RATIO} times the model's rate");
            return Err(Error::Rate { from, to, reason });
        }
        let delayed =
            best(from as usize, to as usize).map_err(|error| Error::Rate { from, to, reason: error.to_string() })?;
        let inner = &delayed.inner;
        let mut resampler = Self {
            waiting: Vec::with_capacity(inner.input_frames_max()),
            output: vec![0.0; inner.output_frames_max()],
            from: from.into(),
            to: to.into(),
            taken: 0,
            given: 0,
            skip: 0,
            delayed,
        };
        resampler.reset();
        Ok(resampler)
    }

    /// Takes samples, full scale ±1, and calls `sink` with those that are ready; allocates nothing. NaN and infinities
    /// count as 0, and what is beyond ±10⁶ as that.
    pub fn push(&mut self, mut samples: &[f32], sink: &mut dyn FnMut(&[f32])) {
        self.taken += samples.len() as u64;
        while !samples.is_empty() {
            let room = self.delayed.inner.input_frames_next() - self.waiting.len();
            let (now, later) = samples.split_at(room.min(samples.len()));
            self.waiting.extend(now.iter().map(|sample| valid(*sample)));
            samples = later;
            if self.waiting.len() == self.delayed.inner.input_frames_next() {
                self.convert(sink);
            }
        }
    }

    /// End of the stream: passes on the rest, so that `taken · to / from` samples (rounded up) came out in all.
    pub fn finish(&mut self, sink: &mut dyn FnMut(&[f32])) {
        let whole = (u128::from(self.taken) * u128::from(self.to)).div_ceil(u128::from(self.from)) as u64;
        let mut idle = 0;
        while self.given < whole && idle < MAX_IDLE {
            self.waiting.resize(self.delayed.inner.input_frames_next(), 0.0);
            let (before, left) = (self.given, whole - self.given);
            self.convert(&mut |ready| sink(&ready[..ready.len().min(left as usize)]));
            idle = if self.given > before { 0 } else { idle + 1 };
        }
    }

    /// Forgets the stream so far.
    pub fn reset(&mut self) {
        self.delayed.inner.reset();
        self.waiting.clear();
        self.waiting.resize(self.delayed.lead, 0.0);
        self.taken = 0;
        self.given = 0;
        self.skip = self.delayed.delay;
    }

    fn convert(&mut self, sink: &mut dyn FnMut(&[f32])) {
        let frames = self.output.len();
        let (Ok(input), Ok(mut output)) = (
            InterleavedSlice::new(&self.waiting, 1, self.waiting.len()),
            InterleavedSlice::new_mut(&mut self.output, 1, frames),
        ) else {
            return;
        };
        let written = self.delayed.inner.process_into_buffer(&input, &mut output, None);
        // Both buffers have the sizes that the resampler asked for, so it has no error to give.
        debug_assert!(written.is_ok(), "{written:?}");
        let written = written.map_or(0, |(_, written)| written);
        self.waiting.clear();
        let skipped = self.skip.min(written);
        self.skip -= skipped;
        let ready = &self.output[skipped..written];
        self.given += ready.len() as u64;
        if !ready.is_empty() {
            sink(ready);
        }
    }
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Resampler({} Hz to {} Hz)", self.from, self.to)
    }
}

/// A resampler that wants `lead` samples of silence first and then gives `delay` samples that are to be skipped.
struct Delayed {
    inner: Box<dyn rubato::Resampler<f32>>,
    lead: usize,
    delay: usize,
}

fn best(from: usize, to: usize) -> Result<Delayed, rubato::ResamplerConstructionError> {
    let divisor = gcd(from, to);
    let (block_in, block_out) = (from / divisor, to / divisor);
    // An even number of blocks makes the delay, half of them, a whole number of samples.
    let blocks = MIN_BLOCK.div_ceil(block_in.min(block_out)).next_multiple_of(2);
    let (chunk_in, chunk_out) = (block_in * blocks, block_out * blocks);
    if chunk_in.max(chunk_out) <= MAX_BLOCK {
        let fft = Fft::new_custom(from, to, chunk_in, 1, 1, WindowFunction::BlackmanHarris2, FixedSync::Both)?;
        debug_assert_eq!((fft.fft_size_in(), fft.fft_size_out()), (chunk_in, chunk_out));
        return Ok(Delayed { delay: fft.output_delay(), inner: Box::new(fft), lead: 0 });
    }
    let parameters = SincInterpolationParameters::default();
    let ratio = to as f64 / from as f64;
    // At low rates a long chunk would be minutes.
    let chunk = (from / 50).clamp(8, SINC_CHUNK);
    let sinc = Async::new_sinc(ratio, 1.0, &parameters, chunk, 1, FixedAsync::Input)?;
    let (lead, delay) = whole_delay(from, to, parameters.sinc_len / 2, chunk);
    Ok(Delayed { inner: Box::new(sinc), lead, delay })
}

/// Silence, less than `limit`, to put in front of interpolation so that its delay, `(lead + centre) · to / from − 1`,
/// is almost a whole number of output samples; and that number.
fn whole_delay(from: usize, to: usize, centre: usize, limit: usize) -> (usize, usize) {
    let rest = |lead: usize| {
        let rest = (lead + centre) * to % from;
        rest.min(from - rest)
    };
    let lead = (0..limit).min_by_key(|lead| rest(*lead)).unwrap_or(0);
    (lead, (((lead + centre) * to + from / 2) / from).saturating_sub(1))
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resample(from: u32, to: u32, chunks: &[&[f32]]) -> Vec<f32> {
        let mut resampler = Resampler::new(from, to).unwrap();
        let mut all = Vec::new();
        for chunk in chunks {
            resampler.push(chunk, &mut |ready| all.extend_from_slice(ready));
        }
        resampler.finish(&mut |ready| all.extend_from_slice(ready));
        all
    }

    fn sine(rate: u32, frequency: f64, samples: usize) -> Vec<f32> {
        let step = std::f64::consts::TAU * frequency / f64::from(rate);
        (0..samples).map(|n| (step * n as f64).sin() as f32 * 0.5).collect()
    }

    #[test]
    fn length_and_position_are_exact_for_every_common_rate() {
        for from in [8000, 11025, 12000, 22050, 32000, 44100, 48000, 88200, 96000, 192_000, 44_101, 7999] {
            for to in [8000, 16000, 44100, 48000] {
                if from == to {
                    continue;
                }
                let tone = sine(from, 440.0, from as usize);
                let got = resample(from, to, &[&tone]);
                assert_eq!(got.len(), to as usize, "{from} to {to}");
                let want = sine(to, 440.0, to as usize);
                let inner = to as usize / 10..to as usize * 9 / 10;
                let worst = inner.map(|n| (got[n] - want[n]).abs()).fold(0.0, f32::max);
                assert!(worst < 2e-3, "{from} to {to}: {worst}");
            }
        }
    }

    #[test]
    fn odd_rates_end_too() {
        for from in [1, 3, 1_000_003, 4_000_001] {
            let samples = (from as usize / 20).max(3);
            let got = resample(from, 16000, &[&sine(from, 0.1, samples)]);
            assert_eq!(got.len(), (samples * 16000).div_ceil(from as usize), "{from}");
        }
        assert!(Resampler::new(40_000_003, 16000).is_err());
        assert!(Resampler::new(0, 16000).is_err());
    }

    #[test]
    fn what_the_new_rate_cannot_hold_is_gone() {
        let got = resample(48000, 16000, &[&sine(48000, 10_000.0, 48000)]);
        let worst = got[2000..14000].iter().fold(0.0f32, |worst, sample| worst.max(sample.abs()));
        assert!(worst < 1e-4, "{worst}");
    }

    #[test]
    fn reset_starts_anew() {
        let tone = sine(48000, 440.0, 5000);
        let mut resampler = Resampler::new(48000, 16000).unwrap();
        resampler.push(&sine(48000, 99.0, 777), &mut |_| {});
        resampler.reset();
        let mut got = Vec::new();
        resampler.push(&tone, &mut |ready| got.extend_from_slice(ready));
        resampler.finish(&mut |ready| got.extend_from_slice(ready));
        assert_eq!(got, resample(48000, 16000, &[&tone]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn chunking_changes_nothing(sizes in prop::collection::vec(1usize..3000, 1..12), to in prop::sample::select(vec![16000u32, 44100, 44_101])) {
            let signal = sine(48000, 1234.5, sizes.iter().sum());
            let mut rest = signal.as_slice();
            let mut chunks = Vec::new();
            for size in sizes {
                let (chunk, later) = rest.split_at(size);
                chunks.push(chunk);
                rest = later;
            }
            prop_assert_eq!(resample(48000, to, &chunks), resample(48000, to, &[&signal]));
        }
    }

    #[test]
    fn samples_that_arithmetic_cannot_bear_leave_finite_ones() {
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.5];
        let samples: Vec<f32> = (0..9000).map(|at| if at % 700 < odd.len() { odd[at % 700] } else { 0.1 }).collect();
        for to in [16_000, 22_050, 47_999] {
            let resampled = resample(44_100, to, &[&samples]);
            assert!(resampled.iter().all(|sample| sample.is_finite()), "to {to} Hz");
        }
    }
}
