// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events of all sources → spans of time in which the gate acts. Times are places, ns of audio.

use std::ops::Range;

/// A stretch of time, from its first nanosecond to the one after its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// An event; `to` is `u64::MAX` until its end is known.
#[derive(Debug, Clone, Copy)]
struct Span {
    source: u64,
    id: u64,
    from: u64,
    to: u64,
}

/// What makes stretches of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Margins {
    pub(crate) before: u64,
    pub(crate) after: u64,
    /// So many sources have to have an event at the same time; 0 counts as 1.
    pub(crate) agree: usize,
}

/// The events that are known.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    spans: Vec<Span>,
    margins: Margins,
    /// Without margins.
    bare: Vec<Stretch>,
    stretches: Vec<Stretch>,
    outdated: bool,
}

/// So many events are kept at most; beyond it the oldest are forgotten.
const MAX_SPANS: usize = 10_000;

impl Spans {
    /// An event begins at `from`.
    pub(crate) fn start(&mut self, source: u64, id: u64, from: u64) {
        if self.spans.len() >= MAX_SPANS {
            self.spans.remove(0);
        }
        self.spans.push(Span { source, id, from, to: u64::MAX });
        self.outdated = true;
    }

    /// An event ends; one that is not known is none.
    pub(crate) fn end(&mut self, source: u64, id: u64, from: u64, to: u64) {
        if let Some(span) = self.spans.iter_mut().rev().find(|span| span.source == source && span.id == id) {
            (span.from, span.to) = (from, to.max(from));
            self.outdated = true;
        }
    }

    /// Everything before `time` is over.
    pub(crate) fn forget_before(&mut self, time: u64) {
        let after = self.margins.after;
        let known = self.spans.len();
        self.spans.retain(|span| span.to.saturating_add(after) > time);
        self.outdated |= self.spans.len() != known;
    }

    pub(crate) fn clear(&mut self) {
        self.spans.clear();
        self.outdated = true;
    }

    pub(crate) fn set_margins(&mut self, margins: Margins) {
        self.outdated |= self.margins != margins;
        self.margins = margins;
    }

    /// The stretches, in order, apart from each other.
    pub(crate) fn stretches(&mut self) -> &[Stretch] {
        if std::mem::take(&mut self.outdated) {
            self.join();
        }
        &self.stretches
    }

    /// The stretches of the events in `range`, as if there were no other time.
    pub(crate) fn stretches_in(&mut self, range: &Range<u64>) -> Vec<Stretch> {
        self.stretches();
        let inside = self.bare.iter().filter(|bare| bare.from < range.end && bare.to > range.start);
        let mut stretches: Vec<Stretch> = inside.map(|bare| self.margins.widen(*bare)).collect();
        unite(&mut stretches);
        stretches
    }

    fn join(&mut self) {
        let Self { spans, margins, bare, stretches, .. } = self;
        bare.clear();
        stretches.clear();
        if margins.agree <= 1 {
            bare.extend(spans.iter().map(|span| Stretch { from: span.from, to: span.to }));
        } else {
            agreed(spans, margins.agree, bare);
        }
        stretches.extend(bare.iter().map(|bare| margins.widen(*bare)));
        unite(stretches);
    }
}

impl Margins {
    fn widen(self, stretch: Stretch) -> Stretch {
        Stretch { from: stretch.from.saturating_sub(self.before), to: stretch.to.saturating_add(self.after) }
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

/// Where at least `count` sources have an event.
fn agreed(spans: &[Span], count: usize, stretches: &mut Vec<Stretch>) {
    let mut sources: Vec<u64> = spans.iter().map(|span| span.source).collect();
    sources.sort_unstable();
    sources.dedup();
    let mut borders: Vec<(u64, i32)> = Vec::new();
    for source in sources {
        let own = spans.iter().filter(|span| span.source == source);
        let mut own: Vec<Stretch> = own.map(|span| Stretch { from: span.from, to: span.to }).collect();
        unite(&mut own);
        borders.extend(own.iter().flat_map(|stretch| [(stretch.from, 1), (stretch.to, -1)]));
    }
    borders.sort_unstable();
    let (mut now, mut since) = (0i32, None);
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    for (time, step) in borders {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spans(margins: Margins, events: &[(u64, u64, u64)]) -> Spans {
        let mut spans = Spans::default();
        spans.set_margins(margins);
        for (id, &(source, from, to)) in events.iter().enumerate() {
            spans.start(source, id as u64, from);
            spans.end(source, id as u64, from, to);
        }
        spans
    }

    fn pairs(spans: &mut Spans) -> Vec<(u64, u64)> {
        spans.stretches().iter().map(|stretch| (stretch.from, stretch.to)).collect()
    }

    #[test]
    fn events_are_joined_and_widened() {
        let margins = Margins { before: 10, after: 5, agree: 1 };
        assert_eq!(pairs(&mut spans(margins, &[(1, 100, 200), (2, 150, 220), (1, 300, 310)])), [(90, 225), (290, 315)]);
        assert_eq!(pairs(&mut spans(margins, &[(1, 5, 20), (1, 30, 40)])), [(0, 45)]);
    }

    #[test]
    fn sources_agree_where_as_many_have_an_event() {
        let margins = Margins { agree: 2, ..Margins::default() };
        let events = [(1, 100, 200), (1, 150, 220), (2, 180, 300), (3, 400, 500)];
        assert_eq!(pairs(&mut spans(margins, &events)), [(180, 220)]);
    }

    #[test]
    fn margins_reach_from_events_in_a_range_only() {
        let margins = Margins { before: 30, after: 50, agree: 1 };
        let mut spans = spans(margins, &[(1, 50, 120), (1, 150, 160), (1, 190, 220), (1, 300, 310)]);
        let found: Vec<_> = spans.stretches_in(&(100..200)).iter().map(|it| (it.from, it.to)).collect();
        assert_eq!(found, [(20, 270)]);
        assert!(spans.stretches_in(&(220..300)).is_empty());
    }

    #[test]
    fn an_open_event_goes_on_and_what_is_over_is_forgotten() {
        let mut spans = spans(Margins::default(), &[(1, 10, 20)]);
        spans.start(1, 7, 50);
        assert_eq!(pairs(&mut spans), [(10, 20), (50, u64::MAX)]);
        spans.forget_before(20);
        assert_eq!(pairs(&mut spans), [(50, u64::MAX)]);
        spans.end(2, 7, 50, 60);
        spans.end(1, 7, 50, 60);
        assert_eq!(pairs(&mut spans), [(50, 60)]);
    }

    proptest! {
        #[test]
        fn equals_the_count_at_every_moment(
            events in prop::collection::vec((0u64..3, 0u64..100, 1u64..30), 0..12),
            agree in 1usize..4,
        ) {
            let events: Vec<_> = events.into_iter().map(|(source, from, length)| (source, from, from + length)).collect();
            let found = pairs(&mut spans(Margins { agree, ..Margins::default() }, &events));
            prop_assert!(found.windows(2).all(|pair| pair[0].1 < pair[1].0));
            for time in 0..140u64 {
                let mut sources: Vec<u64> =
                    events.iter().filter(|(_, from, to)| (*from..*to).contains(&time)).map(|event| event.0).collect();
                sources.sort_unstable();
                sources.dedup();
                let inside = found.iter().any(|(from, to)| (*from..*to).contains(&time));
                prop_assert_eq!(inside, sources.len() >= agree, "{} {:?}", time, found);
            }
        }
    }
}
