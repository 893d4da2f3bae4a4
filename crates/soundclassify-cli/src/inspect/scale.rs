// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a recording and the manifest say about the scale of the network's input, `features.waveform-scale`.

use std::fmt;

use serde::Serialize;
use soundclassify_core::frontend::{FeatureSpec, Features, FixedNormalize, Log, LogMel, Normalize, Power, preset};

use super::distribution::bands_of;

/// Usual factors of the samples: networks are trained on floating-point samples or on 16-bit values.
const SCALES: [f64; 2] = [1.0, 32_768.0];
/// Range of the mean and of the standard deviation after `normalize-mean` and `normalize-std` of the training data: about 0, and
/// 0.5 or 1.
const NORMAL_MEAN: f64 = 2.0;
const NORMAL_DEVIATION: std::ops::RangeInclusive<f64> = 0.1..=3.0;
/// Range of the mean and of the standard deviation of logarithms and decibels without a fixed normalisation.
const PLAIN_MEAN: f64 = 120.0;
const PLAIN_DEVIATION: std::ops::RangeInclusive<f64> = 1e-4..=60.0;
/// Minimum share of values above the floor: those at the floor do not say what they would be with a different scale.
const ENOUGH: f64 = 0.1;

/// Whether the scale is that of the training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Probable,
    Improbable,
    /// The normalisation of each window removes it.
    Any,
    Unknown,
}

/// The verdict and what it is based on.
#[derive(Debug, Serialize)]
pub(super) struct Scale {
    pub(super) verdict: Verdict,
    /// Values of `waveform-scale`, the manifest's first, each with the mean of the input's values that it gives. Empty unless the
    /// mean of the training data is known to be 0.
    means: Vec<(f64, f64)>,
    /// In words, with the remedy.
    pub(super) reason: String,
}

impl Scale {
    /// Of the values of all windows of a recording, with their mean and standard deviation.
    pub(super) fn of(spec: &FeatureSpec, values: &[f32], mean: f64, deviation: f64) -> Self {
        let means = means(spec, values);
        let (verdict, reason) = judge(spec, &means, mean, deviation);
        Self { verdict, means, reason }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Probable => "probable",
            Verdict::Improbable => "improbable",
            Verdict::Any => "of no importance",
            Verdict::Unknown => "not known",
        };
        write!(f, "{verdict}: {}", self.reason)
    }
}

fn judge(spec: &FeatureSpec, means: &[(f64, f64)], mean: f64, deviation: f64) -> (Verdict, String) {
    if deviation == 0.0 {
        return (Verdict::Unknown, "all values are the same".into());
    }
    let own = spec.log_mel().map(|mel| mel.waveform_scale);
    let preset = preset_of(spec);
    let likely = means.iter().filter(|(_, mean)| mean.abs() <= NORMAL_MEAN);
    let nearest = likely.min_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs())).map(|(scale, _)| *scale);
    let statistics = statistics(means);
    match (own, preset, nearest) {
        (Some(own), Some((name, scale)), _) if own != scale => {
            let found = format!("features.waveform-scale: found {own}, expected {scale}, as in the preset {name}");
            let remedy = format!("set it to {scale}, unless the network was trained with {own}");
            (Verdict::Improbable, format!("{found}, which has the same features otherwise{statistics}; {remedy}"))
        }
        (Some(own), None, Some(nearest)) if own != nearest => {
            let found = format!("features.waveform-scale: found {own}, expected {nearest}{statistics}");
            let remedy = format!("set it to {nearest}, or check features.normalize-mean and features.normalize-std");
            (Verdict::Improbable, format!("{found}; {remedy}"))
        }
        _ => unusual(spec, mean, deviation)
            .map(|reason| (Verdict::Improbable, reason))
            .unwrap_or_else(|| usual(spec, preset, own, nearest, &statistics)),
    }
}

/// The means in words, as the end of a sentence.
fn statistics(means: &[(f64, f64)]) -> String {
    let [(own, mean), others @ ..] = means else { return String::new() };
    let others = others.iter().map(|(scale, mean)| format!(", with {scale} it would be {mean:.3}"));
    format!(
        "; with {own} the mean above the floor is {mean:.3}{}, expected about 0 because of the fixed normalisation",
        others.collect::<String>()
    )
}

