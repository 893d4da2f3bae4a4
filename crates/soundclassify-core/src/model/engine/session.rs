// SPDX-License-Identifier: MIT OR Apache-2.0
//! An ONNX Runtime session as a [`Network`].

use std::{
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use ort::{
    session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionOutputs},
    value::{DynValue, Outlet, Shape, Tensor as OrtTensor, TensorElementType, TensorRef},
};

use super::{
    EngineOptions,
    loading::{builder, commit, register, tensor_infos},
    reading::{Reading, embedding_axis, embedding_of, read, scores_of},
    runner::MAX_BATCH,
    shared_runs::{Member, Origin, Row},
    tensors::{States, constant, decode, encode, failed},
};
use crate::{
    error::{Error, Result},
    model::{
        activation::activate_and_reduce,
        fit::{Batch, Fit, FittedConstant},
        limits,
        manifest::{Element, Scale},
        network::{Canceller, Network},
        provider::ExecutionProvider,
        source::Model,
    },
};

/// Maximum size of the tensors for runs on streams' threads, bytes.
const MAX_BOUND_BYTES: usize = 8 << 20;

/// The output that is used as scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The scores of the labels.
    Scores,
    /// The embedding of the window.
    Embedding,
}

/// A session with its inputs, outputs and tensors.
pub(super) struct OrtNetwork {
    session: Session,
    /// Cancels a run from a different thread.
    run_options: Arc<RunOptions>,
    /// Shape of the input; a batch axis is set before each run.
    dims: Vec<i64>,
    batch: Batch,
    output: usize,
    /// The output with the weights of a time axis.
    attention: Option<usize>,
    reading: Reading,
    /// Name, element type and scale of the window's input.
    window: (String, Element, Option<Scale>),
    /// Whether the window is the only input, and f32.
    is_plain: bool,
    constants: Vec<FittedConstant>,
    states: States,
    window_len: usize,
    max_batch: usize,
    /// Size of the ONNX file and its weights, bytes.
    pub(super) bytes: usize,
    /// Whether it takes the same time for any window, on any thread.
    is_portable: bool,
    /// Its part in the runs that networks with other outputs of the same file use; none with states or further inputs.
    shared: Option<Member>,
    /// Buffer for runs of several windows.
    gathered: Vec<f32>,
    /// Tensors for runs on streams' threads, by number of windows less 1; created at the first use.
    bound: [Option<Bound>; MAX_BATCH],
    /// Size of the tensors in `bound`, bytes.
    bound_bytes: usize,
}

impl OrtNetwork {
    /// Loads, checks and warms up.
    pub(super) fn load(model: &Model, options: EngineOptions, target: Target) -> Result<Self> {
        let mut network = Self::open(model, options, target)?;
        let warmed_up = network.watched(limits::time(options.provider), Self::warm_up);
        let fail =
            |reason| Error::Model { path: model.onnx_path().to_path_buf(), reason: with_manifest(reason, model) };
        warmed_up.map_err(fail)?;
        if target == Target::Scores && network.is_plain && network.attention.is_none() {
            network.shared = Some(Member::join(model.input_digest(), options, network.output));
        }
        Ok(network)
    }

    /// Loads and checks, but runs nothing.
    pub(super) fn open(model: &Model, options: EngineOptions, target: Target) -> Result<Self> {
        let fail = |reason: String| Error::Model { path: model.onnx_path().to_path_buf(), reason };
        let builder = register(builder(options, model.folder(), model.onnx_path())?, options)?;
        let session = model.with_bytes(|bytes| commit(builder, bytes))?.map_err(&fail)?;
        // Other providers have separate memory and handles for each thread.
        let is_portable = options.provider == ExecutionProvider::Cpu && model.has_constant_cost();
        Self::fitted(session, model, target, model.size(), is_portable)
            .map_err(|reason| fail(with_manifest(reason, model)))
    }

