// SPDX-License-Identifier: MIT OR Apache-2.0
//! The exact times of events: where a sound begins and ends, to a few hundredths of a second. Windows are too long for this,
//! and an ensemble is late, so the borders of an event are the steepest rise and fall of the level within the first and the
//! last window in which the model detected the label.

use std::collections::VecDeque;

use super::events::{Event, EventKind};

/// A window's own score counts as one of the label from this part of the threshold for an event's end on.
const TRACE: f32 = 0.3;
/// A sound begins at most this much before the window with which its event does, ns: the ensemble is a second long.
pub const LOOKBACK: u64 = 1_200_000_000;
/// Borders of one window, ns since the last reset.
#[derive(Debug, Clone, Copy)]
pub struct BorderTime<M> {
    /// Start of the window.
    pub at: u64,
    /// Where a sound may begin in it, and whether the level rises there.
    pub rise: (u64, bool),
    /// Where one may end in it, and whether the level falls there.
    pub fall: (u64, bool),
    /// Handed back with an onset at `rise`.
    pub mark: M,
}

/// For each label, in which of the newest windows the model found it.
#[derive(Debug)]
pub struct Borders<M> {
    /// The newest windows, newest first.
    recent: VecDeque<BorderTime<M>>,
    labels: Vec<Found<M>>,
    /// Where the stream ended.
    end: Option<u64>,
}

/// Windows that are remembered: bits of [`Found::windows`].
const REMEMBERED: usize = u128::BITS as usize;

#[derive(Debug, Clone, Copy)]
struct Found<M> {
    /// Whether the label was found in each of the newest windows, the newest in the lowest bit.
    windows: u128,
    open: Option<Open<M>>,
}

/// An event that began.
#[derive(Debug, Clone, Copy)]
struct Open<M> {
    onset: u64,
    mark: M,
    /// The longest duration that was reported.
    longest: u64,
}

impl<M> Found<M> {
    const NOWHERE: Self = Self { windows: 0, open: None };

    fn is_in(&self, window: usize) -> bool {
        self.windows >> window & 1 == 1
    }
}

impl<M: Copy> Borders<M> {
    /// Borders of so many labels.
    #[must_use]
    pub fn new(labels: usize) -> Self {
        let recent = VecDeque::with_capacity(REMEMBERED + 1);
        Self { recent, labels: vec![Found::NOWHERE; labels], end: None }
    }

    /// Takes the next window and the model's own scores; `off` gives the label's threshold for an event's end.
    pub fn push(&mut self, time: BorderTime<M>, scores: &[f32], off: impl Fn(usize) -> f32) {
        self.remember(time);
        for (index, (found, score)) in self.labels.iter_mut().zip(scores).enumerate() {
            found.windows = found.windows << 1 | u128::from(*score >= TRACE * off(index));
        }
    }

    /// Takes a window without scores.
    pub fn push_silence(&mut self, time: BorderTime<M>) {
        self.remember(time);
        self.labels.iter_mut().for_each(|found| found.windows <<= 1);
    }

    fn remember(&mut self, time: BorderTime<M>) {
        self.recent.push_front(time);
        self.recent.truncate(REMEMBERED);
    }

    /// The stream ends `end` ns after its last reset: sounds that continue end there.
    pub fn end_at(&mut self, end: u64) {
        self.end = Some(end);
    }

    /// Another stretch of audio begins.
    pub fn clear(&mut self) {
        self.recent.clear();
        self.labels.fill(Found::NOWHERE);
        self.end = None;
    }

    /// Where an event's sound begins, and for how long it lasts. `at` is the window with which the event was found to begin,
    /// `mark` its own mark.
    pub fn refine<T>(&mut self, event: &Event<T>, at: u64, mark: M) -> (M, u64) {
        let Event { kind, index, duration, .. } = *event;
        match kind {
            EventKind::Start => self.begin(index, at, duration).unwrap_or((mark, duration)),
            EventKind::Update => (self.go_on(index, duration).unwrap_or(mark), duration),
            EventKind::End => self.end(index, at.saturating_add(duration), duration, mark),
        }
    }

