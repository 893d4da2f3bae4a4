// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any cutting of one signal yields the same windows, bit for bit, whatever its rate and its samples.

use arbitrary::Arbitrary;
use soundclassify_core::{
    frontend::{FeatureSpec, Windower},
    model::Manifest,
};

use crate::files;

const MANIFEST: &str = include_str!("../../../tests/element/test-model.toml");
/// Samples of the signal.
const SAMPLES: usize = 6000;
const RATES: &[u32] = &[8000, 7350, 11_025, 16_000, 44_100, 48_000, 5512];

#[derive(Debug, Arbitrary)]
struct Input {
    rate: u8,
    oversamples: u8,
    center: bool,
    frames: u8,
    hop: u8,
    odd: Vec<(u16, f32)>,
    chunks: Vec<u16>,
}

/// The bytes are features, odd samples of the signal, and the lengths of its pieces.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(input) = Input::arbitrary(&mut arbitrary::Unstructured::new(bytes)) else { return };
    let Some(spec) = spec(&input) else { return };
    let signal = signal(&input);
    let whole = windows(&input, &spec, std::iter::once(signal.as_slice()));
    assert_eq!(windows(&input, &spec, pieces(&signal, &input.chunks)), whole);
}

fn spec(input: &Input) -> Option<FeatureSpec> {
    let frames = u32::from(input.frames % 12) + 1;
    let hop = u32::from(input.hop) + 1;
    // The window is the span of the frames.
    let text = MANIFEST
        .replace("window = 0.112", &format!("window = {}", f64::from(256 + (frames - 1) * hop) / 8000.0))
        .replace("hop-length = 128", &format!("hop-length = {hop}"))
        .replace("frames = 6", &format!("frames = {frames}"))
        .replace("center = false", &format!("center = {}", input.center));
    files::write("test.onnx", b"");
    Some(Manifest::load(&files::write("chunking.toml", text.as_bytes())).ok()?.features)
}

fn signal(input: &Input) -> Vec<f32> {
    let mut signal: Vec<f32> = (0..SAMPLES).map(|at| (at as f32 * 0.37).sin() * 0.3).collect();
    for (at, value) in &input.odd {
        signal[usize::from(*at) % SAMPLES] = *value;
    }
    signal
}

/// The signal in pieces of these lengths, the rest as one.
fn pieces<'a>(signal: &'a [f32], lengths: &[u16]) -> impl Iterator<Item = &'a [f32]> {
    let mut rest = signal;
    let mut lengths = lengths.iter().copied();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let length = lengths.next().map_or(rest.len(), usize::from).min(rest.len());
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some(piece)
    })
}

/// Number, position and values of each window, as bits.
fn windows<'a>(
    input: &Input,
    spec: &FeatureSpec,
    pieces: impl Iterator<Item = &'a [f32]>,
) -> Vec<(u64, u64, Vec<u32>)> {
    let rate = RATES[usize::from(input.rate) % RATES.len()];
    let mut windower = Windower::new(spec, u32::from(input.oversamples % 16) + 1);
    let length = spec.len();
    let mut seen = Vec::new();
    let mut see = |window: soundclassify_core::frontend::ReadyWindow<'_>| {
        let mut tensor = vec![0.0; length];
        window.write_to(&mut tensor);
        seen.push((window.number(), window.position(), tensor.iter().map(|value| value.to_bits()).collect()));
    };
    for piece in pieces {
        windower.push(piece, rate, &mut see).expect("a rate that can be converted");
    }
    windower.finish(&mut |window, _| see(window));
    seen
}
