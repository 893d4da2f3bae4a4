// SPDX-License-Identifier: MIT OR Apache-2.0
//! The streaming thread's side of one stream: buffers in, windows on their way to the engine.

use std::sync::Arc;
use std::time::Instant;

use gst::prelude::*;

use super::clock::{Clock, Continuity};
use super::input::{Input, InputError};
use super::reporter::WindowTime;
use super::results::Results;
use super::timeline::{Entry, Kind, Switch};
use crate::soundclassify::loader::{Prepared, Retired};
use crate::soundclassify::settings::Settings;
use soundclassify_core::decision::Gate;
use soundclassify_core::frontend::{Frontend, ReadyWindow};
use soundclassify_core::model::{Engine, Stream, Tensor};

/// Everything that one stream needs between READY and PAUSED.
pub(crate) struct Analysis {
    input: Option<Input>,
    info: Option<gst_audio::AudioInfo>,
    frontend: Frontend,
    dispatch: Dispatch,
    channel: i32,
    settings: u64,
    complained: bool,
}

/// Finished windows on their way to the engine.
struct Dispatch {
    clock: Clock,
    engine: Arc<Engine>,
    stream: Arc<Stream>,
    results: Arc<Results>,
    rate: u32,
    span: gst::ClockTime,
    window: gst::ClockTime,
    gate: Gate,
    batch: Vec<(u64, Tensor)>,
    process_count: usize,
    max_pending: usize,
    waits: bool,
    ticket: u64,
    heard: Heard,
}

/// What there was of a stream.
#[derive(Debug, Default)]
struct Heard {
    audio: gst::ClockTime,
    /// Whether there was any since it broke off.
    goes_on: bool,
    /// Whether it broke off in between.
    broken: bool,
    /// Whether it had a window, in this stretch of audio or in one before a break.
    windows: bool,
}

impl Heard {
    /// Whether a stream that ends here was shorter than one window.
    fn is_short(&self, window: gst::ClockTime) -> bool {
        !self.windows && (!self.broken || self.audio < window)
    }
}

/// Frames of a buffer, and the timestamp of the first of them.
pub(crate) type Inside = (std::ops::Range<usize>, Option<gst::ClockTime>);

/// Results of everything before this ticket are to be waited for, once the lock is released.
pub(crate) type After = Option<u64>;

impl Analysis {
    pub(crate) fn new(prepared: Prepared, results: Arc<Results>, settings: &Settings) -> Self {
        let Prepared { loaded, frontend } = prepared;
        let features = &loaded.model.manifest().features;
        let rate = features.sample_rate;
        let process_count = settings.process_count.get() as usize;
        Self {
            input: None,
            info: None,
            frontend,
            channel: settings.channel,
            settings: settings.version,
            complained: false,
            dispatch: Dispatch {
                clock: Clock::new(rate, None),
                stream: open(&loaded.engine, &results),
                engine: loaded.engine,
                results,
                rate,
                span: scale(1, settings.oversamples.get()),
                window: scale(features.window as u64, rate),
                gate: Gate::new(settings.silence_threshold.get()),
                batch: Vec::with_capacity(process_count),
                process_count,
                max_pending: settings.max_pending as usize,
                waits: false,
                ticket: 0,
                heard: Heard::default(),
            },
        }
    }

    /// Takes over the live properties, from the next window on.
    pub(crate) fn configure(&mut self, settings: &Settings) {
        // Two threads may set properties at once and come here in the other order.
        if settings.version > self.settings {
            self.settings = settings.version;
            self.dispatch.gate.set_threshold(settings.silence_threshold.get());
        }
    }

    /// Another model's windows begin here; those that are due go to the one before. On an error analysis rests until
    /// the next format.
    pub(crate) fn switch(&mut self, next: Prepared, settings: &Settings) -> (After, Result<(), InputError>) {
        self.drain(false);
        self.configure(settings);
        let Prepared { loaded, frontend } = next;
        let features = &loaded.model.manifest().features;
        let dispatch = &mut self.dispatch;
        dispatch.rate = features.sample_rate;
        dispatch.span = scale(1, settings.oversamples.get());
        dispatch.window = scale(features.window as u64, features.sample_rate);
        let stream = open(&loaded.engine, &dispatch.results);
        let old = Retired {
            _stream: std::mem::replace(&mut dispatch.stream, stream),
            _engine: std::mem::replace(&mut dispatch.engine, loaded.engine),
        };
        dispatch.process_count = settings.process_count.get() as usize;
        let switch = Switch { model: loaded.model, settings: settings.clone(), old };
        dispatch.expect(|ticket| Entry::switch(ticket, switch));
        self.frontend = frontend;
        let input = match self.info.clone() {
            Some(info) => self.set_format(&info),
            None => Ok(()),
        };
        self.forget();
        self.dispatch.break_off();
        (self.dispatch.after(), input)
    }

