// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mel scales and the sparse filter bank.

use multiversion::multiversion;

use super::spec::{LogMel, MelNorm, MelScale};

/// Bands are padded to multiples of this, so that each is summed in whole vectors.
const LANES: usize = 8;
/// Sums of a band that are left after its vectors. A band of at most as many bins takes half a vector.
const HALF: usize = LANES / 2;

/// Triangular bands; only the bins between a band's edges are kept.
#[derive(Debug)]
pub(super) struct MelBank {
    /// The first bin of each band.
    bins: Vec<usize>,
    /// Neighbouring bands that have as many weights, in the order of the bands.
    runs: Vec<Run>,
    weights: Vec<f32>,
    /// Sums of each band, those of its lanes `n` and `n + HALF` together.
    partial: Vec<[f32; HALF]>,
}

/// Neighbouring bands and the weights of each, zeros behind them included.
#[derive(Debug, Clone, Copy)]
struct Run {
    bands: usize,
    width: usize,
}

impl MelBank {
    /// Zeros that [`MelBank::apply`] wants behind the spectrum.
    pub(super) const PADDING: usize = LANES;

    pub(super) fn new(mel: &LogMel, sample_rate: u32) -> Self {
        let partial = vec![[0.0; HALF]; mel.n_mels];
        let mut bank = Self { bins: Vec::new(), runs: Vec::new(), weights: Vec::new(), partial };
        let edges = edges(mel);
        for band in edges.windows(3) {
            bank.add(&triangle(band, mel, sample_rate));
        }
        bank
    }

    fn add(&mut self, dense: &[f32]) {
        let bin = dense.iter().position(|weight| *weight > 0.0).unwrap_or(0);
        let end = dense.iter().rposition(|weight| *weight > 0.0).map_or(bin, |last| last + 1);
        let bins = end - bin;
        let width = if bins <= HALF { bins.next_multiple_of(HALF) } else { bins.next_multiple_of(LANES) };
        self.bins.push(bin);
        match self.runs.last_mut().filter(|run| run.width == width) {
            Some(run) => run.bands += 1,
            None => self.runs.push(Run { bands: 1, width }),
        }
        self.weights.extend(&dense[bin..end]);
        self.weights.resize(self.weights.len() + width - bins, 0.0);
    }

