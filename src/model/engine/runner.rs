// SPDX-License-Identifier: MIT OR Apache-2.0
//! A network at work: takes batches, runs them, hands out their scores.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    door::Reply,
    queue::{Queue, Taken},
    watch::Watched,
    worker::{Job, panic_text},
};
use crate::{
    error::{Error, Result},
    model::network::Network,
};

/// Most windows of one run, whatever the network allows: beyond it the first one waits longer than the rest gain.
pub(super) const MAX_BATCH: usize = 16;
/// A network whose last run took no longer for each window may run on the thread of a stream that waits for it: the
/// largest batch is then done long before the watch ends it, and a slower one would save nothing that matters.
const QUICK: Duration = Duration::from_millis(5);

/// The network and its reused scores.
pub(super) struct Runner {
    network: Box<dyn Network>,
    scores: Vec<f32>,
    classes: usize,
    /// What ends runs on threads that are not the engine's; `None`: it has no such runs.
    watched: Option<Arc<Watched>>,
}

impl Runner {
    pub(super) fn new(network: Box<dyn Network>) -> Self {
        let classes = network.classes();
        let watched = network.canceller().filter(|_| network.is_portable()).map(Watched::new);
        Self { scores: vec![0.0; limit(&*network) * classes], classes, watched, network }
    }

    /// Whether its runs may be on threads that are not the engine's.
    pub(super) fn is_portable(&self) -> bool {
        self.watched.is_some()
    }

    /// Runs a batch and hands out its scores, which empties it; whether that was quick. A batch that fails is tried again
    /// window by window, so that one stream's window fails nobody else's.
    pub(super) fn answer(&mut self, batch: &mut Vec<Taken<Job>>, queue: &Queue<Job, Self>) -> bool {
        let outcome = self.run(batch);
        let quick = is_quick(&outcome, batch.len());
        if outcome.is_ok() || batch.len() == 1 {
            self.tell_all(batch, &outcome, queue);
            batch.clear();
        }
        for single in batch.drain(..).take_while(|_| !queue.is_shut()) {
            let single = [single];
            let outcome = self.run(&single);
            self.tell_all(&single, &outcome, queue);
        }
        quick
    }

    /// As [`Self::answer`], on a thread that is not the engine's. A batch whose run fails or does not end soon goes back to
    /// the queue.
    pub(super) fn answer_here(&mut self, batch: &mut Vec<Taken<Job>>, queue: &Queue<Job, Self>) -> bool {
        let outcome = self.run_watched(batch);
        let quick = is_quick(&outcome, batch.len());
        if outcome.is_ok() {
            self.tell_all(batch, &outcome, queue);
            batch.clear();
        } else {
            queue.give_back(batch);
        }
        quick
    }

    fn run_watched(&mut self, batch: &[Taken<Job>]) -> Result<Duration> {
        let watched = self.watched.clone().filter(|watched| watched.begin());
        let watched = watched.ok_or_else(|| Error::Inference("no thread to watch the run".into()))?;
        let outcome = self.run(batch);
        if watched.end() {
            self.network.revive();
        }
        outcome
    }

    fn tell_all(&self, batch: &[Taken<Job>], outcome: &Result<Duration>, queue: &Queue<Job, Self>) {
        for (index, taken) in batch.iter().enumerate() {
            self.tell(taken, index, outcome, batch.len(), queue);
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

    fn tell(
        &self,
        taken: &Taken<Job>,
        index: usize,
        outcome: &Result<Duration>,
        batch: usize,
        queue: &Queue<Job, Self>,
    ) {
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

fn is_quick(outcome: &Result<Duration>, windows: usize) -> bool {
    outcome.as_ref().is_ok_and(|time| *time <= QUICK * windows as u32)
}

/// Most windows of one run.
pub(super) fn limit(network: &dyn Network) -> usize {
    network.max_batch().clamp(1, MAX_BATCH)
}

fn first_not_finite(scores: &[f32]) -> Option<Error> {
    let class = scores.iter().position(|score| !score.is_finite())?;
    Some(Error::NotFinite { class, value: scores[class] })
}