    /// One run of one window; with states a second one, which continues the first.
    pub(super) fn run_once(&mut self, model: &Model) -> Result<()> {
        let fail = |reason| Error::Inference(with_manifest(reason, model));
        let pattern = self.pattern().map_err(fail)?;
        self.learn_classes(&pattern).map_err(fail)?;
        let mut scores = vec![0.0; self.reading.classes];
        self.first_run(&pattern, &mut scores).map_err(|error| match error {
            Error::Inference(reason) => fail(reason),
            other => other,
        })
    }

    /// A run of a window, and with states a second one, which takes those that the first returned.
    fn first_run(&mut self, window: &[f32], scores: &mut [f32]) -> Result<()> {
        if self.states.is_empty() {
            return self.run(&[window], scores);
        }
        self.states.select(0, 0);
        let outcome = self.run(&[window], scores).and_then(|()| {
            let returned = self.states.shapes();
            let next = self.run(&[window], &mut vec![0.0; scores.len()]);
            next.map_err(|error| self.states.misfit(&returned, &error))
        });
        self.states.deselect();
        outcome
    }

    /// A window that is not silent.
    fn pattern(&self) -> Result<Vec<f32>, String> {
        let mut pattern = zeroed(self.window_len)?;
        pattern.iter_mut().enumerate().for_each(|(i, value)| *value = (i * 7 % 31) as f32 / 31.0);
        Ok(pattern)
    }

    fn fitted(
        session: Session,
        model: &Model,
        target: Target,
        bytes: usize,
        is_portable: bool,
    ) -> Result<Self, String> {
        let manifest = model.manifest();
        let fit = Fit::of(manifest, &tensor_infos(session.inputs()), &tensor_infos(session.outputs()))?;
        let run_options = RunOptions::new().map_err(|error| error.to_string())?;
        let mut dims: Vec<i64> = manifest.features.shape().into_iter().map(|axis| axis as i64).collect();
        if fit.batch != Batch::Absent {
            dims.insert(0, 1);
        }
        let max_batch = max_batch(&fit)?;
        let name = session.inputs()[fit.input].name().to_owned();
        let (output, attention, reading) = match target {
            Target::Scores => (fit.output, fit.attention, scores_of(manifest)),
            Target::Embedding => {
                let output = fit.embedding.ok_or("the manifest names no output.embedding")?;
                (output, None, embedding_of(&session.outputs()[output], fit.batch))
            }
        };
        let is_plain = fit.is_plain() && is_f32(&session.outputs()[output]);
        Ok(Self {
            session,
            run_options: Arc::new(run_options),
            dims,
            batch: fit.batch,
            output,
            attention,
            reading,
            window: (name, fit.input_element, manifest.input_scale),
            is_plain,
            constants: fit.constants,
            states: States::new(fit.states),
            window_len: manifest.features.len(),
            max_batch,
            bytes,
            is_portable: is_portable && is_plain,
            shared: None,
            gathered: Vec::new(),
            bound: Default::default(),
            bound_bytes: 0,
        })
    }

    /// Calls `run`, and cancels it after `timeout`.
    fn watched(&mut self, timeout: Duration, run: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<(), String> {
        let run_options = Arc::clone(&self.run_options);
        let (finished, watch) = mpsc::channel::<()>();
        let watchdog = move || {
            let late = watch.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout);
            // It sets a flag; if that fails, the run continues.
            late && run_options.terminate().is_ok()
        };
        let watchdog = thread::Builder::new().spawn(watchdog).map_err(|error| error.to_string())?;
        let outcome = run(self);
        drop(finished);
        match watchdog.join() {
            Ok(true) => Err(format!("a run of one window did not end within {timeout:?}")),
            _ => outcome,
        }
    }

