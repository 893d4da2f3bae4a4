// SPDX-License-Identifier: MIT OR Apache-2.0
//! The level of any span of the input: root mean square and peak of the analysed channel mix, before resampling.

use std::collections::VecDeque;
use std::ops::Range;

/// Frames whose level is computed once.
const BLOCK: usize = 1024;
/// Added to squares, as `level` does, so that digital silence has a finite level, -350 dB.
const EPSILON: f64 = 1e-35;

/// Level of a span of audio, dBFS: 0 is a full-scale square wave's; -350 is digital silence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Root mean square.
    pub rms: f64,
    /// Greatest absolute value.
    pub peak: f64,
}

/// Frames since the last reset, as far back as a level may be asked for.
#[derive(Debug, Default)]
pub(super) struct Meter {
    enabled: bool,
    /// Number of the first frame that is kept, of a whole block.
    first: u64,
    frames: VecDeque<f32>,
    blocks: VecDeque<Sum>,
    /// Of the block that is not complete.
    open: Sum,
}

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    energy: f64,
    peak: f32,
}

impl Meter {
    /// Keeps frames from now on. They are kept until [`Meter::level`] asks for later ones.
    pub(super) fn enable(&mut self) {
        self.enabled = true;
    }

    /// Forgets everything; frames count from 0 again.
    pub(super) fn reset(&mut self) {
        self.frames.clear();
        self.blocks.clear();
        (self.first, self.open) = (0, Sum::default());
    }

    /// Takes the next frames.
    pub(super) fn push(&mut self, mut frames: &[f32]) {
        if !self.enabled {
            return;
        }
        while !frames.is_empty() {
            let room = BLOCK - self.frames.len() % BLOCK;
            let (now, later) = frames.split_at(room.min(frames.len()));
            self.frames.extend(now);
            self.open.add(now);
            if now.len() == room {
                self.blocks.push_back(std::mem::take(&mut self.open));
            }
            frames = later;
        }
    }

    /// Level of a span of frames, as far as they have come. Spans must not begin earlier from call to call.
    pub(super) fn level(&mut self, span: Range<u64>) -> Level {
        while self.first + BLOCK as u64 <= span.start && self.blocks.pop_front().is_some() {
            self.frames.drain(..BLOCK);
            self.first += BLOCK as u64;
        }
        let within = |frame: u64| usize::try_from(frame.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let end = within(span.end).min(self.frames.len());
        let start = within(span.start).min(end);
        let whole = start.div_ceil(BLOCK).min(end / BLOCK)..end / BLOCK;
        let mut sum = Sum::default();
        sum.add(self.frames.range(start..end.min(whole.start * BLOCK).max(start)));
        self.blocks.range(whole.clone()).for_each(|block| sum.join(block));
        sum.add(self.frames.range((whole.end * BLOCK).max(start).min(end)..end));
        sum.level(end - start)
    }
}

impl Sum {
    // One after the other: the sum is the same however they came.
    fn add<'a>(&mut self, frames: impl IntoIterator<Item = &'a f32>) {
        for &frame in frames {
            self.energy += f64::from(frame) * f64::from(frame);
            self.peak = self.peak.max(frame.abs());
        }
    }

    fn join(&mut self, other: &Self) {
        self.energy += other.energy;
        self.peak = self.peak.max(other.peak);
    }

    fn level(self, frames: usize) -> Level {
        let decibels = |square: f64| 10.0 * (square + EPSILON).log10();
        let peak = f64::from(self.peak);
        Level { rms: decibels(self.energy / frames.max(1) as f64), peak: decibels(peak * peak) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_hand(frames: &[f32]) -> Level {
        let energy = frames.iter().map(|frame| f64::from(*frame).powi(2)).sum::<f64>();
        let peak = frames.iter().fold(0f32, |peak, frame| peak.max(frame.abs()));
        Sum { energy, peak }.level(frames.len())
    }

    #[test]
    fn full_scale_is_0_and_silence_finite() {
        let mut meter = Meter::default();
        meter.enable();
        meter.push(&[1.0; 3000]);
        meter.push(&[0.0; 3000]);
        assert_eq!(meter.level(0..3000), Level { rms: 0.0, peak: 0.0 });
        assert_eq!(meter.level(3000..9000), Level { rms: -350.0, peak: -350.0 });
    }

    #[test]
    fn nothing_is_kept_unless_asked_for() {
        let mut meter = Meter::default();
        meter.push(&[1.0; 3000]);
        assert!(meter.frames.is_empty());
    }

    proptest! {
        #[test]
        fn the_level_of_any_span_is_that_of_its_frames(
            parts in prop::collection::vec(0usize..3000, 1..8),
            spans in prop::collection::vec((0u64..4000, 0u64..9000), 1..6),
        ) {
            let total = parts.iter().sum::<usize>();
            let frames: Vec<f32> = (0..total).map(|n| (n as f32 * 0.37).sin() * (n % 700) as f32 / 700.0).collect();
            let mut meter = Meter::default();
            meter.enable();
            let mut at = 0;
            for part in parts {
                meter.push(&frames[at..at + part]);
                at += part;
            }
            let mut start = 0;
            for (step, length) in spans {
                start += step;
                let range = (start as usize).min(total)..((start + length) as usize).min(total);
                let (level, wanted) = (meter.level(start..start + length), by_hand(&frames[range]));
                prop_assert!((level.rms - wanted.rms).abs() < 1e-3 && level.peak == wanted.peak, "{:?} {:?}", level, wanted);
            }
        }
    }
}
