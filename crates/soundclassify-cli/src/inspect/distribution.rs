// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify inspect --input FILE`: how the values of the network's input are distributed, so that a wrong scale is seen.

use std::fmt;

use serde::Serialize;
use soundclassify_core::{
    frontend::{ChannelAxis, FeatureSpec, Layout, Log},
    model::{self, Element, Manifest, Model, Scale as IntegerScale},
};

use super::scale::{Scale, Verdict};
use crate::{
    exit::Result,
    window_values::{What, WindowValues},
};

/// Percentiles that are shown.
const PERCENTS: [u32; 7] = [1, 5, 25, 50, 75, 95, 99];
/// Maximum number of lines for the bands: adjacent bands share one.
const LINES: usize = 16;
/// Maximum usual share of values at the minimum.
const USUAL_FLOOR: f64 = 0.5;
/// Maximum usual share of values that integers can't hold.
const USUAL_CLIPPED: f64 = 0.01;
/// Share of the values whose integers are counted, rare ones left aside.
const COMMON_SHARE: f64 = 0.99;
/// Number of integers that most values of a usual scale exceed.
const FEW: usize = 8;

/// The values of all windows of a recording.
#[derive(Debug, Serialize)]
pub(super) struct Distribution {
    recording: String,
    windows: usize,
    shape: Vec<usize>,
    min: f32,
    max: f32,
    mean: f64,
    standard_deviation: f64,
    percentiles: Vec<(u32, f32)>,
    /// Share of values at the minimum.
    at_floor: f64,
    /// Share of values that an input of integers can't hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    clipped: Option<f64>,
    /// The values as an input of integers gets them.
    #[serde(skip_serializing_if = "Option::is_none")]
    integers: Option<Integers>,
    /// Of each mel band or coefficient, the lowest first; empty for samples.
    bands: Vec<Band>,
    scale: Scale,
    warnings: Vec<String>,
}

/// The values as integers of the network's type.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Integers {
    #[serde(rename = "type")]
    element: String,
    /// Value of one step.
    step: f64,
    min: i32,
    max: i32,
    /// Number of different integers.
    distinct: usize,
    /// Number of integers that hold 99 % of the values.
    common: usize,
    percentiles: Vec<(u32, i32)>,
}

/// The values of one band.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Band {
    min: f32,
    mean: f64,
    max: f32,
}

/// The distribution of what the network gets for a recording.
///
/// # Errors
/// The recording can't be read or has no window.
pub(super) fn of(model: &Model, file: &str) -> Result<Distribution> {
    let windows = WindowValues::new(model, What::Input, None, -1)?;
    let values = windows.of(file)?;
    // An element type of the manifest must be the network's, which is what the integers have.
    let element = || model::input_element(model).map_err(|error| error.to_string());
    let integers = model.manifest().input_scale.map(|scale| (scale, element()));
    Ok(Distribution::new(file, model.manifest(), integers, values))
}

impl Distribution {
    /// `integers`: of an input of integers their scale and their type, or why that is not known.
    fn new(
        recording: &str,
        manifest: &Manifest,
        integers: Option<(IntegerScale, std::result::Result<Element, String>)>,
        mut values: Vec<f32>,
    ) -> Self {
        let spec = &manifest.features;
        let (shape, length) = (spec.shape(), spec.len());
        let bands = bands(spec, &values);
        let count = values.len() as f64;
        let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let variance = values.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / count;
        let scale = Scale::of(spec, &values, mean, variance.sqrt());
        let (clipped, integers, unknown) = match integers {
            None => (None, None, None),
            Some((scale, Ok(element))) => {
                (clipped(&values, scale, element), Integers::of(&values, scale, element), None)
            }
            Some((_, Err(why))) => (None, None, Some(format!("the range of the input's integers is not known: {why}"))),
        };
        values.sort_unstable_by(f32::total_cmp);
        let at = |percent: u32| values[(values.len() - 1) * percent as usize / 100];
        let (min, max) = (at(0), at(100));
        let at_floor = values.iter().take_while(|value| **value == min).count() as f64 / count;
        let mut distribution = Self {
            recording: recording.to_owned(),
            windows: values.len() / length,
            shape,
            min,
            max,
            mean,
            standard_deviation: variance.sqrt(),
            percentiles: PERCENTS.map(|percent| (percent, at(percent))).to_vec(),
            at_floor,
            clipped,
            integers,
            bands,
            scale,
            warnings: Vec::new(),
        };
        distribution.warnings = distribution.warnings(spec);
        distribution.warnings.extend(unknown);
        distribution
    }

