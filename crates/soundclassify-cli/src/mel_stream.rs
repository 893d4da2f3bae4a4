// SPDX-License-Identifier: MIT OR Apache-2.0
//! The model's log-mel frames of a stream of buffers, computed by the element's own code.

use gstsoundclassify::signal::{Item, Piece, Signal, input::InputError};
use soundclassify_core::frontend::{
    FeatureSpec, Features, FixedNormalize, Frontend, Layout, Log, LogMel, Normalize, Power, preset,
};

/// Conversion from the model's logarithm of mel energy or magnitude to decibels.
fn decibels_per_unit(mel: &LogMel) -> f32 {
    let power = match mel.power {
        Power::One => 20.0,
        Power::Two => 10.0,
    };
    match mel.log {
        Log::Db { .. } => 1.0,
        Log::Ln { .. } | Log::LnFloor { .. } => power / std::f32::consts::LN_10,
        Log::Log10 { .. } => power,
    }
}

/// Frames of a stream, each returned once.
pub(crate) struct MelStream {
    signal: Signal,
    frames: Frames,
    rate: f64,
    decibels: f32,
}

/// Samples → frames.
struct Frames {
    frontend: Frontend,
    hop: u64,
    frame: Vec<f32>,
    next: u64,
}

/// The output of a mel stream.
pub(crate) enum Mel<'a> {
    /// Analysis samples.
    Samples(&'a [f32]),
    /// A frame: one value per band, in the model's logarithm.
    Frame(&'a [f32]),
}

impl MelStream {
    /// Frames as a model of `spec` sees them; for models that take samples, frames that suit a picture.
    pub(crate) fn new(spec: &FeatureSpec, channel: i32) -> Self {
        let mel = spec.log_mel().cloned().unwrap_or_else(|| for_pictures(spec.sample_rate));
        let hop = mel.hop_length;
        let decibels = decibels_per_unit(&mel);
        let bands = mel.n_mels;
        // Windows of one frame, at least one window a frame.
        let spec = FeatureSpec {
            window: mel.n_fft,
            features: Features::LogMel(LogMel { frames: 1, ..mel }),
            fixed: FixedNormalize::None,
            normalize: Normalize::None,
            layout: Layout::FramesMels,
            ..spec.clone()
        };
        let frontend = Frontend::new(&spec, spec.sample_rate.div_ceil(hop as u32));
        Self {
            signal: Signal::new(spec.sample_rate, channel),
            frames: Frames { frontend, hop: hop as u64, frame: vec![0.0; bands], next: 0 },
            rate: f64::from(spec.sample_rate) / hop as f64,
            decibels,
        }
    }

    /// Bands of a frame.
    pub(crate) fn bands(&self) -> usize {
        self.frames.frame.len()
    }

    /// Frames per second.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    /// Factor from a frame's values to decibels.
    pub(crate) fn decibels(&self) -> f32 {
        self.decibels
    }

    /// Adds an output buffer or event of the element.
    pub(crate) fn take(&mut self, item: Item<'_>, on_mel: &mut dyn FnMut(Mel<'_>)) -> Result<(), InputError> {
        let Self { signal, frames, .. } = self;
        signal.take(item, &mut |piece, _| frames.take(&piece, on_mel))
    }
}

impl Frames {
    fn take(&mut self, piece: &Piece<'_>, on_mel: &mut dyn FnMut(Mel<'_>)) {
        let Self { frontend, hop, frame, next } = self;
        match piece {
            Piece::Break | Piece::End | Piece::Flush => {
                frontend.reset();
                *next = 0;
            }
            Piece::Samples(samples) => {
                on_mel(Mel::Samples(samples));
                frontend.push(samples, &mut |window| {
                    if window.position() / *hop >= *next {
                        *next = window.position() / *hop + 1;
                        window.log_mel(frame);
                        on_mel(Mel::Frame(frame));
                    }
                });
            }
        }
    }
}

/// Frames for people, where the model has none: 64 bands, some 100 a second.
fn for_pictures(rate: u32) -> LogMel {
    let n_fft = (rate / 16).next_power_of_two() as usize / 2;
    LogMel {
        n_fft,
        win_length: n_fft,
        hop_length: (rate as usize / 100).max(1),
        n_mels: 64,
        fmin: 50.0,
        fmax: f64::from(rate) / 2.0,
        frames: 1,
        log: Log::Db { amin: 1e-10, top_db: None },
        ..preset::librosa()
    }
}
