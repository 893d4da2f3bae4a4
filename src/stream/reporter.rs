// SPDX-License-Identifier: MIT OR Apache-2.0
//! Scores of one model → messages, events, tags and metadata, as the properties select.

use std::time::Instant;

use gst::ClockTime;

use crate::signal::Power;
use crate::signal::clock::{Moment, Times};
use crate::signal::scale;
use crate::soundclassify::enums::Report;
use crate::soundclassify::message::{self, Named, Span};
use crate::soundclassify::settings::Settings;
use soundclassify_core::decision::{
    BorderTime, Borders, Ensemble, Event, EventTime, Events, Filter, Groups, LeftOut, Names, Prediction,
};
use soundclassify_core::model::{Manifest, Model};

/// Position and times of one window.
#[derive(Debug, Clone)]
pub(crate) struct WindowTime {
    /// Number since the last reset.
    pub(crate) number: u64,
    /// The window's start.
    pub(crate) begin: Moment,
    /// Start of the window, from the last reset on.
    pub(crate) at: ClockTime,
    /// Where in it a sound may begin, from the last reset on, and whether the level rises there.
    pub(crate) rise: (ClockTime, bool),
    /// That position, if [`Moment::ahead`] of the start does not give it.
    pub(crate) onset: Option<Box<Moment>>,
    /// Where in it a sound may end, and whether the level falls there.
    pub(crate) fall: (ClockTime, bool),
    /// Time to the next window, or the length of a window that is the only one of its stream.
    pub(crate) span: ClockTime,
    /// Of its input.
    pub(crate) power: Power,
    /// Arrival of its last sample.
    pub(crate) due: Instant,
}

/// The window with which an event was found to begin.
#[derive(Debug, Clone, Copy)]
struct EventMark {
    at: u64,
    times: Times,
}

/// Turns the windows of one stream into results, in order.
pub(crate) struct Reporter {
    model: Model,
    /// Labels and groups; a label's number is its class, groups follow.
    names: Names,
    groups: Groups,
    duration: ClockTime,
    ensemble: Ensemble,
    /// The ensemble for events, of the same duration at any rate of windows; `None` if `ensemble` has this duration.
    for_events: Option<Ensemble>,
    filter: Filter,
    events: Events<EventMark>,
    borders: Borders<Times>,
    report: Report,
    posts: bool,
    tag: bool,
    best: Option<usize>,
    tagged: Option<usize>,
    tags: Option<gst::TagList>,
    /// Results that wait for a buffer, with `add-meta`.
    for_buffer: Option<Vec<gst::Structure>>,
}

impl Reporter {
    pub(crate) fn new(model: Model, settings: &Settings) -> Self {
        let manifest = model.manifest();
        let names = settings.names(manifest);
        Self {
            duration: scale::duration(manifest.features.window as u64, manifest.features.sample_rate.into()),
            ensemble: Ensemble::new(names.all.len(), settings.ensembles.get() as usize),
            for_events: for_events(&names, settings),
            filter: filter(manifest, &names, settings),
            events: Events::new(settings.event_rules(manifest, &names)),
            borders: Borders::new(names.all.len()),
            groups: names.groups(manifest.activation.into()),
            names,
            report: settings.report,
            posts: settings.post_messages,
            tag: settings.emit_tags,
            model,
            best: None,
            tagged: None,
            tags: None,
            for_buffer: settings.add_meta.then(Vec::new),
        }
    }

    /// Length of a window.
    pub(crate) fn duration(&self) -> ClockTime {
        self.duration
    }

