// SPDX-License-Identifier: MIT OR Apache-2.0
//! The queue of an engine: windows of many streams, and the batches that workers take from it. Batches keep the order within
//! a stream and take turns between streams. A stream is with one worker at a time, which keeps its order.

use std::{collections::VecDeque, mem, sync::PoisonError};

use super::sync::{Condvar, Mutex, MutexGuard, lock};

/// Number of a stream in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamId(usize);

impl StreamId {
    /// Distinguishes it from the other streams that are open.
    pub(crate) fn number(self) -> usize {
        self.0
    }
}

/// A job that a worker has taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken<J> {
    pub(crate) job: J,
    pub(crate) stream: StreamId,
    /// The stream's epoch when it was taken; older than the stream's own after [`Queue::clear`].
    pub(crate) epoch: u64,
}

/// The progress of an engine, from the view of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Number of finished windows of all streams. While it grows, a waiting stream gets its turn.
    pub done: u64,
    /// Whether windows of this stream wait, and none is running.
    pub waits: bool,
}

/// Streams of jobs `J` and idle networks `N`, with one lock and one condition variable.
#[derive(Debug)]
pub(crate) struct Queue<J, N> {
    state: Mutex<State<J, N>>,
    wake: Condvar,
}

#[derive(Debug)]
struct State<J, N> {
    streams: Vec<StreamQueue<J>>,
    free: Vec<usize>,
    /// Streams that are ready, each at most once, and none of them with a worker; a stream may have been emptied since.
    ready: VecDeque<usize>,
    /// The networks of workers in [`Queue::take`] that are not borrowed.
    resting: Vec<N>,
    /// Number of finished jobs of all streams.
    done: u64,
    shut: bool,
}

#[derive(Debug)]
struct StreamQueue<J> {
    jobs: VecDeque<J>,
    /// Number of jobs that were taken in this epoch and are not finished.
    running: usize,
    /// Increases with every clear, so a reused stream does not get old jobs.
    epoch: u64,
    in_ready: bool,
}

impl<J> StreamQueue<J> {
    fn new() -> Self {
        Self { jobs: VecDeque::new(), running: 0, epoch: 0, in_ready: false }
    }

    fn next_epoch(&mut self) -> VecDeque<J> {
        self.epoch += 1;
        self.running = 0;
        mem::take(&mut self.jobs)
    }

    /// Whether it should be ready and is not.
    fn is_due(&self) -> bool {
        !self.jobs.is_empty() && self.running == 0 && !self.in_ready
    }
}

impl<J, N> Queue<J, N> {
    pub(crate) fn new() -> Self {
        let state = State {
            streams: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            resting: Vec::new(),
            done: 0,
            shut: false,
        };
        Self { state: Mutex::new(state), wake: Condvar::new() }
    }

    /// Opens a new, empty stream.
    pub(crate) fn open(&self) -> StreamId {
        let mut state = lock(&self.state);
        if let Some(index) = state.free.pop() {
            return StreamId(index);
        }
        state.streams.push(StreamQueue::new());
        StreamId(state.streams.len() - 1)
    }

    /// Removes and returns the waiting jobs of a stream, and closes it.
    pub(crate) fn close(&self, stream: StreamId) -> VecDeque<J> {
        let mut state = lock(&self.state);
        state.free.push(stream.0);
        state.streams[stream.0].next_epoch()
    }

    /// Appends jobs; a worker finds all of them or none.
    pub(crate) fn push(&self, stream: StreamId, jobs: impl IntoIterator<Item = J>) {
        let mut state = lock(&self.state);
        state.streams[stream.0].jobs.extend(jobs);
        // Also if the stream was already ready, because `push_own` wakes no thread.
        state.plan(stream.0);
        self.wake_one(state);
    }

