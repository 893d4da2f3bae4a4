// SPDX-License-Identifier: MIT OR Apache-2.0
//! The frame grid and the spectrum of one frame: Hann, real FFT, power.

use std::f64::consts::PI;
use std::sync::Arc;

use multiversion::multiversion;
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::spec::{LogMel, Power};
use super::window::Pieces;

/// Where frames lie in the stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    hop: u64,
    /// Samples before the frame's position that its FFT covers.
    lead: u64,
    /// Samples from the frame's position on that its FFT covers.
    reach: u64,
    /// Distance from the FFT's first sample to the Hann window's.
    inset: u64,
    length: usize,
}

impl Grid {
    pub(super) fn new(mel: &LogMel) -> Self {
        let (n_fft, length) = (mel.n_fft as u64, mel.win_length);
        debug_assert!(length > 0 && length <= mel.n_fft && mel.hop_length > 0);
        let (lead, reach, inset) = if mel.center {
            (n_fft / 2, n_fft - n_fft / 2, (n_fft - length as u64) / 2)
        } else {
            (0, length as u64, 0)
        };
        Self { hop: mel.hop_length as u64, lead, reach, inset, length }
    }

    /// Mirrored samples that the first frames need before sample 0.
    pub(super) fn lead(&self) -> usize {
        self.lead as usize
    }

    /// Samples under the Hann window.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Sample of the stream that frame `frame` stands for.
    pub(super) fn position(&self, frame: u64) -> u64 {
        frame * self.hop
    }

    /// First sample under the Hann window of frame `frame`; negative ones are mirrored.
    pub(super) fn start(&self, frame: u64) -> i64 {
        (self.position(frame) + self.inset) as i64 - self.lead as i64
    }

    /// Samples that must have come before frame `frame` can be computed. The mirror of the stream's start reads one
    /// more than the first frame itself.
    pub(super) fn needed(&self, frame: u64) -> u64 {
        (self.position(frame) + self.reach).max(self.lead + 1)
    }
}

/// Computes the spectrum of one frame; plan and scratch are made once.
pub(super) struct Spectrum {
    fft: Arc<dyn RealToComplex<f32>>,
    hann: Vec<f32>,
    inset: usize,
    exponent: Power,
    input: Vec<f32>,
    bins: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    power: Vec<f32>,
}

impl Spectrum {
    /// The result carries `padding` zeros behind its `n_fft / 2 + 1` values.
    pub(super) fn new(mel: &LogMel, padding: usize) -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(mel.n_fft);
        let bins = fft.make_output_vec();
        Self {
            hann: hann(mel.win_length),
            inset: Grid::new(mel).inset as usize,
            exponent: mel.power,
            input: fft.make_input_vec(),
            scratch: fft.make_scratch_vec(),
            power: vec![0.0; bins.len() + padding],
            bins,
            fft,
        }
    }

    /// `|X|` or `|X|²` of the samples under the Hann window, then the padding.
    pub(super) fn compute(&mut self, samples: Pieces<'_>) -> &[f32] {
        let (before, rest) = self.input.split_at_mut(self.inset);
        let (windowed, behind) = rest.split_at_mut(self.hann.len());
        let (head, tail) = windowed.split_at_mut(samples[0].len());
        let (head_hann, tail_hann) = self.hann.split_at(samples[0].len());
        before.fill(0.0);
        multiply(samples[0], head_hann, head);
        multiply(samples[1], tail_hann, tail);
        behind.fill(0.0);
        self.fft
            .process_with_scratch(&mut self.input, &mut self.bins, &mut self.scratch)
            .expect("buffers have the plan's lengths");
        match self.exponent {
            Power::One => magnitude(&self.bins, &mut self.power),
            Power::Two => energy(&self.bins, &mut self.power),
        }
        &self.power
    }
}

