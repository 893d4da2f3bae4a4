// SPDX-License-Identifier: MIT OR Apache-2.0
//! The streaming thread's side of one stream: buffers in, windows on their way to the engine.

use std::sync::Arc;
use std::time::Instant;

use gst::prelude::*;

use super::clock::{Clock, Continuity};
use super::input::{Input, InputError};
use super::results::{Pending, Results};
use super::settings::Settings;
use crate::frontend::{Frontend, ReadyWindow};
use crate::model::{Engine, Manifest, Stream, Tensor};

/// Everything that one stream needs between READY and PAUSED.
pub(super) struct Analysis {
    input: Option<Input>,
    info: Option<gst_audio::AudioInfo>,
    frontend: Frontend,
    dispatch: Dispatch,
    channel: i32,
}

/// Finished windows on their way to the engine.
struct Dispatch {
    clock: Clock,
    engine: Arc<Engine>,
    stream: Arc<Stream>,
    results: Arc<Results>,
    rate: u32,
    batch: Vec<(u64, Tensor)>,
    process_count: usize,
    max_pending: usize,
    waits: bool,
    ticket: u64,
    stretch: u64,
    messages: Vec<gst::Message>,
}

/// What a step asks of the streaming thread once the lock is released.
#[derive(Default)]
pub(super) struct After {
    /// Results of everything before this ticket are to be waited for.
    pub(super) wait: Option<u64>,
    /// To be posted.
    pub(super) messages: Vec<gst::Message>,
}

impl Analysis {
    pub(super) fn new(model: &Manifest, engine: Arc<Engine>, results: Arc<Results>, settings: &Settings) -> Self {
        let told = Arc::clone(&results);
        let stream = Arc::new(engine.stream(move |reply| told.reply(&reply)));
        let process_count = settings.process_count.get() as usize;
        let rate = model.features.sample_rate;
        Self {
            input: None,
            info: None,
            frontend: Frontend::new(&model.features, settings.oversamples.get()),
            channel: settings.channel,
            dispatch: Dispatch {
                clock: Clock::new(rate, None),
                engine,
                stream,
                results,
                rate,
                batch: Vec::with_capacity(process_count),
                process_count,
                max_pending: settings.max_pending as usize,
                waits: false,
                ticket: 0,
                stretch: 0,
                messages: Vec::new(),
            },
        }
    }

    pub(super) fn results(&self) -> Arc<Results> {
        Arc::clone(&self.dispatch.results)
    }

    pub(super) fn stream(&self) -> Arc<Stream> {
        Arc::clone(&self.dispatch.stream)
    }

    /// Whether the streaming thread waits for results.
    pub(super) fn set_waits(&mut self, waits: bool) {
        self.dispatch.waits = waits;
    }

    /// Whether audio of this format comes already.
    pub(super) fn has_format(&self, info: &gst_audio::AudioInfo) -> bool {
        self.info.as_ref() == Some(info)
    }

    /// Audio of another format comes from now on. On an error analysis rests until the next format.
    pub(super) fn set_format(&mut self, info: &gst_audio::AudioInfo) -> Result<(), InputError> {
        self.input = None;
        self.info = Some(info.clone());
        self.dispatch.clock.set_rate(info.rate());
        self.input = Some(Input::new(info, self.channel, self.dispatch.rate)?);
        Ok(())
    }

    /// The segment that the next buffers belong to; `None` when it is not in time.
    pub(super) fn set_segment(&mut self, segment: Option<gst::FormattedSegment<gst::ClockTime>>) {
        self.dispatch.clock.set_segment(segment);
    }

    /// Whether a buffer joins what came before.
    pub(super) fn continuity(&self, pts: Option<gst::ClockTime>) -> Continuity {
        self.dispatch.clock.continuity(pts)
    }

    /// Frames of a buffer, 0 while there is no format.
    pub(super) fn frames(&self, buffer: &gst::BufferRef) -> Result<usize, InputError> {
        self.input.as_ref().map_or(Ok(0), |input| input.frames(buffer))
    }

    /// Frames that take `duration`.
    pub(super) fn frames_in(&self, duration: gst::ClockTime) -> u64 {
        duration.nseconds().mul_div_round(self.dispatch.clock.rate(), gst::ClockTime::SECOND.nseconds()).unwrap_or(0)
    }

