// SPDX-License-Identifier: MIT OR Apache-2.0
//! Jobs of many streams on their way to one worker: in order within a lane, in turn between lanes.

use std::{collections::VecDeque, mem, sync::PoisonError};

use super::sync::{Condvar, Mutex, lock};

/// A lane: one stream's jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneId(usize);

/// A job that the worker took.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken<J> {
    pub(crate) job: J,
    pub(crate) lane: LaneId,
    /// The lane's epoch when it was taken; older than the lane's own after [`Queue::clear`].
    pub(crate) epoch: u64,
}

/// Lanes of jobs, one lock, one condition.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    state: Mutex<State<J>>,
    wake: Condvar,
}

#[derive(Debug)]
struct State<J> {
    lanes: Vec<Lane<J>>,
    free: Vec<usize>,
    /// Lanes whose turn comes, each at most once; one may have been emptied meanwhile.
    ready: VecDeque<usize>,
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
}

impl<J> Queue<J> {
    pub(crate) fn new() -> Self {
        let state = State { lanes: Vec::new(), free: Vec::new(), ready: VecDeque::new(), shut: false };
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

    /// Appends a job.
    pub(crate) fn push(&self, lane: LaneId, job: J) {
        let mut state = lock(&self.state);
        let entry = &mut state.lanes[lane.0];
        entry.jobs.push_back(job);
        if !mem::replace(&mut entry.in_ready, true) {
            state.ready.push_back(lane.0);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Waits for a job, then moves what waits, at most `limit`, lane by lane in turn, into `batch`. `false` once
    /// the queue is shut.
    pub(crate) fn take(&self, limit: usize, batch: &mut Vec<Taken<J>>) -> bool {
        let mut state = lock(&self.state);
        loop {
            if state.shut {
                return false;
            }
            while batch.len() < limit && state.take_one(batch) {}
            if !batch.is_empty() {
                return true;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Marks a taken job as done.
    pub(crate) fn done(&self, lane: LaneId, epoch: u64) {
        let mut state = lock(&self.state);
        let lane = &mut state.lanes[lane.0];
        if lane.epoch == epoch {
            lane.running -= 1;
        }
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

    /// Ends the worker: its next [`Queue::take`] gives `false`.
    pub(crate) fn shut(&self) {
        lock(&self.state).shut = true;
        self.wake.notify_all();
    }

    /// Whether [`Queue::shut`] was called.
    pub(crate) fn is_shut(&self) -> bool {
        lock(&self.state).shut
    }
}

impl<J> State<J> {
    /// Moves one job of the lane whose turn it is; `false` when no lane is left.
    fn take_one(&mut self, batch: &mut Vec<Taken<J>>) -> bool {
        let Some(index) = self.ready.pop_front() else {
            return false;
        };
        let lane = &mut self.lanes[index];
        if let Some(job) = lane.jobs.pop_front() {
            lane.running += 1;
            batch.push(Taken { job, lane: LaneId(index), epoch: lane.epoch });
        }
        lane.in_ready = !lane.jobs.is_empty();
        if lane.in_ready {
            self.ready.push_back(index);
        }
        true
    }
}
