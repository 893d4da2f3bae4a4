// SPDX-License-Identifier: MIT OR Apache-2.0
//! The silence gate: windows below a level are not classified.

/// Hysteresis: a closed gate opens this much above the threshold, dB.
const HYSTERESIS: f64 = 3.0;

/// Gate on the level of windows. A window below the threshold is silent, and so are the following ones until a window
/// reaches 3 dB above it.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    threshold: f64,
    closed: bool,
}

impl Gate {
    /// An open gate; `threshold` in dBFS of the window's root mean square, negative infinity: always open.
    #[must_use]
    pub fn new(threshold: f64) -> Self {
        Self { threshold, closed: false }
    }

    /// Sets the threshold from the next window on.
    pub fn set_threshold(&mut self, threshold: f64) {
        self.threshold = threshold;
    }

    /// Whether the next window is silent. `rms` returns its root mean square, linear; it is called only if needed.
    pub fn silences(&mut self, rms: impl FnOnce() -> f32) -> bool {
        self.closed = self.threshold > f64::NEG_INFINITY && {
            let level = 20.0 * f64::from(rms()).log10();
            level < self.threshold + if self.closed { HYSTERESIS } else { 0.0 }
        };
        self.closed
    }

    /// Opens the gate, at the beginning of new audio.
    pub fn reset(&mut self) {
        self.closed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(gate: &mut Gate, level: f64) -> bool {
        gate.silences(|| 10f64.powf(level / 20.0) as f32)
    }

    #[test]
    fn below_is_silent_and_opening_takes_3_db_more() {
        let mut gate = Gate::new(-40.0);
        let levels = [-39.9, -40.1, -39.0, -37.1, -36.9, -39.0, -39.9, -40.1];
        let silent: Vec<bool> = levels.iter().map(|level| silent(&mut gate, *level)).collect();
        assert_eq!(silent, [false, true, true, true, false, false, false, true]);
    }

    #[test]
    fn without_a_threshold_nothing_is_asked() {
        assert!(!Gate::new(f64::NEG_INFINITY).silences(|| unreachable!()));
    }

    #[test]
    fn digital_silence_is_below_everything() {
        assert!(Gate::new(-200.0).silences(|| 0.0));
    }

    #[test]
    fn a_new_stretch_and_a_new_threshold_are_heeded() {
        let mut gate = Gate::new(-40.0);
        assert!(silent(&mut gate, -41.0));
        gate.reset();
        assert!(!silent(&mut gate, -39.0));
        gate.set_threshold(-30.0);
        assert!(silent(&mut gate, -39.0));
    }
}
