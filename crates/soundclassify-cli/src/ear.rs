// SPDX-License-Identifier: MIT OR Apache-2.0
//! The analysis signal of a stream of buffers, through the element's own input and clock.

use gstsoundclassify::stream::{
    clock::{Clock, Continuity},
    input::{Input, InputError},
};

use crate::session::Heard;

/// Hears what the element hears: mono, at the model's rate, anew after every break.
pub(crate) struct Ear {
    rate: u32,
    channel: i32,
    input: Option<Input>,
    clock: Clock,
}

/// What an ear tells.
pub(crate) enum Sound<'a> {
    /// Analysis samples.
    Samples(&'a [f32]),
    /// The stream broke off: what follows is another one.
    Break,
}

impl Ear {
    /// An ear at `rate` Hz. `channel` -1: the average of all.
    pub(crate) fn new(rate: u32, channel: i32) -> Self {
        Self { rate, channel, input: None, clock: Clock::new(rate, None) }
    }

    /// Takes in what left the element.
    pub(crate) fn hear(&mut self, heard: Heard<'_>, on_sound: &mut dyn FnMut(Sound<'_>)) -> Result<(), InputError> {
        match heard {
            Heard::Format(info) => {
                self.interrupt(on_sound);
                self.input = Some(Input::new(info, self.channel, self.rate)?);
                self.clock = Clock::new(info.rate(), None);
            }
            Heard::Segment(segment) => self.clock.set_segment(segment.cloned()),
            Heard::Break => self.interrupt(on_sound),
            Heard::Gap(start, duration) => {
                if let Some((start, duration)) = self.clock.missing(start, duration) {
                    self.join(Some(start), false, on_sound);
                    self.silence(start, duration, on_sound);
                }
            }
            Heard::Buffer(buffer) => {
                let Some(input) = &self.input else { return Ok(()) };
                let inside = self.clock.inside(buffer.pts(), input.frames(buffer)? as u64);
                if inside.is_empty() {
                    return Ok(());
                }
                let pts = buffer.pts().map(|pts| pts.saturating_add(self.clock.duration(inside.start)));
                self.join(pts, buffer.flags().contains(gst::BufferFlags::DISCONT), on_sound);
                let Some(input) = &mut self.input else { return Ok(()) };
                self.clock.advance(pts, inside.end - inside.start);
                let frames = inside.start as usize..inside.end as usize;
                input.push(buffer, frames, &mut |samples| on_sound(Sound::Samples(samples)))?;
            }
        }
        Ok(())
    }

    fn join(&mut self, pts: Option<gst::ClockTime>, lost: bool, on_sound: &mut dyn FnMut(Sound<'_>)) {
        let clock = &self.clock;
        match if lost { clock.continuity_after_loss(pts) } else { clock.continuity(pts) } {
            Continuity::Continuous => {}
            Continuity::Lost(start, duration) => self.silence(start, duration, on_sound),
            Continuity::Jump => self.interrupt(on_sound),
        }
    }

    fn silence(&mut self, start: gst::ClockTime, duration: gst::ClockTime, on_sound: &mut dyn FnMut(Sound<'_>)) {
        let Some(input) = &mut self.input else { return };
        let frames = self.clock.frames_in(duration);
        self.clock.advance_gap(start, frames);
        input.push_silence(frames, &mut |samples| on_sound(Sound::Samples(samples)));
    }

    /// End of the stream: what the resampler still held back.
    pub(crate) fn finish(&mut self, on_sound: &mut dyn FnMut(Sound<'_>)) {
        if let Some(input) = &mut self.input {
            input.finish(&mut |samples| on_sound(Sound::Samples(samples)));
        }
    }

    fn interrupt(&mut self, on_sound: &mut dyn FnMut(Sound<'_>)) {
        self.finish(on_sound);
        self.input.iter_mut().for_each(Input::reset);
        self.clock.reset();
        on_sound(Sound::Break);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: usize = 8000;

    /// Samples heard since the last break, and number of breaks.
    fn heard(play: impl FnOnce(&mut dyn FnMut(Heard<'_>))) -> (Vec<f32>, usize) {
        gst::init().unwrap();
        let mut ear = Ear::new(RATE as u32, -1);
        let (mut samples, mut breaks) = (Vec::new(), 0);
        let info = gst_audio::AudioInfo::builder(gst_audio::AudioFormat::F32le, RATE as u32, 1).build().unwrap();
        let mut take = |heard: Heard<'_>| {
            let outcome = ear.hear(heard, &mut |sound| match sound {
                Sound::Samples(more) => samples.extend_from_slice(more),
                Sound::Break => {
                    samples.clear();
                    breaks += 1;
                }
            });
            outcome.unwrap();
        };
        take(Heard::Format(&info));
        play(&mut take);
        (samples, breaks - 1)
    }

    /// A tenth of a second of ones.
    fn buffer(milliseconds: u64, flags: gst::BufferFlags) -> gst::Buffer {
        let mut buffer = gst::Buffer::from_slice(1f32.to_le_bytes().repeat(RATE / 10));
        let inner = buffer.get_mut().unwrap();
        inner.set_pts(gst::ClockTime::from_mseconds(milliseconds));
        inner.set_flags(flags);
        buffer
    }

    #[test]
    fn what_is_missing_is_silence_or_a_break_as_in_the_element() {
        let (none, lost) = (gst::BufferFlags::empty(), gst::BufferFlags::DISCONT);
        for (second, flags, gap, ones, length, breaks) in [
            (100, none, None, 1600, 1600, 0),
            (150, lost, None, 1600, 2000, 0),
            (600, lost, Some(500), 1600, 5600, 0),
            (100, lost, None, 800, 800, 1),
            (600, none, None, 800, 800, 1),
        ] {
            let (samples, broken) = heard(|take| {
                take(Heard::Buffer(&buffer(0, none)));
                if let Some(gap) = gap {
                    take(Heard::Gap(gst::ClockTime::from_mseconds(100), gst::ClockTime::from_mseconds(gap)));
                }
                take(Heard::Buffer(&buffer(second, flags)));
            });
            let found = (samples.iter().filter(|&&sample| sample == 1.0).count(), samples.len(), broken);
            assert_eq!(found, (ones, length, breaks), "{second} {flags:?} {gap:?}");
        }
    }

    #[test]
    fn what_is_outside_the_segment_is_not_heard() {
        let (samples, _) = heard(|take| {
            let mut segment = gst::FormattedSegment::new();
            segment.set_start(gst::ClockTime::from_mseconds(50));
            segment.set_stop(gst::ClockTime::from_mseconds(120));
            take(Heard::Segment(Some(&segment)));
            (0..3).for_each(|number| take(Heard::Buffer(&buffer(100 * number, gst::BufferFlags::empty()))));
        });
        assert_eq!(samples.len(), 70 * RATE / 1000);
    }
}
