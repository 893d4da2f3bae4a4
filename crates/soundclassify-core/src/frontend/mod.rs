// SPDX-License-Identifier: MIT OR Apache-2.0
//! Samples → model input. It counts samples, allocates only in [`Frontend::new`], and does not depend on model or pipeline.

mod cepstrum;
mod energy;
mod frames;
mod levels;
mod log;
mod mel;
mod normalize;
mod resampler;
mod spec;
mod spectrum;
mod window;
mod window_function;
mod windower;

pub mod preset;

use frames::{Edge, Grid};
use levels::Levels;
use log::Compression;
use mel::MelBank;
use normalize::{Writer, sum_of_squares};
use spectrum::Spectrum;
use window::{FrameRing, Pieces, SampleRing, Schedule};

pub use energy::Energy;
pub use levels::Steps;
pub use resampler::Resampler;
pub use spec::{
    ChannelAxis, FeatureSpec, Features, FixedNormalize, Layout, Lifter, Log, LogMel, MelNorm, MelScale, Mfcc,
    Normalize, PadMode, Placement, Power, Preemphasis, WindowFunction,
};
pub use windower::Windower;

/// Turns one stream of samples into windows of model input. Each frame is computed once, even if many windows share it.
pub struct Frontend {
    samples: SampleRing,
    levels: Levels,
    schedule: Schedule,
    values: Values,
    writer: Writer,
    window: usize,
    window_len: usize,
}

/// What a window is made of.
enum Values {
    Frames(Box<Frames>),
    Samples,
}

/// The frames of the stream, computed one by one.
struct Frames {
    grid: Grid,
    spectrum: Spectrum,
    bank: MelBank,
    compression: Compression,
    ring: FrameRing,
    /// Coefficient of the pre-emphasis over the signal.
    preemphasis: Option<f32>,
    /// The samples of a frame that are not in the stream as they are.
    gathered: Vec<f32>,
    /// Frame to be computed next.
    next: u64,
    per_window: usize,
}

/// A complete window, valid during the callback.
pub struct ReadyWindow<'a> {
    number: u64,
    position: u64,
    values: Pieces<'a>,
    samples: Pieces<'a>,
    writer: &'a Writer,
    levels: &'a Levels,
}

impl Frontend {
    /// A front end for windows of `spec`, `oversamples` of them a second (0 counts as 1). What a spec may hold is checked by the manifest.
    #[must_use]
    pub fn new(spec: &FeatureSpec, oversamples: u32) -> Self {
        debug_assert!(spec.window > 0 && !spec.is_empty());
        let oversamples = oversamples.max(1);
        let (samples, schedule, values) = match spec.log_mel() {
            Some(mel) => {
                let frames = Frames::new(mel, spec.sample_rate);
                let capacity = frames.grid.span(mel.frames as u64);
                let schedule = Schedule::new(spec.sample_rate, oversamples, mel.hop_length, mel.frames);
                (SampleRing::new(capacity), schedule, Values::Frames(Box::new(frames)))
            }
            None => {
                let schedule = Schedule::new(spec.sample_rate, oversamples, 1, spec.window);
                (SampleRing::new(spec.window), schedule, Values::Samples)
            }
        };
        let writer = Writer::new(spec);
        let levels = Levels::new(spec.sample_rate, spec.window);
        Self { samples, levels, schedule, values, writer, window: spec.window, window_len: spec.len() }
    }

