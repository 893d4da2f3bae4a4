// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sample positions → timestamp, stream time, running time, UTC, place, and the power there.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use gst::ClockTime;
use gst::prelude::*;

use super::meter::{Meter, Power};
use super::scale;
use super::timing::Position;

/// Timestamps that drift this far from the count of samples move the anchor; below, the count is the better clock.
const DRIFT: ClockTime = ClockTime::from_mseconds(10);
/// Smaller differences between this machine's clock on the wall and the pipeline's clock are ignored.
const WALL_JITTER: ClockTime = ClockTime::from_mseconds(20);
/// The clock on the wall is read once in this many seconds of audio.
const WALL_EVERY: u64 = 10;

/// Times of one window's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Presentation time; counts from 0 when the buffers have none.
    pub timestamp: ClockTime,
    /// Stream time, if the buffers have timestamps in a TIME segment.
    pub stream_time: Option<ClockTime>,
    /// Running time, likewise.
    pub running_time: Option<ClockTime>,
    /// Time since 1970 in UTC, where the source is live.
    pub utc: Option<ClockTime>,
    /// Audio before it since the last flush, ns.
    pub place: u64,
}

/// A position of the analysis signal, from which [`Times`] are computed where they are needed, not on the streaming thread.
#[derive(Debug, Clone)]
pub struct Moment {
    /// Since the last reset.
    offset: ClockTime,
    place: u64,
    /// Time at that place, if buffers have no timestamps.
    time: ClockTime,
    anchor: Option<Arc<Anchor>>,
    wall: WallClock,
}

/// What UTC is, ns since 1970 that lie before other times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WallClock {
    /// It is not known, as in a file.
    #[default]
    Unknown,
    /// Since timestamp 0, by the source itself.
    Timestamp(i128),
    /// Since running time 0, by this machine.
    RunningTime(i128),
}

/// Counts input frames since the last reset and knows which timestamp, place and power belongs to which.
#[derive(Debug)]
pub struct Clock {
    rate: u64,
    frames: u64,
    /// Place of the first frame since the last change of the rate, ns, and frames from there to the last reset.
    before: (u64, u64),
    /// Place at which the stream began: time 0 if buffers have no timestamps.
    begun: u64,
    anchors: VecDeque<Arc<Anchor>>,
    /// The first timestamp of the segment and its place.
    first: Option<(u64, Arc<Anchor>)>,
    /// Timestamps are ignored.
    counts_samples: bool,
    segment: Option<gst::FormattedSegment<ClockTime>>,
    segment_is_new: bool,
    wall: WallClock,
    /// Frame at which it should be read again.
    wall_due: u64,
    meter: Meter,
}

/// From this frame on, timestamps count from here and belong to this segment.
#[derive(Debug, Clone)]
struct Anchor {
    frame: u64,
    /// Time of that frame since the last reset.
    offset: ClockTime,
    pts: ClockTime,
    segment: Option<gst::FormattedSegment<ClockTime>>,
}

impl Clock {
    /// A clock for audio of `rate` frames per second.
    pub(crate) fn new(rate: u32) -> Self {
        Self {
            rate: rate.max(1).into(),
            frames: 0,
            before: (0, 0),
            begun: 0,
            anchors: VecDeque::new(),
            first: None,
            counts_samples: false,
            segment: None,
            segment_is_new: false,
            wall: WallClock::Unknown,
            wall_due: 0,
            meter: Meter::default(),
        }
    }

    /// Keeps what [`Clock::power`] needs.
    pub(super) fn enable_levels(&mut self) {
        self.meter.enable();
    }

    /// Takes the next frames, mixed.
    pub(super) fn measure(&mut self, mono: &[f32]) {
        self.meter.push(mono);
    }

    /// What UTC is from now on. Two readings of this machine's clock differ a little each time, and the first one stays. The
    /// source's own clock stays until another stream begins, for not every buffer may have a reading.
    pub(super) fn set_wall(&mut self, wall: WallClock) {
        self.wall_due = self.frames + WALL_EVERY * self.rate;
        self.wall = match (self.wall, wall) {
            (WallClock::Timestamp(own), WallClock::RunningTime(_) | WallClock::Unknown) => WallClock::Timestamp(own),
            (WallClock::RunningTime(before), WallClock::RunningTime(now))
                if (before - now).abs() < i128::from(WALL_JITTER.nseconds()) =>
            {
                WallClock::RunningTime(before)
            }
            _ => wall,
        };
    }

