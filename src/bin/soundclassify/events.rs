// SPDX-License-Identifier: MIT OR Apache-2.0
//! From windows to events: hysteresis, shortest length and hold, in stream time.

use std::collections::BTreeMap;

use crate::record::{Event, EventKind, Window};

/// The four numbers of an event; times in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rules {
    /// Probability at or above which an event starts.
    pub(crate) on: f64,
    /// Probability below which an event ends.
    pub(crate) off: f64,
    /// Shorter events are not told.
    pub(crate) min_duration: u64,
    /// Gaps up to this long do not end an event.
    pub(crate) hold: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { on: 0.5, off: 0.35, min_duration: 200_000_000, hold: 500_000_000 }
    }
}

const UPDATE_INTERVAL: u64 = 1_000_000_000;

/// An event that has not ended.
struct Open {
    event: Event,
    /// End of the last window that kept the event alive.
    alive_until: u64,
    told_at: Option<u64>,
}

/// The state machine over the windows of one stream; one open event per label at most.
pub(crate) struct Events {
    rules: Rules,
    open: BTreeMap<i32, Open>,
    last_start: Option<u64>,
    stride: u64,
    next_id: u64,
}

impl Events {
    /// A machine that has heard nothing; `stride`: nanoseconds from one window to the next.
    pub(crate) fn new(rules: Rules, stride: u64) -> Self {
        Self { rules, open: BTreeMap::new(), last_start: None, stride, next_id: 0 }
    }

    /// Feeds one window, gives the event messages that follow from it.
    pub(crate) fn push(&mut self, window: &Window) -> Vec<Event> {
        let now = window.start();
        let restarted = self.last_start.is_some_and(|last| now <= last);
        let mut told = if restarted { self.finish() } else { Vec::new() };
        self.last_start = Some(now);
        self.listen(window, now);
        told.extend(self.tell(now));
        told.extend(self.close(now));
        told
    }

    /// End of the stream: ends what is open.
    pub(crate) fn finish(&mut self) -> Vec<Event> {
        self.last_start = None;
        std::mem::take(&mut self.open).into_values().filter(|open| open.told_at.is_some()).map(ended).collect()
    }

    fn listen(&mut self, window: &Window, now: u64) {
        for prediction in &window.predictions {
            let end = now + self.stride;
            match self.open.get_mut(&prediction.index) {
                Some(open) => {
                    open.event.probability = prediction.probability;
                    if prediction.probability >= self.rules.off {
                        open.event.peak = open.event.peak.max(prediction.probability);
                        open.alive_until = end;
                    }
                }
                None if prediction.probability >= self.rules.on => {
                    let event = Event {
                        kind: EventKind::Start,
                        event_id: 0,
                        label: prediction.label.clone(),
                        index: prediction.index,
                        probability: prediction.probability,
                        peak: prediction.probability,
                        timestamp: window.timestamp,
                        stream_time: window.stream_time,
                        running_time: window.running_time,
                        duration: 0,
                    };
                    self.open.insert(prediction.index, Open { event, alive_until: end, told_at: None });
                }
                None => {}
            }
        }
    }

    fn tell(&mut self, now: u64) -> Vec<Event> {
        let mut told = Vec::new();
        for open in self.open.values_mut() {
            open.event.duration = open.alive_until - open.event.start();
            match open.told_at {
                None if open.event.duration >= self.rules.min_duration => {
                    open.event.event_id = self.next_id;
                    self.next_id += 1;
                    open.told_at = Some(now);
                    told.push(open.event.clone());
                }
                Some(at) if now - at >= UPDATE_INTERVAL => {
                    open.told_at = Some(now);
                    told.push(Event { kind: EventKind::Update, ..open.event.clone() });
                }
                _ => {}
            }
        }
        told
    }

    fn close(&mut self, now: u64) -> Vec<Event> {
        let hold = self.rules.hold;
        self.open
            .extract_if(.., |_, open| now > open.alive_until + hold)
            .filter(|(_, open)| open.told_at.is_some())
            .map(|(_, open)| ended(open))
            .collect()
    }
}

fn ended(open: Open) -> Event {
    Event { kind: EventKind::End, ..open.event }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Prediction;

    const STRIDE: u64 = 100_000_000;

    fn run(probabilities: &[f64]) -> Vec<Event> {
        let mut events = Events::new(Rules::default(), STRIDE);
        let mut told = Vec::new();
        for (number, &probability) in (0..).zip(probabilities) {
            told.extend(events.push(&window(number, probability)));
        }
        told.extend(events.finish());
        told
    }

    fn window(number: u64, probability: f64) -> Window {
        let label = "Bark".to_owned();
        Window {
            timestamp: number * STRIDE,
            stream_time: Some(number * STRIDE),
            running_time: None,
            duration: 10 * STRIDE,
            window: number,
            label: label.clone(),
            index: 3,
            probability,
            predictions: vec![Prediction { label, index: 3, probability }],
            model: "test".to_owned(),
        }
    }

    fn kinds(events: &[Event]) -> Vec<&'static str> {
        events.iter().map(|event| event.kind.name()).collect()
    }

    #[test]
    fn an_event_starts_at_on_and_ends_below_off() {
        let told = run(&[0.1, 0.5, 0.4, 0.9, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]);

        assert_eq!(kinds(&told), ["start", "end"]);
        assert_eq!(told[1].start(), STRIDE);
        assert_eq!(told[1].duration, 3 * STRIDE);
        assert_eq!(told[1].peak, 0.9);
        assert_eq!(told[0].event_id, told[1].event_id);
    }

    #[test]
    fn a_short_one_is_not_told() {
        assert!(run(&[0.1, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]).is_empty());
    }

    #[test]
    fn a_gap_within_hold_does_not_end_an_event() {
        let told = run(&[0.9, 0.9, 0.0, 0.0, 0.0, 0.0, 0.9]);

        assert_eq!(kinds(&told), ["start", "end"]);
        assert_eq!(told[1].duration, 7 * STRIDE);
    }

    #[test]
    fn a_long_one_is_updated_once_a_second_and_ended_at_the_end() {
        let told = run(&[0.9; 25]);

        assert_eq!(kinds(&told), ["start", "update", "update", "end"]);
        assert_eq!(told[3].duration, 25 * STRIDE);
    }

    #[test]
    fn a_jump_back_in_time_ends_what_is_open() {
        let mut events = Events::new(Rules::default(), STRIDE);
        for number in 5..9 {
            events.push(&window(number, 0.9));
        }

        let told = events.push(&window(0, 0.1));

        assert_eq!(kinds(&told), ["end"]);
    }
}
