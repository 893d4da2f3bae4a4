// SPDX-License-Identifier: MIT OR Apache-2.0
//! The level of the samples over time: where a sound may begin and end within a window, and digital silence.

use std::ops::Range;

use super::energy::Energy;
use super::log::ln;

/// Length over which levels are averaged, in hops.
const AVERAGED: usize = 5;
/// A smaller step of the level, dB, is no border.
const MIN_STEP: f32 = 6.0;
/// How much a step loses for each second from where the border is expected, dB.
const RISE_LOSS: f32 = 10.0;
const FALL_LOSS: f32 = 30.0;
/// Where in a window a sound is expected to begin, from the window's end, and to end, from its start, s.
const EXPECTED: (f32, f32) = (0.35, 0.4);
/// Power of what counts as digital silence, -100 dB.
const FLOOR: f32 = 1e-10;

/// Level of a signal in hops of 20 ms, as far back as one window and what its borders need.
#[derive(Debug)]
pub(super) struct Levels {
    rate: u32,
    hop: u64,
    window: u64,
    /// Levels of the newest hops, dB; the last one is that of hop `hops - 1`.
    levels: Vec<f32>,
    /// Means of as many of them as are averaged, from each hop on that has so many; the first one is from that of `levels`.
    means: Vec<f32>,
    /// Number of levels that are needed.
    needed: usize,
    hops: u64,
    energy: f64,
    samples: u64,
    /// The first of the samples since the last one that is not 0.
    zeros: u64,
}

/// Where a sound may begin and end within one window, samples since the last reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// The steepest rise, or where a sound is expected to begin.
    pub rise: u64,
    /// Whether the level rises there.
    pub rises: bool,
    /// The steepest fall, or where one is expected to end.
    pub fall: u64,
    /// Whether the level falls there.
    pub falls: bool,
}

impl Levels {
    /// Levels for windows of `window` samples at `rate` Hz.
    pub(super) fn new(rate: u32, window: usize) -> Self {
        let hop = u64::from(rate / 50).max(1);
        let needed = (window as u64 / hop) as usize + 2 * AVERAGED + 2;
        Self {
            rate,
            hop,
            window: window as u64,
            levels: Vec::with_capacity(2 * needed),
            means: Vec::with_capacity(2 * needed),
            needed,
            hops: 0,
            energy: 0.0,
            samples: 0,
            zeros: 0,
        }
    }

    /// Takes the next samples.
    pub(super) fn push(&mut self, mut samples: &[f32]) {
        if let Some(last) = samples.iter().rposition(|sample| *sample != 0.0) {
            self.zeros = self.samples + last as u64 + 1;
        }
        while !samples.is_empty() {
            let room = (self.hop - self.samples % self.hop) as usize;
            let (now, later) = samples.split_at(room.min(samples.len()));
            self.energy += Energy::of(now).sum;
            self.samples += now.len() as u64;
            samples = later;
            if self.samples.is_multiple_of(self.hop) {
                self.close_hop();
            }
        }
    }

    fn close_hop(&mut self) {
        let level = decibels((self.energy / self.hop as f64) as f32);
        self.append(level);
        self.energy = 0.0;
    }

    fn append(&mut self, level: f32) {
        if self.levels.len() == 2 * self.needed {
            self.forget_past();
        }
        self.levels.push(level);
        self.hops += 1;
        if let Some(newest) = self.levels.last_chunk::<AVERAGED>() {
            self.means.push(mean(newest));
        }
    }

    #[cold]
    fn forget_past(&mut self) {
        self.levels.drain(..self.needed);
        self.means.drain(..self.needed);
    }

    /// Forgets everything; samples count from 0 again.
    pub(super) fn reset(&mut self) {
        self.levels.clear();
        self.means.clear();
        (self.hops, self.energy, self.samples, self.zeros) = (0, 0.0, 0, 0);
    }

    /// Whether a window that begins at sample `start`, and whatever its first frames reach back to, is digital silence.
    pub(super) fn is_silent(&self, start: u64) -> bool {
        self.samples > start && self.zeros + self.window <= start
    }

    /// The borders within the window that begins at sample `start`. A sound in the stream's first window is expected to
    /// have begun with it.
    pub(super) fn steps(&self, start: u64) -> Steps {
        let seconds = |seconds: f32| (seconds * self.rate as f32) as u64;
        let half = self.window / 2;
        let rise = if start == 0 { 0 } else { start + self.window - seconds(EXPECTED.0).min(half) };
        let fall = start + seconds(EXPECTED.1).min(half);
        let (mut steepest_rise, mut steepest_fall) = (Border::at(rise), Border::at(fall));
        self.each_step(start / self.hop + 1..(start + self.window) / self.hop, |hop, step| {
            steepest_rise.offer(step, hop, RISE_LOSS, self);
            steepest_fall.offer(-step, hop, FALL_LOSS, self);
        });
        let ((rise, rises), (fall, falls)) = (steepest_rise.place(), steepest_fall.place());
        Steps { rise, rises, fall, falls }
    }