    /// One value per band from a spectrum of `n_fft / 2 + 1` values and the padding.
    pub(super) fn apply(&mut self, power: &[f32], values: &mut [f32]) {
        debug_assert_eq!(values.len(), self.bins.len());
        sum_bands(self, power);
        sum_lanes(&self.partial, values);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn sum_bands(bank: &mut MelBank, power: &[f32]) {
    let MelBank { bins, runs, weights, partial } = bank;
    let (mut bins, mut weights, mut partial) = (&bins[..], &weights[..], &mut partial[..]);
    for Run { bands, width } in runs {
        let (own_bins, own_weights, own_partial);
        (own_bins, bins) = bins.split_at(*bands);
        (own_weights, weights) = weights.split_at(*bands * *width);
        (own_partial, partial) = partial.split_at_mut(*bands);
        // A width that the compiler knows leaves no loop.
        match *width {
            0 => own_partial.fill([0.0; HALF]),
            HALF => sum_narrow(own_bins, own_weights, power, own_partial),
            ONE => sum_run(ONE, own_bins, own_weights, power, own_partial),
            TWO => sum_run(TWO, own_bins, own_weights, power, own_partial),
            THREE => sum_run(THREE, own_bins, own_weights, power, own_partial),
            width => sum_run(width, own_bins, own_weights, power, own_partial),
        }
    }
}

const ONE: usize = LANES;
const TWO: usize = 2 * LANES;
const THREE: usize = 3 * LANES;

#[inline(always)]
fn sum_narrow(bins: &[usize], weights: &[f32], power: &[f32], partial: &mut [[f32; HALF]]) {
    for ((sums, bin), weights) in partial.iter_mut().zip(bins).zip(weights.as_chunks::<HALF>().0) {
        let power = &power[*bin..][..HALF];
        *sums = std::array::from_fn(|lane| weights[lane] * power[lane]);
    }
}

#[inline(always)]
fn sum_run(width: usize, bins: &[usize], weights: &[f32], power: &[f32], partial: &mut [[f32; HALF]]) {
    for ((sums, bin), weights) in partial.iter_mut().zip(bins).zip(weights.chunks_exact(width)) {
        *sums = sum(weights.as_chunks().0, power[*bin..][..width].as_chunks().0);
    }
}

/// Halves of a vector are added, lanes are left apart: their sum in here would keep the compiler from whole vectors.
#[inline(always)]
fn sum(weights: &[[f32; LANES]], power: &[[f32; LANES]]) -> [f32; HALF] {
    let mut lanes = [0.0; LANES];
    for (weights, power) in weights.iter().zip(power) {
        for lane in 0..LANES {
            lanes[lane] += weights[lane] * power[lane];
        }
    }
    std::array::from_fn(|half| lanes[half] + lanes[half + HALF])
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn sum_lanes(partial: &[[f32; HALF]], values: &mut [f32]) {
    for (value, sums) in values.iter_mut().zip(partial) {
        let [a, b, c, d] = *sums;
        *value = (a + c) + (b + d);
    }
}

/// Weights of the triangle over three edges, one per bin. The sides are straight in Hz (librosa's `filters.mel`), those of
/// Kaldi's scale in mel.
fn triangle(edges: &[f64], mel: &LogMel, sample_rate: u32) -> Vec<f32> {
    let hz = |edge: usize| mel_to_hz(edges[edge], mel.scale);
    let area = match mel.norm {
        MelNorm::Slaney => 2.0 / (hz(2) - hz(0)),
        MelNorm::None => 1.0,
    };
    let straight_in_mel = mel.scale == MelScale::Kaldi;
    let [low, peak, high] = [0, 1, 2].map(|edge| if straight_in_mel { edges[edge] } else { hz(edge) });
    let weight = |bin: usize| {
        let frequency = bin as f64 * f64::from(sample_rate) / mel.n_fft as f64;
        let at = if straight_in_mel { hz_to_mel(frequency, mel.scale) } else { frequency };
        let rising = (at - low) / (peak - low);
        let falling = (high - at) / (high - peak);
        (rising.min(falling).max(0.0) * area) as f32
    };
    (0..=mel.n_fft / 2).map(weight).collect()
}

/// `n_mels + 2` edges in mel, equally spaced.
fn edges(mel: &LogMel) -> Vec<f64> {
    let (low, high) = (hz_to_mel(mel.fmin, mel.scale), hz_to_mel(mel.fmax, mel.scale));
    let step = (high - low) / (mel.n_mels + 1) as f64;
    (0..mel.n_mels + 2).map(|edge| low + step * edge as f64).collect()
}

/// Slaney's scale: 200/3 Hz a mel up to 1 kHz, then 27 mels for each factor of 6.4.
const SLANEY_HZ: f64 = 200.0 / 3.0;
const SLANEY_KNEE: f64 = 1000.0;

fn slaney_log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn hz_to_mel(hz: f64, scale: MelScale) -> f64 {
    match scale {
        MelScale::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
        MelScale::Kaldi => 1127.0 * (1.0 + hz / 700.0).ln(),
        MelScale::Slaney if hz < SLANEY_KNEE => hz / SLANEY_HZ,
        MelScale::Slaney => SLANEY_KNEE / SLANEY_HZ + (hz / SLANEY_KNEE).ln() / slaney_log_step(),
    }
}

fn mel_to_hz(mel: f64, scale: MelScale) -> f64 {
    let knee = SLANEY_KNEE / SLANEY_HZ;
    match scale {
        MelScale::Htk => 700.0 * (10.0_f64.powf(mel / 2595.0) - 1.0),
        MelScale::Kaldi => 700.0 * ((mel / 1127.0).exp() - 1.0),
        MelScale::Slaney if mel < knee => mel * SLANEY_HZ,
        MelScale::Slaney => SLANEY_KNEE * ((mel - knee) * slaney_log_step()).exp(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::preset;
    use super::*;
    use proptest::prelude::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() <= 1e-9 * right.abs().max(1.0)
    }

    #[test]
    fn known_points_of_the_scales() {
        assert!(close(hz_to_mel(1000.0, MelScale::Slaney), 15.0));
        assert!(close(hz_to_mel(6400.0, MelScale::Slaney), 42.0));
        assert!(close(hz_to_mel(700.0, MelScale::Htk), 2595.0 * 2.0_f64.log10()));
    }

    #[test]
    fn a_band_without_a_bin_is_zero() {
        let mut mel = preset::fsdkaggle2018().log_mel().unwrap().clone();
        mel.n_mels = 2000;
        let mut bank = MelBank::new(&mel, 44_100);
        let mut values = vec![1.0; 2000];
        bank.apply(&vec![1.0; mel.n_fft / 2 + 1 + MelBank::PADDING], &mut values);
        assert!(values.contains(&0.0));
    }

    proptest! {
        #[test]
        fn the_scales_invert(hz in 0.0f64..48_000.0) {
            for scale in [MelScale::Slaney, MelScale::Htk, MelScale::Kaldi] {
                prop_assert!(close(mel_to_hz(hz_to_mel(hz, scale), scale), hz));
            }
        }

        #[test]
        fn the_bank_is_the_formula(
            n_fft in 64usize..1024,
            n_mels in 1usize..80,
            fmin in 0.0f64..500.0,
            width in 100.0f64..7500.0,
            scale in 0usize..3,
            area: bool,
            seed in prop::collection::vec(0.0f32..1.0, 600),
        ) {
            let mel = LogMel {
                n_fft,
                n_mels,
                fmin,
                fmax: (fmin + width).min(8000.0),
                scale: [MelScale::Slaney, MelScale::Htk, MelScale::Kaldi][scale],
                norm: if area { MelNorm::Slaney } else { MelNorm::None },
                ..preset::yamnet().log_mel().unwrap().clone()
            };
            let mut power = seed[..=n_fft / 2].to_vec();
            power.resize(n_fft / 2 + 1 + MelBank::PADDING, 0.0);
            let mut values = vec![0.0; n_mels];
            MelBank::new(&mel, 16_000).apply(&power, &mut values);
            for (value, band) in values.iter().zip(edges(&mel).windows(3)) {
                let weights = triangle(band, &mel, 16_000);
                let expected: f64 = weights.iter().zip(&power).map(|(w, p)| f64::from(*w) * f64::from(*p)).sum();
                prop_assert!((f64::from(*value) - expected).abs() <= 1e-6 * expected.max(1e-3));
            }
        }
    }
}
