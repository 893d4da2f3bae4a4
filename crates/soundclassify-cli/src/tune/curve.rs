// SPDX-License-Identifier: MIT OR Apache-2.0
//! Precision and recall over the threshold, and the threshold for a wanted precision.

/// What one threshold gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Choice {
    /// Told at or above it.
    pub(super) threshold: f64,
    /// Part of the told recordings that have the label.
    pub(super) precision: f64,
    /// Part of the recordings with the label that are told.
    pub(super) recall: f64,
}

/// Scores of one label in all recordings, best first.
pub(super) struct Curve {
    scores: Vec<(f64, bool)>,
    positives: usize,
}

impl Curve {
    /// Scores with the truth; `None` when no recording has the label.
    pub(super) fn new(mut scores: Vec<(f64, bool)>) -> Option<Self> {
        scores.sort_by(|a, b| b.0.total_cmp(&a.0));
        let positives = scores.iter().filter(|(_, positive)| *positive).count();
        (positives > 0).then_some(Self { scores, positives })
    }

    /// Recordings that have the label.
    pub(super) fn positives(&self) -> usize {
        self.positives
    }

    /// All thresholds that make a difference, from the highest down. Each lies halfway to the next score below, so
    /// that a score that differs a little falls on the same side.
    pub(super) fn points(&self) -> impl Iterator<Item = Choice> + '_ {
        let mut hits = 0;
        self.scores.iter().enumerate().filter_map(move |(at, &(score, positive))| {
            hits += usize::from(positive);
            let below = self.scores.get(at + 1).map_or(0.0, |next| next.0);
            // Equal scores stand or fall together.
            (below < score || at + 1 == self.scores.len()).then(|| Choice {
                threshold: between(below, score),
                precision: hits as f64 / (at + 1) as f64,
                recall: hits as f64 / self.positives as f64,
            })
        })
    }

    /// The lowest threshold with at least this precision; where there is none, the one with the highest precision.
    pub(super) fn choose(&self, precision: f64) -> Choice {
        let good = self.points().filter(|point| point.precision >= precision && point.recall > 0.0).last();
        let best =
            || self.points().max_by(|a, b| a.precision.total_cmp(&b.precision).then(a.recall.total_cmp(&b.recall)));
        good.or_else(best).unwrap_or(Choice { threshold: 1.0, precision: 0.0, recall: 0.0 })
    }
}

/// A short number above `low` and at most `high`.
fn between(low: f64, high: f64) -> f64 {
    let middle = f64::midpoint(low, high);
    let short = (middle * 1e4).round() / 1e4;
    if short > low && short <= high { short } else { middle }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lowest_threshold_of_enough_precision_is_taken() {
        let curve = Curve::new(vec![(0.9, true), (0.8, true), (0.6, false), (0.5, true), (0.1, false)]).unwrap();

        let strict = curve.choose(1.0);
        let loose = curve.choose(0.75);

        assert_eq!((strict.threshold, strict.precision), (0.7, 1.0));
        assert!((strict.recall - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!((loose.threshold, loose.precision, loose.recall), (0.3, 0.75, 1.0));
    }

    #[test]
    fn equal_scores_stand_or_fall_together() {
        let curve = Curve::new(vec![(0.9, true), (0.9, false)]).unwrap();

        assert_eq!(curve.points().count(), 1);
        assert_eq!(curve.choose(0.95).precision, 0.5, "the best there is");
    }

    #[test]
    fn a_label_that_no_recording_has_has_no_curve() {
        assert!(Curve::new(vec![(0.9, false)]).is_none());
    }

    proptest! {
        #[test]
        fn the_chosen_threshold_gives_the_precision_that_it_says(
            scores in prop::collection::vec((0.0..1.0, any::<bool>()), 1..40), wanted in 0.0..1.0,
        ) {
            if let Some(curve) = Curve::new(scores.clone()) {
                let choice = curve.choose(wanted);
                let told: Vec<_> = scores.iter().filter(|score| score.0 >= choice.threshold).collect();
                let hits = told.iter().filter(|score| score.1).count();
                prop_assert!((hits as f64 / told.len() as f64 - choice.precision).abs() < 1e-12);
            }
        }
    }
}
