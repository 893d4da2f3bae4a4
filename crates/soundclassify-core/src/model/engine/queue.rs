// SPDX-License-Identifier: MIT OR Apache-2.0
//! Jobs of many streams on their way to the workers: in order within a lane, in turn between lanes. A lane is with one
//! worker at a time, so that its order holds whatever the others do.

use std::{collections::VecDeque, mem, sync::PoisonError};

use super::sync::{Condvar, Mutex, MutexGuard, lock};

/// A lane: one stream's jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneId(usize);

/// A job that a worker took.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken<J> {
    pub(crate) job: J,
    pub(crate) lane: LaneId,
    /// The lane's epoch when it was taken; older than the lane's own after [`Queue::clear`].
    pub(crate) epoch: u64,
}

/// How an engine gets on, as one of its streams sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// Windows done, of any stream. So long as it grows, the turn of a stream that waits comes.
    pub done: u64,
    /// Windows of this stream wait, and none is in a run.
    pub waits: bool,
}

/// Lanes of jobs `J` and the networks `N` at rest, one lock, one condition.
#[derive(Debug)]
pub(crate) struct Queue<J, N> {
    state: Mutex<State<J, N>>,
    wake: Condvar,
}

#[derive(Debug)]
struct State<J, N> {
    lanes: Vec<Lane<J>>,
    free: Vec<usize>,
    /// Lanes whose turn comes, each at most once, none of which is with a worker; one may have been emptied meanwhile.
    ready: VecDeque<usize>,
    /// Those of the workers in [`Queue::take`] that nobody borrowed.
    resting: Vec<N>,
    /// Jobs done, of all lanes.
    done: u64,
    shut: bool,
}

#[derive(Debug)]
struct Lane<J> {
    jobs: VecDeque<J>,
    /// Taken in this epoch and not yet done.
    running: usize,
    /// Grows with every clear and never falls, so that a reused lane knows no old job.
    epoch: u64,
    in_ready: bool,
}

impl<J> Lane<J> {
    fn new() -> Self {
        Self { jobs: VecDeque::new(), running: 0, epoch: 0, in_ready: false }
    }

    fn next_epoch(&mut self) -> VecDeque<J> {
        self.epoch += 1;
        self.running = 0;
        mem::take(&mut self.jobs)
    }

    /// Whether its turn should come and is not yet planned.
    fn is_due(&self) -> bool {
        !self.jobs.is_empty() && self.running == 0 && !self.in_ready
    }
}

impl<J, N> Queue<J, N> {
    pub(crate) fn new() -> Self {
        let state = State {
            lanes: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            resting: Vec::new(),
            done: 0,
            shut: false,
        };
        Self { state: Mutex::new(state), wake: Condvar::new() }
    }

    /// A new, empty lane.
    pub(crate) fn open(&self) -> LaneId {
        let mut state = lock(&self.state);
        if let Some(index) = state.free.pop() {
            return LaneId(index);
        }
        state.lanes.push(Lane::new());
        LaneId(state.lanes.len() - 1)
    }

    /// Removes what waits in the lane and gives it back for another's use.
    pub(crate) fn close(&self, lane: LaneId) -> VecDeque<J> {
        let mut state = lock(&self.state);
        state.free.push(lane.0);
        state.lanes[lane.0].next_epoch()
    }

    /// Appends jobs, so that a worker finds all of them or none.
    pub(crate) fn push(&self, lane: LaneId, jobs: impl IntoIterator<Item = J>) {
        let mut state = lock(&self.state);
        state.lanes[lane.0].jobs.extend(jobs);
        // Also where the turn was planned before: nobody was told of it after `push_own`.
        state.plan(lane.0);
        self.wake_one(state);
    }

    /// As [`Queue::push`], for a caller that calls [`Queue::borrow`] or [`Queue::hand_over`] next: until then no worker
    /// need see the jobs.
    pub(crate) fn push_own(&self, lane: LaneId, jobs: impl IntoIterator<Item = J>) {
        let mut state = lock(&self.state);
        state.lanes[lane.0].jobs.extend(jobs);
        state.plan(lane.0);
    }

    /// Has a worker look at what waits.
    pub(crate) fn hand_over(&self) {
        self.wake_one(lock(&self.state));
    }

