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
mod windows;

use std::ops::Range;

use gst::ClockTime;

pub use self::align::Nonsense;
use self::align::{Aligner, Verdict};
use self::clock::{Clock, WallClock};
pub use self::complaint::Complaint;
use self::input::{Input, InputError, Samples};
pub use self::meter::Level;
pub use self::windows::Windows;

/// Maximum gap that is filled with silence. Hours of silence would take minutes of the streaming thread.
const MAX_GAP: ClockTime = ClockTime::from_seconds(60);
/// Maximum duration of a buffer; at a low sample rate, a few kilobytes are hours.
pub(crate) const MAX_BUFFER: ClockTime = ClockTime::from_seconds(600);

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

/// What one buffer or event amounts to. [`Signal::step`] works through the fields in their order.
#[derive(Debug, Default)]
pub struct Plan {
    cut: Option<Cut>,
    change: Option<Change>,
    silence: Silence,
    audio: Range<usize>,
    pts: Option<ClockTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Break,
    End,
    Flush,
}

#[derive(Debug)]
enum Change {
    Format(gst_audio::AudioInfo),
    Segment(Option<gst::FormattedSegment<ClockTime>>, bool),
}

#[derive(Debug, Default)]
struct Silence {
    start: Option<ClockTime>,
    frames: u64,
}

impl Plan {
    /// Whether nothing remains to be done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.cut.is_none() && self.change.is_none() && self.silence.frames == 0 && self.audio.is_empty()
    }

    fn cut(cut: Cut) -> Self {
        Self { cut: Some(cut), ..Self::default() }
    }
}

/// One stream's analysis signal.
#[derive(Debug)]
pub struct Signal {
    rate: u32,
    channel: i32,
    info: Option<gst_audio::AudioInfo>,
    input: Option<Input>,
    clock: Clock,
    aligner: Aligner,
    /// Rate and applied rate of the segment.
    playback: (f64, f64),
    stream: Option<String>,
    reported: Option<Nonsense>,
    long_buffer: bool,
    /// Bytes of the last buffer, where they made no whole frames, and whether that was said.
    odd: (Option<usize>, bool),
    complaint: Option<Complaint>,
}

impl Signal {
    /// Creates the signal at `rate` Hz from one channel, or for -1 from the average of all channels.
    #[must_use]
    pub fn new(rate: u32, channel: i32) -> Self {
        Self {
            rate,
            channel,
            info: None,
            input: None,
            clock: Clock::new(rate),
            aligner: Aligner::new(rate),
            playback: (1.0, 1.0),
            stream: None,
            reported: None,
            long_buffer: false,
            odd: (None, false),
            complaint: None,
        }
    }

    /// Sets the rate for a new model, Hz. The state is reset, except for format and segment.
    ///
    /// # Errors
    /// Those of [`Input::new`]; after an error, nothing is analysed until the next format.
    pub fn set_rate(&mut self, rate: u32) -> Result<(), InputError> {
        self.rate = rate;
        let set = match self.info.clone() {
            Some(info) => self.set_format(&info),
            None => Ok(()),
        };
        self.forget();
        set
    }

    /// Whether this is the current format.
    #[must_use]
    pub fn has_format(&self, info: &gst_audio::AudioInfo) -> bool {
        self.info.as_ref() == Some(info)
    }

    /// Whether the previous stream was different from `id`.
    #[must_use]
    pub fn is_other_stream(&self, id: &str) -> bool {
        self.stream.as_ref().is_some_and(|before| before != id)
    }

    /// Whether the segment is played backwards.
    #[must_use]
    pub fn is_reverse(&self) -> bool {
        self.playback.0 < 0.0
    }

    /// Plans an event.
    pub fn plan_event(&mut self, event: &gst::EventRef) -> Plan {
        use gst::EventView;
        match event.view() {
            EventView::StreamStart(start) => self.plan_stream(start.stream_id()),
            EventView::Caps(caps) if caps.caps().is_fixed() => match gst_audio::AudioInfo::from_caps(caps.caps()) {
                Ok(info) => self.plan_format(info),
                Err(_) => Plan::default(),
            },
            EventView::Segment(segment) => self.plan_segment(segment.segment()),
            EventView::Gap(gap) => match gap.get() {
                (start, Some(duration)) => self.plan_gap(start, duration),
                _ => Plan::default(),
            },
            EventView::FlushStop(_) => Plan::cut(Cut::Flush),
            EventView::SegmentDone(_) | EventView::Eos(_) => Plan::cut(Cut::End),
            _ => Plan::default(),
        }
    }

