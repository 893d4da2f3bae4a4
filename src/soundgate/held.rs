// SPDX-License-Identifier: MIT OR Apache-2.0
//! The queue of audio and events that are held back.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use gst::prelude::*;

use super::gain::Frames;
use super::spans::Stretch;
use crate::signal::scale;
use crate::signal::timing::{Position, Timing};
use crate::soundclassify::message::remove_metadata;

const SECOND: i128 = 1_000_000_000;
/// Running times this close to each other, ns, are the same.
const SAME_TIME: u64 = 1_000_000;
/// Maximum length of one item, ns: sums of lengths stay numbers.
const MAX_LENGTH: u64 = 1 << 50;
/// Live audio leaves in whole buffers up to this length, ns; a longer buffer is divided where its first part is due.
const MAX_WHOLE: u64 = 25_000_000;

type Segment = gst::FormattedSegment<gst::ClockTime>;

/// Audio that is held back.
pub(crate) struct Audio {
    pub(crate) buffer: gst::Buffer,
    /// Of the buffer that came in; its parts have the same.
    pub(crate) number: u64,
    pub(crate) info: Arc<gst_audio::AudioInfo>,
    /// Numbers of its frames, since the last change of the rate.
    pub(crate) frames: Range<i64>,
    /// Those that lie in the segment.
    inside: Range<i64>,
    /// Place of frame 0.
    origin: u64,
    /// Timestamp of the first frame inside.
    time: u64,
    segment: Option<Arc<Segment>>,
    /// Played backwards, it does not continue the audio before.
    pub(crate) is_alone: bool,
}

impl Audio {
    /// Time of some frames, rounded down.
    fn time_of(&self, frames: i64) -> gst::ClockTime {
        scale::duration(frames as u64, self.info.rate().into())
    }

    /// Timestamp of a frame.
    pub(crate) fn pts_of(&self, frame: i64) -> Option<gst::ClockTime> {
        self.buffer.pts().map(|pts| pts.saturating_add(self.time_of(frame - self.frames.start)))
    }

    /// A buffer of some of the frames.
    pub(crate) fn part(&self, frames: &Range<i64>) -> gst::Buffer {
        if *frames == self.frames {
            return self.buffer.clone();
        }
        let (trim, count) = ((frames.start - self.frames.start) as usize, (frames.end - frames.start) as usize);
        let whole = self.buffer.clone();
        let mut part = gst_audio::audio_buffer_truncate(whole, self.info.bpf(), trim, Some(count));
        let buffer = part.make_mut();
        buffer.set_pts(self.pts_of(frames.start));
        buffer.set_duration(self.time_of(count as i64));
        if trim > 0 {
            shift_references(buffer, self.time_of(trim as i64));
        }
        part
    }

    /// Divides it before a frame that lies in the segment.
    fn divide(&self, at: i64) -> (Self, Self) {
        let part = |frames: Range<i64>, inside: Range<i64>| Self {
            buffer: self.part(&frames),
            number: self.number,
            info: Arc::clone(&self.info),
            time: self.time.saturating_add(self.place_of(inside.start) - self.place_of(self.inside.start)),
            frames,
            inside,
            origin: self.origin,
            segment: self.segment.clone(),
            is_alone: self.is_alone,
        };
        let first = part(self.frames.start..at, self.inside.start..at);
        let mut second = part(at..self.frames.end, at..self.inside.end);
        second.buffer.make_mut().unset_flags(gst::BufferFlags::DISCONT | gst::BufferFlags::RESYNC);
        (first, second)
    }