    /// Applies the live properties from the next window on. Events that are no longer reported end.
    pub(crate) fn configure(&mut self, settings: &Settings, emit: &mut dyn FnMut(gst::Structure)) {
        let names = settings.names(self.model.manifest());
        if names != self.names {
            self.clear();
            self.end_events(None, emit);
            return self.succeed(self.model.clone(), settings);
        }
        let was = (self.report.has_events(), self.posts);
        self.ensemble.set_length(settings.ensembles.get() as usize);
        match (&mut self.for_events, for_events(&names, settings)) {
            (Some(ensemble), Some(_)) => ensemble.set_length(settings.event_windows()),
            (ensemble, other) => *ensemble = other,
        }
        self.report = settings.report;
        self.posts = settings.post_messages;
        self.tag = settings.emit_tags;
        self.for_buffer = settings.add_meta.then(|| self.for_buffer.take().unwrap_or_default());
        let manifest = self.model.manifest();
        self.filter = filter(manifest, &names, settings);
        // Otherwise an event would have no beginning or no end.
        let changed = was != (self.report.has_events(), self.posts);
        let Self { events, borders, .. } = self;
        let mut emit = |event| emit(structure(&names, &event, borders));
        if changed {
            events.end_open(&mut emit);
        }
        events.set_rules(settings.event_rules(manifest, &names), &mut emit);
    }

    /// Changes the model, whose windows count from 0 again; events of the old one end.
    pub(crate) fn replace(&mut self, model: Model, settings: &Settings, emit: &mut dyn FnMut(gst::Structure)) {
        self.interrupt(None, emit);
        self.succeed(model, settings);
    }

    /// Labels keep their cooldowns by their names.
    fn succeed(&mut self, model: Model, settings: &Settings) {
        let mut next = Self::new(model, settings);
        next.events.continue_after(&self.events, |index| self.names.index(&next.names.all[index]));
        // The same numbers may have different labels.
        next.tags = self.tags.take();
        next.for_buffer = self.for_buffer.take();
        *self = next;
    }

    /// Processes the scores of the next window.
    pub(crate) fn classify(&mut self, window: &WindowTime, scores: &[f32], emit: &mut dyn FnMut(gst::Structure)) {
        let reports_events = self.reports_events();
        let Self { model, names, groups, ensemble, for_events, events, borders, .. } = self;
        let scores = groups.extend(scores);
        if reports_events {
            borders.push(window.for_borders(), scores, |index| events.off(index));
        }
        let steady = for_events.as_mut().map(|ensemble| ensemble.push(scores));
        let scores = ensemble.push(scores);
        if reports_events {
            let steady = steady.unwrap_or(scores);
            events.push(window.for_events(), steady, &mut |event| emit(structure(names, &event, borders)));
        }
        let predictions = self.filter.apply(scores);
        let best = predictions.first().map(|prediction| prediction.index);
        let changed = std::mem::replace(&mut self.best, best) != best;
        let label = |prediction: &Prediction| name(names, prediction.index, prediction.probability);
        let Some(first) = predictions.first() else { return };
        if self.tag && self.tagged != best {
            self.tagged = best;
            self.tags = Some(message::tags(label(first)));
        }
        let posted = self.posts && self.report.has_window(changed);
        if !posted && self.for_buffer.is_none() {
            return;
        }
        let span = Span { times: window.begin.times(), duration: self.duration };
        let all = predictions.iter().map(label);
        let model = &model.manifest().name;
        let structure = message::classification(span, window.number, window.power.level(), label(first), all, model);
        if let Some(results) = &mut self.for_buffer {
            results.push(structure.clone());
        }
        if posted {
            emit(structure);
        }
    }

    /// Processes a silent window.
    pub(crate) fn silence(&mut self, window: &WindowTime, emit: &mut dyn FnMut(gst::Structure)) {
        self.clear();
        self.miss(window, emit);
    }

    /// Processes a window without scores: the ensemble ignores it, and for events it is silence.
    pub(crate) fn miss(&mut self, window: &WindowTime, emit: &mut dyn FnMut(gst::Structure)) {
        if self.reports_events() {
            let Self { names, events, borders, .. } = self;
            borders.push_silence(window.for_borders());
            events.push_silence(window.for_events(), &mut |event| emit(structure(names, &event, borders)));
        }
    }

    /// Processes a discontinuity, at `end` since the last reset if known: the ensemble starts again, and events end.
    pub(crate) fn interrupt(&mut self, end: Option<ClockTime>, emit: &mut dyn FnMut(gst::Structure)) {
        self.clear();
        let Self { names, events, borders, .. } = self;
        let end = end.map(ClockTime::nseconds);
        end.inspect(|end| borders.end_at(*end));
        events.close(end, &mut |event| emit(structure(names, &event, borders)));
        borders.clear();
    }

