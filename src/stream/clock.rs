// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sample positions → timestamp, stream time, running time.

use std::collections::VecDeque;
use std::ops::Range;

use gst::ClockTime;
use gst::prelude::*;

/// A timestamp this far from where the previous buffer ended starts everything anew.
const JUMP: ClockTime = ClockTime::from_mseconds(40);
/// Timestamps that drift this far from the count of samples move the anchor; below, the count is the better clock.
const DRIFT: ClockTime = ClockTime::from_mseconds(10);
/// Timestamps that stay this long beside the count of samples have come to stay.
const SETTLED: ClockTime = ClockTime::from_seconds(1);
/// So much may be lost: a packet or a few, whose place silence takes. Networks learn with as much erased.
const MOST_LOST: ClockTime = ClockTime::from_mseconds(200);
/// Less is rounding, and no packet is so short.
const LEAST_LOST: ClockTime = ClockTime::from_useconds(500);

/// Times of one window's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Presentation time; counts from 0 when the buffers have none.
    pub timestamp: ClockTime,
    /// Stream time, if the buffers have timestamps in a TIME segment.
    pub stream_time: Option<ClockTime>,
    /// Running time, likewise.
    pub running_time: Option<ClockTime>,
}

/// How a buffer joins those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// It goes on where the last one ended.
    Continuous,
    /// A hole of known length, from here on.
    Lost(ClockTime, ClockTime),
    /// There is a hole or an overlap of more than 40 ms, or nobody knows of what length.
    Jump,
}

/// Counts input frames since the last reset and knows which timestamp belongs to which.
#[derive(Debug)]
pub struct Clock {
    rate: u64,
    frames: u64,
    anchors: VecDeque<Anchor>,
    end: Option<ClockTime>,
    /// Where audio ended before the silence that came last in place of what is missing. What an element before still held
    /// may come behind it.
    gap: Option<ClockTime>,
    line: Option<Line>,
    segment: Option<gst::FormattedSegment<ClockTime>>,
    segment_is_new: bool,
}

/// Where timestamps lie by the count of samples. Those of a source that delivers in bursts are far from the end of the
/// buffer before, again and again, and yet on the line.
#[derive(Debug)]
struct Line {
    frame: u64,
    pts: ClockTime,
    /// The first frame beside it, if the last ones were.
    beside: Option<u64>,
}

/// From this frame on, timestamps count from here and belong to this segment.
#[derive(Debug, Clone)]
struct Anchor {
    frame: u64,
    pts: ClockTime,
    segment: Option<gst::FormattedSegment<ClockTime>>,
}

impl Clock {
    /// A clock for audio of `rate` frames per second.
    #[must_use]
    pub fn new(rate: u32, segment: Option<gst::FormattedSegment<ClockTime>>) -> Self {
        Self {
            rate: rate.into(),
            frames: 0,
            anchors: VecDeque::new(),
            end: None,
            gap: None,
            line: None,
            segment,
            segment_is_new: false,
        }
    }

    /// Starts counting at 0 again.
    pub fn reset(&mut self) {
        self.frames = 0;
        self.anchors.clear();
        self.end = None;
        self.gap = None;
        self.line = None;
    }

    /// Frames per second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// Audio of another rate comes from now on; nothing of the old one may be under way.
    pub fn set_rate(&mut self, rate: u32) {
        self.reset();
        self.rate = rate.into();
    }

    /// The segment that the next buffers belong to; `None` when it is not in time.
    pub fn set_segment(&mut self, segment: Option<gst::FormattedSegment<ClockTime>>) {
        self.segment = segment;
        self.segment_is_new = true;
    }

    /// Whether audio that starts at `pts` joins what came before.
    #[must_use]
    pub fn continuity(&self, pts: Option<ClockTime>) -> Continuity {
        match (self.end, pts) {
            (_, Some(pts)) if self.is_overtaken(pts) => Continuity::Continuous,
            (Some(end), Some(pts)) if end.absdiff(pts) > JUMP && self.is_beside_line(pts) => Continuity::Jump,
            _ => Continuity::Continuous,
        }
    }

    /// The same for audio that is said not to join what came before: as after a lost packet, which timestamps or a gap
    /// may account for.
    #[must_use]
    pub fn continuity_after_loss(&self, pts: Option<ClockTime>) -> Continuity {
        let (Some(end), Some(pts)) = (self.end, pts) else { return Continuity::Jump };
        match pts.checked_sub(end) {
            _ if self.is_overtaken(pts) => Continuity::Continuous,
            _ if self.gap.is_some() && end.absdiff(pts) <= JUMP => Continuity::Continuous,
            Some(lost) if (LEAST_LOST..=MOST_LOST).contains(&lost) => Continuity::Lost(end, lost),
            _ => Continuity::Jump,
        }
    }

