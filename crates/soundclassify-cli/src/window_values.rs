// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the model makes of each window of a recording: its input, its scores, its embedding; or the recording's log-mel frames.

use std::sync::{Arc, Mutex};

use gstsoundclassify::signal::{Item, Piece, Signal, Windows};
use soundclassify_core::{
    defaults,
    frontend::{FeatureSpec, Frontend, ReadyWindow},
    model::{EngineOptions, Model, Network, load_embedding, load_network, run_windows},
};

use crate::{
    exit::{Failure, Result},
    lock::lock,
    mel_stream::{Mel, MelStream},
    session::{Listener, Session, Source, make},
    source,
};

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Each window that the network gets: f32, before it becomes f16, u8 or i8.
    Input,
    /// The log-mel frames before normalisation, each once.
    LogMel,
    /// The scores of each window by itself, one a label.
    Scores,
    /// The output that describes a window.
    Embedding,
}

/// Why a recording has no values.
pub(crate) enum Problem {
    /// The recording can't be read, decoded or resampled, or is too short.
    Recording(Failure),
    /// The network failed.
    Network(Failure),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Recording(failure) | Problem::Network(failure) => failure,
        }
    }
}

/// A model at work on recordings, on any number of threads.
pub(crate) struct WindowValues {
    model: Model,
    what: What,
    oversamples: u32,
    channel: i32,
    /// Shape of one item.
    shape: Vec<usize>,
    /// Networks that no thread uses just now.
    idle: Mutex<Vec<Box<dyn Network>>>,
}

impl WindowValues {
    /// Loads the network where one is needed. `oversamples`: windows a second, by default the manifest's, or else 10. `channel`: the one
    /// that is analysed, or -1 for the average.
    ///
    /// # Errors
    /// The model can't be loaded, or has no embedding or no log-mel frames.
    pub(crate) fn new(model: &Model, what: What, oversamples: Option<u32>, channel: i32) -> Result<Self> {
        let manifest = model.manifest();
        if what == What::LogMel && manifest.features.log_mel().is_none() {
            let expected = "logmel, fbank or mfcc, for --logmel; omit --logmel to write the samples of each window";
            return Err(Failure::Failed(manifest.error("features.kind", expected, "waveform").to_string()));
        }
        let network = load(model, what)?;
        let shape = match (what, &network) {
            (What::LogMel, _) => vec![MelStream::new(&manifest.features, channel).bands()],
            (_, Some(network)) => vec![network.classes()],
            (_, None) => manifest.features.shape(),
        };
        let oversamples = oversamples.or(manifest.defaults.oversamples).unwrap_or(defaults::OVERSAMPLES);
        let idle = Mutex::new(network.into_iter().collect());
        Ok(Self { model: model.clone(), what, oversamples, channel, shape, idle })
    }

    /// Shape of one item: a window as the network gets it, the bands of a frame, the labels, the width of the embedding.
    pub(crate) fn shape(&self) -> Vec<usize> {
        self.shape.clone()
    }

    /// All items of a recording, one after another.
    ///
    /// # Errors
    /// The recording can't be read or has no window, or the network failed.
    pub(crate) fn of(&self, file: &str) -> Result<Vec<f32>> {
        Ok(self.of_whole(file)?)
    }

    /// Like [`Self::of`]; the error states whether the recording or the network is the cause.
    ///
    /// # Errors
    /// Those of [`Self::of`].
    pub(crate) fn of_whole(&self, file: &str) -> std::result::Result<Vec<f32>, Problem> {
        let gathered = Arc::new(Mutex::new(Gathered::new(self).map_err(Problem::Network)?));
        self.gather(file, &gathered).map_err(Problem::Recording)?;
        let panicked = || Problem::Network(Failure::Failed(format!("{file}: the analysis failed")));
        let mut gathered = gathered.lock().map_err(|_| panicked())?;
        let values = gathered.finish(file);
        self.idle().extend(gathered.network.take().map(|run| run.network));
        values
    }

    /// Gives the recording's audio to `gathered`.
    fn gather(&self, file: &str, gathered: &Arc<Mutex<Gathered>>) -> Result<()> {
        let uri = source::uri(file)?;
        let inner = Arc::clone(gathered);
        let listener: Listener = Box::new(move |item| {
            if let Ok(mut gathered) = inner.lock() {
                gathered.take(item);
            }
        });
        let session = Session::new(file, Source::Uri(&uri), &make("identity")?, Some(listener))?;
        session.run(&mut |_| Ok(()))
    }

