// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gate's pads, queries and locks. `settings` and `state` are never held together, nor while pushing or asking.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::cutter::{Cutter, Output};
use super::held::{Item, Queue};
use super::joined::JoinedEvents;
use super::settings::{Mode, PROPERTIES, Settings};
use super::spans::{Margins, SourceEvent, Spans};
use crate::panic::lock;
use crate::signal::clock::Times;
use crate::signal::input::frames;
use crate::soundclassify::message::{DelayQuery, EVENT, GateEvent, Labelled, StreamEvent};
use crate::soundclassify::raw_audio_templates;
use soundclassify_core::decision::EventKind;

pub(super) static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("soundgate", gst::DebugColorFlags::empty(), Some("Sound gate")));

/// Time of audio, ns, after which upstream is asked again how long it takes to know of events.
const ASK_INTERVAL: u64 = 1_000_000_000;
/// Maximum latency in an answer, ns: played slowly, an hour takes days.
const MAX_LATENCY: u64 = 1 << 60;

/// Properties that name labels and groups, and how many sources have to agree on them.
const NAMES: [&str; 4] = ["labels", "agree", "agree-by", "label-groups"];

/// The element's private side.
pub struct SoundGate {
    pub(super) sink: gst::Pad,
    src: gst::Pad,
    pub(super) settings: Mutex<Settings>,
    pub(super) state: Mutex<State>,
    /// Numbers of the events whose start was posted, but not their end.
    pub(super) posted: Mutex<HashSet<u64>>,
}

/// What belongs to a stream.
#[derive(Default)]
pub(super) struct State {
    info: Option<Arc<gst_audio::AudioInfo>>,
    queue: Queue,
    spans: Spans,
    joined: JoinedEvents,
    cutter: Cutter,
    out: VecDeque<Output>,
    upstream: Upstream,
    /// Time of audio until upstream is asked again.
    ask_in: u64,
    warned: bool,
    /// Numbers of the `soundclassify` that were upstream, and whether they were when it was asked last.
    sources: BTreeMap<u64, bool>,
    /// Warnings about these properties that were posted.
    pub(super) warned_of: HashSet<String>,
}

/// What upstream answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Upstream {
    live: bool,
    /// Time from a sound until its events are known; `None` without a `soundclassify`.
    delay: Option<u64>,
    reports_events: bool,
}

/// How the gate acts on the next audio.
#[derive(Debug, Clone)]
struct Act {
    mode: Mode,
    fade: u64,
    margins: Margins,
    delay: u64,
}

#[glib::object_subclass]
impl ObjectSubclass for SoundGate {
    const NAME: &'static str = "GstSoundGate";
    type Type = super::SoundGate;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let template = |name| class.pad_template(name).unwrap_or_else(|| unreachable!("the class has both pads"));
        let sink = gst::Pad::builder_from_template(&template("sink"))
            .chain_function(|pad, parent, buffer| {
                Self::catch_panic_pad_function(parent, || Err(gst::FlowError::Error), |gate| gate.chain(pad, buffer))
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |gate| gate.sink_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |gate| gate.sink_query(pad, query))
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        let src = gst::Pad::builder_from_template(&template("src"))
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |gate| gate.src_query(pad, query))
            })
            .flags(gst::PadFlags::PROXY_CAPS)
            .build();
        Self { sink, src, settings: Mutex::default(), state: Mutex::default(), posted: Mutex::default() }
    }
}

impl ObjectImpl for SoundGate {
    fn properties() -> &'static [glib::ParamSpec] {
        &PROPERTIES
    }

    fn constructed(&self) {
        self.parent_constructed();
        for pad in [&self.sink, &self.src] {
            // A new element has no pad of that name.
            let added = self.obj().add_pad(pad);
            debug_assert!(added.is_ok(), "{added:?}");
        }
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        let before = self.delay();
        if NAMES.contains(&spec.name()) {
            self.set_names(spec.name(), value);
        } else {
            lock(&self.settings).set(spec.name(), value);
        }
        gst::debug!(CAT, imp = self, "{} is now {value:?}", spec.name());
        if self.delay() != before {
            self.post_latency();
        }
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        lock(&self.settings).value(spec.name())
    }
}

impl GstObjectImpl for SoundGate {}