    /// Frames in one step: a second, so that little waits for the model even when buffers are long.
    pub(super) fn step(&self) -> usize {
        self.info.as_ref().map_or(usize::MAX, |info| info.rate().max(1) as usize)
    }

    /// Takes some frames of a buffer. Frames are taken from the first to the last.
    pub(super) fn push(
        &mut self,
        buffer: &gst::BufferRef,
        frames: std::ops::Range<usize>,
    ) -> Result<After, InputError> {
        let begun = Instant::now();
        let Self { input: Some(input), frontend, dispatch, .. } = self else { return Ok(After::default()) };
        let pts = if frames.start == 0 { buffer.pts() } else { None };
        dispatch.clock.advance(pts, frames.len() as u64);
        let count = frames.len();
        input.push(buffer, frames, &mut |samples| {
            frontend.push(samples, &mut |window| dispatch.submit(&window));
        })?;
        let invalid = input.take_invalid();
        dispatch.count(count, invalid, begun);
        Ok(dispatch.after())
    }

    /// Takes some silence that starts at `pts`.
    pub(super) fn push_silence(&mut self, pts: Option<gst::ClockTime>, frames: u64) -> After {
        let begun = Instant::now();
        let Self { input: Some(input), frontend, dispatch, .. } = self else { return After::default() };
        dispatch.clock.advance(pts, frames);
        input.push_silence(frames, &mut |samples| {
            frontend.push(samples, &mut |window| dispatch.submit(&window));
        });
        dispatch.count(frames as usize, 0, begun);
        dispatch.after()
    }

    /// The stream breaks off here: windows that are due go to the model, and everything starts anew.
    pub(super) fn interrupt(&mut self) -> After {
        let after = self.drain(false);
        self.forget();
        after
    }

    /// The stream ends here: as [`Self::interrupt`], and a stream shorter than one window is classified.
    pub(super) fn finish(&mut self) -> After {
        let after = self.drain(true);
        self.forget();
        after
    }

    /// Forgets audio that is not yet a window and windows that are not yet with the engine.
    pub(super) fn forget(&mut self) {
        self.frontend.reset();
        if let Some(input) = &mut self.input {
            input.reset();
        }
        self.dispatch.clock.reset();
        self.dispatch.batch.clear();
        self.dispatch.stretch += 1;
    }

    fn drain(&mut self, ends: bool) -> After {
        let Self { input: Some(input), frontend, dispatch, .. } = self else { return After::default() };
        input.finish(&mut |samples| frontend.push(samples, &mut |window| dispatch.submit(&window)));
        if ends {
            frontend.finish(&mut |window| dispatch.submit(&window));
        }
        dispatch.send();
        dispatch.after()
    }
}

impl Dispatch {
    fn submit(&mut self, window: &ReadyWindow<'_>) {
        let due = Instant::now();
        if !self.results.accepts() {
            return;
        }
        let mut tensor = self.engine.tensor();
        window.write_to(&mut tensor);
        let times = self.clock.times(window.position(), self.rate);
        let (ticket, stretch) = (self.ticket, self.stretch);
        self.ticket += 1;
        self.results.expect(Pending { ticket, stretch, window: window.number(), times, due });
        self.batch.push((ticket, tensor));
        if self.batch.len() >= self.process_count {
            self.send();
        }
    }

    // Without waiting the queue is bounded: the oldest make room.
    fn send(&mut self) {
        let coming = self.batch.len();
        while !self.waits && self.stream.waiting() + coming > self.max_pending.max(coming) {
            let Some(ticket) = self.stream.drop_oldest() else { break };
            self.messages.extend(self.results.dropped(ticket));
        }
        self.stream.push_all(self.batch.drain(..));
    }

    fn count(&self, frames: usize, invalid: u64, begun: Instant) {
        let seconds = frames as f64 / self.clock.rate() as f64;
        self.results.count(|stats| {
            stats.analysis += begun.elapsed();
            stats.audio += seconds;
            stats.invalid_samples += invalid;
        });
    }

    // Windows of an incomplete batch are not waited for.
    fn after(&mut self) -> After {
        let sent = self.ticket - self.batch.len() as u64;
        After { wait: self.waits.then_some(sent), messages: std::mem::take(&mut self.messages) }
    }
}
