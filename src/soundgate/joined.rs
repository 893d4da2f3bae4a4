// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events on which sources agree → messages for their beginnings and ends, as the audio at these times leaves the gate.

use std::collections::BTreeMap;
use std::sync::Arc;

use gst::ClockTime;

use super::agreement::Agreement;
use super::spans::{Joined, Spans, Stretch};
use crate::signal::clock::Times;
use crate::soundclassify::message::{GateEvent, GateSource};
use soundclassify_core::decision::EventKind;

/// The events that are posted.
#[derive(Debug)]
pub(crate) struct JoinedEvents {
    open: Vec<Open>,
    /// Where the last event of each name ended.
    ended: BTreeMap<Arc<str>, u64>,
    /// Number of events so far.
    count: u64,
    /// Place up to which audio has left.
    passed: u64,
    /// Place at which an event begins or ends next, as far as is known.
    next: u64,
    /// That of the spans that were read last.
    version: u64,
    /// What sources agreed on then, and the place from which on it counts.
    agreement: Arc<Agreement>,
    agreement_since: u64,
}

/// An event that has begun.
#[derive(Debug)]
struct Open {
    id: u64,
    name: Arc<str>,
    label: Arc<str>,
    from: u64,
    times: Times,
    sources: BTreeMap<u64, GateSource>,
}

/// A message, and its time.
struct Border {
    place: u64,
    event: GateEvent,
}

impl Default for JoinedEvents {
    fn default() -> Self {
        Self {
            open: Vec::new(),
            ended: BTreeMap::new(),
            count: 0,
            passed: 0,
            next: u64::MAX,
            version: 0,
            agreement: Arc::default(),
            agreement_since: 0,
        }
    }
}

impl JoinedEvents {
    /// Audio up to the place `passed` leaves. `post` gets what begins before it and what ends by then, in order.
    pub(crate) fn update(&mut self, spans: &mut Spans, passed: u64, post: &mut dyn FnMut(GateEvent)) {
        if *spans.agreement() != self.agreement {
            self.agreement = Arc::clone(spans.agreement());
            self.agreement_since = self.passed;
        }
        let (joined, version) = spans.joined();
        if version != self.version || passed >= self.next {
            let mut joined = joined.to_vec();
            joined.sort_by_key(|it| it.stretch.from);
            self.version = version;
            let mut borders = Vec::new();
            self.continue_open(&joined, spans, passed, &mut borders);
            self.open_new(&joined, spans, passed, &mut borders);
            self.next = next_border(&joined, passed).min(spans.next_start(passed).saturating_add(1));
            borders.sort_by_key(|border| (border.place, border.event.kind == EventKind::Start, border.event.event_id));
            borders.into_iter().for_each(|border| post(border.event));
        }
        self.passed = passed;
    }

    /// Ends all open events where the audio that has left ends.
    pub(crate) fn close(&mut self, agree: usize, post: &mut dyn FnMut(GateEvent)) {
        for open in std::mem::take(&mut self.open) {
            let end = self.passed.max(open.from);
            post(open.message(EventKind::End, end, agree));
            self.ended.insert(open.name, end);
        }
        self.next = 0;
    }

    /// Places start again.
    pub(crate) fn flush(&mut self) {
        self.ended.clear();
        (self.passed, self.agreement_since) = (0, 0);
    }

    // An open event lasts as long as sources agree. If they don't any more, because a property changed or an end became
    // known too late, it ends here.
    fn continue_open(&mut self, joined: &[Joined], spans: &Spans, passed: u64, borders: &mut Vec<Border>) {
        let before = self.passed;
        for mut open in std::mem::take(&mut self.open) {
            let now = joined.iter().find(|it| it.name == open.name && it.stretch.to > open.from);
            let to = now.map(|it| it.stretch).filter(|stretch| stretch.from <= before).map_or(before, |it| it.to);
            let end = to.max(open.from);
            open.add_sources(spans, Stretch { from: open.from, to: end.min(passed) });
            if to > passed {
                self.open.push(open);
            } else {
                borders.push(Border { place: end, event: open.message(EventKind::End, end, spans.agree()) });
                self.ended.insert(open.name, end);
            }
        }
    }

    fn open_new(&mut self, joined: &[Joined], spans: &Spans, passed: u64, borders: &mut Vec<Border>) {
        for found in joined {
            let Stretch { from, to } = found.stretch;
            let ended = self.ended.get(&found.name).copied();
            if from >= passed || ended.is_some_and(|ended| to <= ended) || self.is_open(&found.name) {
                continue;
            }
            self.count += 1;
            // What has left was reported under the names of that time.
            let begin = from.max(ended.unwrap_or(0)).max(self.agreement_since);
            if begin >= to && begin > from {
                continue;
            }
            let mut open = Open {
                id: self.count,
                name: Arc::clone(&found.name),
                label: Arc::clone(&found.label),
                from: begin,
                times: later(found.times, begin - from),
                sources: BTreeMap::new(),
            };
            open.add_sources(spans, Stretch { from: begin, to: begin });
            borders.push(Border { place: begin, event: open.message(EventKind::Start, begin, spans.agree()) });
            open.add_sources(spans, Stretch { from: begin, to: to.min(passed) });
            if to > passed {
                self.open.push(open);
                continue;
            }
            borders.push(Border { place: to, event: open.message(EventKind::End, to, spans.agree()) });
            self.ended.insert(open.name, to);
        }
    }

