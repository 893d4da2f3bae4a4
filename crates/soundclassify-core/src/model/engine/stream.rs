// SPDX-License-Identifier: MIT OR Apache-2.0
//! One stream of windows to an engine, and its replies.

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

/// Numbers the sequences of windows that follow one another, of all streams.
static NEXT_SEQUENCE: AtomicU64 = AtomicU64::new(0);

/// A window on its way to a network.
pub(super) struct Job {
    pub(super) ticket: u64,
    pub(super) tensor: Tensor,
    pub(super) reply_slot: Arc<ReplySlot>,
    /// Windows of one sequence follow one another; of another one, what was before does not matter.
    pub(super) sequence: u64,
}

/// One stream's way to an engine, which it keeps alive. Dropping it is [`Stream::clear`] and drops the callback.
pub struct Stream {
    stream: StreamId,
    reply_slot: Arc<ReplySlot>,
    sequence: AtomicU64,
    /// For runs on the stream's own thread.
    batch: Mutex<Vec<Taken<Job>>>,
    engine: Arc<Engine>,
}

impl Stream {
    pub(super) fn open(engine: Arc<Engine>, reply_slot: ReplySlot) -> Self {
        let stream = engine.workers.queue.open();
        let sequence = AtomicU64::new(next_sequence());
        Self { stream, reply_slot: Arc::new(reply_slot), sequence, batch: Mutex::default(), engine }
    }

    /// Queues a window; never waits for a run.
    pub fn push(&self, ticket: u64, tensor: Tensor) {
        self.push_all([(ticket, tensor)]);
    }

    /// Queues windows in one go, so that they go into one run if it has room; never waits for a run. `windows` is
    /// iterated with a lock held: it must do nothing but hand them over.
    pub fn push_all(&self, windows: impl IntoIterator<Item = (u64, Tensor)>) {
        self.queue().push(self.stream, windows.into_iter().map(|window| self.job(window)));
    }

    /// As [`Stream::push_all`], for a caller that calls [`Stream::run`] next: nobody else sees to these windows before.
    pub fn push_own(&self, windows: impl IntoIterator<Item = (u64, Tensor)>) {
        self.queue().push_own(self.stream, windows.into_iter().map(|window| self.job(window)));
    }

    /// Runs what waits on this thread, which would wait for it anyway, and hands out the replies: as long as the network
    /// rests, is portable and was quick, no other stream waits, and `goes_on` says so. Whatever is left goes to the
    /// engine's threads. The caller holds no lock that `on_reply` takes.
    pub fn run(&self, goes_on: impl Fn() -> bool) {
        let mut batch = std::mem::take(&mut *lock(&self.batch));
        self.engine.workers.run_here(self.stream, &mut batch, goes_on);
        *lock(&self.batch) = batch;
    }

    /// Takes the oldest window that waits out of the queue and gives its ticket; it gets no reply.
    pub fn drop_oldest(&self) -> Option<u64> {
        self.queue().pop_oldest(self.stream).map(|job| job.ticket)
    }

    /// Windows queued and not yet taken for a run.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue().waiting(self.stream)
    }

    /// Windows queued or running whose reply has not yet returned.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.queue().pending(self.stream)
    }

    /// How the engine gets on, as this stream sees it.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.queue().progress(self.stream)
    }

    /// Forgets every window pushed so far: once this returns, none of their replies is delivered. Waits for a
    /// reply that is just being delivered, never for a run; the caller holds no lock that `on_reply` takes. From
    /// within `on_reply` it waits for nothing.
    pub fn clear(&self) {
        self.cancel();
        if !self.engine.workers.has_this_thread() {
            self.reply_slot.wait();
        }
    }

    /// As [`Stream::clear`], but waits for nothing: a reply that is just being delivered may still end after this returns.
    pub fn cancel(&self) {
        self.restart();
        drop(self.queue().clear(self.stream));
    }

    /// The windows pushed from now on do not follow those before: what a network carries from window to window begins anew.
    /// Those pushed before get their replies.
    pub fn restart(&self) {
        self.sequence.store(next_sequence(), Relaxed);
    }

    /// The engine behind this reply_slot.
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