    /// Whether what UTC is should be read again: it is unknown, or was read long enough ago.
    pub(super) fn wants_wall(&self) -> bool {
        self.wall == WallClock::Unknown || self.frames >= self.wall_due
    }

    /// Power of `length` analysis samples from `position` on, at `analysis_rate` Hz, as far as their frames have come.
    /// Positions must not fall from call to call.
    pub fn power(&mut self, position: u64, length: u64, analysis_rate: u32) -> Power {
        let frame = |sample: u64| scale::at_rate(sample, analysis_rate.into(), self.rate);
        let span = frame(position)..frame(position.saturating_add(length));
        self.meter.power(span)
    }

    /// Frames per second.
    pub(super) fn rate(&self) -> u64 {
        self.rate
    }

    /// Starts counting frames at 0 again; the stream goes on.
    pub(super) fn reset(&mut self) {
        self.before.1 += self.frames;
        (self.frames, self.wall_due) = (0, 0);
        self.anchors.clear();
        self.meter.reset();
        if self.counts_samples {
            self.count_from_first();
        }
    }

    /// Resets the clock at the beginning of a new stream.
    pub(super) fn begin(&mut self) {
        self.reset();
        (self.begun, self.wall) = (self.place(), WallClock::Unknown);
    }

    /// Resets the clock after a flush; places count from 0 again.
    pub(super) fn flush(&mut self) {
        self.reset();
        self.anchors.clear();
        (self.before, self.begun) = ((0, 0), 0);
        (self.first, self.counts_samples, self.wall) = (None, false, WallClock::Unknown);
    }

    /// Audio of another rate comes from now on; nothing of the old one may be under way.
    pub(super) fn set_rate(&mut self, rate: u32) {
        self.counts_samples = false;
        self.reset();
        self.before = (self.place(), 0);
        self.rate = rate.max(1).into();
    }

    /// Frames since the last reset.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Place of the next frame.
    pub(super) fn place(&self) -> u64 {
        self.place_of(self.frames)
    }

    /// Place of the first frame after the last change of the rate.
    pub(super) fn place_of_format(&self) -> u64 {
        self.before.0
    }

    fn place_of(&self, frame: u64) -> u64 {
        self.before.0.saturating_add(self.duration(self.before.1 + frame).nseconds())
    }

    /// The position of a frame of the newest audio, counted since the last reset.
    pub(super) fn position(&self, frame: u64) -> Position {
        let time = self.pts_of(frame).unwrap_or_else(|| self.time_without_timestamps(self.place_of(frame)));
        Position { frame: self.before.1 + frame, time }
    }

    /// Nothing before the next frame is asked for.
    pub(super) fn forget_past(&mut self) {
        self.anchors.drain(..self.anchors.len().saturating_sub(1));
    }

    fn time_without_timestamps(&self, place: u64) -> ClockTime {
        ClockTime::from_nseconds(place.saturating_sub(self.begun).min(u64::MAX - 1))
    }

    /// The segment that the next buffers belong to; `None` when it is not in time.
    pub(super) fn set_segment(&mut self, segment: Option<gst::FormattedSegment<ClockTime>>) {
        self.segment = segment;
        self.segment_is_new = true;
        (self.first, self.counts_samples) = (None, false);
    }

    /// Samples count from the segment's first timestamp on; those that followed were wrong.
    pub(super) fn count_samples(&mut self) {
        if !std::mem::replace(&mut self.counts_samples, true) {
            self.count_from_first();
        }
    }

    fn count_from_first(&mut self) {
        let Some((place, first)) = self.first.as_ref() else { return };
        let start = self.place_of(0);
        let frame = self.frames_in(ClockTime::from_nseconds(place.saturating_sub(start)));
        let pts = first.pts.saturating_add(ClockTime::from_nseconds(start.saturating_sub(*place)));
        let anchor = Anchor { frame, offset: self.duration(frame), pts, segment: first.segment.clone() };
        self.anchors.retain(|anchor| anchor.frame < frame);
        self.anchors.push_back(Arc::new(anchor));
    }