/// Why the values can hardly be those of the training data, whatever the recording.
fn unusual(spec: &FeatureSpec, mean: f64, deviation: f64) -> Option<String> {
    let is_normal = spec.fixed != FixedNormalize::None && spec.normalize == Normalize::None;
    let (max_mean, usual, keys, expected) = match (&spec.features, is_normal) {
        (Features::LogMel(_) | Features::Mfcc(_), true) => (
            NORMAL_MEAN,
            NORMAL_DEVIATION,
            match spec.log_mel().map(|mel| mel.log) {
                Some(Log::LnFloor { .. }) => "features.normalize-mean, features.normalize-std, features.energy-floor",
                _ => "features.normalize-mean, features.normalize-std, features.log",
            },
            "about 0 and 1, because of normalize-mean and normalize-std",
        ),
        (Features::LogMel(_), false) => {
            let keys = match spec.log_mel().map(|mel| mel.log) {
                Some(Log::LnFloor { .. }) => "features.energy-floor, input.normalize",
                _ => "features.log, input.normalize",
            };
            (PLAIN_MEAN, PLAIN_DEVIATION, keys, "smaller values")
        }
        (Features::Mfcc(_), false) | (Features::Waveform, _) => return None,
    };
    (mean.abs() > max_mean || !usual.contains(&deviation)).then(|| {
        format!(
            "the mean is {mean:.3} and the standard deviation {deviation:.3}, expected {expected}; check {keys} and \
             features.waveform-scale (1, or 32768 for networks trained on 16-bit values), unless the recording is much \
             quieter or louder than the training data"
        )
    })
}

/// What is known where nothing is unusual.
fn usual(
    spec: &FeatureSpec,
    preset: Option<(&str, f64)>,
    own: Option<f64>,
    nearest: Option<f64>,
    statistics: &str,
) -> (Verdict, String) {
    let level = if nearest != own && nearest.is_some() {
        "; the recording is much quieter or louder than the training data"
    } else {
        ""
    };
    match (preset, own, nearest) {
        (Some((name, scale)), ..) => (
            Verdict::Probable,
            format!("features.waveform-scale is {scale}, as in the preset {name}{statistics}{level}"),
        ),
        (None, Some(own), Some(_)) => (Verdict::Probable, format!("features.waveform-scale is {own}{statistics}")),
        _ if is_removed(spec) => {
            (Verdict::Any, "input.normalize removes it from each window, all but the effect on floors".into())
        }
        (None, Some(own), None) => (
            Verdict::Unknown,
            format!(
                "features.waveform-scale is {own}, and the manifest does not say what mean the network expects; compare it with \
                 the network's own code (1, or 32768 for networks trained on 16-bit values), or add a [check]"
            ),
        ),
        (None, None, _) => (Verdict::Unknown, samples(spec)),
    }
}

/// Whether the normalisation of each window makes a factor of the samples disappear.
fn is_removed(spec: &FeatureSpec) -> bool {
    match &spec.features {
        Features::Waveform => matches!(spec.normalize, Normalize::MinMaxEps | Normalize::MeanVar | Normalize::Peak),
        // A factor moves all logarithms by the same amount.
        Features::LogMel(_) => {
            spec.normalize != Normalize::None && !matches!(spec.fixed, FixedNormalize::PerBand { .. })
        }
        Features::Mfcc(_) => false,
    }
}

/// What samples of full scale are for the network.
fn samples(spec: &FeatureSpec) -> String {
    let (mean, std) = match &spec.fixed {
        FixedNormalize::Scalar { mean, std } => (*mean, *std),
        FixedNormalize::None | FixedNormalize::PerBand { .. } => (0.0, 1.0),
    };
    let [low, high] = [-1.0, 1.0].map(|sample| (sample - mean) / std);
    format!(
        "samples of full scale become {low:.4} and {high:.4} before input.normalize; compare them with the network's own code \
         (-1 and 1, or -32768 and 32768 for networks trained on 16-bit values), and change features.waveform-scale if they differ"
    )
}

