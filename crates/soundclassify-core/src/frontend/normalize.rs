// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turns the values of a window into the model's input: top_db, samplewise normalisation, layout.

use multiversion::multiversion;

use super::cepstrum::Dct;
use super::spec::{FeatureSpec, Features, FixedNormalize, Layout, Log, Normalize};
use super::window::Pieces;

/// Side of the squares that are transposed at once: a square's rows and columns stay in the cache.
const TILE: usize = 16;
/// Sums are kept in `f32` over this many values and in `f64` beyond.
const RUN: usize = 256;
const LANES: usize = 16;
/// Peak of a window that is normalised to its peak.
const PEAK: f32 = 0.25;

/// How one window becomes the model's input.
#[derive(Debug)]
pub(super) struct Writer {
    normalize: Normalize,
    fixed: Fixed,
    top_db: Option<f32>,
    dct: Option<Dct>,
    /// Frames and bands, when bands come first in the tensor.
    transposed: Option<(usize, usize)>,
}

/// Fixed normalisation, ready to be applied.
#[derive(Debug)]
enum Fixed {
    None,
    Scalar(Scale),
    /// One per band.
    PerBand(Vec<Scale>),
}

/// `(x − shift) · scale`.
#[derive(Debug, Clone, Copy)]
struct Scale {
    shift: f32,
    scale: f32,
}

impl Scale {
    fn new(mean: f64, std: f64) -> Self {
        Self { shift: mean as f32, scale: (1.0 / std) as f32 }
    }

    #[inline(always)]
    fn of(self, value: f32) -> f32 {
        (value - self.shift) * self.scale
    }
}

impl Fixed {
    fn new(fixed: &FixedNormalize) -> Self {
        match fixed {
            FixedNormalize::None => Self::None,
            FixedNormalize::Scalar { mean, std } => Self::Scalar(Scale::new(*mean, *std)),
            FixedNormalize::PerBand { mean, std } => {
                Self::PerBand(mean.iter().zip(std).map(|(mean, std)| Scale::new(*mean, *std)).collect())
            }
        }
    }

    /// `columns`: values of one band that lie together in the tensor, when bands come first.
    fn apply(&self, tensor: &mut [f32], columns: Option<usize>) {
        let all = |values: &mut [f32], scale: &Scale| values.iter_mut().for_each(|value| *value = scale.of(*value));
        match (self, columns) {
            (Self::None, _) => {}
            (Self::Scalar(scale), _) => all(tensor, scale),
            (Self::PerBand(scales), Some(columns)) => {
                tensor.chunks_exact_mut(columns).zip(scales).for_each(|(band, scale)| all(band, scale));
            }
            (Self::PerBand(scales), None) => {
                for frame in tensor.chunks_exact_mut(scales.len()) {
                    frame.iter_mut().zip(scales).for_each(|(value, scale)| *value = scale.of(*value));
                }
            }
        }
    }
}

impl Writer {
    pub(super) fn new(spec: &FeatureSpec) -> Self {
        let top_db = match spec.log_mel().map(|mel| mel.log) {
            Some(Log::Db { top_db, .. }) => top_db.map(|range| range as f32),
            Some(Log::Ln { .. } | Log::Log10 { .. } | Log::LnFloor { .. }) | None => None,
        };
        let (dct, plane) = match &spec.features {
            Features::LogMel(mel) => (None, Some((mel.frames, mel.n_mels))),
            Features::Mfcc(mfcc) => (Some(Dct::new(mfcc)), Some((mfcc.mel.frames, mfcc.coefficients))),
            Features::Waveform => (None, None),
        };
        let transposed = plane.filter(|_| spec.layout != Layout::FramesMels);
        Self { normalize: spec.normalize, fixed: Fixed::new(&spec.fixed), top_db, dct, transposed }
    }

    /// Writes the model's input; `values` are in the order of time.
    pub(super) fn write(&self, values: Pieces<'_>, tensor: &mut [f32]) {
        if self.dct.is_none() && matches!(self.fixed, Fixed::None) {
            return self.lay_out(map(self.normalize, self.top_db, values), values, tensor);
        }
        let clip = map(Normalize::None, self.top_db, values);
        match &self.dct {
            None => self.lay_out(clip, values, tensor),
            Some(dct) => dct.write(clip.floor, values, tensor, self.transposed.map(|(frames, _)| frames)),
        }
        self.fixed.apply(tensor, self.transposed.map(|(frames, _)| frames));
        if self.normalize != Normalize::None {
            let map = map(self.normalize, None, [tensor, &[]]);
            tensor.iter_mut().for_each(|value| *value = map.of(*value));
        }
    }

