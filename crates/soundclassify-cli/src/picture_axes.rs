// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frequencies at the axis of log-mel pictures.

use soundclassify_core::frontend::{FeatureSpec, Features, MelScale};

/// Lowest frequency of the picture where the model has none of its own, Hz.
const LOWEST: f64 = 50.0;

/// Frequencies at the picture's bottom, middle and top, Hz.
pub(crate) fn bands(spec: &FeatureSpec) -> [f64; 3] {
    let (low, high, scale) = match &spec.features {
        Features::LogMel(mel) => (mel.fmin, mel.fmax, mel.scale),
        _ => (LOWEST, f64::from(spec.sample_rate) / 2.0, MelScale::Slaney),
    };
    let middle = (mel(scale, low) + mel(scale, high)) / 2.0;
    // Monotonic, so it is found by halving.
    let (mut below, mut above) = (low, high);
    for _ in 0..40 {
        let half = (below + above) / 2.0;
        if mel(scale, half) < middle { below = half } else { above = half }
    }
    [low, below, high]
}

/// Place of a frequency on the mel scale.
fn mel(scale: MelScale, hertz: f64) -> f64 {
    match scale {
        // Kaldi's is the same but for a factor.
        MelScale::Htk | MelScale::Kaldi => 2595.0 * (1.0 + hertz / 700.0).log10(),
        MelScale::Slaney if hertz < 1000.0 => hertz * 3.0 / 200.0,
        MelScale::Slaney => 15.0 + (hertz / 1000.0).ln() * 27.0 / 6.4_f64.ln(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_lies_on_the_mel_scale() {
        let model = soundclassify_core::model::Model::load("default").unwrap();
        let [low, middle, high] = bands(&model.manifest().features);

        assert!(low < middle && middle < (low + high) / 2.0, "{low} {middle} {high}");
        assert!((mel(MelScale::Htk, 1000.0) - 1000.0).abs() < 0.1);
        assert!((mel(MelScale::Slaney, 1000.0) - 15.0).abs() < 1e-9);
    }
}