    /// Runs once to find shapes that are not declared, and whether a free batch axis accepts several windows.
    fn warm_up(&mut self) -> Result<(), String> {
        let silence = zeroed(self.window_len)?;
        let pattern = self.pattern()?;
        self.learn_classes(&pattern)?;
        let classes = self.reading.classes;
        let mut singles = vec![0.0; 2 * classes];
        let (first, second) = singles.split_at_mut(classes);
        self.first_run(&pattern, second).map_err(|error| error.to_string())?;
        if self.batch == Batch::Free && self.max_batch > 1 {
            self.run(&[&silence], first).map_err(|error| error.to_string())?;
            let mut both = vec![0.0; 2 * classes];
            let distinguished_apart = self.run(&[&silence, &pattern], &mut both).is_ok();
            if !distinguished_apart || !both.iter().zip(&singles).all(|(a, b)| is_close(*a, *b)) {
                self.max_batch = 1;
            }
        }
        Ok(())
    }

    /// Finds the number of values of an output without a declared shape.
    fn learn_classes(&mut self, window: &[f32]) -> Result<(), String> {
        if self.reading.classes > 0 {
            return Ok(());
        }
        self.reading.classes = 1;
        let shape = self.run_unbound(&[window], &mut [0.0]).map_err(|error| error.to_string())?;
        self.reading.classes = embedding_axis(&shape, self.batch)
            .ok_or_else(|| format!("output.embedding has the shape {:?}, without values", &shape[..]))?;
        Ok(())
    }

    /// Number of windows of a run for `count` windows.
    fn run_size(&self, count: usize) -> usize {
        match self.batch {
            Batch::Fixed(size) => size,
            Batch::Free | Batch::Absent => count,
        }
    }

    /// Creates the tensors for runs of this size, unless they exist or would need too much memory.
    fn bind(&mut self, size: usize, output: &[i64]) {
        let scores = output.iter().map(|axis| usize::try_from(*axis).unwrap_or(0)).product::<usize>();
        let bytes = (size * self.window_len + scores) * size_of::<f32>();
        if self.bound[size - 1].is_some() || self.bound_bytes + bytes > MAX_BOUND_BYTES {
            return;
        }
        self.bound_bytes += bytes;
        let name = self.session.outputs()[self.output].name();
        self.bound[size - 1] = Bound::new(&self.dims, name, output).ok();
    }

    /// The other outputs of the same file that networks use at present.
    fn other_outputs(&self) -> Vec<usize> {
        self.shared.as_ref().map_or_else(Vec::new, Member::others)
    }

    /// Runs only the windows that no network with another output has run, and keeps the values of the outputs `others` for these.
    fn run_shared(&mut self, windows: &[&[f32]], scores: &mut [f32], others: &[usize]) -> Result<()> {
        let Some(shared) = self.shared.take() else { return self.run_unbound(windows, scores).map(drop) };
        let outcome = self.run_planned(&shared, windows, scores, others);
        self.shared = Some(shared);
        outcome
    }

    fn run_planned(&mut self, shared: &Member, windows: &[&[f32]], scores: &mut [f32], others: &[usize]) -> Result<()> {
        let Reading { classes, activation, reduce, .. } = self.reading;
        let (origins, announced) = shared.plan(windows);
        let own: Vec<&[f32]> = windows
            .iter()
            .zip(&origins)
            .filter_map(|(window, origin)| (*origin == Origin::Own).then_some(*window))
            .collect();
        let mut own_scores = vec![0.0; own.len() * classes];
        if !own.is_empty() {
            let mut rows = vec![Vec::new(); own.len()];
            self.run_keeping(&own, &mut own_scores, others, &mut rows)?;
            announced.end(rows);
        }
        let mut own_scores = own_scores.chunks_exact(classes);
        for ((window, origin), scores) in windows.iter().zip(origins).zip(scores.chunks_exact_mut(classes)) {
            let values = match origin {
                Origin::Ready(values) => Some(values),
                Origin::Running(number) => shared.wait(number),
                Origin::Own => {
                    own_scores.next().into_iter().for_each(|own| scores.copy_from_slice(own));
                    continue;
                }
            };
            match values.filter(|values| !values.is_empty() && values.len() % classes == 0) {
                Some(values) => activate_and_reduce(activation, reduce, &values, None, scores),
                None => self.run_unbound(&[window], scores).map(drop)?,
            }
        }
        Ok(())
    }

