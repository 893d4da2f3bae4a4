// SPDX-License-Identifier: MIT OR Apache-2.0
//! Changes the audio that is passed on: muted, replaced, or cut into pieces with gaps.

use std::collections::VecDeque;

use super::gain::{Frames, Plane, Shape, Shaper};
use super::held::Audio;
use super::settings::Mode;
use super::spans::Stretch;
use crate::soundclassify::message::{GateEvent, remove_results};

/// A gap continues downstream when it is this long.
const GAP_STEP: gst::ClockTime = gst::ClockTime::from_mseconds(200);

/// What leaves.
pub(crate) enum Output {
    Buffer(gst::Buffer),
    Event(gst::Event),
    Message(GateEvent),
}

/// The one that cuts.
#[derive(Default)]
pub(crate) struct Cutter {
    shaper: Shaper,
    frames: Vec<Frames>,
    gap: Option<(gst::ClockTime, gst::ClockTime)>,
    /// Audio was left out since the last buffer.
    left_out: bool,
    /// What leaves are kept events.
    marks_events: bool,
    /// The next buffer of a kept event is not its first.
    continues: bool,
    /// A buffer has left since the start or the last flush.
    begun: bool,
    /// Number of the buffer whose results have left with one of its parts.
    reported: u64,
    live: bool,
}

impl Cutter {
    pub(crate) fn clear(&mut self) {
        self.gap = None;
        (self.left_out, self.continues, self.begun) = (false, false, false);
    }

    /// Whether the audio is that of a live pipeline.
    pub(crate) fn set_live(&mut self, live: bool) {
        self.live = live;
    }

    /// Puts what becomes of `audio` into `out`. `fade`: ns.
    pub(crate) fn cut(
        &mut self,
        mut audio: Audio,
        mode: Mode,
        stretches: &[Stretch],
        fade: u64,
        out: &mut VecDeque<Output>,
    ) {
        let ramp = (u128::from(fade) * u128::from(audio.info.rate()) / 1_000_000_000) as i64;
        audio.frames_of(stretches, ramp, &mut self.frames);
        let shape = match mode {
            Mode::Mute | Mode::Drop => Shape::Silence,
            Mode::Replace => Shape::Tone,
            Mode::Keep => Shape::Inside,
        };
        if !self.frames.is_empty() {
            self.shape(&mut audio, shape, ramp);
        }
        self.marks_events = mode == Mode::Keep;
        self.continues &= self.marks_events;
        match mode {
            Mode::Mute | Mode::Replace => self.pass(audio.buffer, audio.number, out),
            Mode::Keep => {
                let kept = std::mem::take(&mut self.frames);
                self.take_pieces(&audio, kept.iter().map(|frames| frames.from..frames.to), out);
                self.frames = kept;
            }
            Mode::Drop => {
                let dropped = std::mem::take(&mut self.frames);
                let begins = std::iter::once(i64::MIN).chain(dropped.iter().map(|frames| frames.to));
                let ends = dropped.iter().map(|frames| frames.from).chain(std::iter::once(i64::MAX));
                self.take_pieces(&audio, begins.zip(ends).map(|(from, to)| from..to), out);
                self.frames = dropped;
            }
        }
    }

    fn shape(&mut self, audio: &mut Audio, shape: Shape, ramp: i64) {
        let within = audio.frames.clone();
        let (frames, info) = (&self.frames, &audio.info);
        let count = (within.end - within.start) as usize;
        let planar = info.layout() == gst_audio::AudioLayout::NonInterleaved;
        let (planes, channels) = if planar { (info.channels() as usize, 1) } else { (1, info.channels() as usize) };
        let size = count * channels * info.width() as usize / 8;
        let offsets: Option<Vec<usize>> =
            audio.buffer.meta::<gst_audio::AudioMeta>().filter(|_| planar).map(|meta| meta.offsets().to_vec());
        let buffer = audio.buffer.make_mut();
        buffer.unset_flags(gst::BufferFlags::GAP);
        let Ok(mut map) = buffer.map_writable() else { return };
        for plane in 0..planes {
            let begin = offsets.as_ref().and_then(|offsets| offsets.get(plane).copied()).unwrap_or(plane * size);
            if let Some(bytes) = map.get_mut(begin..begin + size) {
                self.shaper.apply(info, shape, frames, ramp, &mut Plane { bytes, channels, first: within.start });
            }
        }
    }

    fn pass(&mut self, mut buffer: gst::Buffer, number: u64, out: &mut VecDeque<Output>) {
        self.end_gap(out);
        self.begun = true;
        if std::mem::take(&mut self.left_out) {
            buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
        }
        if std::mem::replace(&mut self.reported, number) == number {
            remove_results(buffer.make_mut());
        }
        // So `splitmuxsink` begins a file with each event; it goes by decoding times where buffers have this flag.
        if self.marks_events {
            let pts = buffer.pts();
            let marked = buffer.make_mut();
            marked.set_dts(pts);
            if self.continues {
                marked.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
            self.continues = true;
        }
        out.push_back(Output::Buffer(buffer));
    }

    fn take_pieces(
        &mut self,
        audio: &Audio,
        pieces: impl Iterator<Item = std::ops::Range<i64>>,
        out: &mut VecDeque<Output>,
    ) {
        let all = audio.frames.clone();
        let mut done = all.start;
        for piece in pieces {
            let piece = piece.start.clamp(done, all.end)..piece.end.clamp(done, all.end);
            if piece.is_empty() {
                continue;
            }
            self.leave_out(audio, done..piece.start, out);
            done = piece.end;
            self.pass(audio.part(&piece), audio.number, out);
        }
        self.leave_out(audio, done..all.end, out);
    }

    fn leave_out(&mut self, audio: &Audio, frames: std::ops::Range<i64>, out: &mut VecDeque<Output>) {
        if frames.is_empty() {
            return;
        }
        (self.left_out, self.continues) = (true, false);
        let Some((from, to)) = audio.pts_of(frames.start).zip(audio.pts_of(frames.end)) else { return };
        match &mut self.gap {
            Some((_, end)) => *end = to,
            gap => *gap = Some((from, to)),
        }
        if self.gap.is_some_and(|(from, to)| to.saturating_sub(from) >= GAP_STEP) {
            self.end_gap(out);
        }
    }

    /// What is skipped so far continues as a gap. Not before the first buffer of a live stream, where nothing waits for it:
    /// `splitmuxsink` (1.22) never ends if it gets gaps and then no buffer.
    pub(crate) fn end_gap(&mut self, out: &mut VecDeque<Output>) {
        if let Some((from, to)) = self.gap.take().filter(|_| self.begun || !self.live) {
            out.push_back(Output::Event(gst::event::Gap::builder(from).duration(to.saturating_sub(from)).build()));
        }
    }
}
