// SPDX-License-Identifier: MIT OR Apache-2.0
//! The features that the front end's tests and benches use: the presets, spelt out.

// Each test uses some of them.
#![allow(dead_code)]

use super::{ChannelAxis, FeatureSpec, Features, Layout, Log, LogMel, MelNorm, MelScale, Normalize, Power};

/// The original's features at 44.1 kHz.
pub(crate) fn fsdkaggle2018() -> FeatureSpec {
    original(44_100, 2560, 347, 128)
}

/// The original's features for a Raspberry Pi.
pub(crate) fn fsdkaggle2018_small() -> FeatureSpec {
    original(16_000, 1280, 253, 64)
}

fn original(sample_rate: u32, n_fft: usize, hop_length: usize, side: usize) -> FeatureSpec {
    FeatureSpec {
        sample_rate,
        window: sample_rate as usize,
        features: Features::LogMel(LogMel {
            n_fft,
            win_length: n_fft,
            hop_length,
            n_mels: side,
            fmin: 20.0,
            fmax: f64::from(sample_rate) / 2.0,
            scale: MelScale::Slaney,
            norm: MelNorm::Slaney,
            power: Power::Two,
            center: true,
            frames: side,
            log: Log::Db { amin: 1e-10, top_db: Some(80.0) },
        }),
        normalize: Normalize::MinMax,
        layout: Layout::MelsFrames,
        channel_axis: ChannelAxis::First,
    }
}

/// YAMNet's features.
pub(crate) fn yamnet() -> FeatureSpec {
    FeatureSpec {
        sample_rate: 16_000,
        window: 15_600,
        features: Features::LogMel(LogMel {
            n_fft: 512,
            win_length: 400,
            hop_length: 160,
            n_mels: 64,
            fmin: 125.0,
            fmax: 7500.0,
            scale: MelScale::Htk,
            norm: MelNorm::None,
            power: Power::One,
            center: false,
            frames: 96,
            log: Log::Ln { offset: 0.001 },
        }),
        normalize: Normalize::None,
        layout: Layout::FramesMels,
        channel_axis: ChannelAxis::None,
    }
}

/// The log-mel part of a spec that has one.
pub(crate) fn log_mel(spec: &FeatureSpec) -> LogMel {
    match &spec.features {
        Features::LogMel(mel) => mel.clone(),
        Features::Waveform => unreachable!("the specs of this file are log-mel"),
    }
}
