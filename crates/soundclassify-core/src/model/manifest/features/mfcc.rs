// SPDX-License-Identifier: MIT OR Apache-2.0
//! The keys of `[features]` for cepstral coefficients.

use super::{super::section::Section, FeatureKind};
use crate::{
    error::Result,
    frontend::{FeatureSpec, Lifter, LogMel, Mfcc},
    model::limits::MAX_CEPSTRUM_WORK,
};

const SOURCES: &[(&str, FeatureKind)] = &[("logmel", FeatureKind::LogMel), ("fbank", FeatureKind::Fbank)];
const DCT_NORMS: &[(&str, bool)] = &[("ortho", true), ("none", false)];

/// The kind of the frames: for `mfcc` what `of` says, else the preset's, else `logmel`.
pub(super) fn source(features: &Section<'_>, preset: Option<&FeatureSpec>, kind: FeatureKind) -> Result<FeatureKind> {
    if kind != FeatureKind::Mfcc {
        return Ok(kind);
    }
    let (named, of_preset) = (features.choice("of", SOURCES)?, preset.map(FeatureKind::of));
    match (named, of_preset) {
        (Some(named), Some(of_preset)) if named != of_preset => {
            let expected = format!("{}, as in features.preset; or omit the preset", of_preset.name());
            Err(features.wrong("of", expected, named.name()))
        }
        _ => Ok(named.or(of_preset).unwrap_or(FeatureKind::LogMel)),
    }
}

/// The keys of `mfcc` beside those of its frames, which are of the kind `of`.
pub(super) fn read(features: &Section<'_>, mel: LogMel, of: FeatureKind) -> Result<Mfcc> {
    let range = 1..=mel.n_mels as u64;
    let Some(coefficients) = features.uint("n-mfcc", range)? else {
        return Err(features.missing("n-mfcc", format!("the number of coefficients, at most n-mels, {}", mel.n_mels)));
    };
    let work = coefficients * mel.n_mels as u64 * mel.frames as u64;
    if work > MAX_CEPSTRUM_WORK {
        let expected = format!("at most {MAX_CEPSTRUM_WORK} multiplications for a window, frames × n-mels × n-mfcc");
        return Err(features.wrong("n-mfcc", expected, format!("{} × {} × {coefficients}", mel.frames, mel.n_mels)));
    }
    let lifter = features.float("lifter", 0.0..=1000.0)?.filter(|length| *length > 0.0);
    let lifter = match (lifter, of) {
        (None, _) => Lifter::None,
        (Some(length), FeatureKind::Fbank) => Lifter::Kaldi(length),
        (Some(length), _) => Lifter::Librosa(length),
    };
    let orthonormal = features.choice("dct-norm", DCT_NORMS)?.unwrap_or(true);
    Ok(Mfcc { mel, coefficients: coefficients as usize, orthonormal, lifter })
}