    fn lay_out(&self, map: Map, values: Pieces<'_>, tensor: &mut [f32]) {
        debug_assert_eq!(values[0].len() + values[1].len(), tensor.len());
        if let Some((frames, bands)) = self.transposed {
            let head = values[0].len() / bands;
            write_transposed(map, values[0], bands, tensor, frames, 0);
            write_transposed(map, values[1], bands, tensor, frames, head);
        } else {
            let (head, tail) = tensor.split_at_mut(values[0].len());
            for (values, tensor) in [(values[0], head), (values[1], tail)] {
                if map == Map::IDENTITY { tensor.copy_from_slice(values) } else { write_straight(map, values, tensor) }
            }
        }
    }
}

/// What top_db and the normalisation make of these values.
fn map(normalize: Normalize, top_db: Option<f32>, values: Pieces<'_>) -> Map {
    let margin = match normalize {
        Normalize::MinMax => Some(1.0),
        Normalize::MinMaxEps => Some(1e-7),
        Normalize::None | Normalize::Standard | Normalize::MeanVar | Normalize::Max | Normalize::Peak => None,
    };
    let needed = margin.is_some() || top_db.is_some() || matches!(normalize, Normalize::Max | Normalize::Peak);
    let (smallest, largest) = if needed { extremes(values) } else { (0.0, 0.0) };
    let floor = top_db.map_or(f32::NEG_INFINITY, |range| largest - range);
    if let Some(margin) = margin {
        let shift = smallest.max(floor);
        return Map { floor, shift, scale: 1.0 / (largest - shift + margin) };
    }
    match normalize {
        Normalize::Standard => Map::standard(values, floor, |deviation| deviation + 1.0),
        Normalize::MeanVar => Map::standard(values, floor, |deviation| deviation.max(1e-6)),
        Normalize::Max => Map { floor, shift: largest, scale: 1.0 },
        Normalize::Peak => {
            let shift = mean(values, floor);
            let peak = (largest - shift).max(shift - smallest.max(floor));
            Map { floor, shift, scale: if peak > 0.0 { PEAK / peak } else { 0.0 } }
        }
        Normalize::None | Normalize::MinMax | Normalize::MinMaxEps => Map { floor, shift: 0.0, scale: 1.0 },
    }
}

/// `(max(x, floor) − shift) · scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Map {
    floor: f32,
    shift: f32,
    scale: f32,
}

impl Map {
    const IDENTITY: Self = Self { floor: f32::NEG_INFINITY, shift: 0.0, scale: 1.0 };

    fn standard(values: Pieces<'_>, floor: f32, divisor: impl Fn(f64) -> f64) -> Self {
        let shift = mean(values, floor);
        let variance = average(values, sum_of_squares, floor, shift);
        Self { floor, shift, scale: (1.0 / divisor(variance.sqrt())) as f32 }
    }

    #[inline(always)]
    fn of(self, value: f32) -> f32 {
        (value.max(self.floor) - self.shift) * self.scale
    }
}

/// Mean of `max(x, floor)`.
fn mean(values: Pieces<'_>, floor: f32) -> f32 {
    let rough = average(values, sum, floor, 0.0) as f32;
    // A second pass takes out what rounding left in the first.
    (f64::from(rough) + average(values, sum, floor, rough)) as f32
}

fn average(values: Pieces<'_>, sum: fn(&[f32], f32, f32) -> f64, floor: f32, shift: f32) -> f64 {
    let count = (values[0].len() + values[1].len()) as f64;
    values.iter().map(|part| sum(part, floor, shift)).sum::<f64>() / count
}

/// Smallest and largest value.
fn extremes(values: Pieces<'_>) -> (f32, f32) {
    let (mut smallest, mut largest) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    for part in values {
        let (vectors, rest) = part.as_chunks::<LANES>();
        widen(vectors, &mut smallest, &mut largest);
        for value in rest {
            smallest[0] = smallest[0].min(*value);
            largest[0] = largest[0].max(*value);
        }
    }
    (smallest.into_iter().fold(f32::INFINITY, f32::min), largest.into_iter().fold(f32::NEG_INFINITY, f32::max))
}

