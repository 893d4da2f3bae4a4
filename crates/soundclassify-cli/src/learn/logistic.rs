// SPDX-License-Identifier: MIT OR Apache-2.0
//! Logistic regression on embeddings: one label against everything else.

/// Steps of Adam; the loss of a few hundred vectors is flat long before.
const STEPS: u32 = 400;
const RATE: f64 = 0.03;
/// Strength of the L2 penalty, for standardised embeddings.
const PENALTY: f64 = 3e-3;

/// A vector, whether it is of the label, and how much it counts.
pub(super) struct Example<'a> {
    pub(super) vector: &'a [f32],
    pub(super) positive: bool,
    pub(super) weight: f64,
}

/// A probability from an embedding: `sigmoid(weights · embedding + bias)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unit {
    pub(super) weights: Vec<f32>,
    pub(super) bias: f32,
}

impl Unit {
    /// Fits to examples; both kinds weigh the same in all. There must be some of both.
    pub(super) fn fit(examples: &[Example<'_>]) -> Self {
        let (mean, deviation) = moments(examples);
        let total = |positive: bool| -> f64 {
            examples.iter().filter(|example| example.positive == positive).map(|example| example.weight).sum()
        };
        let totals = [total(false), total(true)];
        let rows: Vec<Vec<f64>> = examples
            .iter()
            .map(|example| {
                let scaled = example.vector.iter().zip(&mean).zip(&deviation);
                scaled.map(|((value, mean), deviation)| (f64::from(*value) - mean) / deviation).collect()
            })
            .collect();
        let mut adam = Adam::new(mean.len() + 1);
        for step in 1..=STEPS {
            let mut gradient = vec![0.0; mean.len() + 1];
            for (row, example) in rows.iter().zip(examples) {
                let error = sigmoid(dot(&adam.values, row)) - f64::from(u8::from(example.positive));
                let scale = error * example.weight / (2.0 * totals[usize::from(example.positive)]);
                for (sum, value) in gradient.iter_mut().zip(row.iter().chain([&1.0])) {
                    *sum += scale * value;
                }
            }
            for (sum, value) in gradient.iter_mut().zip(&adam.values[..mean.len()]) {
                *sum += PENALTY * value;
            }
            adam.step(step, &gradient);
        }
        Self::unscaled(&adam.values, &mean, &deviation)
    }

    /// The unit for embeddings that are not standardised.
    fn unscaled(values: &[f64], mean: &[f64], deviation: &[f64]) -> Self {
        let weights: Vec<f64> = values.iter().zip(deviation).map(|(value, deviation)| value / deviation).collect();
        let shift: f64 = weights.iter().zip(mean).map(|(weight, mean)| weight * mean).sum();
        Self {
            bias: (values[mean.len()] - shift) as f32,
            weights: weights.into_iter().map(|weight| weight as f32).collect(),
        }
    }

    /// Probability of the label.
    pub(super) fn probability(&self, vector: &[f32]) -> f64 {
        let sum: f64 = self.weights.iter().zip(vector).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        sigmoid(sum + f64::from(self.bias))
    }
}

/// Mean and standard deviation of each value, the latter at least a little.
fn moments(examples: &[Example<'_>]) -> (Vec<f64>, Vec<f64>) {
    let width = examples.first().map_or(0, |example| example.vector.len());
    let count = examples.len() as f64;
    let mut mean = vec![0.0; width];
    for example in examples {
        mean.iter_mut().zip(example.vector).for_each(|(sum, value)| *sum += f64::from(*value) / count);
    }
    let mut deviation = vec![0.0; width];
    for example in examples {
        let parts = deviation.iter_mut().zip(&mean).zip(example.vector);
        parts.for_each(|((sum, mean), value)| *sum += (f64::from(*value) - mean).powi(2) / count);
    }
    let typical = (deviation.iter().sum::<f64>() / width.max(1) as f64).sqrt();
    let floor = (0.1 * typical).max(1e-6);
    deviation.iter_mut().for_each(|value| *value = value.sqrt().max(floor));
    (mean, deviation)
}

fn dot(values: &[f64], row: &[f64]) -> f64 {
    values.iter().zip(row.iter().chain([&1.0])).map(|(a, b)| a * b).sum()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015.
struct Adam {
    values: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Adam {
    fn new(count: usize) -> Self {
        Self { values: vec![0.0; count], first: vec![0.0; count], second: vec![0.0; count] }
    }

    fn step(&mut self, step: u32, gradient: &[f64]) {
        let correct = |moment: f64, decay: f64| moment / (1.0 - decay.powi(step as i32));
        for (at, slope) in gradient.iter().enumerate() {
            self.first[at] = 0.9 * self.first[at] + 0.1 * slope;
            self.second[at] = 0.999 * self.second[at] + 0.001 * slope * slope;
            self.values[at] -= RATE * correct(self.first[at], 0.9) / (correct(self.second[at], 0.999).sqrt() + 1e-8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_groups_are_separated() {
        let vectors: Vec<[f32; 2]> = (0..20).map(|n| [n as f32, if n % 2 == 0 { 4.0 } else { 5.0 }]).collect();
        let examples: Vec<_> =
            vectors.iter().map(|vector| Example { vector, positive: vector[1] > 4.5, weight: 1.0 }).collect();

        let unit = Unit::fit(&examples);

        for Example { vector, positive, .. } in &examples {
            assert_eq!(unit.probability(vector) > 0.5, *positive, "{vector:?}");
        }
    }

    #[test]
    fn few_positives_weigh_as_much_as_many_others() {
        let (near, far) = ([1.0f32], [0.0f32]);
        let others = (0..50).map(|_| Example { vector: &far, positive: false, weight: 1.0 });
        let examples: Vec<_> = others.chain([Example { vector: &near, positive: true, weight: 1.0 }]).collect();

        let unit = Unit::fit(&examples);

        assert!(unit.probability(&near) > 0.5 && unit.probability(&far) < 0.5);
    }
}
