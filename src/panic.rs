// SPDX-License-Identifier: MIT OR Apache-2.0
//! What remains after a panic: calls whose panic ends here, and locks that a panicked thread held. No panic reaches the
//! application.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A call panicked; the panic hook has already reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// The result of `call`, unless it panics.
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Panicked)
}

/// The lock, also after a panic of another holder: every critical section leaves its data whole.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lock again, after a notification or at most `time`.
pub(crate) fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>, time: Duration) -> MutexGuard<'a, T> {
    condition.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_here_and_leaves_the_lock_usable() {
        let mutex = Mutex::new(1);

        let caught = catch(|| {
            *lock(&mutex) = 2;
            let _held = lock(&mutex);
            panic!("as the test wants");
        });

        assert_eq!(caught, Err::<(), _>(Panicked));
        assert!(mutex.is_poisoned());
        assert_eq!(*lock(&mutex), 2);
        assert_eq!(*wait(&Condvar::new(), lock(&mutex), Duration::ZERO), 2);
    }
}