    /// Appends analysis samples (mono, finite, at the spec's rate) and calls `on_window` for each window that became due,
    /// in order. The windows do not depend on how the stream is cut into pushes. Allocates nothing.
    pub fn push(&mut self, samples: &[f32], on_window: &mut dyn FnMut(ReadyWindow<'_>)) {
        let mut rest = samples;
        loop {
            let missing = self.needed() - self.samples.total();
            let (now, later) = rest.split_at(rest.len().min(usize::try_from(missing).unwrap_or(usize::MAX)));
            self.samples.extend(now);
            self.levels.push(now);
            if (now.len() as u64) < missing {
                return;
            }
            rest = later;
            self.step(on_window);
        }
    }

    /// End of stream: when no window became due since the last reset and at least one sample came, gives the one of the
    /// samples centred in zeros, computed by itself: its end is continued as its start is, and by zeros where frames
    /// begin at their position. [`Frontend::reset`] comes before the next push.
    pub fn finish(&mut self, on_window: &mut dyn FnMut(ReadyWindow<'_>)) {
        if self.schedule.number() > 0 || self.samples.total() == 0 {
            return;
        }
        let segment = self.segment();
        let values = match &mut self.values {
            Values::Frames(frames) => frames.isolated(&segment),
            Values::Samples => [&segment[..], &[]],
        };
        on_window(ReadyWindow {
            number: 0,
            position: 0,
            values,
            samples: [&segment, &[]],
            writer: &self.writer,
            levels: &self.levels,
        });
        self.schedule.advance();
    }

    /// Forgets everything; window numbers and positions start at 0 again.
    pub fn reset(&mut self) {
        self.samples.reset();
        self.levels.reset();
        self.schedule.reset();
        if let Values::Frames(frames) = &mut self.values {
            frames.next = 0;
        }
    }

    /// Samples pushed since the last reset.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples.total()
    }

    /// Values of one window.
    #[must_use]
    pub fn window_len(&self) -> usize {
        self.window_len
    }

    /// Samples that must have come before the next step.
    fn needed(&self) -> u64 {
        match &self.values {
            Values::Frames(frames) => frames.grid.needed(frames.next),
            Values::Samples => self.schedule.last() + 1,
        }
    }

    /// Computes what the newest sample completed.
    fn step(&mut self, on_window: &mut dyn FnMut(ReadyWindow<'_>)) {
        let complete = match &mut self.values {
            Values::Frames(frames) => frames.compute(&self.samples),
            Values::Samples => self.schedule.last(),
        };
        while self.schedule.last() == complete {
            on_window(self.ready());
            self.schedule.advance();
        }
        if let Values::Frames(frames) = &mut self.values {
            // Frames between two windows belong to no window.
            frames.next = frames.next.max(self.schedule.first());
        }
    }

    fn ready(&self) -> ReadyWindow<'_> {
        let first = self.schedule.first();
        let position = match &self.values {
            Values::Frames(frames) => frames.grid.position(first),
            Values::Samples => first,
        };
        let arrived = (self.samples.total() - position).min(self.window as u64) as usize;
        let samples = self.samples.range(position, arrived);
        let values = match &self.values {
            Values::Frames(frames) => frames.ring.window(first),
            Values::Samples => samples,
        };
        ReadyWindow {
            number: self.schedule.number(),
            position,
            values,
            samples,
            writer: &self.writer,
            levels: &self.levels,
        }
    }

    /// The stream's samples, at most a window of them, centred in zeros.
    fn segment(&self) -> Vec<f32> {
        let length = self.samples.total().min(self.window as u64) as usize;
        let samples = self.samples.range(0, length).concat();
        let mut segment = vec![0.0; self.window];
        segment[(self.window - length) / 2..][..length].copy_from_slice(&samples);
        segment
    }
}

impl Frames {
    fn new(mel: &LogMel, sample_rate: u32) -> Self {
        let preemphasis = match mel.preemphasis {
            Preemphasis::Signal(coefficient) => Some(coefficient as f32),
            Preemphasis::None | Preemphasis::Frame(_) => None,
        };
        Self {
            grid: Grid::new(mel),
            spectrum: Spectrum::new(mel, MelBank::PADDING),
            bank: MelBank::new(mel, sample_rate),
            compression: Compression::new(mel.log),
            ring: FrameRing::new(mel.frames, mel.n_mels),
            preemphasis,
            gathered: vec![0.0; mel.win_length + 1],
            next: 0,
            per_window: mel.frames,
        }
    }

    /// Computes the next frame and returns its number.
    fn compute(&mut self, samples: &SampleRing) -> u64 {
        let frame = self.next;
        match u64::try_from(self.grid.start(frame)) {
            Err(_) => {
                gather(&self.grid, self.preemphasis, frame, ENDLESS, &|at| samples.at(at), &mut self.gathered);
                self.put(frame, None);
            }
            Ok(start) => match self.preemphasis {
                None => self.put(frame, Some(samples.range(start, self.grid.length()))),
                Some(coefficient) => {
                    emphasise(coefficient, samples.range(start, self.grid.length() + 1), &mut self.gathered);
                    self.put(frame, None);
                }
            },
        }
        self.next += 1;
        frame
    }

