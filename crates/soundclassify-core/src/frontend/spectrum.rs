// SPDX-License-Identifier: MIT OR Apache-2.0
//! The spectrum of one frame: window function, FFT of real samples, power.

use std::f64::consts::PI;
use std::sync::Arc;

use multiversion::multiversion;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use super::frames::Grid;
use super::spec::{LogMel, Power, Preemphasis};
use super::window::Pieces;
use super::window_function;

/// Bins that are computed at once.
const LANES: usize = 16;

/// Computes the spectrum of one frame; plan and scratch are made once.
pub(super) struct Spectrum {
    /// What is done to the frame by itself.
    conditioning: Option<Conditioning>,
    window: Vec<f32>,
    inset: usize,
    exponent: Power,
    /// The samples under the window function, zeros around them.
    input: Vec<f32>,
    fft: Arc<dyn Fft<f32>>,
    /// Transformed in place: an even number of samples as half as many complex ones, others as they are.
    values: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    twiddles: Twiddles,
    power: Vec<f32>,
}

impl Spectrum {
    /// The result carries `padding` zeros behind its `n_fft / 2 + 1` values.
    pub(super) fn new(mel: &LogMel, padding: usize) -> Self {
        let length = if mel.n_fft.is_multiple_of(2) { mel.n_fft / 2 } else { mel.n_fft };
        let fft = FftPlanner::new().plan_fft_forward(length);
        Self {
            conditioning: Conditioning::new(mel),
            window: window_function::weights(mel.window_function, mel.win_length, mel.waveform_scale),
            inset: Grid::new(mel).inset(),
            exponent: mel.power,
            input: vec![0.0; mel.n_fft],
            values: vec![Complex::default(); length],
            scratch: vec![Complex::default(); fft.get_inplace_scratch_len()],
            twiddles: Twiddles::new(mel.n_fft),
            power: vec![0.0; mel.n_fft / 2 + 1 + padding],
            fft,
        }
    }

