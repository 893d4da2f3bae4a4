// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many events a label would have at each threshold, and the lowest threshold that is rare enough.

use std::collections::BTreeMap;

/// Scores of one label in windows of a long recording, each with its time.
#[derive(Debug, Default)]
pub(super) struct Episodes {
    /// (time in ns, score) of windows that scored more than [`Episodes::FLOOR`].
    windows: Vec<(u64, f32)>,
}

/// A threshold, and how many episodes reach it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Count {
    pub(super) threshold: f64,
    pub(super) episodes: usize,
}

impl Episodes {
    /// Scores up to this are not kept: a threshold is never set below it.
    pub(super) const FLOOR: f32 = 0.01;

    /// Adds a window. Times rise.
    pub(super) fn push(&mut self, time: u64, score: f32) {
        if score > Self::FLOOR {
            self.windows.push((time, score));
        }
    }

    /// Episodes at each threshold, from the highest down to the last one with at most `budget` episodes. Windows at or above the
    /// threshold that are at most `hold` ns apart are one episode.
    pub(super) fn counts(&self, hold: u64, budget: usize) -> Vec<Count> {
        let mut order: Vec<_> = self.windows.clone();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        // Start → end of each episode so far.
        let mut episodes: BTreeMap<u64, u64> = BTreeMap::new();
        let mut counts = Vec::new();
        for (at, &(time, score)) in order.iter().enumerate() {
            join(&mut episodes, time, hold);
            let below = order.get(at + 1).map_or(Self::FLOOR, |next| next.1);
            if below < score {
                if episodes.len() > budget {
                    break;
                }
                let threshold = f64::from(below).midpoint(f64::from(score));
                counts.push(Count { threshold, episodes: episodes.len() });
            }
        }
        counts
    }

    /// Episodes at or above a threshold.
    pub(super) fn at(&self, threshold: f64, hold: u64) -> usize {
        let mut last: Option<u64> = None;
        let mut episodes = 0;
        for (time, _) in self.windows.iter().filter(|(_, score)| f64::from(*score) >= threshold) {
            episodes += usize::from(last.is_none_or(|last| time - last > hold));
            last = Some(*time);
        }
        episodes
    }

    /// The highest score.
    pub(super) fn peak(&self) -> f64 {
        self.windows.iter().map(|(_, score)| f64::from(*score)).fold(0.0, f64::max)
    }
}

/// Adds a window to the episodes, joining those that it connects.
fn join(episodes: &mut BTreeMap<u64, u64>, time: u64, hold: u64) {
    let (mut start, mut end) = (time, time);
    if let Some((&before, &until)) = episodes.range(..=time).next_back()
        && time.saturating_sub(until) <= hold
    {
        (start, end) = (before, end.max(until));
    }
    if let Some((&after, &until)) = episodes.range(time..).next()
        && after - time <= hold
    {
        end = end.max(until);
        episodes.remove(&after);
    }
    episodes.insert(start, end);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn episodes(scores: &[f32]) -> Episodes {
        let mut all = Episodes::default();
        for (time, score) in (0..).zip(scores) {
            all.push(time, *score);
        }
        all
    }

    #[test]
    fn the_lowest_threshold_with_few_episodes_is_the_last() {
        let all = episodes(&[0.9, 0.0, 0.0, 0.8, 0.0, 0.0, 0.3, 0.35]);

        let counts = all.counts(1, 2);

        let last = counts.last().unwrap();
        assert_eq!(last.episodes, 2);
        assert!(last.threshold > 0.35 && last.threshold < 0.8, "{last:?}");
    }

    #[test]
    fn windows_that_are_near_are_one_episode() {
        assert_eq!(episodes(&[0.5, 0.5, 0.0, 0.5, 0.0, 0.0, 0.5]).at(0.4, 2), 2);
        assert_eq!(episodes(&[0.0; 4]).at(0.4, 2), 0);
    }

    proptest! {
        #[test]
        fn episodes_grow_as_a_plain_count_says(
            scores in prop::collection::vec(0.0f32..1.0, 0..60), hold in 1u64..5,
        ) {
            let all = episodes(&scores);
            for count in all.counts(hold, usize::MAX) {
                prop_assert_eq!(count.episodes, all.at(count.threshold, hold));
            }
        }
    }
}
