// SPDX-License-Identifier: MIT OR Apache-2.0
//! Buffers, gaps, segments and stream starts → how they join, and which place and time each frame has; no samples.
//!
//! A place is the time of audio before a frame since the last flush, silence instead of missing audio included. Whatever
//! timestamps, rates and resets are, it only grows. `soundclassify` and `soundgate` use the same [`Timing`], so both count the
//! same places for the same stream.

use std::ops::Range;

use gst::ClockTime;

use super::align::{self, Aligner, Nonsense, Verdict};
use super::clock::Clock;

/// Maximum gap that is filled with silence. Hours of silence would take minutes of the streaming thread.
const MAX_GAP: ClockTime = ClockTime::from_seconds(60);
/// Maximum duration of a buffer; at a low sample rate, a few kilobytes are hours.
pub(super) const MAX_BUFFER: ClockTime = ClockTime::from_seconds(600);

/// What one buffer or event amounts to. The fields are worked through in their order.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) cut: Option<Cut>,
    /// Boxed: a plan is moved for each buffer, and caps are much larger than the rest.
    pub(super) change: Option<Box<Change>>,
    pub(super) silence: Silence,
    pub(super) audio: Range<usize>,
    pts: Option<ClockTime>,
    /// The end of the buffer is skipped.
    pub(super) is_too_long: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    Break,
    End,
    Flush,
}

#[derive(Debug)]
pub(super) enum Change {
    Format(gst_audio::AudioInfo),
    Segment(Option<gst::FormattedSegment<ClockTime>>),
}

#[derive(Debug, Default)]
pub(super) struct Silence {
    start: Option<ClockTime>,
    frames: u64,
}

/// At most one second of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Frames of silence.
    Silence(u64),
    /// Frames of the buffer.
    Audio(Range<usize>),
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

    /// Frames of the buffer that lie in the segment.
    pub(crate) fn inside(&self) -> Range<usize> {
        self.audio.clone()
    }

    /// Time by which timestamps say that it comes later than the audio before it ended, where it does not continue that.
    pub(crate) fn leap(&self, end: Option<u64>) -> u64 {
        match (self.cut, self.pts, end) {
            (Some(Cut::Break), Some(pts), Some(end)) => pts.nseconds().saturating_sub(end),
            _ => 0,
        }
    }
}

/// The place and the time of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Number of the frame, since the last change of the rate.
    pub(crate) frame: u64,
    /// Its timestamp, without jitter.
    pub(crate) time: ClockTime,
}

/// Where the frames of a stream lie.
#[derive(Debug)]
pub(crate) struct Timing {
    info: Option<gst_audio::AudioInfo>,
    pub(super) clock: Clock,
    aligner: Aligner,
    /// Rate and applied rate of the segment.
    playback: (f64, f64),
    stream: Option<String>,
    /// Place before the buffer or event that was planned last.
    passed: u64,
}

impl Timing {
    /// The timing of a stream that has no format yet.
    pub(crate) fn new() -> Self {
        Self {
            info: None,
            clock: Clock::new(1),
            aligner: Aligner::new(1),
            playback: (1.0, 1.0),
            stream: None,
            passed: 0,
        }
    }

    /// The current format.
    pub(super) fn info(&self) -> Option<&gst_audio::AudioInfo> {
        self.info.as_ref()
    }

    /// Whether this is the current format.
    pub(super) fn has_format(&self, info: &gst_audio::AudioInfo) -> bool {
        self.info.as_ref() == Some(info)
    }

    /// Whether the previous stream was different from `id`.
    pub(super) fn is_other_stream(&self, id: &str) -> bool {
        self.stream.as_ref().is_some_and(|before| before != id)
    }

    /// Rate of playback: 2.0 makes two seconds of audio one; below 0 backwards.
    pub(crate) fn playback_rate(&self) -> f64 {
        self.playback.0
    }

    /// Whether the segment is played backwards.
    pub(crate) fn is_reverse(&self) -> bool {
        self.playback.0 < 0.0
    }

    /// Why timestamps are ignored, if they are.
    pub(super) fn ignored(&self) -> Option<Nonsense> {
        self.aligner.ignored()
    }

    /// Place of the next frame.
    pub(crate) fn place(&self) -> u64 {
        self.clock.place()
    }

    /// Place of the first frame after the last change of the rate.
    pub(crate) fn place_of_format(&self) -> u64 {
        self.clock.place_of_format()
    }

    /// Place of the first frame that downstream has not got: that of the buffer or event that was planned last, or, after
    /// [`Self::pass`], that of the next one.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// What was planned is passed on.
    pub(super) fn pass(&mut self) {
        self.passed = self.place();
    }

    /// Where audio ended by its timestamps.
    pub(crate) fn end(&self) -> Option<u64> {
        self.aligner.end().and_then(|(end, _)| u64::try_from(end).ok())
    }

    /// Plans an event.
    pub(crate) fn plan_event(&mut self, event: &gst::EventRef) -> Plan {
        use gst::EventView;
        self.pass();
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
        if other { Plan::cut(Cut::End) } else { Plan::default() }
    }

    /// Plans new caps.
    pub(super) fn plan_format(&mut self, info: gst_audio::AudioInfo) -> Plan {
        self.pass();
        if self.has_format(&info) {
            return Plan::default();
        }
        Plan { cut: Some(Cut::Break), change: Some(Box::new(Change::Format(info))), ..Plan::default() }
    }

