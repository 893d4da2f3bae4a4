// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thing that runs: ONNX Runtime's session is one, tests bring slow, failing and hanging ones.

use std::{fmt, sync::Arc};

use crate::error::{Error, Result};

/// A network that turns windows into scores, on one thread at a time.
pub trait Network: Send {
    /// Values of one window.
    fn window_len(&self) -> usize;

    /// Scores of one window, at least 1.
    fn classes(&self) -> usize;

    /// Most windows of one run, at least 1.
    fn max_batch(&self) -> usize;

    /// Scores of `windows` (`1..=max_batch` slices of `window_len` values), window after window, into `scores`
    /// (`windows.len() · classes` values): probabilities, after activation and the mean over a time axis.
    ///
    /// # Errors
    /// [`Error::Inference`](crate::Error::Inference) when the run fails; `scores` is then undefined.
    fn run(&mut self, windows: &[&[f32]], scores: &mut [f32]) -> Result<()>;

    /// The windows of the next runs, one a run, are of this stream. With another `sequence` than before they do not follow the
    /// stream's last one: a network that carries a state from window to window begins with a new one. Before the first call
    /// each window is by itself.
    fn select(&mut self, _stream: usize, _sequence: u64) {}

    /// Whether it carries a state from window to window: it runs one window at a time, and all windows of a stream.
    fn has_state(&self) -> bool {
        false
    }

    /// Ends a run from another thread; `None` when nothing can.
    fn canceller(&self) -> Option<Canceller> {
        None
    }

    /// Whether every run ends by itself, after about the same time whatever the windows hold, on whatever thread it is:
    /// streams that wait may then call [`Network::run_uncancellable`] on theirs.
    fn is_portable(&self) -> bool {
        false
    }

    /// As [`Network::run`], but nothing ends it from outside. Unless its tensors take megabytes, it allocates nothing in Rust
    /// once it ran with as many windows.
    ///
    /// # Errors
    /// Those of [`Network::run`].
    fn run_uncancellable(&mut self, windows: &[&[f32]], scores: &mut [f32]) -> Result<()> {
        self.run(windows, scores)
    }
}

/// Scores of any number of windows that follow one another, `windows.len() / window_len · classes` values: runs them in batches, on this
/// thread. `windows` holds whole windows.
///
/// # Errors
/// [`Error::Inference`](crate::Error::Inference) when a run fails, and [`Error::NotFinite`](crate::Error::NotFinite) when a score is a NaN
/// or infinite.
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

/// Ends the run in progress, and every later one, of one network; callable from any thread.
#[derive(Clone)]
pub struct Canceller(Arc<dyn Fn() + Send + Sync>);

impl Canceller {
    /// A canceller that calls `cancel`, which returns at once.
    pub fn new(cancel: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(cancel))
    }

    /// Asks the run to end; returns at once.
    pub fn cancel(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canceller")
    }
}
