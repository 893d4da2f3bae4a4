// SPDX-License-Identifier: MIT OR Apache-2.0
//! The engine: one per model, provider, device and threads in the process. It runs the windows of all its streams.

mod guarded;
mod loading;
mod own_thread;
mod queue;
mod reading;
mod registry;
mod reply_slot;
mod runner;
mod session;
mod shared_runs;
mod stream;
mod sync;
mod tensor_pool;
mod tensors;
mod worker_pool;

use std::{
    fmt,
    sync::{Arc, LazyLock},
    thread,
};

pub(in crate::model) use self::loading::ports;
pub(crate) use self::runner::MAX_BATCH;
use self::{
    guarded::GuardedNetwork,
    registry::Registry,
    reply_slot::ReplySlot,
    session::{OrtNetwork, Target},
    tensor_pool::Pool,
    worker_pool::{Another, WorkerPool},
};
pub use self::{
    queue::Progress,
    reply_slot::Reply,
    stream::Stream,
    tensor_pool::{PoolStats, Tensor},
};
use super::{
    check,
    limits::{self, Cancellation, Stopped},
    network::Network,
    provider::ExecutionProvider,
    source::Model,
};
use crate::error::{Error, Result};

/// The options of an engine; engines are shared for equal models and options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EngineOptions {
    /// The execution provider.
    pub provider: ExecutionProvider,
    /// Index of the device, for providers with several devices.
    pub device: i32,
    /// Threads within one operator; 0: ONNX Runtime chooses. With another value, several networks may run side by side on the
    /// CPU, on at most half of the cores and with at most 512 MiB of ONNX files.
    pub threads: u32,
}

impl Default for EngineOptions {
    /// One thread on the CPU.
    fn default() -> Self {
        Self { provider: ExecutionProvider::Cpu, device: 0, threads: 1 }
    }
}

/// Maximum number of networks side by side, because each has its own memory.
const MAX_NETWORKS: usize = 16;

/// Maximum size of the ONNX files of all networks side by side, bytes; the first network may be larger.
const MAX_BYTES: usize = 512 << 20;

type Key = ([u8; 32], EngineOptions);

static ENGINES: LazyLock<Registry<Key, Engine, Error>> = LazyLock::new(Registry::new);

/// A network and its thread, shared by any number of streams; further networks and threads start when windows keep waiting.
///
/// A thread takes the waiting windows of all streams in turn, at most 16, without waiting for more, runs the network once
/// and returns the scores to each stream. A stream that waits may run its own windows ([`Stream::run`]). Several threads share
/// the streams; the windows of one stream are with one thread at a time, so its replies are in order. Dropping the last
/// reference cancels the runs in progress and waits at most one second for the threads; a network that hangs keeps its
/// thread, which owns it.
pub struct Engine {
    workers: Arc<WorkerPool>,
    pool: Arc<Pool>,
    classes: usize,
    has_state: bool,
}

impl Engine {
    /// Returns the process's engine for this model content and these options, and creates it if necessary: finds ONNX Runtime,
    /// loads the network, checks it against the manifest and runs it once to warm it up. This can take seconds.
    ///
    /// # Errors
    /// [`Error::Runtime`] without ONNX Runtime, [`Error::Provider`] without the execution provider,
    /// [`Error::Model`] when the network can't be loaded or doesn't fit its manifest. A caller that waited for a different
    /// caller's attempt gets its error.
    pub fn shared(model: &Model, options: &EngineOptions) -> Result<Arc<Self>> {
        Self::shared_unless(model, options, &Cancellation::default())
    }