    pub(crate) fn results(&self) -> Arc<Results> {
        Arc::clone(&self.dispatch.results)
    }

    pub(crate) fn stream(&self) -> Arc<Stream> {
        Arc::clone(&self.dispatch.stream)
    }

    /// Whether the streaming thread waits for results.
    pub(crate) fn set_waits(&mut self, waits: bool) {
        self.dispatch.waits = waits;
    }

    /// Whether it does.
    pub(crate) fn waits(&self) -> bool {
        self.dispatch.waits
    }

    /// Whether this is the first buffer of its format that can't be read.
    pub(crate) fn complains(&mut self) -> bool {
        !std::mem::replace(&mut self.complained, true)
    }

    /// Whether audio of this format comes already.
    pub(crate) fn has_format(&self, info: &gst_audio::AudioInfo) -> bool {
        self.info.as_ref() == Some(info)
    }

    /// Audio of another format comes from now on. On an error analysis rests until the next format.
    pub(crate) fn set_format(&mut self, info: &gst_audio::AudioInfo) -> Result<(), InputError> {
        self.input = None;
        self.complained = false;
        self.info = Some(info.clone());
        self.dispatch.clock.set_rate(info.rate());
        self.input = Some(Input::new(info, self.channel, self.dispatch.rate)?);
        Ok(())
    }

    /// The segment that the next buffers belong to; `None` when it is not in time.
    pub(crate) fn set_segment(&mut self, segment: Option<gst::FormattedSegment<gst::ClockTime>>) {
        self.dispatch.clock.set_segment(segment);
    }

    /// Whether audio from `pts` on joins what came before. `lost`: something between them is said to be missing.
    pub(crate) fn continuity(&self, pts: Option<gst::ClockTime>, lost: bool) -> Continuity {
        let clock = &self.dispatch.clock;
        if lost { clock.continuity_after_loss(pts) } else { clock.continuity(pts) }
    }

    /// Frames of a buffer that lie in the segment, none while there is no format, and when the first of them is.
    pub(crate) fn frames(&self, buffer: &gst::BufferRef) -> Result<Inside, InputError> {
        let frames = self.input.as_ref().map_or(Ok(0), |input| input.frames(buffer))?;
        let clock = &self.dispatch.clock;
        let inside = clock.inside(buffer.pts(), frames as u64);
        let pts = buffer.pts().map(|pts| pts.saturating_add(clock.duration(inside.start)));
        Ok((inside.start as usize..inside.end as usize, pts))
    }

    /// The part of a gap that is to be silence.
    pub(crate) fn missing(
        &self,
        start: gst::ClockTime,
        duration: gst::ClockTime,
    ) -> Option<(gst::ClockTime, gst::ClockTime)> {
        self.dispatch.clock.missing(start, duration)
    }

    /// Frames that take `duration`.
    pub(crate) fn frames_in(&self, duration: gst::ClockTime) -> u64 {
        self.dispatch.clock.frames_in(duration)
    }

    /// Frames in one step: a second, so that little waits for the model even when buffers are long.
    pub(crate) fn step(&self) -> usize {
        self.info.as_ref().map_or(usize::MAX, |info| info.rate().max(1) as usize)
    }

    /// Takes some frames of a buffer. Frames are taken from the first to the last.
    pub(crate) fn push(
        &mut self,
        buffer: &gst::BufferRef,
        frames: std::ops::Range<usize>,
    ) -> Result<After, InputError> {
        let begun = Instant::now();
        let Self { input: Some(input), frontend, dispatch, .. } = self else { return Ok(After::default()) };
        let offset = dispatch.clock.duration(frames.start as u64);
        let pts = buffer.pts().map(|pts| pts.saturating_add(offset));
        dispatch.clock.advance(pts, frames.len() as u64);
        let count = frames.len();
        input.push(buffer, frames, &mut |samples| {
            frontend.push(samples, &mut |window| dispatch.submit(&window));
        })?;
        let invalid = input.take_invalid();
        dispatch.count(count, invalid, begun);
        Ok(dispatch.after())
    }

    /// What is to be waited for by now.
    pub(crate) fn after(&self) -> After {
        self.dispatch.after()
    }

    /// Takes `frames` of silence, `before` frames after `start`.
    pub(crate) fn push_silence(&mut self, start: gst::ClockTime, before: u64, frames: u64) -> After {
        let begun = Instant::now();
        let Self { input: Some(input), frontend, dispatch, .. } = self else { return After::default() };
        let pts = start.saturating_add(dispatch.clock.duration(before));
        dispatch.clock.advance_gap(pts, frames);
        input.push_silence(frames, &mut |samples| {
            frontend.push(samples, &mut |window| dispatch.submit(&window));
        });
        dispatch.count(frames as usize, 0, begun);
        dispatch.after()
    }