    fn is_open(&self, name: &Arc<str>) -> bool {
        self.open.iter().any(|open| open.name == *name)
    }
}

/// The place at which the next beginning or end has left.
fn next_border(joined: &[Joined], passed: u64) -> u64 {
    let borders = joined.iter().filter_map(|it| {
        let Stretch { from, to } = it.stretch;
        if from >= passed { Some(from.saturating_add(1)) } else { (to > passed).then_some(to) }
    });
    borders.min().unwrap_or(u64::MAX)
}

impl Open {
    fn add_sources(&mut self, spans: &Spans, stretch: Stretch) {
        for event in spans.events_in(&self.name, stretch) {
            let source = GateSource {
                element: event.element.to_string(),
                label: event.labelled.label.to_string(),
                probability: event.peak,
            };
            let known = self.sources.entry(event.source).or_insert_with(|| source.clone());
            if source.probability > known.probability {
                *known = source;
            }
        }
    }

    fn message(&self, kind: EventKind, end: u64, agree: usize) -> GateEvent {
        let Times { timestamp, stream_time, running_time, utc, .. } = self.times;
        let mut sources: Vec<GateSource> = self.sources.values().cloned().collect();
        let mut reached: Vec<f64> = sources.iter().map(|source| source.probability).collect();
        reached.sort_by(|one, other| other.total_cmp(one));
        sources.sort_by(|one, other| one.element.cmp(&other.element));
        GateEvent {
            kind,
            event_id: self.id,
            timestamp,
            stream_time,
            running_time,
            duration: nanoseconds(end - self.from),
            utc,
            label: self.label.to_string(),
            probability: reached.get(agree - 1).or(reached.last()).copied().unwrap_or(0.0),
            sources,
        }
    }
}

fn later(times: Times, by: u64) -> Times {
    let Times { timestamp, stream_time, running_time, utc, place } = times;
    let by = nanoseconds(by);
    let add = |time: ClockTime| time.saturating_add(by);
    Times {
        timestamp: add(timestamp),
        stream_time: stream_time.map(add),
        running_time: running_time.map(add),
        utc: utc.map(add),
        place,
    }
}

