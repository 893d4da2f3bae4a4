// SPDX-License-Identifier: MIT OR Apache-2.0
//! Synchronisation types of the queue and the registry: those of std, or those of loom for tests that explore all
//! interleavings (`--cfg loom`, as `tests/run.sh` sets it).

#[cfg(loom)]
pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};

#[cfg(not(loom))]
pub(crate) use crate::panic::lock;

/// [`crate::panic::lock`] for loom.
#[cfg(loom)]
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
