// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a network's output to probabilities.

/// What progress the network's output into probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// They are probabilities.
    None,
    /// `exp(x − max) / Σ exp(x − max)`: one of the labels.
    Softmax,
    /// `1 / (1 + exp(−x))`: any of the labels.
    Sigmoid,
}

/// Probabilities of one window: activation of each row of `raw` (rows of `scores.len()` values, one a time step),
/// then the mean over the rows, into `scores`.
pub(crate) fn activate_and_average(activation: Activation, raw: &[f32], scores: &mut [f32]) {
    let classes = scores.len();
    let weight = classes as f32 / raw.len() as f32;
    scores.fill(0.0);
    for row in raw.chunks_exact(classes) {
        let add = |(score, value): (&mut f32, f32)| *score += weight * value;
        let row = row.iter().copied();
        match activation {
            Activation::None => scores.iter_mut().zip(row).for_each(add),
            Activation::Sigmoid => scores.iter_mut().zip(row.map(sigmoid)).for_each(add),
            Activation::Softmax => {
                let max = row.clone().fold(f32::NEG_INFINITY, f32::max);
                let sum: f32 = row.clone().map(|x| (x - max).exp()).sum();
                scores.iter_mut().zip(row.map(|x| (x - max).exp() / sum)).for_each(add);
            }
        }
    }
}

/// Without overflow on either side.
fn sigmoid(x: f32) -> f32 {
    let e = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(activation: Activation, raw: &[f32], classes: usize) -> Vec<f32> {
        let mut scores = vec![f32::NAN; classes];
        activate_and_average(activation, raw, &mut scores);
        scores
    }

    #[test]
    fn softmax_of_huge_logits_stays_finite() {
        assert_eq!(scores(Activation::Softmax, &[1e30, 1e30, -1e30], 3), [0.5, 0.5, 0.0]);
    }

    #[test]
    fn sigmoid_saturates_without_overflow() {
        assert_eq!(scores(Activation::Sigmoid, &[-1e30, 0.0, 1e30], 3), [0.0, 0.5, 1.0]);
    }

    #[test]
    fn sigmoid_keeps_small_probabilities() {
        assert!((scores(Activation::Sigmoid, &[-80.0], 1)[0] / (-80.0f32).exp() - 1.0).abs() < 1e-5);
    }

    #[test]
    fn time_axis_is_averaged_after_activation() {
        let raw = [0.0, 100.0, 0.0, -100.0];
        assert_eq!(scores(Activation::Sigmoid, &raw, 2), [0.5, 0.5]);
        assert_eq!(scores(Activation::None, &[1.0, 0.0, 0.0, 1.0], 2), [0.5, 0.5]);
    }

    #[test]
    fn nan_stays_nan() {
        for activation in [Activation::None, Activation::Softmax, Activation::Sigmoid] {
            assert!(scores(activation, &[f32::NAN, 0.0], 2)[0].is_nan());
        }
    }
}
