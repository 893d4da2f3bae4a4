// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread that owns a network, and the streams that feed it.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle, ThreadId},
    time::{Duration, Instant},
};

use super::{
    door::{Door, Reply},
    pool::{Pool, PoolStats, Tensor},
    queue::{LaneId, Queue, Taken},
};
use crate::{
    error::{Error, Result},
    model::network::{Canceller, Network},
};

/// Most windows of one run, whatever the network allows: beyond it the first one waits longer than the rest gain.
pub(super) const MAX_BATCH: usize = 16;
/// How long dropping an engine waits for its thread.
const FAREWELL: Duration = Duration::from_secs(1);

/// One network on its own thread, shared by any number of streams.
///
/// The thread takes all windows that wait, of any stream, in turn and at most 16, never waits for more, runs once
/// and hands each stream its scores. Dropping the last reference ends a run in progress and waits at most one
/// second for the thread; a network that hangs keeps its thread, which owns it.
pub struct Engine {
    shared: Arc<Shared>,
    classes: usize,
    canceller: Option<Canceller>,
    thread: Option<JoinHandle<()>>,
    /// Disconnects when the thread has dropped the network.
    ended: Mutex<mpsc::Receiver<()>>,
}

struct Shared {
    queue: Queue<Job>,
    pool: Arc<Pool>,
}

struct Job {
    ticket: u64,
    tensor: Tensor,
    door: Arc<Door>,
}

impl Engine {
    /// An engine around any network, for tests and benches; not shared through the registry.
    ///
    /// # Errors
    /// [`Error::Inference`] when the network has no window or no class, or no thread can be started.
    pub fn with_network(network: Box<dyn Network>) -> Result<Arc<Self>> {
        let (window_len, classes) = (network.window_len(), network.classes());
        if window_len == 0 || classes == 0 {
            return Err(Error::Inference(format!("a network of {window_len} values and {classes} classes can't run")));
        }
        let shared = Arc::new(Shared { queue: Queue::new(), pool: Arc::new(Pool::new(window_len)) });
        let canceller = network.canceller();
        let (alive, ended) = mpsc::channel();
        let worker = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("soundclassify".into())
            .spawn(move || {
                let _alive = alive;
                work(&worker, network);
            })
            .map_err(|error| Error::Inference(format!("can't start the engine's thread: {error}")))?;
        Ok(Arc::new(Self { shared, classes, canceller, thread: Some(thread), ended: Mutex::new(ended) }))
    }

    /// Scores of one window.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// A tensor of one window from the engine's pool; it holds what its last user left.
    #[must_use]
    pub fn tensor(&self) -> Tensor {
        self.shared.pool.tensor()
    }

    /// What the pool holds.
    #[must_use]
    pub fn pool_stats(&self) -> PoolStats {
        self.shared.pool.stats()
    }

    /// Streams that are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.shared.queue.lanes()
    }

    /// A stream's door. `on_reply` runs on the engine's thread, one call at a time, in the order of push; it may
    /// call any function of the stream, must not wait for other replies, and loses a panic. It should hold the
    /// stream's owner weakly, for the stream holds the callback.
    pub fn stream(self: &Arc<Self>, on_reply: impl FnMut(Reply<'_>) + Send + 'static) -> Stream {
        let door = Arc::new(Door::new(Box::new(on_reply)));
        Stream { lane: self.shared.queue.open(), door, engine: Arc::clone(self) }
    }

    fn thread_id(&self) -> Option<ThreadId> {
        self.thread.as_ref().map(|thread| thread.thread().id())
    }

    fn is_this_thread(&self) -> bool {
        self.thread_id() == Some(thread::current().id())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.queue.shut();
        if self.is_this_thread() {
            return;
        }
        if let Some(canceller) = &self.canceller {
            canceller.cancel();
        }
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let ended = ended.recv_timeout(FAREWELL) == Err(mpsc::RecvTimeoutError::Disconnected);
        if let Some(thread) = self.thread.take().filter(|_| ended) {
            // Nothing on that thread panics uncaught.
            let _ = thread.join();
        }
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
        let job = |(ticket, tensor)| Job { ticket, tensor, door: Arc::clone(&self.door) };
        self.queue().push(self.lane, windows.into_iter().map(job));
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

    /// Forgets every window pushed so far: once this returns, none of their replies is delivered. Waits for a
    /// reply that is just being delivered, never for a run; the caller holds no lock that `on_reply` takes. From
    /// within `on_reply` it waits for nothing.
    pub fn clear(&self) {
        drop(self.queue().clear(self.lane));
        if !self.engine.is_this_thread() {
            self.door.wait();
        }
    }

    /// The engine behind this door.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    fn queue(&self) -> &Queue<Job> {
        &self.engine.shared.queue
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        drop(self.queue().clear(self.lane));
        self.door.close(self.engine.is_this_thread());
        drop(self.queue().close(self.lane));
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("waiting", &self.waiting()).field("pending", &self.pending()).finish()
    }
}

