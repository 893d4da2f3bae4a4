// SPDX-License-Identifier: MIT OR Apache-2.0
//! A batch of windows that the network processes in one run.

use super::decision::WindowTime;
use crate::{
    error::{Error, Result},
    frontend::ReadyWindow,
    model::{MAX_BATCH, Network},
};

/// The network, and the windows that wait for it.
pub(super) struct Batch {
    network: Box<dyn Network>,
    inputs: Vec<f32>,
    scores: Vec<f32>,
    waiting: Vec<WindowTime>,
    size: usize,
    /// Grows where a window does not follow the one before.
    sequence: u64,
}

impl Batch {
    pub(super) fn new(mut network: Box<dyn Network>) -> Self {
        network.select(0, 0);
        let size = network.max_batch().clamp(1, MAX_BATCH);
        let (inputs, scores) = (vec![0.0; size * network.window_len()], vec![0.0; size * network.classes()]);
        Self { network, inputs, scores, waiting: Vec::with_capacity(size), size, sequence: 0 }
    }

    /// Puts a window in; there is room after [`Batch::run`].
    pub(super) fn push(&mut self, window: &ReadyWindow<'_>, time: WindowTime) {
        let length = self.network.window_len();
        window.write_to(&mut self.inputs[self.waiting.len() * length..][..length]);
        self.waiting.push(time);
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() == self.size
    }

    /// Another stream begins; nothing waits then.
    pub(super) fn restart(&mut self) {
        self.waiting.clear();
        self.sequence += 1;
        self.network.select(0, self.sequence);
    }

    /// Runs what waits and calls `on_scores` for each window, in order; nothing waits then, not even after an error.
    pub(super) fn run(&mut self, on_scores: &mut dyn FnMut(WindowTime, &[f32])) -> Result<()> {
        let count = self.waiting.len();
        if count == 0 {
            return Ok(());
        }
        let classes = self.network.classes();
        let scores = &mut self.scores[..count * classes];
        let mut windows: [&[f32]; MAX_BATCH] = [&[]; MAX_BATCH];
        for (window, input) in windows.iter_mut().zip(self.inputs.chunks_exact(self.network.window_len())) {
            *window = input;
        }
        let outcome = self.network.run(&windows[..count], scores);
        let outcome = outcome.and_then(|()| finite(scores, classes));
        if outcome.is_ok() {
            self.waiting.iter().zip(scores.chunks_exact(classes)).for_each(|(time, scores)| on_scores(*time, scores));
        }
        self.waiting.clear();
        outcome
    }
}

fn finite(scores: &[f32], classes: usize) -> Result<()> {
    match scores.iter().position(|score| !score.is_finite()) {
        Some(at) => Err(Error::NotFinite { class: at % classes, value: scores[at] }),
        None => Ok(()),
    }
}
