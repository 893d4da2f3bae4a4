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
