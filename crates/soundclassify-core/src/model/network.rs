// SPDX-License-Identifier: MIT OR Apache-2.0
//! The trait of a network. ONNX Runtime's session implements it; tests use slow, failing and hanging ones.

use std::{fmt, sync::Arc};

use crate::error::{Error, Result};

/// A network that turns windows into scores, on one thread at a time.
pub trait Network: Send {
    /// Number of values of one window.
    fn window_len(&self) -> usize;

    /// Number of scores of one window, at least 1.
    fn classes(&self) -> usize;

    /// Maximum number of windows of one run, at least 1.
    fn max_batch(&self) -> usize;

    /// Computes the scores of `windows` (`1..=max_batch` slices of `window_len` values), window after window, into `scores`
    /// (`windows.len() · classes` values): probabilities, after activation and the mean over a time axis.
    ///
    /// # Errors
    /// [`Error::Inference`](crate::Error::Inference) when the run fails; `scores` is then undefined.
    fn run(&mut self, windows: &[&[f32]], scores: &mut [f32]) -> Result<()>;

    /// Selects the stream of the next runs; with a state, each has one window. If `sequence` differs from the stream's last one, a
    /// network with a state begins with a new state. Before the first call, all windows are independent.
    fn select(&mut self, _stream: usize, _sequence: u64) {}

    /// Whether it has a state that it carries from window to window: it then runs all windows of a stream, one at a time.
    fn has_state(&self) -> bool {
        false
    }

    /// Cancels runs from a different thread; `None` if that is impossible.
    fn canceller(&self) -> Option<Canceller> {
        None
    }

    /// Whether every run takes about the same time for any window, on any thread. Streams that wait may then call
    /// [`Network::run_uncancellable`] on their own thread.
    fn is_portable(&self) -> bool {
        false
    }

    /// Like [`Network::run`], but it can't be cancelled. Unless its tensors take megabytes, it allocates nothing in Rust
    /// after the first run with this number of windows.
    ///
    /// # Errors
    /// Those of [`Network::run`].
    fn run_uncancellable(&mut self, windows: &[&[f32]], scores: &mut [f32]) -> Result<()> {
        self.run(windows, scores)
    }
}

/// Runs any number of consecutive windows in batches on this thread, and returns their `windows.len() / window_len · classes`
/// scores. `windows` contains whole windows.
///
/// # Errors
/// [`Error::Inference`](crate::Error::Inference) if a run fails, and [`Error::NotFinite`](crate::Error::NotFinite) if a score is not
/// finite.
///
/// # Panics
/// If the network states a window of no values, or batches of no windows.
pub fn run_windows(network: &mut dyn Network, windows: &[f32]) -> Result<Vec<f32>> {
    let (length, classes) = (network.window_len(), network.classes());
    let mut scores = vec![0.0; windows.len() / length * classes];
    let batch = network.max_batch();
    for (windows, scores) in windows.chunks(batch * length).zip(scores.chunks_mut(batch * classes)) {
        let windows: Vec<_> = windows.chunks_exact(length).collect();
        network.run(&windows, scores)?;
        if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Error::NotFinite { class: at % classes, value: scores[at] });
        }
    }
    Ok(scores)
}

/// Cancels the run in progress and all later runs of one network; callable from any thread.
#[derive(Clone)]
pub struct Canceller(Arc<dyn Fn() + Send + Sync>);

impl Canceller {
    /// A canceller that calls `cancel`, which must return immediately.
    pub fn new(cancel: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(cancel))
    }

    /// Requests the end of the run; returns immediately.
    pub fn cancel(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canceller")
    }
}