impl ElementImpl for SoundGate {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Sound gate",
                "Filter/Effect/Audio",
                "Mutes, keeps, drops or replaces the audio of the events that soundclassify found upstream",
                "soundclassify developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        raw_audio_templates()
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady {
            let mut ended = std::mem::take(&mut *lock(&self.state));
            self.post(ended.end_events());
        }
        result
    }
}

impl SoundGate {
    fn chain(&self, _pad: &gst::Pad, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.sync_controls(&buffer);
        let ask = {
            let mut state = lock(&self.state);
            let Some(info) = state.info.clone() else { return Err(gst::FlowError::NotNegotiated) };
            // What can't be read has no frames, and is passed on as it is.
            let frames = frames(&buffer, &info).unwrap_or(0) as u64;
            let ask = state.ask_in == 0;
            let length = frames.saturating_mul(1_000_000_000) / u64::from(info.rate().max(1));
            state.ask_in = if ask { ASK_INTERVAL } else { state.ask_in.saturating_sub(length.max(1)) };
            state.queue.push(buffer, &info, frames);
            ask
        };
        if ask {
            self.ask_upstream();
        }
        self.release(false)
    }

    // Lets out what was held back long enough, or all.
    fn release(&self, all: bool) -> Result<gst::FlowSuccess, gst::FlowError> {
        loop {
            let act = self.act();
            let Some(output) = lock(&self.state).next(&act, all) else { return Ok(gst::FlowSuccess::Ok) };
            match output {
                Output::Buffer(buffer) => {
                    self.src.push(buffer)?;
                }
                Output::Event(event) => {
                    self.src.push_event(event);
                }
                Output::Message(event) => self.post([event]),
            }
        }
    }

    fn act(&self) -> Act {
        let upstream = lock(&self.state).upstream;
        let settings = lock(&self.settings);
        let margins = Margins {
            before: settings.before,
            after: settings.after,
            agree: settings.agree as usize,
            agreement: Arc::clone(&settings.agreement),
        };
        Act { mode: settings.mode, fade: settings.fade, margins, delay: settings.delay(upstream.delay) }
    }

    fn delay(&self) -> u64 {
        let upstream = lock(&self.state).upstream;
        lock(&self.settings).delay(upstream.delay)
    }

    // A value that stays is not checked again.
    fn set_names(&self, name: &str, value: &glib::Value) {
        let changed = {
            let mut settings = lock(&self.settings);
            let before = settings.names();
            settings.set(name, value);
            settings.names() != before
        };
        if changed {
            lock(&self.state).warned_of.clear();
        }
    }

    fn sync_controls(&self, buffer: &gst::BufferRef) {
        if !self.obj().has_active_control_bindings() {
            return;
        }
        let segment = self.sink.sticky_event::<gst::event::Segment>(0);
        let segment = segment.and_then(|event| event.segment().downcast_ref::<gst::ClockTime>().cloned());
        if let Some(time) = segment.and_then(|segment| segment.to_stream_time(buffer.pts())) {
            // A value that can't be set is reported by the binding.
            let _ = self.obj().sync_values(time);
        }
    }

    fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        use gst::EventView;
        if event.is_serialized() && event.type_() != gst::EventType::Gap {
            lock(&self.state).queue.note(&event);
        }
        match event.view() {
            EventView::FlushStart(_) => return self.src.push_event(event),
            EventView::FlushStop(_) => {
                self.flush();
                return self.src.push_event(event);
            }
            // Audio of the stream before stays: its last events may become known by the first audio of this one.
            EventView::StreamStart(_) => lock(&self.state).expect_other_sources(),
            EventView::Eos(_) | EventView::SegmentDone(_) => {
                self.end(matches!(event.view(), EventView::Eos(_)));
                return gst::Pad::event_default(pad, Some(&*self.obj()), event);
            }
            EventView::CustomDownstream(custom)
                if custom.structure().is_some_and(|structure| structure.name() == EVENT) =>
            {
                self.take(custom.structure());
            }
            EventView::Caps(caps) => match gst_audio::AudioInfo::from_caps(caps.caps()) {
                Ok(info) => lock(&self.state).info = Some(Arc::new(info)),
                Err(error) => {
                    gst::error!(CAT, imp = self, "caps {} can't be read: {error}", caps.caps());
                    return false;
                }
            },
            EventView::Gap(gap) => {
                let length = gap.get().1.map_or(0, gst::ClockTime::nseconds);
                return self.gap(event, length);
            }
            _ => {}
        }
        if !event.is_serialized() {
            return gst::Pad::event_default(pad, Some(&*self.obj()), event);
        }
        if lock(&self.state).end_gap_if_empty() {
            let _ = self.release(false);
            return gst::Pad::event_default(pad, Some(&*self.obj()), event);
        }
        lock(&self.state).queue.push_event(event);
        self.release(false).is_ok()
    }

    // What can't be pushed is not wanted any more.
    fn end(&self, is_eos: bool) {
        let _ = self.release(true);
        let mut state = lock(&self.state);
        state.expect_other_sources();
        let ended = is_eos.then(|| state.end_events());
        drop(state);
        self.post(ended.into_iter().flatten());
    }

    fn gap(&self, event: gst::Event, length: u64) -> bool {
        let mut state = lock(&self.state);
        let place = state.queue.place();
        state.queue.note(&event);
        state.queue.push_gap(event, place, length);
        drop(state);
        self.release(false).is_ok()
    }

    // As `queue` does: what is sticky applies to what follows a flush, too.
    fn flush(&self) {
        let (events, ended) = {
            let mut state = lock(&self.state);
            let ended = state.end_events();
            (state.flush(), ended)
        };
        self.post(ended);
        let kept = events.iter().filter(|event| event.is_sticky());
        for event in kept.filter(|event| !matches!(event.type_(), gst::EventType::Segment | gst::EventType::Eos)) {
            // A pad that is not active has no stream.
            let _ = self.src.store_sticky_event(event);
        }
    }

    // An event of a `soundclassify` upstream. Where both are at the same place, places are exact, whatever timestamps are.
    fn take(&self, structure: Option<&gst::StructureRef>) {
        let Some(read) = structure.and_then(StreamEvent::read) else { return };
        let StreamEvent { source, element, places, groups, event } = read;
        let labelled = Labelled { label: event.now.label.as_str().into(), groups: groups.into() };
        let counts = lock(&self.settings).has_label(&labelled);
        let mut state = lock(&self.state);
        let here = state.queue.place();
        let from = places.filter(|places| places.passed == here).map(|places| places.onset).unwrap_or_else(|| {
            let running = event.running_time.map(gst::ClockTime::nseconds);
            state.queue.place_of(event.timestamp.nseconds(), running)
        });
        let is_late = from < state.queue.begin();
        let own = SourceEvent {
            source,
            id: event.event_id,
            element: element.into(),
            labelled,
            times: Times {
                timestamp: event.timestamp,
                stream_time: event.stream_time,
                running_time: event.running_time,
                utc: event.utc,
                place: from,
            },
            peak: event.peak,
        };
        match event.kind {
            EventKind::Start if counts => state.spans.start(own, from),
            EventKind::End => state.spans.end(&own, from, from.saturating_add(event.duration.nseconds())),
            EventKind::Start | EventKind::Update => {}
        }
        drop(state);
        if counts && is_late && event.kind == EventKind::Start {
            gst::debug!(CAT, imp = self, "an event of {} became known after its beginning had left", event.now.label);
        }
    }

    fn ask_upstream(&self) {
        let mut latency = gst::query::Latency::new();
        let live = self.sink.peer_query(&mut latency) && latency.result().0;
        let delay = DelayQuery::ask(&self.sink);
        let found = Upstream {
            live,
            delay: delay.as_ref().map(|delay| delay.time),
            reports_events: delay.as_ref().is_some_and(|delay| delay.reports_events),
        };
        let before = self.delay();
        let warn = {
            let mut state = lock(&self.state);
            // A `soundclassify` that was there may be back in a moment.
            let may_return = state.upstream.reports_events;
            state.upstream = found;
            state.note_sources(delay.as_ref().map_or(&[], |delay| &delay.instances));
            !may_return && !found.reports_events && !std::mem::replace(&mut state.warned, true)
        };
        if self.delay() != before {
            self.post_latency();
        }
        self.check_names();
        if warn {
            gst::element_imp_warning!(
                self,
                gst::LibraryError::Settings,
                ("no soundclassify upstream reports events; set its property report to events or all"),
                ["audio passes through as if no event occurred"]
            );
        }
    }

    fn post_latency(&self) {
        // It fails only without a bus.
        let _ = self.obj().post_message(gst::message::Latency::builder().src(&*self.obj()).build());
    }

    fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            // Buffers of a pool that downstream offers would be held back here.
            gst::QueryViewMut::Allocation(_) => false,
            gst::QueryViewMut::Drain(_) => {
                let _ = self.release(true);
                gst::Pad::query_default(pad, Some(&*self.obj()), query)
            }
            _ => gst::Pad::query_default(pad, Some(&*self.obj()), query),
        }
    }

    fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
            return gst::Pad::query_default(pad, Some(&*self.obj()), query);
        };
        let mut upstream = gst::query::Latency::new();
        if !self.sink.peer_query(&mut upstream) {
            return false;
        }
        self.ask_delay();
        let (live, min, max) = upstream.result();
        let rate = lock(&self.state).queue.playback_rate().abs();
        // `delay` is audio.
        let delay = if rate == 1.0 { self.delay() } else { (self.delay() as f64 / rate) as u64 };
        let delay = gst::ClockTime::from_nseconds(delay.min(MAX_LATENCY));
        latency.set(live, min.saturating_add(delay), max.map(|max| max.saturating_add(delay)));
        true
    }

    // Before any audio, for the first LATENCY query.
    fn ask_delay(&self) {
        let delay = DelayQuery::ask(&self.sink);
        if let Some(delay) = delay {
            let mut state = lock(&self.state);
            state.upstream.delay = Some(delay.time);
            state.upstream.reports_events = delay.reports_events;
        }
    }
}

