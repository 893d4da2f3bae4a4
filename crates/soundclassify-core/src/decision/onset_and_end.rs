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
    /// Where its last event ended, and the cooldown after that, ns.
    free_from: u64,
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
    const NOWHERE: Self = Self { windows: 0, free_from: 0, open: None };

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
        let Event { kind, index, duration, free_from, .. } = *event;
        match kind {
            EventKind::Start => self.begin(index, at, duration, free_from).unwrap_or((mark, duration)),
            EventKind::Update => self.go_on(index, duration).unwrap_or((mark, duration)),
            EventKind::End => {
                let until = at.saturating_add(duration);
                self.end(index, until, duration, mark, free_from.saturating_sub(until))
            }
        }
    }

    /// Where the sound begins whose event was found to begin with the window at `at`, and its duration so far. It begins no
    /// earlier than `free_from`, since rules prevented it until then, and after the label's last event.
    fn begin(&mut self, index: usize, at: u64, duration: u64, free_from: u64) -> Option<(M, u64)> {
        let found = self.labels[index];
        let free_from = free_from.max(found.free_from);
        let own = self.recent.iter().position(|window| window.at <= at)?;
        let mut first = own;
        let reaches = |window: usize| self.recent.get(window).is_some_and(|time| time.at + LOOKBACK >= at);
        while found.is_in(first + 1) && reaches(first + 1) {
            first += 1;
        }
        let is_free = |window: &usize| self.recent[*window].rise.0 >= free_from;
        // The model may find a trace of the label in what comes before the sound, too.
        let risen = (own..=first).rev().filter(is_free).find(|window| self.recent[*window].rise.1);
        let begins = risen.or_else(|| (0..=first).rev().find(is_free));
        let BorderTime { rise: (onset, _), mark, .. } = self.recent[begins.unwrap_or_default()];
        let longest = self.end.map_or(duration, |end| duration.min(end.saturating_sub(onset)));
        self.labels[index].open = Some(Open { onset, mark, longest });
        Some((mark, longest))
    }

    /// Where it began and its duration so far. Windows still contain a sound that has ended, so a fall of the level counts
    /// before the event's own duration does.
    fn go_on(&mut self, index: usize, duration: u64) -> Option<(M, u64)> {
        let found = &self.labels[index];
        let mut open = found.open?;
        let continues = found.is_in(0) && self.recent.front().is_some_and(|window| !window.fall.1);
        let longest = open.longest.max(duration);
        open.longest = if continues { longest } else { self.duration(index, u64::MAX, open).min(longest) };
        self.labels[index].open = Some(open);
        Some((open.mark, open.longest))
    }

    /// Where it began and its duration, at its end; `until` is the window at which its event was found to end. The
    /// duration is never less than what was reported before. `otherwise` is the event's own mark; the label's next event
    /// begins no earlier than after `cooldown`.
    fn end(&mut self, index: usize, until: u64, duration: u64, otherwise: M, cooldown: u64) -> (M, u64) {
        let Some(open) = self.labels[index].open.take() else { return (otherwise, duration) };
        let duration = self.duration(index, until, open);
        self.labels[index].free_from = open.onset.saturating_add(duration).saturating_add(cooldown);
        (open.mark, duration)
    }

    /// For how long the sound of an event lasted that was found to end at the window at `until`.
    fn duration(&self, index: usize, until: u64, open: Open<M>) -> u64 {
        let Open { onset, longest, .. } = open;
        let found = &self.labels[index];
        let now = self.recent.front().map_or(0, |window| window.at);
        if let Some(end) = self.end.filter(|_| until > now) {
            return end.saturating_sub(onset).max(longest);
        }
        let Some(mut last) = self.recent.iter().position(|window| window.at < until) else { return longest };
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
        // The label's next event may begin with the newest window.
        fall.min(now.max(until)).saturating_sub(onset).max(longest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{EventRules, EventTime, Events, LabelRule};
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
        assert_eq!(borders.begin(0, 300, 100, 0), Some((160, 100)));
        assert_eq!(borders.end(0, 500, 0, 0, 0), (160, 540 - 160));
    }

    #[test]
    fn what_goes_on_at_the_end_ends_there_and_nothing_shrinks() {
        let mut borders = Borders::new(2);
        borders.push(BorderTime { fall: (40, false), ..window(0) }, &[0.9, 0.9], |_| 0.35);
        borders.begin(0, 0, 10, 0);
        borders.begin(1, 0, 10, 0);
        borders.go_on(1, 7000);
        borders.push(window(100), &[0.9, 0.0], |_| 0.35);
        borders.end_at(1700);
        assert_eq!((borders.end(0, 200, 0, 0, 0), borders.end(1, 200, 0, 0, 0)), ((60, 1700 - 60), (60, 7000)));
    }

    #[test]
    fn an_update_claims_no_more_than_the_sound_lasted() {
        let quiet = |at: u64| BorderTime { fall: (at + 40, false), ..window(at) };
        let mut borders = Borders::new(1);
        borders.push(quiet(0), &[0.9], |_| 0.35);
        assert_eq!(borders.begin(0, 0, 10, 0), Some((60, 10)));
        borders.push(quiet(100), &[0.9], |_| 0.35);
        assert_eq!(borders.go_on(0, 100), Some((60, 100)));
        borders.push(window(200), &[0.9], |_| 0.35);
        assert_eq!(borders.go_on(0, 200), Some((60, 180)));
        borders.push(quiet(300), &[0.0], |_| 0.35);
        assert_eq!(borders.go_on(0, 300), Some((60, 240 - 60)));
        assert_eq!(borders.end(0, 300, 300, 0, 0), (60, 240 - 60));
    }

    const MS: u64 = 1_000_000;

    /// Index, begin and end of each event, as they are reported; the last windows have no label.
    fn reported(rules: EventRules, scores: &[[f32; 2]], rises: &[bool]) -> Vec<(usize, u64, u64)> {
        let (mut events, mut borders) = (Events::new(rules), Borders::new(2));
        let (mut ended, mut begun, mut lasted) = (Vec::new(), [0; 2], [0; 2]);
        let silence = [[0.0; 2]; 30];
        for (number, scores) in scores.iter().chain(&silence).enumerate() {
            let at = number as u64 * 100 * MS;
            let rise = (at + 50 * MS, rises.get(number).copied().unwrap_or_default());
            borders.push(BorderTime { at, rise, fall: (at + 40 * MS, rise.1), mark: rise.0 }, scores, |_| 0.35);
            events.push(EventTime { at, span: 100 * MS, mark: at }, scores, &mut |event| {
                let (onset, duration) = borders.refine(&event, event.onset, event.onset);
                if event.kind == EventKind::Start {
                    (begun[event.index], lasted[event.index]) = (onset, 0);
                }
                assert!(onset == begun[event.index] && duration >= lasted[event.index]);
                lasted[event.index] = duration;
                if event.kind == EventKind::End {
                    ended.push((event.index, onset, onset + duration));
                }
            });
        }
        ended
    }

    fn rule(cooldown: u64) -> Option<LabelRule> {
        Some(LabelRule { on: 0.5, off: 0.35, min_duration: 0, hold: 100 * MS, cooldown })
    }

    #[test]
    fn a_sound_that_outlasts_a_rule_begins_where_the_rule_ends() {
        let (quiet, loud) = ([0.0, 0.0], [0.9, 0.0]);
        let scores = [vec![quiet; 5], vec![loud; 5], vec![quiet; 5], vec![loud; 30]].concat();
        let cooldown = EventRules { labels: vec![rule(2000 * MS), None], suppressors: Vec::new() };
        let events = reported(cooldown, &scores, &[]);
        assert_eq!(events.len(), 2);
        assert!(events[1].1 >= events[0].2 + 2000 * MS && events[1].1 < events[0].2 + 2200 * MS, "{events:?}");

        let scores = [vec![[0.9, 0.9]; 20], vec![[0.9, 0.0]; 20]].concat();
        let suppressed = EventRules { labels: vec![rule(0), None], suppressors: vec![(1, 0.5)] };
        assert_eq!(reported(suppressed, &scores, &[])[0].1, 2050 * MS);
    }

    proptest! {
        #[test]
        fn events_of_a_label_do_not_overlap_and_keep_their_distance(
            scores in prop::collection::vec([0.0f32..1.0, 0.0f32..1.0], 1..120),
            rises in prop::collection::vec(any::<bool>(), 120),
            cooldown in 0u64..1500,
        ) {
            let rules = EventRules { labels: vec![rule(cooldown * MS), rule(0)], suppressors: Vec::new() };
            let events = reported(rules, &scores, &rises);
            for (label, cooldown) in [(0, cooldown * MS), (1, 0)] {
                let times: Vec<_> = events.iter().filter(|event| event.0 == label).collect();
                for pair in times.windows(2) {
                    prop_assert!(pair[1].1 >= pair[0].2, "{:?}", pair);
                    // A cooldown counts from where the event was found to end, which may be `hold` before its sound does.
                    prop_assert!(pair[1].1 + 200 * MS >= pair[0].2 + cooldown, "{:?} {}", pair, cooldown);
                }
            }
        }

        #[test]
        fn none_begins_while_it_is_suppressed(
            scores in prop::collection::vec([0.0f32..1.0, 0.0f32..1.0], 1..120),
            rises in prop::collection::vec(any::<bool>(), 120),
        ) {
            let rules = EventRules { labels: vec![rule(0), None], suppressors: vec![(1, 0.5)] };
            for (_, begin, _) in reported(rules, &scores, &rises) {
                let window = (begin / (100 * MS)) as usize;
                prop_assert!(scores[window][1] < 0.5, "{} ms", begin / MS);
            }
        }
    }
}
