// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values that are shared as long as they are in use.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
};

use super::sync::{Arc as SlotArc, Mutex, lock};

/// One weakly held value per key. The first caller for a missing value creates it, while other callers for the same key
/// wait for the value or the error; values of different keys are created in parallel.
pub(crate) struct Registry<K, V, E> {
    slots: Mutex<HashMap<K, SlotArc<Slot<V, E>>>>,
}

struct Slot<V, E> {
    /// Locked while the value is being created.
    made: Mutex<Made<V, E>>,
    /// Number of failures.
    failures: Mutex<u64>,
}

struct Made<V, E> {
    value: Weak<V>,
    /// The error of the last attempt.
    failure: Option<E>,
}

impl<K: Hash + Eq, V, E: Clone> Registry<K, V, E> {
    pub(crate) fn new() -> Self {
        Self { slots: Mutex::new(HashMap::new()) }
    }

    /// Returns the value of `key`; `make` creates it if it does not exist.
    ///
    /// # Errors
    /// That of `make`, also if a different caller's `make` failed while this one waited. The next call tries again.
    pub(crate) fn get_or_make(&self, key: K, make: impl FnOnce() -> Result<Arc<V>, E>) -> Result<Arc<V>, E> {
        let (slot, failures) = self.slot(key);
        let mut made = lock(&slot.made);
        if let Some(value) = made.value.upgrade() {
            return Ok(value);
        }
        if let Some(failure) = &made.failure
            && *lock(&slot.failures) > failures
        {
            return Err(failure.clone());
        }
        let outcome = make();
        match &outcome {
            Ok(value) => *made = Made { value: Arc::downgrade(value), failure: None },
            Err(failure) => {
                made.failure = Some(failure.clone());
                *lock(&slot.failures) += 1;
            }
        }
        outcome
    }

    /// The slot of `key` and its number of failures; removes the slots of dropped values.
    fn slot(&self, key: K) -> (SlotArc<Slot<V, E>>, u64) {
        let mut slots = lock(&self.slots);
        slots.retain(|_, slot| SlotArc::strong_count(slot) > 1 || lock(&slot.made).value.strong_count() > 0);
        let slot = SlotArc::clone(slots.entry(key).or_insert_with(|| SlotArc::new(Slot::new())));
        let failures = *lock(&slot.failures);
        (slot, failures)
    }
}

impl<V, E> Slot<V, E> {
    fn new() -> Self {
        Self { made: Mutex::new(Made { value: Weak::new(), failure: None }), failures: Mutex::new(0) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;

    fn make(value: u32) -> Result<Arc<u32>, String> {
        Ok(Arc::new(value))
    }

    #[test]
    fn a_value_is_shared_as_long_as_somebody_has_it() {
        let registry = Registry::new();
        let first = registry.get_or_make("a", || make(1)).unwrap();
        assert_eq!(registry.get_or_make("a", || make(2)), Ok(Arc::clone(&first)));
        assert_eq!(registry.get_or_make("b", || make(3)), Ok(Arc::new(3)));
        drop(first);
        assert_eq!(registry.get_or_make("a", || make(4)), Ok(Arc::new(4)));
    }

    #[test]
    fn a_failure_is_not_kept() {
        let registry = Registry::new();
        assert_eq!(registry.get_or_make("a", || Err("no".to_owned())), Err("no".to_owned()));
        assert_eq!(registry.get_or_make("a", || make(1)), Ok(Arc::new(1)));
    }

    #[test]
    fn a_failure_is_everybodys_who_waits_for_it() {
        let registry = Registry::<_, u32, _>::new();
        let made = AtomicUsize::new(0);
        let fail = || {
            // The slot is the registry's and of four that ask.
            while made.load(Ordering::SeqCst) == 0 && SlotArc::strong_count(&lock(&registry.slots)["a"]) < 5 {
                thread::yield_now();
            }
            made.fetch_add(1, Ordering::SeqCst);
            Err("no".to_owned())
        };
        thread::scope(|scope| {
            let asking = [(); 4].map(|()| scope.spawn(|| registry.get_or_make("a", fail)));
            asking.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), Err("no".to_owned())));
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
        assert_eq!(registry.get_or_make("a", || make(1)), Ok(Arc::new(1)));
    }

    #[test]
    fn slots_of_gone_values_are_forgotten() {
        let registry = Registry::<u32, u32, String>::new();
        for key in 0..100 {
            drop(registry.get_or_make(key, || make(1)));
        }
        assert!(lock(&registry.slots).len() <= 1);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use loom::thread;

    use super::*;

    #[test]
    fn loom_two_that_ask_at_once_share_one() {
        loom::model(|| {
            let registry = loom::sync::Arc::new(Registry::<u32, u32, ()>::new());
            let made = Arc::new(AtomicUsize::new(0));
            let ask = |registry: &Registry<u32, u32, ()>, made: &AtomicUsize| {
                let make = || Ok(Arc::new(made.fetch_add(1, Ordering::SeqCst) as u32));
                registry.get_or_make(0, make).unwrap()
            };
            let (other, counter) = (loom::sync::Arc::clone(&registry), Arc::clone(&made));
            let thread = thread::spawn(move || ask(&other, &counter));
            let own = ask(&registry, &made);
            assert!(Arc::ptr_eq(&own, &thread.join().unwrap()));
            assert_eq!(made.load(Ordering::SeqCst), 1);
        });
    }

    #[test]
    fn loom_two_that_fail_at_once_leave_the_next_one_its_own_attempt() {
        loom::model(|| {
            let registry = loom::sync::Arc::new(Registry::<u32, u32, ()>::new());
            let made = Arc::new(AtomicUsize::new(0));
            let ask = |registry: &Registry<u32, u32, ()>, made: &AtomicUsize| {
                registry.get_or_make(0, || {
                    made.fetch_add(1, Ordering::SeqCst);
                    Err(())
                })
            };
            let (other, counter) = (loom::sync::Arc::clone(&registry), Arc::clone(&made));
            let thread = thread::spawn(move || ask(&other, &counter));
            assert_eq!((ask(&registry, &made), thread.join().unwrap()), (Err(()), Err(())));
            let before = made.load(Ordering::SeqCst);
            assert_eq!((ask(&registry, &made), made.load(Ordering::SeqCst)), (Err(()), before + 1));
        });
    }
}