    /// Like [`Engine::shared`], but returns as soon as `cancellation` is cancelled.
    ///
    /// # Errors
    /// Those of [`Engine::shared`], and [`Error::Cancelled`].
    pub fn shared_unless(model: &Model, options: &EngineOptions, cancellation: &Cancellation) -> Result<Arc<Self>> {
        let make = || {
            let (model, options) = (model.clone(), *options);
            let network = load_unless(&model, options, Target::Scores, cancellation)?;
            let cores = thread::available_parallelism().map_or(1, usize::from);
            let max_networks = max_networks(options, cores, network.bytes);
            Self::with_networks(Box::new(network), max_networks, move || load_network(&model, options))
        };
        let key = (model.digest(), *options);
        let mut engine = ENGINES.get_or_make(key, make);
        // The attempt of a different caller, which was cancelled.
        while matches!(engine, Err(Error::Cancelled(_))) && !cancellation.is_cancelled() {
            engine = ENGINES.get_or_make(key, make);
        }
        model.forget_bytes();
        engine
    }

    /// Creates an engine with any network, for tests and benchmarks; it is not shared through the registry.
    ///
    /// # Errors
    /// [`Error::Inference`] if the network has no window or no class, [`Error::Thread`] if no thread can be started.
    pub fn with_network(network: Box<dyn Network>) -> Result<Arc<Self>> {
        Self::with_networks(network, 1, || Err(Error::Inference("one network is the maximum".into())))
    }

    /// Like [`Engine::with_network`], with up to `max_networks` networks side by side: `another` creates a further
    /// network on a separate thread when windows of several streams keep waiting.
    ///
    /// # Errors
    /// Those of [`Engine::with_network`].
    pub fn with_networks(
        network: Box<dyn Network>,
        max_networks: usize,
        another: impl Fn() -> Result<Box<dyn Network>> + Send + Sync + 'static,
    ) -> Result<Arc<Self>> {
        let (window_len, classes) = (network.window_len(), network.classes());
        if window_len == 0 || classes == 0 {
            return Err(Error::Inference(format!("a network of {window_len} values and {classes} classes can't run")));
        }
        let has_state = network.has_state();
        // The state of a stream belongs to one network.
        let max_networks = if has_state { 1 } else { max_networks.max(1) };
        let another: Another = Box::new(another);
        let workers =
            WorkerPool::start(network, max_networks, another).map_err(|error| Error::Thread(Arc::new(error)))?;
        Ok(Arc::new(Self { workers, pool: Arc::new(Pool::new(window_len)), classes, has_state }))
    }

    /// Number of networks side by side.
    #[must_use]
    pub fn networks(&self) -> usize {
        self.workers.len()
    }

    /// Number of scores of one window.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Whether the network carries a state from window to window, so that equal windows may have different scores.
    #[must_use]
    pub fn has_state(&self) -> bool {
        self.has_state
    }

    /// A tensor for one window from the engine's pool; it contains the values of its last user.
    #[must_use]
    pub fn tensor(&self) -> Tensor {
        self.pool.tensor()
    }

    /// Statistics of the pool.
    #[must_use]
    pub fn pool_stats(&self) -> PoolStats {
        self.pool.stats()
    }

