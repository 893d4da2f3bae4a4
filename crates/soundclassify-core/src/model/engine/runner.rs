// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a batch through a network and returns the scores to the streams.

use std::time::{Duration, Instant};

use super::{
    queue::{Queue, Taken},
    reply_slot::Reply,
    stream::Job,
};
use crate::{
    error::{Error, Result},
    model::network::Network,
    panic::catch,
};

/// Maximum number of windows of one run. With more, the first window would wait longer than the others gain.
pub(crate) const MAX_BATCH: usize = 16;
/// Maximum time per window of the last run of a network that may run on a waiting stream's thread. The largest batch is then
/// short enough for a flush, and a slower network would save little.
const QUICK: Duration = Duration::from_millis(5);

/// The network and a buffer for scores.
pub(super) struct Runner {
    network: Box<dyn Network>,
    scores: Vec<f32>,
    classes: usize,
}

/// A way to run a network.
type Run = fn(&mut (dyn Network + 'static), &[&[f32]], &mut [f32]) -> Result<()>;

impl Runner {
    pub(super) fn new(network: Box<dyn Network>) -> Self {
        let classes = network.classes();
        Self { scores: vec![0.0; limit(&*network) * classes], classes, network }
    }

    /// Whether it may run on threads other than the engine's.
    pub(super) fn is_portable(&self) -> bool {
        self.network.is_portable()
    }

    /// Runs a batch, returns the scores to the streams, and empties it. The result states whether the run was quick. A batch that
    /// fails is tried again window by window, so a window of one stream does not affect others.
    pub(super) fn answer(&mut self, batch: &mut Vec<Taken<Job>>, queue: &Queue<Job, Self>) -> bool {
        self.answer_by(<dyn Network>::run, batch, queue)
    }

    /// Like [`Self::answer`], for a portable network on a thread other than the engine's.
    pub(super) fn answer_here(&mut self, batch: &mut Vec<Taken<Job>>, queue: &Queue<Job, Self>) -> bool {
        self.answer_by(<dyn Network>::run_uncancellable, batch, queue)
    }

    fn answer_by(&mut self, run: Run, batch: &mut Vec<Taken<Job>>, queue: &Queue<Job, Self>) -> bool {
        let outcome = self.run(run, batch);
        let quick = outcome.as_ref().is_ok_and(|time| *time <= QUICK * batch.len() as u32);
        if outcome.is_ok() || batch.len() == 1 {
            self.report_all(batch, &outcome, queue);
            batch.clear();
        }
        for single in batch.drain(..).take_while(|_| !queue.is_shut()) {
            let single = [single];
            let outcome = self.run(run, &single);
            self.report_all(&single, &outcome, queue);
        }
        quick
    }

    fn report_all(&self, batch: &[Taken<Job>], outcome: &Result<Duration>, queue: &Queue<Job, Self>) {
        for (index, taken) in batch.iter().enumerate() {
            self.report(taken, index, outcome, batch.len(), queue);
        }
    }

    fn run(&mut self, run: Run, batch: &[Taken<Job>]) -> Result<Duration> {
        let mut windows: [&[f32]; MAX_BATCH] = [&[]; MAX_BATCH];
        for (window, taken) in windows.iter_mut().zip(batch) {
            *window = &taken.job.tensor;
        }
        if let Some(first) = batch.first() {
            self.network.select(first.stream.number(), first.job.sequence);
        }
        let scores = &mut self.scores[..batch.len() * self.classes];
        let begin = Instant::now();
        catch(|| run(&mut *self.network, &windows[..batch.len()], scores))
            .unwrap_or_else(|text| Err(Error::Inference(format!("the network panicked: {text}"))))?;
        Ok(begin.elapsed())
    }

    fn report(
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
        taken.job.reply_slot.deliver(reply, || queue.is_current(taken.stream, taken.epoch));
        queue.done(taken.stream, taken.epoch);
    }
}

/// Maximum number of windows of one run.
pub(super) fn limit(network: &dyn Network) -> usize {
    network.max_batch().clamp(1, MAX_BATCH)
}

fn first_not_finite(scores: &[f32]) -> Option<Error> {
    let class = scores.iter().position(|score| !score.is_finite())?;
    Some(Error::NotFinite { class, value: scores[class] })
}