    /// Ends open events where their sound or the audio ends; times go on.
    pub(crate) fn end_events(&mut self, end: Option<ClockTime>, emit: &mut dyn FnMut(gst::Structure)) {
        let Self { names, events, borders, .. } = self;
        end.inspect(|end| borders.end_at(end.nseconds()));
        events.end_open(&mut |event| emit(structure(names, &event, borders)));
        borders.clear();
    }

    /// Whether an event is open.
    pub(crate) fn has_open_event(&self) -> bool {
        self.events.is_open()
    }

    fn clear(&mut self) {
        self.ensemble.clear();
        if let Some(ensemble) = &mut self.for_events {
            ensemble.clear();
        }
        self.best = None;
    }

    fn reports_events(&self) -> bool {
        self.report.has_events()
    }

    /// Sends the next best label in tags, even if it has not changed.
    pub(crate) fn forget_tags(&mut self) {
        (self.tags, self.tagged) = (None, None);
    }

    /// Drops waiting tags, whose audio was discarded.
    pub(crate) fn forget_waiting_tags(&mut self) {
        if self.tags.is_some() {
            self.forget_tags();
        }
    }

    /// Whether tags or results for a buffer wait for the streaming thread.
    pub(crate) fn has_for_stream(&self) -> bool {
        if self.for_buffer.as_ref().is_some_and(|results| !results.is_empty()) {
            return true;
        }
        self.tags.is_some()
    }

    /// Events that rules prevented.
    pub(crate) fn left_out(&self) -> LeftOut {
        self.events.left_out()
    }

    /// Tags that wait for the streaming thread.
    pub(crate) fn take_tags(&mut self) -> Option<gst::TagList> {
        self.tags.take()
    }

    /// Results that wait for a buffer, in order.
    pub(crate) fn take_for_buffer(&mut self) -> Vec<gst::Structure> {
        self.for_buffer.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

impl WindowTime {
    fn for_events(&self) -> EventTime<EventMark> {
        let at = self.at.nseconds();
        EventTime { at, span: self.span.nseconds(), mark: EventMark { at, times: self.begin.times() } }
    }

    fn onset(&self) -> Times {
        self.onset.as_ref().map_or_else(|| self.begin.ahead(self.rise.0).times(), |onset| onset.times())
    }

    fn for_borders(&self) -> BorderTime<Times> {
        let nanoseconds = |(time, found): (ClockTime, bool)| (time.nseconds(), found);
        let (rise, fall) = (nanoseconds(self.rise), nanoseconds(self.fall));
        BorderTime { at: self.at.nseconds(), rise, fall, mark: self.onset() }
    }
}

fn name(names: &Names, index: usize, probability: f32) -> Named<'_> {
    Named { label: &names.all[index], index, probability: probability.into() }
}

// The times of an event are those of its sound.
fn structure(names: &Names, event: &Event<EventMark>, borders: &mut Borders<Times>) -> gst::Structure {
    let EventMark { at, times } = event.onset;
    let (times, duration) = borders.refine(event, at, times);
    let duration = ClockTime::try_from(duration).unwrap_or(ClockTime::MAX);
    let now = name(names, event.index, event.probability);
    let mut structure = message::event(event.kind, event.id, Span { times, duration }, now, event.peak.into());
    message::set_place(&mut structure, times.place, names.groups_of(event.index));
    structure
}

fn for_events(names: &Names, settings: &Settings) -> Option<Ensemble> {
    let windows = settings.event_windows();
    (windows != settings.ensembles.get() as usize).then(|| Ensemble::new(names.all.len(), windows))
}

fn filter(model: &Manifest, names: &Names, settings: &Settings) -> Filter {
    let thresholds = names.all.iter().map(|label| settings.threshold_of(label, model) as f32);
    Filter::of(settings.reported(names), thresholds.collect(), settings.top_k.get() as usize)
}