    /// The stream breaks off here: windows that are due go to the model, and everything starts anew.
    pub(crate) fn interrupt(&mut self) -> After {
        self.drain(false);
        self.dispatch.expect(Entry::interruption);
        self.forget();
        if self.dispatch.break_off() {
            self.dispatch.results.count(|stats| stats.breaks += 1);
        }
        self.dispatch.after()
    }

    /// Another stream's tags follow.
    pub(crate) fn forget_tags(&mut self) -> After {
        self.dispatch.expect(Entry::stream_change);
        self.dispatch.after()
    }

    /// The stream ends here: as [`Self::interrupt`], and a stream shorter than one window is classified.
    pub(crate) fn finish(&mut self) -> After {
        self.drain(true);
        self.dispatch.expect(Entry::interruption);
        self.begin();
        self.dispatch.after()
    }

    /// Another stream begins.
    pub(crate) fn begin(&mut self) {
        self.forget();
        self.dispatch.heard = Heard::default();
    }

    /// Another stream begins, and nothing of what is on its way is told any more.
    pub(crate) fn reset(&mut self) {
        self.begin();
        self.dispatch.stream.cancel();
        self.dispatch.results.discard();
    }

    /// Forgets audio that is not yet a window and windows that are not yet with the engine.
    pub(crate) fn forget(&mut self) {
        self.frontend.reset();
        if let Some(input) = &mut self.input {
            input.reset();
        }
        self.dispatch.clock.reset();
        self.dispatch.batch.clear();
        self.dispatch.gate.reset();
    }

    fn drain(&mut self, ends: bool) {
        let Self { input: Some(input), frontend, dispatch, .. } = self else { return };
        input.finish(&mut |samples| frontend.push(samples, &mut |window| dispatch.submit(&window)));
        if ends && dispatch.heard.is_short(dispatch.window) {
            let stride = std::mem::replace(&mut dispatch.span, dispatch.window);
            frontend.finish(&mut |window| dispatch.submit(&window));
            dispatch.span = stride;
        }
        dispatch.send();
    }
}

impl Dispatch {
    fn submit(&mut self, window: &ReadyWindow<'_>) {
        let time = WindowTime {
            number: window.number(),
            times: self.clock.times(window.position(), self.rate),
            at: scale(window.position(), self.rate),
            span: self.span,
            due: Instant::now(),
        };
        self.heard.windows = true;
        let busy = || !self.batch.is_empty() || self.stream.pending() > 0;
        let kind = self.results.admit(self.gate.silences(|| window.rms()), busy);
        let ticket = self.ticket;
        self.expect(|ticket| Entry::window(ticket, time, kind));
        if kind == Kind::Window {
            let mut tensor = self.engine.tensor();
            window.write_to(&mut tensor);
            self.batch.push((ticket, tensor));
        }
        // What has no scores is told after what came before, which must not wait for it.
        if kind != Kind::Window || self.batch.len() >= self.process_count {
            self.send();
        }
    }

    fn expect(&mut self, entry: impl FnOnce(u64) -> Entry) {
        self.results.expect(entry(self.ticket));
        self.ticket += 1;
    }

    // Without waiting the queue is bounded: the oldest make room.
    fn send(&mut self) {
        let coming = self.batch.len();
        while !self.waits && self.stream.waiting() + coming > self.max_pending.max(coming) {
            let Some(ticket) = self.stream.drop_oldest() else { break };
            self.results.dropped(ticket);
        }
        if self.waits {
            self.stream.push_own(self.batch.drain(..));
        } else {
            self.stream.push_all(self.batch.drain(..));
        }
    }

    // Whether there was audio to break off: as a rule a stream begins with a break before any.
    fn break_off(&mut self) -> bool {
        let goes_on = std::mem::take(&mut self.heard.goes_on);
        self.heard.broken |= goes_on;
        goes_on
    }

    fn count(&mut self, frames: usize, invalid: u64, begun: Instant) {
        self.heard.goes_on |= frames > 0;
        self.heard.audio = self.heard.audio.saturating_add(self.clock.duration(frames as u64));
        let seconds = frames as f64 / self.clock.rate() as f64;
        self.results.count(|stats| {
            stats.analysis += begun.elapsed();
            stats.audio += seconds;
            stats.invalid_samples += invalid;
        });
    }

    // Windows of an incomplete batch are not waited for.
    fn after(&self) -> After {
        let sent = self.batch.first().map_or(self.ticket, |(ticket, _)| *ticket);
        self.waits.then_some(sent)
    }
}

fn open(engine: &Arc<Engine>, results: &Arc<Results>) -> Arc<Stream> {
    let told = Arc::clone(results);
    Arc::new(engine.stream(move |reply| told.reply(&reply)))
}

fn scale(count: u64, per_second: u32) -> gst::ClockTime {
    let nanoseconds = count.mul_div_floor(gst::ClockTime::SECOND.nseconds(), per_second.into());
    gst::ClockTime::from_nseconds(nanoseconds.unwrap_or(u64::MAX - 1))
}