    /// Frames of a buffer that starts at `pts` which lie in the segment. All do where either is not known.
    #[must_use]
    pub fn inside(&self, pts: Option<ClockTime>, frames: u64) -> Range<u64> {
        let (Some(segment), Some(pts)) = (&self.segment, pts) else { return 0..frames };
        let end = pts.saturating_add(self.duration(frames));
        let Some((Some(first), Some(last))) = segment.clip(pts, end) else { return 0..0 };
        // Rounded up: what begins before the segment has no running time.
        let skipped = first.saturating_sub(pts).nseconds().mul_div_ceil(self.rate, ClockTime::SECOND.nseconds());
        let skipped = skipped.unwrap_or(frames).min(frames);
        let left = if last < end { self.frames_in(last.saturating_sub(pts)) } else { frames };
        skipped..left.clamp(skipped, frames)
    }

    /// The part of a gap from `start` on that lies in the segment and in which nothing came; none if that is nothing.
    #[must_use]
    pub fn missing(&self, start: ClockTime, duration: ClockTime) -> Option<(ClockTime, ClockTime)> {
        let mut end = start.saturating_add(duration);
        let joins = |known: &ClockTime| self.gap.is_some() || known.absdiff(start) <= JUMP;
        let mut first = self.end.filter(joins).map_or(start, |known| known.max(start));
        if let Some(segment) = &self.segment {
            let (Some(from), Some(to)) = segment.clip(first, end.max(first))? else { return None };
            (first, end) = (from, to);
        }
        end.checked_sub(first).filter(|left| !left.is_zero()).map(|left| (first, left))
    }

    // Audio that goes on where it ended before a gap, and comes after that.
    fn is_overtaken(&self, pts: ClockTime) -> bool {
        self.gap.is_some_and(|gap| gap.absdiff(pts) <= DRIFT)
    }

    /// Counts `frames` that start at `pts`.
    pub fn advance(&mut self, pts: Option<ClockTime>, frames: u64) {
        // What was overtaken takes its place behind the silence, and moves no time.
        let pts = pts.filter(|&pts| !self.is_overtaken(pts));
        let gap = self.gap.filter(|_| pts.is_none());
        if let Some(pts) = pts {
            let drifted = self.pts_of(self.frames).is_none_or(|expected| expected.absdiff(pts) > DRIFT);
            if drifted || self.segment_is_new {
                self.anchors.push_back(Anchor { frame: self.frames, pts, segment: self.segment.clone() });
                self.segment_is_new = false;
            }
        }
        self.follow(pts);
        let start = pts.or(self.end);
        self.frames += frames;
        self.end = start.map(|start| start.saturating_add(self.duration(frames)));
        self.gap = gap;
    }

    /// Counts `frames` of silence in place of audio that is missing.
    pub fn advance_gap(&mut self, pts: ClockTime, frames: u64) {
        let gap = self.gap.or(self.end).unwrap_or(pts);
        self.advance(Some(pts), frames);
        self.gap = Some(gap);
    }

    // The line moves to timestamps that stay beside it.
    fn follow(&mut self, pts: Option<ClockTime>) {
        let Some(pts) = pts else { return };
        let (beside, frames) = (self.is_beside_line(pts), self.frames);
        let first = match &mut self.line {
            Some(line) if beside => *line.beside.get_or_insert(frames),
            Some(line) => return line.beside = None,
            None => 0,
        };
        if self.line.is_none() || self.duration(frames - first) >= SETTLED {
            self.line = Some(Line { frame: frames, pts, beside: None });
        }
    }

    fn is_beside_line(&self, pts: ClockTime) -> bool {
        self.line.as_ref().is_none_or(|line| {
            let expected = line.pts.saturating_add(self.duration(self.frames - line.frame));
            expected.absdiff(pts) > JUMP
        })
    }

    /// Times of analysis sample `position` at `analysis_rate` Hz. Positions must not fall from call to call, so
    /// that anchors that nothing needs any more can go.
    pub fn times(&mut self, position: u64, analysis_rate: u32) -> Times {
        let offset = scale(position, ClockTime::SECOND.nseconds(), analysis_rate.into());
        while self.anchors.get(1).is_some_and(|next| self.duration(next.frame) <= offset) {
            self.anchors.pop_front();
        }
        let Some(anchor) = self.anchors.front() else {
            return Times { timestamp: offset, stream_time: None, running_time: None };
        };
        let timestamp = anchor.pts.saturating_add(offset.saturating_sub(self.duration(anchor.frame)));
        let segment = anchor.segment.as_ref();
        Times {
            timestamp,
            stream_time: segment.and_then(|segment| segment.to_stream_time(timestamp)),
            running_time: segment.and_then(|segment| segment.to_running_time(timestamp)),
        }
    }

