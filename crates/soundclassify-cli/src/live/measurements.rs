// SPDX-License-Identifier: MIT OR Apache-2.0
//! Level and spectrogram columns of the element's output, for the view.

use std::sync::mpsc::Sender;

use gst::prelude::*;
use soundclassify_core::frontend::FeatureSpec;

use super::model;
use crate::{
    exit::Result,
    mel_stream::{Mel, MelStream},
    session::Listener,
    warm_engine::WarmEngine,
};

/// Columns of the picture a second.
const COLUMN_RATE: f64 = 25.0;

/// What the view shows of the audio, and what is published.
pub(super) enum Measurement {
    /// dB of each band, lowest first.
    Column(Vec<f32>),
    /// Root mean square and peak of some milliseconds, dBFS.
    Loudness {
        /// Root mean square.
        level: f32,
        /// Maximum absolute sample.
        peak: f32,
    },
}

/// A listener for a session, whose measurements go to `sender`.
pub(super) fn listener(warm_engine: &WarmEngine, sender: Sender<Measurement>) -> Result<Listener> {
    let channel = warm_engine.settings().property::<i32>("channel");
    let mut stream = MelStream::new(&model(warm_engine)?.manifest().features, channel);
    let mut column = Column::new(&stream);
    Ok(Box::new(move |item| {
        // The view has gone, or the channel does not exist, which the element reports.
        let _ = stream.take(item, &mut |mel| {
            let measurement = match mel {
                Mel::Samples(samples) => loudness(samples),
                Mel::Frame(frame) => column.push(frame),
            };
            if let Some(measurement) = measurement {
                let _ = sender.send(measurement);
            }
        });
    }))
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

    fn push(&mut self, frame: &[f32]) -> Option<Measurement> {
        for (value, new) in self.values.iter_mut().zip(frame) {
            *value = value.max(new * self.decibels);
        }
        self.frames += 1;
        (self.frames == self.wanted).then(|| {
            self.frames = 0;
            let bands = self.values.len();
            Measurement::Column(std::mem::replace(&mut self.values, vec![f32::MIN; bands]))
        })
    }
}

fn loudness(samples: &[f32]) -> Option<Measurement> {
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let power = samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32;
    let decibels = |amplitude: f32| 20.0 * amplitude.max(1e-6).log10();
    (!samples.is_empty()).then(|| Measurement::Loudness { level: decibels(power.sqrt()), peak: decibels(peak) })
}
