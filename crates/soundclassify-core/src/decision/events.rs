// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turns probabilities into events that begin and end: hysteresis, minimum duration, hold, cooldown, suppression.
//!
//! A window represents the time from its own start to the start of the next window. An event of a label begins with the
//! first window at or above `on` and continues as long as windows are at or above `off`. Windows below `off` are a gap; gaps
//! of up to `hold` belong to the event, and a longer gap ends the event where the gap begins. Only events of at least
//! `min_duration` are reported: [`EventKind::Start`] is reported with the window that completes this duration, so the onset
//! is in the past. An end is reported when the gap is longer than `hold`, or when the stream ends; the duration does not
//! include that gap.
//!
//! Rules prevent events: within a label's `cooldown` after its last event, and while a suppressing label is above its
//! level or has an event. If the sound continues after that, its event begins then. An open event ends when a suppressing
//! label begins.
//!
//! All times are nanoseconds of the stream. The same probabilities over time therefore give the same events for any number
//! of windows per second, up to the time between two windows at each border.

use super::rules::{EventRules, LabelRule, LeftOut};

/// Interval of the updates of an open event, ns of its duration.
const UPDATE_INTERVAL: u64 = 1_000_000_000;

/// The time of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTime<M> {
    /// Start of the window, ns since the beginning of the stream or the last break; increases from window to window.
    pub at: u64,
    /// Time that the window represents if no window follows, ns.
    pub span: u64,
    /// Value of the caller that is returned with the events that begin here.
    pub mark: M,
}

/// What happened to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It began, and has lasted for the minimum duration.
    Start,
    /// It continues; reported once per second.
    Update,
    /// It ended.
    End,
}

impl EventKind {
    /// The word for it in messages and JSON: `start`, `update` or `end`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Update => "update",
            Self::End => "end",
        }
    }
}

/// One report of an event. Each has exactly one [`EventKind::Start`], then any number of updates, then exactly one
/// [`EventKind::End`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event<M> {
    /// What happened.
    pub kind: EventKind,
    /// Number of the event, from 1, in the order of starts.
    pub id: u64,
    /// Number of the label or group, as in [`Classifier::names`](crate::Classifier::names).
    pub index: usize,
    /// Mark of the window with which it began.
    pub onset: M,
    /// From the onset until now, or until the beginning of the current gap, ns.
    pub duration: u64,
    /// Probability in the newest window.
    pub probability: f32,
    /// Greatest probability so far.
    pub peak: f32,
    /// From when on an event of the label may begin, ns as in [`EventTime::at`]: this one, and with its end the next one.
    pub free_from: u64,
}

/// The state machines of all labels. At most one event per label is open.
#[derive(Debug)]
pub struct Events<M> {
    rules: EventRules,
    tracks: Vec<Option<Track<M>>>,
    /// Per label, the end of its cooldown.
    cool_until: Vec<u64>,
    /// Per label, the end of the last window in which rules prevented its events, or of its last event.
    free_from: Vec<u64>,
    /// Where the newest window ends if no other follows.
    end: u64,
    last_id: u64,
    left_out: LeftOut,
}

/// An event, reported or not yet.
#[derive(Debug, Clone, Copy)]
struct Track<M> {
    start: u64,
    onset: M,
    gap: Option<u64>,
    probability: f32,
    peak: f32,
    id: Option<u64>,
    updates: u64,
    blocked: Option<Block>,
}

/// Why an event is prevented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Cooldown,
    Suppressed,
    /// One of the two, and it is counted.
    Counted,
}

impl<M: Copy> Events<M> {
    /// A machine for each label of `rules`.
    #[must_use]
    pub fn new(rules: EventRules) -> Self {
        let labels = rules.labels.len();
        let tracks = std::iter::repeat_with(|| None).take(labels).collect();
        let (cool_until, free_from) = (vec![0; labels], vec![0; labels]);
        Self { rules, tracks, cool_until, free_from, end: 0, last_id: 0, left_out: LeftOut::default() }
    }

    /// Sets the rules from the next window on, for the same labels. Events of labels that no longer have a rule end here.
    pub fn set_rules(&mut self, rules: EventRules, emit: &mut dyn FnMut(Event<M>)) {
        debug_assert_eq!(rules.labels.len(), self.tracks.len());
        for index in 0..self.tracks.len() {
            if rules.labels[index].is_none() {
                self.close_one(index, emit);
            }
        }
        self.rules = rules;
    }