    fn plan_stream(&mut self, id: &str) -> Plan {
        let other = self.is_other_stream(id);
        self.stream = Some(id.to_owned());
        if !other {
            return Plan::default();
        }
        (self.reported, self.long_buffer, self.odd) = (None, false, (None, false));
        Plan::cut(Cut::End)
    }

    /// Plans new caps.
    #[must_use]
    pub fn plan_format(&self, info: gst_audio::AudioInfo) -> Plan {
        if self.has_format(&info) {
            return Plan::default();
        }
        Plan { cut: Some(Cut::Break), change: Some(Change::Format(info)), ..Plan::default() }
    }

    fn plan_segment(&mut self, segment: &gst::Segment) -> Plan {
        let playback = (segment.rate(), segment.applied_rate());
        let cut = (self.playback != playback).then_some(Cut::Break);
        self.playback = playback;
        let time = segment.downcast_ref().cloned();
        Plan { cut, change: Some(Change::Segment(time, playback.0 < 0.0)), ..Plan::default() }
    }

    /// Plans a gap: silence for the part that no audio covers, inside the segment.
    fn plan_gap(&mut self, start: ClockTime, duration: ClockTime) -> Plan {
        if self.aligner.ignored().is_some() {
            return self.silence(None, duration);
        }
        let joins = |known: i128, goes_on: bool| goes_on || (known - i128::from(start.nseconds())).abs() <= align::JUMP;
        let known = self.aligner.end().filter(|&(known, goes_on)| joins(known, goes_on));
        let known = known.and_then(|(known, _)| u64::try_from(known).ok()).map(ClockTime::from_nseconds);
        let first = known.map_or(start, |known| known.max(start));
        let Some((start, end)) = self.clock.clip(first, start.saturating_add(duration)) else { return Plan::default() };
        let verdict = self.aligner.judge_gap(start.nseconds());
        self.note_ignored();
        match verdict {
            Verdict::Join => self.silence(Some(start), end - start),
            Verdict::Hole(missing) => {
                let start = start.saturating_sub(ClockTime::from_nseconds(missing));
                self.silence(Some(start), end - start)
            }
            Verdict::Break => Plan { cut: Some(Cut::Break), ..self.silence(Some(start), end - start) },
        }
    }

    fn silence(&self, start: Option<ClockTime>, duration: ClockTime) -> Plan {
        if duration > MAX_GAP {
            return Plan::cut(Cut::Break);
        }
        let silence = Silence { start, frames: self.clock.frames_in(duration) };
        Plan { silence, ..Plan::default() }
    }

    /// Plans a buffer; the plan is empty without a format.
    ///
    /// # Errors
    /// [`InputError::Buffer`] when its memory does not fit the caps.
    pub fn plan_buffer(&mut self, buffer: &gst::BufferRef) -> Result<Plan, InputError> {
        let Some(input) = &self.input else { return Ok(Plan::default()) };
        let all = input.frames(buffer)? as u64;
        let odd = (input.odd_bytes(buffer) > 0).then(|| buffer.size());
        self.note_odd_size(odd);
        let ignored = self.aligner.ignored().is_some();
        let inside = self.clock.inside(buffer.pts().filter(|_| !ignored), all);
        let most = self.clock.frames_in(MAX_BUFFER);
        let audio = inside.start..inside.end.min(inside.start.saturating_add(most));
        // What lies outside the segment joins nothing.
        if audio.is_empty() {
            return Ok(Plan::default());
        }
        let pts = buffer.pts().map(|pts| pts.saturating_add(self.clock.duration(audio.start)));
        let discont = buffer.flags().contains(gst::BufferFlags::DISCONT);
        let verdict = self.aligner.judge(pts.map(ClockTime::nseconds), audio.end - audio.start, discont);
        self.note_ignored();
        if audio.end < inside.end {
            self.aligner.lose_rest();
            if !std::mem::replace(&mut self.long_buffer, true) {
                self.complaint = Some(Complaint::LongBuffer(self.clock.duration(all)));
            }
        }
        let (cut, silence) = match verdict {
            Verdict::Join => (None, Silence::default()),
            Verdict::Break => (Some(Cut::Break), Silence::default()),
            Verdict::Hole(missing) => {
                let missing = ClockTime::from_nseconds(missing);
                let start = pts.map(|pts| pts.saturating_sub(missing));
                (None, Silence { start, frames: self.clock.frames_in(missing) })
            }
        };
        Ok(Plan { cut, change: None, silence, audio: audio.start as usize..audio.end as usize, pts })
    }

    // The last buffer of a truncated file may have a partial frame, so a second buffer has to follow.
    fn note_odd_size(&mut self, odd: Option<usize>) {
        let before = std::mem::replace(&mut self.odd.0, odd);
        if let (Some(size), false) = (before, self.odd.1) {
            self.odd.1 = true;
            let frame = self.info.as_ref().map_or(0, |info| info.bpf() as usize);
            self.complaint = Some(Complaint::OddSize(size, frame));
        }
    }

