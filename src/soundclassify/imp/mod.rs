// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element's events, locks and error mapping; no arithmetic on audio.
//!
//! Locks: `settings`, `loaded`, `state` and `tags` are never held together, nor while posting, pushing, waiting or running.

mod meta;
mod models;
mod queries;
mod stream_events;
mod tags;
mod wall_clock;
mod warnings;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_transform::GenerateOutputSuccess;
use gst_base::subclass::prelude::*;

use self::models::prepare;
use self::tags::Tags;
use self::warnings::Notice;
use super::enums::Sync;
use super::loader::{Loaded, Loader, Prepared};
use super::message::Instance;
use super::properties::PROPERTIES;
use super::raw_audio_templates;
use super::settings::{Effect, Settings};
use crate::panic::{catch, lock};
use crate::signal::Plan;
use crate::signal::input::InputError;
use crate::stream::analysis::Analysis;
use crate::stream::results::{Results, Timeout, Waited};
use soundclassify_core::model::Stream;

/// Maximum time without a reply; after that, the streaming thread continues without results.
const REPLY_TIMEOUT: Timeout = Timeout::PerReply(Duration::from_secs(10));
/// Maximum wait at the end of a stream with `sync=never`, or of a live stream.
const END_TIMEOUT: Timeout = Timeout::InAll(Duration::from_millis(900));

pub(super) static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("soundclassify", gst::DebugColorFlags::empty(), Some("Sound classifier")));

/// The element's private side.
#[derive(Default)]
pub struct SoundClassify {
    settings: Mutex<Settings>,
    /// From NULL→READY to READY→NULL.
    loaded: Mutex<Option<Loaded>>,
    state: Mutex<Option<Streaming>>,
    tags: Mutex<Tags>,
    loader: Arc<Loader>,
    /// Number of the next load that audio waits for.
    next_generation: AtomicU64,
    instance: Instance,
    /// Length of the longest buffer whose results were not waited for, ns, since the stream began.
    longest_buffer: AtomicU64,
    /// A new model or engine was requested, and loading it has not started.
    outdated: AtomicBool,
    /// `add-meta`, for every buffer.
    adds_meta: AtomicBool,
    /// The element went to PLAYING, and the clock on the wall was not read since.
    running_time_is_new: AtomicBool,
}

/// From READY→PAUSED to PAUSED→READY.
struct Streaming {
    analysis: Analysis,
    /// The model for the next buffer.
    next: Option<Prepared>,
    sync_known: bool,
}

/// What remains to be done without the lock after a step of the analysis.
struct Stepped {
    results: Arc<Results>,
    /// The stream of its new windows, and the ticket up to which to wait for results.
    new: Option<(Arc<Stream>, Option<u64>)>,
    error: Option<Notice>,
    complaint: Option<Notice>,
}

#[glib::object_subclass]
impl ObjectSubclass for SoundClassify {
    const NAME: &'static str = "GstSoundClassify";
    type Type = super::SoundClassify;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for SoundClassify {
    fn properties() -> &'static [glib::ParamSpec] {
        &PROPERTIES
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            let reset = glib::subclass::Signal::builder("reset").action().class_handler(|args| {
                if let Ok(element) = args[0].get::<super::SoundClassify>() {
                    element.imp().reset();
                }
                None
            });
            vec![reset.build()]
        });
        &SIGNALS
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        let effect = settings.set(spec.name(), value);
        let now = settings.clone();
        self.adds_meta.store(now.add_meta, Ordering::Relaxed);
        drop(settings);
        gst::debug!(CAT, imp = self, "{} is now {value:?}", spec.name());
        match effect {
            Effect::Later => {}
            Effect::Decision => {
                self.configure(&now);
                if spec.name() == "ensembles" {
                    self.warn_of_ensemble(&now);
                }
            }
            Effect::Labels => {
                self.configure(&now);
                self.warn_of_settings(&now);
            }
            Effect::Model => {
                self.outdated.store(true, Ordering::SeqCst);
                self.update_model();
            }
        }
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        if spec.name() == "stats" {
            let stats = catch(|| {
                let (results, tally) = {
                    let state = lock(&self.state);
                    let analysis = &state.as_ref()?.analysis;
                    (analysis.results(), analysis.tally())
                };
                Some(results.stats(tally))
            });
            return stats.ok().flatten().unwrap_or_else(crate::stream::results::no_stats).to_value();
        }
        lock(&self.settings).value(spec.name())
    }
}