    /// Runs, unless cancelled, and returns the shape of the output.
    fn run_unbound(&mut self, windows: &[&[f32]], scores: &mut [f32]) -> Result<Shape> {
        self.run_keeping(windows, scores, &[], &mut [])
    }

    /// Like [`Self::run_unbound`]; appends the values of the outputs `others` to the rows of each window.
    fn run_keeping(
        &mut self,
        windows: &[&[f32]],
        scores: &mut [f32],
        others: &[usize],
        rows: &mut [Vec<Row>],
    ) -> Result<Shape> {
        let size = self.run_size(windows.len());
        if self.batch != Batch::Absent {
            self.dims[0] = size as i64;
        }
        // A single window is used without a copy.
        let values = if size == 1 {
            windows[0]
        } else {
            self.gathered.clear();
            self.gathered.try_reserve(size * self.window_len).map_err(|error| Error::Inference(error.to_string()))?;
            windows.iter().for_each(|window| self.gathered.extend_from_slice(window));
            self.gathered.resize(size * self.window_len, 0.0);
            &self.gathered
        };
        if !self.is_plain {
            let (name, element, scale) = &self.window;
            let input = (name.clone(), encode(&self.dims, values, *element, *scale)?);
            return self.run_with_further_inputs(input, size, scores);
        }
        let input = TensorRef::from_array_view((self.dims.as_slice(), values)).map_err(|error| failed(&error))?;
        let outputs =
            self.session.run_with_options(ort::inputs![input], &*self.run_options).map_err(|error| failed(&error))?;
        for &output in others {
            let (_, values) = decode(&outputs[output], None)?;
            let length = (values.len() / size).max(1);
            for (values, rows) in values.chunks_exact(length).zip(&mut *rows) {
                rows.push(Row { output, values: values.to_vec() });
            }
        }
        let weights = self.attention.map(|attention| &outputs[attention]);
        read(&outputs[self.output], weights, size, self.reading, scores)
    }

    /// A run with constants and states, which the run changes.
    fn run_with_further_inputs(
        &mut self,
        window: (String, DynValue),
        size: usize,
        scores: &mut [f32],
    ) -> Result<Shape> {
        let mut inputs = vec![window];
        for fitted in &self.constants {
            inputs.push((fitted.name.clone(), constant(fitted, size)?));
        }
        let states = self.states.take()?;
        inputs.extend(self.states.fitted().iter().map(|state| state.input.name.clone()).zip(states));
        let mut outputs = self.session.run_with_options(inputs, &*self.run_options).map_err(|error| failed(&error))?;
        let weights = self.attention.map(|attention| &outputs[attention]);
        let shape = read(&outputs[self.output], weights, size, self.reading, scores)?;
        let next = self.states.fitted().iter().map(|state| {
            let missing = || Error::Inference(format!("state: a run did not return the output {}", state.output));
            outputs.remove(&state.output.name).ok_or_else(missing)
        });
        let next = next.collect::<Result<_>>()?;
        drop(outputs);
        self.states.keep(next)?;
        Ok(shape)
    }
}

/// The reason why a network and its manifest do not fit, and which manifest that is.
fn with_manifest(reason: String, model: &Model) -> String {
    if model.is_built_in() { reason } else { format!("{reason} (manifest {})", model.manifest().path.display()) }
}

fn is_f32(output: &Outlet) -> bool {
    output.dtype().tensor_type() == Some(TensorElementType::Float32)
}

/// Maximum number of windows of one run.
fn max_batch(fit: &Fit) -> Result<usize, String> {
    match fit.batch {
        Batch::Fixed(size) if size > MAX_BATCH => {
            Err(format!("its batch is fixed to {size} windows, at most {MAX_BATCH} are possible"))
        }
        // A state is of one stream.
        _ if !fit.states.is_empty() => Ok(1),
        Batch::Fixed(size) => Ok(size),
        Batch::Absent => Ok(1),
        Batch::Free => Ok(MAX_BATCH),
    }
}

