// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pieces of a signal → windows, with the rule for streams shorter than one window.

use gst::prelude::*;

use super::{Complaint, Piece, WARN_AFTER, scale};
use soundclassify_core::frontend::{FeatureSpec, Frontend, ReadyWindow};

/// Windows of one stream.
pub struct Windows {
    frontend: Frontend,
    /// Samples a second.
    rate: u32,
    /// Samples of one window.
    window: u64,
    /// Samples since the stream began.
    samples: u64,
    /// Whether samples came since the last break.
    goes_on: bool,
    /// Whether a break came in between.
    broken: bool,
    /// Whether a window was complete.
    any: bool,
    /// Samples and breaks since the last window.
    without: (u64, u32),
    warned: bool,
}

impl Windows {
    /// Windows of `spec`, made by `frontend`.
    #[must_use]
    pub fn new(spec: &FeatureSpec, frontend: Frontend) -> Self {
        Self {
            frontend,
            rate: spec.sample_rate,
            window: spec.window as u64,
            samples: 0,
            goes_on: false,
            broken: false,
            any: false,
            without: (0, 0),
            warned: false,
        }
    }

    /// Changes to the windows of a new model; what was counted of the stream is kept.
    pub fn replace(&mut self, spec: &FeatureSpec, frontend: Frontend) {
        let samples = self.samples.mul_div_round(spec.sample_rate.into(), self.rate.max(1).into()).unwrap_or(u64::MAX);
        let Self { broken, any, goes_on, warned, .. } = *self;
        *self = Self { samples, broken: broken | goes_on, any, warned, ..Self::new(spec, frontend) };
    }

    /// Takes a piece; `on_window` gets each window that is due, and whether it is all of a stream shorter than one window.
    /// Gives whether the piece broke off audio.
    pub fn take(&mut self, piece: &Piece<'_>, on_window: &mut dyn FnMut(&ReadyWindow<'_>, bool)) -> bool {
        match piece {
            Piece::Samples(samples) => {
                self.push(samples, on_window);
                false
            }
            Piece::Break => {
                self.frontend.reset();
                let broke_off = std::mem::take(&mut self.goes_on);
                self.broken |= broke_off;
                self.without.1 += u32::from(broke_off);
                broke_off
            }
            Piece::End => {
                if !self.any && (!self.broken || self.samples < self.window) {
                    self.frontend.finish(&mut |window| on_window(&window, true));
                }
                self.begin();
                false
            }
            Piece::Flush => {
                self.flush();
                false
            }
        }
    }

    fn push(&mut self, samples: &[f32], on_window: &mut dyn FnMut(&ReadyWindow<'_>, bool)) {
        self.goes_on |= !samples.is_empty();
        self.samples += samples.len() as u64;
        self.without.0 += samples.len() as u64;
        let Self { frontend, any, without, .. } = self;
        frontend.push(samples, &mut |window| {
            *any = true;
            *without = (0, 0);
            on_window(&window, false);
        });
    }

    /// Samples since the last break.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.frontend.samples()
    }

    /// The audio so far is discarded. That may be the reason why no window is complete.
    pub fn flush(&mut self) {
        let ((samples, breaks), warned) = (self.without, self.warned);
        self.begin();
        (self.without, self.warned) = ((samples, breaks + u32::from(samples > 0)), warned);
    }

    /// A new stream begins.
    pub fn begin(&mut self) {
        self.frontend.reset();
        (self.samples, self.goes_on, self.broken, self.any) = (0, false, false, false);
        (self.without, self.warned) = ((0, 0), false);
    }

    /// Returns once per stream that audio came for a while and no window.
    pub fn take_complaint(&mut self, reverse: bool) -> Option<Complaint> {
        let (samples, breaks) = self.without;
        let limit = (WARN_AFTER * u64::from(self.rate)).max(self.window + 2 * u64::from(self.rate));
        if self.warned || samples < limit {
            return None;
        }
        self.warned = true;
        let audio = scale::duration(samples, self.rate.into());
        Some(Complaint::NoWindow { audio, breaks, reverse })
    }
}

impl std::fmt::Debug for Windows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Windows").field("samples", &self.samples).field("without", &self.without).finish()
    }
}