/// The preset with these features but for the number of frames and `waveform-scale`: its name and its scale.
fn preset_of(spec: &FeatureSpec) -> Option<(&'static str, f64)> {
    let Features::LogMel(ours) = &spec.features else { return None };
    preset::ALL.iter().find_map(|(name, make)| {
        let preset = make();
        let Features::LogMel(theirs) = preset.features else { return None };
        let scale = theirs.waveform_scale;
        let alike = LogMel { waveform_scale: ours.waveform_scale, frames: ours.frames, ..theirs };
        let is_same = alike == *ours && preset.sample_rate == spec.sample_rate && preset.fixed == spec.fixed;
        is_same.then_some((*name, scale))
    })
}

/// The mean of the values above the floor with the manifest's scale, and with each other usual one.
fn means(spec: &FeatureSpec, values: &[f32]) -> Vec<(f64, f64)> {
    let (Features::LogMel(mel), Normalize::None) = (&spec.features, spec.normalize) else { return Vec::new() };
    let Some((_, band)) = bands_of(spec) else { return Vec::new() };
    let pair = |at: usize| match &spec.fixed {
        FixedNormalize::None => None,
        FixedNormalize::Scalar { mean, std } => Some((*mean, *std)),
        FixedNormalize::PerBand { mean, std } => Some((mean[band(at)], std[band(at)])),
    };
    let kept = values.iter().enumerate().filter_map(|(at, value)| {
        let (mean, std) = pair(at)?;
        let logarithm = f64::from(*value) * std + mean;
        is_above_floor(mel.log, logarithm).then_some((logarithm, mean, std))
    });
    let kept: Vec<_> = kept.collect();
    if (kept.len() as f64) < ENOUGH * values.len() as f64 || kept.is_empty() {
        return Vec::new();
    }
    let mean_with = |scale: f64| {
        let factor = scale / mel.waveform_scale;
        let gain = if mel.power == Power::Two { factor * factor } else { factor };
        let normal = |(logarithm, mean, std): &(f64, f64, f64)| (scaled(mel.log, *logarithm, gain) - mean) / std;
        (scale, kept.iter().map(normal).sum::<f64>() / kept.len() as f64)
    };
    let others = SCALES.into_iter().filter(|scale| *scale != mel.waveform_scale);
    std::iter::once(mel.waveform_scale).chain(others).map(mean_with).collect()
}

/// Whether a logarithm is far enough above the smallest one that its mel value is known.
fn is_above_floor(log: Log, logarithm: f64) -> bool {
    const MARGIN: f64 = 1.01;
    match log {
        Log::LnFloor { floor } => logarithm > (floor * MARGIN).ln(),
        Log::Db { amin, .. } => logarithm > 10.0 * (amin * MARGIN).log10(),
        Log::Ln { offset } => logarithm > (offset * MARGIN).ln(),
        Log::Log10 { offset } => logarithm > (offset * MARGIN).log10(),
    }
}

/// The logarithm of a mel value that is larger by this factor.
fn scaled(log: Log, logarithm: f64, gain: f64) -> f64 {
    match log {
        Log::LnFloor { floor } => (logarithm + gain.ln()).max(floor.ln()),
        Log::Db { amin, .. } => (logarithm + 10.0 * gain.log10()).max(10.0 * amin.log10()),
        Log::Ln { offset } => ((logarithm.exp() - offset) * gain + offset).ln(),
        Log::Log10 { offset } => ((10.0_f64.powf(logarithm) - offset) * gain + offset).log10(),
    }
}

#[cfg(test)]
mod tests {
    use soundclassify_core::frontend::Frontend;

    use super::*;

    /// A preset with 100 frames and this scale.
    fn preset(name: &str, waveform_scale: f64) -> FeatureSpec {
        let mut spec = preset::named(name).unwrap();
        let Features::LogMel(mel) = &mut spec.features else { panic!("no log-mel") };
        (mel.frames, mel.waveform_scale) = (100, waveform_scale);
        spec
    }