impl State {
    /// Whether nothing is held back; then a gap that is open ends here.
    fn end_gap_if_empty(&mut self) -> bool {
        let is_empty = self.queue.is_empty();
        if is_empty {
            self.cutter.end_gap(&mut self.out);
        }
        is_empty
    }

    /// What is upstream is asked again.
    fn expect_other_sources(&mut self) {
        self.ask_in = 0;
        self.warned = false;
    }

    /// A `soundclassify` that is no longer upstream sends no ends: its events end with the audio that is here, those of which
    /// the beginning comes late, too. They go on if it is back before the next flush.
    fn note_sources(&mut self, present: &[u64]) {
        let place = self.queue.place();
        for source in present {
            if self.sources.insert(*source, true) == Some(false) {
                self.spans.come_back(*source);
            }
        }
        for (source, is_present) in self.sources.iter_mut().filter(|(source, _)| !present.contains(source)) {
            *is_present = false;
            self.spans.leave(*source, place);
        }
    }

    /// Forgets the stream; gives the events that were held back, in order.
    fn flush(&mut self) -> Vec<gst::Event> {
        let out = self.out.drain(..).filter_map(|output| match output {
            Output::Event(event) => Some(event),
            Output::Buffer(_) | Output::Message(_) => None,
        });
        let events = out.chain(self.queue.flush()).collect();
        self.spans.clear();
        self.sources.retain(|_, is_present| *is_present);
        self.joined.flush();
        self.cutter.clear();
        self.ask_in = 0;
        events
    }

    /// The messages that wait, and those of events that end here.
    fn end_events(&mut self) -> Vec<GateEvent> {
        let mut events = Vec::new();
        self.out.retain(|output| match output {
            Output::Message(event) => {
                events.push(event.clone());
                false
            }
            Output::Buffer(_) | Output::Event(_) => true,
        });
        self.joined.close(self.spans.agree(), &mut |event| events.push(event));
        events
    }

    fn next(&mut self, act: &Act, all: bool) -> Option<Output> {
        let Self { queue, spans, joined, cutter, out, upstream, .. } = self;
        cutter.set_live(upstream.live);
        while out.is_empty() {
            let Some(item) = queue.pop(act.delay, upstream.live, all) else {
                if all {
                    cutter.end_gap(out);
                }
                break;
            };
            spans.set_margins(&act.margins);
            joined.update(spans, queue.begin(), &mut |event| out.push_back(Output::Message(event)));
            match item {
                Item::Audio(audio) => {
                    if audio.is_alone {
                        let stretches = spans.stretches_in(&audio.places());
                        cutter.cut(audio, act.mode, &stretches, act.fade, out);
                    } else {
                        cutter.cut(audio, act.mode, spans.stretches(), act.fade, out);
                    }
                }
                Item::Event(event) => {
                    cutter.end_gap(out);
                    out.push_back(Output::Event(event));
                }
            }
            spans.forget_before(queue.begin().saturating_sub(act.fade));
        }
        out.pop_front()
    }
}
