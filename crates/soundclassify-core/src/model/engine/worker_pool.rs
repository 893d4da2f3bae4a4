// SPDX-License-Identifier: MIT OR Apache-2.0
//! The worker threads of an engine, with one network each: one thread at first, more when windows keep waiting.

use std::{
    cell::Cell,
    io,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    queue::Queue,
    runner::{self, Runner},
    stream::Job,
};
use crate::{
    error::Result,
    model::{
        network::{Canceller, Network},
        runtime,
    },
    panic::lock,
};

/// Time for which windows of several streams must wait before a further network starts; a short burst is over before.
const CROWDED_TIMEOUT: Duration = Duration::from_millis(100);
/// Maximum wait for the threads when an engine is dropped.
const SHUT_DOWN_TIMEOUT: Duration = Duration::from_millis(450);

/// Creates a further network.
pub(super) type Another = Box<dyn Fn() -> Result<Box<dyn Network>> + Send + Sync>;

thread_local! {
    /// Address of the workers to which this thread belongs, or for which it runs a network.
    pub(super) static CURRENT_POOL: Cell<usize> = const { Cell::new(0) };
}

/// Threads that process one queue.
pub(super) struct WorkerPool {
    pub(super) queue: Queue<Job, Runner>,
    another: Another,
    /// Maximum number of threads.
    most: usize,
    /// Maximum number of windows of one run.
    pub(super) limit: usize,
    /// Whether the last run was quick, and the network may run on the streams' own threads.
    pub(super) quick: AtomicBool,
    state: Mutex<State>,
}

struct State {
    /// Cloned into every thread: the receiver disconnects when the last thread has dropped its network. `None`: the
    /// engine is being dropped.
    alive: Option<Sender<()>>,
    ended: Option<Receiver<()>>,
    threads: Vec<JoinHandle<()>>,
    /// One per network.
    cancellers: Vec<Option<Canceller>>,
    /// Start of the time in which windows of several streams wait.
    crowded: Option<Instant>,
    /// A network is being created, or its creation failed.
    spawning: bool,
}

impl WorkerPool {
    /// Starts one worker; up to `most` may start later, with networks that `another` creates.
    pub(super) fn start(network: Box<dyn Network>, most: usize, another: Another) -> io::Result<Arc<Self>> {
        let (alive, ended) = mpsc::channel();
        let state = State {
            alive: Some(alive),
            ended: Some(ended),
            threads: Vec::new(),
            cancellers: Vec::new(),
            crowded: None,
            spawning: true,
        };
        let workers = Arc::new(Self {
            queue: Queue::new(),
            another,
            most,
            limit: runner::limit(&*network),
            quick: AtomicBool::new(false),
            state: Mutex::new(state),
        });
        workers.spawn(&mut workers.lock(), |_| Some(network))?;
        Ok(workers)
    }

    /// Number of threads with a network.
    pub(super) fn len(&self) -> usize {
        self.lock().cancellers.len()
    }

    /// Whether the calling thread is one of these workers.
    pub(super) fn has_this_thread(&self) -> bool {
        CURRENT_POOL.get() == self.address()
    }

    /// Cancels all runs, and waits for the threads for a limited time. A network that hangs keeps its thread, which owns it.
    pub(super) fn shut_down(&self) {
        self.queue.shut();
        let mut state = self.lock();
        state.alive = None;
        let (ended, threads) = (state.ended.take(), std::mem::take(&mut state.threads));
        let cancellers = std::mem::take(&mut state.cancellers);
        drop(state);
        cancellers.iter().flatten().for_each(Canceller::cancel);
        let Some(ended) = ended.filter(|_| !self.has_this_thread()) else { return };
        if ended.recv_timeout(SHUT_DOWN_TIMEOUT) == Err(mpsc::RecvTimeoutError::Disconnected) {
            // The panic hook has reported a panic.
            threads.into_iter().for_each(|thread| drop(thread.join()));
        }
    }

    fn spawn(
        self: &Arc<Self>,
        state: &mut State,
        network: impl FnOnce(&Self) -> Option<Box<dyn Network>> + Send + 'static,
    ) -> io::Result<()> {
        let Some(alive) = state.alive.clone() else { return Ok(()) };
        let workers = Arc::clone(self);
        let life = move || {
            let _alive = alive;
            CURRENT_POOL.set(workers.address());
            let Some(network) = network(&workers) else { return };
            if workers.join(network.canceller()) {
                workers.work(Runner::new(network));
            }
        };
        state.threads.push(thread::Builder::new().name("soundclassify".into()).spawn(life)?);
        Ok(())
    }

    /// Works until the queue is shut.
    fn work(self: &Arc<Self>, mut runner: Runner) {
        let mut batch = Vec::with_capacity(self.limit);
        while let Some(mut rested) = self.queue.take(runner, self.limit, &mut batch) {
            self.grow();
            let quick = rested.answer(&mut batch, &self.queue);
            self.quick.store(quick && rested.is_portable(), Relaxed);
            runner = rested;
        }
    }

    /// Whether the engine still exists.
    fn join(&self, canceller: Option<Canceller>) -> bool {
        let mut state = self.lock();
        state.cancellers.push(canceller);
        state.spawning = false;
        state.alive.is_some()
    }

    /// Starts a further network if windows have been waiting for too long.
    fn grow(self: &Arc<Self>) {
        if self.most == 1 {
            return;
        }
        let mut state = self.lock();
        if state.spawning || state.threads.len() >= self.most || !self.queue.is_crowded() {
            state.crowded = None;
        } else if state.crowded.get_or_insert_with(Instant::now).elapsed() >= CROWDED_TIMEOUT {
            state.spawning = true;
            let spawned = self.spawn(&mut state, Self::more);
            drop(state);
            if let Err(error) = spawned {
                runtime::warn(&format!("can't start a thread for a further network: {error}"));
            }
        }
    }

    fn more(&self) -> Option<Box<dyn Network>> {
        let network =
            (self.another)().inspect_err(|error| runtime::warn(&format!("can't load a further network: {error}"))).ok();
        // It does not accept as many windows.
        network.filter(|network| runner::limit(&**network) >= self.limit)
    }

    pub(super) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