    /// Frames of a buffer that starts at `pts` which lie in the segment. All do where either is not known.
    pub(super) fn inside(&self, pts: Option<ClockTime>, frames: u64) -> Range<u64> {
        let (Some(segment), Some(pts)) = (&self.segment, pts) else { return 0..frames };
        let end = pts.saturating_add(self.duration(frames));
        let is_whole = Some(pts) >= segment.start() && segment.stop().is_none_or(|stop| end <= stop);
        if is_whole && end > pts { 0..frames } else { self.clipped(segment, pts, end, frames) }
    }

    #[cold]
    fn clipped(
        &self,
        segment: &gst::FormattedSegment<ClockTime>,
        pts: ClockTime,
        end: ClockTime,
        frames: u64,
    ) -> Range<u64> {
        let Some((Some(first), Some(last))) = segment.clip(pts, end) else { return 0..0 };
        // Rounded up: what begins before the segment has no running time.
        let skipped = first.saturating_sub(pts).nseconds().mul_div_ceil(self.rate, ClockTime::SECOND.nseconds());
        let skipped = skipped.unwrap_or(frames).min(frames);
        let left = if last < end { self.frames_in(last.saturating_sub(pts)) } else { frames };
        skipped..left.clamp(skipped, frames)
    }

    /// The part of a span of time that lies in the segment; none if that is nothing.
    pub(super) fn clip(&self, start: ClockTime, end: ClockTime) -> Option<(ClockTime, ClockTime)> {
        let (start, end) = match &self.segment {
            Some(segment) => match segment.clip(start, end.max(start))? {
                (Some(from), Some(to)) => (from, to),
                _ => return None,
            },
            None => (start, end),
        };
        (end > start).then_some((start, end))
    }

    /// Counts `frames`, the first of which was at `time`.
    pub(super) fn advance(&mut self, time: Option<ClockTime>, frames: u64) {
        if let Some(pts) = time {
            let drifted = self.pts_of(self.frames).is_none_or(|expected| expected.absdiff(pts) > DRIFT);
            if drifted || self.segment_is_new {
                self.drop_anchor(pts);
            }
        }
        self.frames += frames;
    }

    // Timestamps count from the next frame on.
    #[cold]
    fn drop_anchor(&mut self, pts: ClockTime) {
        let (frame, segment) = (self.frames, self.segment.clone());
        let anchor = Arc::new(Anchor { frame, offset: self.duration(frame), pts, segment });
        let place = self.place();
        self.first.get_or_insert_with(|| (place, Arc::clone(&anchor)));
        self.anchors.push_back(anchor);
        self.segment_is_new = false;
    }

    /// The moment of analysis sample `position` at `analysis_rate` Hz. Positions must not fall from call to call, so
    /// that anchors that nothing needs any more can go.
    pub fn moment(&mut self, position: u64, analysis_rate: u32) -> Moment {
        let offset = scale::duration(position, analysis_rate.into());
        while self.anchors.get(1).is_some_and(|next| next.offset <= offset) {
            self.anchors.pop_front();
        }
        self.moment_of(offset, self.anchors.front())
    }

    /// The moment of a position that is not before that of the last call of [`Clock::moment`], if [`Moment::ahead`] is
    /// not enough because timestamps count from a different frame there.
    #[must_use]
    pub fn moment_ahead(&self, position: u64, analysis_rate: u32) -> Option<Box<Moment>> {
        if self.anchors.len() <= 1 {
            return None;
        }
        let offset = scale::duration(position, analysis_rate.into());
        let anchor = self.anchors.range(1..).rev().find(|anchor| anchor.offset <= offset)?;
        Some(Box::new(self.moment_of(offset, Some(anchor))))
    }

    fn moment_of(&self, offset: ClockTime, anchor: Option<&Arc<Anchor>>) -> Moment {
        let place = self.place_of(0).saturating_add(offset.nseconds());
        let time = self.time_without_timestamps(place);
        Moment { offset, place, time, anchor: anchor.cloned(), wall: self.wall }
    }

    fn pts_of(&self, frame: u64) -> Option<ClockTime> {
        let anchor = self.anchors.back()?;
        Some(anchor.pts.saturating_add(self.duration(frame - anchor.frame)))
    }

