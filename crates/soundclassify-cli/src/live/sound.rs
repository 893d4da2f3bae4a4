// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loudness and picture columns of what left the element, for the view.

use std::sync::mpsc::Sender;

use gst::prelude::*;
use soundclassify_core::frontend::{FeatureSpec, Features, MelScale};

use super::model;
use crate::{
    exit::Result,
    mel::{Mel, MelStream},
    session::Listener,
    warm_engine::WarmEngine,
};

/// Columns of the picture a second.
const COLUMN_RATE: f64 = 25.0;
/// Frequencies of the picture where the model has none of its own, Hz.
const LOWEST: f64 = 50.0;

/// What the view shows of the audio.
pub(super) enum Sound {
    /// dB of each band, lowest first.
    Column(Vec<f32>),
    /// Root mean square and peak of some milliseconds, dBFS.
    Loudness {
        /// Root mean square.
        level: f32,
        /// Largest sample.
        peak: f32,
    },
}

/// A listener for a session, whose sounds go to `sender`.
pub(super) fn listener(warm_engine: &WarmEngine, sender: Sender<Sound>) -> Result<Listener> {
    let channel = warm_engine.settings().property::<i32>("channel");
    let mut stream = MelStream::new(&model(warm_engine)?.manifest().features, channel);
    let mut column = Column::new(&stream);
    Ok(Box::new(move |item| {
        // A view that is gone, or a channel that does not exist: the element itself reports what matters.
        let _ = stream.take(item, &mut |mel| {
            let sound = match mel {
                Mel::Samples(samples) => loudness(samples),
                Mel::Frame(frame) => column.push(frame),
            };
            if let Some(sound) = sound {
                let _ = sender.send(sound);
            }
        });
    }))
}

/// Frequencies at the picture's bottom, middle and top, Hz.
pub(super) fn bands(spec: &FeatureSpec) -> [f64; 3] {
    let (low, high, scale) = match &spec.features {
        Features::LogMel(mel) => (mel.fmin, mel.fmax, mel.scale),
        _ => (LOWEST, f64::from(spec.sample_rate) / 2.0, MelScale::Slaney),
    };
    let middle = (mel(scale, low) + mel(scale, high)) / 2.0;
    // Monotonic, so it is found by halving.
    let (mut below, mut above) = (low, high);
    for _ in 0..40 {
        let half = (below + above) / 2.0;
        if mel(scale, half) < middle { below = half } else { above = half }
    }
    [low, below, high]
}

/// Place of a frequency on the mel scale.
fn mel(scale: MelScale, hertz: f64) -> f64 {
    match scale {
        MelScale::Htk => 2595.0 * (1.0 + hertz / 700.0).log10(),
        MelScale::Slaney if hertz < 1000.0 => hertz * 3.0 / 200.0,
        MelScale::Slaney => 15.0 + (hertz / 1000.0).ln() * 27.0 / 6.4_f64.ln(),
    }
}

/// Columns of the picture a second, for a model.
pub(super) fn column_rate(spec: &FeatureSpec) -> f64 {
    let stream = MelStream::new(spec, -1);
    stream.rate() / Column::new(&stream).wanted as f64
}

/// Gathers frames to columns, the loudest of each band.
struct Column {
    values: Vec<f32>,
    decibels: f32,
    frames: usize,
    wanted: usize,
}

impl Column {
    fn new(stream: &MelStream) -> Self {
        let wanted = (stream.rate() / COLUMN_RATE).round().max(1.0) as usize;
        Self { values: vec![f32::MIN; stream.bands()], decibels: stream.decibels(), frames: 0, wanted }
    }

    fn push(&mut self, frame: &[f32]) -> Option<Sound> {
        for (value, new) in self.values.iter_mut().zip(frame) {
            *value = value.max(new * self.decibels);
        }
        self.frames += 1;
        (self.frames == self.wanted).then(|| {
            self.frames = 0;
            let bands = self.values.len();
            Sound::Column(std::mem::replace(&mut self.values, vec![f32::MIN; bands]))
        })
    }
}

fn loudness(samples: &[f32]) -> Option<Sound> {
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let power = samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32;
    let decibels = |amplitude: f32| 20.0 * amplitude.max(1e-6).log10();
    (!samples.is_empty()).then(|| Sound::Loudness { level: decibels(power.sqrt()), peak: decibels(peak) })
}