    /// `|X|` or `|X|²` of the samples under the window function, then the padding.
    pub(super) fn compute(&mut self, samples: Pieces<'_>) -> &[f32] {
        let windowed = &mut self.input[self.inset..][..self.window.len()];
        if let Some(conditioning) = &mut self.conditioning {
            conditioning.apply(samples, &self.window, windowed);
        } else {
            let (head, tail) = windowed.split_at_mut(samples[0].len());
            let (head_window, tail_window) = self.window.split_at(samples[0].len());
            multiply(samples[0], head_window, head);
            multiply(samples[1], tail_window, tail);
        }
        let bins = self.input.len() / 2 + 1;
        let power = &mut self.power[..bins];
        if self.values.len() < self.input.len() {
            pair(&self.input, &mut self.values);
            self.fft.process_with_scratch(&mut self.values, &mut self.scratch);
            energy_of_pairs(&self.values, &self.twiddles, power);
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

/// Takes a frame's mean and its low frequencies out, as Kaldi does: each frame by itself.
struct Conditioning {
    remove_dc: bool,
    coefficient: f32,
    /// A frame whose samples do not lie together.
    frame: Vec<f32>,
}

impl Conditioning {
    fn new(mel: &LogMel) -> Option<Self> {
        let coefficient = match mel.preemphasis {
            Preemphasis::Frame(coefficient) => coefficient as f32,
            Preemphasis::None | Preemphasis::Signal(_) => 0.0,
        };
        let needed = mel.remove_dc || coefficient != 0.0;
        needed.then(|| Self { remove_dc: mel.remove_dc, coefficient, frame: vec![0.0; mel.win_length] })
    }

    fn apply(&mut self, samples: Pieces<'_>, window: &[f32], windowed: &mut [f32]) {
        let frame = match samples {
            [whole, []] => whole,
            [head, tail] => {
                self.frame[..head.len()].copy_from_slice(head);
                self.frame[head.len()..].copy_from_slice(tail);
                &self.frame
            }
        };
        let mean = if self.remove_dc { mean(frame) } else { 0.0 };
        emphasise(frame, mean, self.coefficient, window, windowed);
    }
}

/// The mean; exactly the value of a constant frame.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn mean(frame: &[f32]) -> f32 {
    let first = frame[0];
    let (vectors, rest) = frame.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for vector in vectors {
        for lane in 0..LANES {
            sums[lane] += vector[lane] - first;
        }
    }
    let sum = sums.iter().sum::<f32>() + rest.iter().map(|sample| sample - first).sum::<f32>();
    first + sum / frame.len() as f32
}

/// `(d[n] − a · d[n − 1]) · w[n]` with `d[n] = x[n] − mean` and `d[−1] = d[0]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn emphasise(frame: &[f32], mean: f32, coefficient: f32, window: &[f32], windowed: &mut [f32]) {
    let first = frame[0] - mean;
    windowed[0] = (first - coefficient * first) * window[0];
    let pairs = frame[1..].iter().zip(frame).zip(&window[1..]);
    for (windowed, ((sample, earlier), weight)) in windowed[1..].iter_mut().zip(pairs) {
        *windowed = ((sample - mean) - coefficient * (earlier - mean)) * weight;
    }
}

/// `½ · e^(−2πik/n)` for `k` from 1 to below `n / 4`, in lanes.
struct Twiddles {
    re: Vec<f32>,
    im: Vec<f32>,
}

impl Twiddles {
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
fn energy_of_pairs(values: &[Complex<f32>], twiddles: &Twiddles, power: &mut [f32]) {
    let (half, pairs) = (values.len(), twiddles.re.len());
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
    let (re, re_rest) = twiddles.re.as_chunks::<LANES>();
    let (im, im_rest) = twiddles.im.as_chunks::<LANES>();
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
    use super::super::preset;
    use super::super::spec::{PadMode, Placement, WindowFunction};
    use super::*;
    use proptest::prelude::*;

    /// The samples as the FFT gets them, in f64.
    fn windowed(samples: &[f32], mel: &LogMel) -> Vec<f64> {
        let x: Vec<f64> = samples.iter().map(|sample| f64::from(*sample)).collect();
        let mean = if mel.remove_dc { x.iter().sum::<f64>() / x.len() as f64 } else { 0.0 };
        let coefficient = if let Preemphasis::Frame(coefficient) = mel.preemphasis { coefficient } else { 0.0 };
        let window = window_function::weights(mel.window_function, mel.win_length, mel.waveform_scale);
        let emphasised = |n: usize| (x[n] - mean) - coefficient * (x[n.saturating_sub(1)] - mean);
        (0..x.len()).map(|n| emphasised(n) * f64::from(window[n])).collect()
    }

    /// `|X_k|²` by the definition, in f64.
    fn naive(samples: &[f64], inset: usize, n_fft: usize) -> Vec<f64> {
        let energy_of = |bin: usize| {
            let turn = -2.0 * PI * bin as f64 / n_fft as f64;
            let (mut re, mut im) = (0.0, 0.0);
            for (n, sample) in samples.iter().enumerate() {
                let angle = turn * (n + inset) as f64;
                re += sample * angle.cos();
                im += sample * angle.sin();
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
            remove_dc: bool,
            coefficient in prop::option::of(0.0f64..1.0),
            noise in prop::collection::vec(-1.0f32..1.0, 200),
        ) {
            let win_length = n_fft - shorter.min(n_fft - 1);
            let mel = LogMel {
                n_fft,
                win_length,
                placement: if center { Placement::Center(PadMode::Reflect) } else { Placement::Start },
                remove_dc,
                preemphasis: coefficient.map_or(Preemphasis::None, Preemphasis::Frame),
                waveform_scale: 2.0,
                window_function: WindowFunction::Hamming,
                ..preset::fsdkaggle2018().log_mel().unwrap().clone()
            };
            let inset = if center { (n_fft - win_length) / 2 } else { 0 };
            let samples = &noise[..win_length];
            let (head, tail) = samples.split_at(split.min(win_length));
            let mut spectrum = Spectrum::new(&mel, 8);
            let computed = spectrum.compute([head, tail]).to_vec();
            let expected = naive(&windowed(samples, &mel), inset, n_fft);
            let loudest = expected.iter().fold(1e-3, |loudest: f64, power| loudest.max(*power));
            prop_assert_eq!(computed.len(), expected.len() + 8);
            for (computed, expected) in computed.iter().zip(&expected) {
                prop_assert!((f64::from(*computed) - expected).abs() < 2e-6 * loudest, "{} {}", computed, expected);
            }
            prop_assert!(computed[expected.len()..].iter().all(|power| *power == 0.0));
        }
    }
}