    /// Frames that take `duration`.
    pub(super) fn frames_in(&self, duration: ClockTime) -> u64 {
        scale::count(duration, self.rate)
    }

    /// Time that `frames` take.
    pub(super) fn duration(&self, frames: u64) -> ClockTime {
        scale::duration(frames, self.rate)
    }
}

impl Moment {
    /// The moment that is `offset` after the last reset, and not before this one.
    #[must_use]
    pub fn ahead(&self, offset: ClockTime) -> Self {
        let later = offset.saturating_sub(self.offset);
        let (place, time) = (self.place.saturating_add(later.nseconds()), self.time.saturating_add(later));
        Self { offset, place, time, ..self.clone() }
    }

    /// Its times.
    #[must_use]
    pub fn times(&self) -> Times {
        let place = self.place;
        let Some(anchor) = &self.anchor else {
            return Times { timestamp: self.time, stream_time: None, running_time: None, utc: None, place };
        };
        let timestamp = anchor.pts.saturating_add(self.offset.saturating_sub(anchor.offset));
        let segment = anchor.segment.as_ref();
        let running_time = segment.filter(|it| has_running_time(it)).and_then(|it| it.to_running_time(timestamp));
        Times {
            timestamp,
            stream_time: segment.filter(|it| has_stream_time(it)).and_then(|it| it.to_stream_time(timestamp)),
            running_time,
            utc: self.wall.utc(timestamp, running_time),
            place,
        }
    }
}

impl WallClock {
    fn utc(self, timestamp: ClockTime, running_time: Option<ClockTime>) -> Option<ClockTime> {
        let (offset, time) = match self {
            Self::Unknown => return None,
            Self::Timestamp(offset) => (offset, timestamp),
            Self::RunningTime(offset) => (offset, running_time?),
        };
        u64::try_from(offset + i128::from(time.nseconds())).ok().and_then(|utc| ClockTime::try_from(utc).ok())
    }
}

// Backwards, times count from the segment's end; GStreamer reports a segment without an end as a bug of the caller.
fn has_running_time(segment: &gst::FormattedSegment<ClockTime>) -> bool {
    segment.rate() > 0.0 || segment.stop().is_some_and(|stop| segment.offset().is_none_or(|offset| stop >= offset))
}

