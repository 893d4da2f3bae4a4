// SPDX-License-Identifier: MIT OR Apache-2.0
//! Window functions.

use std::f64::consts::PI;

use super::spec::WindowFunction;

/// Kaldi's exponent of the Hann window, which makes it Povey's.
const POVEY: f64 = 0.85;

/// `length` weights, times `scale`.
pub(super) fn weights(function: WindowFunction, length: usize, scale: f64) -> Vec<f32> {
    let symmetric = match function {
        WindowFunction::Hann | WindowFunction::Hamming => false,
        WindowFunction::HannSymmetric | WindowFunction::HammingSymmetric | WindowFunction::Povey => true,
    };
    let turn = 2.0 * PI / if symmetric { length.saturating_sub(1).max(1) } else { length } as f64;
    let weight = |n: usize| {
        let c = (turn * n as f64).cos();
        match function {
            // One sample has nothing to fade to.
            _ if length == 1 && symmetric => 1.0,
            WindowFunction::Hann | WindowFunction::HannSymmetric => 0.5 - 0.5 * c,
            WindowFunction::Hamming | WindowFunction::HammingSymmetric => 0.54 - 0.46 * c,
            WindowFunction::Povey => (0.5 - 0.5 * c).powf(POVEY),
        }
    };
    (0..length).map(|n| (weight(n) * scale) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_weights(function: WindowFunction, expected: [f32; 5]) {
        let computed = weights(function, 5, 1.0);
        assert!(computed.iter().zip(expected).all(|(left, right)| (left - right).abs() < 1e-6), "{computed:?}");
    }

    /// `scipy.signal.get_window` and numpy's window functions.
    #[test]
    fn known_windows() {
        assert_weights(WindowFunction::Hann, [0.0, 0.345_491_5, 0.904_508_5, 0.904_508_5, 0.345_491_5]);
        assert_weights(WindowFunction::HannSymmetric, [0.0, 0.5, 1.0, 0.5, 0.0]);
        assert_weights(WindowFunction::Hamming, [0.08, 0.397_852_2, 0.912_147_8, 0.912_147_8, 0.397_852_2]);
        assert_weights(WindowFunction::HammingSymmetric, [0.08, 0.54, 1.0, 0.54, 0.08]);
        assert_weights(WindowFunction::Povey, [0.0, 0.554_784_7, 1.0, 0.554_784_7, 0.0]);
    }

    #[test]
    fn a_single_sample_is_kept() {
        assert_eq!(weights(WindowFunction::Povey, 1, 2.0), [2.0]);
    }
}
