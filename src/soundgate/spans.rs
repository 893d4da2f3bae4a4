// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events of all sources → spans of time in which the gate acts. Times are places, ns of audio.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::agreement::Agreement;
use crate::signal::clock::Times;
use crate::soundclassify::message::Labelled;

/// A stretch of time, from its first nanosecond to the one after its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// An event that a source detected.
#[derive(Debug, Clone)]
pub(crate) struct SourceEvent {
    pub(crate) source: u64,
    pub(crate) id: u64,
    /// Name of the source.
    pub(crate) element: Arc<str>,
    pub(crate) labelled: Labelled,
    /// Of its onset.
    pub(crate) times: Times,
    /// The highest probability so far.
    pub(crate) peak: f64,
}

/// An event and its place; `to` is `u64::MAX` until its end is known.
#[derive(Debug, Clone)]
struct Span {
    event: SourceEvent,
    from: u64,
    to: u64,
    /// Its source is gone, and sent no end.
    is_left: bool,
}

/// What makes stretches of events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Margins {
    pub(crate) before: u64,
    pub(crate) after: u64,
    /// Minimum number of sources that have an event at the same time; 0 counts as 1.
    pub(crate) agree: usize,
    /// What those events have in common.
    pub(crate) agreement: Arc<Agreement>,
}

/// Where enough sources agree.
#[derive(Debug, Clone)]
pub(crate) struct Joined {
    /// The label or group; empty where any label counts.
    pub(crate) name: Arc<str>,
    pub(crate) stretch: Stretch,
    /// The label of the event that begins there, and its times.
    pub(crate) label: Arc<str>,
    pub(crate) times: Times,
}

/// The events that are known.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    spans: Vec<Span>,
    margins: Margins,
    /// Without margins, in the order of names, and of times for one name.
    joined: Vec<Joined>,
    stretches: Vec<Stretch>,
    outdated: bool,
    /// Grows with each change.
    version: u64,
}

/// Maximum number of events that are kept; beyond it the oldest are forgotten.
const MAX_SPANS: usize = 10_000;

impl Spans {
    /// An event begins at `from`.
    pub(crate) fn start(&mut self, event: SourceEvent, from: u64) {
        if self.spans.len() >= MAX_SPANS {
            self.spans.remove(0);
        }
        self.spans.push(Span { event, from, to: u64::MAX, is_left: false });
        self.outdated = true;
    }

    /// An event ends; one that is not known is none.
    pub(crate) fn end(&mut self, event: &SourceEvent, from: u64, to: u64) {
        let is_same = |known: &SourceEvent| known.source == event.source && known.id == event.id;
        if let Some(span) = self.spans.iter_mut().rev().find(|span| is_same(&span.event)) {
            (span.from, span.to, span.is_left) = (from, to.max(from), false);
            (span.event.times, span.event.peak) = (event.times, event.peak);
            self.outdated = true;
        }
    }

    /// A source is gone; its open events end at `place`, unless it comes back.
    pub(crate) fn leave(&mut self, source: u64, place: u64) {
        for span in self.spans.iter_mut().filter(|span| span.event.source == source && span.to == u64::MAX) {
            (span.to, span.is_left) = (place.max(span.from), true);
            self.outdated = true;
        }
    }

    /// A source is back; the events that it left open go on.
    pub(crate) fn come_back(&mut self, source: u64) {
        for span in self.spans.iter_mut().filter(|span| span.event.source == source && span.is_left) {
            (span.to, span.is_left) = (u64::MAX, false);
            self.outdated = true;
        }
    }

    /// Everything before `time` is over.
    pub(crate) fn forget_before(&mut self, time: u64) {
        let after = self.margins.after;
        let known = self.spans.len();
        self.spans.retain(|span| span.is_left || span.to.saturating_add(after) > time);
        self.outdated |= self.spans.len() != known;
    }

    pub(crate) fn clear(&mut self) {
        self.spans.clear();
        self.outdated = true;
    }

    pub(crate) fn set_margins(&mut self, margins: &Margins) {
        if self.margins != *margins {
            self.margins = margins.clone();
            self.outdated = true;
        }
    }

    /// The stretches, in order, apart from each other.
    pub(crate) fn stretches(&mut self) -> &[Stretch] {
        self.update();
        &self.stretches
    }

    /// The stretches of the events within `range` alone.
    pub(crate) fn stretches_in(&mut self, range: &Range<u64>) -> Vec<Stretch> {
        self.update();
        let bare = self.joined.iter().map(|joined| joined.stretch);
        let inside = bare.filter(|bare| bare.from < range.end && bare.to > range.start);
        let mut stretches: Vec<Stretch> = inside.map(|bare| self.margins.widen(bare)).collect();
        unite(&mut stretches);
        stretches
    }