impl Network for OrtNetwork {
    fn window_len(&self) -> usize {
        self.window_len
    }

    fn classes(&self) -> usize {
        self.reading.classes
    }

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn select(&mut self, stream: usize, sequence: u64) {
        if !self.states.is_empty() {
            self.states.select(stream, sequence);
        }
    }

    fn has_state(&self) -> bool {
        !self.states.is_empty()
    }

    fn run(&mut self, windows: &[&[f32]], scores: &mut [f32]) -> Result<()> {
        match &self.other_outputs()[..] {
            [] => self.run_unbound(windows, scores).map(drop),
            others => self.run_shared(windows, scores, others),
        }
    }

    fn run_uncancellable(&mut self, windows: &[&[f32]], scores: &mut [f32]) -> Result<()> {
        let others = self.other_outputs();
        if !others.is_empty() {
            return self.run_shared(windows, scores, &others);
        }
        let size = self.run_size(windows.len());
        if let Some(bound) = &mut self.bound[size - 1]
            && let Ok(outputs) = bound.run(&mut self.session, windows)
        {
            return read(&outputs[0], None, size, self.reading, scores).map(drop);
        }
        let shape = self.run_unbound(windows, scores)?;
        if self.attention.is_none() && self.is_plain {
            self.bind(size, &shape);
        }
        Ok(())
    }

    fn canceller(&self) -> Option<Canceller> {
        let run_options = Arc::clone(&self.run_options);
        Some(Canceller::new(move || {
            // It sets a flag; if that fails, the run ends normally or keeps its thread.
            let _ = run_options.terminate();
        }))
    }

    fn is_portable(&self) -> bool {
        self.is_portable
    }
}

/// The tensors of runs of one size. A run allocates nothing in Rust, and can't be cancelled from a different thread, because
/// `ort` allows shared run options only if it creates the output, or its handle, in each run.
struct Bound {
    input: OrtTensor<f32>,
    options: RunOptions<HasSelectedOutputs>,
}

impl Bound {
    /// For an input of shape `input`, and an output of this name and shape.
    fn new(input: &[i64], name: &str, output: &[i64]) -> ort::Result<Self> {
        let outputs = OutputSelector::no_default().with(name).preallocate(name, zeros(output)?);
        Ok(Self { input: zeros(input)?, options: RunOptions::new()?.with_outputs(outputs) })
    }

    /// Runs with these windows, padded with zeros, and one output.
    fn run<'a>(&'a mut self, session: &'a mut Session, windows: &[&[f32]]) -> ort::Result<SessionOutputs<'a>> {
        let (_, mut rest) = self.input.extract_tensor_mut();
        for window in windows {
            let (values, others) = rest.split_at_mut(window.len());
            values.copy_from_slice(window);
            rest = others;
        }
        rest.fill(0.0);
        session.run_with_options(ort::inputs![&self.input], &self.options)
    }
}

fn zeros(shape: &[i64]) -> ort::Result<OrtTensor<f32>> {
    let len = shape.iter().map(|axis| usize::try_from(*axis).unwrap_or(0)).product();
    OrtTensor::from_array((shape.to_vec(), vec![0.0; len]))
}

/// Zeros, or an error if memory is insufficient.
fn zeroed(len: usize) -> Result<Vec<f32>, String> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|error| format!("no memory for {len} values: {error}"))?;
    values.resize(len, 0.0);
    Ok(values)
}

/// Whether two scores of one window differ by rounding only: by a hundred-thousandth, or a few steps of `f32` at 1, the
/// rounding of sums of logits.
fn is_close(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-5 * a.abs().max(b.abs()) + 1e-6 || !a.is_finite() && !b.is_finite()
}
