// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ensemble: moving geometric mean of the scores of the last windows.

use std::collections::VecDeque;

/// Minimum score, so one zero does not suppress a class for the whole ensemble.
const FLOOR: f32 = 1e-30;
/// Maximum number of scores that an ensemble keeps: 64 MiB, which are summed for each window.
const MAX_SCORES: usize = 8 << 20;

/// Moving geometric mean over the last `length` windows:
/// `q_c = exp(mean(ln(max(p_c, 1e-30))))`, over fewer windows at the beginning of the stream. Not renormalised.
#[derive(Debug)]
pub struct Ensemble {
    length: usize,
    logs: VecDeque<Box<[f64]>>,
    mean: Vec<f32>,
}

impl Ensemble {
    /// An empty ensemble for `classes` scores over at most `length` windows; a `length` of 0 counts as 1, and one above
    /// [`Ensemble::max_length`] as this.
    #[must_use]
    pub fn new(classes: usize, length: usize) -> Self {
        let length = length.clamp(1, Self::max_length(classes));
        Self { length, logs: VecDeque::with_capacity(length), mean: vec![0.0; classes] }
    }

    /// Maximum number of windows of an ensemble for `classes` scores: as many as keep 8 388 608 scores, at least 1.
    #[must_use]
    pub fn max_length(classes: usize) -> usize {
        (MAX_SCORES / classes.max(1)).max(1)
    }

    /// Adds the scores of the next window, `classes` finite values in 0…1, and returns those of the ensemble.
    ///
    /// # Panics
    /// If there are more or fewer scores.
    pub fn push(&mut self, scores: &[f32]) -> &[f32] {
        assert_eq!(scores.len(), self.mean.len(), "one score for each class");
        if self.length == 1 {
            self.logs.clear();
            self.mean.copy_from_slice(scores);
            return &self.mean;
        }
        let mut row = self.free_row();
        for (log, score) in row.iter_mut().zip(scores) {
            *log = f64::from(score.max(FLOOR)).ln();
        }
        self.logs.push_back(row);
        self.average();
        &self.mean
    }

    /// Removes all windows.
    pub fn clear(&mut self) {
        self.logs.clear();
    }

    /// Changes the number of windows, within the limits of [`Ensemble::new`]; the newest ones are kept.
    pub fn set_length(&mut self, length: usize) {
        self.length = length.clamp(1, Self::max_length(self.mean.len()));
        let surplus = self.logs.len().saturating_sub(self.length);
        self.logs.drain(..surplus);
    }

    fn free_row(&mut self) -> Box<[f64]> {
        let mut free = None;
        while self.logs.len() >= self.length {
            free = self.logs.pop_front();
        }
        free.unwrap_or_else(|| vec![0.0; self.mean.len()].into_boxed_slice())
    }

    // Summed again for each window: a running sum would drift over days.
    fn average(&mut self) {
        let windows = self.logs.len() as f64;
        for (class, mean) in self.mean.iter_mut().enumerate() {
            let sum: f64 = self.logs.iter().map(|row| row[class]).sum();
            *mean = (sum / windows).exp() as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_window_is_the_raw_prediction() {
        let mut ensemble = Ensemble::new(2, 1);
        assert_eq!(ensemble.push(&[0.25, 0.0]), [0.25, 0.0]);
        assert_eq!(ensemble.push(&[0.5, 0.5]), [0.5, 0.5]);
    }

    #[test]
    fn many_labels_shorten_it() {
        let mut ensemble = Ensemble::new(4 << 20, 2560);
        assert_eq!((ensemble.length, Ensemble::max_length(78), Ensemble::max_length(usize::MAX)), (2, 107_546, 1));
        ensemble.set_length(100);
        assert_eq!(ensemble.length, 2);
    }

    #[test]
    fn young_stream_averages_what_there_is() {
        let mut ensemble = Ensemble::new(1, 3);
        assert_eq!(ensemble.push(&[0.5]), [0.5]);
        assert!((ensemble.push(&[0.125])[0] - 0.25).abs() < 1e-7);
        ensemble.clear();
        assert_eq!(ensemble.push(&[0.125]), [0.125]);
    }

    #[test]
    fn oldest_window_leaves() {
        let mut ensemble = Ensemble::new(1, 2);
        ensemble.push(&[1e-10]);
        ensemble.push(&[0.5]);
        assert!((ensemble.push(&[0.5])[0] - 0.5).abs() < 1e-7);
    }

    #[test]
    fn shorter_ensemble_keeps_the_newest() {
        let mut ensemble = Ensemble::new(1, 3);
        ensemble.push(&[0.1]);
        ensemble.push(&[0.1]);
        ensemble.push(&[0.9]);
        ensemble.set_length(2);
        assert!((ensemble.push(&[0.9])[0] - 0.9).abs() < 1e-6);
    }

    #[test]
    fn zero_counts_as_the_floor() {
        let mut ensemble = Ensemble::new(1, 2);
        ensemble.push(&[0.0]);
        assert!((ensemble.push(&[1.0])[0] - 1e-15).abs() < 1e-20);
    }

    proptest! {
        #[test]
        fn equals_the_definition(rows in prop::collection::vec(prop::collection::vec(0.0f32..=1.0, 3), 1..20), length in 2usize..8) {
            let mut ensemble = Ensemble::new(3, length);
            for end in 1..=rows.len() {
                let got = ensemble.push(&rows[end - 1]).to_vec();
                let recent = &rows[end.saturating_sub(length)..end];
                for class in 0..3 {
                    let logs: f64 = recent.iter().map(|row| f64::from(row[class]).max(1e-30).ln()).sum();
                    let want = (logs / recent.len() as f64).exp();
                    prop_assert!((f64::from(got[class]) - want).abs() <= 1e-6 * want.max(1e-30));
                }
            }
        }
    }
}