    /// The frames of a segment by itself.
    fn isolated(&mut self, segment: &[f32]) -> Pieces<'_> {
        for frame in 0..self.per_window as u64 {
            let at = |at: u64| segment[at as usize];
            gather(&self.grid, self.preemphasis, frame, segment.len() as u64, &at, &mut self.gathered);
            self.put(frame, None);
        }
        self.ring.window(0)
    }

    /// Computes a frame out of these samples, or of the gathered ones.
    fn put(&mut self, frame: u64, samples: Option<Pieces<'_>>) {
        let values = self.ring.slot(frame);
        let samples = samples.unwrap_or([&self.gathered[..self.grid.length()], &[]]);
        self.bank.apply(self.spectrum.compute(samples), values);
        self.compression.apply(values);
    }
}

/// Length of a stream whose end no frame touches.
const ENDLESS: u64 = 1 << 60;

/// The samples of a frame that touches an edge of a signal of `length` samples. Pre-emphasis comes before the mirror, and
/// leaves one sample less.
fn gather(
    grid: &Grid,
    preemphasis: Option<f32>,
    frame: u64,
    length: u64,
    sample: &dyn Fn(u64) -> f32,
    gathered: &mut [f32],
) {
    let (edge, start): (Edge, i64) = (grid.edge(), grid.start(frame));
    let length = length - u64::from(preemphasis.is_some());
    for (gathered, at) in gathered[..grid.length()].iter_mut().zip(start..) {
        *gathered = match (edge.index(at, length), preemphasis) {
            (None, _) => 0.0,
            (Some(at), None) => sample(at),
            (Some(at), Some(coefficient)) => sample(at + 1) - coefficient * sample(at),
        };
    }
}

/// `x[n + 1] − a · x[n]`, one value less than samples.
fn emphasise(coefficient: f32, samples: Pieces<'_>, emphasised: &mut [f32]) {
    let length = samples[0].len() + samples[1].len();
    let emphasised = &mut emphasised[..length];
    let (head, tail) = emphasised.split_at_mut(samples[0].len());
    head.copy_from_slice(samples[0]);
    tail.copy_from_slice(samples[1]);
    for n in 1..length {
        emphasised[n - 1] = emphasised[n] - coefficient * emphasised[n - 1];
    }
}

impl ReadyWindow<'_> {
    /// Number of the window since the last reset.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Analysis sample that the window's first frame stands for; for waveforms, its first sample.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Root mean square of the window's samples (`window` of them from [`ReadyWindow::position`] on, as far as they have
    /// come), linear. Computed when called.
    #[must_use]
    pub fn rms(&self) -> f32 {
        let count = self.samples.iter().map(|part| part.len()).sum::<usize>();
        let energy: f64 = self.samples.iter().map(|part| sum_of_squares(part, f32::NEG_INFINITY, 0.0)).sum();
        (energy / count.max(1) as f64).sqrt() as f32
    }

    /// Where a sound may begin and end within the window.
    #[must_use]
    pub fn steps(&self) -> Steps {
        self.levels.steps(self.position)
    }

    /// Whether the window, and all samples that its first frames include, are digital silence: all such windows are equal.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.levels.is_silent(self.position)
    }

    /// Writes the model's input: top_db, cepstra, normalisation and layout; the logarithm was taken frame by frame. `tensor`
    /// takes [`FeatureSpec::len`] values.
    pub fn write_to(&self, tensor: &mut [f32]) {
        self.writer.write(self.values, tensor);
    }

    /// Writes the window before top_db, cepstra and normalisation, frame by frame: `frames` × `n_mels` values; for
    /// waveforms, the samples.
    pub fn log_mel(&self, values: &mut [f32]) {
        let (head, tail) = values.split_at_mut(self.values[0].len());
        head.copy_from_slice(self.values[0]);
        tail.copy_from_slice(self.values[1]);
    }
}