    /// Adds the probabilities of the next window, one per label.
    ///
    /// # Panics
    /// If there are fewer scores than labels.
    pub fn push(&mut self, time: EventTime<M>, scores: &[f32], emit: &mut dyn FnMut(Event<M>)) {
        self.step_all(time, emit, |index| scores[index]);
    }

    /// Adds a window without scores.
    pub fn push_silence(&mut self, time: EventTime<M>, emit: &mut dyn FnMut(Event<M>)) {
        self.step_all(time, emit, |_| 0.0);
    }

    /// Ends all open events. Times go on; event numbers and cooldowns continue.
    pub fn end_open(&mut self, emit: &mut dyn FnMut(Event<M>)) {
        for index in 0..self.tracks.len() {
            self.close_one(index, emit);
        }
    }

    /// Ends all open events where the audio ends, at `end` if known. Times start again from 0; event numbers and cooldowns
    /// continue. What has lasted since the start of the audio lasts until its end.
    pub fn close(&mut self, end: Option<u64>, emit: &mut dyn FnMut(Event<M>)) {
        let whole = end.map_or(self.end, |end| end.max(self.end));
        for index in 0..self.tracks.len() {
            let since_start = self.tracks[index].is_some_and(|track| track.start == 0 && track.gap.is_none());
            self.close_one_at(index, if since_start { whole } else { self.end }, emit);
            for until in [&mut self.cool_until[index], &mut self.free_from[index]] {
                *until = until.saturating_sub(whole);
            }
        }
        self.end = 0;
    }

    /// Whether an event is open whose start was reported.
    #[must_use]
    pub fn is_open(&self) -> bool {
        (0..self.tracks.len()).any(|index| self.has_event(index))
    }

    /// Probability below which events of the label end.
    #[must_use]
    pub fn off(&self, index: usize) -> f32 {
        self.rules.labels[index].map_or(1.0, |rule| rule.off.min(rule.on))
    }

    /// Continues the numbers, counters and cooldowns of `other`; `index_there` gives the number of a label there.
    pub fn continue_after(&mut self, other: &Self, index_there: impl Fn(usize) -> Option<usize>) {
        self.last_id = other.last_id;
        self.left_out = other.left_out;
        self.end = other.end;
        for index in 0..self.tracks.len() {
            let there = |times: &[u64]| index_there(index).and_then(|index| times.get(index)).copied().unwrap_or(0);
            (self.cool_until[index], self.free_from[index]) = (there(&other.cool_until), there(&other.free_from));
        }
    }

    /// Number of events that rules prevented.
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    // Suppressing labels come first: their events suppress those of the same window.
    fn step_all(&mut self, time: EventTime<M>, emit: &mut dyn FnMut(Event<M>), score: impl Fn(usize) -> f32) {
        for position in 0..self.rules.suppressors.len() {
            let (index, _) = self.rules.suppressors[position];
            self.step(index, time, score(index), false, emit);
        }
        let mut suppressors = self.rules.suppressors.iter();
        let suppressed = suppressors.any(|&(index, level)| score(index) >= level || self.has_event(index));
        for index in 0..self.tracks.len() {
            if !self.rules.is_suppressor(index) {
                self.step(index, time, score(index), suppressed, emit);
            }
        }
        self.end = time.at.saturating_add(time.span);
    }

    fn has_event(&self, index: usize) -> bool {
        self.tracks[index].is_some_and(|track| track.id.is_some())
    }

    fn step(&mut self, index: usize, time: EventTime<M>, score: f32, suppressed: bool, emit: &mut dyn FnMut(Event<M>)) {
        let Some(rule) = self.rules.labels[index] else { return };
        if let Some(track) = &mut self.tracks[index] {
            track.probability = score;
            if track.gap.is_some_and(|gap| time.at.saturating_sub(gap) > rule.hold) {
                self.end_one(index, emit);
            }
        }
        let block = match suppressed {
            true => Some(Block::Suppressed),
            false => (time.at < self.cool_until[index]).then_some(Block::Cooldown),
        };
        // What was open ends where a suppressing label comes; what was left out may begin once nothing speaks against it.
        if self.tracks[index].is_some_and(|track| track.blocked.is_some() != block.is_some()) {
            self.end_one_at(index, time.at, emit);
        }
        if block.is_some() {
            self.free_from[index] = time.at.saturating_add(time.span);
        }
        match &mut self.tracks[index] {
            Some(track) => track.take(time.at, score, rule.off.min(rule.on)),
            empty if score >= rule.on => *empty = Some(Track::new(time, score, block)),
            _ => return,
        }
        self.report_growth(index, time.at, rule, emit);
    }

