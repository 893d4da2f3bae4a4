// SPDX-License-Identifier: MIT OR Apache-2.0
//! The streaming thread waits for results.

use std::time::{Duration, Instant};

use super::Results;
use crate::panic;
use soundclassify_core::model::Progress;

/// Maximum length of one part of a wait.
const SLICE: Duration = Duration::from_millis(250);

/// The reason for the end of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// All results were posted.
    Posted,
    /// A flush or a state change interrupted it.
    Interrupted,
    /// The model did not reply in time.
    Stalled,
    /// The time is over. The model works, but could not finish all windows.
    Late,
}

/// The limit of a wait.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Timeout {
    /// This time from one reply to the next, or more for a slow model or while other streams progress.
    PerReply(Duration),
    /// This time in total.
    InAll(Duration),
}

impl Results {
    /// Waits until everything before `ticket` is posted, at most for `timeout`. It does not wait for a hanging model.
    /// `progress`: of the stream that got the windows.
    pub(crate) fn wait(&self, ticket: u64, timeout: Timeout, progress: impl Fn() -> Progress) -> Waited {
        let max = self.max_wait(timeout);
        let mut inner = self.lock();
        let (mut left, mut front, mut last) = (max, inner.queue.front(), progress());
        // A run of a slow model may take all of this time.
        let mut works = inner.stats.longest_run() * 4 > max;
        let classified = inner.stats.classified;
        loop {
            if let Some(waited) = inner.waited(ticket) {
                return waited;
            }
            let (next, now) = (inner.queue.front(), progress());
            let others_go_on = last.waits && now.done != last.done;
            works |= others_go_on || inner.stats.classified > classified;
            if (next != front || others_go_on) && matches!(timeout, Timeout::PerReply(_)) {
                left = max;
            }
            (front, last) = (next, now);
            if left.is_zero() {
                return if works && matches!(timeout, Timeout::InAll(_)) { Waited::Late } else { Waited::Stalled };
            }
            // In parts: while the process is stopped or the computer sleeps, the model can't reply either.
            let (slice, begun) = (left.min(SLICE), Instant::now());
            inner = panic::wait(&self.changed, inner, slice);
            left = left.saturating_sub(begun.elapsed().min(slice));
        }
    }

    /// Maximum time without a reply, or in total.
    pub(crate) fn max_wait(&self, timeout: Timeout) -> Duration {
        match timeout {
            Timeout::PerReply(minimum) => minimum.max(self.lock().stats.longest_run() * 4),
            Timeout::InAll(total) => total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soundclassify::settings::Settings;
    use crate::stream::timeline::WindowKind;
    use crate::stream::timeline::tests::window;
    use gst::glib;
    use soundclassify_core::model::Model;
    use std::cell::{Cell, RefCell};
    use std::sync::Arc;

    const REPLY_TIMEOUT: Timeout = Timeout::PerReply(Duration::from_millis(20));

    /// Of an element with one window on its way.
    fn results() -> Results {
        gst::init().unwrap();
        let element = glib::Object::new();
        let results = Results::new(&element, Arc::default(), Model::load("small").unwrap(), Settings::default());
        results.expect(window(0, WindowKind::Window));
        results
    }

    /// Says what a wait is to see, call by call, then `forever`.
    fn seen(progress: impl IntoIterator<Item = Progress>, forever: Progress) -> impl Fn() -> Progress {
        let progress = RefCell::new(progress.into_iter());
        move || progress.borrow_mut().next().unwrap_or(forever)
    }

    fn waiting(done: u64) -> Progress {
        Progress { done, waits: true }
    }

    #[test]
    fn a_wait_for_other_streams_lasts_as_long_as_they_progress() {
        let asked = Cell::new(0);
        let progress = || {
            asked.set(asked.get() + 1);
            waiting(asked.get().min(20))
        };
        assert_eq!(results().wait(1, REPLY_TIMEOUT, progress), Waited::Stalled);
        assert!(asked.get() > 20);
    }

    #[test]
    fn the_timeout_of_the_own_run_begins_with_the_run() {
        let run = Progress { done: 1, waits: false };
        let begun = Instant::now();
        let wait = Timeout::PerReply(Duration::from_millis(100));
        assert_eq!(results().wait(1, wait, seen([waiting(0), waiting(0)], run)), Waited::Stalled);
        assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    }

    #[test]
    fn the_timeout_of_a_run_does_not_depend_on_other_streams() {
        let asked = Cell::new(0);
        let progress = || {
            asked.set(asked.get() + 1);
            Progress { done: asked.get(), waits: false }
        };
        assert_eq!(results().wait(1, REPLY_TIMEOUT, progress), Waited::Stalled);
        assert!(asked.get() < 10, "{}", asked.get());
    }

    #[test]
    fn at_the_end_a_model_that_answers_others_does_not_hang() {
        let end = Timeout::InAll(Duration::from_millis(20));
        assert_eq!(results().wait(1, end, seen([waiting(0)], waiting(1))), Waited::Late);
        assert_eq!(results().wait(1, end, seen([], waiting(1))), Waited::Stalled);
        let just_taken = seen([waiting(0)], Progress { done: 0, waits: false });
        assert_eq!(results().wait(1, end, just_taken), Waited::Stalled);
    }
}
