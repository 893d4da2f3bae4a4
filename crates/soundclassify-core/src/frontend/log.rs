// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compression of mel values: a vectorised logarithm.

use std::f64::consts::LN_10;

use multiversion::multiversion;

use super::spec::Log;

/// `scale · ln(max(x + offset, floor))`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compression {
    scale: f32,
    offset: f32,
    floor: f32,
}

impl Compression {
    /// Every form stays finite: the floor is at least the smallest normal number.
    pub(super) fn new(log: Log) -> Self {
        let (scale, offset, floor) = match log {
            Log::Db { amin, .. } => (10.0 / LN_10, 0.0, amin),
            Log::Ln { offset } => (1.0, offset, 0.0),
            Log::Log10 { offset } => (1.0 / LN_10, offset, 0.0),
            Log::LnFloor { floor } => (1.0, 0.0, floor),
        };
        Self { scale: scale as f32, offset: offset as f32, floor: (floor as f32).max(f32::MIN_POSITIVE) }
    }

    pub(super) fn apply(&self, values: &mut [f32]) {
        compress(*self, values);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn compress(compression: Compression, values: &mut [f32]) {
    let Compression { scale, offset, floor } = compression;
    for value in values {
        *value = scale * ln((*value + offset).max(floor));
    }
}

/// Natural logarithm of a positive, finite, normal number, to about 2e-7 of the result.
///
/// `x = m · 2^e` with `m` in `[√½, √2)` and `ln m = 2 · artanh((m − 1) / (m + 1))` by its series, whose
/// first left-out term is below 1e-8 of the sum.
#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    const SQRT_HALF_BITS: u32 = 0x3f35_04f3;
    // ln 2 in two parts: products of the first with exponents are exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let exponent = x.to_bits().wrapping_sub(SQRT_HALF_BITS) as i32 >> 23;
    let mantissa = f32::from_bits(x.to_bits().wrapping_sub((exponent << 23) as u32));
    let exponent = exponent as f32;
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let z = s * s;
    let series = z * (2.0 / 3.0 + z * (2.0 / 5.0 + z * (2.0 / 7.0 + z * (2.0 / 9.0))));
    exponent * LN_2_HIGH + (2.0 * s + (s * series + exponent * LN_2_LOW))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(log: Log, value: f32) -> f32 {
        let mut values = [value];
        Compression::new(log).apply(&mut values);
        values[0]
    }

    #[test]
    fn the_logarithm_is_that_of_f64() {
        // A prime stride through all positive normal numbers: 2.1 million of them, every exponent.
        let worst =
            (f32::MIN_POSITIVE.to_bits()..f32::INFINITY.to_bits()).step_by(997).fold(0.0, |worst: f64, bits| {
                let x = f32::from_bits(bits);
                let exact = f64::from(x).ln();
                worst.max((f64::from(ln(x)) - exact).abs() / exact.abs().max(1e-30))
            });
        assert!(worst < 3e-7, "relative error {worst}");
    }

    #[test]
    fn near_one_it_loses_nothing() {
        let one = 1.0_f32.to_bits();
        for bits in one - 100_000..one + 100_000 {
            let x = f32::from_bits(bits);
            let exact = f64::from(x).ln();
            assert!((f64::from(ln(x)) - exact).abs() <= 3e-7 * exact.abs(), "{x}");
        }
    }

    #[test]
    fn each_form() {
        let decibels = Log::Db { amin: 1e-10, top_db: None };
        assert!((of(decibels, 0.0) + 100.0).abs() < 2e-5);
        assert!((of(decibels, 2.0) - 3.010_3).abs() < 1e-5);
        assert!((of(Log::Ln { offset: 0.001 }, 0.0) - 0.001_f32.ln()).abs() < 1e-6);
        assert!((of(Log::Log10 { offset: 1.0 }, 99.0) - 2.0).abs() < 1e-6);
        assert!((of(Log::LnFloor { floor: 0.5 }, 0.25) - 0.5_f32.ln()).abs() < 1e-6);
        assert!((of(Log::LnFloor { floor: 0.5 }, 4.0) - 4.0_f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn nothing_makes_it_infinite() {
        for log in [
            Log::Ln { offset: 0.0 },
            Log::Log10 { offset: 0.0 },
            Log::LnFloor { floor: 0.0 },
            Log::Db { amin: 0.0, top_db: None },
        ] {
            for value in [0.0, f32::MIN_POSITIVE / 2.0, f32::INFINITY, f32::NAN] {
                assert!(of(log, value).is_finite(), "{log:?} {value}");
            }
        }
    }
}
