// SPDX-License-Identifier: MIT OR Apache-2.0
//! Energy and peak of samples, in one short loop: it runs for every few milliseconds of audio, when no cache holds its code.

use multiversion::multiversion;

/// Sums that are computed at once.
const LANES: usize = 16;

/// `Σ x²` and the maximum of `|x|` of some samples.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Energy {
    /// `Σ x²`; in `f64`, so that it hardly depends on how the samples are cut.
    pub sum: f64,
    /// The maximum of `|x|`.
    pub peak: f32,
}

impl Energy {
    /// Energy and peak of these samples, which are finite; 0 for no samples.
    #[must_use]
    pub fn of(samples: &[f32]) -> Self {
        energy(samples)
    }

    /// Energy and peak of these samples and the others together.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self { sum: self.sum + other.sum, peak: self.peak.max(other.peak) }
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn energy(samples: &[f32]) -> Energy {
    let (vectors, rest) = samples.as_chunks::<LANES>();
    let (mut sums, mut peaks) = ([0.0; LANES], [0f32; LANES]);
    for vector in vectors {
        for lane in 0..LANES {
            let sample = vector[lane];
            sums[lane] += f64::from(sample) * f64::from(sample);
            peaks[lane] = if sample.abs() > peaks[lane] { sample.abs() } else { peaks[lane] };
        }
    }
    let all = Energy { sum: sums.iter().sum(), peak: peaks.into_iter().fold(0.0, f32::max) };
    rest.iter().fold(all, |all, sample| all.joined(Energy { sum: f64::from(*sample).powi(2), peak: sample.abs() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_that_of_the_samples(samples in prop::collection::vec(-2f32..2.0, 0..300), cut in 0usize..300) {
            let (one, other) = samples.split_at(cut.min(samples.len()));
            let peak = samples.iter().fold(0f32, |peak, sample| peak.max(sample.abs()));
            let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
            for found in [Energy::of(&samples), Energy::of(one).joined(Energy::of(other))] {
                prop_assert_eq!(found.peak, peak);
                prop_assert!((found.sum - sum).abs() <= 1e-12 * sum);
            }
        }
    }
}