impl GstObjectImpl for SoundClassify {}

impl ElementImpl for SoundClassify {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Sound classifier",
                "Filter/Analyzer/Audio",
                "Passes audio through unchanged and classifies it with an ONNX network: labels and probabilities as \
                 element messages, events, tags and metadata",
                "soundclassify developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        raw_audio_templates()
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::PausedToPlaying {
            self.running_time_is_new.store(true, Ordering::Relaxed);
        }
        let loaded = match transition {
            gst::StateChange::NullToReady => self.load(),
            gst::StateChange::ReadyToPaused => self.reload(),
            _ => Ok(()),
        };
        if let Err(message) = loaded {
            self.post_error_message(message);
            return Err(gst::StateChangeError);
        }
        if transition == gst::StateChange::PausedToReady {
            // The streaming thread may be waiting for results; the wait must end before its pads are stopped.
            self.interrupt(true);
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::ReadyToNull
            || (transition == gst::StateChange::NullToReady && result.is_err())
        {
            let loaded = lock(&self.loaded).take();
            drop(loaded);
            self.loader.cancel();
        }
        result
    }
}

impl BaseTransformImpl for SoundClassify {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = true;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = true;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let Some(loaded) = lock(&self.loaded).clone() else {
            return Err(gst::error_msg!(gst::LibraryError::Init, ["no model is loaded"]));
        };
        let settings = lock(&self.settings).clone();
        let (model, loader) = (loaded.model.clone(), Arc::clone(&self.loader));
        let results = Arc::new(Results::new(&self.obj(), loader, model, settings.clone()));
        let analysis = Analysis::new(prepare(loaded.clone(), &settings), results, &settings);
        self.longest_buffer.store(0, Ordering::Relaxed);
        self.instance.renew();
        *lock(&self.state) = Some(Streaming { analysis, next: None, sync_known: false });
        // Changes in the meantime had no state to notify.
        let settings = lock(&self.settings).clone();
        self.configure(&settings);
        let newer = lock(&self.loaded).clone().filter(|newer| !newer.is_same(&loaded));
        if let Some(newer) = newer {
            self.switch_to(newer);
        }
        self.update_model();
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        self.end_analysis();
        Ok(())
    }

    fn set_caps(&self, caps: &gst::Caps, _out: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = gst_audio::AudioInfo::from_caps(caps)
            .map_err(|error| gst::loggable_error!(CAT, "caps {caps} can't be read: {error}"))?;
        self.analyse(None, REPLY_TIMEOUT, |analysis| Ok(analysis.plan_format(info)));
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        use gst::EventView;
        match event.view() {
            EventView::StreamStart(start) => self.begin_stream(start.stream_id(), &event),
            EventView::FlushStart(_) => self.interrupt(true),
            EventView::FlushStop(_) => {
                self.flush();
                self.interrupt(false);
            }
            EventView::Segment(_) => self.event(&event),
            EventView::Gap(_) => {
                self.prepare();
                self.event(&event);
            }
            EventView::SegmentDone(_) | EventView::Eos(_) => self.end(&event),
            _ => {}
        }
        self.parent_sink_event(self.with_own_tags(event))
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if direction == gst::PadDirection::Src {
            self.answer(query)
        } else {
            BaseTransformImplExt::parent_query(self, direction, query)
        }
    }

    // In passthrough, only the producer may change the buffer. It is changed here, after all others have read it.
    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        Ok(match self.parent_generate_output()? {
            GenerateOutputSuccess::Buffer(buffer) => GenerateOutputSuccess::Buffer(self.mark(buffer)),
            nothing => nothing,
        })
    }

    fn transform_ip_passthrough(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.sync_controls(buffer);
        // A second reference, because mapping a buffer with one reference would merge its memories.
        let shared = buffer.clone();
        self.analyse_buffer(&shared);
        Ok(gst::FlowSuccess::Ok)
    }

    // The base class leaves passthrough while it is deactivated, even if this element requested it.
    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        // The copy refers to the same memories; mapping the writable buffer itself would merge them.
        let shared = buffer.copy();
        self.analyse_buffer(&shared);
        Ok(gst::FlowSuccess::Ok)
    }
}