    /// The frame next to a place.
    fn frame_at(&self, place: u64) -> i64 {
        let (distance, rate) = (i128::from(place) - i128::from(self.origin), i128::from(self.info.rate()));
        let frame = (distance * rate * 2 + SECOND).div_euclid(2 * SECOND);
        frame.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    fn place_of(&self, frame: i64) -> u64 {
        let distance = i128::from(frame) * SECOND / i128::from(self.info.rate().max(1));
        (i128::from(self.origin) + distance).clamp(0, u64::MAX.into()) as u64
    }

    /// Places of what lies in the segment.
    pub(crate) fn places(&self) -> Range<u64> {
        self.place_of(self.inside.start)..self.place_of(self.inside.end)
    }

    fn place_at(&self, time: u64) -> u64 {
        let place = i128::from(self.place_of(self.inside.start)) + i128::from(time) - i128::from(self.time);
        place.clamp(0, u64::MAX.into()) as u64
    }

    fn has_time(&self, time: u64, running: Option<u64>) -> bool {
        let places = self.places();
        let is_inside = time >= self.time && time - self.time < places.end - places.start;
        let Some((segment, running)) = self.segment.as_ref().zip(running).filter(|_| is_inside) else {
            return is_inside;
        };
        let own = segment.to_running_time(gst::ClockTime::from_nseconds(time));
        own.is_none_or(|own| own.nseconds().abs_diff(running) <= SAME_TIME)
    }

    /// Frames of stretches that lie around this audio or in it. What lies outside the segment has no place.
    pub(crate) fn frames_of(&self, stretches: &[Stretch], ramp: i64, into: &mut Vec<Frames>) {
        into.clear();
        if self.inside.is_empty() {
            return;
        }
        let begins_late = self.inside.start > self.frames.start;
        let ends_early = self.inside.end < self.frames.end;
        for stretch in stretches {
            let to = if stretch.to == u64::MAX { i64::MAX } else { self.frame_at(stretch.to) };
            let frames = Frames { from: self.frame_at(stretch.from), to };
            if (begins_late && frames.to <= self.inside.start) || (ends_early && frames.from >= self.inside.end) {
                continue;
            }
            let frames = Frames {
                from: if begins_late { frames.from.max(self.inside.start) } else { frames.from },
                to: if ends_early { frames.to.min(self.inside.end) } else { frames.to },
            };
            let range = &self.frames;
            if frames.from.saturating_sub(ramp) < range.end && frames.to.saturating_add(ramp) > range.start {
                into.push(frames);
            }
        }
    }
}

/// The buffer begins later by `by`, in the time of other clocks, too.
fn shift_references(buffer: &mut gst::BufferRef, by: gst::ClockTime) {
    let references: Vec<_> = buffer
        .iter_meta::<gst::ReferenceTimestampMeta>()
        .map(|meta| (meta.reference_owned(), meta.timestamp(), meta.duration()))
        .collect();
    if references.is_empty() {
        return;
    }
    remove_metadata(buffer, gst::ReferenceTimestampMeta::meta_api());
    for (reference, timestamp, duration) in references {
        gst::ReferenceTimestampMeta::add(buffer, &reference, timestamp.saturating_add(by), duration);
    }
}

/// One thing that is held back.
pub(crate) enum Item {
    Audio(Audio),
    Event(gst::Event),
}

struct Held {
    item: Item,
    /// Time of audio, ns, and of what is missing before it.
    length: u64,
    /// Place at which it begins.
    place: u64,
}

impl Held {
    /// Its length without what is missing before it.
    fn own_length(&self) -> u64 {
        match &self.item {
            Item::Audio(audio) if !audio.inside.is_empty() => {
                let places = audio.places();
                (places.end - places.start).min(self.length)
            }
            _ => self.length,
        }
    }
}

/// Frames in a time, ns, rounded up.
fn frames_of(time: u64, rate: u32) -> i64 {
    let frames = time.mul_div_ceil(rate.into(), gst::ClockTime::SECOND.nseconds());
    frames.and_then(|frames| i64::try_from(frames).ok()).unwrap_or(i64::MAX)
}

/// Everything that is held back, in order. Times are those of audio: played at another rate, they take another time.
pub(crate) struct Queue {
    items: VecDeque<Held>,
    timing: Timing,
    held: u64,
    /// Of the newest buffer.
    number: u64,
    /// Place and timestamp of the newest audio's end.
    last: Option<(u64, u64)>,
    segment: Option<Arc<Segment>>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { items: VecDeque::new(), timing: Timing::new(), held: 0, number: 0, last: None, segment: None }
    }
}