    /// Number of open streams.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.workers.queue.streams()
    }

    /// Opens a stream. `on_reply` is called on a thread of the engine or within [`Stream::run`], one call at a time, in the
    /// order of push. It may call any function of the stream, and must not wait for other replies; its panics are caught. It
    /// should have a weak reference to the stream's owner, because the stream holds the callback. It is called with a lock of
    /// the stream held: what may wait for other threads belongs into the second callback of [`Engine::stream_with`].
    pub fn stream(self: &Arc<Self>, on_reply: impl FnMut(Reply<'_>) + Send + 'static) -> Stream {
        self.stream_with(on_reply, || {})
    }

    /// Like [`Engine::stream`]. `after_reply` is called on the same thread after each reply, with no lock held, so it may wait;
    /// several threads may call it at the same time, and once more after [`Stream::clear`] or the end of the stream.
    pub fn stream_with(
        self: &Arc<Self>,
        on_reply: impl FnMut(Reply<'_>) + Send + 'static,
        after_reply: impl Fn() + Send + Sync + 'static,
    ) -> Stream {
        Stream::open(Arc::clone(self), ReplySlot::new(Box::new(on_reply), Box::new(after_reply)))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.workers.shut_down();
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("classes", &self.classes).field("streams", &self.streams()).finish()
    }
}

/// Maximum number of networks with these options and this size side by side: on half of the cores, because the rest of the
/// pipelines needs some, and within [`MAX_BYTES`]. Providers other than the CPU manage their devices themselves.
fn max_networks(options: EngineOptions, cores: usize, bytes: usize) -> usize {
    if options.provider != ExecutionProvider::Cpu || options.threads == 0 {
        return 1;
    }
    let by_cores = cores / 2 / options.threads as usize;
    by_cores.min(MAX_BYTES / bytes.max(1)).clamp(1, MAX_NETWORKS)
}

/// Loads, checks and warms up the network of a model without an engine, to run it on the caller's thread, for work without
/// streams and for benchmarks.
///
/// # Errors
/// Those of [`Engine::shared`].
pub fn load_network(model: &Model, options: EngineOptions) -> Result<Box<dyn Network>> {
    Ok(Box::new(load_unless(model, options, Target::Scores, &Cancellation::default())?))
}

/// Like [`load_network`], but the scores of a window are its embedding: the values of the output that the manifest's
/// `output.embedding` names. [`Network::classes`] is their number; a time axis is reduced to its mean.
///
/// # Errors
/// Those of [`Engine::shared`], and [`Error::Manifest`] when the manifest names no such output.
pub fn load_embedding(model: &Model, options: EngineOptions) -> Result<Box<dyn Network>> {
    if model.manifest().embedding_name.is_none() {
        return Err(Error::Manifest {
            path: model.manifest().path.clone(),
            key: "output.embedding".into(),
            expected: "the name of the embedding output; a network without one gives scores only".into(),
            found: "nothing".into(),
        });
    }
    Ok(Box::new(load_unless(model, options, Target::Embedding, &Cancellation::default())?))
}

/// Checks a model if it is not built in, and loads it, within the time limit and until it is cancelled.
fn load_unless(
    model: &Model,
    options: EngineOptions,
    target: Target,
    cancellation: &Cancellation,
) -> Result<GuardedNetwork> {
    check::model(model, options, cancellation)?;
    if model.is_built_in() {
        return GuardedNetwork::load(model, options, target);
    }
    let own = model.clone();
    let time = limits::time(options.provider);
    let loaded = limits::within(time, cancellation, move || GuardedNetwork::load(&own, options, target));
    let fail = |reason: String| Error::Model { path: model.onnx_path().to_path_buf(), reason };
    loaded.unwrap_or_else(|stopped| match stopped {
        Stopped::Cancelled => Err(Error::Cancelled("the model is no longer needed".into())),
        Stopped::Failed => Err(fail("loading the model panicked, which is a bug; please report it".into())),
        Stopped::Timeout => {
            let seconds = time.as_secs();
            let remedy = format!("use a smaller network, or set {} to more seconds", limits::TIME_VARIABLE);
            Err(fail(format!("loading it did not end within {seconds} s; {remedy}")))
        }
    })
}

/// Loads a model and runs it once, without a check in a separate process; `loaded` is called in between.
pub(super) fn try_out(model: &Model, options: EngineOptions, loaded: impl FnOnce()) -> Result<()> {
    let mut network = OrtNetwork::open(model, options, Target::Scores)?;
    loaded();
    network.run_once(model)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn cores_and_size_bound_the_networks() {
        let threads = |threads| EngineOptions { threads, ..EngineOptions::default() };
        assert_eq!(max_networks(threads(1), 16, 3 << 20), 8);
        assert_eq!(max_networks(threads(2), 16, 3 << 20), 4);
        assert_eq!(max_networks(threads(1), 16, 200 << 20), 2);
        assert_eq!(max_networks(threads(1), 16, 600 << 20), 1);
        assert_eq!(max_networks(threads(1), 1000, 0), MAX_NETWORKS);
        assert_eq!(max_networks(threads(0), 16, 3 << 20), 1);
    }
}