    /// What is improbable, and which keys of the manifest decide it.
    fn warnings(&self, spec: &FeatureSpec) -> Vec<String> {
        let Self { at_floor, clipped, integers, scale, .. } = self;
        let mut warnings = Vec::new();
        if self.min == self.max {
            return vec![format!("all values are {}; the recording may be silent", self.min)];
        }
        if scale.verdict == Verdict::Improbable {
            warnings.push(format!("improbable scale: {}", scale.reason));
        }
        if *at_floor > USUAL_FLOOR {
            let share = at_floor * 100.0;
            warnings.push(format!("{share:.0} % of the values are at the minimum, {}; {}", self.min, floor(spec)));
        }
        if let Some(share) = clipped.filter(|share| *share > USUAL_CLIPPED) {
            warnings.push(format!(
                "{:.0} % of the values are outside of the range of the input's integers; check input.scale and \
                input.zero-point",
                share * 100.0
            ));
        } else if let Some(Integers { element, step, common, .. }) = integers.as_ref().filter(|it| it.common <= FEW) {
            warnings.push(format!(
                "99 % of the values become {common} of the 256 integers of {element}: input.scale is {step}, the standard \
                 deviation {:.4}; expected a smaller input.scale, unless the recording is much quieter than the training data",
                self.standard_deviation
            ));
        }
        warnings
    }
}

impl Integers {
    /// Of values of this scale; `None` for a type of floating-point values.
    fn of(values: &[f32], scale: IntegerScale, element: Element) -> Option<Self> {
        let mut integers = values.iter().map(|value| scale.integer(*value, element)).collect::<Option<Vec<_>>>()?;
        integers.sort_unstable();
        let at = |percent: u32| integers[(integers.len() - 1) * percent as usize / 100];
        let mut counts: Vec<_> = integers.chunk_by(|a, b| a == b).map(<[_]>::len).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let enough = (COMMON_SHARE * integers.len() as f64) as usize;
        let sums = counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        Some(Self {
            element: element.to_string(),
            step: scale.scale,
            min: at(0),
            max: at(100),
            distinct: counts.len(),
            common: 1 + sums.take_while(|sum| *sum < enough).count(),
            percentiles: PERCENTS.map(|percent| (percent, at(percent))).to_vec(),
        })
    }
}

impl fmt::Display for Integers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { element, min, max, distinct, common, percentiles, .. } = self;
        writeln!(f, "integers  {element}, {min} … {max}: {distinct} in use, 99 % of the values in {common}")?;
        let percentiles = percentiles.iter().map(|(percent, value)| format!("{percent} %: {value}"));
        write!(f, "          {}", percentiles.collect::<Vec<_>>().join(", "))
    }
}

/// Why many values may be at the minimum, and which keys decide it.
fn floor(spec: &FeatureSpec) -> String {
    let keys = match spec.log_mel().map(|mel| mel.log) {
        None => return "the recording may be clipped, or features.waveform-scale too large".into(),
        Some(Log::Db { .. }) => "features.amin, features.top-db",
        Some(Log::Ln { .. } | Log::Log10 { .. }) => "features.offset",
        Some(Log::LnFloor { .. }) => "features.energy-floor",
    };
    format!("a floor ({keys}) that is too high for features.waveform-scale hides quiet sound")
}

/// Share of the values that integers of this type and scale can't hold; `None` for a type of floating-point values.
fn clipped(values: &[f32], IntegerScale { scale, zero_point }: IntegerScale, element: Element) -> Option<f64> {
    let (min, max) = match element {
        Element::I8 => (-128, 127),
        Element::U8 => (0, 255),
        Element::F32 | Element::F16 => return None,
    };
    let [min, max] = [min, max].map(|step| scale * f64::from(step - zero_point));
    let half = scale / 2.0;
    let outside = values.iter().filter(|value| !(min - half..=max + half).contains(&f64::from(**value)));
    Some(outside.count() as f64 / values.len() as f64)
}