/// Periodic Hann window, `0.5 − 0.5 · cos(2πn / length)`.
fn hann(length: usize) -> Vec<f32> {
    let turn = 2.0 * PI / length as f64;
    (0..length).map(|n| (0.5 - 0.5 * (turn * n as f64).cos()) as f32).collect()
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn multiply(samples: &[f32], window: &[f32], product: &mut [f32]) {
    for ((product, sample), weight) in product.iter_mut().zip(samples).zip(window) {
        *product = sample * weight;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn energy(bins: &[Complex<f32>], power: &mut [f32]) {
    for (power, bin) in power.iter_mut().zip(bins) {
        *power = bin.re * bin.re + bin.im * bin.im;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn magnitude(bins: &[Complex<f32>], power: &mut [f32]) {
    for (power, bin) in power.iter_mut().zip(bins) {
        *power = (bin.re * bin.re + bin.im * bin.im).sqrt();
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_specs;
    use super::*;
    use proptest::prelude::*;

    /// `|X_k|²` by the definition, in f64.
    fn naive(samples: &[f32], hann: &[f32], inset: usize, n_fft: usize) -> Vec<f64> {
        let energy_of = |bin: usize| {
            let turn = -2.0 * PI * bin as f64 / n_fft as f64;
            let (mut re, mut im) = (0.0, 0.0);
            for (n, (sample, weight)) in samples.iter().zip(hann).enumerate() {
                let value = f64::from(*sample) * f64::from(*weight);
                let angle = turn * (n + inset) as f64;
                re += value * angle.cos();
                im += value * angle.sin();
            }
            re * re + im * im
        };
        (0..=n_fft / 2).map(energy_of).collect()
    }

    #[test]
    fn the_grid_of_centred_frames() {
        let grid = Grid::new(&test_specs::log_mel(&test_specs::fsdkaggle2018()));
        assert_eq!((grid.start(0), grid.needed(0)), (-1280, 1281));
        assert_eq!((grid.start(10), grid.needed(10)), (3470 - 1280, 3470 + 1280));
    }

    #[test]
    fn the_grid_of_frames_that_start_at_their_position() {
        let grid = Grid::new(&test_specs::log_mel(&test_specs::yamnet()));
        assert_eq!((grid.start(0), grid.needed(0)), (0, 400));
        assert_eq!((grid.start(95), grid.needed(95)), (15_200, 15_600));
    }

    #[test]
    fn odd_sizes_cover_as_many_samples_as_the_fft() {
        let mel = LogMel { n_fft: 511, win_length: 511, ..test_specs::log_mel(&test_specs::fsdkaggle2018()) };
        let grid = Grid::new(&mel);
        assert_eq!(grid.needed(5) as i64 - grid.start(5), 511);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn the_spectrum_is_the_dft(
            n_fft in 2usize..200,
            shorter in 0usize..100,
            split in 0usize..200,
            center: bool,
            noise in prop::collection::vec(-1.0f32..1.0, 200),
        ) {
            let win_length = n_fft - shorter.min(n_fft - 1);
            let mel = LogMel { n_fft, win_length, center, ..test_specs::log_mel(&test_specs::fsdkaggle2018()) };
            let inset = if center { (n_fft - win_length) / 2 } else { 0 };
            let samples = &noise[..win_length];
            let (head, tail) = samples.split_at(split.min(win_length));
            let mut spectrum = Spectrum::new(&mel, 8);
            let computed = spectrum.compute([head, tail]).to_vec();
            let expected = naive(samples, &hann(win_length), inset, n_fft);
            let loudest = expected.iter().fold(1e-3, |loudest: f64, power| loudest.max(*power));
            prop_assert_eq!(computed.len(), expected.len() + 8);
            for (computed, expected) in computed.iter().zip(&expected) {
                prop_assert!((f64::from(*computed) - expected).abs() < 2e-6 * loudest, "{} {}", computed, expected);
            }
            prop_assert!(computed[expected.len()..].iter().all(|power| *power == 0.0));
        }
    }
}