fn has_stream_time(segment: &gst::FormattedSegment<ClockTime>) -> bool {
    segment.applied_rate() > 0.0 || segment.stop().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Level;

    fn clock() -> Clock {
        gst::init().unwrap();
        let mut clock = Clock::new(44100);
        clock.set_segment(Some(gst::FormattedSegment::new()));
        clock
    }

    fn ms(value: u64) -> ClockTime {
        ClockTime::from_mseconds(value)
    }

    #[test]
    fn the_first_timestamp_is_the_origin() {
        let mut clock = clock();
        clock.advance(Some(ms(1500)), 44100);
        assert_eq!(clock.moment(16000, 16000).times().timestamp, ms(2500));
    }

    #[test]
    fn rounding_of_timestamps_never_moves_the_grid() {
        let mut clock = clock();
        for buffer in 0..100_000u64 {
            let pts = scale::duration(buffer * 441, 44100) + ms(buffer % 3);
            clock.advance(Some(pts), 441);
        }
        assert_eq!(clock.moment(44_100 * 900, 44100).times().timestamp, ClockTime::from_seconds(900));
        assert_eq!(clock.anchors.len(), 1);
    }

    #[test]
    fn slow_drift_moves_the_anchor() {
        let mut clock = clock();
        (0..1000).for_each(|buffer| clock.advance(Some(ClockTime::from_useconds(buffer * 10_050)), 441));
        let timestamp = clock.moment(999 * 441, 44100).times().timestamp;
        assert!(timestamp.absdiff(ClockTime::from_useconds(999 * 10_050)) <= DRIFT, "{timestamp}");
    }

    #[test]
    fn a_moment_ahead_is_that_of_its_position() {
        let clocks: [fn(&mut Clock); 4] = [
            |clock| clock.advance(None, 3 * 44100),
            |clock| clock.advance(Some(ms(1500)), 3 * 44100),
            |clock| {
                clock.advance(Some(ms(1500)), 44100);
                clock.advance(Some(ms(5000)), 2 * 44100);
            },
            |clock| {
                clock.advance(Some(ms(1500)), 44100);
                clock.set_segment(None);
                clock.advance(Some(ms(2500)), 2 * 44100);
            },
        ];
        for fill in clocks {
            let filled = || {
                let mut clock = clock();
                fill(&mut clock);
                clock
            };
            for (begin, ahead) in [(0, 0), (0, 15_999), (0, 16_000), (4000, 20_000), (16_000, 16_000), (20_000, 47_999)]
            {
                let mut clock = filled();
                let begin = clock.moment(begin, 16000);
                let offset = scale::duration(ahead, 16000);
                let found = clock.moment_ahead(ahead, 16000).map_or_else(|| begin.ahead(offset), |moment| *moment);
                assert_eq!(found.times(), filled().moment(ahead, 16000).times(), "{ahead}");
            }
        }
    }

    #[test]
    fn without_timestamps_samples_count() {
        let mut clock = clock();
        clock.advance(None, 44100);
        let times = clock.moment(44100, 44100).times();
        let place = 1_000_000_000;
        assert_eq!(times, Times { timestamp: ms(1000), stream_time: None, running_time: None, utc: None, place });
    }

    #[test]
    fn timestamps_that_are_ignored_count_from_the_first() {
        let mut clock = clock();
        (0..10).for_each(|_| clock.advance(Some(ms(500)), 44100));
        clock.count_samples();
        assert_eq!(clock.moment(9 * 44100, 44100).times().timestamp, ms(9500));
    }

    #[test]
    fn they_do_so_across_resets_until_a_segment_is_believed() {
        let mut clock = clock();
        for _ in 0..3 {
            clock.advance(Some(ms(500)), 44100);
            clock.reset();
        }
        clock.count_samples();
        clock.advance(None, 44100);
        assert_eq!(clock.moment(44100, 44100).times().timestamp, ms(4500));
        clock.reset();
        clock.advance(None, 44100);
        assert_eq!(clock.moment(44100, 44100).times().timestamp, ms(5500));
        clock.set_segment(Some(gst::FormattedSegment::new()));
        clock.advance(Some(ms(700)), 44100);
        assert_eq!(clock.moment(2 * 44100, 44100).times().timestamp, ms(1700));
    }

    #[test]
    fn places_grow_whatever_happens_until_a_flush() {
        let mut clock = clock();
        let (mut frames, mut last) = (0, 0);
        for step in 0..1000u64 {
            clock.advance((step % 3 > 0).then(|| ms(step % 7 * 1000)), 441 + step);
            frames += 441 + step;
            assert_eq!(clock.place(), scale::duration(frames, 44100).nseconds());
            assert!(clock.place() > last && clock.moment(0, 16000).times().place == last);
            last = clock.place();
            clock.reset();
        }
        clock.set_rate(8000);
        clock.advance(None, 8000);
        assert_eq!(clock.place(), last + 1_000_000_000);
        clock.flush();
        assert_eq!(clock.place(), 0);
    }

    #[test]
    fn without_timestamps_time_goes_on_over_a_reset_and_another_stream_starts_at_0() {
        let mut clock = clock();
        clock.advance(None, 44100);
        clock.reset();
        assert_eq!(clock.moment(0, 16000).times().timestamp, ms(1000));
        clock.set_rate(8000);
        assert_eq!(clock.moment(0, 16000).times().timestamp, ms(1000));
        clock.begin();
        assert_eq!(clock.moment(0, 16000).times().timestamp, ms(0));
    }

    #[test]
    fn gaps_and_frames_end_with_the_segment() {
        let mut clock = clock();
        let mut segment = gst::FormattedSegment::<ClockTime>::new();
        segment.set_start(ms(1000));
        segment.set_stop(ms(3000));
        clock.set_segment(Some(segment));
        assert_eq!(clock.clip(ms(0), ms(900)), None);
        assert_eq!(clock.clip(ms(0), ms(1500)), Some((ms(1000), ms(1500))));
        assert_eq!(clock.clip(ms(2500), ms(60_000)), Some((ms(2500), ms(3000))));
        assert_eq!(clock.clip(ms(3500), ms(3510)), None);
        for (pts, inside) in [(0, 0..0), (500, 22050..44100), (1500, 0..44100), (2500, 0..22050), (3500, 0..0)] {
            assert_eq!(clock.inside(Some(ms(pts)), 44100), inside, "{pts}");
        }
        assert_eq!(clock.inside(None, 10), 0..10);
        clock.set_segment(None);
        assert_eq!(clock.inside(Some(ms(0)), 10), 0..10);
    }

    #[test]
    fn the_segment_gives_stream_and_running_time() {
        let mut clock = clock();
        let mut segment = gst::FormattedSegment::<ClockTime>::new();
        segment.set_rate(2.0);
        segment.set_start(ms(1000));
        segment.set_time(ms(5000));
        segment.set_base(ms(300));
        clock.set_segment(Some(segment));
        clock.advance(Some(ms(1000)), 88200);
        let times = clock.moment(16000, 16000).times();
        assert_eq!((times.stream_time, times.running_time), (Some(ms(6000)), Some(ms(800))));
    }

    #[test]
    fn utc_counts_from_timestamps_or_from_running_time() {
        let mut clock = clock();
        let mut segment = gst::FormattedSegment::<ClockTime>::new();
        segment.set_start(ms(1000));
        clock.set_segment(Some(segment));
        clock.advance(Some(ms(1000)), 88200);
        assert_eq!(clock.moment(16000, 16000).times().utc, None);
        clock.set_wall(WallClock::RunningTime(-5_000_000_000));
        assert_eq!(clock.moment(16000, 16000).times().utc, None);
        clock.set_wall(WallClock::RunningTime(5_000_000_000));
        assert_eq!(clock.moment(16000, 16000).times().utc, Some(ms(6000)));
        // Not every buffer has the source's own time.
        for wall in [WallClock::Timestamp(5_000_000_000), WallClock::RunningTime(9_000_000_000), WallClock::Unknown] {
            clock.set_wall(wall);
            assert_eq!(clock.moment(16000, 16000).times().utc, Some(ms(7000)), "{wall:?}");
        }
    }

    #[test]
    fn levels_are_of_the_input() {
        let mut clock = clock();
        clock.enable_levels();
        clock.advance(Some(ms(0)), 88200);
        clock.measure(&[0.5; 44100]);
        clock.measure(&[0.0; 44100]);
        let Level { rms, peak } = clock.power(8000, 16000, 16000).level();
        assert!((rms + 9.03).abs() < 0.01 && (peak + 6.02).abs() < 0.01, "{rms} {peak}");
        assert_eq!(clock.power(16000, 16000, 16000).level().peak, -350.0);
    }

    #[test]
    fn reverse_playback_runs_from_the_end() {
        let mut clock = clock();
        let mut segment = gst::FormattedSegment::<ClockTime>::new();
        segment.set_rate(-1.0);
        segment.set_stop(ms(10_000));
        clock.set_segment(Some(segment));
        clock.advance(Some(ms(8000)), 88200);
        assert_eq!(clock.moment(0, 16000).times().running_time, Some(ms(2000)));
    }

    #[test]
    fn windows_before_a_new_segment_keep_the_old_one() {
        let mut clock = clock();
        clock.advance(Some(ms(0)), 44100);
        let mut next = gst::FormattedSegment::<ClockTime>::new();
        next.set_base(ms(1000));
        clock.set_segment(Some(next));
        assert_eq!(clock.moment(22050, 44100).times().running_time, Some(ms(500)));
        clock.advance(Some(ms(0)), 44100);
        assert_eq!(clock.moment(44100, 44100).times().running_time, Some(ms(1000)));
    }

    #[test]
    fn the_end_of_time_and_days_are_exact() {
        let mut clock = clock();
        clock.advance(Some(ClockTime::MAX), 44100);
        assert_eq!(clock.moment(44100, 44100).times().timestamp, ClockTime::MAX);
        clock.reset();
        clock.advance(Some(ms(0)), 1);
        let week = 7 * 86_400u64;
        assert_eq!(clock.moment(week * 44_100, 44_100).times().timestamp, ClockTime::from_seconds(week));
    }
}