    /// The input's values for noise with this peak.
    fn values(spec: &FeatureSpec, peak: f32) -> Vec<f32> {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            peak * ((state >> 8) as f32 / 8_388_608.0 - 1.0)
        };
        let samples: Vec<f32> = (0..2 * spec.sample_rate).map(|_| noise()).collect();
        let mut values = vec![0.0; spec.len()];
        let mut frontend = Frontend::new(spec, 1);
        frontend.push(&samples, &mut |window| window.write_to(&mut values));
        frontend.finish(&mut |window| window.write_to(&mut values));
        values
    }

    fn mean_of(values: &[f32]) -> f64 {
        values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64
    }

    fn of(spec: &FeatureSpec, values: &[f32]) -> Scale {
        let mean = mean_of(values);
        let variance = values.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / values.len() as f64;
        Scale::of(spec, values, mean, variance.sqrt())
    }

    #[test]
    fn the_scale_of_a_preset_is_known() {
        for (name, right, wrong) in [("ast", 1.0, 32_768.0), ("beats", 32_768.0, 1.0), ("zipformer", 1.0, 32_768.0)] {
            // The level of quiet and of loud recordings.
            for peak in [0.005, 0.1, 0.9] {
                let [spec, other] = [right, wrong].map(|scale| preset(name, scale));

                let good = of(&spec, &values(&spec, peak));
                let bad = of(&other, &values(&other, peak));

                assert_eq!(good.verdict, Verdict::Probable, "{good}");
                assert_eq!(bad.verdict, Verdict::Improbable, "{bad}");
                let expected = format!("found {wrong}, expected {right}, as in the preset {name}");
                assert!(bad.reason.contains(&expected), "{bad}");
            }
        }
    }

    #[test]
    fn a_fixed_normalisation_says_which_scale_is_nearer() {
        for (name, right, wrong) in [("ast", 1.0, 32_768.0), ("beats", 32_768.0, 1.0), ("efficientat", 1.0, 32_768.0)] {
            let own = |scale: f64| {
                let mut spec = preset(name, scale);
                let Features::LogMel(mel) = &mut spec.features else { panic!("no log-mel") };
                // No preset has it.
                mel.fmin = 30.0;
                let values = values(&spec, 0.1);
                (of(&spec, &values), mean_of(&values))
            };

            let ((good, mean), (bad, other_mean)) = (own(right), own(wrong));

            assert_eq!((good.verdict, bad.verdict), (Verdict::Probable, Verdict::Improbable), "{good}; {bad}");
            assert!(bad.reason.contains(&format!("found {wrong}, expected {right}; with {wrong}")), "{bad}");
            // The other means are those that the front end gives.
            for (scale, expected, tolerance) in
                [(good.means[0], mean, 0.05), (good.means[1], other_mean, 0.05), (bad.means[1], mean, 0.05)]
            {
                assert!((scale.1 - expected).abs() < tolerance, "{name}: {scale:?}, {expected}");
            }
        }
    }

    #[test]
    fn without_knowledge_nothing_is_claimed() {
        let mut plain = preset("yamnet", 1.0);
        let Features::LogMel(mel) = &mut plain.features else { panic!("no log-mel") };
        mel.fmin = 30.0;
        let birdnet = FeatureSpec { window: 16_000, ..preset::birdnet() };
        let mut words = birdnet.clone();
        words.fixed = FixedNormalize::Scalar { mean: 0.0, std: 1.0 / 32_768.0 };
        let removed = FeatureSpec { normalize: Normalize::MeanVar, ..plain.clone() };
        for (spec, verdict, part) in [
            (&plain, Verdict::Unknown, "features.waveform-scale is 1"),
            (&birdnet, Verdict::Unknown, "become -1.0000 and 1.0000"),
            (&words, Verdict::Unknown, "become -32768.0000 and 32768.0000"),
            (&removed, Verdict::Any, "input.normalize removes it"),
        ] {
            let scale = of(spec, &values(spec, 0.1));
            assert!(scale.verdict == verdict && scale.reason.contains(part), "{scale}");
        }
        assert_eq!(of(&plain, &vec![0.5; plain.len()]).verdict, Verdict::Unknown);
    }

    #[test]
    fn a_pair_for_each_band_is_heeded() {
        let scalar = preset("ast", 32_768.0);
        let FixedNormalize::Scalar { mean, std } = scalar.fixed else { panic!("no pair") };
        let mut per_band = scalar.clone();
        per_band.fixed = FixedNormalize::PerBand { mean: vec![mean; 128], std: vec![std; 128] };
        let values = values(&scalar, 0.1);

        let [one, each] = [&scalar, &per_band].map(|spec| of(spec, &values));

        assert_eq!(one.means, each.means);
        assert_eq!(each.verdict, Verdict::Improbable);
    }
}
