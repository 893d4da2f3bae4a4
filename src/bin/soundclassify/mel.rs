// SPDX-License-Identifier: MIT OR Apache-2.0
//! The model's log-mel frames of a stream of buffers, through the element's own input and front end.

use gstsoundclassify::{
    element::input::Input,
    frontend::{FeatureSpec, Features, Frontend, Layout, Log, LogMel, MelNorm, MelScale, Normalize, Power},
};

use crate::session::Heard;

/// Decibels that a value of mel energy or magnitude is worth in the model's own logarithm.
fn decibels_per_unit(mel: &LogMel) -> f32 {
    let power = match mel.power {
        Power::One => 20.0,
        Power::Two => 10.0,
    };
    match mel.log {
        Log::Db { .. } => 1.0,
        Log::Ln { .. } => power / std::f32::consts::LN_10,
        Log::Log10 { .. } => power,
    }
}

/// Frames of a stream, each told once.
pub(crate) struct MelStream {
    spec: FeatureSpec,
    hop: u64,
    decibels: f32,
    channel: i32,
    input: Option<Input>,
    frontend: Frontend,
    frame: Vec<f32>,
    next: u64,
}

/// What a mel stream tells.
pub(crate) enum Mel<'a> {
    /// Analysis samples.
    Samples(&'a [f32]),
    /// A frame: one value a band, in the model's logarithm.
    Frame(&'a [f32]),
}

impl MelStream {
    /// Frames as a model of `spec` sees them; for models that take samples, frames that suit a picture.
    pub(crate) fn new(spec: &FeatureSpec, channel: i32) -> Self {
        let mel = match &spec.features {
            Features::LogMel(mel) => mel.clone(),
            Features::Waveform => for_pictures(spec.sample_rate),
        };
        let hop = mel.hop_length;
        let decibels = decibels_per_unit(&mel);
        let bands = mel.n_mels;
        // Windows of one frame, at least one window a frame.
        let spec = FeatureSpec {
            window: mel.n_fft,
            features: Features::LogMel(LogMel { frames: 1, ..mel }),
            normalize: Normalize::None,
            layout: Layout::FramesMels,
            ..spec.clone()
        };
        let frontend = Frontend::new(&spec, spec.sample_rate.div_ceil(hop as u32));
        Self { spec, hop: hop as u64, decibels, channel, input: None, frontend, frame: vec![0.0; bands], next: 0 }
    }

    /// Bands of a frame.
    pub(crate) fn bands(&self) -> usize {
        self.frame.len()
    }

    /// Frames a second.
    pub(crate) fn rate(&self) -> f64 {
        f64::from(self.spec.sample_rate) / self.hop as f64
    }

    /// Factor from a frame's values to decibels.
    pub(crate) fn decibels(&self) -> f32 {
        self.decibels
    }

    /// Takes in what left the element.
    pub(crate) fn hear(&mut self, heard: Heard<'_>, on_mel: &mut dyn FnMut(Mel<'_>)) -> Result<(), String> {
        match heard {
            Heard::Format(info) => {
                let input = Input::new(info, self.channel, self.spec.sample_rate);
                self.input = Some(input.map_err(|error| error.to_string())?);
                self.reset();
            }
            Heard::Break => self.reset(),
            Heard::Buffer(buffer) => {
                let Some(input) = &mut self.input else { return Ok(()) };
                let pushed = input.push(buffer, &mut |samples| {
                    on_mel(Mel::Samples(samples));
                    push(&mut self.frontend, samples, &mut self.frame, &mut self.next, self.hop, on_mel);
                });
                pushed.map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// End of the stream: the frames that the resampler still held back.
    pub(crate) fn finish(&mut self, on_mel: &mut dyn FnMut(Mel<'_>)) {
        if let Some(input) = &mut self.input {
            input.finish(&mut |samples| {
                push(&mut self.frontend, samples, &mut self.frame, &mut self.next, self.hop, on_mel);
            });
        }
    }

    fn reset(&mut self) {
        if let Some(input) = &mut self.input {
            input.reset();
        }
        self.frontend.reset();
        self.next = 0;
    }
}

fn push(
    frontend: &mut Frontend,
    samples: &[f32],
    frame: &mut [f32],
    next: &mut u64,
    hop: u64,
    on_mel: &mut dyn FnMut(Mel<'_>),
) {
    frontend.push(samples, &mut |window| {
        if window.position() / hop >= *next {
            *next = window.position() / hop + 1;
            window.log_mel(frame);
            on_mel(Mel::Frame(frame));
        }
    });
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
        scale: MelScale::Slaney,
        norm: MelNorm::Slaney,
        power: Power::Two,
        center: true,
        frames: 1,
        log: Log::Db { amin: 1e-10, top_db: None },
    }
}
