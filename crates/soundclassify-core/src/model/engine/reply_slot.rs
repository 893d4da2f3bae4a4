// SPDX-License-Identifier: MIT OR Apache-2.0
//! The callbacks of one stream: one receives its replies, one is called after each of them.

use std::{
    sync::{
        Mutex, MutexGuard, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    error::Error,
    panic::{catch, lock},
};

/// The reply to one window.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// The number given to [`Stream::push`](super::Stream::push).
    pub ticket: u64,
    /// Probabilities, one per class, all finite, or the error.
    pub scores: Result<&'a [f32], &'a Error>,
    /// Time that the run took, for the whole batch.
    pub run_time: Duration,
    /// Number of windows of the run, at least 1.
    pub batch: usize,
}

type OnReply = Box<dyn FnMut(Reply<'_>) + Send>;
type AfterReply = Box<dyn Fn() + Send + Sync>;

/// A stream's callbacks, and the lock of the first.
pub(crate) struct ReplySlot {
    /// Locked while a reply is delivered, so that closing the stream can wait for it.
    on_reply: Mutex<Option<OnReply>>,
    /// Called without the lock.
    after_reply: AfterReply,
    /// Set to drop the callback while this thread is inside of it.
    closed: AtomicBool,
}

impl ReplySlot {
    pub(crate) fn new(on_reply: OnReply, after_reply: AfterReply) -> Self {
        Self { on_reply: Mutex::new(Some(on_reply)), after_reply, closed: AtomicBool::new(false) }
    }

    /// Delivers `reply` if `is_current` is still true with the lock held, and calls `after_reply` without it. Panics of the
    /// callbacks are caught.
    pub(crate) fn deliver(&self, reply: Reply<'_>, is_current: impl FnOnce() -> bool) {
        let mut gate = self.gate();
        if !is_current() {
            return;
        }
        if let Some(on_reply) = gate.as_mut() {
            // The panic hook has reported the panic; the stream's owner misses one reply.
            let _ = catch(|| on_reply(reply));
        }
        let gone = if self.closed.load(Ordering::Acquire) { gate.take() } else { None };
        drop(gate);
        drop(gone);
        let _ = catch(|| (self.after_reply)());
    }

    /// Waits until no reply is being delivered.
    pub(crate) fn wait(&self) {
        drop(self.gate());
    }

    /// Drops the callback: now, or, if this thread is inside of it, when it returns.
    pub(crate) fn close(&self, on_worker: bool) {
        self.closed.store(true, Ordering::Release);
        let gate = if on_worker {
            match self.on_reply.try_lock() {
                Ok(gate) => Some(gate),
                Err(TryLockError::Poisoned(gate)) => Some(gate.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        } else {
            Some(self.gate())
        };
        let gone = gate.and_then(|mut gate| gate.take());
        drop(gone);
    }

    fn gate(&self) -> MutexGuard<'_, Option<OnReply>> {
        lock(&self.on_reply)
    }
}
