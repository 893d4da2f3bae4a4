// SPDX-License-Identifier: MIT OR Apache-2.0
//! The analysis signal of a stream of buffers, through the element's own input and clock.

use gstsoundclassify::element::{
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
            Heard::Break => self.interrupt(on_sound),
            Heard::Buffer(buffer) => {
                if self.clock.continuity(buffer.pts()) == Continuity::Jump {
                    self.interrupt(on_sound);
                }
                let Some(input) = &mut self.input else { return Ok(()) };
                let frames = input.frames(buffer)?;
                self.clock.advance(buffer.pts(), frames as u64);
                input.push(buffer, 0..frames, &mut |samples| on_sound(Sound::Samples(samples)))?;
            }
        }
        Ok(())
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
