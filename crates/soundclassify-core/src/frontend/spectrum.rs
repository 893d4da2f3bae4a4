// SPDX-License-Identifier: MIT OR Apache-2.0
//! The spectrum of one frame: Hann, FFT of real samples, power.

use std::f64::consts::PI;
use std::sync::Arc;

use multiversion::multiversion;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use super::frames::Grid;
use super::spec::{LogMel, Power};
use super::window::Pieces;

/// Bins that are computed at once.
const LANES: usize = 16;

/// Computes the spectrum of one frame; plan and scratch are made once.
pub(super) struct Spectrum {
    hann: Vec<f32>,
    inset: usize,
    exponent: Power,
    /// The samples under the Hann window, zeros around them.
    input: Vec<f32>,
    fft: Arc<dyn Fft<f32>>,
    /// Transformed in place: an even number of samples as half as many complex ones, others as they are.
    values: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    turns: Progress,
    power: Vec<f32>,
}

impl Spectrum {
    /// The result carries `padding` zeros behind its `n_fft / 2 + 1` values.
    pub(super) fn new(mel: &LogMel, padding: usize) -> Self {
        let length = if mel.n_fft.is_multiple_of(2) { mel.n_fft / 2 } else { mel.n_fft };
        let fft = FftPlanner::new().plan_fft_forward(length);
        Self {
            hann: hann(mel.win_length),
            inset: Grid::new(mel).inset(),
            exponent: mel.power,
            input: vec![0.0; mel.n_fft],
            values: vec![Complex::default(); length],
            scratch: vec![Complex::default(); fft.get_inplace_scratch_len()],
            turns: Progress::new(mel.n_fft),
            power: vec![0.0; mel.n_fft / 2 + 1 + padding],
            fft,
        }
    }

    /// `|X|` or `|X|²` of the samples under the Hann window, then the padding.
    pub(super) fn compute(&mut self, samples: Pieces<'_>) -> &[f32] {
        let windowed = &mut self.input[self.inset..][..self.hann.len()];
        let (head, tail) = windowed.split_at_mut(samples[0].len());
        let (head_hann, tail_hann) = self.hann.split_at(samples[0].len());
        multiply(samples[0], head_hann, head);
        multiply(samples[1], tail_hann, tail);
        let bins = self.input.len() / 2 + 1;
        let power = &mut self.power[..bins];
        if self.values.len() < self.input.len() {
            pair(&self.input, &mut self.values);
            self.fft.process_with_scratch(&mut self.values, &mut self.scratch);
            energy_of_pairs(&self.values, &self.turns, power);
        } else {
            widen(&self.input, &mut self.values);
            self.fft.process_with_scratch(&mut self.values, &mut self.scratch);
            energy(&self.values[..bins], power);
        }
        if self.exponent == Power::One {
            root(power);
        }
        &self.power
    }
}

/// Periodic Hann window, `0.5 − 0.5 · cos(2πn / length)`.
fn hann(length: usize) -> Vec<f32> {
    let turn = 2.0 * PI / length as f64;
    (0..length).map(|n| (0.5 - 0.5 * (turn * n as f64).cos()) as f32).collect()
}

/// `½ · e^(−2πik/n)` for `k` from 1 to below `n / 4`, in lanes.
struct Progress {
    re: Vec<f32>,
    im: Vec<f32>,
}

impl Progress {
    fn new(n_fft: usize) -> Self {
        let angle = |k: usize| -2.0 * PI * k as f64 / n_fft as f64;
        let pairs = 1..=(n_fft / 2).saturating_sub(1) / 2;
        Self {
            re: pairs.clone().map(|k| (0.5 * angle(k).cos()) as f32).collect(),
            im: pairs.map(|k| (0.5 * angle(k).sin()) as f32).collect(),
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn multiply(samples: &[f32], window: &[f32], product: &mut [f32]) {
    for ((product, sample), weight) in product.iter_mut().zip(samples).zip(window) {
        *product = sample * weight;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn pair(samples: &[f32], values: &mut [Complex<f32>]) {
    for (value, [re, im]) in values.iter_mut().zip(samples.as_chunks().0) {
        *value = Complex::new(*re, *im);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn widen(samples: &[f32], values: &mut [Complex<f32>]) {
    for (value, sample) in values.iter_mut().zip(samples) {
        *value = Complex::new(*sample, 0.0);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn energy(bins: &[Complex<f32>], power: &mut [f32]) {
    for (power, bin) in power.iter_mut().zip(bins) {
        *power = bin.norm_sqr();
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn root(power: &mut [f32]) {
    power.iter_mut().for_each(|power| *power = power.sqrt());
}

/// `|X|²` of `N` real samples `x` from the transform `Z` of `x[2m] + i·x[2m + 1]`, which has `N / 2` values. With
/// `E = (Z[k] + Z*[N/2 − k]) / 2`, `O = (Z[k] − Z*[N/2 − k]) / 2i` and `T = e^(−2πik/N) · O`:
/// `X[k] = E + T` and `X*[N/2 − k] = E − T` (Press et al., Numerical Recipes, 12.3).
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn energy_of_pairs(values: &[Complex<f32>], turns: &Progress, power: &mut [f32]) {
    let (half, pairs) = (values.len(), turns.re.len());
    let Complex { re, im } = values[0];
    power[0] = (re + im) * (re + im);
    power[half] = (re - im) * (re - im);
    if half.is_multiple_of(2) {
        power[half / 2] = values[half / 2].norm_sqr();
    }
    let (low, low_rest) = values[1..][..pairs].as_chunks::<LANES>();
    let (high_rest, high) = values[half - pairs..].as_rchunks::<LANES>();
    let (lower, upper) = power[..half].split_at_mut(half - pairs);
    let (lower, lower_rest) = lower[1..][..pairs].as_chunks_mut::<LANES>();
    let (upper_rest, upper) = upper.as_rchunks_mut::<LANES>();
    let (re, re_rest) = turns.re.as_chunks::<LANES>();
    let (im, im_rest) = turns.im.as_chunks::<LANES>();
    for (index, (lower, upper)) in lower.iter_mut().zip(upper.iter_mut().rev()).enumerate() {
        energy_of_lanes(&low[index], &high[high.len() - 1 - index], [&re[index], &im[index]], lower, upper);
    }
    energy_of_lanes(low_rest, high_rest, [re_rest, im_rest], lower_rest, upper_rest);
}

/// `high` and `upper` run backwards.
#[inline(always)]
fn energy_of_lanes(
    low: &[Complex<f32>],
    high: &[Complex<f32>],
    [re, im]: [&[f32]; 2],
    lower: &mut [f32],
    upper: &mut [f32],
) {
    let count = low.len();
    let (high, upper) = (&high[..count], &mut upper[..count]);
    for k in 0..count {
        let mirrored = count - 1 - k;
        (lower[k], upper[mirrored]) = energy_of_pair(low[k], high[mirrored], re[k], im[k]);
    }
}

#[inline(always)]
fn energy_of_pair(low: Complex<f32>, high: Complex<f32>, re: f32, im: f32) -> (f32, f32) {
    let (even_re, even_im) = (0.5 * (low.re + high.re), 0.5 * (low.im - high.im));
    let (odd_re, odd_im) = (low.im + high.im, high.re - low.re);
    let (turned_re, turned_im) = (re * odd_re - im * odd_im, re * odd_im + im * odd_re);
    let energy = |re: f32, im: f32| re * re + im * im;
    (energy(even_re + turned_re, even_im + turned_im), energy(even_re - turned_re, even_im - turned_im))
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
