// SPDX-License-Identifier: MIT OR Apache-2.0
//! Things that are shared as long as somebody uses them.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
};

use super::sync::{Arc as SlotArc, Mutex, lock};

/// One weakly held value per key. Who asks for a missing one makes it while the others who ask for the same key
/// wait for it; different keys are made side by side.
pub(crate) struct Registry<K, V> {
    slots: Mutex<HashMap<K, SlotArc<Slot<V>>>>,
}

/// Locked while its value is being made.
type Slot<V> = Mutex<Weak<V>>;

impl<K: Hash + Eq, V> Registry<K, V> {
    pub(crate) fn new() -> Self {
        Self { slots: Mutex::new(HashMap::new()) }
    }

    /// The value of `key`, made by `make` when nobody has one.
    ///
    /// # Errors
    /// That of `make`; the next one who asks tries again.
    pub(crate) fn get_or_make<E>(&self, key: K, make: impl FnOnce() -> Result<Arc<V>, E>) -> Result<Arc<V>, E> {
        let slot = self.slot(key);
        let mut held = lock(&*slot);
        if let Some(value) = held.upgrade() {
            return Ok(value);
        }
        let value = make()?;
        *held = Arc::downgrade(&value);
        Ok(value)
    }

    /// The slot of `key`; forgets the slots of values that are gone.
    fn slot(&self, key: K) -> SlotArc<Slot<V>> {
        let mut slots = lock(&self.slots);
        slots.retain(|_, slot| SlotArc::strong_count(slot) > 1 || lock(slot).strong_count() > 0);
        SlotArc::clone(slots.entry(key).or_insert_with(|| SlotArc::new(Mutex::new(Weak::new()))))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
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
    fn slots_of_gone_values_are_forgotten() {
        let registry = Registry::new();
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
            let registry = loom::sync::Arc::new(Registry::<u32, u32>::new());
            let made = Arc::new(AtomicUsize::new(0));
            let ask = |registry: &Registry<u32, u32>, made: &AtomicUsize| {
                let make = || Ok::<_, ()>(Arc::new(made.fetch_add(1, Ordering::SeqCst) as u32));
                registry.get_or_make(0, make).unwrap()
            };
            let (other, counter) = (loom::sync::Arc::clone(&registry), Arc::clone(&made));
            let thread = thread::spawn(move || ask(&other, &counter));
            let own = ask(&registry, &made);
            assert!(Arc::ptr_eq(&own, &thread.join().unwrap()));
            assert_eq!(made.load(Ordering::SeqCst), 1);
        });
    }
}
