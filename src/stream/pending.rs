// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is on its way, in the order of the stream: windows with or without an answer, breaks, other models.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::decider::WindowTime;
use crate::soundclassify::loader::Retired;
use crate::soundclassify::settings::Settings;
use soundclassify_core::model::Model;

/// What becomes of a window that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It goes to the model.
    Window,
    /// It is too quiet.
    Silence,
    /// The model rests.
    Missed,
}

/// What a window's decision goes by.
pub(crate) enum Answer {
    Scores(Vec<f32>),
    Silence,
    Missed,
}

/// Another model, and what the one before leaves behind.
pub(crate) struct Switch {
    pub(crate) model: Model,
    /// With what its manifest suggests.
    pub(crate) settings: Settings,
    pub(crate) old: Retired,
}

/// One thing on its way.
pub(crate) struct Pending {
    ticket: u64,
    entry: Entry,
    decided: bool,
}

enum Entry {
    Window { time: WindowTime, answer: Option<Answer> },
    Break,
    OtherTags,
    Switch(Option<Box<Switch>>),
}

/// What is to be decided next.
pub(crate) enum Step {
    Window(WindowTime, Answer),
    Break,
    OtherTags,
    Switch(Box<Switch>),
}

impl Pending {
    /// A window. `ticket` rises from one to the next and never falls back.
    pub(crate) fn window(ticket: u64, time: WindowTime, kind: Kind) -> Self {
        let answer = match kind {
            Kind::Window => None,
            Kind::Silence => Some(Answer::Silence),
            Kind::Missed => Some(Answer::Missed),
        };
        Self::new(ticket, Entry::Window { time, answer })
    }

    /// The audio breaks off.
    pub(crate) fn interruption(ticket: u64) -> Self {
        Self::new(ticket, Entry::Break)
    }

    /// Another stream's tags follow.
    pub(crate) fn other_tags(ticket: u64) -> Self {
        Self::new(ticket, Entry::OtherTags)
    }

    /// Whether they do.
    pub(crate) fn is_other_tags(&self) -> bool {
        matches!(self.entry, Entry::OtherTags)
    }

    /// Another model's windows follow.
    pub(crate) fn switch(ticket: u64, switch: Switch) -> Self {
        Self::new(ticket, Entry::Switch(Some(Box::new(switch))))
    }

    /// When it was, if it is a window.
    pub(crate) fn time(&self) -> Option<WindowTime> {
        match &self.entry {
            Entry::Window { time, .. } => Some(*time),
            _ => None,
        }
    }

    /// Whether another model's windows follow.
    pub(crate) fn is_switch(&self) -> bool {
        matches!(self.entry, Entry::Switch(_))
    }

    fn new(ticket: u64, entry: Entry) -> Self {
        Self { ticket, entry, decided: false }
    }

    fn is_unanswered(&self) -> bool {
        matches!(self.entry, Entry::Window { answer: None, .. }) && !self.decided
    }
}

/// All that is on its way; what is decided stays until it is told.
#[derive(Default)]
pub(crate) struct Queue {
    entries: VecDeque<Pending>,
    /// Since when answers have been waiting for a model before, which has given none since.
    held_since: Option<Instant>,
    spare: Vec<Vec<f32>>,
}

impl Queue {
    pub(crate) fn push(&mut self, pending: Pending) {
        self.entries.push_back(pending);
    }

    /// Ticket of the oldest that is not told.
    pub(crate) fn front(&self) -> Option<u64> {
        self.entries.front().map(|pending| pending.ticket)
    }

    /// Windows that are not decided on.
    pub(crate) fn windows(&self) -> usize {
        self.entries.iter().filter(|pending| !pending.decided && pending.time().is_some()).count()
    }

    /// Whether this is a window without an answer.
    pub(crate) fn awaits(&self, ticket: u64) -> bool {
        self.entries.iter().any(|pending| pending.ticket == ticket && pending.is_unanswered())
    }

    /// A window's answer. Answers of one model come in order; one that stays behind windows of a model before, which
    /// answers none of them for longer than `patience`, takes them for missed. Gives their number.
    pub(crate) fn answer(&mut self, ticket: u64, given: Answer, patience: Duration) -> u64 {
        let is_own = |pending: &Pending| pending.ticket == ticket && pending.is_unanswered();
        let Some(own) = self.entries.iter().position(is_own) else { return 0 };
        let mut missed = 0;
        if !self.entries.range(..own).any(Pending::is_unanswered) {
            self.held_since = None;
        } else if self.held_since.get_or_insert_with(Instant::now).elapsed() >= patience {
            self.held_since = None;
            missed = self.miss_first(own);
        }
        if let Entry::Window { answer, .. } = &mut self.entries[own].entry {
            *answer = Some(given);
        }
        missed
    }

    /// All windows without an answer are missed; gives their number.
    pub(crate) fn miss_windows(&mut self) -> u64 {
        self.miss_first(self.entries.len())
    }

    fn miss_first(&mut self, count: usize) -> u64 {
        let mut missed = 0;
        for pending in self.entries.range_mut(..count).filter(|pending| pending.is_unanswered()) {
            if let Entry::Window { answer, .. } = &mut pending.entry {
                *answer = Some(Answer::Missed);
                missed += 1;
            }
        }
        missed
    }

