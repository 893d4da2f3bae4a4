// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a live source has become silent: its open events end by the clock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::Results;
use super::state::{Inner, outlet};

/// Time, in addition to `event-hold`, after which the open events of a silent live source end.
pub(super) const SILENT_SOURCE: Duration = Duration::from_secs(1);

/// The progress of the source, written by the streaming thread.
pub(super) struct Source {
    begun: Instant,
    pub(super) live: AtomicBool,
    /// Arrival of the last audio, ms after `begun`.
    last: AtomicU64,
    /// Duration of the audio since the last reset, ns.
    received: AtomicU64,
}

impl Source {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            live: AtomicBool::new(false),
            last: AtomicU64::new(0),
            received: AtomicU64::new(0),
        }
    }

    fn silent_for(&self) -> Duration {
        self.begun.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}

impl Results {
    /// Sets whether the source is live. A source that is not live may pause while downstream is blocked.
    pub(crate) fn set_live(&self, live: bool) {
        self.source.live.store(live, Ordering::Relaxed);
    }

    /// Whether the source is live.
    pub(crate) fn is_live(&self) -> bool {
        self.source.live.load(Ordering::Relaxed)
    }

    /// Notes the arrival of audio, and its duration since the last reset.
    pub(crate) fn note_received(&self, received: gst::ClockTime, now: Instant) {
        let since = now.saturating_duration_since(self.source.begun);
        let milliseconds = since.as_secs() * 1000 + u64::from(since.subsec_millis());
        self.source.last.store(milliseconds, Ordering::Relaxed);
        self.source.received.store(received.nseconds(), Ordering::Relaxed);
    }

    // A clock callback, because a silent source wakes no thread.
    pub(super) fn look_again(&self, after: Duration) {
        let element = self.element.clone();
        let clock = gst::SystemClock::obtain();
        let after = gst::ClockTime::try_from(after).unwrap_or(gst::ClockTime::MAX);
        let id = clock.new_single_shot_id(clock.time().saturating_add(after));
        // An error means that the clock no longer exists, as at the end of the process.
        let _ = id.wait_async(move |_, _, _| {
            // Not on the clock's thread, because others wait for it.
            if let Some(element) = element.upgrade() {
                element.call_async(|element| element.imp().look_at_source());
            }
        });
    }

    /// Ends open events if the source has been silent for too long, or schedules the next check.
    pub(crate) fn look_at_source(&self) {
        let mut inner = self.lock();
        if !inner.watched {
            return;
        }
        inner.watched = inner.reporter.has_open_event();
        if !inner.watched {
            return;
        }
        let left = inner.silence_timeout().saturating_sub(self.source.silent_for());
        if !left.is_zero() {
            drop(inner);
            return self.look_again(left);
        }
        inner.watched = false;
        let end = gst::ClockTime::try_from(self.source.received.load(Ordering::Relaxed)).ok();
        let Inner { reporter, outbox, in_stream, settings, .. } = &mut *inner;
        reporter.end_events(end, &mut outlet(outbox, in_stream, settings.post_messages));
        self.note_for_stream(&inner);
        drop(inner);
        self.post();
    }
}