fn nanoseconds(time: u64) -> ClockTime {
    ClockTime::try_from(time).unwrap_or(ClockTime::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soundgate::agreement::AgreeBy;
    use crate::soundgate::spans::Margins;
    use crate::soundgate::spans::tests::{Given, agreeing, any_agreement, any_events, source_event, spans_of};
    use proptest::prelude::*;

    type Message = (EventKind, u64, String, u64, u64, Vec<String>);

    fn short(event: GateEvent) -> Message {
        let elements = event.sources.into_iter().map(|source| source.element).collect();
        (event.kind, event.event_id, event.label, event.timestamp.nseconds(), event.duration.nseconds(), elements)
    }

    /// The messages where audio leaves in pieces of these sizes, and events are known `lag` after they happen, while audio is
    /// held for as long.
    fn messages(margins: &Margins, events: &[Given], sizes: &[u64]) -> Vec<Message> {
        let (mut spans, mut joined, mut messages) = (spans_of(margins, &[]), JoinedEvents::default(), Vec::new());
        let (mut passed, mut known) = (0, 0);
        let lag = 40;
        for size in sizes.iter().cycle() {
            let now = passed + size + lag;
            for (id, &event) in events.iter().enumerate() {
                let (.., from, to) = event;
                let event = source_event(id as u64, event);
                if (known..now).contains(&(from + lag)) {
                    spans.start(event.clone(), from);
                }
                if (known..now).contains(&(to + lag)) {
                    spans.end(&event, from, to);
                }
            }
            (passed, known) = (passed + size, now);
            joined.update(&mut spans, passed, &mut |event| messages.push(short(event)));
            spans.forget_before(passed);
            if passed > 140 {
                break;
            }
        }
        joined.close(margins.agree, &mut |event| messages.push(short(event)));
        messages
    }

    #[test]
    fn a_joined_event_begins_and_ends_with_the_agreement() {
        let events = [(1, "Bark", 10, 60), (2, "Dog", 20, 90), (3, "Rain", 0, 100)];
        let both = || vec!["classify1".to_string(), "classify2".to_string()];
        assert_eq!(
            messages(&agreeing(2, AgreeBy::Label), &events, &[7]),
            [(EventKind::Start, 1, "dog".into(), 20, 0, both()), (EventKind::End, 1, "dog".into(), 20, 40, both())]
        );
        let any = messages(&agreeing(2, AgreeBy::Any), &events, &[7]);
        assert_eq!(any[0].2, "Bark", "the label with which they agree");
        assert_eq!((any[1].3, any[1].4), (10, 80));
        assert!(messages(&agreeing(2, AgreeBy::Label), &events[1..], &[7]).is_empty());
    }

    #[test]
    fn an_event_on_which_sources_agree_no_more_ends_where_audio_left() {
        let events = [(1, "Bark", 10, 100), (2, "Bark", 20, 100)];
        let (mut spans, mut joined) = (spans_of(&agreeing(2, AgreeBy::Label), &events), JoinedEvents::default());
        let mut posted = Vec::new();
        joined.update(&mut spans, 50, &mut |event| posted.push(short(event)));
        spans.set_margins(&agreeing(3, AgreeBy::Label));
        joined.update(&mut spans, 60, &mut |event| posted.push(short(event)));
        spans.set_margins(&agreeing(1, AgreeBy::Label));
        joined.update(&mut spans, 110, &mut |event| posted.push(short(event)));
        let times: Vec<_> = posted.iter().map(|(kind, id, _, from, length, _)| (*kind, *id, *from, *length)).collect();
        let (start, end) = (EventKind::Start, EventKind::End);
        assert_eq!(times, [(start, 1, 20, 0), (end, 1, 20, 30), (start, 2, 50, 0), (end, 2, 50, 50)]);
    }

    #[test]
    fn under_another_name_an_event_begins_where_audio_left() {
        let mut spans = spans_of(&agreeing(1, AgreeBy::Label), &[(1, "Bark", 10, 100)]);
        let (mut joined, mut posted) = (JoinedEvents::default(), Vec::new());
        joined.update(&mut spans, 50, &mut |event| posted.push(short(event)));
        spans.set_margins(&agreeing(1, AgreeBy::Any));
        joined.update(&mut spans, 60, &mut |event| posted.push(short(event)));
        joined.update(&mut spans, 110, &mut |event| posted.push(short(event)));
        let found: Vec<_> = posted.iter().map(|it| (it.0, it.2.as_str(), it.3, it.4)).collect();
        let (start, end) = (EventKind::Start, EventKind::End);
        assert_eq!(found, [(start, "dog", 10, 0), (end, "dog", 10, 40), (start, "Bark", 50, 0), (end, "Bark", 50, 50)]);
    }

    #[test]
    fn an_event_that_is_over_is_not_reported_under_another_name() {
        let margins = |by| Margins { after: 200, ..agreeing(1, by) };
        let mut spans = spans_of(&margins(AgreeBy::Label), &[(1, "Bark", 10, 40)]);
        let (mut joined, mut posted) = (JoinedEvents::default(), Vec::new());
        joined.update(&mut spans, 50, &mut |event| posted.push(short(event)));
        spans.set_margins(&margins(AgreeBy::Any));
        joined.update(&mut spans, 60, &mut |event| posted.push(short(event)));
        joined.update(&mut spans, 110, &mut |event| posted.push(short(event)));
        assert_eq!(posted.iter().map(|it| it.0).collect::<Vec<_>>(), [EventKind::Start, EventKind::End]);
    }

    #[test]
    fn probability_is_what_as_many_sources_reached_as_have_to_agree() {
        let events = [(1, "Bark", 10, 100), (2, "Bark", 10, 100), (3, "Bark", 10, 100)];
        let mut spans = spans_of(&agreeing(2, AgreeBy::Label), &[]);
        for (id, (event, peak)) in events.into_iter().zip([0.6, 0.9, 0.7]).enumerate() {
            let mut event = source_event(id as u64, event);
            event.peak = peak;
            spans.start(event, 10);
        }
        let mut posted = Vec::new();
        JoinedEvents::default().update(&mut spans, 50, &mut |event| posted.push(event));
        assert_eq!(posted.len(), 1);
        assert_eq!((posted[0].probability, posted[0].sources.len()), (0.7, 3));
    }

    proptest! {
        #[test]
        fn messages_are_the_stretches_whatever_the_sizes_of_buffers(
            events in any_events(),
            margins in any_agreement(),
            sizes in prop::collection::vec(1u64..50, 1..5),
        ) {
            let found = messages(&margins, &events, &sizes);
            let mut wanted: Vec<_> = spans_of(&margins, &events).joined().0.iter()
                .map(|it| (it.stretch.from, it.stretch.to - it.stretch.from)).collect();
            wanted.sort_unstable();
            let mut ends: Vec<_> = found.iter().filter(|it| it.0 == EventKind::End).map(|it| (it.3, it.4)).collect();
            ends.sort_unstable();
            prop_assert_eq!(ends, wanted);
            for message in &found {
                prop_assert!(message.5.len() >= margins.agree, "{:?}", message);
                let of_event: Vec<_> = found.iter().filter(|other| other.1 == message.1).map(|other| other.0).collect();
                prop_assert_eq!(of_event, [EventKind::Start, EventKind::End]);
            }
            let times: Vec<u64> = found.iter().map(|it| it.3 + it.4).collect();
            prop_assert!(times.is_sorted(), "{:?}", found);
            prop_assert_eq!(found, messages(&margins, &events, &[1]));
        }
    }
}
