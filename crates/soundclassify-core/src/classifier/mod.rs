// SPDX-License-Identifier: MIT OR Apache-2.0
//! Front end, network and decision in one object: samples in, windows and events out.

mod batch;
mod decision;
mod options;
mod rules;

use std::{fmt, time::Duration};

use self::{batch::Batch, decision::Decision};
use crate::{
    decision::{Event, Names, Prediction},
    error::Result,
    frontend::{ReadyWindow, Windower},
    model::{Manifest, Model, load_network},
};

pub use self::options::Options;

/// Turns a stream of mono samples of any rate into scores of each window, predictions and events, like the element, with the
/// rules and groups of the manifest. Cooldowns, suppressing labels and rules per label can't be set here, only in a manifest.
///
/// It owns a network and runs it on the caller's thread, with up to 16 windows of one push in a run. How the stream is divided
/// into pushes affects results only by rounding. For several streams that share a network, use
/// [`Engine`](crate::model::Engine).
pub struct Classifier {
    model: Model,
    oversamples: u32,
    windower: Windower,
    batch: Batch,
    decision: Decision,
}

/// A result of a push.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found<'a> {
    /// A window was classified.
    Window(Window<'a>),
    /// An event started, continues, or ended. Its onset is the time since the beginning of the stream; its other times are ns.
    Event(Event<Duration>),
}

/// One classified window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window<'a> {
    /// Number in the stream, from 0. Silent windows are counted, but not reported.
    pub number: u64,
    /// Start, from the beginning of the stream.
    pub start: Duration,
    /// Length of a window.
    pub duration: Duration,
    /// Probabilities of this window alone, one per class, 0…1.
    pub scores: &'a [f32],
    /// The moving geometric mean of the probabilities, one per class, 0…1.
    pub mean: &'a [f32],
    /// Predictions by `mean` that pass the filters, best first, at most `top_k`.
    pub predictions: &'a [Prediction],
}

impl Classifier {
    /// Creates a classifier with its own network. Finds ONNX Runtime and loads the network, which can take seconds.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for an option out of its range or an unknown label, and those
    /// of [`Engine::shared`](crate::model::Engine::shared).
    pub fn new(model: &Model, options: &Options) -> Result<Self> {
        let manifest = model.manifest();
        let names = Names::new(&manifest.labels, &manifest.groups, &[]);
        options.check(manifest, &names)?;
        let oversamples = options.oversamples(manifest);
        Ok(Self {
            oversamples,
            windower: Windower::new(&manifest.features, oversamples),
            batch: Batch::new(load_network(model, options.engine)?),
            decision: Decision::new(manifest, names, options),
            model: model.clone(),
        })
    }

    /// The manifest of the model: its labels, features and defaults.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    /// Labels of the model and, after them, groups of the manifest: names by the numbers of predictions and events.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.decision.names().all
    }

    /// Windows per second.
    #[must_use]
    pub fn oversamples(&self) -> u32 {
        self.oversamples
    }

    /// Adds samples, full scale ±1, of `sample_rate` Hz, and calls `on_found` for each new result, in the order of the
    /// stream. NaN and infinities count as 0.
    ///
    /// # Errors
    /// [`Error::Rate`](crate::Error::Rate) for a rate that can't be converted, [`Error::Inference`](crate::Error::Inference)
    /// and [`Error::NotFinite`](crate::Error::NotFinite) of the network. The windows of a run that failed are lost; the
    /// stream can continue or [starts again](Self::reset).
    pub fn push(&mut self, samples: &[f32], sample_rate: u32, on_found: &mut dyn FnMut(Found<'_>)) -> Result<()> {
        let Self { windower, batch, decision, .. } = self;
        let mut outcome = Ok(());
        windower.push(samples, sample_rate, &mut |window| {
            let taken = take(&window, false, batch, decision, on_found);
            outcome = std::mem::replace(&mut outcome, Ok(())).and(taken);
        })?;
        let rest = run(batch, decision, on_found);
        outcome.and(rest)
    }

    /// Ends the stream: classifies the remaining audio (one window if the stream is shorter than a window) and ends all
    /// events. The next push begins a new stream.
    ///
    /// # Errors
    /// Those of [`Self::push`]; events end nevertheless.
    pub fn finish(&mut self, on_found: &mut dyn FnMut(Found<'_>)) -> Result<()> {
        let Self { windower, batch, decision, .. } = self;
        let mut outcome = Ok(());
        let samples = windower.finish(&mut |window, alone| {
            let taken = take(&window, alone, batch, decision, on_found);
            outcome = std::mem::replace(&mut outcome, Ok(())).and(taken);
        });
        let rest = run(batch, decision, on_found);
        batch.restart();
        decision.finish(samples, on_found);
        outcome.and(rest)
    }

    /// Discards the stream and its open events.
    pub fn reset(&mut self) {
        self.windower.reset();
        self.batch.restart();
        self.decision.finish(0, &mut |_| {});
    }

    /// Number of NaN and infinite samples since the last call.
    pub fn take_invalid(&mut self) -> u64 {
        self.windower.take_invalid()
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifier").field("model", &self.manifest().name).finish_non_exhaustive()
    }
}

fn take(
    window: &ReadyWindow<'_>,
    alone: bool,
    batch: &mut Batch,
    decision: &mut Decision,
    on_found: &mut dyn FnMut(Found<'_>),
) -> Result<()> {
    let time = decision.time(window, alone);
    if decision.silences(window) {
        let before = run(batch, decision, on_found);
        decision.pass_silence(time, on_found);
        return before;
    }
    batch.push(window, time);
    if batch.is_full() { run(batch, decision, on_found) } else { Ok(()) }
}

fn run(batch: &mut Batch, decision: &mut Decision, on_found: &mut dyn FnMut(Found<'_>)) -> Result<()> {
    batch.run(&mut |time, scores| decision.classify(time, scores, on_found))
}