    // A start once it lasts long enough, then an update for each second.
    fn report_growth(&mut self, index: usize, now: u64, rule: LabelRule, emit: &mut dyn FnMut(Event<M>)) {
        let Some(track) = &mut self.tracks[index] else { return };
        let duration = track.duration(now);
        if track.blocked.is_some() {
            if duration >= rule.min_duration {
                self.left_out.count(&mut track.blocked);
            }
            return;
        }
        let seconds = duration / UPDATE_INTERVAL;
        let kind = match track.id {
            None if duration >= rule.min_duration => EventKind::Start,
            Some(_) if seconds > track.updates => EventKind::Update,
            _ => return,
        };
        track.updates = seconds;
        if kind == EventKind::Start {
            self.last_id += 1;
            track.id = Some(self.last_id);
        }
        emit(track.event(kind, index, self.last_id, duration, self.free_from[index]));
    }

    fn close_one(&mut self, index: usize, emit: &mut dyn FnMut(Event<M>)) {
        self.close_one_at(index, self.end, emit);
    }

    fn close_one_at(&mut self, index: usize, now: u64, emit: &mut dyn FnMut(Event<M>)) {
        if let Some(rule) = self.rules.labels[index]
            && self.tracks[index].is_some_and(|track| track.id.is_none())
        {
            self.report_growth(index, now, rule, emit);
        }
        self.end_one_at(index, now, emit);
    }

    fn end_one(&mut self, index: usize, emit: &mut dyn FnMut(Event<M>)) {
        self.end_one_at(index, self.end, emit);
    }

    fn end_one_at(&mut self, index: usize, now: u64, emit: &mut dyn FnMut(Event<M>)) {
        let Some(track) = self.tracks[index].take() else { return };
        let Some(id) = track.id else { return };
        let duration = track.duration(now);
        let cooldown = self.rules.labels[index].map_or(0, |rule| rule.cooldown);
        self.free_from[index] = track.start.saturating_add(duration);
        self.cool_until[index] = self.free_from[index].saturating_add(cooldown);
        emit(track.event(EventKind::End, index, id, duration, self.cool_until[index]));
    }
}

impl LeftOut {
    fn count(&mut self, block: &mut Option<Block>) {
        match block.replace(Block::Counted) {
            Some(Block::Cooldown) => self.cooldown += 1,
            Some(Block::Suppressed) => self.suppressed += 1,
            Some(Block::Counted) | None => {}
        }
    }
}

impl<M: Copy> Track<M> {
    fn new(time: EventTime<M>, score: f32, blocked: Option<Block>) -> Self {
        let (start, onset) = (time.at, time.mark);
        Self { start, onset, gap: None, probability: score, peak: score, id: None, updates: 0, blocked }
    }

    fn take(&mut self, at: u64, score: f32, off: f32) {
        self.peak = self.peak.max(score);
        self.gap = if score >= off { None } else { self.gap.or(Some(at)) };
    }

    fn duration(&self, now: u64) -> u64 {
        self.gap.unwrap_or(now).saturating_sub(self.start)
    }

