// SPDX-License-Identifier: MIT OR Apache-2.0
//! The level of any span of the input: root mean square and peak of the analysed channel mix, before resampling.

use std::collections::VecDeque;
use std::ops::Range;

/// Frames whose level is computed once.
const BLOCK: usize = 256;
/// Sums that are computed at once.
const LANES: usize = 16;
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
    /// Number of the first block.
    first: u64,
    blocks: VecDeque<Block>,
    /// Frames of the last block, which may be incomplete.
    filled: usize,
    spare: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    frames: [f32; BLOCK],
    /// Of all frames, once they have come.
    sum: Sum,
}

/// `Σ x²` and the greatest `|x|`.
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
        self.spare.extend(self.blocks.drain(..));
        (self.first, self.filled) = (0, 0);
    }

    /// Takes the next frames.
    pub(super) fn push(&mut self, mut frames: &[f32]) {
        if !self.enabled {
            return;
        }
        while !frames.is_empty() {
            if self.filled == BLOCK || self.blocks.is_empty() {
                self.blocks.push_back(self.spare.pop().unwrap_or_default());
                self.filled = 0;
            }
            let Some(block) = self.blocks.back_mut() else { return };
            let (now, later) = frames.split_at(frames.len().min(BLOCK - self.filled));
            block.frames[self.filled..][..now.len()].copy_from_slice(now);
            self.filled += now.len();
            if self.filled == BLOCK {
                block.sum = Sum::of(&block.frames);
            }
            frames = later;
        }
    }

    /// Level of a span of frames, as far as they have come. Spans must not begin earlier from call to call.
    pub(super) fn level(&mut self, span: Range<u64>) -> Level {
        while (self.first + 1) * BLOCK as u64 <= span.start && self.blocks.len() > 1 {
            self.spare.extend(self.blocks.pop_front());
            self.first += 1;
        }
        let begin = self.first * BLOCK as u64;
        let come = self.blocks.len().saturating_sub(1) * BLOCK + self.filled;
        let within = |frame: u64| usize::try_from(frame.saturating_sub(begin)).unwrap_or(usize::MAX).min(come);
        let (start, end) = (within(span.start), within(span.end));
        let mut sum = Sum::default();
        for (index, block) in self.blocks.range(start / BLOCK..end.div_ceil(BLOCK).max(start / BLOCK)).enumerate() {
            let first = (start / BLOCK + index) * BLOCK;
            let (from, to) = (start.max(first) - first, end.min(first + BLOCK) - first);
            sum.join(&if to - from == BLOCK { block.sum } else { Sum::of(&block.frames[from..to]) });
        }
        sum.level(end.saturating_sub(start))
    }
}

impl Default for Block {
    fn default() -> Self {
        Self { frames: [0.0; BLOCK], sum: Sum::default() }
    }
}

impl Sum {
    // In lanes, which the compiler makes vectors of.
    fn of(frames: &[f32]) -> Self {
        let (vectors, rest) = frames.as_chunks::<LANES>();
        let (mut energy, mut peak) = ([0.0; LANES], [0f32; LANES]);
        for vector in vectors {
            for lane in 0..LANES {
                energy[lane] += f64::from(vector[lane]) * f64::from(vector[lane]);
                peak[lane] = peak[lane].max(vector[lane].abs());
            }
        }
        for (lane, frame) in rest.iter().enumerate() {
            energy[lane] += f64::from(*frame) * f64::from(*frame);
            peak[lane] = peak[lane].max(frame.abs());
        }
        Self { energy: energy.iter().sum(), peak: peak.into_iter().fold(0.0, f32::max) }
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
        assert!(meter.blocks.is_empty());
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
