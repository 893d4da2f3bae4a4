// SPDX-License-Identifier: MIT OR Apache-2.0
//! Groups: several labels that are reported as one.

/// Tolerance for the sum of a distribution, which is 1.
const SUM_TOLERANCE: f32 = 1e-3;

/// How the scores of a group's labels become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Their sum, at most 1: for classes that exclude each other.
    Sum,
    /// The highest: for classes that are independent.
    Greatest,
    /// The sum in windows whose scores sum to 1, the highest in others: for a network with an unknown activation.
    Automatic,
}

/// The groups of one model. A group's score follows those of the model's classes, in the order of the groups.
#[derive(Debug, Clone)]
pub struct Groups {
    members: Vec<Vec<usize>>,
    merge: Merge,
    scores: Vec<f32>,
}

impl Groups {
    /// Groups by the class numbers of their labels.
    #[must_use]
    pub fn new(members: Vec<Vec<usize>>, merge: Merge) -> Self {
        Self { members, merge, scores: Vec::new() }
    }

    /// Whether no group exists.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether the class belongs to a group.
    #[must_use]
    pub fn contains(&self, class: usize) -> bool {
        self.members.iter().any(|members| members.contains(&class))
    }

    /// The scores of one window with those of the groups after them.
    pub fn extend<'a>(&'a mut self, scores: &'a [f32]) -> &'a [f32] {
        if self.members.is_empty() {
            return scores;
        }
        let sums = match self.merge {
            Merge::Sum => true,
            Merge::Greatest => false,
            Merge::Automatic => (scores.iter().sum::<f32>() - 1.0).abs() <= SUM_TOLERANCE,
        };
        self.scores.clear();
        self.scores.extend_from_slice(scores);
        for members in &self.members {
            let of_members = members.iter().map(|&class| scores[class]);
            let score = if sums { of_members.sum::<f32>().min(1.0) } else { of_members.fold(0.0, f32::max) };
            self.scores.push(score);
        }
        &self.scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group_score(merge: Merge, scores: &[f32]) -> f32 {
        let mut groups = Groups::new(vec![vec![0, 2]], merge);
        let all = groups.extend(scores);
        assert_eq!(&all[..scores.len()], scores);
        all[scores.len()]
    }

    #[test]
    fn classes_that_exclude_each_other_are_added() {
        assert_eq!(group_score(Merge::Sum, &[0.25, 0.25, 0.5]), 0.75);
        assert_eq!(group_score(Merge::Sum, &[0.75, 0.0, 0.75]), 1.0);
    }

    #[test]
    fn of_independent_classes_the_greatest_counts() {
        assert_eq!(group_score(Merge::Greatest, &[0.25, 0.9, 0.5]), 0.5);
    }

    #[test]
    fn an_unknown_activation_shows_in_the_sum_of_all_scores() {
        assert_eq!(group_score(Merge::Automatic, &[0.25, 0.25, 0.5]), 0.75);
        assert_eq!(group_score(Merge::Automatic, &[0.25, 0.9, 0.5]), 0.5);
    }

    #[test]
    fn without_groups_scores_stay_where_they_are() {
        let mut groups = Groups::new(Vec::new(), Merge::Sum);
        let scores = [0.5, 0.5];
        assert!(std::ptr::eq(groups.extend(&scores), &scores[..]));
    }
}
