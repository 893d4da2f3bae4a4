// SPDX-License-Identifier: MIT OR Apache-2.0
//! A network at work: takes batches, runs them, hands out their scores.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::{
    door::Reply,
    queue::{Queue, Taken},
    worker::{Job, panic_text},
};
use crate::{
    error::{Error, Result},
    model::network::Network,
};

/// Most windows of one run, whatever the network allows: beyond it the first one waits longer than the rest gain.
pub(super) const MAX_BATCH: usize = 16;

/// The network and its reused scores.
pub(super) struct Runner {
    network: Box<dyn Network>,
    scores: Vec<f32>,
    classes: usize,
    limit: usize,
}

impl Runner {
    pub(super) fn new(network: Box<dyn Network>) -> Self {
        let (limit, classes) = (network.max_batch().clamp(1, MAX_BATCH), network.classes());
        Self { scores: vec![0.0; limit * classes], classes, limit, network }
    }

    /// Works until the queue is shut; calls `taken` after each batch that it took.
    pub(super) fn work(&mut self, queue: &Queue<Job>, mut taken: impl FnMut()) {
        let mut batch = Vec::with_capacity(self.limit);
        while queue.take(self.limit, &mut batch) {
            taken();
            self.answer(&batch, queue);
            batch.clear();
        }
    }

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