    /// Where the sound begins whose event was found to begin with the window at `at`, and its duration so far.
    fn begin(&mut self, index: usize, at: u64, duration: u64) -> Option<(M, u64)> {
        let found = self.labels[index];
        let own = self.recent.iter().position(|window| window.at <= at)?;
        let mut first = own;
        let reaches = |window: usize| self.recent.get(window).is_some_and(|time| time.at + LOOKBACK >= at);
        while found.is_in(first + 1) && reaches(first + 1) {
            first += 1;
        }
        // The model may find a trace of the label in what comes before the sound, too.
        let risen = (own..=first).rev().find(|window| self.recent[*window].rise.1);
        let BorderTime { rise: (onset, _), mark, .. } = self.recent[risen.unwrap_or(first)];
        let longest = self.end.map_or(duration, |end| duration.min(end.saturating_sub(onset)));
        self.labels[index].open = Some(Open { onset, mark, longest });
        Some((mark, longest))
    }

    /// Its sound continues; where it began.
    fn go_on(&mut self, index: usize, duration: u64) -> Option<M> {
        let open = self.labels[index].open.as_mut()?;
        open.longest = duration;
        Some(open.mark)
    }

    /// Where it began and its duration, at its end; `until` is the window at which its event was found to end. The
    /// duration is never less than what was reported before. `otherwise` is the event's own mark.
    fn end(&mut self, index: usize, until: u64, duration: u64, otherwise: M) -> (M, u64) {
        let Some(Open { onset, mark, longest }) = self.labels[index].open.take() else { return (otherwise, duration) };
        let found = &self.labels[index];
        let newest = self.recent.front().map_or(0, |window| window.at);
        if let Some(end) = self.end.filter(|_| until > newest) {
            return (mark, end.saturating_sub(onset).max(longest));
        }
        let Some(mut last) = self.recent.iter().position(|window| window.at < until) else { return (mark, longest) };
        while !found.is_in(last) && self.recent.get(last + 1).is_some_and(|window| window.fall.0 > onset) {
            last += 1;
        }
        let reaches = |window: usize| self.recent[window].at <= self.recent[last].at + LOOKBACK;
        let mut newest = last;
        while newest > 0 && found.is_in(newest - 1) && reaches(newest - 1) {
            newest -= 1;
        }
        // The ensemble ends late, and the model may find a trace of the label in what comes after the sound, too.
        let mut oldest = last;
        let reaches = |window: &BorderTime<M>| window.at + LOOKBACK >= self.recent[last].at && window.fall.0 > onset;
        while self.recent.get(oldest + 1).is_some_and(reaches) {
            oldest += 1;
        }
        let fallen = (newest..=oldest).find(|window| self.recent[*window].fall.1);
        let (fall, _) = self.recent[fallen.unwrap_or(last)].fall;
        (mark, fall.saturating_sub(onset).max(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(at: u64) -> BorderTime<u64> {
        BorderTime { at, rise: (at + 60, true), fall: (at + 40, true), mark: at + 60 }
    }

    #[test]
    fn an_event_begins_with_the_first_trace_and_ends_with_the_last() {
        let mut borders = Borders::new(1);
        for (number, score) in [0.0, 0.2, 0.4, 0.9, 0.9, 0.2, 0.0].into_iter().enumerate() {
            borders.push(window(number as u64 * 100), &[score], |_| 0.35);
        }
        assert_eq!(borders.begin(0, 300, 100), Some((160, 100)));
        assert_eq!(borders.end(0, 500, 0, 0), (160, 540 - 160));
    }

    #[test]
    fn what_goes_on_at_the_end_ends_there_and_nothing_shrinks() {
        let mut borders = Borders::new(2);
        borders.push(window(0), &[0.9, 0.9], |_| 0.35);
        borders.begin(0, 0, 10);
        borders.begin(1, 0, 10);
        borders.go_on(1, 7000);
        borders.push(window(100), &[0.9, 0.0], |_| 0.35);
        borders.end_at(1700);
        assert_eq!((borders.end(0, 200, 0, 0), borders.end(1, 200, 0, 0)), ((60, 1700 - 60), (60, 7000)));
    }
}
