// SPDX-License-Identifier: MIT OR Apache-2.0
//! When windows become due, and that the cutting of the stream does not matter.

mod common;

use common::signal;
use proptest::prelude::*;
use soundclassify_core::frontend::{
    ChannelAxis, FeatureSpec, Features, Frontend, Layout, Log, LogMel, MelNorm, MelScale, Normalize, PadMode,
    Placement, Power, ReadyWindow, preset,
};

/// All that a window holds, its values as bits.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    number: u64,
    position: u64,
    rms: u32,
    tensor: Vec<u32>,
}

fn see(window: &ReadyWindow<'_>, length: usize) -> Seen {
    let mut tensor = vec![f32::NAN; length];
    window.write_to(&mut tensor);
    let bits = tensor.iter().map(|value| value.to_bits()).collect();
    Seen { number: window.number(), position: window.position(), rms: window.rms().to_bits(), tensor: bits }
}

/// Windows of one stream, and how many samples had come when each became due.
fn windows<'a>(frontend: &mut Frontend, chunks: impl Iterator<Item = &'a [f32]>) -> Vec<(u64, Seen)> {
    let length = frontend.window_len();
    let mut seen = Vec::new();
    let mut came = 0;
    for chunk in chunks {
        came += chunk.len() as u64;
        frontend.push(chunk, &mut |window| seen.push((came, see(&window, length))));
    }
    assert_eq!(frontend.samples(), came);
    frontend.finish(&mut |window| seen.push((came, see(&window, length))));
    seen
}

fn seen<'a>(spec: &FeatureSpec, oversamples: u32, chunks: impl Iterator<Item = &'a [f32]>) -> Vec<Seen> {
    windows(&mut Frontend::new(spec, oversamples), chunks).into_iter().map(|(_, seen)| seen).collect()
}

fn waveform(window: usize) -> FeatureSpec {
    FeatureSpec { window, features: Features::Waveform, layout: Layout::Samples, ..preset::yamnet() }
}

/// Small features, so that many cases fit in a second.
fn small(center: bool, frames: usize) -> FeatureSpec {
    let spec = preset::fsdkaggle2018();
    let mel = LogMel {
        n_fft: 64,
        win_length: 50,
        hop_length: 20,
        n_mels: 8,
        fmin: 20.0,
        fmax: 500.0,
        scale: MelScale::Htk,
        norm: MelNorm::None,
        power: Power::One,
        placement: if center { Placement::Center(PadMode::Reflect) } else { Placement::Start },
        frames,
        log: Log::Ln { offset: 1e-3 },
        ..preset::librosa()
    };
    FeatureSpec {
        sample_rate: 1000,
        window: 20 * frames,
        features: Features::LogMel(mel),
        normalize: Normalize::MeanVar,
        channel_axis: ChannelAxis::None,
        ..spec
    }
}

/// Samples that had come when each window became due, pushing one sample at a time.
fn due(spec: &FeatureSpec, oversamples: u32, samples: usize) -> Vec<(u64, u64)> {
    let windows = windows(&mut Frontend::new(spec, oversamples), signal::signal(samples).chunks(1));
    windows.into_iter().map(|(came, seen)| (seen.position, came)).collect()
}

#[test]
fn a_centred_window_is_due_with_half_an_fft_after_its_last_frame() {
    // g(1) = round(44100 / 3470) = 13
    let last = 127 * 347 + 1280;
    assert_eq!(due(&preset::fsdkaggle2018(), 10, 50_000), [(0, last), (13 * 347, 13 * 347 + last)]);
}

#[test]
fn a_window_that_is_not_centred_is_due_with_its_last_samples() {
    assert_eq!(due(&preset::yamnet(), 10, 17_300), [(0, 15_600), (1600, 17_200)]);
}

#[test]
fn a_waveform_is_due_with_its_last_sample() {
    // 16000 / 3 = 5333.3…
    assert_eq!(due(&waveform(400), 3, 11_100), [(0, 400), (5333, 5733), (10_667, 11_067)]);
}

#[test]
fn a_single_centred_frame_waits_for_its_mirror() {
    assert_eq!(due(&small(true, 1), 50, 53), [(0, 33), (20, 52)]);
}

#[test]
fn windows_may_be_further_apart_than_they_are_long() {
    // A window a second; each is 100 ms long.
    let dues = due(&small(false, 5), 1, 3200);
    assert_eq!(dues, [(0, 130), (1000, 1130), (2000, 2130), (3000, 3130)]);
    let signal = signal::signal(3200);
    let seen = seen(&small(false, 5), 1, signal.chunks(3200));
    let alone = self::seen(&small(false, 5), 1, std::iter::once(&signal[2000..2130]));
    assert_eq!(seen[2].tensor, alone[0].tensor);
}

#[test]
fn a_reset_forgets_everything() {
    for spec in [small(true, 6), small(false, 6), waveform(100)] {
        let signal = signal::signal(900);
        let mut frontend = Frontend::new(&spec, 10);
        let first = windows(&mut frontend, signal.chunks(77));
        frontend.reset();
        assert_eq!(frontend.samples(), 0);
        assert_eq!(windows(&mut frontend, signal.chunks(900)).len(), first.len());
        frontend.reset();
        assert_eq!(windows(&mut frontend, signal.chunks(77)), first);
    }
}

