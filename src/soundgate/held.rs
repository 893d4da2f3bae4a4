// SPDX-License-Identifier: MIT OR Apache-2.0
//! The queue of audio and events that are held back.

use std::collections::VecDeque;
use std::sync::Arc;

use super::shape::Frames;
use super::spans::Stretch;

/// Timestamps this close to the count of samples, ns, are rounded: the count continues.
const ROUNDING: u64 = 1_000_000;
const SECOND: i128 = 1_000_000_000;

/// Which time a frame has: frames count on from here, whatever the sizes of buffers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Anchor {
    time: u64,
    frame: i64,
    rate: u32,
    /// Of playback: 2.0 makes two seconds of audio one.
    speed: f64,
}

impl Anchor {
    /// The frame next to a time.
    fn frame_at(&self, time: u64) -> i64 {
        let distance = i128::from(time) - i128::from(self.time);
        let rate = i128::from(self.rate);
        let frames = if self.speed == 1.0 {
            (distance * rate * 2 + SECOND).div_euclid(2 * SECOND)
        } else {
            (distance as f64 * f64::from(self.rate) * self.speed / 1e9).round() as i128
        };
        let frame = i128::from(self.frame) + frames;
        frame.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    fn time_of(&self, frame: i64) -> u64 {
        let distance = i128::from(frame) - i128::from(self.frame);
        let time = if self.speed == 1.0 {
            (distance * SECOND).div_euclid(self.rate.max(1).into())
        } else {
            (distance as f64 * 1e9 / f64::from(self.rate.max(1)) / self.speed) as i128
        };
        (i128::from(self.time) + time).clamp(0, (u64::MAX - 1).into()) as u64
    }

    /// Frames of stretches that lie around `range` or in it.
    pub(crate) fn frames_of(
        &self,
        stretches: &[Stretch],
        range: &std::ops::Range<i64>,
        ramp: i64,
        into: &mut Vec<Frames>,
    ) {
        into.clear();
        for stretch in stretches {
            let to = if stretch.to == u64::MAX { i64::MAX } else { self.frame_at(stretch.to) };
            let frames = Frames { from: self.frame_at(stretch.from), to };
            if frames.from.saturating_sub(ramp) < range.end && frames.to.saturating_add(ramp) > range.start {
                into.push(frames);
            }
        }
    }
}

/// Audio that is held back.
pub(crate) struct Audio {
    pub(crate) buffer: gst::Buffer,
    pub(crate) info: Arc<gst_audio::AudioInfo>,
    pub(crate) anchor: Anchor,
    /// Counted over all buffers.
    pub(crate) frames: std::ops::Range<i64>,
}

/// One thing that is held back.
pub(crate) enum Item {
    Audio(Audio),
    Event(gst::Event),
}

struct Held {
    item: Item,
    duration: u64,
    /// Where it ends.
    end: u64,
}

/// Everything that is held back, in order.
#[derive(Default)]
pub(crate) struct Queue {
    items: VecDeque<Held>,
    held: u64,
    /// Where the newest audio or gap ends, and how long that is.
    horizon: u64,
    newest: u64,
    anchor: Option<Anchor>,
    next_frame: i64,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
}

impl Queue {
    /// Forgets everything but the segment.
    pub(crate) fn clear(&mut self) {
        let segment = self.segment.take();
        *self = Self { segment, items: std::mem::take(&mut self.items), ..Self::default() };
        self.items.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The segment that the next buffers belong to.
    pub(crate) fn set_segment(&mut self, segment: &gst::Segment) {
        self.segment = segment.downcast_ref::<gst::ClockTime>().cloned();
        self.anchor = None;
    }

    /// Time of a timestamp: running time where the stream has it, else the timestamp itself.
    fn time_of(&self, pts: gst::ClockTime) -> u64 {
        let segment = self.segment.as_ref().filter(|segment| segment.rate() > 0.0);
        let running = segment.and_then(|segment| segment.to_running_time(pts));
        running.unwrap_or(pts).nseconds()
    }

    fn speed(&self) -> f64 {
        self.segment.as_ref().map_or(1.0, |segment| segment.rate().abs())
    }

    /// Takes audio of `frames` frames.
    pub(crate) fn push(&mut self, buffer: gst::Buffer, info: &Arc<gst_audio::AudioInfo>, frames: i64) {
        let first = self.next_frame;
        let expected =
            self.anchor.filter(|anchor| anchor.rate == info.rate()).map(|anchor| (anchor, anchor.time_of(first)));
        let stated = buffer.pts().map(|pts| self.time_of(pts));
        let anchor = match (expected, stated) {
            (Some((anchor, expected)), Some(stated)) if expected.abs_diff(stated) <= ROUNDING => anchor,
            (Some((anchor, _)), None) => anchor,
            (_, stated) => {
                Anchor { time: stated.unwrap_or(self.horizon), frame: first, rate: info.rate(), speed: self.speed() }
            }
        };
        self.anchor = Some(anchor);
        self.next_frame = first + frames;
        let end = anchor.time_of(self.next_frame);
        let duration = end.saturating_sub(anchor.time_of(first));
        let audio = Audio { buffer, info: Arc::clone(info), anchor, frames: first..self.next_frame };
        self.hold(Item::Audio(audio), duration, end);
    }

    /// Takes a gap.
    pub(crate) fn push_gap(&mut self, event: gst::Event, start: gst::ClockTime, duration: Option<gst::ClockTime>) {
        let (start, speed) = (self.time_of(start), self.speed());
        let length = duration.map_or(0, |duration| (duration.nseconds() as f64 / speed) as u64);
        self.hold(Item::Event(event), length, start.saturating_add(length));
    }

    /// Takes an event that has its place between the buffers.
    pub(crate) fn push_event(&mut self, event: gst::Event) {
        let end = self.horizon;
        self.items.push_back(Held { item: Item::Event(event), duration: 0, end });
    }

    fn hold(&mut self, item: Item, duration: u64, end: u64) {
        self.held = self.held.saturating_add(duration);
        (self.horizon, self.newest) = (end, duration);
        self.items.push_back(Held { item, duration, end });
    }

    /// The oldest, if it was held back for `delay`, or anyway. `early`: by less than the newest buffer's length before that,
    /// so that nothing leaves later than `delay`, whatever the sizes of buffers.
    pub(crate) fn pop(&mut self, delay: u64, early: bool, anyway: bool) -> Option<Item> {
        let front = self.items.front()?;
        let due = front.end.saturating_add(delay);
        let late = due <= self.horizon || (early && due < self.horizon.saturating_add(self.newest));
        // Whatever timestamps say, no more than `delay` is held.
        let full = self.held.saturating_sub(front.duration) >= delay;
        if !(anyway || late || full) {
            return None;
        }
        let Held { item, duration, .. } = self.items.pop_front()?;
        self.held -= duration;
        Some(item)
    }

    /// Where the audio begins that is still here; without any, where the next is to begin.
    pub(crate) fn begin(&self) -> u64 {
        self.items.front().map_or(self.horizon, |held| held.end.saturating_sub(held.duration))
    }
}
