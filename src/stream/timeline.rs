// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pending entries of a stream in order: windows with or without a reply, breaks, new models.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use gst::ClockTime;

use super::reporter::WindowTime;
use crate::soundclassify::loader::Retired;
use crate::soundclassify::settings::Settings;
use soundclassify_core::model::Model;

/// What happens to a complete window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WindowKind {
    /// The window goes to the model.
    Window,
    /// The window is too quiet.
    Silence,
    /// The model pauses after a failure.
    Missed,
}

/// The data of a window that decides its result.
pub(crate) enum Answer {
    Scores(Vec<f32>),
    Silence,
    Missed,
}

/// A new model, and the parts of the old one.
pub(crate) struct Switch {
    pub(crate) model: Model,
    /// The settings with the defaults of its manifest.
    pub(crate) settings: Settings,
    pub(crate) old: Retired,
}

/// One pending entry.
pub(crate) struct Entry {
    ticket: u64,
    item: Item,
    decided: bool,
}

enum Item {
    Window { time: WindowTime, answer: Option<Answer> },
    Break(ClockTime),
    StreamChange,
    Switch(Option<Box<Switch>>),
}

/// An entry that can be processed.
pub(crate) enum ReadyEntry {
    Window(WindowTime, Answer),
    Break(ClockTime),
    StreamChange,
    Switch(Box<Switch>),
}

impl Entry {
    /// A window. `ticket` rises from one to the next and never falls back.
    pub(crate) fn window(ticket: u64, time: WindowTime, kind: WindowKind) -> Self {
        let answer = match kind {
            WindowKind::Window => None,
            WindowKind::Silence => Some(Answer::Silence),
            WindowKind::Missed => Some(Answer::Missed),
        };
        Self::new(ticket, Item::Window { time, answer })
    }

    /// A window whose scores are known.
    pub(crate) fn known(ticket: u64, time: WindowTime, scores: Vec<f32>) -> Self {
        Self::new(ticket, Item::Window { time, answer: Some(Answer::Scores(scores)) })
    }

    /// A discontinuity, `end` after the last reset.
    pub(crate) fn interruption(ticket: u64, end: ClockTime) -> Self {
        Self::new(ticket, Item::Break(end))
    }

    /// A new stream, whose tags follow.
    pub(crate) fn stream_change(ticket: u64) -> Self {
        Self::new(ticket, Item::StreamChange)
    }

    /// Whether the tags of a new stream follow.
    pub(crate) fn is_stream_change(&self) -> bool {
        matches!(self.item, Item::StreamChange)
    }

    /// A new model, whose windows follow.
    pub(crate) fn switch(ticket: u64, switch: Switch) -> Self {
        Self::new(ticket, Item::Switch(Some(Box::new(switch))))
    }

    /// When it was, if it is a window.
    pub(crate) fn time(&self) -> Option<&WindowTime> {
        match &self.item {
            Item::Window { time, .. } => Some(time),
            _ => None,
        }
    }

    /// Arrival of its last sample, if it is a window.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.time().map(|time| time.due)
    }

    /// Whether another model's windows follow.
    pub(crate) fn is_switch(&self) -> bool {
        matches!(self.item, Item::Switch(_))
    }

    fn new(ticket: u64, item: Item) -> Self {
        Self { ticket, item, decided: false }
    }

    /// Whether this is a window whose reply is still to come.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self.item, Item::Window { answer: None, .. }) && !self.decided
    }
}

/// All pending entries; a processed entry stays until it is posted.
#[derive(Default)]
pub(crate) struct Timeline {
    entries: VecDeque<Entry>,
    /// Since when answers have been waiting for a model before, which has given none since.
    held_since: Option<Instant>,
    spare: Vec<Vec<f32>>,
}