#[test]
fn an_empty_stream_has_no_window() {
    let nothing: [f32; 0] = [];
    assert!(seen(&small(true, 4), 10, std::iter::once(&nothing[..])).is_empty());
}

#[test]
fn a_stream_with_a_window_has_no_other_at_its_end() {
    assert_eq!(seen(&small(false, 4), 1, signal::signal(500).chunks(500)).len(), 1);
}

#[test]
fn a_short_stream_is_centred_in_zeros() {
    let seen = seen(&waveform(10), 10, std::iter::once(&[1.0, 2.0, 3.0][..]));
    let expected = [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0_f32].map(f32::to_bits);
    assert_eq!((seen[0].number, seen[0].position, &seen[0].tensor[..]), (0, 0, &expected[..]));
    assert_eq!(seen[0].rms, 1.4_f32.sqrt().to_bits());
}

#[test]
fn a_stream_of_a_window_that_was_not_due_is_cut_to_the_window() {
    // 1 s is 44100 samples; the first window is due with 45349.
    let signal = signal::signal(45_000);
    let spec = preset::fsdkaggle2018();
    let long = seen(&spec, 10, signal.chunks(1000));
    let exact = seen(&spec, 10, signal[..44_100].chunks(1000));
    assert_eq!(long.len(), 1);
    assert_eq!(long, exact);
}

#[test]
fn tiny_streams_are_finite() {
    for spec in [preset::fsdkaggle2018(), preset::yamnet(), small(true, 3), FeatureSpec { window: 1, ..small(true, 3) }]
    {
        let seen = seen(&spec, 10, std::iter::once(&[0.5][..]));
        assert!(seen[0].tensor.iter().all(|bits| f32::from_bits(*bits).is_finite()));
    }
}

#[test]
fn the_rms_is_that_of_the_windows_samples() {
    let signal = signal::signal(30_000);
    let mut frontend = Frontend::new(&preset::yamnet(), 10);
    frontend.push(&signal, &mut |window| {
        let samples = &signal[window.position() as usize..][..15_600];
        let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        let expected = (energy / 15_600.0).sqrt();
        assert!((f64::from(window.rms()) - expected).abs() < 1e-6 * expected);
    });
}

/// Every preset, with a window of at most a second, so that many cases fit in a minute.
fn presets() -> impl Iterator<Item = (&'static str, FeatureSpec)> {
    let shorter = |(name, preset): &(&'static str, preset::Preset)| {
        let mut spec = preset();
        if let Features::LogMel(mel) = &mut spec.features {
            mel.frames = mel.frames.min(100);
        }
        spec.window = spec.window.min(spec.sample_rate as usize);
        (*name, spec)
    };
    preset::ALL.iter().map(shorter)
}

#[test]
fn chunks_of_the_presets_make_no_difference() {
    for (name, spec) in presets() {
        let signal = signal::signal(spec.sample_rate as usize * 13 / 10);
        let whole = seen(&spec, 10, std::iter::once(&signal[..]));
        assert!(whole.len() > 1, "{name}");
        for size in [1, 160, 441, 4096] {
            assert_eq!(seen(&spec, 10, signal.chunks(size)), whole, "{name} in chunks of {size}");
        }
    }
}

#[test]
fn short_streams_of_the_presets_are_finite() {
    for (name, spec) in presets() {
        for length in [1, 2, 1000] {
            let seen = seen(&spec, 10, signal::signal(length).chunks(77));
            assert!(seen.len() == 1 && seen[0].tensor.iter().all(|bits| f32::from_bits(*bits).is_finite()), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn random_chunks_of_the_presets_make_no_difference(
        which in 0..preset::ALL.len(),
        oversamples in 1u32..20,
        sizes in prop::collection::vec(1usize..9000, 1..20),
    ) {
        let (name, mut spec) = presets().nth(which).expect("a preset");
        if let Features::LogMel(mel) = &mut spec.features {
            mel.frames = 20;
        }
        let signal = signal::kinds(spec.sample_rate as usize * 3 / 5);
        let mut rest = &signal[..];
        let mut sizes = sizes.iter().cycle();
        let chunks = std::iter::from_fn(|| {
            let (chunk, later) = rest.split_at((*sizes.next()?).min(rest.len()));
            rest = later;
            (!chunk.is_empty()).then_some(chunk)
        });
        prop_assert_eq!(seen(&spec, oversamples, chunks), seen(&spec, oversamples, std::iter::once(&signal[..])), "{}", name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn chunks_make_no_difference(
        kind in 0usize..3,
        frames in 1usize..12,
        oversamples in 1u32..100,
        length in 0usize..2000,
        sizes in prop::collection::vec(0usize..300, 1..20),
    ) {
        let spec = match kind {
            0 => small(true, frames),
            1 => small(false, frames),
            _ => waveform(20 * frames),
        };
        let signal = signal::signal(length);
        let mut rest = &signal[..];
        let mut sizes = sizes.iter().cycle().map(|size| size + 1);
        let chunks = std::iter::from_fn(|| {
            let (chunk, later) = rest.split_at(sizes.next()?.min(rest.len()));
            rest = later;
            (!chunk.is_empty()).then_some(chunk)
        });
        prop_assert_eq!(seen(&spec, oversamples, chunks), seen(&spec, oversamples, std::iter::once(&signal[..])));
    }
}
