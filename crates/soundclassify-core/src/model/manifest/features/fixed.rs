// SPDX-License-Identifier: MIT OR Apache-2.0
//! The keys of `[features]` for fixed normalisation and the scale of samples.

use super::super::section::Section;
use crate::{
    error::Result,
    frontend::{Features, FixedNormalize},
};

const MEANS: std::ops::RangeInclusive<f64> = -1e9..=1e9;
const STDS: std::ops::RangeInclusive<f64> = 1e-9..=1e9;

/// `normalize-mean` and `normalize-std`, and the scale of a waveform's samples, which comes before them.
pub(super) fn read(
    features: &Section<'_>,
    preset: Option<FixedNormalize>,
    values: &Features,
    scale: Option<f64>,
) -> Result<FixedNormalize> {
    let fixed = own(features, values)?.or(preset).unwrap_or(FixedNormalize::None);
    let (Features::Waveform, Some(scale)) = (values, scale) else { return Ok(fixed) };
    let (mean, std) = match fixed {
        FixedNormalize::Scalar { mean, std } => (mean, std),
        FixedNormalize::None | FixedNormalize::PerBand { .. } => (0.0, 1.0),
    };
    Ok(FixedNormalize::Scalar { mean: mean / scale, std: std / scale })
}

fn own(features: &Section<'_>, values: &Features) -> Result<Option<FixedNormalize>> {
    let (mean, std) = (features.floats("normalize-mean", MEANS)?, features.floats("normalize-std", STDS)?);
    let (mean, std) = match (mean, std) {
        (None, None) => return Ok(None),
        (Some(_), None) => {
            return Err(features.missing("normalize-std", "a value, because features.normalize-mean is set"));
        }
        (None, Some(_)) => {
            return Err(features.missing("normalize-mean", "a value, because features.normalize-std is set"));
        }
        (Some(mean), Some(std)) => (mean, std),
    };
    if let ([mean], [std]) = (&mean[..], &std[..]) {
        return Ok(Some(FixedNormalize::Scalar { mean: *mean, std: *std }));
    }
    let bands = match values {
        Features::LogMel(mel) => mel.n_mels,
        Features::Mfcc(mfcc) => mfcc.coefficients,
        Features::Waveform => 1,
    };
    for (key, list) in [("normalize-mean", &mean), ("normalize-std", &std)] {
        if list.len() != bands {
            let expected = format!(
                "one number in each of normalize-mean and normalize-std, or {bands}, one per band or coefficient"
            );
            return Err(features.wrong(key, expected, list.len().to_string()));
        }
    }
    Ok(Some(FixedNormalize::PerBand { mean, std }))
}