    /// A network that rests, and the lane's jobs, at most `limit`, in `batch`, for their owner to do; [`Queue::rest`] has
    /// to follow. `None` when other lanes wait, too, as one run does for all of them: a worker sees to it.
    pub(crate) fn borrow(&self, lane: LaneId, limit: usize, batch: &mut Vec<Taken<J>>) -> Option<N> {
        let mut state = lock(&self.state);
        if !state.resting.is_empty() && state.take_own(lane, limit, batch) {
            return state.resting.pop();
        }
        self.wake_one(state);
        None
    }

    /// More of the lane's jobs, for the network that was borrowed.
    pub(crate) fn borrow_more(&self, lane: LaneId, limit: usize, batch: &mut Vec<Taken<J>>) -> bool {
        lock(&self.state).take_own(lane, limit, batch)
    }

    /// A network that was borrowed rests again.
    pub(crate) fn rest(&self, network: N) {
        let mut state = lock(&self.state);
        state.resting.push(network);
        self.wake_one(state);
    }

    /// The network rests until there is a job; then moves this worker's share of what waits, at most `limit`, lane by lane
    /// in turn, into `batch` and gives a network for it. `None` once the queue is shut.
    pub(crate) fn take(&self, network: N, limit: usize, batch: &mut Vec<Taken<J>>) -> Option<N> {
        let mut state = lock(&self.state);
        state.resting.push(network);
        while !state.shut && (state.resting.is_empty() || !state.take_share(limit, batch)) {
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let network = state.resting.pop();
        let shut = state.shut;
        self.wake_one(state);
        network.filter(|_| !shut)
    }

    /// Marks a taken job as done. With the last one, the lane's turn comes again.
    pub(crate) fn done(&self, lane: LaneId, epoch: u64) {
        let mut state = lock(&self.state);
        state.done += 1;
        let entry = &mut state.lanes[lane.0];
        if entry.epoch != epoch {
            return;
        }
        entry.running -= 1;
        if state.plan(lane.0) {
            self.wake_one(state);
        }
    }

    /// How the workers get on, as this lane sees it.
    pub(crate) fn turns(&self, lane: LaneId) -> Turns {
        let state = lock(&self.state);
        let Lane { jobs, running, .. } = &state.lanes[lane.0];
        Turns { done: state.done, waits: *running == 0 && !jobs.is_empty() }
    }

    /// Whether all workers are busy and jobs of several lanes wait for one.
    pub(crate) fn is_crowded(&self) -> bool {
        let state = lock(&self.state);
        state.resting.is_empty() && state.lanes.iter().filter(|lane| !lane.jobs.is_empty()).nth(1).is_some()
    }

    /// Whether the lane was not cleared since.
    pub(crate) fn is_current(&self, lane: LaneId, epoch: u64) -> bool {
        lock(&self.state).lanes[lane.0].epoch == epoch
    }

    /// Takes the oldest waiting job out.
    pub(crate) fn pop_oldest(&self, lane: LaneId) -> Option<J> {
        lock(&self.state).lanes[lane.0].jobs.pop_front()
    }

    /// Removes what waits; what runs is no longer current.
    pub(crate) fn clear(&self, lane: LaneId) -> VecDeque<J> {
        lock(&self.state).lanes[lane.0].next_epoch()
    }

    /// Jobs of the lane that wait.
    pub(crate) fn waiting(&self, lane: LaneId) -> usize {
        lock(&self.state).lanes[lane.0].jobs.len()
    }

    /// Jobs of the lane that wait or run.
    pub(crate) fn pending(&self, lane: LaneId) -> usize {
        let state = lock(&self.state);
        let lane = &state.lanes[lane.0];
        lane.jobs.len() + lane.running
    }

    /// Lanes in use.
    pub(crate) fn lanes(&self) -> usize {
        let state = lock(&self.state);
        state.lanes.len() - state.free.len()
    }

    /// Ends the worker: its next [`Queue::take`] gives nothing.
    pub(crate) fn shut(&self) {
        lock(&self.state).shut = true;
        self.wake.notify_all();
    }

    // Wakes a worker if a network rests and a lane's turn comes; never with the lock held, for it would only wait for that.
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
    /// Plans the lane's turn; `false` when there is nothing to plan.
    fn plan(&mut self, index: usize) -> bool {
        let due = self.lanes[index].is_due();
        if due {
            self.lanes[index].in_ready = true;
            self.ready.push_back(index);
        }
        due
    }

    /// Moves jobs of this lane, if no other one waits; `false` when there is none.
    fn take_own(&mut self, lane: LaneId, limit: usize, batch: &mut Vec<Taken<J>>) -> bool {
        let alone = self.ready.len() == 1 && self.lanes[lane.0].in_ready;
        alone && !self.shut && self.take_share(limit, batch)
    }

    /// Moves jobs of this worker's share of the lanes, the others at rest getting the same, one of each in turn; `false`
    /// when there is none.
    fn take_share(&mut self, limit: usize, batch: &mut Vec<Taken<J>>) -> bool {
        let share = self.ready.len().div_ceil(self.resting.len().max(1)).min(limit);
        // The first of each lane: those lanes are this worker's until they are done.
        while batch.len() < share {
            let Some(index) = self.ready.pop_front() else { break };
            self.lanes[index].in_ready = false;
            self.take_one(index, batch);
        }
        let lanes = batch.len();
        let (mut at, mut emptied) = (0, 0);
        while batch.len() < limit && emptied < lanes {
            let lane = batch[at % lanes].lane;
            emptied = if self.take_one(lane.0, batch) { 0 } else { emptied + 1 };
            at += 1;
        }
        !batch.is_empty()
    }

    /// Moves one job of a lane; `false` when it has none.
    fn take_one(&mut self, index: usize, batch: &mut Vec<Taken<J>>) -> bool {
        let lane = &mut self.lanes[index];
        let Some(job) = lane.jobs.pop_front() else { return false };
        lane.running += 1;
        batch.push(Taken { job, lane: LaneId(index), epoch: lane.epoch });
        true
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn take(queue: &Queue<u32, ()>, limit: usize) -> Vec<(LaneId, u32)> {
        let mut batch = Vec::new();
        assert!(queue.take((), limit, &mut batch).is_some());
        batch.iter().for_each(|taken| queue.done(taken.lane, taken.epoch));
        batch.into_iter().map(|taken| (taken.lane, taken.job)).collect()
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
        let lane = queue.open();
        queue.push(lane, [0]);
        let mut batch = Vec::new();
        queue.take((), 1, &mut batch);
        queue.push(lane, [1]);
        assert_eq!(queue.pending(lane), 2);
        assert_eq!(queue.clear(lane), [1]);
        queue.push(lane, [2]);
        assert!(!queue.is_current(lane, batch[0].epoch));
        queue.done(lane, batch[0].epoch);
        assert_eq!((queue.waiting(lane), queue.pending(lane)), (1, 1));
        assert_eq!(take(&queue, 9), [(lane, 2)]);
    }

    #[test]
    fn an_emptied_lane_is_passed_over_and_comes_again() {
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
    fn a_lane_is_with_one_worker_at_a_time() {
        let queue = Queue::new();
        let (a, b) = (queue.open(), queue.open());
        queue.push(a, [0, 1, 2]);
        let mut first = Vec::new();
        assert!(queue.take((), 2, &mut first).is_some());
        queue.push(b, [10]);
        assert_eq!(take(&queue, 9), [(b, 10)]);
        first.iter().for_each(|taken| queue.done(taken.lane, taken.epoch));
        assert_eq!(take(&queue, 9), [(a, 2)]);
    }

    #[test]
    fn a_cleared_lane_waits_for_nobody() {
        let queue = Queue::new();
        let lane = queue.open();
        queue.push(lane, [0]);
        assert!(queue.take((), 1, &mut Vec::new()).is_some());
        queue.clear(lane);
        queue.push(lane, [1]);
        assert_eq!(take(&queue, 9), [(lane, 1)]);
    }

    #[test]
    fn it_is_crowded_when_two_lanes_wait() {
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
        assert!(queue.borrow(b, 2, &mut batch).is_none(), "nothing in the lane");
        assert!(queue.borrow(a, 2, &mut batch).is_some());
        assert!(!queue.borrow_more(a, 2, &mut Vec::new()), "the lane is busy");
        batch.drain(..).for_each(|taken| queue.done(taken.lane, taken.epoch));
        queue.push(b, [10]);
        assert!(!queue.borrow_more(a, 2, &mut batch), "another lane waits");
        queue.rest(());
        assert!(queue.borrow(a, 2, &mut batch).is_none(), "another lane waits");
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