    /// The next that can be decided on, and its ticket.
    pub(crate) fn next(&mut self) -> Option<(u64, Step)> {
        let pending = self.entries.iter_mut().find(|pending| !pending.decided)?;
        let step = match &mut pending.entry {
            Entry::Window { time, answer, .. } => Step::Window(*time, answer.take()?),
            Entry::Break => Step::Break,
            Entry::OtherTags => Step::OtherTags,
            Entry::Switch(switch) => Step::Switch(switch.take()?),
        };
        pending.decided = true;
        Some((pending.ticket, step))
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, ticket: u64) -> Option<Pending> {
        let position = self.entries.iter().position(|pending| pending.ticket == ticket)?;
        self.entries.remove(position)
    }

    /// Takes out all windows that are not decided on; gives the number of those that had no answer.
    pub(crate) fn forget_windows(&mut self) -> u64 {
        let unanswered = self.entries.iter().filter(|pending| pending.is_unanswered()).count();
        self.entries.retain(|pending| pending.decided || pending.time().is_none());
        unanswered as u64
    }

    /// All that is on its way and not told.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Forgets what is decided on and not told.
    pub(crate) fn forget_decided(&mut self) {
        self.entries.retain(|pending| !pending.decided);
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
    use crate::stream::clock::Times;
    use gst::ClockTime;

    pub(crate) fn window(ticket: u64, kind: Kind) -> Pending {
        let times = Times { timestamp: ClockTime::ZERO, stream_time: None, running_time: None };
        let (at, span) = (ClockTime::ZERO, ClockTime::ZERO);
        Pending::window(ticket, WindowTime { number: ticket, times, at, span, due: Instant::now() }, kind)
    }

    fn decided(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.next().map(|(ticket, _)| ticket)).collect()
    }

    #[test]
    fn silence_waits_for_the_windows_before() {
        let mut queue = Queue::default();
        queue.push(window(0, Kind::Window));
        queue.push(window(1, Kind::Silence));
        queue.push(Pending::interruption(2));
        assert_eq!(decided(&mut queue), [0; 0]);
        queue.answer(0, Answer::Missed, Duration::MAX);
        assert_eq!(decided(&mut queue), [0, 1, 2]);
        assert_eq!(queue.front(), Some(0));
    }

    #[test]
    fn early_answers_wait_and_late_ones_are_missed() {
        let mut queue = Queue::default();
        queue.push(window(0, Kind::Window));
        queue.push(window(1, Kind::Window));
        queue.answer(1, Answer::Scores(vec![1.0]), Duration::MAX);
        assert_eq!(decided(&mut queue), [0; 0]);
        queue.push(window(2, Kind::Window));
        queue.answer(2, Answer::Scores(vec![1.0]), Duration::ZERO);
        assert_eq!(decided(&mut queue), [0, 1, 2]);
        assert!(!queue.awaits(0));
    }

    #[test]
    fn a_model_before_that_goes_on_is_waited_for() {
        let mut queue = Queue::default();
        (0..4).for_each(|ticket| queue.push(window(ticket, Kind::Window)));
        for (ticket, held) in [(3, true), (0, false), (1, false)] {
            assert_eq!(queue.answer(ticket, Answer::Scores(vec![1.0]), Duration::MAX), 0);
            assert_eq!(queue.held_since.is_some(), held, "{ticket}");
        }
        queue.push(window(4, Kind::Window));
        assert_eq!(queue.answer(4, Answer::Scores(vec![1.0]), Duration::ZERO), 1);
        assert_eq!(decided(&mut queue), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_break_outlives_what_is_forgotten() {
        let mut queue = Queue::default();
        queue.push(window(0, Kind::Silence));
        queue.push(window(1, Kind::Window));
        queue.push(window(2, Kind::Silence));
        queue.push(Pending::interruption(3));
        assert_eq!(decided(&mut queue), [0]);
        assert_eq!(queue.forget_windows(), 1);
        assert_eq!((queue.len(), queue.front()), (2, Some(0)));
        queue.forget_decided();
        assert_eq!((queue.len(), queue.front()), (1, Some(3)));
    }

    #[test]
    fn missed_windows_hold_up_nothing() {
        let mut queue = Queue::default();
        queue.push(window(0, Kind::Window));
        queue.push(window(1, Kind::Silence));
        queue.push(window(2, Kind::Window));
        assert_eq!(queue.miss_windows(), 2);
        assert_eq!(decided(&mut queue), [0, 1, 2]);
        assert_eq!(queue.miss_windows(), 0);
    }

    #[test]
    fn windows_are_forgotten_and_the_rest_is_not() {
        let mut queue = Queue::default();
        queue.push(window(0, Kind::Silence));
        queue.next();
        queue.push(window(1, Kind::Window));
        queue.push(Pending::interruption(2));
        assert_eq!((queue.windows(), queue.forget_windows()), (1, 1));
        assert_eq!(decided(&mut queue), [2]);
        assert!(queue.remove(0).is_some_and(|pending| pending.time().is_some()));
    }
}