/// Lanes are left apart: their fold in here would keep the compiler from whole vectors.
#[multiversion(targets("x86_64+avx2"))]
fn widen(vectors: &[[f32; LANES]], smallest: &mut [f32; LANES], largest: &mut [f32; LANES]) {
    let (mut low, mut high) = (*smallest, *largest);
    for vector in vectors {
        for lane in 0..LANES {
            low[lane] = if vector[lane] < low[lane] { vector[lane] } else { low[lane] };
            high[lane] = if vector[lane] > high[lane] { vector[lane] } else { high[lane] };
        }
    }
    (*smallest, *largest) = (low, high);
}

/// `Σ (max(x, floor) − shift)`.
#[multiversion(targets("x86_64+avx2"))]
fn sum(values: &[f32], floor: f32, shift: f32) -> f64 {
    sum_by(values, |value| value.max(floor) - shift)
}

/// `Σ (max(x, floor) − shift)²`.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn sum_of_squares(values: &[f32], floor: f32, shift: f32) -> f64 {
    sum_by(values, |value| (value.max(floor) - shift) * (value.max(floor) - shift))
}

#[inline(always)]
fn sum_by(values: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    let mut total = 0.0;
    for run in values.chunks(RUN) {
        let (vectors, rest) = run.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for vector in vectors {
            for lane in 0..LANES {
                sums[lane] += term(vector[lane]);
            }
        }
        total += f64::from(sums.iter().sum::<f32>()) + f64::from(rest.iter().map(|value| term(*value)).sum::<f32>());
    }
    total
}

#[multiversion(targets("x86_64+avx2"))]
fn write_straight(map: Map, values: &[f32], tensor: &mut [f32]) {
    for (place, value) in tensor.iter_mut().zip(values) {
        *place = map.of(*value);
    }
}