    /// A network that no other thread uses.
    fn network(&self) -> Result<Option<Box<dyn Network>>> {
        let idle = self.idle().pop();
        idle.map_or_else(|| load(&self.model, self.what), |network| Ok(Some(network)))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Box<dyn Network>>> {
        lock(&self.idle)
    }
}

fn load(model: &Model, what: What) -> Result<Option<Box<dyn Network>>> {
    let options = EngineOptions::default();
    Ok(match what {
        What::Input | What::LogMel => None,
        What::Scores => Some(load_network(model, options)?),
        What::Embedding => Some(load_embedding(model, options)?),
    })
}

/// Whether a run of the network succeeded, and why not.
type Outcome = std::result::Result<(), String>;

/// Items of one recording so far.
struct Gathered {
    stream: Stream,
    network: Option<Run>,
    values: Vec<f32>,
    error: Option<Broken>,
}

/// What broke off an analysis.
enum Broken {
    Recording(String),
    Network(String),
}

enum Stream {
    Windows { signal: Box<Signal>, windows: Box<Windows>, length: usize },
    Frames(Box<MelStream>),
}

/// A network and the windows that wait for it.
struct Run {
    network: Box<dyn Network>,
    inputs: Vec<f32>,
    /// Number of the recording's part: what a network carries from window to window begins anew with it.
    part: u64,
}

impl Gathered {
    fn new(values: &WindowValues) -> Result<Self> {
        let spec = &values.model.manifest().features;
        let stream = match values.what {
            What::LogMel => Stream::Frames(Box::new(MelStream::new(spec, values.channel))),
            _ => Stream::windows(spec, values.oversamples, values.channel),
        };
        let network = values.network()?.map(Run::new);
        Ok(Self { stream, network, values: Vec::new(), error: None })
    }

    fn take(&mut self, item: Item<'_>) {
        let Self { stream, network, values, error } = self;
        if error.is_some() {
            return;
        }
        let mut failed = None;
        let taken = match stream {
            Stream::Frames(stream) => stream.take(item, &mut |mel| gather(values, &mel)),
            Stream::Windows { signal, windows, length } => signal.take(item, &mut |piece, _| {
                windows.take(&piece, &mut |window, _| match network {
                    None => append(window, *length, values),
                    Some(run) => failed = failed.take().or(run.push(window, *length, values).err()),
                });
                if let Some(run) = network.as_mut().filter(|_| !matches!(piece, Piece::Samples(_))) {
                    failed = failed.take().or(run.restart(values).err());
                }
            }),
        };
        let failed = failed.map(Broken::Network);
        *error = failed.or(taken.err().map(|error| Broken::Recording(error.to_string())));
    }

    fn finish(&mut self, file: &str) -> std::result::Result<Vec<f32>, Problem> {
        let Self { network, values, error, .. } = self;
        if let Some(run) = network.as_mut().filter(|_| error.is_none()) {
            *error = run.restart(values).err().map(Broken::Network);
        }
        let failure = |why: &str| Failure::Failed(format!("{file}: {why}"));
        match error.take() {
            Some(Broken::Network(why)) => Err(Problem::Network(failure(&why))),
            Some(Broken::Recording(why)) => Err(Problem::Recording(failure(&why))),
            None if values.is_empty() => Err(Problem::Recording(failure("no window in its audio"))),
            None => Ok(std::mem::take(values)),
        }
    }
}

impl Stream {
    fn windows(spec: &FeatureSpec, oversamples: u32, channel: i32) -> Self {
        let frontend = Frontend::new(spec, oversamples);
        Self::Windows {
            signal: Box::new(Signal::new(spec.sample_rate, channel)),
            length: frontend.window_len(),
            windows: Box::new(Windows::new(spec, frontend)),
        }
    }
}

impl Run {
    fn new(mut network: Box<dyn Network>) -> Self {
        network.select(0, 0);
        Self { network, inputs: Vec::new(), part: 0 }
    }

    /// Takes a window, and runs as many as go into one run.
    fn push(&mut self, window: &ReadyWindow<'_>, length: usize, values: &mut Vec<f32>) -> Outcome {
        append(window, length, &mut self.inputs);
        if self.inputs.len() < length * self.network.max_batch() { Ok(()) } else { self.run(values) }
    }

    /// Runs what waits; what comes does not follow it.
    fn restart(&mut self, values: &mut Vec<f32>) -> Outcome {
        self.part += 1;
        let outcome = self.run(values);
        self.network.select(0, self.part);
        outcome
    }

    fn run(&mut self, values: &mut Vec<f32>) -> Outcome {
        let scores = run_windows(&mut *self.network, &self.inputs);
        self.inputs.clear();
        values.extend(scores.map_err(|error| error.to_string())?);
        Ok(())
    }
}

fn gather(values: &mut Vec<f32>, mel: &Mel<'_>) {
    if let Mel::Frame(frame) = mel {
        values.extend_from_slice(frame);
    }
}

fn append(window: &ReadyWindow<'_>, length: usize, values: &mut Vec<f32>) {
    let start = values.len();
    values.resize(start + length, 0.0);
    window.write_to(&mut values[start..]);
}