    fn note_ignored(&mut self) {
        let Some(why) = self.aligner.ignored() else { return };
        if self.reported.replace(why).is_none() {
            self.complaint = Some(Complaint::Timestamps(why));
        }
        self.clock.count_samples();
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
            self.change(change)?;
        }
        let second = self.clock.rate();
        let stepped = if plan.silence.frames > 0 {
            let frames = plan.silence.frames.min(second);
            plan.silence.frames -= frames;
            let start = plan.silence.start;
            plan.silence.start = start.map(|start| start.saturating_add(self.clock.duration(frames)));
            self.push_silence(start, frames, sink);
            Stepped { frames, invalid: 0 }
        } else if let (Some(buffer), false) = (buffer, plan.audio.is_empty()) {
            let frames = (plan.audio.len() as u64).min(second);
            let range = plan.audio.start..plan.audio.start + frames as usize;
            plan.audio.start = range.end;
            let pts = plan.pts;
            plan.pts = pts.map(|pts| pts.saturating_add(self.clock.duration(frames)));
            let pushed = self.push(buffer, range, pts, sink);
            if pushed.is_err() {
                *plan = Plan::default();
            }
            Stepped { frames, invalid: pushed? }
        } else {
            *plan = Plan::default();
            Stepped::default()
        };
        Ok(stepped)
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

    fn push(
        &mut self,
        buffer: &gst::BufferRef,
        frames: Range<usize>,
        pts: Option<ClockTime>,
        sink: Sink<'_>,
    ) -> Result<u64, InputError> {
        let Self { input: Some(input), clock, aligner, complaint, .. } = self else { return Ok(0) };
        let count = frames.len() as u64;
        let time = aligner.advance(pts.map(ClockTime::nseconds), count);
        clock.advance(time.map(ClockTime::from_nseconds), count);
        input.push(buffer, frames, &mut |samples| pass_on(samples, clock, sink))?;
        if input.take_cancelling() {
            *complaint = Some(Complaint::Cancelling);
        }
        Ok(input.take_invalid())
    }

    fn push_silence(&mut self, start: Option<ClockTime>, frames: u64, sink: Sink<'_>) {
        let Self { input: Some(input), clock, aligner, .. } = self else { return };
        let time = aligner.advance_gap(start.map(ClockTime::nseconds), frames);
        clock.advance(time.map(ClockTime::from_nseconds), frames);
        input.push_silence(frames, &mut |samples| pass_on(samples, clock, sink));
    }

    fn cut(&mut self, cut: Cut, sink: Sink<'_>) {
        if cut != Cut::Flush {
            self.drain(sink);
        }
        let piece = match cut {
            Cut::Break => Piece::Break,
            Cut::End => Piece::End,
            Cut::Flush => Piece::Flush,
        };
        sink(piece, &mut self.clock);
        self.forget();
    }

    fn change(&mut self, change: Change) -> Result<(), InputError> {
        match change {
            Change::Format(info) => self.set_format(&info),
            Change::Segment(segment, reverse) => {
                self.clock.set_segment(segment);
                self.aligner.begin_segment(reverse);
                Ok(())
            }
        }
    }

    fn set_format(&mut self, info: &gst_audio::AudioInfo) -> Result<(), InputError> {
        self.input = None;
        self.info = Some(info.clone());
        self.clock.set_rate(info.rate());
        self.aligner = Aligner::new(info.rate());
        self.aligner.begin_segment(self.is_reverse());
        self.input = Some(Input::new(info, self.channel, self.rate)?);
        Ok(())
    }

    /// Passes on the remaining samples of the resampler.
    pub fn drain(&mut self, sink: Sink<'_>) {
        let Self { input: Some(input), clock, .. } = self else { return };
        input.finish(&mut |samples| sink(Piece::Samples(samples), clock));
    }

    /// Discards audio and timestamps.
    pub fn forget(&mut self) {
        if let Some(input) = &mut self.input {
            input.reset();
        }
        self.clock.reset();
        self.aligner.restart();
    }

    /// Measures levels from now on, for [`Clock::level`].
    pub fn measure_levels(&mut self) {
        self.clock.enable_levels();
    }

    /// When the next buffers were, by a clock on the wall.
    pub fn set_wall_clock(&mut self, wall: WallClock) {
        self.clock.set_wall(wall);
    }

    /// The next problem to report, once.
    pub fn take_complaint(&mut self) -> Option<Complaint> {
        self.complaint.take()
    }

    /// Frames of input a second.
    #[must_use]
    pub fn input_rate(&self) -> u64 {
        self.clock.rate()
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
