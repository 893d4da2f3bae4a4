// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which frames belong to a window, and the ring buffers of samples and frames.

/// A run of values in a ring: the second part continues the first.
pub(super) type Pieces<'a> = [&'a [f32]; 2];

/// Says where each window begins, in steps of the grid (frames, or samples for waveforms).
#[derive(Debug)]
pub(super) struct Schedule {
    rate: u128,
    divisor: u128,
    length: u64,
    number: u64,
    first: u64,
}

impl Schedule {
    /// Windows of `length` steps, `oversamples` a second of `rate` samples, on a grid of `step` samples.
    pub(super) fn new(rate: u32, oversamples: u32, step: usize, length: usize) -> Self {
        debug_assert!(rate > 0 && oversamples > 0 && step > 0 && length > 0);
        let divisor = u128::from(oversamples) * step as u128;
        Self { rate: u128::from(rate), divisor, length: length as u64, number: 0, first: 0 }
    }

    /// Number of the next window.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// First step of the next window.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Last step of the next window.
    pub(super) fn last(&self) -> u64 {
        self.first + self.length - 1
    }

    /// Continues to the following window.
    pub(super) fn advance(&mut self) {
        self.number += 1;
        self.first = self.first_step(self.number);
    }

    /// Back to window 0.
    pub(super) fn reset(&mut self) {
        self.number = 0;
        self.first = 0;
    }

    /// `round(number · rate / (oversamples · step))`, half away from zero, exact.
    fn first_step(&self, number: u64) -> u64 {
        ((2 * u128::from(number) * self.rate + self.divisor) / (2 * self.divisor)) as u64
    }
}

/// The newest samples of a stream, addressed by their number.
#[derive(Debug)]
pub(super) struct SampleRing {
    values: Vec<f32>,
    total: u64,
}

impl SampleRing {
    /// Room for the newest `capacity` samples.
    pub(super) fn new(capacity: usize) -> Self {
        Self { values: vec![0.0; capacity], total: 0 }
    }

    /// Samples appended since the last reset.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn reset(&mut self) {
        self.total = 0;
    }

    pub(super) fn extend(&mut self, samples: &[f32]) {
        let skipped = samples.len().saturating_sub(self.values.len());
        self.total += skipped as u64;
        let kept = &samples[skipped..];
        let at = self.slot(self.total);
        let (head, tail) = kept.split_at(kept.len().min(self.values.len() - at));
        self.values[at..at + head.len()].copy_from_slice(head);
        self.values[..tail.len()].copy_from_slice(tail);
        self.total += kept.len() as u64;
    }

    /// One sample, which must be among the newest.
    pub(super) fn at(&self, sample: u64) -> f32 {
        self.values[self.slot(sample)]
    }

    /// `length` samples from `start` on, which must be among the newest.
    pub(super) fn range(&self, start: u64, length: usize) -> Pieces<'_> {
        debug_assert!(length <= self.values.len());
        let at = self.slot(start);
        let head = length.min(self.values.len() - at);
        [&self.values[at..at + head], &self.values[..length - head]]
    }

    fn slot(&self, sample: u64) -> usize {
        (sample % self.values.len() as u64) as usize
    }
}

/// The newest frames, as many as one window holds.
#[derive(Debug)]
pub(super) struct FrameRing {
    values: Vec<f32>,
    bands: usize,
}

impl FrameRing {
    pub(super) fn new(frames: usize, bands: usize) -> Self {
        Self { values: vec![0.0; frames * bands], bands }
    }

    /// Where frame `frame` is kept.
    pub(super) fn slot(&mut self, frame: u64) -> &mut [f32] {
        let at = self.offset(frame);
        &mut self.values[at..at + self.bands]
    }

    /// The window that begins with frame `first`, frame by frame.
    pub(super) fn window(&self, first: u64) -> Pieces<'_> {
        let (tail, head) = self.values.split_at(self.offset(first));
        [head, tail]
    }

    fn offset(&self, frame: u64) -> usize {
        let frames = (self.values.len() / self.bands) as u64;
        (frame % frames) as usize * self.bands
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn collect(pieces: Pieces<'_>) -> Vec<f32> {
        pieces.concat()
    }

    #[test]
    fn windows_of_the_presets_begin_where_the_formula_says() {
        // 44100 / (10 · 347) = 12.709…, 25.418…, 38.127…
        let mut schedule = Schedule::new(44_100, 10, 347, 128);
        let mut firsts = Vec::new();
        for _ in 0..4 {
            firsts.push(schedule.first());
            schedule.advance();
        }
        assert_eq!(firsts, [0, 13, 25, 38]);
        assert_eq!(schedule.number(), 4);
    }

    #[test]
    fn halves_round_away_from_zero() {
        // 16000 / (2 · 3200) = 2.5
        let mut schedule = Schedule::new(16_000, 2, 3200, 1);
        schedule.advance();
        assert_eq!(schedule.first(), 3);
    }

    #[test]
    fn no_drift_after_a_century() {
        let mut schedule = Schedule::new(44_100, 100, 347, 128);
        let second = 100 * 365 * 86_400;
        schedule.number = second * 100 - 1;
        schedule.advance();
        assert_eq!(schedule.first(), (second * 44_100 + 173) / 347);
    }

    #[test]
    fn several_windows_share_a_first_frame() {
        let mut schedule = Schedule::new(16_000, 100, 1600, 4);
        schedule.advance();
        assert_eq!((schedule.number(), schedule.first(), schedule.last()), (1, 0, 3));
    }

    #[test]
    fn frames_come_back_in_order() {
        let mut ring = FrameRing::new(3, 2);
        for frame in 0..5 {
            ring.slot(frame).fill(frame as f32);
        }
        assert_eq!(collect(ring.window(2)), [2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
    }

    proptest! {
        #[test]
        fn the_ring_holds_the_newest(capacity in 1usize..20, chunks in prop::collection::vec(0usize..50, 1..20)) {
            let mut ring = SampleRing::new(capacity);
            let mut next = 0usize;
            for chunk in chunks {
                let samples: Vec<f32> = (next..next + chunk).map(|n| n as f32).collect();
                ring.extend(&samples);
                next += chunk;
                let held = capacity.min(next);
                let expected: Vec<f32> = (next - held..next).map(|n| n as f32).collect();
                prop_assert_eq!(ring.total(), next as u64);
                prop_assert_eq!(collect(ring.range((next - held) as u64, held)), expected);
            }
        }
    }
}
