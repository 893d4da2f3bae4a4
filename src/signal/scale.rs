// SPDX-License-Identifier: MIT OR Apache-2.0
//! Samples at a rate ↔ time. GStreamer's functions are called only where 64 bits do not hold the product.

use gst::ClockTime;
use gst::prelude::*;

const SECOND: u64 = 1_000_000_000;

/// Time that `count` takes at `rate` a second, rounded down.
pub(crate) fn duration(count: u64, rate: u64) -> ClockTime {
    let nanoseconds = match count.checked_mul(SECOND) {
        Some(product) if rate > 0 => Some(product / rate),
        _ => beyond_64_bits(count, rate),
    };
    ClockTime::from_nseconds(nanoseconds.unwrap_or(u64::MAX - 1))
}

#[cold]
fn beyond_64_bits(count: u64, rate: u64) -> Option<u64> {
    count.mul_div_floor(SECOND, rate)
}

/// Number at `rate` a second in a time, rounded to the nearest; 0 where 64 bits do not hold it.
pub(crate) fn count(duration: ClockTime, rate: u64) -> u64 {
    let product = duration.nseconds().checked_mul(rate).and_then(|product| product.checked_add(SECOND / 2));
    match product {
        Some(product) => product / SECOND,
        None => duration.nseconds().mul_div_round(rate, SECOND).unwrap_or(0),
    }
}

/// `count` at `rate` a second, as a number at `other` a second, rounded to the nearest.
pub(crate) fn at_rate(count: u64, rate: u64, other: u64) -> u64 {
    let rounded = count.checked_mul(other).and_then(|product| product.checked_add(rate / 2));
    match rounded {
        _ if rate == other => count,
        Some(product) if rate > 0 => product / rate,
        _ => count.mul_div_round(other, rate).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_are_those_of_gstreamer(number in 0u64..u64::MAX - 1, bits in 0u32..64, rate in 1u64..400_000, other in 1u64..400_000) {
            let number = number >> bits;
            let wanted = number.mul_div_floor(SECOND, rate).unwrap_or(u64::MAX - 1);
            prop_assert_eq!(duration(number, rate).nseconds(), wanted);
            let time = ClockTime::from_nseconds(number);
            prop_assert_eq!(count(time, rate), number.mul_div_round(rate, SECOND).unwrap_or(0));
            prop_assert_eq!(at_rate(number, rate, other), number.mul_div_round(other, rate).unwrap_or(u64::MAX));
        }
    }
}
