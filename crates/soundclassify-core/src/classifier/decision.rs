// SPDX-License-Identifier: MIT OR Apache-2.0
//! Scores of windows, in order → predictions and events for the caller.

use std::time::Duration;

use super::{Found, Options, Window};
use crate::{
    decision::{BorderTime, Borders, Ensemble, Event, EventTime, Events, Filter, Gate, Groups, Names},
    frontend::{ReadyWindow, Steps},
    model::Manifest,
};

/// Number and time of a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowTime {
    number: u64,
    /// Start, ns from the beginning of the stream.
    at: u64,
    /// Time to the next window, or the length of a window that is the only one of its stream, ns.
    span: u64,
    steps: Steps,
}

/// Ensemble, filter, silence gate and events of one stream.
pub(super) struct Decision {
    rate: u32,
    stride: u64,
    length: u64,
    names: Names,
    groups: Groups,
    ensemble: Ensemble,
    /// The ensemble for events, of the same duration at any rate of windows; `None` if `ensemble` has this duration.
    for_events: Option<Ensemble>,
    filter: Filter,
    gate: Gate,
    events: Events<u64>,
    borders: Borders<u64>,
}

impl Decision {
    pub(super) fn new(manifest: &Manifest, names: Names, options: &Options) -> Self {
        let (count, rate) = (names.all.len(), manifest.features.sample_rate);
        let (ensembles, for_events) = (options.ensembles(manifest), options.event_windows(manifest));
        Self {
            rate,
            stride: nanoseconds(1, options.oversamples(manifest)),
            length: nanoseconds(manifest.features.window as u64, rate),
            groups: names.groups(manifest.activation.into()),
            ensemble: Ensemble::new(count, ensembles),
            for_events: (for_events != ensembles).then(|| Ensemble::new(count, for_events)),
            filter: options.filter(manifest, &names),
            gate: Gate::new(options.silence_threshold(manifest)),
            events: Events::new(options.event_rules(manifest, &names)),
            borders: Borders::new(count),
            names,
        }
    }

    /// Labels and groups, by number.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// The time of a window. `alone`: it is the only one of its stream.
    pub(super) fn time(&self, window: &ReadyWindow<'_>, alone: bool) -> WindowTime {
        let span = if alone { self.length } else { self.stride };
        WindowTime {
            number: window.number(),
            at: nanoseconds(window.position(), self.rate),
            span,
            steps: window.steps(),
        }
    }

    /// Whether the next window is too quiet to be classified.
    pub(super) fn silences(&mut self, window: &ReadyWindow<'_>) -> bool {
        self.gate.silences(|| window.rms())
    }

    pub(super) fn classify(&mut self, time: WindowTime, scores: &[f32], on_found: &mut dyn FnMut(Found<'_>)) {
        let time_of_borders = time.for_borders(self.rate);
        let Self { groups, ensemble, for_events, events, borders, .. } = self;
        let classes = scores.len();
        let all = groups.extend(scores);
        borders.push(time_of_borders, all, |index| events.off(index));
        let steady = for_events.as_mut().map(|ensemble| ensemble.push(all));
        let means = ensemble.push(all);
        let predictions = self.filter.apply(means);
        let mean = &means[..classes];
        let (start, duration) = (Duration::from_nanos(time.at), Duration::from_nanos(self.length));
        on_found(Found::Window(Window { number: time.number, start, duration, scores, mean, predictions }));
        events.push(time.for_events(), steady.unwrap_or(means), &mut |event| on_found(found(&event, borders)));
    }

    pub(super) fn pass_silence(&mut self, time: WindowTime, on_found: &mut dyn FnMut(Found<'_>)) {
        self.clear();
        self.borders.push_silence(time.for_borders(self.rate));
        let Self { events, borders, .. } = self;
        events.push_silence(time.for_events(), &mut |event| on_found(found(&event, borders)));
    }

    /// The stream ends after this many samples; a new one may begin.
    pub(super) fn finish(&mut self, samples: u64, on_found: &mut dyn FnMut(Found<'_>)) {
        self.clear();
        self.gate.reset();
        let end = nanoseconds(samples, self.rate);
        self.borders.end_at(end);
        let Self { events, borders, .. } = self;
        events.close(Some(end), &mut |event| on_found(found(&event, borders)));
        borders.clear();
    }

    fn clear(&mut self) {
        self.ensemble.clear();
        if let Some(ensemble) = &mut self.for_events {
            ensemble.clear();
        }
    }
}

impl WindowTime {
    fn for_events(&self) -> EventTime<u64> {
        EventTime { at: self.at, span: self.span, mark: self.at }
    }

    fn for_borders(&self, rate: u32) -> BorderTime<u64> {
        let Steps { rise, rises, fall, falls } = self.steps;
        let (rise, fall) = (nanoseconds(rise, rate), nanoseconds(fall, rate));
        BorderTime { at: self.at, rise: (rise, rises), fall: (fall, falls), mark: rise }
    }
}

// The event begins and ends where its sound does.
fn found<'a>(event: &Event<u64>, borders: &mut Borders<u64>) -> Found<'a> {
    let (onset, duration) = borders.refine(event, event.onset, event.onset);
    let Event { kind, id, index, probability, peak, free_from, .. } = *event;
    Found::Event(Event { kind, id, index, onset: Duration::from_nanos(onset), duration, probability, peak, free_from })
}

/// `count / per_second` in nanoseconds, rounded down.
fn nanoseconds(count: u64, per_second: u32) -> u64 {
    (u128::from(count) * 1_000_000_000 / u128::from(per_second.max(1))) as u64
}