    /// Like [`Queue::push`], for a caller that calls [`Queue::borrow`] or [`Queue::hand_over`] next; it wakes no worker.
    pub(crate) fn push_own(&self, stream: StreamId, jobs: impl IntoIterator<Item = J>) {
        let mut state = lock(&self.state);
        state.streams[stream.0].jobs.extend(jobs);
        state.plan(stream.0);
    }

    /// Wakes a worker for waiting jobs.
    pub(crate) fn hand_over(&self) {
        self.wake_one(lock(&self.state));
    }

    /// Borrows an idle network, and moves the stream's jobs, at most `limit`, into `batch`, for their owner to run; call
    /// [`Queue::rest`] afterwards. `None` if other streams wait, too, because a worker runs their windows together.
    pub(crate) fn borrow(&self, stream: StreamId, limit: usize, batch: &mut Vec<Taken<J>>) -> Option<N> {
        let mut state = lock(&self.state);
        if !state.resting.is_empty() && state.take_own(stream, limit, batch) {
            return state.resting.pop();
        }
        self.wake_one(state);
        None
    }

    /// Moves more of the stream's jobs into `batch`, for the borrowed network.
    pub(crate) fn borrow_more(&self, stream: StreamId, limit: usize, batch: &mut Vec<Taken<J>>) -> bool {
        lock(&self.state).take_own(stream, limit, batch)
    }

    /// Returns a borrowed network.
    pub(crate) fn rest(&self, network: N) {
        let mut state = lock(&self.state);
        state.resting.push(network);
        self.wake_one(state);
    }

    /// Waits for jobs with an idle network; then moves this worker's share of the waiting jobs, at most `limit`, in turn between
    /// streams, into `batch` and returns a network for it. `None` when the queue is shut.
    pub(crate) fn take(&self, network: N, limit: usize, batch: &mut Vec<Taken<J>>) -> Option<N> {
        let mut state = lock(&self.state);
        state.resting.push(network);
        while !state.shut && (state.resting.is_empty() || !state.take_batch(limit, batch)) {
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let network = state.resting.pop();
        let shut = state.shut;
        self.wake_one(state);
        network.filter(|_| !shut)
    }

    /// Marks a taken job as finished. After the last one, the stream may become ready again.
    pub(crate) fn done(&self, stream: StreamId, epoch: u64) {
        let mut state = lock(&self.state);
        state.done += 1;
        let entry = &mut state.streams[stream.0];
        if entry.epoch != epoch {
            return;
        }
        entry.running -= 1;
        if state.plan(stream.0) {
            self.wake_one(state);
        }
    }

    /// The progress of the workers, from the view of this stream.
    pub(crate) fn progress(&self, stream: StreamId) -> Progress {
        let state = lock(&self.state);
        let StreamQueue { jobs, running, .. } = &state.streams[stream.0];
        Progress { done: state.done, waits: *running == 0 && !jobs.is_empty() }
    }

    /// Whether all workers are busy and jobs of several streams wait.
    pub(crate) fn is_crowded(&self) -> bool {
        let state = lock(&self.state);
        state.resting.is_empty() && state.streams.iter().filter(|stream| !stream.jobs.is_empty()).nth(1).is_some()
    }

    /// Whether the stream has not been cleared since this epoch.
    pub(crate) fn is_current(&self, stream: StreamId, epoch: u64) -> bool {
        lock(&self.state).streams[stream.0].epoch == epoch
    }

    /// Removes and returns the oldest waiting job.
    pub(crate) fn pop_oldest(&self, stream: StreamId) -> Option<J> {
        lock(&self.state).streams[stream.0].jobs.pop_front()
    }

    /// Removes and returns the waiting jobs; running jobs are no longer current.
    pub(crate) fn clear(&self, stream: StreamId) -> VecDeque<J> {
        lock(&self.state).streams[stream.0].next_epoch()
    }

    /// Number of waiting jobs of the stream.
    pub(crate) fn waiting(&self, stream: StreamId) -> usize {
        lock(&self.state).streams[stream.0].jobs.len()
    }

    /// Number of waiting or running jobs of the stream.
    pub(crate) fn pending(&self, stream: StreamId) -> usize {
        let state = lock(&self.state);
        let stream = &state.streams[stream.0];
        stream.jobs.len() + stream.running
    }

    /// Number of open streams.
    pub(crate) fn streams(&self) -> usize {
        let state = lock(&self.state);
        state.streams.len() - state.free.len()
    }

    /// Ends the workers: [`Queue::take`] returns `None`.
    pub(crate) fn shut(&self) {
        lock(&self.state).shut = true;
        self.wake.notify_all();
    }

    // Wakes a worker if a network is idle and a stream is ready; without the lock, because the worker would wait for it.
    fn wake_one(&self, state: MutexGuard<'_, State<J, N>>) {
        let due = !state.resting.is_empty() && !state.ready.is_empty();
        drop(state);
        if due {
            self.wake.notify_one();
        }
    }

    /// Whether [`Queue::shut`] was called.
    pub(crate) fn is_shut(&self) -> bool {
        lock(&self.state).shut
    }
}

impl<J, N> State<J, N> {
    /// Makes the stream ready if it has jobs; `false` otherwise.
    fn plan(&mut self, index: usize) -> bool {
        let due = self.streams[index].is_due();
        if due {
            self.streams[index].in_ready = true;
            self.ready.push_back(index);
        }
        due
    }