    // For each hop of a range: the mean level of the hops from it on, within the range, less that of those before it.
    fn each_step(&self, range: Range<u64>, mut take: impl FnMut(u64, f32)) {
        let first = self.hops - self.levels.len() as u64;
        let at = |hop: u64| usize::try_from(hop.saturating_sub(first)).unwrap_or(usize::MAX).min(self.levels.len());
        let (begin, end) = (at(range.start).max(1), at(range.end));
        let from = |at: usize| if at + AVERAGED <= end { self.means[at] } else { mean(&self.levels[at..end]) };
        for at in begin..end {
            let before =
                at.checked_sub(AVERAGED).map_or_else(|| mean(&self.levels[..at]), |earlier| self.means[earlier]);
            take(first + at as u64, from(at) - before);
        }
    }
}

fn mean(levels: &[f32]) -> f32 {
    levels.iter().sum::<f32>() / levels.len() as f32
}

/// The steepest step so far.
struct Border {
    expected: u64,
    steepest: Option<(f32, u64)>,
}

impl Border {
    fn at(expected: u64) -> Self {
        Self { expected, steepest: None }
    }

    // Of equal ones, the last counts.
    fn offer(&mut self, step: f32, hop: u64, loss: f32, levels: &Levels) {
        if step < MIN_STEP {
            return;
        }
        let (place, length) = (hop * levels.hop, levels.hop as f32);
        let loss = loss * length / levels.rate.max(1) as f32;
        let value = step - loss * place.abs_diff(self.expected) as f32 / length;
        if self.steepest.is_none_or(|(steepest, _)| steepest.total_cmp(&value).is_le()) {
            self.steepest = Some((value, place));
        }
    }

    fn place(self) -> (u64, bool) {
        self.steepest.map_or((self.expected, false), |(_, place)| (place, true))
    }
}

/// `10 · log10(x)`, by the logarithm of the features, which is in the processor's cache then.
fn decibels(power: f32) -> f32 {
    10.0 / std::f32::consts::LN_10 * ln(power.max(FLOOR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: u32 = 8000;
    const WINDOW: usize = 8000;

    fn levels(parts: &[(f32, f32)]) -> Levels {
        let mut levels = Levels::new(RATE, WINDOW);
        for (seconds, amplitude) in parts {
            let samples: Vec<f32> =
                (0..(seconds * RATE as f32) as usize).map(|n| amplitude * (n as f32 * 0.7).sin()).collect();
            samples.chunks(333).for_each(|chunk| levels.push(chunk));
        }
        levels
    }

    #[test]
    fn a_step_of_the_level_is_a_border() {
        let levels = levels(&[(0.5, 0.001), (0.3, 0.5), (0.4, 0.001)]);
        assert_eq!(levels.steps(1600), Steps { rise: 4000, rises: true, fall: 6400, falls: true });
    }

    #[test]
    fn without_a_step_borders_are_where_a_sound_is_expected() {
        let levels = levels(&[(1.2, 0.1)]);
        assert_eq!(
            levels.steps(1600),
            Steps { rise: 1600 + 8000 - 2800, rises: false, fall: 1600 + 3200, falls: false }
        );
        assert_eq!(self::levels(&[(1.0, 0.1)]).steps(0).rise, 0);
    }

    #[test]
    fn chunks_and_resets_change_nothing() {
        let mut one = levels(&[(0.7, 0.0), (0.5, 0.3)]);
        let wanted = one.steps(1000);
        one.reset();
        let samples: Vec<f32> =
            (0..9600).map(|n| if n < 5600 { 0.0 } else { 0.3 * ((n - 5600) as f32 * 0.7).sin() }).collect();
        one.push(&samples);
        assert_eq!(one.steps(1000), wanted);
    }

    #[test]
    fn digital_silence_is_known() {
        let mut levels = levels(&[(0.5, 0.1)]);
        levels.push(&vec![0.0; 24_000]);
        let silent: Vec<bool> = [0, 4000, 11_990, 12_000, 16_000].map(|start| levels.is_silent(start)).to_vec();
        assert_eq!(silent, [false, false, false, true, true]);
        levels.push(&[0.1]);
        assert!(!levels.is_silent(16_000));
    }
    proptest! {
        #[test]
        fn steps_are_differences_of_means(
            hops in prop::collection::vec(-100f32..0.0, 0..150),
            from in 0u64..160,
            length in 0u64..60,
        ) {
            let mut levels = Levels::new(RATE, WINDOW);
            hops.iter().for_each(|level| levels.append(*level));
            let (known, first) = (levels.levels.clone(), levels.hops as usize - levels.levels.len());
            let mean = |levels: &[f32]| levels.iter().sum::<f32>() / levels.len() as f32;
            let end = (from + length) as usize;
            let wanted: Vec<_> = (first + 1..hops.len().min(end)).filter(|hop| *hop as u64 >= from).map(|hop| {
                let (at, end) = (hop - first, (end - first).min(known.len()));
                let step = mean(&known[at..(at + AVERAGED).min(end)]) - mean(&known[at.saturating_sub(AVERAGED)..at]);
                (hop as u64, step)
            }).collect();
            let mut found = Vec::new();
            levels.each_step(from..from + length, |hop, step| found.push((hop, step)));
            prop_assert_eq!(found, wanted);
        }
    }
}
