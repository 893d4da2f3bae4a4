// SPDX-License-Identifier: MIT OR Apache-2.0
//! One engine per (model, provider, device, threads) in the process, and the streams that feed it.

mod queue;
mod registry;
mod reply_slot;
mod runner;
mod session;
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

pub(in crate::model) use self::session::ports;
pub use self::{
    queue::Progress,
    reply_slot::Reply,
    stream::Stream,
    tensor_pool::{PoolStats, Tensor},
};
use self::{
    registry::Registry,
    reply_slot::ReplySlot,
    session::{OrtNetwork, Target},
    tensor_pool::Pool,
    worker_pool::{Another, WorkerPool},
};
use super::{
    check,
    limits::{self, Cancellation, Stopped},
    network::Network,
    provider::ExecutionProvider,
    source::Model,
};
use crate::error::{Error, Result};

/// What, beside the model, makes one engine differ from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EngineOptions {
    /// What computes the network.
    pub provider: ExecutionProvider,
    /// Index of the device, for providers that have several.
    pub device: i32,
    /// Threads within one operator; 0: ONNX Runtime's own choice. With a number of them on the CPU there may be several
    /// networks side by side, on at most half of the cores, of together at most 512 MiB of ONNX.
    pub threads: u32,
}

impl Default for EngineOptions {
    /// One thread of the CPU.
    fn default() -> Self {
        Self { provider: ExecutionProvider::Cpu, device: 0, threads: 1 }
    }
}

/// Most networks side by side, whatever the number of cores: each has its own memory.
const MOST_NETWORKS: usize = 16;

/// Most bytes of ONNX of all networks side by side; the first one may be larger.
const MOST_BYTES: usize = 512 << 20;

type Key = ([u8; 32], EngineOptions);

static ENGINES: LazyLock<Registry<Key, Engine, Error>> = LazyLock::new(Registry::new);

/// A network and a thread, shared by any number of streams, and more of them when their windows keep waiting.
///
/// A thread takes all windows that wait, of any stream, in turn and at most 16, never waits for more, runs once
/// and hands each stream its scores; a stream that waits may do its own windows ([`Stream::run`]). Several threads share
/// the streams; the windows of one stream are with one thread at a time, and their replies in order. Dropping the last reference ends the runs in progress and waits at most one
/// second for the threads; a network that hangs keeps its thread, which owns it.
pub struct Engine {
    workers: Arc<WorkerPool>,
    pool: Arc<Pool>,
    classes: usize,
    has_state: bool,
}

impl Engine {
    /// The process's engine for this model content and these options, made or shared. Making it finds ONNX Runtime,
    /// loads the network, checks it against the manifest and runs it to warm it up; it can take seconds.
    ///
    /// # Errors
    /// [`Error::Runtime`] without ONNX Runtime, [`Error::Provider`] without the execution provider,
    /// [`Error::Model`] when the network can't be loaded or doesn't fit its manifest. Who waited for another's attempt shares its error.
    pub fn shared(model: &Model, options: &EngineOptions) -> Result<Arc<Self>> {
        Self::shared_unless(model, options, &Cancellation::default())
    }

    /// As [`Engine::shared`], but ends as soon as `cancellation` is cancelled.
    ///
    /// # Errors
    /// Those of [`Engine::shared`], and [`Error::Cancelled`].
    pub fn shared_unless(model: &Model, options: &EngineOptions, cancellation: &Cancellation) -> Result<Arc<Self>> {
        let make = || {
            let (model, options) = (model.clone(), *options);
            let network = load_unless(&model, options, Target::Scores, cancellation)?;
            let cores = thread::available_parallelism().map_or(1, usize::from);
            let most = most_networks(options, cores, network.bytes);
            Self::with_networks(Box::new(network), most, move || load_network(&model, options))
        };
        let key = (model.digest(), *options);
        let mut engine = ENGINES.get_or_make(key, make);
        // The attempt of another caller that needs it no more.
        while matches!(engine, Err(Error::Cancelled(_))) && !cancellation.is_cancelled() {
            engine = ENGINES.get_or_make(key, make);
        }
        model.forget_bytes();
        engine
    }

    /// An engine around any network, for tests and benches; not shared through the registry.
    ///
    /// # Errors
    /// [`Error::Inference`] when the network has no window or no class, or no thread can be started.
    pub fn with_network(network: Box<dyn Network>) -> Result<Arc<Self>> {
        Self::with_networks(network, 1, || Err(Error::Inference("one network must do".into())))
    }

    /// As [`Engine::with_network`], with up to `most` networks side by side: `another` makes one like the first, on a
    /// thread of its own, when windows of several streams keep waiting.
    ///
    /// # Errors
    /// Those of [`Engine::with_network`].
    pub fn with_networks(
        network: Box<dyn Network>,
        most: usize,
        another: impl Fn() -> Result<Box<dyn Network>> + Send + Sync + 'static,
    ) -> Result<Arc<Self>> {
        let (window_len, classes) = (network.window_len(), network.classes());
        if window_len == 0 || classes == 0 {
            return Err(Error::Inference(format!("a network of {window_len} values and {classes} classes can't run")));
        }
        let has_state = network.has_state();
        // A stream's state is with one network.
        let most = if has_state { 1 } else { most.max(1) };
        let another: Another = Box::new(another);
        let workers = WorkerPool::start(network, most, another)
            .map_err(|error| Error::Inference(format!("can't start the engine's thread: {error}")))?;
        Ok(Arc::new(Self { workers, pool: Arc::new(Pool::new(window_len)), classes, has_state }))
    }

