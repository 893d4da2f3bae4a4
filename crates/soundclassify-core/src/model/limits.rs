// SPDX-License-Identifier: MIT OR Apache-2.0
//! The limits on a model: sizes, and time and memory for loading it; how loading is cancelled.

use std::{
    env, fmt,
    sync::{Arc, LazyLock, Mutex, MutexGuard, mpsc},
    thread,
    time::Duration,
};

use super::{provider::ExecutionProvider, runtime};
use crate::panic::{catch, lock};

/// Environment variable with the seconds that loading a network may take.
pub const TIME_VARIABLE: &str = "SOUNDCLASSIFY_MODEL_TIMEOUT";
/// Environment variable with the MiB of memory that loading a network may take.
pub const MEMORY_VARIABLE: &str = "SOUNDCLASSIFY_MODEL_MEMORY";

/// Maximum size of an ONNX file and its weights, bytes: the limit of the format.
pub(super) const MAX_ONNX: u64 = 2 << 30;
/// Maximum number of values of one window.
pub(super) const MAX_VALUES: usize = 4 << 20;
/// Maximum length of a window, s.
pub(super) const MAX_WINDOW: f64 = 60.0;
/// Maximum number of frames of a window.
pub(super) const MAX_FRAMES: u64 = 65_536;
/// Maximum number of mel bands.
pub(super) const MAX_MELS: u64 = 4096;
/// Maximum size of an FFT, samples.
pub(super) const MAX_FFT: u64 = 1 << 20;
/// Maximum work for the frames of a second of audio: the samples of their FFTs, and [`BAND_WORK`] for each band.
pub(super) const MAX_FRAME_WORK: u64 = 1 << 27;
/// Work for a band of a frame, in samples of an FFT.
pub(super) const BAND_WORK: u64 = 8;
/// Maximum number of multiplications for the cepstra of a window.
pub(super) const MAX_CEPSTRUM_WORK: u64 = 1 << 26;
/// Maximum number of labels.
pub(super) const MAX_LABELS: usize = 100_000;
/// Maximum size of a manifest, bytes.
pub(super) const MAX_MANIFEST: u64 = 1 << 20;
/// Maximum size of a file of labels, bytes.
pub(super) const MAX_LABEL_FILE: u64 = 64 << 20;

/// Limits on loading and one run of a network that is not built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) time: Duration,
    /// Bytes.
    pub(super) memory: u64,
}

/// 60 s and 4 GiB, or the values of the environment.
pub(super) fn limits() -> Limits {
    static LIMITS: LazyLock<Limits> = LazyLock::new(|| Limits {
        time: Duration::from_secs(variable(TIME_VARIABLE, "seconds", 60)),
        memory: variable(MEMORY_VARIABLE, "MiB", 4096) << 20,
    });
    *LIMITS
}

/// Time for loading. Providers other than the CPU may compile a network when they load it, TensorRT for minutes.
pub(super) fn time(provider: ExecutionProvider) -> Duration {
    let time = limits().time;
    if provider == ExecutionProvider::Cpu { time } else { 10 * time }
}

fn variable(name: &str, unit: &str, usual: u64) -> u64 {
    let Some(text) = env::var_os(name) else { return usual };
    let number = text.to_str().and_then(|text| text.trim().parse().ok());
    number.filter(|number| (1..=1 << 40).contains(number)).unwrap_or_else(|| {
        runtime::warn(&format!("{name}: expected a whole number of {unit}, at least 1, found {text:?}; using {usual}"));
        usual
    })
}

/// Cancels loading from a different thread; cheap to clone.
#[derive(Clone, Default)]
pub struct Cancellation(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    cancelled: bool,
    calls: Vec<Box<dyn FnOnce() + Send>>,
}

impl Cancellation {
    /// Cancels every load with this cancellation, now and later; returns immediately.
    pub fn cancel(&self) {
        let mut state = self.lock();
        state.cancelled = true;
        let calls = std::mem::take(&mut state.calls);
        drop(state);
        calls.into_iter().for_each(|call| call());
    }

    /// Whether [`Cancellation::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Calls `call` when it is cancelled, or now if it already is.
    fn on_cancel(&self, call: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        if state.cancelled {
            drop(state);
            call();
        } else {
            state.calls.push(Box::new(call));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancellation").field(&self.is_cancelled()).finish()
    }
}

/// Why work was abandoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// It exceeded its time limit.
    Timeout,
    /// It was cancelled.
    Cancelled,
    /// It panicked, or its thread can't be started.
    Failed,
}

/// Does `work` on a separate thread and waits for it, at most for `time` and until `cancellation` is cancelled. After that,
/// the thread continues and its result is dropped.
pub(super) fn within<T: Send + 'static>(
    time: Duration,
    cancellation: &Cancellation,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Stopped> {
    let (sender, receiver) = mpsc::channel();
    let cancelled = sender.clone();
    let spawned = thread::Builder::new().name("soundclassify-load".into()).spawn(move || {
        let done = catch(work).map_err(|_| Stopped::Failed);
        // The receiver may have gone.
        let _ = sender.send(done);
    });
    if spawned.is_err() {
        return Err(Stopped::Failed);
    }
    cancellation.on_cancel(move || drop(cancelled.send(Err(Stopped::Cancelled))));
    receiver.recv_timeout(time).unwrap_or(Err(Stopped::Timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_by_itself_by_time_or_by_cancellation() {
        let never = Cancellation::default();
        let long = Duration::from_secs(60);
        assert_eq!(within(long, &never, || 7), Ok(7));
        assert_eq!(within::<()>(long, &never, || panic!("as the test wants")), Err(Stopped::Failed));
        let (_keep, hang) = mpsc::channel::<()>();
        let outcome = within(Duration::from_millis(20), &never, move || hang.recv().is_ok());
        assert_eq!(outcome, Err(Stopped::Timeout));
        let cancellation = Cancellation::default();
        let (_keep, hang) = mpsc::channel::<()>();
        let other = cancellation.clone();
        let cancelling = thread::spawn(move || other.cancel());
        assert_eq!(within(long, &cancellation, move || hang.recv().is_ok()), Err(Stopped::Cancelled));
        cancelling.join().unwrap();
        assert!(cancellation.is_cancelled());
        let (_keep, hang) = mpsc::channel::<()>();
        assert_eq!(within(long, &cancellation, move || hang.recv().is_ok()), Err(Stopped::Cancelled));
    }
}