/// Frames become columns `first_column …` of a tensor with `columns` columns.
#[multiversion(targets("x86_64+avx2"))]
fn write_transposed(map: Map, frames: &[f32], bands: usize, tensor: &mut [f32], columns: usize, first_column: usize) {
    for (index, tile) in frames.chunks(TILE * bands).enumerate() {
        let column = first_column + index * TILE;
        let width = tile.len() / bands;
        for band in (0..bands).step_by(TILE) {
            let rows = TILE.min(bands - band);
            let mut square = [[0.0; TILE]; TILE];
            for (frame, values) in tile.chunks_exact(bands).enumerate() {
                for (row, value) in values[band..band + rows].iter().enumerate() {
                    square[row][frame] = map.of(*value);
                }
            }
            for (row, values) in square[..rows].iter().enumerate() {
                let at = (band + row) * columns + column;
                tensor[at..at + width].copy_from_slice(&values[..width]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::preset;
    use super::*;
    use proptest::prelude::*;

    fn spec(normalize: Normalize, layout: Layout, frames: usize, bands: usize, top_db: Option<f64>) -> FeatureSpec {
        let mut spec = preset::fsdkaggle2018();
        spec.normalize = normalize;
        spec.layout = layout;
        let mut mel = spec.log_mel().unwrap().clone();
        (mel.frames, mel.n_mels, mel.log) = (frames, bands, Log::Db { amin: 1e-10, top_db });
        spec.features = Features::LogMel(mel);
        spec
    }

    /// The formulas of the manifest, in f64, frame by frame, and what they divided by.
    fn formula(normalize: Normalize, top_db: Option<f64>, values: &[f32]) -> (Vec<f64>, f64) {
        let floor =
            top_db.map_or(f64::NEG_INFINITY, |range| values.iter().copied().fold(f32::MIN, f32::max) as f64 - range);
        let mut x: Vec<f64> = values.iter().map(|value| f64::from(*value).max(floor)).collect();
        let smallest = x.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let deviation = (x.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / x.len() as f64).sqrt();
        let (shift, divisor) = match normalize {
            Normalize::None => (0.0, 1.0),
            Normalize::MinMax => (smallest, largest - smallest + 1.0),
            Normalize::MinMaxEps => (smallest, largest - smallest + 1e-7),
            Normalize::Standard => (mean, deviation + 1.0),
            Normalize::MeanVar => (mean, deviation.max(1e-6)),
            Normalize::Max => (largest, 1.0),
            Normalize::Peak => (mean, (largest - mean).max(mean - smallest).max(1e-30) * 4.0),
        };
        x.iter_mut().for_each(|value| *value = (*value - shift) / divisor);
        (x, divisor)
    }

    const ALL: [Normalize; 7] = [
        Normalize::None,
        Normalize::MinMax,
        Normalize::MinMaxEps,
        Normalize::Standard,
        Normalize::MeanVar,
        Normalize::Max,
        Normalize::Peak,
    ];

    #[test]
    fn a_constant_window_stays_finite() {
        for normalize in ALL {
            for constant in [0.0, -100.0, 17.3] {
                let values = vec![constant; 40 * 50];
                let mut tensor = vec![f32::NAN; values.len()];
                Writer::new(&spec(normalize, Layout::MelsFrames, 40, 50, Some(80.0)))
                    .write([&values, &[]], &mut tensor);
                let expected = if normalize == Normalize::None { constant } else { 0.0 };
                assert!(tensor.iter().all(|value| (value - expected).abs() < 1e-6), "{normalize:?} {constant}");
            }
        }
    }

    #[test]
    fn a_wave_is_normalised_too() {
        let mut spec = preset::yamnet();
        (spec.features, spec.layout, spec.window) = (Features::Waveform, Layout::Samples, 5);
        spec.normalize = Normalize::MinMax;
        let mut tensor = [0.0; 5];
        Writer::new(&spec).write([&[-1.0, 0.0, 1.0], &[0.0, -1.0]], &mut tensor);
        let third = 1.0 / 3.0;
        assert!(
            tensor.iter().zip([0.0, third, 2.0 * third, third, 0.0]).all(|(left, right)| (left - right).abs() < 1e-6)
        );
    }

    #[test]
    fn a_pair_for_each_band_comes_before_the_windows_own() {
        let values = [1.0, 10.0, 3.0, 30.0, 5.0, 50.0];
        for (layout, expected) in [
            (Layout::FramesMels, [0.0, 0.0, 0.2, 0.2, 0.4, 0.4_f32]),
            (Layout::MelsFrames, [0.0, 0.2, 0.4, 0.0, 0.2, 0.4]),
        ] {
            let mut spec = spec(Normalize::MinMax, layout, 3, 2, None);
            spec.fixed = FixedNormalize::PerBand { mean: vec![1.0, 10.0], std: vec![2.0, 20.0] };
            let mut tensor = [f32::NAN; 6];
            // (x − 1) / 2 is 0, 1, 2, then divided by 2 + 1.
            let expected = expected.map(|value| value * 5.0 / 3.0);

            Writer::new(&spec).write([&values[..2], &values[2..]], &mut tensor);

            assert!(tensor.iter().zip(expected).all(|(left, right)| (left - right).abs() < 1e-6), "{tensor:?}");
        }
    }

    #[test]
    fn a_fixed_pair_comes_after_top_db() {
        let mut spec = spec(Normalize::None, Layout::FramesMels, 1, 3, Some(10.0));
        spec.fixed = FixedNormalize::Scalar { mean: -4.5, std: 5.0 };
        let mut tensor = [f32::NAN; 3];

        Writer::new(&spec).write([&[-100.0, -1.0, 0.5], &[]], &mut tensor);

        assert!(tensor.iter().zip([-1.0, 0.7, 1.0]).all(|(left, right)| (left - right).abs() < 1e-6), "{tensor:?}");
    }

    proptest! {
        #[test]
        fn every_normalisation_and_layout_is_its_formula(
            frames in 1usize..60,
            bands in 1usize..60,
            split in 0usize..60,
            which in 0usize..7,
            transposed: bool,
            top_db in prop::option::of(1.0f64..100.0),
            noise in prop::collection::vec(-100.0f32..30.0, 3600),
        ) {
            let values = &noise[..frames * bands];
            let (head, tail) = values.split_at(split.min(frames) * bands);
            let layout = if transposed { Layout::MelsFrames } else { Layout::FramesMels };
            let mut tensor = vec![f32::NAN; values.len()];
            Writer::new(&spec(ALL[which], layout, frames, bands, top_db)).write([head, tail], &mut tensor);
            let (expected, divisor) = formula(ALL[which], top_db, values);
            // Values up to 100 carry an f32 rounding of 4e-6, which the divisor enlarges.
            let rounding = 1e-5 / divisor;
            for (index, expected) in expected.iter().enumerate() {
                let (frame, band) = (index / bands, index % bands);
                let value = tensor[if transposed { band * frames + frame } else { index }];
                let tolerance = rounding + 2e-6 * expected.abs();
                prop_assert!((f64::from(value) - expected).abs() < tolerance, "{} {}", value, expected);
            }
        }
    }
}