    fn event(&self, kind: EventKind, index: usize, last_id: u64, duration: u64, free_from: u64) -> Event<M> {
        let Self { onset, probability, peak, id, .. } = *self;
        Event { kind, id: id.unwrap_or(last_id), index, onset, duration, probability, peak, free_from }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    const RULE: LabelRule = LabelRule { on: 0.5, off: 0.35, min_duration: 200 * MS, hold: 500 * MS, cooldown: 0 };

    fn rules(labels: usize) -> EventRules {
        EventRules::uniform(labels, RULE)
    }

    fn time(at: u64, span: u64) -> EventTime<u64> {
        EventTime { at, span, mark: at }
    }

    // All that one label's scores give at one window per `stride`, closed at the end.
    fn reported(rules: &EventRules, stride: u64, scores: &[f32]) -> Vec<Event<u64>> {
        let mut reported = Vec::new();
        let mut events = Events::new(rules.clone());
        for (window, score) in scores.iter().enumerate() {
            events.push(time(window as u64 * stride, stride), &[*score], &mut |event| reported.push(event));
        }
        events.close(None, &mut |event| reported.push(event));
        reported
    }

    fn brief(reported: &[Event<u64>]) -> Vec<(EventKind, u64, u64)> {
        reported.iter().map(|event| (event.kind, event.onset / MS, event.duration / MS)).collect()
    }

    #[test]
    fn an_event_starts_when_it_is_long_enough_and_ends_where_the_gap_began() {
        let mut scores = [0.0; 20];
        scores[2..8].fill(0.8);
        let reported = reported(&rules(1), 100 * MS, &scores);
        assert_eq!(brief(&reported), [(EventKind::Start, 200, 200), (EventKind::End, 200, 600)]);
        assert_eq!((reported[0].probability, reported[1].probability, reported[1].peak), (0.8, 0.0, 0.8));
    }

    #[test]
    fn hysteresis_keeps_an_event_between_off_and_on() {
        let reported = reported(&rules(1), 100 * MS, &[0.4, 0.5, 0.4, 0.35, 0.34, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(brief(&reported), [(EventKind::Start, 100, 200), (EventKind::End, 100, 300)]);
        assert_eq!(reported[1].peak, 0.5);
    }

    #[test]
    fn short_ones_are_not_reported() {
        assert_eq!(reported(&rules(1), 100 * MS, &[0.0, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), []);
    }

    #[test]
    fn gaps_up_to_hold_belong_to_the_event() {
        let gap = |windows: usize| {
            let scores = [vec![0.9; 3], vec![0.0; windows], vec![0.9; 3]].concat();
            brief(&reported(&rules(1), 100 * MS, &scores))
        };
        let one = [(EventKind::Start, 0, 200), (EventKind::Update, 0, 1000), (EventKind::End, 0, 1100)];
        assert_eq!(gap(5), one);
        let two = gap(6);
        assert_eq!(two.len(), 4);
        assert_eq!(two[1], (EventKind::End, 0, 300));
        assert_eq!(two[3], (EventKind::End, 900, 300));
    }

    #[test]
    fn without_hold_the_next_window_ends_it() {
        let rules = EventRules::uniform(1, LabelRule { hold: 0, min_duration: 0, ..RULE });
        let reported = reported(&rules, 100 * MS, &[0.9, 0.0, 0.9, 0.0]);
        let ends: Vec<_> =
            reported.iter().filter(|event| event.kind == EventKind::End).map(|e| (e.onset, e.duration)).collect();
        assert_eq!(ends, [(0, 100 * MS), (200 * MS, 100 * MS)]);
    }

    #[test]
    fn updates_come_once_a_second_and_grow() {
        let reported = reported(&rules(1), 100 * MS, &[0.9; 36]);
        let updates: Vec<_> =
            reported.iter().filter(|e| e.kind == EventKind::Update).map(|e| e.duration / MS).collect();
        assert_eq!(updates, [1000, 2000, 3000]);
        assert_eq!(reported.last().map(|event| event.duration), Some(3600 * MS));
    }

    #[test]
    fn the_end_of_everything_ends_events_and_reports_those_that_are_just_long_enough() {
        assert_eq!(
            brief(&reported(&rules(1), 100 * MS, &[0.0, 0.9, 0.9])),
            [(EventKind::Start, 100, 200), (EventKind::End, 100, 200)]
        );
        assert_eq!(reported(&rules(1), 100 * MS, &[0.0, 0.0, 0.9]), []);
    }

    #[test]
    fn labels_are_apart_and_ids_rise() {
        let mut reported = Vec::new();
        let mut events = Events::new(EventRules::uniform(2, LabelRule { min_duration: 0, hold: 0, ..RULE }));
        for (window, scores) in [[0.9, 0.0], [0.9, 0.9], [0.0, 0.9], [0.0, 0.9]].iter().enumerate() {
            events.push(time(window as u64 * 100 * MS, 0), scores, &mut |event| reported.push(event));
        }
        events.close(None, &mut |event| reported.push(event));
        let kinds: Vec<_> = reported.iter().map(|event| (event.index, event.id, event.kind)).collect();
        let (start, end) = (EventKind::Start, EventKind::End);
        assert_eq!(kinds, [(0, 1, start), (1, 2, start), (0, 1, end), (1, 2, end)]);
    }

    #[test]
    fn silence_ends_and_a_label_without_events_is_never_reported() {
        let mut reported = Vec::new();
        let mut events = Events::new(EventRules { labels: vec![Some(RULE), None], suppressors: Vec::new() });
        for window in 0..5 {
            events.push(time(window * 100 * MS, 0), &[0.9, 0.9], &mut |event| reported.push(event));
        }
        for window in 5..20 {
            events.push_silence(time(window * 100 * MS, 0), &mut |event| reported.push(event));
        }
        assert!(reported.iter().all(|event| event.index == 0));
        assert_eq!(brief(&reported), [(EventKind::Start, 0, 200), (EventKind::End, 0, 500)]);
    }

    #[test]
    fn new_rules_end_events_of_labels_that_lose_theirs() {
        let mut reported = Vec::new();
        let mut events = Events::new(EventRules::uniform(2, LabelRule { min_duration: 0, ..RULE }));
        events.push(time(0, 10), &[0.9, 0.9], &mut |event| reported.push(event));
        events.set_rules(EventRules { labels: vec![Some(RULE), None], suppressors: Vec::new() }, &mut |event| {
            reported.push(event);
        });
        assert_eq!(
            reported.iter().filter(|event| event.kind == EventKind::End).map(|e| e.index).collect::<Vec<_>>(),
            [1]
        );
    }

    #[test]
    fn extreme_times_are_no_trouble() {
        let rules = EventRules::uniform(1, LabelRule { min_duration: u64::MAX, hold: u64::MAX, ..RULE });
        assert_eq!(reported(&rules, u64::MAX / 4, &[0.9, 0.0, 0.9]), []);
    }

    fn any_rule() -> impl Strategy<Value = LabelRule> {
        (0.0f32..1.0, 0.0f32..1.0, 0u64..600, 0u64..600, 0u64..2000).prop_map(|(on, off, min, hold, cooldown)| {
            LabelRule { on, off, min_duration: min * MS, hold: hold * MS, cooldown: cooldown * MS }
        })
    }

    // All that several labels' scores give, window by window, and what was left out.
    fn reported_of(rules: &EventRules, windows: &[Vec<f32>]) -> (Vec<Event<u64>>, LeftOut) {
        let mut reported = Vec::new();
        let mut events = Events::new(rules.clone());
        for (window, scores) in windows.iter().enumerate() {
            events.push(time(window as u64 * 100 * MS, 100 * MS), scores, &mut |event| reported.push(event));
        }
        events.close(None, &mut |event| reported.push(event));
        (reported, events.left_out())
    }

    fn ends(reported: &[Event<u64>]) -> Vec<(usize, u64, u64)> {
        let ends = reported.iter().filter(|event| event.kind == EventKind::End);
        ends.map(|event| (event.index, event.onset / MS, event.duration / MS)).collect()
    }

    #[test]
    fn labels_have_their_own_levels_and_times() {
        let quiet = LabelRule { on: 0.2, off: 0.1, ..RULE };
        let long = LabelRule { min_duration: 1000 * MS, ..RULE };
        let rules = EventRules { labels: vec![Some(RULE), Some(quiet), Some(long)], suppressors: Vec::new() };
        let windows = [vec![vec![0.0; 3]; 2], vec![vec![0.3, 0.3, 0.9]; 6], vec![vec![0.0; 3]; 10]].concat();
        assert_eq!(ends(&reported_of(&rules, &windows).0), [(1, 200, 600)]);
    }

    #[test]
    fn within_a_cooldown_events_are_left_out_and_counted() {
        let rules = EventRules::uniform(1, LabelRule { cooldown: 3000 * MS, hold: 0, ..RULE });
        let bark = [vec![vec![0.9]; 4], vec![vec![0.0]; 6]].concat();
        let (reported, left_out) =
            reported_of(&rules, &[bark.clone(), bark.clone(), bark.clone(), bark.clone()].concat());
        assert_eq!(ends(&reported), [(0, 0, 400)]);
        assert_eq!(left_out, LeftOut { cooldown: 3, suppressed: 0 });
        let (reported, _) = reported_of(&rules, &[bark.clone(), vec![vec![0.0]; 24], bark].concat());
        assert_eq!(ends(&reported), [(0, 0, 400), (0, 3400, 400)]);
    }

    #[test]
    fn a_sound_that_outlasts_the_cooldown_begins_at_its_end() {
        let rules = EventRules::uniform(1, LabelRule { cooldown: 1000 * MS, hold: 0, ..RULE });
        let windows = [vec![vec![0.9]; 4], vec![vec![0.0]; 2], vec![vec![0.9]; 20]].concat();
        assert_eq!(ends(&reported_of(&rules, &windows).0), [(0, 0, 400), (0, 1400, 1200)]);
    }

    #[test]
    fn a_cooldown_goes_on_where_times_start_anew() {
        let mut reported = Vec::new();
        let mut events =
            Events::new(EventRules::uniform(1, LabelRule { cooldown: 1000 * MS, min_duration: 0, ..RULE }));
        for _ in 0..2 {
            for window in 0..2 {
                events.push(time(window * 100 * MS, 100 * MS), &[0.9], &mut |event| reported.push(event));
            }
            events.close(None, &mut |event| reported.push(event));
        }
        assert_eq!(ends(&reported), [(0, 0, 200)]);
        assert_eq!(events.left_out().cooldown, 1);
    }

    #[test]
    fn a_cooldown_goes_on_where_times_do_and_through_other_labels() {
        let rules = |labels| EventRules::uniform(labels, LabelRule { cooldown: 1000 * MS, min_duration: 0, ..RULE });
        let mut reported = Vec::new();
        let mut events = Events::new(rules(1));
        events.push(time(5000 * MS, 100 * MS), &[0.9], &mut |event| reported.push(event));
        events.end_open(&mut |event| reported.push(event));
        events.push(time(5100 * MS, 100 * MS), &[0.9], &mut |event| reported.push(event));
        assert_eq!(ends(&reported), [(0, 5000, 100)]);

        let mut next = Events::new(rules(2));
        next.continue_after(&events, |index| (index == 1).then_some(0));
        next.push(time(5200 * MS, 100 * MS), &[0.9, 0.9], &mut |event| reported.push(event));
        next.push(time(6300 * MS, 100 * MS), &[0.0, 0.9], &mut |event| reported.push(event));
        next.close(None, &mut |event| reported.push(event));
        assert_eq!(ends(&reported), [(0, 5000, 100), (0, 5200, 1100), (1, 6300, 100)]);
    }

    #[test]
    fn a_cooldown_of_other_labels_goes_on_where_times_start_anew() {
        let rules = EventRules::uniform(1, LabelRule { cooldown: 1000 * MS, min_duration: 0, ..RULE });
        let mut reported = Vec::new();
        let mut events = Events::new(rules.clone());
        events.push(time(5000 * MS, 100 * MS), &[0.9], &mut |_| ());
        events.end_open(&mut |_| ());
        let mut next = Events::new(rules);
        next.continue_after(&events, Some);
        next.close(None, &mut |_| ());
        for at in [900 * MS, 1100 * MS] {
            next.push(time(at, 100 * MS), &[0.9], &mut |event| reported.push(event));
        }
        assert_eq!(brief(&reported), [(EventKind::Start, 1100, 0)]);
    }

    #[test]
    fn what_lasts_since_the_start_lasts_until_the_end() {
        let close = |start: u64, end| {
            let mut reported = Vec::new();
            let mut events = Events::new(rules(1));
            events.push(time(start, 100 * MS), &[0.9], &mut |event| reported.push(event));
            events.close(end, &mut |event| reported.push(event));
            brief(&reported)
        };
        assert_eq!(close(0, None), []);
        assert_eq!(close(0, Some(1090 * MS)), [(EventKind::Start, 0, 1090), (EventKind::End, 0, 1090)]);
        assert_eq!(close(100 * MS, Some(1190 * MS)), []);
    }

    #[test]
    fn while_a_suppressing_label_is_there_nothing_else_is_reported() {
        let rules = EventRules { suppressors: vec![(1, 0.3)], ..rules(2) };
        let (bark, talk, both) = (vec![0.9, 0.0], vec![0.0, 0.4], vec![0.9, 0.4]);
        let (reported, left_out) = reported_of(&rules, &[vec![talk; 3], vec![both; 5]].concat());
        assert_eq!((reported.len(), left_out.suppressed), (0, 1));
        // An open event ends where the suppressing label comes, and one that continues begins after it.
        let both = vec![0.9, 0.9];
        let (reported, _) = reported_of(&rules, &[vec![bark.clone(); 10], vec![both; 10], vec![bark; 20]].concat());
        assert_eq!(ends(&reported), [(0, 0, 1000), (1, 1000, 1000), (0, 2600, 1400)]);
    }

    /// A piece of a curve: how long, ms, and how probable. Lengths keep clear of `min_duration` and `hold`.
    fn curve() -> impl Strategy<Value = Vec<(u64, f32)>> {
        let sound = (700u64..3000, prop::sample::select(vec![0.5f32, 0.9, 1.0]));
        let dip = (1u64..250, Just(0.1f32));
        let tail = (1u64..2000, Just(0.4f32));
        let pause = (1000u64..3000, Just(0.0f32));
        prop::collection::vec((sound, dip, any::<bool>(), tail, pause), 1..6).prop_map(|parts| {
            let mut pieces = vec![(1000, 0.0)];
            for (sound, dip, dips, tail, pause) in parts {
                pieces.push(sound);
                pieces.extend(dips.then_some([dip, sound]).into_iter().flatten());
                pieces.extend([tail, pause]);
            }
            pieces
        })
    }

    fn sampled(curve: &[(u64, f32)], rate: u64) -> Vec<f32> {
        let total: u64 = curve.iter().map(|piece| piece.0).sum();
        let value = |mut at: u64| {
            let piece = curve.iter().find(|piece| {
                let inside = at < piece.0;
                at = at.saturating_sub(piece.0);
                inside
            });
            piece.map_or(0.0, |piece| piece.1)
        };
        (0..total * rate / 1000).map(|window| value(window * 1000 / rate)).collect()
    }

    proptest! {
        #[test]
        fn each_start_has_exactly_one_end_and_nothing_is_too_short(
            rule in any_rule(),
            scores in prop::collection::vec(0.0f32..1.0, 0..200),
            stride in 10u64..300,
        ) {
            let reported = reported(&EventRules::uniform(1, rule), stride * MS, &scores);
            let mut last_end: Option<u64> = None;
            let mut open: Option<Event<u64>> = None;
            for event in &reported {
                match event.kind {
                    EventKind::Start => {
                        prop_assert!(open.replace(*event).is_none());
                        prop_assert!(last_end.is_none_or(|end| event.onset >= end + rule.cooldown));
                    }
                    EventKind::Update | EventKind::End => {
                        let before = if event.kind == EventKind::End { open.take() } else { open.replace(*event) };
                        let before = before.expect("an open event");
                        prop_assert_eq!((before.id, before.onset), (event.id, event.onset));
                        last_end = (event.kind == EventKind::End).then_some(event.onset + event.duration);
                        prop_assert!(before.duration <= event.duration && before.peak <= event.peak);
                    }
                }
                prop_assert!(event.duration >= rule.min_duration);
                prop_assert!(event.peak >= rule.on);
            }
            prop_assert!(open.is_none());
            let ids: Vec<u64> = reported.iter().filter(|e| e.kind == EventKind::End).map(|e| e.id).collect();
            prop_assert!(ids.iter().zip(1..).all(|(id, count)| *id == count));
        }

        #[test]
        fn the_number_of_windows_a_second_moves_borders_by_at_most_one_stride(curve in curve()) {
            let of = |rate: u64| -> Vec<(u64, u64)> {
                let reported = reported(&rules(1), 1000 * MS / rate, &sampled(&curve, rate));
                let ends = reported.iter().filter(|event| event.kind == EventKind::End);
                ends.map(|event| (event.onset / MS, (event.onset + event.duration) / MS)).collect()
            };
            let fine = of(20);
            for rate in [5, 10] {
                let coarse = of(rate);
                prop_assert_eq!(fine.len(), coarse.len());
                for (one, other) in fine.iter().zip(&coarse) {
                    let stride = 1000 / rate;
                    prop_assert!(one.0.abs_diff(other.0) <= stride && one.1.abs_diff(other.1) <= stride, "{:?} {:?}", one, other);
                }
            }
        }
    }
}
