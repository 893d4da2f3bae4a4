// SPDX-License-Identifier: MIT OR Apache-2.0
//! The level of any span of the input: root mean square and peak of the analysed channel mix, before resampling.

use std::collections::VecDeque;
use std::ops::Range;

use soundclassify_core::frontend::Energy;

/// Frames whose level is computed once.
const BLOCK: usize = 256;
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

/// Power of a span of audio; 1 is full scale. Its logarithms are taken where a message is made, not on the streaming thread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// Mean of the squares.
    pub mean: f64,
    /// Greatest square.
    pub peak: f64,
}

impl Power {
    /// In dBFS.
    #[must_use]
    pub fn level(self) -> Level {
        let decibels = |square: f64| 10.0 * (square + EPSILON).log10();
        Level { rms: decibels(self.mean), peak: decibels(self.peak) }
    }
}

/// Frames since the last reset, as far back as their power may be asked for.
#[derive(Debug, Default)]
pub(super) struct Meter {
    enabled: bool,
    /// Number of the first one, a multiple of [`BLOCK`].
    first: u64,
    frames: VecDeque<f32>,
    /// Of their complete blocks.
    sums: VecDeque<Energy>,
}

impl Meter {
    /// Keeps frames from now on. They are kept until [`Meter::power`] asks for later ones.
    pub(super) fn enable(&mut self) {
        self.enabled = true;
    }

    /// Forgets everything; frames count from 0 again.
    pub(super) fn reset(&mut self) {
        self.frames.clear();
        self.sums.clear();
        self.first = 0;
    }

    /// Takes the next frames.
    pub(super) fn push(&mut self, frames: &[f32]) {
        if !self.enabled {
            return;
        }
        self.frames.extend(frames);
        for block in self.sums.len()..self.frames.len() / BLOCK {
            let sum = self.sum(block * BLOCK..(block + 1) * BLOCK);
            self.sums.push_back(sum);
        }
    }

    /// Power of a span of frames, as far as they have come. Spans must not begin earlier from call to call.
    pub(super) fn power(&mut self, span: Range<u64>) -> Power {
        let index = |frame: u64, first: u64| usize::try_from(frame.saturating_sub(first)).unwrap_or(usize::MAX);
        let past = (index(span.start, self.first) / BLOCK).min(self.sums.len());
        self.frames.drain(..past * BLOCK);
        self.sums.drain(..past);
        self.first += (past * BLOCK) as u64;
        let within = |frame: u64| index(frame, self.first).min(self.frames.len());
        let (start, end) = (within(span.start), within(span.end));
        let blocks = start.div_ceil(BLOCK)..(end / BLOCK).min(self.sums.len());
        if blocks.is_empty() {
            return power(self.sum(start..end.max(start)), end.saturating_sub(start));
        }
        let mut sum = self.sum(start..blocks.start * BLOCK).joined(self.sum(blocks.end * BLOCK..end));
        for block in self.sums.range(blocks) {
            sum = sum.joined(*block);
        }
        power(sum, end - start)
    }

    // Of less than two blocks. Where the ring wraps, the order of the sum must stay the same.
    fn sum(&self, range: Range<usize>) -> Energy {
        let (head, tail) = self.frames.as_slices();
        let (in_head, in_tail) = (|at: usize| at.min(head.len()), |at: usize| at.saturating_sub(head.len()));
        let (head, tail) =
            (&head[in_head(range.start)..in_head(range.end)], &tail[in_tail(range.start)..in_tail(range.end)]);
        match (head, tail) {
            ([], frames) | (frames, []) => Energy::of(frames),
            _ => {
                let mut frames = [0.0; 2 * BLOCK];
                frames[..head.len()].copy_from_slice(head);
                frames[head.len()..][..tail.len()].copy_from_slice(tail);
                Energy::of(&frames[..head.len() + tail.len()])
            }
        }
    }
}

fn power(energy: Energy, frames: usize) -> Power {
    let peak = f64::from(energy.peak);
    Power { mean: energy.sum / frames.max(1) as f64, peak: peak * peak }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_hand(frames: &[f32]) -> Level {
        let sum = frames.iter().map(|frame| f64::from(*frame).powi(2)).sum::<f64>();
        let peak = frames.iter().fold(0f32, |peak, frame| peak.max(frame.abs()));
        power(Energy { sum, peak }, frames.len()).level()
    }

    #[test]
    fn full_scale_is_0_and_silence_finite() {
        let mut meter = Meter::default();
        meter.enable();
        meter.push(&[1.0; 3000]);
        meter.push(&[0.0; 3000]);
        assert_eq!(meter.power(0..3000).level(), Level { rms: 0.0, peak: 0.0 });
        assert_eq!(meter.power(3000..9000).level(), Level { rms: -350.0, peak: -350.0 });
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
                let (level, wanted) = (meter.power(start..start + length).level(), by_hand(&frames[range]));
                prop_assert!((level.rms - wanted.rms).abs() < 1e-3 && level.peak == wanted.peak, "{:?} {:?}", level, wanted);
            }
        }
    }
}
