// SPDX-License-Identifier: MIT OR Apache-2.0
//! Filters that select the reported labels: allow, deny, thresholds, top-k, in this order.

/// One label or group and its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Number of the label or group, from 0, as in [`Classifier::names`](crate::Classifier::names).
    pub index: usize,
    /// Probability, 0…1.
    pub probability: f32,
}

/// Selects predictions from class scores.
#[derive(Debug, Clone)]
pub struct Filter {
    allowed: Vec<bool>,
    thresholds: Vec<f32>,
    top_k: usize,
    found: Vec<Prediction>,
}

impl Filter {
    /// A filter for `labels`. An empty `allow` allows all labels. `thresholds` has one value per label, 0…1.
    /// Unknown names in `allow` or `deny` have no effect; see [`unknown_label_hint`].
    #[must_use]
    pub fn new(labels: &[String], allow: &[String], deny: &[String], thresholds: Vec<f32>, top_k: usize) -> Self {
        let allowed = labels.iter().map(|label| (allow.is_empty() || allow.contains(label)) && !deny.contains(label));
        Self::of(allowed.collect(), thresholds, top_k)
    }

    /// A filter by class number: whether each class may be reported, and its threshold, 0…1.
    #[must_use]
    pub fn of(allowed: Vec<bool>, thresholds: Vec<f32>, top_k: usize) -> Self {
        debug_assert_eq!(allowed.len(), thresholds.len());
        Self { allowed, thresholds, top_k, found: Vec::new() }
    }

    /// The predictions to report for these scores, best first, ties by index, at most `top_k`.
    pub fn apply(&mut self, scores: &[f32]) -> &[Prediction] {
        self.found.clear();
        let allowed = scores.iter().zip(&self.allowed).zip(&self.thresholds).enumerate();
        self.found.extend(
            allowed
                .filter(|(_, ((score, allowed), threshold))| **allowed && *score >= *threshold)
                .map(|(index, ((&probability, _), _))| Prediction { index, probability }),
        );
        self.found.sort_unstable_by(|a, b| b.probability.total_cmp(&a.probability).then(a.index.cmp(&b.index)));
        self.found.truncate(self.top_k);
        &self.found
    }

    /// Whether a class may be reported at all.
    ///
    /// # Panics
    /// If the class does not exist.
    #[must_use]
    pub fn allows(&self, index: usize) -> bool {
        self.allowed[index]
    }
}

/// Up to three labels that resemble an unknown name, or have a word that resembles one of its words, for a warning. `None`
/// for a name that is a label.
#[must_use]
pub fn unknown_label_hint<'a>(name: &str, labels: &'a [String]) -> Option<Vec<&'a str>> {
    if labels.iter().any(|label| label == name) {
        return None;
    }
    let mut near: Vec<(f64, &str)> = labels
        .iter()
        .map(|label| (similarity(name, label), label.as_str()))
        .filter(|(similarity, _)| *similarity >= 0.8)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    Some(near.into_iter().take(3).map(|(_, label)| label).collect())
}

/// 1 for the same; words alone count a little less than whole names.
fn similarity(one: &str, other: &str) -> f64 {
    let plain = |text: &str| text.to_lowercase().replace(['_', '-'], " ");
    let (one, other) = (plain(one), plain(other));
    let words =
        |text: &str| text.split_whitespace().filter(|word| word.len() > 2).map(str::to_owned).collect::<Vec<_>>();
    let others = words(&other);
    let pairs = words(&one).into_iter().flat_map(|a| others.iter().map(move |b| strsim::jaro_winkler(&a, b)));
    pairs.map(|word| 0.95 * word).fold(strsim::jaro_winkler(&one, &other), f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels() -> Vec<String> {
        ["Bark", "Door_bell", "Speech"].map(String::from).to_vec()
    }

    fn reported(filter: &mut Filter, scores: &[f32]) -> Vec<usize> {
        filter.apply(scores).iter().map(|prediction| prediction.index).collect()
    }

    fn filter(allow: &[&str], deny: &[&str], thresholds: [f32; 3], top_k: usize) -> Filter {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        Filter::new(&labels(), &owned(allow), &owned(deny), thresholds.to_vec(), top_k)
    }

    #[test]
    fn best_first_and_at_most_top_k() {
        assert_eq!(reported(&mut filter(&[], &[], [0.0; 3], 2), &[0.2, 0.5, 0.3]), [1, 2]);
    }

    #[test]
    fn ties_go_by_index() {
        assert_eq!(reported(&mut filter(&[], &[], [0.0; 3], 3), &[0.3, 0.3, 0.3]), [0, 1, 2]);
    }

    #[test]
    fn filters_come_before_the_cut() {
        assert_eq!(reported(&mut filter(&["Bark"], &[], [0.0; 3], 1), &[0.1, 0.5, 0.3]), [0]);
        assert_eq!(reported(&mut filter(&[], &["Door_bell"], [0.0; 3], 1), &[0.1, 0.5, 0.3]), [2]);
    }

    #[test]
    fn deny_wins_over_allow() {
        assert_eq!(reported(&mut filter(&["Bark"], &["Bark"], [0.0; 3], 3), &[0.9, 0.5, 0.3]), [0usize; 0]);
    }

    #[test]
    fn threshold_is_the_minimum_that_is_reported() {
        assert_eq!(reported(&mut filter(&[], &[], [0.2, 0.6, 0.3], 3), &[0.2, 0.5, 0.3]), [2, 0]);
    }

    #[test]
    fn near_labels_are_hinted_and_nothing_is_guessed() {
        assert_eq!(unknown_label_hint("Bark", &labels()), None);
        assert_eq!(unknown_label_hint("door bell", &labels()), Some(vec!["Door_bell"]));
        assert_eq!(unknown_label_hint("Dog bark", &labels()), Some(vec!["Bark"]));
        assert_eq!(unknown_label_hint("bells", &labels()), Some(vec!["Door_bell"]));
        assert_eq!(unknown_label_hint("Zebra", &labels()), Some(vec![]));
    }

    proptest! {
        #[test]
        fn no_filter_loses_a_label_to_the_cut(scores in prop::collection::vec(0.0f32..1.0, 3), top_k in 1usize..4, denied in 0usize..3) {
            let names = labels();
            let mut all = Filter::new(&names, &[], &[names[denied].clone()], vec![0.5; 3], 3);
            let whole = reported(&mut all, &scores);
            let mut cut = Filter::new(&names, &[], &[names[denied].clone()], vec![0.5; 3], top_k);
            prop_assert_eq!(reported(&mut cut, &scores), whole.into_iter().take(top_k).collect::<Vec<_>>());
        }
    }
}
