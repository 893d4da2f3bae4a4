// SPDX-License-Identifier: MIT OR Apache-2.0
//! Activation: turns a network's output into probabilities.

use super::manifest::Reduce;

/// How the output of a network becomes probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// The output already consists of probabilities.
    None,
    /// `exp(x − max) / Σ exp(x − max)`: the labels exclude each other.
    Softmax,
    /// `1 / (1 + exp(−x))`: the labels are independent.
    Sigmoid,
}

/// Probabilities of one window: activation of each row of `raw` (rows of `scores.len()` values, one per time step),
/// then one value per class of all rows, into `scores`. `weights`, for [`Reduce::Attention`]: one per value or one per row, at
/// least 0; rows without any weight count alike.
pub(crate) fn activate_and_reduce(
    activation: Activation,
    reduce: Reduce,
    raw: &[f32],
    weights: Option<&[f32]>,
    scores: &mut [f32],
) {
    let classes = scores.len();
    let rows = raw.len() / classes;
    match (reduce, weights) {
        (Reduce::Last, _) => {
            scores.fill(0.0);
            add_row(activation, &raw[raw.len() - classes..], scores, |score, value, _| *score = value);
        }
        (Reduce::Max, _) => {
            scores.fill(f32::NEG_INFINITY);
            // A NaN stays one.
            let max = |score: &mut f32, value: f32, _| {
                *score = if value <= *score || score.is_nan() { *score } else { value }
            };
            raw.chunks_exact(classes).for_each(|row| add_row(activation, row, scores, max));
        }
        (Reduce::Attention, Some(weights)) => attend(activation, raw, weights, scores),
        (Reduce::Mean | Reduce::Attention, _) => {
            scores.fill(0.0);
            let weight = 1.0 / rows as f32;
            let add = |score: &mut f32, value: f32, _| *score += weight * value;
            raw.chunks_exact(classes).for_each(|row| add_row(activation, row, scores, add));
        }
    }
}

/// Means over the rows of `raw`, weighted by `weights`.
fn attend(activation: Activation, raw: &[f32], weights: &[f32], scores: &mut [f32]) {
    let classes = scores.len();
    let rows = raw.len() / classes;
    let weight = |row: usize, class: usize| weights[if weights.len() == rows { row } else { row * classes + class }];
    let sum = |class: usize| (0..rows).map(|row| weight(row, class)).sum::<f32>();
    scores.fill(0.0);
    for (number, row) in raw.chunks_exact(classes).enumerate() {
        add_row(activation, row, scores, |score, value, class| {
            let sum = sum(class);
            *score += value * if sum > 0.0 { weight(number, class) / sum } else { 1.0 / rows as f32 };
        });
    }
}

/// Calls `add` with each score, the row's probability of it, and its class.
fn add_row(activation: Activation, row: &[f32], scores: &mut [f32], add: impl Fn(&mut f32, f32, usize)) {
    let row = row.iter().copied();
    let add = |((class, score), value): ((usize, &mut f32), f32)| add(score, value, class);
    let scores = scores.iter_mut().enumerate();
    match activation {
        Activation::None => scores.zip(row).for_each(add),
        Activation::Sigmoid => scores.zip(row.map(sigmoid)).for_each(add),
        Activation::Softmax => {
            let max = row.clone().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = row.clone().map(|x| (x - max).exp()).sum();
            scores.zip(row.map(|x| (x - max).exp() / sum)).for_each(add);
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
        activate_and_reduce(activation, Reduce::Mean, raw, None, &mut scores);
        scores
    }

    fn reduced(reduce: Reduce, raw: &[f32], weights: Option<&[f32]>) -> Vec<f32> {
        let mut scores = vec![f32::NAN; 2];
        activate_and_reduce(Activation::None, reduce, raw, weights, &mut scores);
        scores
    }

    #[test]
    fn a_time_axis_becomes_one_row() {
        let raw = [1.0, 6.0, 3.0, 2.0, 2.0, 1.0];
        assert_eq!(reduced(Reduce::Mean, &raw, None), [2.0, 3.0]);
        assert_eq!(reduced(Reduce::Max, &raw, None), [3.0, 6.0]);
        assert_eq!(reduced(Reduce::Last, &raw, None), [2.0, 1.0]);
        assert_eq!(reduced(Reduce::Attention, &raw, Some(&[1.0, 0.0, 1.0])), [1.5, 3.5]);
        assert_eq!(reduced(Reduce::Attention, &raw, Some(&[0.0, 2.0, 1.0, 0.0, 1.0, 2.0])), [2.5, 3.5]);
        assert_eq!(reduced(Reduce::Attention, &raw, Some(&[0.0; 3])), [2.0, 3.0]);
        assert!(reduced(Reduce::Max, &[f32::NAN, 1.0, 0.5, 2.0], None)[0].is_nan());
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
