// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mel-frequency cepstral coefficients: the DCT-II of log-mel frames, with liftering.

use std::f64::consts::PI;

use multiversion::multiversion;

use super::spec::{Lifter, Mfcc};
use super::window::Pieces;

/// Sums that run side by side.
const LANES: usize = 8;

/// A DCT with its liftering; planned once.
#[derive(Debug)]
pub(super) struct Dct {
    bands: usize,
    /// One row of `bands` weights for each coefficient.
    basis: Vec<f32>,
}

impl Dct {
    pub(super) fn new(mfcc: &Mfcc) -> Self {
        let bands = mfcc.mel.n_mels;
        let count = bands as f64;
        let row = |k: usize| {
            let order = k as f64;
            let scale = match (mfcc.orthonormal, k) {
                (false, _) => 2.0,
                (true, 0) => (1.0 / count).sqrt(),
                (true, _) => (2.0 / count).sqrt(),
            };
            let scale = scale * weight(mfcc.lifter, order);
            (0..bands).map(move |n| (scale * (PI * order * (2 * n + 1) as f64 / (2.0 * count)).cos()) as f32)
        };
        Self { bands, basis: (0..mfcc.coefficients).flat_map(row).collect() }
    }

    /// Writes the coefficients of all frames of a window, whose values are at least `floor`. `columns`: frames of the
    /// window, when coefficients come first in the tensor.
    pub(super) fn write(&self, floor: f32, values: Pieces<'_>, tensor: &mut [f32], columns: Option<usize>) {
        let coefficients = self.basis.len() / self.bands;
        let frames = values.into_iter().flat_map(|part| part.chunks_exact(self.bands));
        for (frame, values) in frames.enumerate() {
            for (k, row) in self.basis.chunks_exact(self.bands).enumerate() {
                let at = columns.map_or(frame * coefficients + k, |columns| k * columns + frame);
                tensor[at] = product(row, values, floor);
            }
        }
    }
}

/// Liftering of coefficient `k`.
fn weight(lifter: Lifter, k: f64) -> f64 {
    match lifter {
        Lifter::None => 1.0,
        Lifter::Librosa(length) => 1.0 + length / 2.0 * (PI * (k + 1.0) / length).sin(),
        Lifter::Kaldi(length) => 1.0 + length / 2.0 * (PI * k / length).sin(),
    }
}

/// `Σ w · max(x, floor)`.
#[multiversion(targets("x86_64+avx2"))]
fn product(weights: &[f32], values: &[f32], floor: f32) -> f32 {
    let ((weights, weights_rest), (values, values_rest)) = (weights.as_chunks::<LANES>(), values.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (weights, values) in weights.iter().zip(values) {
        for lane in 0..LANES {
            sums[lane] += weights[lane] * values[lane].max(floor);
        }
    }
    let rest = weights_rest.iter().zip(values_rest).map(|(weight, value)| weight * value.max(floor)).sum::<f32>();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::super::preset;
    use super::super::spec::LogMel;
    use super::*;

    fn dct(orthonormal: bool, lifter: Lifter) -> Vec<f32> {
        let mel = LogMel { n_mels: 4, frames: 1, ..preset::librosa() };
        let mut tensor = [0.0; 3];
        let values = [1.0, 2.0, 4.0, 8.0];
        Dct::new(&Mfcc { mel, coefficients: 3, orthonormal, lifter }).write(0.0, [&values, &[]], &mut tensor, None);
        tensor.to_vec()
    }

    #[track_caller]
    fn assert_close(computed: &[f32], expected: [f32; 3]) {
        assert!(computed.iter().zip(expected).all(|(left, right)| (left - right).abs() < 1e-4), "{computed:?}");
    }

    /// `scipy.fft.dct([1, 2, 4, 8])` and with `norm="ortho"`.
    #[test]
    fn it_is_scipys() {
        assert_close(&dct(false, Lifter::None), [30.0, -14.465_05, 4.242_641]);
        assert_close(&dct(true, Lifter::None), [7.5, -5.114_17, 1.5]);
    }

    #[test]
    fn lifters_are_those_of_librosa_and_kaldi() {
        let plain = dct(true, Lifter::None);
        // L = 2: librosa's sines are those of π/2, π, 3π/2, Kaldi's of 0, π/2, π.
        assert_close(&dct(true, Lifter::Librosa(2.0)), [plain[0] * 2.0, plain[1], 0.0]);
        assert_close(&dct(true, Lifter::Kaldi(2.0)), [plain[0], plain[1] * 2.0, plain[2]]);
    }
}
