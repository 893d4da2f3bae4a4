// SPDX-License-Identifier: MIT OR Apache-2.0
//! An engine and the streams that feed it.

use std::fmt;

use std::sync::Arc;

use super::{
    crew::{Another, Crew},
    door::{Door, Reply},
    pool::{Pool, PoolStats, Tensor},
    queue::{LaneId, Queue, Taken, Turns},
    runner::Runner,
    sync::{Mutex, lock},
};
use crate::{
    error::{Error, Result},
    model::network::Network,
};

/// A network and a thread, shared by any number of streams, and more of them when their windows keep waiting.
///
/// A thread takes all windows that wait, of any stream, in turn and at most 16, never waits for more, runs once
/// and hands each stream its scores; a stream that waits may do its own windows ([`Stream::run`]). Several threads share
/// the streams; the windows of one stream are with one thread at a time, and their replies in order. Dropping the last reference ends the runs in progress and waits at most one
/// second for the threads; a network that hangs keeps its thread, which owns it.
pub struct Engine {
    crew: Arc<Crew>,
    pool: Arc<Pool>,
    classes: usize,
}

pub(super) struct Job {
    pub(super) ticket: u64,
    pub(super) tensor: Tensor,
    pub(super) door: Arc<Door>,
}

impl Engine {
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
        let another: Another = Box::new(another);
        let crew = Crew::start(network, most.max(1), another)
            .map_err(|error| Error::Inference(format!("can't start the engine's thread: {error}")))?;
        Ok(Arc::new(Self { crew, pool: Arc::new(Pool::new(window_len)), classes }))
    }

    /// Networks side by side.
    #[must_use]
    pub fn networks(&self) -> usize {
        self.crew.len()
    }

    /// Scores of one window.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
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
        self.crew.queue.lanes()
    }

    /// A stream's door. `on_reply` runs on a thread of the engine or within [`Stream::run`], one call at a time, in the
    /// order of push; it may call any function of the stream, must not wait for other replies, and loses a panic. It should hold the
    /// stream's owner weakly, for the stream holds the callback.
    pub fn stream(self: &Arc<Self>, on_reply: impl FnMut(Reply<'_>) + Send + 'static) -> Stream {
        let door = Arc::new(Door::new(Box::new(on_reply)));
        Stream { lane: self.crew.queue.open(), door, batch: Mutex::default(), engine: Arc::clone(self) }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.crew.dismiss();
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("classes", &self.classes).field("streams", &self.streams()).finish()
    }
}

/// One stream's way to an engine, which it keeps alive. Dropping it is [`Stream::clear`] and drops the callback.
pub struct Stream {
    lane: LaneId,
    door: Arc<Door>,
    /// For runs on the stream's own thread.
    batch: Mutex<Vec<Taken<Job>>>,
    engine: Arc<Engine>,
}

impl Stream {
    /// Queues a window; never waits for a run.
    pub fn push(&self, ticket: u64, tensor: Tensor) {
        self.push_all([(ticket, tensor)]);
    }

    /// Queues windows in one go, so that they go into one run if it has room; never waits for a run. `windows` is
    /// iterated with a lock held: it must do nothing but hand them over.
    pub fn push_all(&self, windows: impl IntoIterator<Item = (u64, Tensor)>) {
        self.queue().push(self.lane, windows.into_iter().map(|window| self.job(window)));
    }

    /// As [`Stream::push_all`], for a caller that calls [`Stream::run`] next: nobody else sees to these windows before.
    pub fn push_own(&self, windows: impl IntoIterator<Item = (u64, Tensor)>) {
        self.queue().push_own(self.lane, windows.into_iter().map(|window| self.job(window)));
    }

    /// Runs what waits on this thread, which would wait for it anyway, and hands out the replies: as long as the network
    /// rests, is portable and was quick, no other stream waits, and `goes_on` says so. Whatever is left goes to the
    /// engine's threads. The caller holds no lock that `on_reply` takes.
    pub fn run(&self, goes_on: impl Fn() -> bool) {
        let mut batch = std::mem::take(&mut *lock(&self.batch));
        self.engine.crew.run_here(self.lane, &mut batch, goes_on);
        *lock(&self.batch) = batch;
    }

    /// Takes the oldest window that waits out of the queue and gives its ticket; it gets no reply.
    pub fn drop_oldest(&self) -> Option<u64> {
        self.queue().pop_oldest(self.lane).map(|job| job.ticket)
    }

    /// Windows queued and not yet taken for a run.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue().waiting(self.lane)
    }

    /// Windows queued or running whose reply has not yet returned.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.queue().pending(self.lane)
    }

    /// How the engine gets on, as this stream sees it.
    #[must_use]
    pub fn turns(&self) -> Turns {
        self.queue().turns(self.lane)
    }

    /// Forgets every window pushed so far: once this returns, none of their replies is delivered. Waits for a
    /// reply that is just being delivered, never for a run; the caller holds no lock that `on_reply` takes. From
    /// within `on_reply` it waits for nothing.
    pub fn clear(&self) {
        self.cancel();
        if !self.engine.crew.has_this_thread() {
            self.door.wait();
        }
    }

    /// As [`Stream::clear`], but waits for nothing: a reply that is just being delivered may still end after this returns.
    pub fn cancel(&self) {
        drop(self.queue().clear(self.lane));
    }

    /// The engine behind this door.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    fn job(&self, (ticket, tensor): (u64, Tensor)) -> Job {
        Job { ticket, tensor, door: Arc::clone(&self.door) }
    }

    fn queue(&self) -> &Queue<Job, Runner> {
        &self.engine.crew.queue
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        drop(self.queue().clear(self.lane));
        self.door.close(self.engine.crew.has_this_thread());
        drop(self.queue().close(self.lane));
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("waiting", &self.waiting()).field("pending", &self.pending()).finish()
    }
}

/// The text of a caught panic.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}
