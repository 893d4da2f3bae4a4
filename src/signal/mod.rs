// SPDX-License-Identifier: MIT OR Apache-2.0
//! Caps, segments, buffers, gaps, stream starts, flushes and ends → samples, breaks and ends. Only this module decides
//! how buffers are joined: DISCONT, jitter, holes, wrong timestamps, audio outside the segment.
//!
//! The element, `soundclassify features` and the spectrogram of the live view use the same [`Signal`], so they get the same
//! samples. A [`Plan`] describes what one buffer or event amounts to; [`Signal::step`] carries it out, at most one second of
//! audio per call.

mod align;
pub mod clock;
mod complaint;
pub mod input;
mod meter;
pub(crate) mod samples;
pub(crate) mod scale;
pub(crate) mod timing;
mod windows;

pub use self::align::Nonsense;
use self::clock::{Clock, WallClock};
pub use self::complaint::Complaint;
use self::input::{Input, InputError, Samples};
pub use self::meter::{Level, Power};
pub use self::timing::Plan;
use self::timing::{Change, Cut, Part, Timing};
pub use self::windows::Windows;

/// Length of audio without a window after which a warning is posted, s.
const WARN_AFTER: u64 = 5;

/// A buffer or event of a pad.
#[derive(Debug, Clone, Copy)]
pub enum Item<'a> {
    /// A buffer.
    Buffer(&'a gst::BufferRef),
    /// An event.
    Event(&'a gst::EventRef),
}

/// A part of the result.
#[derive(Debug)]
pub enum Piece<'a> {
    /// Analysis samples: mono, at the model's rate.
    Samples(&'a [f32]),
    /// A discontinuity: the audio that follows does not continue the audio before.
    Break,
    /// The stream ended.
    End,
    /// A flush: the audio before is discarded, and a new stream follows.
    Flush,
}

/// Receives the pieces, with the clock that converts positions of their samples to times.
pub type Sink<'a> = &'a mut dyn FnMut(Piece<'_>, &mut Clock);

/// One stream's analysis signal.
#[derive(Debug)]
pub struct Signal {
    rate: u32,
    channel: i32,
    input: Option<Input>,
    timing: Timing,
    reported: Option<Nonsense>,
    long_buffer: bool,
    /// Bytes of the last buffer, where they made no whole frames, and whether that was said.
    odd: (Option<usize>, bool),
    /// Frames outside of the segment since the last one inside, and whether that was said.
    outside: (u64, bool),
    complaint: Option<Complaint>,
}

impl Signal {
    /// Creates the signal at `rate` Hz from one channel, or for -1 from the average of all channels.
    #[must_use]
    pub fn new(rate: u32, channel: i32) -> Self {
        Self {
            rate,
            channel,
            input: None,
            timing: Timing::new(),
            reported: None,
            long_buffer: false,
            odd: (None, false),
            outside: (0, false),
            complaint: None,
        }
    }

    /// Sets the rate for a new model, Hz. The audio so far is discarded; the stream goes on.
    ///
    /// # Errors
    /// Those of [`Input::new`]; after an error, nothing is analysed until the next format.
    pub fn set_rate(&mut self, rate: u32) -> Result<(), InputError> {
        self.rate = rate;
        let set = self.set_input();
        self.forget();
        set
    }

    /// Whether this is the current format.
    #[must_use]
    pub fn has_format(&self, info: &gst_audio::AudioInfo) -> bool {
        self.timing.has_format(info)
    }

    /// Whether the previous stream was different from `id`.
    #[must_use]
    pub fn is_other_stream(&self, id: &str) -> bool {
        self.timing.is_other_stream(id)
    }

    /// Whether the segment is played backwards.
    #[must_use]
    pub fn is_reverse(&self) -> bool {
        self.timing.is_reverse()
    }

    /// Plans an event.
    pub fn plan_event(&mut self, event: &gst::EventRef) -> Plan {
        if let gst::EventView::StreamStart(start) = event.view()
            && self.is_other_stream(start.stream_id())
        {
            (self.reported, self.long_buffer, self.odd, self.outside) = (None, false, (None, false), (0, false));
        }
        let plan = self.timing.plan_event(event);
        self.note_ignored();
        plan
    }

    /// Plans new caps.
    pub fn plan_format(&mut self, info: gst_audio::AudioInfo) -> Plan {
        self.timing.plan_format(info)
    }

    /// Length of a planned buffer's audio, ns.
    pub(crate) fn length_of(&self, plan: &Plan) -> u64 {
        self.timing.clock.duration(plan.inside().len() as u64).nseconds()
    }

    /// Plans a buffer; without a format, nothing of it is analysed.
    ///
    /// # Errors
    /// [`InputError::Buffer`] when its memory does not fit the caps.
    pub fn plan_buffer(&mut self, buffer: &gst::BufferRef) -> Result<Plan, InputError> {
        let all = match (&self.input, self.timing.info()) {
            (Some(input), _) => input.frames(buffer)?,
            (None, Some(info)) => input::frames(buffer, info).unwrap_or(0),
            (None, None) => 0,
        } as u64;
        let odd = self.input.as_ref().is_some_and(|input| input.odd_bytes(buffer) > 0);
        self.note_odd_size(odd.then(|| buffer.size()));
        let plan = self.timing.plan_buffer(buffer, all);
        self.note_ignored();
        self.note_outside(if plan.inside().is_empty() { all } else { 0 });
        if plan.is_too_long && self.input.is_some() && !std::mem::replace(&mut self.long_buffer, true) {
            self.complaint = Some(Complaint::LongBuffer(self.timing.clock.duration(all)));
        }
        Ok(plan)
    }

    fn note_outside(&mut self, frames: u64) {
        self.outside.0 = if frames == 0 { 0 } else { self.outside.0 + frames };
        if self.outside.0 > WARN_AFTER * self.input_rate() && !std::mem::replace(&mut self.outside.1, true) {
            self.complaint = Some(Complaint::OutsideSegment(self.timing.clock.duration(self.outside.0)));
        }
    }

    // The last buffer of a truncated file may have a partial frame, so a second buffer has to follow.
    fn note_odd_size(&mut self, odd: Option<usize>) {
        let before = std::mem::replace(&mut self.odd.0, odd);
        if let (Some(size), false) = (before, self.odd.1) {
            self.odd.1 = true;
            let frame = self.timing.info().map_or(0, |info| info.bpf() as usize);
            self.complaint = Some(Complaint::OddSize(size, frame));
        }
    }

    fn note_ignored(&mut self) {
        let Some(why) = self.timing.ignored() else { return };
        if self.reported.replace(why).is_none() {
            self.complaint = Some(Complaint::Timestamps(why));
        }
    }

    /// Carries out the next part of a plan: a remaining break or end, and at most one second of audio. `buffer` is the buffer
    /// of the plan.
    ///
    /// # Errors
    /// [`InputError`]: the rest of the plan is not analysed.
    pub fn step(
        &mut self,
        plan: &mut Plan,
        buffer: Option<&gst::BufferRef>,
        sink: Sink<'_>,
    ) -> Result<Stepped, InputError> {
        if let Some(cut) = plan.cut.take() {
            self.cut(cut, sink);
        }
        if let Some(change) = plan.change.take() {
            self.change(*change)?;
        }
        let part = self.timing.advance(plan);
        let Self { input, timing: Timing { clock, .. }, complaint, .. } = self;
        let Some(input) = input else {
            clock.forget_past();
            return Ok(Stepped::default());
        };
        match (part, buffer) {
            (Some(Part::Silence(frames)), _) => {
                input.push_silence(frames, &mut |samples| pass_on(samples, clock, sink));
                Ok(Stepped { frames, invalid: 0 })
            }
            (Some(Part::Audio(range)), Some(buffer)) => {
                let frames = range.len() as u64;
                let pushed = input.push(buffer, range, &mut |samples| pass_on(samples, clock, sink));
                if pushed.is_err() {
                    *plan = Plan::default();
                }
                pushed?;
                if input.take_cancelling() {
                    *complaint = Some(Complaint::Cancelling);
                }
                Ok(Stepped { frames, invalid: input.take_invalid() })
            }
            _ => {
                *plan = Plan::default();
                Ok(Stepped::default())
            }
        }
    }

    /// Carries out all that a buffer or an event amounts to, for callers that need no steps.
    ///
    /// # Errors
    /// [`InputError`]: what follows in this buffer, or all audio until the next format, is not analysed.
    pub fn take(&mut self, item: Item<'_>, sink: Sink<'_>) -> Result<(), InputError> {
        let (mut plan, buffer) = match item {
            Item::Buffer(buffer) => (self.plan_buffer(buffer)?, Some(buffer)),
            Item::Event(event) => (self.plan_event(event), None),
        };
        while !plan.is_done() {
            self.step(&mut plan, buffer, sink)?;
        }
        Ok(())
    }

    #[cold]
    fn cut(&mut self, cut: Cut, sink: Sink<'_>) {
        if cut != Cut::Flush {
            self.drain(sink);
        }
        let piece = match cut {
            Cut::Break => Piece::Break,
            Cut::End => Piece::End,
            Cut::Flush => Piece::Flush,
        };
        sink(piece, &mut self.timing.clock);
        self.reset_input();
        self.timing.cut(cut);
    }

    #[cold]
    fn change(&mut self, change: Change) -> Result<(), InputError> {
        let is_format = matches!(change, Change::Format(_));
        self.timing.change(change);
        if is_format { self.set_input() } else { Ok(()) }
    }

    fn set_input(&mut self) -> Result<(), InputError> {
        self.input = None;
        if let Some(info) = self.timing.info() {
            self.input = Some(Input::new(info, self.channel, self.rate)?);
        }
        Ok(())
    }

    /// Passes on the remaining samples of the resampler.
    pub fn drain(&mut self, sink: Sink<'_>) {
        let Self { input: Some(input), timing, .. } = self else { return };
        input.finish(&mut |samples| sink(Piece::Samples(samples), &mut timing.clock));
    }

    /// Discards the audio so far; the stream goes on.
    pub fn forget(&mut self) {
        self.reset_input();
        self.timing.reset();
    }

    /// Discards the audio so far and its places, as a flush does.
    pub fn flush(&mut self) {
        self.reset_input();
        self.timing.cut(Cut::Flush);
    }

    fn reset_input(&mut self) {
        if let Some(input) = &mut self.input {
            input.reset();
        }
    }

    /// Place of the first frame that downstream has not got; see [`Timing`].
    pub(crate) fn passed(&self) -> u64 {
        self.timing.passed()
    }

    /// What was planned is passed on.
    pub(crate) fn pass(&mut self) {
        self.timing.pass();
    }

    /// Measures levels from now on, for [`Clock::power`].
    pub fn measure_levels(&mut self) {
        self.timing.clock.enable_levels();
    }

    /// Whether the clock on the wall should be read: it is unknown, or was read ten seconds of audio ago.
    pub(crate) fn wants_wall_clock(&self) -> bool {
        self.timing.clock.wants_wall()
    }

    /// When the next buffers were, by a clock on the wall.
    pub fn set_wall_clock(&mut self, wall: WallClock) {
        self.timing.clock.set_wall(wall);
    }

    /// The next problem to report, once.
    pub fn take_complaint(&mut self) -> Option<Complaint> {
        self.complaint.take()
    }

    /// Frames of input a second.
    #[must_use]
    pub fn input_rate(&self) -> u64 {
        self.timing.clock.rate()
    }
}

fn pass_on(samples: Samples<'_>, clock: &mut Clock, sink: Sink<'_>) {
    match samples {
        Samples::Mixed(mono) => clock.measure(mono),
        Samples::Ready(samples) => sink(Piece::Samples(samples), clock),
    }
}

/// The result of a step.
#[derive(Debug, Default, Clone, Copy)]
pub struct Stepped {
    /// Frames of input, silence included.
    pub frames: u64,
    /// Number of NaN or infinite samples in them; each counts as 0.
    pub invalid: u64,
}