/// The engine thread's life.
fn work(shared: &Shared, network: Box<dyn Network>) {
    let limit = network.max_batch().clamp(1, MAX_BATCH);
    let mut runner = Runner { scores: vec![0.0; limit * network.classes()], classes: network.classes(), network };
    let mut batch = Vec::with_capacity(limit);
    while shared.queue.take(limit, &mut batch) {
        runner.answer(&batch, &shared.queue);
        batch.clear();
    }
}

/// The network and its reused scores.
struct Runner {
    network: Box<dyn Network>,
    scores: Vec<f32>,
    classes: usize,
}

impl Runner {
    /// Runs a batch and hands out its scores. A batch that fails is tried again window by window, so that one
    /// stream's window fails nobody else's.
    fn answer(&mut self, batch: &[Taken<Job>], queue: &Queue<Job>) {
        match self.run(batch) {
            Err(_) if batch.len() > 1 => {
                batch.chunks(1).take_while(|_| !queue.is_shut()).for_each(|single| self.answer(single, queue));
            }
            outcome => {
                for (index, taken) in batch.iter().enumerate() {
                    self.tell(taken, index, &outcome, batch.len(), queue);
                }
            }
        }
    }

    fn run(&mut self, batch: &[Taken<Job>]) -> Result<Duration> {
        let mut windows: [&[f32]; MAX_BATCH] = [&[]; MAX_BATCH];
        for (window, taken) in windows.iter_mut().zip(batch) {
            *window = &taken.job.tensor;
        }
        let scores = &mut self.scores[..batch.len() * self.classes];
        let begin = Instant::now();
        catch_unwind(AssertUnwindSafe(|| self.network.run(&windows[..batch.len()], scores)))
            .unwrap_or_else(|panic| Err(Error::Inference(format!("the network panicked: {}", panic_text(&*panic)))))?;
        Ok(begin.elapsed())
    }

    fn tell(&self, taken: &Taken<Job>, index: usize, outcome: &Result<Duration>, batch: usize, queue: &Queue<Job>) {
        let (scores, failure);
        let scores = match outcome {
            Ok(_) => {
                scores = &self.scores[index * self.classes..][..self.classes];
                match first_not_finite(scores) {
                    None => Ok(scores),
                    Some(error) => {
                        failure = error;
                        Err(&failure)
                    }
                }
            }
            Err(error) => Err(error),
        };
        let run_time = *outcome.as_ref().unwrap_or(&Duration::ZERO);
        let reply = Reply { ticket: taken.job.ticket, scores, run_time, batch };
        taken.job.door.deliver(reply, || queue.is_current(taken.lane, taken.epoch));
        queue.done(taken.lane, taken.epoch);
    }
}

fn first_not_finite(scores: &[f32]) -> Option<Error> {
    let class = scores.iter().position(|score| !score.is_finite())?;
    Some(Error::NotFinite { class, value: scores[class] })
}

/// The text of a caught panic.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}