    /// Moves jobs of this stream if no other stream waits; `false` if nothing was moved.
    fn take_own(&mut self, stream: StreamId, limit: usize, batch: &mut Vec<Taken<J>>) -> bool {
        let alone = self.ready.len() == 1 && self.streams[stream.0].in_ready;
        alone && !self.shut && self.take_batch(limit, batch)
    }

    /// Forms a batch: jobs of this worker's share of the streams, one of each in turn; the other idle workers get equal
    /// shares. `false` if no job waits.
    fn take_batch(&mut self, limit: usize, batch: &mut Vec<Taken<J>>) -> bool {
        let share = self.ready.len().div_ceil(self.resting.len().max(1)).min(limit);
        // The first job of each stream: these streams belong to this worker until their jobs are finished.
        while batch.len() < share {
            let Some(index) = self.ready.pop_front() else { break };
            self.streams[index].in_ready = false;
            self.take_one(index, batch);
        }
        let streams = batch.len();
        let (mut at, mut emptied) = (0, 0);
        while batch.len() < limit && emptied < streams {
            let stream = batch[at % streams].stream;
            emptied = if self.take_one(stream.0, batch) { 0 } else { emptied + 1 };
            at += 1;
        }
        !batch.is_empty()
    }

    /// Moves one job of a stream; `false` if it has none.
    fn take_one(&mut self, index: usize, batch: &mut Vec<Taken<J>>) -> bool {
        let stream = &mut self.streams[index];
        let Some(job) = stream.jobs.pop_front() else { return false };
        stream.running += 1;
        batch.push(Taken { job, stream: StreamId(index), epoch: stream.epoch });
        true
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn take(queue: &Queue<u32, ()>, limit: usize) -> Vec<(StreamId, u32)> {
        let mut batch = Vec::new();
        assert!(queue.take((), limit, &mut batch).is_some());
        batch.iter().for_each(|taken| queue.done(taken.stream, taken.epoch));
        batch.into_iter().map(|taken| (taken.stream, taken.job)).collect()
    }

    #[test]
    fn lanes_take_turns_and_keep_their_order() {
        let queue = Queue::new();
        let (a, b) = (queue.open(), queue.open());
        (0..3).for_each(|job| queue.push(a, [job]));
        queue.push(b, [10]);
        assert_eq!(take(&queue, 3), [(a, 0), (b, 10), (a, 1)]);
        assert_eq!(take(&queue, 3), [(a, 2)]);
    }

    #[test]
    fn cleared_jobs_are_neither_current_nor_counted() {
        let queue = Queue::new();
        let stream = queue.open();
        queue.push(stream, [0]);
        let mut batch = Vec::new();
        queue.take((), 1, &mut batch);
        queue.push(stream, [1]);
        assert_eq!(queue.pending(stream), 2);
        assert_eq!(queue.clear(stream), [1]);
        queue.push(stream, [2]);
        assert!(!queue.is_current(stream, batch[0].epoch));
        queue.done(stream, batch[0].epoch);
        assert_eq!((queue.waiting(stream), queue.pending(stream)), (1, 1));
        assert_eq!(take(&queue, 9), [(stream, 2)]);
    }

    #[test]
    fn an_emptied_stream_is_skipped_and_served_again() {
        let queue = Queue::new();
        let (a, b) = (queue.open(), queue.open());
        queue.push(a, [0]);
        assert_eq!(queue.pop_oldest(a), Some(0));
        queue.push(b, [1]);
        assert_eq!(take(&queue, 9), [(b, 1)]);
        queue.push(a, [2]);
        assert_eq!(take(&queue, 9), [(a, 2)]);
    }

    #[test]
    fn a_stream_has_one_worker_at_a_time() {
        let queue = Queue::new();
        let (a, b) = (queue.open(), queue.open());
        queue.push(a, [0, 1, 2]);
        let mut first = Vec::new();
        assert!(queue.take((), 2, &mut first).is_some());
        queue.push(b, [10]);
        assert_eq!(take(&queue, 9), [(b, 10)]);
        first.iter().for_each(|taken| queue.done(taken.stream, taken.epoch));
        assert_eq!(take(&queue, 9), [(a, 2)]);
    }

    #[test]
    fn a_cleared_stream_does_not_wait_for_its_run() {
        let queue = Queue::new();
        let stream = queue.open();
        queue.push(stream, [0]);
        assert!(queue.take((), 1, &mut Vec::new()).is_some());
        queue.clear(stream);
        queue.push(stream, [1]);
        assert_eq!(take(&queue, 9), [(stream, 1)]);
    }

    #[test]
    fn it_is_crowded_when_two_streams_wait() {
        let queue = Queue::new();
        let (a, b) = (queue.open(), queue.open());
        queue.push(a, [0, 1]);
        assert!(!queue.is_crowded());
        queue.push(b, [10]);
        assert!(queue.is_crowded());
        assert_eq!(take(&queue, 2), [(a, 0), (b, 10)]);
        assert!(!queue.is_crowded());
    }

    #[test]
    fn what_waits_alone_can_be_done_with_a_network_at_rest() {
        let queue = Queue::<u32, ()>::new();
        let (a, b) = (queue.open(), queue.open());
        let mut batch = Vec::new();
        queue.push_own(a, [0, 1, 2]);
        assert!(queue.borrow(a, 2, &mut batch).is_none(), "no network");
        queue.rest(());
        assert!(queue.borrow(b, 2, &mut batch).is_none(), "nothing in the stream");
        assert!(queue.borrow(a, 2, &mut batch).is_some());
        assert!(!queue.borrow_more(a, 2, &mut Vec::new()), "the stream is busy");
        batch.drain(..).for_each(|taken| queue.done(taken.stream, taken.epoch));
        queue.push(b, [10]);
        assert!(!queue.borrow_more(a, 2, &mut batch), "another stream waits");
        queue.rest(());
        assert!(queue.borrow(a, 2, &mut batch).is_none(), "another stream waits");
        assert_eq!([take(&queue, 9), take(&queue, 9)], [[(a, 2)], [(b, 10)]]);
    }

    #[test]
    fn a_shut_queue_gives_nothing() {
        let queue = Queue::new();
        queue.push(queue.open(), [0]);
        queue.shut();
        assert!(queue.take((), 1, &mut Vec::new()).is_none());
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
