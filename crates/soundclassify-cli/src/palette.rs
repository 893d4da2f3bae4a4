// SPDX-License-Identifier: MIT OR Apache-2.0
//! Colours of loudness and of labels.

/// Points of matplotlib's "magma" (CC0), evenly spaced.
const MAGMA: [[u8; 3]; 9] = [
    [0, 0, 4],
    [28, 16, 68],
    [79, 18, 123],
    [129, 37, 129],
    [181, 54, 122],
    [229, 80, 100],
    [251, 135, 97],
    [254, 194, 135],
    [252, 253, 191],
];

/// Colours of labels, which the colour-blind can distinguish, too, and on dark and on light ground (Okabe and Ito, 2008, less
/// black, yellow darkened).
pub(crate) const LABELS: [[u8; 3]; 8] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [86, 180, 233],
    [230, 159, 0],
    [148, 103, 189],
    [160, 140, 0],
];

/// Colour of a loudness from 0 (none) to 1 (full).
pub(crate) fn magma(value: f32) -> [u8; 3] {
    let steps = (MAGMA.len() - 1) as f32;
    let position = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) * steps };
    let below = (position as usize).min(MAGMA.len() - 2);
    let part = position - below as f32;
    std::array::from_fn(|channel| {
        let [from, to] = [MAGMA[below][channel], MAGMA[below + 1][channel]].map(f32::from);
        (from + (to - from) * part).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_the_palettes_and_what_is_outside_is_clipped() {
        assert_eq!(magma(0.0), MAGMA[0]);
        assert_eq!(magma(1.0), MAGMA[8]);
        assert_eq!(magma(7.0), MAGMA[8]);
        assert_eq!(magma(f32::NAN), MAGMA[0]);
        assert_eq!(magma(0.5), MAGMA[4]);
    }
}
