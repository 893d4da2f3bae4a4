// SPDX-License-Identifier: MIT OR Apache-2.0
//! What remains after a panic: calls whose panic ends here, and locks that a panicked thread held.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The result of `call`, or the text of its panic, which the panic hook has already reported.
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text").to_owned()
    })
}

/// The lock, also after a panic of another holder: every critical section leaves its data whole.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_text() {
        assert_eq!(catch(|| 7), Ok(7));
        assert_eq!(catch(|| panic!("plain")), Err::<(), _>("plain".to_owned()));
        assert_eq!(catch(|| panic!("with {}", 1)), Err::<(), _>("with 1".to_owned()));
        assert_eq!(catch(|| std::panic::panic_any(1)), Err::<(), _>("no text".to_owned()));
    }

    #[test]
    fn a_lock_survives_a_panic_of_its_holder() {
        let mutex = Mutex::new(1);
        catch(|| {
            let mut held = lock(&mutex);
            *held = 2;
            panic!("as the test wants");
        })
        .unwrap_err();

        assert!(mutex.is_poisoned());
        assert_eq!(*lock(&mutex), 2);
    }
}