    /// Where sources agree, in the order of names, and of times for one name; and a number that grows with each change.
    pub(crate) fn joined(&mut self) -> (&[Joined], u64) {
        self.update();
        (&self.joined, self.version)
    }

    /// Number of sources that have to agree.
    pub(crate) fn agree(&self) -> usize {
        self.margins.agree.max(1)
    }

    /// What sources agree on.
    pub(crate) fn agreement(&self) -> &Arc<Agreement> {
        &self.margins.agreement
    }

    /// Where the next event begins, at `place` or after it.
    pub(crate) fn next_start(&self, place: u64) -> u64 {
        self.spans.iter().map(|span| span.from).filter(|from| *from >= place).min().unwrap_or(u64::MAX)
    }

    /// Events that count under `name` and have a part of a stretch, or its only moment.
    pub(crate) fn events_in<'a>(&'a self, name: &'a str, stretch: Stretch) -> impl Iterator<Item = &'a SourceEvent> {
        let last = stretch.to.max(stretch.from.saturating_add(1));
        let inside =
            self.spans.iter().filter(move |span| span.from < last && span.to.max(span.from + 1) > stretch.from);
        inside.map(|span| &span.event).filter(move |event| {
            let mut counts = false;
            self.margins.agreement.names(&event.labelled, &mut |own| counts |= own == name);
            counts
        })
    }

    fn update(&mut self) {
        if std::mem::take(&mut self.outdated) {
            self.version += 1;
            self.join();
        }
    }

    fn join(&mut self) {
        let Self { spans, margins, joined, stretches, .. } = self;
        joined.clear();
        let mut named: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
        for span in spans.iter() {
            margins.agreement.names(&span.event.labelled, &mut |name| named.entry(name).or_default().push(span));
        }
        for (name, spans) in named {
            let name: Arc<str> = name.into();
            joined.extend(agreed(&spans, margins.agree).into_iter().map(|stretch| Joined::new(&name, stretch, &spans)));
        }
        stretches.clear();
        stretches.extend(joined.iter().map(|joined| margins.widen(joined.stretch)));
        unite(stretches);
    }
}

impl Margins {
    fn widen(&self, stretch: Stretch) -> Stretch {
        Stretch { from: stretch.from.saturating_sub(self.before), to: stretch.to.saturating_add(self.after) }
    }
}

impl Joined {
    /// `spans`: one of them begins where the stretch does.
    fn new(name: &Arc<str>, stretch: Stretch, spans: &[&Span]) -> Self {
        let begins = spans.iter().filter(|span| span.from == stretch.from);
        let first =
            begins.min_by_key(|span| (span.event.times.timestamp, &span.event.labelled.label)).unwrap_or(&spans[0]);
        let SourceEvent { labelled, times, .. } = &first.event;
        let label = if name.is_empty() { &labelled.label } else { name };
        Self { name: Arc::clone(name), stretch, label: Arc::clone(label), times: *times }
    }
}

/// One after the other, and none touches the next.
fn unite(stretches: &mut Vec<Stretch>) {
    stretches.sort_unstable_by_key(|stretch| stretch.from);
    stretches.dedup_by(|next, last| {
        let joins = next.from <= last.to;
        if joins {
            last.to = last.to.max(next.to);
        }
        joins
    });
}

fn united<'a>(spans: impl Iterator<Item = &'a &'a Span>) -> Vec<Stretch> {
    let mut stretches = spans.map(|span| Stretch { from: span.from, to: span.to }).collect();
    unite(&mut stretches);
    stretches
}

