// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of the process waits for calls of ONNX Runtime that are under way.
//!
//! `exit` destroys the environment of an ONNX Runtime before 1.23, while other threads may still load or run a network with it,
//! which ends with SIGSEGV (microsoft/onnxruntime#24579, pykeio/ort#614). So `exit` waits for them first, and later calls never
//! begin, except on the thread that called `exit`: what an application does there must not hang.

use std::{
    cell::Cell,
    ptr,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

/// How long the end of the process waits. A run takes milliseconds; a large network may take longer to load.
const PATIENCE: Duration = Duration::from_secs(2);

static CALLS: Calls = Calls::new();

thread_local! {
    /// Calls of this thread, one within the other. It has no destructor, so it exists at the end of the process, too.
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

/// Must be called before ONNX Runtime is used. Never returns if the process is about to end.
pub(super) fn enter() -> Call {
    CALLS.enter()
}

/// From now on, `exit` waits for calls. It takes effect for a library that was loaded before, because `exit` calls what was
/// registered last first.
#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "neither std nor a crate that is maintained registers a function for the end of the process"
)]
pub(super) fn wait_for_calls() {
    extern "C" fn at_exit() {
        CALLS.end(PATIENCE);
    }
    // SAFETY: the function takes nothing, does not unwind, and uses nothing that is destroyed before it is called. Without memory
    // for it, the process ends as it would without this call.
    unsafe { libc::atexit(at_exit) };
}

#[cfg(not(unix))]
pub(super) fn wait_for_calls() {}

struct Calls {
    under_way: AtomicUsize,
    /// The thread that ends the process, or 0.
    ending: AtomicUsize,
}

impl Calls {
    const fn new() -> Self {
        Self { under_way: AtomicUsize::new(0), ending: AtomicUsize::new(0) }
    }

    fn enter(&'static self) -> Call {
        self.under_way.fetch_add(1, SeqCst);
        let ending = self.ending.load(SeqCst);
        if ending != 0 && ending != this_thread() && DEPTH.get() == 0 {
            self.under_way.fetch_sub(1, SeqCst);
            loop {
                thread::park();
            }
        }
        DEPTH.set(DEPTH.get() + 1);
        Call { calls: self }
    }

    /// Lets no other thread begin a call, and waits for calls of other threads.
    fn end(&self, patience: Duration) {
        self.ending.store(this_thread(), SeqCst);
        let begun = Instant::now();
        while self.under_way.load(SeqCst) > DEPTH.get() && begun.elapsed() < patience {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Different for all threads that exist. `thread::current` does not work at the end of the process.
fn this_thread() -> usize {
    DEPTH.with(|depth| ptr::from_ref(depth).addr())
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
            let _outer = calls.enter();
            entered.send(()).unwrap();
            thread::sleep(Duration::from_millis(50));
            // Within a call, another may begin.
            let _inner = calls.enter();
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
            let _call = calls.enter();
            entered.send(()).unwrap();
            thread::sleep(LONG);
        });
        begin.recv().unwrap();

        calls.end(Duration::from_millis(20));

        assert_eq!(calls.under_way.load(SeqCst), 1);
    }

    #[test]
    fn after_the_end_only_the_ending_thread_calls() {
        let calls = calls();
        calls.end(LONG);
        let (entered, begin) = mpsc::channel();
        thread::spawn(move || {
            let _call = calls.enter();
            let _ = entered.send(());
        });

        drop(calls.enter());

        assert_eq!(begin.recv_timeout(Duration::from_millis(50)), Err(mpsc::RecvTimeoutError::Timeout));
    }

    #[test]
    fn a_call_of_the_ending_thread_does_not_hold_it_up() {
        let calls = calls();
        let _call = calls.enter();
        let begun = Instant::now();

        calls.end(LONG);

        assert!(begun.elapsed() < LONG);
    }
}
