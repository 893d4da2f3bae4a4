// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether audio has come: what the streaming thread and a restart of the pipeline decide between them.

use std::sync::atomic::{AtomicU8, Ordering};

const NONE: u8 = 0;
const COME: u8 = 1;
const HELD: u8 = 2;

/// The first audio of a stream. Without it a restart could clear audio of which results were posted already, and
/// they would come twice.
#[derive(Debug, Default)]
pub(crate) struct Arrival(AtomicU8);

impl Arrival {
    /// Called for each buffer: whether it may pass. It must not while the stream is held.
    pub(crate) fn admits(&self) -> bool {
        self.0.compare_exchange(NONE, COME, Ordering::AcqRel, Ordering::Acquire) != Err(HELD)
    }

    /// Whether a buffer has passed.
    pub(crate) fn has_come(&self) -> bool {
        self.0.load(Ordering::Acquire) == COME
    }

    /// Holds the stream if nothing has passed yet; returns whether it is held.
    pub(crate) fn hold(&self) -> bool {
        self.0.compare_exchange(NONE, HELD, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Lets buffers pass again.
    pub(crate) fn release(&self) {
        self.0.store(NONE, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_held_only_before_its_first_buffer() {
        let arrival = Arrival::default();

        assert!(arrival.hold() && !arrival.admits() && !arrival.has_come());
        arrival.release();
        assert!(arrival.admits() && arrival.admits() && arrival.has_come());
        assert!(!arrival.hold() && arrival.admits());
    }
}
