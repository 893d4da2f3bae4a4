// SPDX-License-Identifier: MIT OR Apache-2.0
//! The signals of the scripts in `tests/data`, sample for sample.

/// `signal` of `tests/data/make_goldens.py`: a rising saw over noise whose level steps from full scale down to silence and up again.
pub(crate) fn signal(length: usize) -> Vec<f32> {
    let (mut noise, mut phase, mut step) = (1u32, 0u32, 1u32 << 22);
    let sample = |n: usize| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        phase = phase.wrapping_add(step);
        step = step.wrapping_add(4096);
        let hiss = (noise >> 16) as i32 - 32_768;
        let saw = (phase >> 16) as i32 - 32_768;
        let quieter = n / 2048 % 18;
        let level = if quieter < 16 { ((hiss >> 2) + (saw >> 1)) >> quieter } else { 0 };
        level as f32 / 32_768.0
    };
    (0..length).map(sample).collect()
}

/// Noise, a chirp, silence, clicks, full scale and a constant, each a sixth of `length`: `kinds` of
/// `tests/data/preset_goldens.py`, sample for sample.
pub(crate) fn kinds(length: usize) -> Vec<f32> {
    let (mut noise, mut phase, mut step) = (1u32, 0u32, 1u32 << 22);
    let part = length / 6;
    let sample = |n: usize| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        phase = phase.wrapping_add(step);
        step = step.wrapping_add(1 << 17);
        let level = match n / part {
            0 => (noise >> 16) as i32 - 32_768,
            1 => {
                let saw = (phase >> 16) as i32 - 32_768;
                (saw * (32_768 - saw.abs())) >> 13
            }
            3 if n.is_multiple_of(500) => 29_491,
            4 if (n / 37).is_multiple_of(2) => 32_767,
            4 => -32_768,
            5 => 9830,
            _ => 0,
        };
        level as f32 / 32_768.0
    };
    (0..length).map(sample).collect()
}