    fn pts_of(&self, frame: u64) -> Option<ClockTime> {
        let anchor = self.anchors.back()?;
        Some(anchor.pts.saturating_add(self.duration(frame - anchor.frame)))
    }

    /// Frames that take `duration`.
    #[must_use]
    pub fn frames_in(&self, duration: ClockTime) -> u64 {
        duration.nseconds().mul_div_round(self.rate, ClockTime::SECOND.nseconds()).unwrap_or(0)
    }

    /// Time that `frames` take.
    #[must_use]
    pub fn duration(&self, frames: u64) -> ClockTime {
        scale(frames, ClockTime::SECOND.nseconds(), self.rate)
    }
}

fn scale(value: u64, numerator: u64, denominator: u64) -> ClockTime {
    ClockTime::from_nseconds(value.mul_div_floor(numerator, denominator).unwrap_or(u64::MAX - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        gst::init().unwrap();
        Clock::new(44100, Some(gst::FormattedSegment::new()))
    }

    fn ms(value: u64) -> ClockTime {
        ClockTime::from_mseconds(value)
    }

    #[test]
    fn first_timestamp_is_the_origin() {
        let mut clock = clock();
        clock.advance(Some(ms(1500)), 44100);
        assert_eq!(clock.times(16000, 16000).timestamp, ms(2500));
    }

    #[test]
    fn rounding_of_timestamps_never_moves_the_grid() {
        let mut clock = clock();
        for buffer in 0..100_000u64 {
            let pts = scale(buffer * 441, ClockTime::SECOND.nseconds(), 44100) + ClockTime::from_mseconds(buffer % 3);
            clock.advance(Some(pts), 441);
        }
        assert_eq!(clock.times(44_100 * 900, 44100).timestamp, ClockTime::from_seconds(900));
        assert_eq!(clock.anchors.len(), 1);
    }

    #[test]
    fn jump_of_more_than_40_ms_is_told() {
        let mut clock = clock();
        clock.advance(Some(ms(0)), 4410);
        assert_eq!(clock.continuity(Some(ms(140))), Continuity::Continuous);
        assert_eq!(clock.continuity(Some(ms(141))), Continuity::Jump);
        assert_eq!(clock.continuity(Some(ms(59))), Continuity::Jump);
        assert_eq!(clock.continuity(None), Continuity::Continuous);
    }

    #[test]
    fn bursts_are_on_the_line() {
        let mut clock = clock();
        // Ten buffers of 10 ms at once, each stamped with its arrival, for ten seconds and at a rate 0.2 % off.
        for buffer in 0..1000 {
            let pts = ClockTime::from_useconds(buffer / 10 * 100_200 + buffer % 10 * 20);
            assert_eq!(clock.continuity(Some(pts)), Continuity::Continuous, "{buffer}");
            clock.advance(Some(pts), 441);
        }
        let end = clock.end.unwrap();
        assert_eq!(clock.continuity(Some(end + ms(200))), Continuity::Jump);
    }

    #[test]
    fn losses_of_up_to_200_ms_are_known() {
        let mut clock = clock();
        clock.advance(Some(ms(0)), 4410);
        for (pts, expected) in [
            (Some(ms(100)), Continuity::Jump),
            (Some(ms(99)), Continuity::Jump),
            (Some(ms(101)), Continuity::Lost(ms(100), ms(1))),
            (Some(ms(300)), Continuity::Lost(ms(100), ms(200))),
            (Some(ms(301)), Continuity::Jump),
            (None, Continuity::Jump),
        ] {
            assert_eq!(clock.continuity_after_loss(pts), expected, "{pts:?}");
        }
        clock.advance_gap(ms(100), 4410);
        for (pts, expected) in
            [(200, Continuity::Continuous), (240, Continuity::Continuous), (241, Continuity::Lost(ms(200), ms(41)))]
        {
            assert_eq!(clock.continuity_after_loss(Some(ms(pts))), expected, "{pts}");
        }
        clock.advance(Some(ms(200)), 4410);
        assert_eq!(clock.continuity_after_loss(Some(ms(300))), Continuity::Jump);
    }

    #[test]
    fn what_a_gap_overtook_joins_and_moves_no_time() {
        let mut clock = clock();
        clock.advance(Some(ms(0)), 44100);
        clock.advance_gap(ms(1005), 44100 * 60 / 1000);
        for pts in [990, 1000, 1010, 1064] {
            assert_eq!(clock.continuity(Some(ms(pts))), Continuity::Continuous, "{pts}");
        }
        assert_eq!(clock.continuity(Some(ms(900))), Continuity::Jump);
        clock.advance(Some(ms(1000)), 44100 * 5 / 1000);
        assert_eq!(clock.continuity_after_loss(Some(ms(1065))), Continuity::Continuous);
        assert_eq!(clock.times(44100, 44100).timestamp, ms(1000));
        // The same gap told twice, and one that goes on.
        assert_eq!(clock.missing(ms(1005), ms(60)), None);
        assert_eq!(clock.missing(ms(1005), ms(160)).map(|(_, left)| left.mseconds()), Some(95));
    }

    #[test]
    fn gaps_end_with_the_segment() {
        let mut clock = clock();
        let mut segment = gst::FormattedSegment::<ClockTime>::new();
        segment.set_start(ms(1000));
        segment.set_stop(ms(3000));
        clock.set_segment(Some(segment));
        assert_eq!(clock.missing(ms(0), ms(900)), None);
        assert_eq!(clock.missing(ms(0), ms(1500)), Some((ms(1000), ms(500))));
        assert_eq!(clock.missing(ms(2500), ms(60_000)), Some((ms(2500), ms(500))));
        assert_eq!(clock.missing(ms(3500), ms(10)), None);
    }

    #[test]
    fn frames_outside_the_segment_are_known() {
        let mut clock = clock();
        let mut segment = gst::FormattedSegment::<ClockTime>::new();
        segment.set_start(ms(1000));
        segment.set_stop(ms(3000));
        clock.set_segment(Some(segment));
        for (pts, inside) in [(0, 0..0), (500, 22050..44100), (1500, 0..44100), (2500, 0..22050), (3500, 0..0)] {
            assert_eq!(clock.inside(Some(ms(pts)), 44100), inside, "{pts}");
        }
        assert_eq!(clock.inside(None, 10), 0..10);
        clock.set_segment(None);
        assert_eq!(clock.inside(Some(ms(0)), 10), 0..10);
    }

    #[test]
    fn slow_drift_moves_the_anchor_without_a_jump() {
        let mut clock = clock();
        let mut pts = ms(0);
        for _ in 0..1000 {
            assert_eq!(clock.continuity(Some(pts)), Continuity::Continuous);
            clock.advance(Some(pts), 441);
            pts += ClockTime::from_useconds(10_050);
        }
        let told = clock.times(999 * 441, 44100).timestamp;
        assert!(told.absdiff(ClockTime::from_useconds(999 * 10_050)) <= DRIFT, "{told}");
    }

    #[test]
    fn without_timestamps_samples_count() {
        let mut clock = clock();
        clock.advance(None, 44100);
        let times = clock.times(44100, 44100);
        assert_eq!(times, Times { timestamp: ms(1000), stream_time: None, running_time: None });
    }

    #[test]
    fn segment_gives_stream_and_running_time() {
        let mut clock = clock();
        let mut segment = gst::FormattedSegment::<ClockTime>::new();
        segment.set_rate(2.0);
        segment.set_start(ms(1000));
        segment.set_time(ms(5000));
        segment.set_base(ms(300));
        clock.set_segment(Some(segment));
        clock.advance(Some(ms(1000)), 88200);
        let times = clock.times(16000, 16000);
        assert_eq!((times.stream_time, times.running_time), (Some(ms(6000)), Some(ms(800))));
    }

    #[test]
    fn reverse_playback_runs_from_the_end() {
        let mut clock = clock();
        let mut segment = gst::FormattedSegment::<ClockTime>::new();
        segment.set_rate(-1.0);
        segment.set_start(ms(0));
        segment.set_stop(ms(10_000));
        segment.set_time(ms(0));
        clock.set_segment(Some(segment));
        clock.advance(Some(ms(8000)), 88200);
        assert_eq!(clock.times(0, 16000).running_time, Some(ms(2000)));
    }

    #[test]
    fn windows_before_a_new_segment_keep_the_old_one() {
        let mut clock = clock();
        clock.advance(Some(ms(0)), 44100);
        let mut next = gst::FormattedSegment::<ClockTime>::new();
        next.set_base(ms(1000));
        clock.set_segment(Some(next));
        assert_eq!(clock.times(22050, 44100).running_time, Some(ms(500)));
        clock.advance(Some(ms(0)), 44100);
        assert_eq!(clock.times(22050, 44100).running_time, Some(ms(500)));
        assert_eq!(clock.times(44100, 44100).running_time, Some(ms(1000)));
    }

    #[test]
    fn the_end_of_time_is_no_new_beginning() {
        let mut clock = clock();
        clock.advance(Some(ClockTime::MAX), 44100);
        assert_eq!(clock.times(44100, 44100).timestamp, ClockTime::MAX);
    }

    #[test]
    fn days_are_exact() {
        let mut clock = clock();
        clock.advance(Some(ms(0)), 1);
        let week = 7 * 86_400u64;
        assert_eq!(clock.times(week * 44_100, 44_100).timestamp, ClockTime::from_seconds(week));
    }
}