/// Where a minimum of `count` sources have an event.
fn agreed(spans: &[&Span], count: usize) -> Vec<Stretch> {
    if count <= 1 {
        return united(spans.iter());
    }
    let mut sources: Vec<u64> = spans.iter().map(|span| span.event.source).collect();
    sources.sort_unstable();
    sources.dedup();
    // At the same time, beginnings come before ends, so what touches is joined.
    let mut borders: Vec<(u64, Reverse<i32>)> = Vec::new();
    for source in sources {
        let own = united(spans.iter().filter(|span| span.event.source == source));
        let own = own.iter().filter(|stretch| stretch.to > stretch.from);
        borders.extend(own.flat_map(|stretch| [(stretch.from, Reverse(1)), (stretch.to, Reverse(-1))]));
    }
    borders.sort_unstable();
    let (mut now, mut since, mut stretches) = (0i32, None, Vec::new());
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    for (time, Reverse(step)) in borders {
        now += step;
        match since {
            None if now >= count => since = Some(time),
            Some(from) if now < count => {
                if time > from {
                    stretches.push(Stretch { from, to: time });
                }
                since = None;
            }
            _ => {}
        }
    }
    stretches
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::soundgate::agreement::AgreeBy;
    use proptest::prelude::*;

    /// An event of a source, with a label.
    pub(crate) type Given = (u64, &'static str, u64, u64);

    pub(crate) fn source_event(id: u64, (source, label, from, _): Given) -> SourceEvent {
        let timestamp = gst::ClockTime::from_nseconds(from);
        SourceEvent {
            source,
            id,
            element: format!("classify{source}").into(),
            labelled: Labelled { label: label.into(), groups: Arc::new([]) },
            times: Times { timestamp, stream_time: None, running_time: None, utc: None, place: from },
            peak: 0.5,
        }
    }

    pub(crate) fn spans_of(margins: &Margins, events: &[Given]) -> Spans {
        let mut spans = Spans::default();
        spans.set_margins(margins);
        for (id, &event) in events.iter().enumerate() {
            let (.., from, to) = event;
            let event = source_event(id as u64, event);
            spans.start(event.clone(), from);
            spans.end(&event, from, to);
        }
        spans
    }

    fn spans(margins: &Margins, events: &[(u64, u64, u64)]) -> Spans {
        spans_of(margins, &events.iter().map(|&(source, from, to)| (source, "Bark", from, to)).collect::<Vec<_>>())
    }

    pub(crate) fn agreeing(agree: usize, by: AgreeBy) -> Margins {
        let dog = ("dog".to_string(), vec!["Bark".to_string(), "Dog".to_string()]);
        Margins { agree, agreement: Arc::new(Agreement { by, groups: vec![dog] }), ..Margins::default() }
    }

    fn pairs(spans: &mut Spans) -> Vec<(u64, u64)> {
        spans.stretches().iter().map(|stretch| (stretch.from, stretch.to)).collect()
    }

    #[test]
    fn events_are_joined_and_widened() {
        let margins = Margins { before: 10, after: 5, agree: 1, ..Margins::default() };
        assert_eq!(
            pairs(&mut spans(&margins, &[(1, 100, 200), (2, 150, 220), (1, 300, 310)])),
            [(90, 225), (290, 315)]
        );
        assert_eq!(pairs(&mut spans(&margins, &[(1, 5, 20), (1, 30, 40)])), [(0, 45)]);
    }

    #[test]
    fn sources_agree_where_as_many_have_an_event() {
        let margins = Margins { agree: 2, ..Margins::default() };
        let events = [(1, 100, 200), (1, 150, 220), (2, 180, 300), (3, 400, 500)];
        assert_eq!(pairs(&mut spans(&margins, &events)), [(180, 220)]);
    }

    #[test]
    fn agreements_that_touch_are_one() {
        let margins = Margins { agree: 2, ..Margins::default() };
        let mut spans = spans(&margins, &[(1, 0, 50), (2, 0, 100), (3, 50, 100)]);
        let (joined, _) = spans.joined();
        assert_eq!(joined.iter().map(|it| (it.stretch.from, it.stretch.to)).collect::<Vec<_>>(), [(0, 100)]);
    }

    #[test]
    fn sources_agree_on_a_label_a_group_or_anything() {
        let events = [(1, "Bark", 0, 100), (2, "Dog", 50, 150), (1, "Rain", 200, 300), (2, "Wind", 250, 350)];
        assert_eq!(pairs(&mut spans_of(&Margins { agree: 2, ..Margins::default() }, &events)), []);
        assert_eq!(pairs(&mut spans_of(&agreeing(2, AgreeBy::Label), &events)), [(50, 100)]);
        assert_eq!(pairs(&mut spans_of(&agreeing(2, AgreeBy::Group), &events)), [(50, 100)]);
        assert_eq!(pairs(&mut spans_of(&agreeing(2, AgreeBy::Any), &events)), [(50, 100), (250, 300)]);
        // Of a single source, several labels of a group are one event.
        let one = [(1, "Bark", 0, 100), (1, "Dog", 50, 150)];
        assert_eq!(pairs(&mut spans_of(&agreeing(2, AgreeBy::Label), &one)), []);
        assert_eq!(pairs(&mut spans_of(&agreeing(1, AgreeBy::Label), &one)), [(0, 150)]);
    }

    #[test]
    fn margins_reach_from_events_in_a_range_only() {
        let margins = Margins { before: 30, after: 50, agree: 1, ..Margins::default() };
        let mut spans = spans(&margins, &[(1, 50, 120), (1, 150, 160), (1, 190, 220), (1, 300, 310)]);
        let found: Vec<_> = spans.stretches_in(&(100..200)).iter().map(|it| (it.from, it.to)).collect();
        assert_eq!(found, [(20, 270)]);
        assert!(spans.stretches_in(&(220..300)).is_empty());
    }

    #[test]
    fn an_open_event_goes_on_and_what_is_over_is_forgotten() {
        let mut spans = spans(&Margins::default(), &[(1, 10, 20)]);
        let event = source_event(7, (1, "Bark", 50, 60));
        spans.start(event.clone(), 50);
        assert_eq!(pairs(&mut spans), [(10, 20), (50, u64::MAX)]);
        spans.forget_before(20);
        assert_eq!(pairs(&mut spans), [(50, u64::MAX)]);
        spans.end(&source_event(7, (2, "Bark", 50, 60)), 50, 60);
        assert_eq!(pairs(&mut spans), [(50, u64::MAX)]);
        spans.end(&event, 50, 60);
        assert_eq!(pairs(&mut spans), [(50, 60)]);
    }

    #[test]
    fn open_events_of_a_source_that_is_gone_end() {
        let mut spans = spans(&Margins::default(), &[(1, 10, 20)]);
        for (source, from) in [(1, 30), (2, 150)] {
            spans.start(source_event(9, (source, "Bark", from, 0)), from);
        }
        spans.leave(1, 90);
        assert_eq!(pairs(&mut spans), [(10, 20), (30, 90), (150, u64::MAX)]);
        // Not known to have begun by then.
        spans.start(source_event(10, (1, "Bark", 100, 0)), 100);
        spans.leave(1, 95);
        assert_eq!(pairs(&mut spans), [(10, 20), (30, 90), (100, 100), (150, u64::MAX)]);
        spans.forget_before(120);
        spans.come_back(1);
        assert_eq!(pairs(&mut spans), [(30, u64::MAX)]);
        spans.end(&source_event(9, (1, "Bark", 30, 0)), 30, 130);
        spans.end(&source_event(10, (1, "Bark", 100, 0)), 100, 110);
        spans.end(&source_event(9, (2, "Bark", 150, 0)), 150, 160);
        assert_eq!(pairs(&mut spans), [(30, 130), (150, 160)]);
    }

    pub(crate) fn any_events() -> impl Strategy<Value = Vec<Given>> {
        let label = prop::sample::select(vec!["Bark", "Dog", "Rain"]);
        let event = (0u64..3, label, 0u64..100, 1u64..30);
        prop::collection::vec(
            event.prop_map(|(source, label, from, length)| (source, label, from, from + length)),
            0..12,
        )
    }

    pub(crate) fn any_agreement() -> impl Strategy<Value = Margins> {
        let by = prop::sample::select(vec![AgreeBy::Label, AgreeBy::Group, AgreeBy::Any]);
        (1usize..4, by).prop_map(|(agree, by)| agreeing(agree, by))
    }

    proptest! {
        #[test]
        fn equals_the_count_at_every_moment(events in any_events(), margins in any_agreement()) {
            let found = pairs(&mut spans_of(&margins, &events));
            prop_assert!(found.windows(2).all(|pair| pair[0].1 < pair[1].0));
            let name = |label: &str| match (margins.agreement.by, label) {
                (AgreeBy::Any, _) => Some("any"),
                (_, "Bark" | "Dog") => Some("dog"),
                (AgreeBy::Label, _) => Some("Rain"),
                (AgreeBy::Group, _) => None,
            };
            for time in 0..140u64 {
                let now = events.iter().filter(|(.., from, to)| (*from..*to).contains(&time));
                let mut reached: Vec<_> = now.filter_map(|event| Some((name(event.1)?, event.0))).collect();
                reached.sort_unstable();
                reached.dedup();
                let agree = reached.chunk_by(|one, next| one.0 == next.0).any(|sources| sources.len() >= margins.agree);
                let inside = found.iter().any(|(from, to)| (*from..*to).contains(&time));
                prop_assert_eq!(inside, agree, "{} {:?}", time, found);
            }
        }

        #[test]
        fn the_order_in_which_events_become_known_makes_no_difference(
            (events, other) in any_events().prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
            margins in any_agreement(),
        ) {
            let joined = |events: &[Given]| -> Vec<_> {
                let mut spans = spans_of(&margins, events);
                let joined = spans.joined().0.iter();
                joined.map(|it| (Arc::clone(&it.name), it.stretch, Arc::clone(&it.label), it.times)).collect()
            };
            prop_assert_eq!(joined(&events), joined(&other));
        }
    }
}