impl Queue {
    /// Forgets audio and places; gives the events.
    pub(crate) fn flush(&mut self) -> Vec<gst::Event> {
        (self.held, self.last) = (0, None);
        let events = self.items.drain(..).filter_map(|held| match held.item {
            Item::Event(event) => Some(event),
            Item::Audio(_) => None,
        });
        events.collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Rate of playback.
    pub(crate) fn playback_rate(&self) -> f64 {
        self.timing.playback_rate()
    }

    /// Takes notice of an event, in the order of the stream.
    pub(crate) fn note(&mut self, event: &gst::EventRef) {
        let plan = self.timing.plan_event(event);
        self.timing.follow(plan);
        if let gst::EventView::Segment(segment) = event.view() {
            self.segment = segment.segment().downcast_ref::<gst::ClockTime>().cloned().map(Arc::new);
        }
    }

    /// Takes audio of `count` frames.
    pub(crate) fn push(&mut self, buffer: gst::Buffer, info: &Arc<gst_audio::AudioInfo>, count: u64) {
        let (before, end) = (self.timing.place(), self.timing.end());
        let plan = self.timing.plan_buffer(&buffer, count);
        let (inside, leap) = (plan.inside(), plan.leap(end));
        let position = self.timing.follow(plan).unwrap_or(Position { frame: 0, time: gst::ClockTime::ZERO });
        let first = position.frame as i64 - inside.start as i64;
        self.number += 1;
        let audio = Audio {
            buffer,
            number: self.number,
            info: Arc::clone(info),
            frames: first..first + count as i64,
            inside: position.frame as i64..position.frame as i64 + inside.len() as i64,
            origin: self.timing.place_of_format(),
            time: position.time.nseconds(),
            segment: self.segment.clone(),
            is_alone: self.timing.is_reverse(),
        };
        let places = audio.places();
        if !inside.is_empty() {
            self.last = Some((places.end, audio.time.saturating_add(places.end - places.start)));
        }
        let length = self.timing.place().saturating_sub(before).saturating_add(leap);
        self.hold(Item::Audio(audio), length, if inside.is_empty() { before } else { places.start });
    }

    /// Takes a gap, which was noted; it began at `place`.
    pub(crate) fn push_gap(&mut self, event: gst::Event, place: u64, length: u64) {
        self.hold(Item::Event(event), length, place);
    }

    /// Takes an event that has its place between the buffers.
    pub(crate) fn push_event(&mut self, event: gst::Event) {
        let place = self.timing.place();
        self.items.push_back(Held { item: Item::Event(event), length: 0, place });
    }

    fn hold(&mut self, item: Item, length: u64, place: u64) {
        let length = length.min(MAX_LENGTH);
        self.held = self.held.saturating_add(length);
        self.items.push_back(Held { item, length, place });
    }

    /// The oldest, if it was held back for `delay`, or anyway. `live`: what would be held longer until the next buffer comes
    /// leaves now, so that nothing leaves later than upstream's latency and `delay` after it was recorded. Of a long buffer that
    /// is a part, so each sample is held for `delay`, whatever the sizes of buffers.
    pub(crate) fn pop(&mut self, delay: u64, live: bool, anyway: bool) -> Option<Item> {
        let front = self.items.front()?;
        let behind = self.held.saturating_sub(front.length);
        if !anyway && behind < delay {
            let due = behind.saturating_add(front.own_length()).saturating_sub(delay);
            if !live || due == 0 {
                return None;
            }
            self.divide_front(due);
        }
        let Held { item, length, .. } = self.items.pop_front()?;
        self.held = self.held.saturating_sub(length);
        Some(item)
    }

    /// Divides the oldest audio, if it is long, behind as much of it as is due, ns.
    fn divide_front(&mut self, due: u64) {
        let Some(Held { item: Item::Audio(audio), length, place }) = self.items.front() else { return };
        let places = audio.places();
        let own = places.end - places.start;
        let due = frames_of(due, audio.info.rate());
        let at = audio.inside.start.saturating_add(due);
        if audio.is_alone || own <= MAX_WHOLE || at <= audio.inside.start || at >= audio.inside.end {
            return;
        }
        let (first, second) = audio.divide(at);
        let second_place = second.places().start;
        let rest = (places.end - second_place).min(*length);
        let second = Held { item: Item::Audio(second), length: rest, place: second_place };
        let first = Held { item: Item::Audio(first), length: length - rest, place: *place };
        self.items.pop_front();
        self.items.push_front(second);
        self.items.push_front(first);
    }

    /// Place where the audio begins that is still here; without any, where the next is to begin.
    pub(crate) fn begin(&self) -> u64 {
        self.items.front().map_or(self.timing.place(), |held| held.place)
    }

    /// Place of the next audio.
    pub(crate) fn place(&self) -> u64 {
        self.timing.place()
    }

    /// Place of a timestamp: in the newest audio that has it, otherwise beside audio before or after it.
    pub(crate) fn place_of(&self, time: u64, running: Option<u64>) -> u64 {
        let audio = || {
            self.items.iter().rev().filter_map(|held| match &held.item {
                Item::Audio(audio) if !audio.inside.is_empty() => Some(audio),
                _ => None,
            })
        };
        let found = audio().find(|audio| audio.has_time(time, running));
        let found = found.or_else(|| audio().find(|audio| audio.time <= time)).or_else(|| audio().next_back());
        match (found, self.last) {
            (Some(audio), _) => audio.place_at(time),
            (None, Some((place, end))) => {
                (i128::from(place) + i128::from(time) - i128::from(end)).clamp(0, u64::MAX.into()) as u64
            }
            (None, None) => running.unwrap_or(time),
        }
    }
}