    /// Networks side by side.
    #[must_use]
    pub fn networks(&self) -> usize {
        self.workers.len()
    }

    /// Scores of one window.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Whether the network carries a state from window to window, so that equal windows may have different scores.
    #[must_use]
    pub fn has_state(&self) -> bool {
        self.has_state
    }

    /// A tensor of one window from the engine's pool; it holds what its last user left.
    #[must_use]
    pub fn tensor(&self) -> Tensor {
        self.pool.tensor()
    }

    /// What the pool holds.
    #[must_use]
    pub fn pool_stats(&self) -> PoolStats {
        self.pool.stats()
    }

    /// Streams that are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.workers.queue.streams()
    }

    /// A stream's reply_slot. `on_reply` runs on a thread of the engine or within [`Stream::run`], one call at a time, in the
    /// order of push; it may call any function of the stream, must not wait for other replies, and loses a panic. It should hold the
    /// stream's owner weakly, for the stream holds the callback.
    pub fn stream(self: &Arc<Self>, on_reply: impl FnMut(Reply<'_>) + Send + 'static) -> Stream {
        Stream::open(Arc::clone(self), ReplySlot::new(Box::new(on_reply)))
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

/// Networks of these options and this size that may run side by side: on half of the cores, for whatever feeds them
/// needs some, too, and within [`MOST_BYTES`]. Other providers than the CPU share out their devices themselves.
fn most_networks(options: EngineOptions, cores: usize, bytes: usize) -> usize {
    if options.provider != ExecutionProvider::Cpu || options.threads == 0 {
        return 1;
    }
    let by_cores = cores / 2 / options.threads as usize;
    by_cores.min(MOST_BYTES / bytes.max(1)).clamp(1, MOST_NETWORKS)
}

/// The model's network by itself, loaded, checked and warmed up, to run on the caller's own thread: without an
/// engine around it, for benches and for work without streams.
///
/// # Errors
/// Those of [`Engine::shared`].
pub fn load_network(model: &Model, options: EngineOptions) -> Result<Box<dyn Network>> {
    Ok(Box::new(load_unless(model, options, Target::Scores, &Cancellation::default())?))
}

/// As [`load_network`], but the scores of a window are the values of the output that the manifest's `output.embedding`
/// names: what describes a window for other classifiers. [`Network::classes`] is how many they are; over a time axis their
/// mean is taken.
///
/// # Errors
/// Those of [`Engine::shared`], and [`Error::Manifest`] when the manifest names no such output.
pub fn load_embedding(model: &Model, options: EngineOptions) -> Result<Box<dyn Network>> {
    if model.manifest().embedding_name.is_none() {
        return Err(Error::Manifest {
            path: model.manifest().path.clone(),
            key: "output.embedding".into(),
            expected: "the name of the output that describes a window; a network without one gives scores only".into(),
            found: "nothing".into(),
        });
    }
    Ok(Box::new(load_unless(model, options, Target::Embedding, &Cancellation::default())?))
}

/// Checks a model that is not built in, and loads it; gives up when that takes too long or nobody needs it any more.
fn load_unless(
    model: &Model,
    options: EngineOptions,
    target: Target,
    cancellation: &Cancellation,
) -> Result<OrtNetwork> {
    check::model(model, options, cancellation)?;
    if model.is_built_in() {
        return OrtNetwork::load(model, options, target);
    }
    let own = model.clone();
    let time = limits::time(options.provider);
    let loaded = limits::within(time, cancellation, move || OrtNetwork::load(&own, options, target));
    let fail = |reason: String| Error::Model { path: model.onnx_path().to_path_buf(), reason };
    loaded.unwrap_or_else(|stopped| match stopped {
        Stopped::Cancelled => Err(Error::Cancelled("the model is not needed any more".into())),
        Stopped::Failed => Err(fail("loading it failed with a programming error".into())),
        Stopped::Timeout => {
            let seconds = time.as_secs();
            let remedy = format!("a smaller network helps, or {}=SECONDS for more time", limits::TIME_VARIABLE);
            Err(fail(format!("loading it did not end within {seconds} s; {remedy}")))
        }
    })
}

/// Loads a model and runs it once, without a check before; `loaded` is called between.
pub(super) fn try_out(model: &Model, options: EngineOptions, loaded: impl FnOnce()) -> Result<()> {
    let mut network = OrtNetwork::open(model, options, Target::Scores)?;
    loaded();
    network.run_once()
}

/// The text of a caught panic.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn cores_and_size_bound_the_networks() {
        let threads = |threads| EngineOptions { threads, ..EngineOptions::default() };
        assert_eq!(most_networks(threads(1), 16, 3 << 20), 8);
        assert_eq!(most_networks(threads(2), 16, 3 << 20), 4);
        assert_eq!(most_networks(threads(1), 16, 200 << 20), 2);
        assert_eq!(most_networks(threads(1), 16, 600 << 20), 1);
        assert_eq!(most_networks(threads(1), 1000, 0), MOST_NETWORKS);
        assert_eq!(most_networks(threads(0), 16, 3 << 20), 1);
    }
}