impl SoundClassify {
    // Properties with a GstControlBinding get their values for this time.
    fn sync_controls(&self, buffer: &gst::BufferRef) {
        if !self.obj().has_active_control_bindings() {
            return;
        }
        let segment = self.obj().segment().downcast::<gst::ClockTime>().ok();
        if let Some(time) = segment.and_then(|segment| segment.to_stream_time(buffer.pts())) {
            // A value that can't be set is reported by the binding.
            let _ = self.obj().sync_values(time);
        }
    }

    fn configure(&self, settings: &Settings) {
        self.guarded(|| {
            let results = lock(&self.state).as_mut().map(|state| {
                state.analysis.configure(settings);
                state.analysis.results()
            });
            if let Some(results) = results {
                results.configure(settings);
            }
        });
    }

    // A panic of `call` ends the analysis, not the audio.
    fn guarded<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        catch(call).inspect_err(|_| self.give_up_analysis()).ok()
    }

    fn results(&self) -> Option<Arc<Results>> {
        lock(&self.state).as_ref().map(|state| state.analysis.results())
    }

    fn interrupt(&self, interrupted: bool) {
        if let Some(results) = self.results() {
            results.interrupt(interrupted);
        }
    }

    // Clears audio, ensemble and pending windows. The lock is held, so the windows of the next buffer remain.
    fn reset(&self) {
        let results = lock(&self.state).as_mut().map(|state| {
            state.analysis.reset();
            state.analysis.results()
        });
        if let Some(results) = results {
            results.post_all();
        }
    }

    // Work that has to be done before the next audio.
    #[cold]
    fn prepare(&self) {
        self.note_passed();
        self.decide_on_waiting();
        self.switch();
        self.send_tags();
        self.send_events();
    }

    fn event(&self, event: &gst::EventRef) {
        self.analyse(None, REPLY_TIMEOUT, |analysis| Ok(analysis.signal().plan_event(event)));
    }

    // A new stream ends the previous one. Its tags are not known yet, nor whether it is live.
    fn begin_stream(&self, id: &str, event: &gst::EventRef) {
        let other = lock(&self.state).as_mut().is_some_and(|state| state.analysis.signal().is_other_stream(id));
        self.event(event);
        if other {
            self.send_tags();
            self.step(REPLY_TIMEOUT, |state| {
                state.analysis.forget_tags();
                state.sync_known = false;
                Ok(())
            });
        }
        self.forget_tags();
    }

    fn end(&self, event: &gst::EventRef) {
        self.decide_on_waiting();
        let waits = lock(&self.state).as_ref().is_some_and(|state| state.analysis.waits());
        let timeout = if waits { REPLY_TIMEOUT } else { END_TIMEOUT };
        self.analyse(None, timeout, |analysis| {
            // Nothing is posted after the end, for every value of `sync`.
            analysis.set_waits(true);
            Ok(analysis.signal().plan_event(event))
        });
        if let Some(state) = lock(&self.state).as_mut() {
            state.sync_known = false;
        }
        if let Some(results) = self.results() {
            results.finish();
        }
        self.send_tags();
        self.send_events();
    }

    fn analyse_buffer(&self, buffer: &gst::BufferRef) {
        self.analyse(Some(buffer), REPLY_TIMEOUT, |analysis| {
            if analysis.is_live() {
                self.read_wall_clock(buffer, analysis.signal());
            }
            let plan = analysis.signal().plan_buffer(buffer)?;
            if !analysis.waits() {
                self.longest_buffer.fetch_max(analysis.signal().length_of(&plan), Ordering::Relaxed);
            }
            Ok(plan)
        });
    }

    // Analyses a buffer or an event, at most one second of audio at a time, and waits for the results in between. Audio
    // continues, even after an error.
    fn analyse(
        &self,
        buffer: Option<&gst::BufferRef>,
        timeout: Timeout,
        make_plan: impl FnOnce(&mut Analysis) -> Result<Plan, InputError>,
    ) {
        let (mut make_plan, mut plan) = (Some(make_plan), Plan::default());
        let mut prepared = buffer.is_none();
        loop {
            let mut unprepared = false;
            let goes_on = self.step(timeout, |state| {
                unprepared = !prepared && state.is_unprepared();
                if unprepared {
                    return Ok(());
                }
                if let Some(make_plan) = make_plan.take() {
                    plan = make_plan(&mut state.analysis)?;
                }
                state.analysis.step(&mut plan, buffer)
            });
            if unprepared {
                self.prepare();
                prepared = true;
            } else if plan.is_done() || !goes_on {
                return;
            }
        }
    }

    // One step with the lock held, then the remaining work without it. `false` if a flush or a state change interrupts.
    fn step(&self, timeout: Timeout, step: impl FnOnce(&mut Streaming) -> Result<(), InputError>) -> bool {
        let stepped = self.guarded(|| lock(&self.state).as_mut().map(|state| state.step(step)));
        let Some(stepped) = stepped.flatten() else { return false };
        let results = Arc::clone(&stepped.results);
        self.follow(stepped, timeout);
        !results.is_interrupted()
    }

    fn follow(&self, stepped: Stepped, timeout: Timeout) {
        let Stepped { results, new, error, complaint } = stepped;
        if let Some(error) = error {
            self.warn_of(error);
        }
        if let Some(complaint) = complaint {
            self.warn_of(complaint);
        }
        let Some((stream, after)) = new else { return };
        results.post();
        if let Some(ticket) = after {
            // The end of a stream that did not wait is too short for this.
            let here = matches!(timeout, Timeout::PerReply(_));
            stream.run(|| here && results.awaits(ticket));
            self.wait(&results, &stream, ticket, timeout);
        }
        if results.has_for_stream() {
            self.send_events_of(&results);
        }
    }

    // Waiting windows are removed when the wait times out. The running one stays: a late reply proves that the model works.
    fn wait(&self, results: &Results, stream: &Stream, ticket: u64, timeout: Timeout) {
        // Most windows are finished at this point.
        if !results.awaits(ticket) {
            return;
        }
        let waiting = || std::iter::from_fn(|| stream.drop_oldest());
        match results.wait(ticket, timeout, || stream.progress()) {
            Waited::Posted | Waited::Interrupted => {}
            Waited::Late => {
                waiting().for_each(|ticket| results.dropped(ticket));
                results.drop_rest();
            }
            Waited::Stalled => {
                results.give_up();
                waiting().for_each(drop);
                self.warn_of_stall(results.max_wait(timeout));
            }
        }
    }

    // After that, no reply arrives, and open events end.
    fn end_analysis(&self) {
        let Some(streaming) = lock(&self.state).take() else { return };
        let results = streaming.analysis.results();
        drop(streaming);
        results.discard();
        results.post_all();
    }

    #[cold]
    fn give_up_analysis(&self) {
        self.end_analysis();
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Failed,
            ("analysis panicked, which is a bug; it stops until the element goes to READY and back"),
            ["audio continues; please report this with a log of GST_DEBUG=soundclassify:7"]
        );
    }

    // Queries once per stream whether the source is live.
    fn decide_on_waiting(&self) {
        if lock(&self.state).as_ref().is_none_or(|state| state.sync_known) {
            return;
        }
        let sync = lock(&self.settings).sync;
        let live = self.source_is_live();
        let waits = match sync {
            Sync::Always => true,
            Sync::Never => false,
            Sync::Auto => !live,
        };
        gst::debug!(CAT, imp = self, "live: {live}, waits for results: {waits}");
        if let Some(state) = lock(&self.state).as_mut() {
            state.analysis.set_waits(waits);
            state.analysis.results().set_live(live);
            state.sync_known = true;
        }
    }

    /// Checks whether a live source has become silent.
    pub(crate) fn look_at_source(&self) {
        self.guarded(|| self.results().map(|results| results.look_at_source()));
    }

    fn source_is_live(&self) -> bool {
        let mut query = gst::query::Latency::new();
        let [pad] = self.obj().sink_pads().try_into().unwrap_or_else(|_| unreachable!("a transform has one sink pad"));
        pad.peer_query(&mut query) && query.result().0
    }
}

impl Streaming {
    /// Whether work has to be done before the next audio.
    fn is_unprepared(&self) -> bool {
        !self.sync_known || self.next.is_some() || self.analysis.results().has_for_stream()
    }

    fn step(&mut self, step: impl FnOnce(&mut Self) -> Result<(), InputError>) -> Stepped {
        // After a change of model, these are windows of the old model.
        let (before, stream) = (self.analysis.ticket(), self.analysis.stream());
        let error = step(self).err().map(|error| Notice::Input(error, self.analysis.complains()));
        let analysis = &mut self.analysis;
        let complaint = analysis.take_complaint().map(Notice::Stream);
        let new = (analysis.ticket() != before).then(|| (stream, analysis.after()));
        Stepped { results: analysis.results(), new, error, complaint }
    }
}