/// The number of bands or coefficients, and which one a value of a row of windows is of; `None` for samples.
pub(super) fn bands_of(spec: &FeatureSpec) -> Option<(usize, impl Fn(usize) -> usize)> {
    let shape = spec.shape();
    let axes = match spec.channel_axis {
        ChannelAxis::First => &shape[1..],
        ChannelAxis::Last => &shape[..shape.len() - 1],
        ChannelAxis::None => &shape[..],
    };
    let (count, run) = match (spec.layout, axes) {
        (Layout::MelsFrames, [bands, frames]) => (*bands, *frames),
        (Layout::FramesMels, [_, bands]) => (*bands, 1),
        _ => return None,
    };
    Some((count, move |at| at / run % count))
}

/// The values of each band of all windows.
fn bands(spec: &FeatureSpec, values: &[f32]) -> Vec<Band> {
    let Some((count, index)) = bands_of(spec) else { return Vec::new() };
    let mut bands = vec![Band { min: f32::INFINITY, mean: 0.0, max: f32::NEG_INFINITY }; count];
    for (at, value) in values.iter().enumerate() {
        let band = &mut bands[index(at)];
        *band = Band { min: band.min.min(*value), mean: band.mean + f64::from(*value), max: band.max.max(*value) };
    }
    let each = values.len() as f64 / count as f64;
    bands.iter_mut().for_each(|band| band.mean /= each);
    bands
}