impl Timeline {
    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    /// Ticket of the oldest entry that is not posted.
    pub(crate) fn front(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.ticket)
    }

    /// Number of windows that are not processed.
    pub(crate) fn windows(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.decided && entry.time().is_some()).count()
    }

    /// Whether this is a window without an answer.
    pub(crate) fn awaits(&self, ticket: u64) -> bool {
        self.entries.iter().any(|entry| entry.ticket == ticket && entry.is_unanswered())
    }

    /// Since when the oldest window without an answer has been waiting.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        self.entries.iter().find(|entry| entry.is_unanswered()).and_then(Entry::due)
    }

    /// A window's answer. Answers of one model come in order; one that stays behind windows of a model before, which
    /// answers none of them for longer than `timeout`, takes them for missed. Gives their number.
    pub(crate) fn answer(&mut self, ticket: u64, given: Answer, timeout: Duration) -> u64 {
        let is_own = |entry: &Entry| entry.ticket == ticket && entry.is_unanswered();
        let Some(own) = self.entries.iter().position(is_own) else { return 0 };
        let mut missed = 0;
        if !self.entries.range(..own).any(Entry::is_unanswered) {
            self.held_since = None;
        } else if self.held_since.get_or_insert_with(Instant::now).elapsed() >= timeout {
            self.held_since = None;
            missed = self.miss_first(own);
        }
        if let Item::Window { answer, .. } = &mut self.entries[own].item {
            *answer = Some(given);
        }
        missed
    }

    /// Marks all windows without a reply as missed, and returns their number.
    pub(crate) fn miss_windows(&mut self) -> u64 {
        self.miss_first(self.entries.len())
    }

    fn miss_first(&mut self, count: usize) -> u64 {
        let mut missed = 0;
        for entry in self.entries.range_mut(..count).filter(|entry| entry.is_unanswered()) {
            if let Item::Window { answer, .. } = &mut entry.item {
                *answer = Some(Answer::Missed);
                missed += 1;
            }
        }
        missed
    }

    /// The next entry that is ready, and its ticket.
    pub(crate) fn next(&mut self) -> Option<(u64, ReadyEntry)> {
        let entry = self.entries.iter_mut().find(|entry| !entry.decided)?;
        let ready = match &mut entry.item {
            Item::Window { time, answer, .. } => ReadyEntry::Window(time.clone(), answer.take()?),
            Item::Break(end) => ReadyEntry::Break(*end),
            Item::StreamChange => ReadyEntry::StreamChange,
            Item::Switch(switch) => ReadyEntry::Switch(switch.take()?),
        };
        entry.decided = true;
        Some((entry.ticket, ready))
    }

    /// Removes an entry.
    pub(crate) fn remove(&mut self, ticket: u64) -> Option<Entry> {
        let position = self.entries.iter().position(|entry| entry.ticket == ticket)?;
        self.entries.remove(position)
    }

    /// Removes all windows that are not processed, and returns the number of those without a reply.
    pub(crate) fn forget_windows(&mut self) -> u64 {
        let unanswered = self.entries.iter().filter(|entry| entry.is_unanswered()).count();
        self.entries.retain(|entry| entry.decided || entry.time().is_none());
        unanswered as u64
    }

    /// Number of entries that are not posted.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Drops entries that are processed but not posted.
    pub(crate) fn forget_decided(&mut self) {
        self.entries.retain(|entry| !entry.decided);
    }

    /// A copy of a window's scores.
    pub(crate) fn copy(&mut self, scores: &[f32]) -> Vec<f32> {
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(scores);
        copy
    }

    /// Takes back the memory of such a copy.
    pub(crate) fn reuse(&mut self, scores: Vec<f32>) {
        self.spare.push(scores);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::signal::Power;
    use crate::signal::clock::Clock;

    pub(crate) fn window(ticket: u64, kind: WindowKind) -> Entry {
        let begin = Clock::new(1).moment(0, 1);
        let (at, span) = (ClockTime::ZERO, ClockTime::ZERO);
        Entry::window(
            ticket,
            WindowTime {
                number: ticket,
                onset: None,
                begin,
                at,
                rise: (at, false),
                fall: (at, false),
                span,
                power: Power { mean: 0.0, peak: 0.0 },
                due: Instant::now(),
            },
            kind,
        )
    }

    fn decided(queue: &mut Timeline) -> Vec<u64> {
        std::iter::from_fn(|| queue.next().map(|(ticket, _)| ticket)).collect()
    }

    #[test]
    fn silence_waits_for_the_windows_before() {
        let mut queue = Timeline::default();
        queue.push(window(0, WindowKind::Window));
        queue.push(window(1, WindowKind::Silence));
        queue.push(Entry::interruption(2, ClockTime::ZERO));
        assert_eq!(decided(&mut queue), [0; 0]);
        queue.answer(0, Answer::Missed, Duration::MAX);
        assert_eq!(decided(&mut queue), [0, 1, 2]);
        assert_eq!(queue.front(), Some(0));
    }

    #[test]
    fn early_answers_wait_and_late_ones_are_missed() {
        let mut queue = Timeline::default();
        queue.push(window(0, WindowKind::Window));
        queue.push(window(1, WindowKind::Window));
        queue.answer(1, Answer::Scores(vec![1.0]), Duration::MAX);
        assert_eq!(decided(&mut queue), [0; 0]);
        queue.push(window(2, WindowKind::Window));
        queue.answer(2, Answer::Scores(vec![1.0]), Duration::ZERO);
        assert_eq!(decided(&mut queue), [0, 1, 2]);
        assert!(!queue.awaits(0));
    }

    #[test]
    fn a_model_before_that_goes_on_is_waited_for() {
        let mut queue = Timeline::default();
        (0..4).for_each(|ticket| queue.push(window(ticket, WindowKind::Window)));
        for (ticket, held) in [(3, true), (0, false), (1, false)] {
            assert_eq!(queue.answer(ticket, Answer::Scores(vec![1.0]), Duration::MAX), 0);
            assert_eq!(queue.held_since.is_some(), held, "{ticket}");
        }
        queue.push(window(4, WindowKind::Window));
        assert_eq!(queue.answer(4, Answer::Scores(vec![1.0]), Duration::ZERO), 1);
        assert_eq!(decided(&mut queue), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_break_outlives_what_is_forgotten() {
        let mut queue = Timeline::default();
        queue.push(window(0, WindowKind::Silence));
        queue.push(window(1, WindowKind::Window));
        queue.push(window(2, WindowKind::Silence));
        queue.push(Entry::interruption(3, ClockTime::ZERO));
        assert_eq!(decided(&mut queue), [0]);
        assert_eq!(queue.forget_windows(), 1);
        assert_eq!((queue.len(), queue.front()), (2, Some(0)));
        queue.forget_decided();
        assert_eq!((queue.len(), queue.front()), (1, Some(3)));
    }

    #[test]
    fn missed_windows_hold_up_nothing() {
        let mut queue = Timeline::default();
        queue.push(window(0, WindowKind::Window));
        queue.push(window(1, WindowKind::Silence));
        queue.push(window(2, WindowKind::Window));
        assert_eq!(queue.miss_windows(), 2);
        assert_eq!(decided(&mut queue), [0, 1, 2]);
        assert_eq!(queue.miss_windows(), 0);
    }

    #[test]
    fn windows_are_forgotten_and_the_rest_is_not() {
        let mut queue = Timeline::default();
        queue.push(window(0, WindowKind::Silence));
        queue.next();
        queue.push(window(1, WindowKind::Window));
        queue.push(Entry::interruption(2, ClockTime::ZERO));
        assert_eq!((queue.windows(), queue.forget_windows()), (1, 1));
        assert_eq!(decided(&mut queue), [2]);
        assert!(queue.remove(0).is_some_and(|entry| entry.time().is_some()));
    }
}
