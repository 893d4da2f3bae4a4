// SPDX-License-Identifier: MIT OR Apache-2.0
//! Precision and recall as functions of the threshold, and the threshold for a wanted precision.

/// The results of one threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Choice {
    /// The label is reported at or above it.
    pub(super) threshold: f64,
    /// Share of the reported recordings that have the label.
    pub(super) precision: f64,
    /// Share of the recordings with the label that are reported.
    pub(super) recall: f64,
}

/// Parts that the recordings are dealt into for [`Curve::cross_fit`], at most.
const FOLDS: usize = 5;

/// Scores of one label in all recordings, best first.
pub(super) struct Curve {
    scores: Vec<(f64, bool)>,
    positives: usize,
    /// The part of each score, by the order of the recordings.
    folds: Vec<usize>,
}

impl Curve {
    /// Scores with the truth; `None` when no recording has the label.
    pub(super) fn new(scores: Vec<(f64, bool)>) -> Option<Self> {
        let positives = scores.iter().filter(|(_, positive)| *positive).count();
        // Recordings with the label, and those without, are dealt out in turn.
        let mut dealt = [0; 2];
        let mut dealt: Vec<_> = scores
            .into_iter()
            .map(|score| {
                let next = &mut dealt[usize::from(score.1)];
                *next += 1;
                (score, (*next - 1) % FOLDS)
            })
            .collect();
        dealt.sort_by(|a, b| b.0.0.total_cmp(&a.0.0));
        let (scores, folds) = dealt.into_iter().unzip();
        (positives > 0).then_some(Self { scores, positives, folds })
    }

    /// Recordings that have the label.
    pub(super) fn positives(&self) -> usize {
        self.positives
    }

    /// Recordings that do not have it.
    pub(super) fn negatives(&self) -> usize {
        self.scores.len() - self.positives
    }

    /// All thresholds that make a difference, from the highest down. Each lies halfway to the next score below, so
    /// that a score that differs a little falls on the same side.
    pub(super) fn points(&self) -> impl Iterator<Item = Choice> + '_ {
        let mut hits = 0;
        self.scores.iter().enumerate().filter_map(move |(at, &(score, positive))| {
            hits += usize::from(positive);
            let below = self.scores.get(at + 1).map_or(0.0, |next| next.0);
            // Equal scores are on the same side of a threshold.
            (below < score || at + 1 == self.scores.len()).then(|| Choice {
                threshold: between(below, score),
                precision: hits as f64 / (at + 1) as f64,
                recall: hits as f64 / self.positives as f64,
            })
        })
    }

    /// The lowest threshold with at least this precision; if none exists, the one with the highest precision.
    pub(super) fn choose(&self, precision: f64) -> Choice {
        let good = self.points().filter(|point| point.precision >= precision && point.recall > 0.0).last();
        let best =
            || self.points().max_by(|a, b| a.precision.total_cmp(&b.precision).then(a.recall.total_cmp(&b.recall)));
        good.or_else(best).unwrap_or(Choice { threshold: 1.0, precision: 0.0, recall: 0.0 })
    }

    /// Precision and recall of thresholds on recordings that did not choose them: each part of the recordings is judged by
    /// the threshold that the other parts choose. The threshold is their mean. `None` when fewer than two recordings
    /// have the label.
    pub(super) fn cross_fit(&self, precision: f64) -> Option<Choice> {
        if self.positives < 2 {
            return None;
        }
        let (mut reported, mut hits, mut thresholds) = (0, 0, Vec::new());
        for fold in 0..FOLDS {
            let part = |inside: bool| {
                let scores = self.scores.iter().zip(&self.folds);
                scores.filter(move |(_, at)| (**at == fold) == inside).map(|(score, _)| *score)
            };
            let Some(others) = Self::new(part(false).collect()) else { continue };
            let threshold = others.choose(precision).threshold;
            thresholds.push(threshold);
            for (_, positive) in part(true).filter(|(score, _)| *score >= threshold) {
                reported += 1;
                hits += usize::from(positive);
            }
        }
        let share = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        Some(Choice {
            threshold: thresholds.iter().sum::<f64>() / thresholds.len() as f64,
            // Without a report, no report is wrong.
            precision: if reported == 0 { 1.0 } else { share(hits, reported) },
            recall: share(hits, self.positives),
        })
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
        assert_eq!(curve.choose(0.95).precision, 0.5, "the best possible");
    }

    #[test]
    fn a_label_that_no_recording_has_has_no_curve() {
        assert!(Curve::new(vec![(0.9, false)]).is_none());
    }

    #[test]
    fn a_threshold_that_only_fits_by_chance_is_not_confirmed_by_the_other_recordings() {
        // Scores without any relation to the truth.
        let scores = (0..40u32).map(|n| (f64::from(n * 7919 % 40) / 40.0, n % 2 == 0));
        let curve = Curve::new(scores.collect()).unwrap();

        let (fitted, crossed) = (curve.choose(0.95), curve.cross_fit(0.95).unwrap());

        assert!(crossed.precision < fitted.precision, "{crossed:?} {fitted:?}");
    }

    #[test]
    fn labels_that_are_well_separated_are_confirmed() {
        let scores = (0..20u32).map(|n| (if n % 2 == 0 { 0.9 } else { 0.1 }, n % 2 == 0));
        let crossed = Curve::new(scores.collect()).unwrap().cross_fit(0.95).unwrap();

        assert_eq!((crossed.precision, crossed.recall), (1.0, 1.0));
        assert!(Curve::new(vec![(0.9, true), (0.1, false)]).unwrap().cross_fit(0.95).is_none());
    }

    proptest! {
        #[test]
        fn the_chosen_threshold_gives_the_precision_that_it_says(
            scores in prop::collection::vec((0.0..1.0, any::<bool>()), 1..40), wanted in 0.0..1.0,
        ) {
            if let Some(curve) = Curve::new(scores.clone()) {
                let choice = curve.choose(wanted);
                let reported: Vec<_> = scores.iter().filter(|score| score.0 >= choice.threshold).collect();
                let hits = reported.iter().filter(|score| score.1).count();
                prop_assert!((hits as f64 / reported.len() as f64 - choice.precision).abs() < 1e-12);
            }
        }
    }
}
