// SPDX-License-Identifier: MIT OR Apache-2.0
//! Samples at any rate → windows at the model's rate.

use super::{FeatureSpec, Frontend, ReadyWindow, Resampler, resampler::valid};
use crate::error::Result;

/// Samples that are checked at a time.
const BLOCK: usize = 4096;

/// A resampler where one is needed, and the [`Frontend`] behind it.
pub struct Windower {
    rate: u32,
    source: Option<Source>,
    frontend: Frontend,
    block: Vec<f32>,
    invalid: u64,
}

/// What the newest samples go through.
struct Source {
    rate: u32,
    resampler: Option<Resampler>,
}

impl Windower {
    /// Windows of `spec`, `oversamples` of them a second (0 counts as 1).
    #[must_use]
    pub fn new(spec: &FeatureSpec, oversamples: u32) -> Self {
        Self {
            rate: spec.sample_rate,
            source: None,
            frontend: Frontend::new(spec, oversamples),
            block: Vec::with_capacity(BLOCK),
            invalid: 0,
        }
    }

    /// Appends mono samples, full scale ±1, of `sample_rate` Hz, and calls `on_window` for each window that became due,
    /// in order. The windows do not depend on how the stream is cut into pushes. NaN and infinities count as 0. The rate
    /// may change from one push to the next: the stream continues.
    ///
    /// # Errors
    /// [`Error::Rate`](crate::Error::Rate) for a rate that can't be converted; nothing was appended then.
    pub fn push(
        &mut self,
        samples: &[f32],
        sample_rate: u32,
        on_window: &mut dyn FnMut(ReadyWindow<'_>),
    ) -> Result<()> {
        self.set_rate(sample_rate, on_window)?;
        let Self { source: Some(Source { resampler, .. }), frontend, block, invalid, .. } = self else { return Ok(()) };
        for samples in samples.chunks(BLOCK) {
            *invalid += samples.iter().filter(|sample| !sample.is_finite()).count() as u64;
            block.clear();
            block.extend(samples.iter().map(|sample| valid(*sample)));
            match resampler {
                Some(resampler) => resampler.push(block, &mut |ready| frontend.push(ready, on_window)),
                None => frontend.push(block, on_window),
            }
        }
        Ok(())
    }

    /// End of the stream: what the resampler holds, and, for a stream shorter than one window, the window of its samples
    /// centred in zeros ([`Frontend::finish`]), with `true`. Gives the stream's length in the model's samples. The next
    /// push begins another stream.
    pub fn finish(&mut self, on_window: &mut dyn FnMut(ReadyWindow<'_>, bool)) -> u64 {
        self.flush(&mut |window| on_window(window, false));
        self.frontend.finish(&mut |window| on_window(window, true));
        let samples = self.frontend.samples();
        self.reset();
        samples
    }

    /// Forgets the stream so far; window numbers and positions start at 0 again.
    pub fn reset(&mut self) {
        self.source = None;
        self.frontend.reset();
    }

    /// NaN and infinite samples since the last call.
    pub fn take_invalid(&mut self) -> u64 {
        std::mem::take(&mut self.invalid)
    }

    fn set_rate(&mut self, rate: u32, on_window: &mut dyn FnMut(ReadyWindow<'_>)) -> Result<()> {
        if self.source.as_ref().is_some_and(|source| source.rate == rate) {
            return Ok(());
        }
        let resampler = if rate == self.rate { None } else { Some(Resampler::new(rate, self.rate)?) };
        self.flush(on_window);
        self.source = Some(Source { rate, resampler });
        Ok(())
    }

    fn flush(&mut self, on_window: &mut dyn FnMut(ReadyWindow<'_>)) {
        let Self { source, frontend, .. } = self;
        if let Some(resampler) = source.as_mut().and_then(|source| source.resampler.as_mut()) {
            resampler.finish(&mut |ready| frontend.push(ready, on_window));
        }
    }
}

impl std::fmt::Debug for Windower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Windower").field("rate", &self.rate).field("samples", &self.frontend.samples()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::preset;
    use super::*;

    fn windows(pushes: &[(&[f32], u32)]) -> Vec<(u64, u64, Vec<f32>)> {
        let spec = preset::yamnet();
        let mut windower = Windower::new(&spec, 10);
        let mut found = Vec::new();
        let mut take = |window: ReadyWindow<'_>| {
            let mut values = vec![0.0; spec.len()];
            window.write_to(&mut values);
            found.push((window.number(), window.position(), values));
        };
        for (samples, rate) in pushes {
            windower.push(samples, *rate, &mut take).unwrap();
        }
        windower.finish(&mut |window, _| take(window));
        found
    }

    fn noise(samples: usize) -> Vec<f32> {
        (0..samples).map(|n| ((n * n % 1009) as f32 / 1009.0 - 0.5) * 0.3).collect()
    }

    #[test]
    fn a_new_rate_goes_on_where_the_old_one_ended() {
        let (high, low) = (noise(48000), noise(16000));

        let found = windows(&[(&high, 48000), (&low, 16000)]);

        assert_eq!(
            found.iter().map(|window| window.0).collect::<Vec<_>>(),
            (0..found.len() as u64).collect::<Vec<_>>()
        );
        assert_eq!(found.len(), windows(&[(&noise(32000), 16000)]).len());
    }

    #[test]
    fn a_stream_shorter_than_a_window_has_one_and_an_empty_one_has_none() {
        assert_eq!(windows(&[(&noise(100), 44100)]).len(), 1);
        assert_eq!(windows(&[(&[], 44100)]).len(), 0);
    }

    #[test]
    fn what_is_no_number_counts_as_silence() {
        let mut samples = noise(20000);
        let mut broken = samples.clone();
        for at in [0, 4095, 4096, 15000] {
            samples[at] = 0.0;
            broken[at] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][at % 3];
        }

        assert_eq!(windows(&[(&broken, 16000)]), windows(&[(&samples, 16000)]));
    }

    #[test]
    fn a_rate_of_nothing_is_an_error() {
        let mut windower = Windower::new(&preset::yamnet(), 10);

        assert!(windower.push(&[0.0], 0, &mut |_| {}).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn chunking_changes_nothing(cuts in prop::collection::vec(1usize..9000, 1..8), rate in prop::sample::select(vec![16000u32, 44100])) {
            let samples = noise(60000);
            let mut rest = samples.as_slice();
            let mut pushes = Vec::new();
            for cut in cuts {
                let (push, later) = rest.split_at(cut.min(rest.len()));
                pushes.push((push, rate));
                rest = later;
            }
            pushes.push((rest, rate));
            prop_assert_eq!(windows(&pushes), windows(&[(&samples, rate)]));
        }
    }
}
