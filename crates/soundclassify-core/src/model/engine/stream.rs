// SPDX-License-Identifier: MIT OR Apache-2.0
//! One stream: its windows go to the engine, its replies come back.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{
    Engine, Progress, Tensor,
    queue::{Queue, StreamId, Taken},
    reply_slot::ReplySlot,
    runner::Runner,
    sync::{Mutex, lock},
};

/// Counter of the sequences of consecutive windows, for all streams.
static NEXT_SEQUENCE: AtomicU64 = AtomicU64::new(0);

/// A window on its way to a network.
pub(super) struct Job {
    pub(super) ticket: u64,
    pub(super) tensor: Tensor,
    pub(super) reply_slot: Arc<ReplySlot>,
    /// Number of its sequence. The windows of one sequence are consecutive; different sequences are independent.
    pub(super) sequence: u64,
}

/// One stream of an engine, which it keeps alive. Dropping it calls [`Stream::clear`] and drops the callback.
pub struct Stream {
    stream: StreamId,
    reply_slot: Arc<ReplySlot>,
    sequence: AtomicU64,
    /// Buffer for runs on the stream's own thread.
    batch: Mutex<Vec<Taken<Job>>>,
    engine: Arc<Engine>,
}

impl Stream {
    pub(super) fn open(engine: Arc<Engine>, reply_slot: ReplySlot) -> Self {
        let stream = engine.workers.queue.open();
        let sequence = AtomicU64::new(next_sequence());
        Self { stream, reply_slot: Arc::new(reply_slot), sequence, batch: Mutex::default(), engine }
    }

    /// Queues a window; does not wait for a run.
    pub fn push(&self, ticket: u64, tensor: Tensor) {
        self.push_all([(ticket, tensor)]);
    }

    /// Queues several windows together, so they go into one run if it has room; does not wait for a run. `windows` is
    /// iterated with a lock held and must only return them.
    pub fn push_all(&self, windows: impl IntoIterator<Item = (u64, Tensor)>) {
        self.queue().push(self.stream, windows.into_iter().map(|window| self.job(window)));
    }

    /// Like [`Stream::push_all`], for a caller that calls [`Stream::run`] next; it wakes no thread.
    pub fn push_own(&self, windows: impl IntoIterator<Item = (u64, Tensor)>) {
        self.queue().push_own(self.stream, windows.into_iter().map(|window| self.job(window)));
    }

    /// Runs the waiting windows on this thread and delivers the replies, as long as the network is idle, portable and quick, no
    /// other stream waits, and `goes_on` returns true. The engine's threads run the rest. The caller must not hold a lock that
    /// `on_reply` takes.
    pub fn run(&self, goes_on: impl Fn() -> bool) {
        let mut batch = std::mem::take(&mut *lock(&self.batch));
        self.engine.workers.run_here(self.stream, &mut batch, goes_on);
        *lock(&self.batch) = batch;
    }

    /// Removes the oldest waiting window from the queue and returns its ticket; the window gets no reply.
    pub fn drop_oldest(&self) -> Option<u64> {
        self.queue().pop_oldest(self.stream).map(|job| job.ticket)
    }

    /// Number of windows in the queue.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue().waiting(self.stream)
    }

    /// Number of windows in the queue or running, whose reply has not yet returned.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.queue().pending(self.stream)
    }

    /// The progress of the engine, from the view of this stream.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.queue().progress(self.stream)
    }

    /// Discards all windows that were pushed: after this returns, none of their replies is delivered. It waits for a
    /// reply that is being delivered, but not for a run. The caller must not hold a lock that `on_reply` takes. Within
    /// `on_reply` it does not wait.
    pub fn clear(&self) {
        self.cancel();
        if !self.engine.workers.has_this_thread() {
            self.reply_slot.wait();
        }
    }

    /// Like [`Stream::clear`], without waiting: the delivery of a reply may end after this returns.
    pub fn cancel(&self) {
        self.restart();
        drop(self.queue().clear(self.stream));
    }

    /// Begins a new sequence: the state of a network starts again with the next window. Windows that were pushed before get their
    /// replies.
    pub fn restart(&self) {
        self.sequence.store(next_sequence(), Relaxed);
    }

    /// The engine of this stream.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    fn job(&self, (ticket, tensor): (u64, Tensor)) -> Job {
        Job { ticket, tensor, reply_slot: Arc::clone(&self.reply_slot), sequence: self.sequence.load(Relaxed) }
    }

    fn queue(&self) -> &Queue<Job, Runner> {
        &self.engine.workers.queue
    }
}

fn next_sequence() -> u64 {
    NEXT_SEQUENCE.fetch_add(1, Relaxed)
}

impl Drop for Stream {
    fn drop(&mut self) {
        drop(self.queue().clear(self.stream));
        self.reply_slot.close(self.engine.workers.has_this_thread());
        drop(self.queue().close(self.stream));
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("waiting", &self.waiting()).field("pending", &self.pending()).finish()
    }
}
