// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of the process waits for calls of ONNX Runtime that are under way.
//!
//! `exit` destroys the environment of an ONNX Runtime before 1.23, while other threads may still load or run a network with it,
//! which ends with SIGSEGV (microsoft/onnxruntime#24579). So `exit` waits for them first, and later calls are errors: they must
//! not wait, because what an application does at its end may need their threads.

use std::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};
#[cfg(any(unix, test))]
use std::{
    thread,
    time::{Duration, Instant},
};

/// Maximum wait at the end of the process. A run takes milliseconds; a large network may take longer to load.
#[cfg(unix)]
const MAX_WAIT: Duration = Duration::from_secs(2);

static CALLS: Calls = Calls::new();

thread_local! {
    /// Calls of this thread, one within the other. Without a destructor, so it can be read at the end of the process, too.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A call of ONNX Runtime, until it is dropped, on the same thread.
pub(super) struct Call {
    calls: &'static Calls,
}

impl Drop for Call {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        self.calls.under_way.fetch_sub(1, SeqCst);
    }
}

/// Must be called before a network is loaded, run or dropped. `None` if the process is about to end.
pub(super) fn enter() -> Option<Call> {
    CALLS.enter()
}

/// From now on, `exit` waits for calls before it destroys what exists now: it begins with what was registered last. So this is
/// called again when ONNX Runtime has created more.
#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "neither std nor a crate that is maintained registers a function for the end of the process"
)]
pub(super) fn wait_for_calls() {
    use std::{process, sync::atomic::AtomicU32};

    static PROCESS: AtomicU32 = AtomicU32::new(0);
    extern "C" fn at_exit() {
        // A fork has none of the other threads.
        if PROCESS.load(SeqCst) == process::id() {
            CALLS.end(MAX_WAIT);
        }
    }
    PROCESS.store(process::id(), SeqCst);
    // SAFETY: the function takes nothing, does not unwind, and uses nothing that is destroyed before it is called. Without memory
    // for it, the process ends as it would without this call.
    unsafe { libc::atexit(at_exit) };
}

#[cfg(not(unix))]
pub(super) fn wait_for_calls() {}

struct Calls {
    under_way: AtomicUsize,
    ending: AtomicBool,
}

impl Calls {
    const fn new() -> Self {
        Self { under_way: AtomicUsize::new(0), ending: AtomicBool::new(false) }
    }

    /// `None` after the end, but for calls within a call.
    fn enter(&'static self) -> Option<Call> {
        // Before `ending` is read, so that the end waits for this call or this call finds the end.
        self.under_way.fetch_add(1, SeqCst);
        DEPTH.set(DEPTH.get() + 1);
        let call = Call { calls: self };
        (!self.ending.load(SeqCst) || DEPTH.get() > 1).then_some(call)
    }

    /// Lets no further call begin, and waits for those of other threads. Only the first time: no call began after it.
    #[cfg(any(unix, test))]
    fn end(&self, max_wait: Duration) {
        if self.ending.swap(true, SeqCst) {
            return;
        }
        let begun = Instant::now();
        while self.under_way.load(SeqCst) > DEPTH.get() && begun.elapsed() < max_wait {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn calls() -> &'static Calls {
        Box::leak(Box::new(Calls::new()))
    }

    #[test]
    fn the_end_waits_for_a_call() {
        let calls = calls();
        let (entered, begin) = mpsc::channel();
        let other = thread::spawn(move || {
            let _outer = calls.enter().unwrap();
            entered.send(()).unwrap();
            thread::sleep(Duration::from_millis(50));
            // Within a call, another may begin.
            assert!(calls.enter().is_some());
        });
        begin.recv().unwrap();

        calls.end(LONG);

        assert_eq!(calls.under_way.load(SeqCst), 0);
        other.join().unwrap();
    }

    #[test]
    fn the_end_does_not_wait_for_ever() {
        let calls = calls();
        let (entered, begin) = mpsc::channel();
        thread::spawn(move || {
            let _call = calls.enter().unwrap();
            entered.send(()).unwrap();
            thread::sleep(LONG);
        });
        begin.recv().unwrap();

        calls.end(Duration::from_millis(20));

        assert_eq!(calls.under_way.load(SeqCst), 1);
    }

    #[test]
    fn no_call_begins_after_the_end() {
        let calls = calls();

        calls.end(LONG);

        assert!(calls.enter().is_none());
        assert_eq!(calls.under_way.load(SeqCst), 0);
    }

    #[test]
    fn a_call_of_the_ending_thread_does_not_hold_it_up() {
        let calls = calls();
        let _call = calls.enter().unwrap();
        let begun = Instant::now();

        calls.end(LONG);

        assert!(begun.elapsed() < LONG);
    }
}