    fn plan_segment(&mut self, segment: &gst::Segment) -> Plan {
        let playback = (segment.rate(), segment.applied_rate());
        let cut = (self.playback != playback).then_some(Cut::Break);
        self.playback = playback;
        let time = segment.downcast_ref().cloned();
        Plan { cut, change: Some(Box::new(Change::Segment(time))), ..Plan::default() }
    }

    /// Plans a gap: silence for the part that no audio covers, inside the segment.
    fn plan_gap(&mut self, start: ClockTime, duration: ClockTime) -> Plan {
        if self.aligner.ignored().is_some() {
            return self.silence(None, duration);
        }
        let known = self.aligner.end().and_then(|(known, goes_on)| Some((u64::try_from(known).ok()?, goes_on)));
        let joins = |&(known, goes_on): &(u64, bool)| goes_on || known.abs_diff(start.nseconds()) <= align::JUMP as u64;
        let known = known.filter(joins).map(|(known, _)| ClockTime::from_nseconds(known));
        let first = known.map_or(start, |known| known.max(start));
        let Some((start, end)) = self.clock.clip(first, start.saturating_add(duration)) else { return Plan::default() };
        let verdict = self.aligner.judge_gap(start.nseconds());
        self.count_if_ignored();
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

    /// Plans a buffer of `all` frames.
    pub(crate) fn plan_buffer(&mut self, buffer: &gst::BufferRef, all: u64) -> Plan {
        self.pass();
        let ignored = self.aligner.ignored().is_some();
        let inside = self.clock.inside(buffer.pts().filter(|_| !ignored), all);
        let max = MAX_BUFFER.seconds() * self.clock.rate();
        let audio = inside.start..inside.end.min(inside.start.saturating_add(max));
        // What lies outside the segment joins nothing.
        if audio.is_empty() {
            return Plan::default();
        }
        let pts = buffer.pts().map(|pts| pts.saturating_add(self.clock.duration(audio.start)));
        let discont = buffer.flags().contains(gst::BufferFlags::DISCONT);
        let verdict = self.aligner.judge(pts.map(ClockTime::nseconds), audio.end - audio.start, discont);
        self.count_if_ignored();
        let is_too_long = audio.end < inside.end;
        if is_too_long {
            self.aligner.lose_rest();
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
        Plan { cut, change: None, silence, audio: audio.start as usize..audio.end as usize, pts, is_too_long }
    }

    fn count_if_ignored(&mut self) {
        if self.aligner.ignored().is_some() {
            self.clock.count_samples();
        }
    }

    /// Carries out a cut.
    pub(super) fn cut(&mut self, cut: Cut) {
        self.aligner.restart();
        match cut {
            Cut::Break => self.clock.reset(),
            Cut::End => self.clock.begin(),
            Cut::Flush => {
                self.clock.flush();
                self.passed = 0;
            }
        }
    }

    /// Carries out a change.
    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Format(info) => {
                self.clock.set_rate(info.rate());
                self.aligner = Aligner::new(info.rate());
                self.aligner.begin_segment(self.is_reverse());
                self.info = Some(info);
            }
            Change::Segment(segment) => {
                self.clock.set_segment(segment);
                self.aligner.begin_segment(self.is_reverse());
            }
        }
    }

    /// Counts the next part of a plan.
    pub(super) fn advance(&mut self, plan: &mut Plan) -> Option<Part> {
        let second = self.clock.rate();
        // A time moves on where more of the plan remains.
        let step = |clock: &Clock, time: &mut Option<ClockTime>, frames: u64, remains: bool| {
            let now = *time;
            if remains {
                *time = now.map(|time| time.saturating_add(clock.duration(frames)));
            }
            now.map(ClockTime::nseconds)
        };
        let (time, frames, part) = if plan.silence.frames > 0 {
            let frames = plan.silence.frames.min(second);
            plan.silence.frames -= frames;
            let start = step(&self.clock, &mut plan.silence.start, frames, plan.silence.frames > 0);
            (self.aligner.advance_gap(start, frames), frames, Part::Silence(frames))
        } else if plan.audio.is_empty() {
            return None;
        } else {
            let frames = (plan.audio.len() as u64).min(second);
            let range = plan.audio.start..plan.audio.start + frames as usize;
            plan.audio.start = range.end;
            let pts = step(&self.clock, &mut plan.pts, frames, !plan.audio.is_empty());
            (self.aligner.advance(pts, frames), frames, Part::Audio(range))
        };
        self.clock.advance(time.map(ClockTime::from_nseconds), frames);
        Some(part)
    }

    /// Carries out a whole plan, for callers that need no samples; gives the position of its audio's first frame.
    pub(crate) fn follow(&mut self, mut plan: Plan) -> Option<Position> {
        if let Some(cut) = plan.cut.take() {
            self.cut(cut);
        }
        if let Some(change) = plan.change.take() {
            self.change(*change);
        }
        let mut first = None;
        loop {
            let frames = self.clock.frames();
            match self.advance(&mut plan) {
                Some(Part::Audio(_)) if first.is_none() => first = Some(self.clock.position(frames)),
                Some(_) => {}
                None => break,
            }
        }
        self.clock.forget_past();
        first
    }

    /// The clock starts again, and the stream goes on.
    pub(super) fn reset(&mut self) {
        self.clock.reset();
    }
}