/// Adjacent bands as one.
fn joined(bands: &[Band]) -> Band {
    let fold = |all: Band, band: &Band| Band {
        min: all.min.min(band.min),
        mean: all.mean + band.mean / bands.len() as f64,
        max: all.max.max(band.max),
    };
    bands.iter().fold(Band { min: f32::INFINITY, mean: 0.0, max: f32::NEG_INFINITY }, fold)
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "input     {}: {} windows of {:?}", self.recording, self.windows, self.shape)?;
        writeln!(f, "range     {:.4} … {:.4}", self.min, self.max)?;
        writeln!(f, "mean      {:.4}, standard deviation {:.4}", self.mean, self.standard_deviation)?;
        let percentiles = self.percentiles.iter().map(|(percent, value)| format!("{percent} %: {value:.4}"));
        writeln!(f, "quantiles {}", percentiles.collect::<Vec<_>>().join(", "))?;
        writeln!(f, "floor     {:.1} % of the values are at the minimum", self.at_floor * 100.0)?;
        if let Some(share) = self.clipped {
            writeln!(f, "clipped   {:.1} % of the values are out of the range of the integers", share * 100.0)?;
        }
        if let Some(integers) = &self.integers {
            writeln!(f, "{integers}")?;
        }
        let size = self.bands.len().div_ceil(LINES).max(1);
        for (group, bands) in self.bands.chunks(size).enumerate() {
            let (first, last) = (group * size, group * size + bands.len() - 1);
            let name = if first == last { format!("{first}") } else { format!("{first}–{last}") };
            let Band { min, mean, max } = joined(bands);
            writeln!(f, "band      {name:<9} {min:>10.4} … {max:>10.4}, mean {mean:>10.4}")?;
        }
        let scale = (self.scale.verdict != Verdict::Improbable).then(|| format!("scale     {}", self.scale));
        let warnings = self.warnings.iter().map(|warning| format!("warning   {warning}"));
        f.write_str(&scale.into_iter().chain(warnings).collect::<Vec<_>>().join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use soundclassify_core::model::Scale;

    fn manifest(model: &str) -> Manifest {
        Model::load(model).unwrap().manifest().clone()
    }

    /// Values of a window of the default model, which has normalised features.
    fn values(value: impl Fn(usize) -> f32) -> Vec<f32> {
        (0..manifest("default").features.len()).map(value).collect()
    }

    #[test]
    fn bands_are_found_in_both_layouts() {
        let mut manifest = manifest("default");
        let count = manifest.features.log_mel().unwrap().n_mels;
        let frames = manifest.features.len() / count;

        let last = Distribution::new("a", &manifest, None, values(|at| (at % count) as f32));
        manifest.features.layout = Layout::MelsFrames;
        let first = Distribution::new("a", &manifest, None, values(|at| (at / frames) as f32));

        let expected: Vec<_> = (0..count).map(|n| Band { min: n as f32, mean: n as f64, max: n as f32 }).collect();
        assert_eq!(last.bands, expected);
        assert_eq!(first.bands, expected);
        assert_eq!((first.min, first.max, first.mean), (0.0, (count - 1) as f32, (count - 1) as f64 / 2.0));
    }

    #[test]
    fn an_improbable_scale_is_warned_of() {
        let manifest = manifest("default");
        let noise = |at: usize| ((at * 7919 % 1000) as f32 / 500.0 - 1.0) * 1.7;

        let usual = Distribution::new("a", &manifest, None, values(noise));
        let shifted = Distribution::new("a", &manifest, None, values(|at| noise(at) - 20.0));
        let floor = Distribution::new("a", &manifest, None, values(|at| if at % 3 > 0 { -1.7 } else { noise(at) }));
        let silent = Distribution::new("a", &manifest, None, values(|_| 0.5));

        assert!(usual.warnings.is_empty() && usual.to_string().contains("scale     probable: "), "{usual}");
        assert!(
            shifted.to_string().contains("improbable scale") && shifted.to_string().contains("waveform-scale"),
            "{shifted}"
        );
        assert!(floor.to_string().contains("67 % of the values are at the minimum"), "{floor}");
        assert!(floor.to_string().contains("a floor (features.offset) that"), "{floor}");
        assert!(silent.to_string().contains("the recording may be silent"), "{silent}");
    }

    #[test]
    fn integers_of_a_coarse_scale_are_warned_of() {
        let manifest = manifest("default");
        let noise = |at: usize| ((at * 7919 % 1000) as f32 / 500.0 - 1.0) * 1.7;
        let of = |scale: f64, value: &dyn Fn(usize) -> f32| {
            let scale = Scale { scale, zero_point: 128 };
            Distribution::new("a", &manifest, Some((scale, Ok(Element::U8))), values(value))
        };

        let fine = of(0.02, &noise);
        let coarse = of(1.0, &noise);
        let single = of(1000.0, &noise);
        // A few values far away do not hide what becomes of the others.
        let outliers = of(1.0, &|at| if at == 7 { 100.0 } else { noise(at) });

        let integers = fine.integers.clone().unwrap();
        assert_eq!((integers.min, integers.max, &*integers.element), (43, 213, "u8"), "{fine}");
        assert!(integers.distinct > 150 && integers.common > 150 && fine.warnings.is_empty(), "{fine}");
        assert!(fine.to_string().contains("integers  u8, 43 … 213: "), "{fine}");
        let coarse_integers = coarse.integers.clone().unwrap();
        assert_eq!((coarse_integers.distinct, coarse_integers.common), (5, 5), "{coarse}");
        assert!(single.to_string().contains("99 % of the values become 1 of the 256 integers of u8"), "{single}");
        for distribution in [coarse, single, outliers] {
            assert!(distribution.to_string().contains("expected a smaller input.scale"), "{distribution}");
        }
    }

    #[test]
    fn what_integers_cannot_hold_is_counted() {
        let scale = Scale { scale: 0.1, zero_point: 128 };

        assert_eq!(clipped(&[-12.8, 12.7, 0.0, 12.8], scale, Element::U8), Some(0.25));
        assert_eq!(clipped(&[-25.6, -0.1, -1.0, -26.0], scale, Element::I8), Some(0.25));
        assert_eq!(clipped(&[1.0], scale, Element::F32), None);

        let unknown =
            Distribution::new("a", &manifest("default"), Some((scale, Err("no file".into()))), values(|at| at as f32));
        assert!(unknown.to_string().contains("integers is not known: no file"), "{unknown}");
    }
}
