// SPDX-License-Identifier: MIT OR Apache-2.0
//! The part of a stream on the engine's threads: scores come back, are processed in order, and the results are posted in order.

mod source;
mod state;
mod wait;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;

use self::source::Source;
use self::state::{Health, Inner, Outgoing, RETRY, Silence, outlet};
pub(crate) use self::wait::{Timeout, Waited};
use super::analysis::Tally;
use super::reporter::WindowTime;
use super::stats::Stats;
use super::timeline::{Entry, WindowKind};
use crate::panic::{self, catch, lock};
use crate::soundclassify::loader::Loader;
use crate::soundclassify::settings::Settings;
use soundclassify_core::model::{Model, Reply};
use soundclassify_core::text;

/// Minimum time between two QoS messages.
const QOS_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum number of pending entries, in addition to `max-pending`; with more, the model counts as hanging.
const MAX_EXCESS: usize = 1000;
/// Maximum wait for an application that blocks the posting of messages.
const BUS_TIMEOUT: Duration = Duration::from_secs(1);

/// How loud a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loudness {
    /// The network runs it.
    Audible,
    /// Below `silence-threshold`.
    Gated,
    /// All samples are 0, and the network, which has no state, gives such windows equal scores.
    DigitalSilence,
}

/// State that the streaming thread, the engine's thread and the application's threads share. Messages are first added to
/// the outbox, with the lock held; [`Self::post`] posts them in that order, without the lock.
pub(crate) struct Results {
    element: glib::WeakRef<crate::soundclassify::SoundClassify>,
    loader: Arc<Loader>,
    inner: Mutex<Inner>,
    changed: Condvar,
    /// A copy of the value in `inner` that is read without the lock.
    interrupted: AtomicBool,
    /// Whether events, tags or results for a buffer wait for the streaming thread.
    for_stream: AtomicBool,
    source: Source,
}

impl Results {
    pub(crate) fn new(
        element: &crate::soundclassify::SoundClassify,
        loader: Arc<Loader>,
        model: Model,
        settings: Settings,
    ) -> Self {
        Self {
            element: element.downgrade(),
            loader,
            inner: Mutex::new(Inner::new(model, settings)),
            changed: Condvar::new(),
            interrupted: AtomicBool::new(false),
            for_stream: AtomicBool::new(false),
            source: Source::new(),
        }
    }

    /// Applies the live properties from the next window on.
    pub(crate) fn configure(&self, settings: &Settings) {
        let mut inner = self.lock();
        // Two threads may set properties at the same time and arrive here in reverse order.
        if settings.version > inner.settings.version {
            let posts = std::mem::replace(&mut inner.settings, settings.clone()).post_messages;
            let Inner { reporter, outbox, in_stream, .. } = &mut *inner;
            reporter.configure(settings, &mut outlet(outbox, in_stream, posts));
            self.note_for_stream(&inner);
        }
        drop(inner);
        self.post();
    }

    /// Adds the next window, and returns whether the network has to run it. `busy` is whether it is occupied with an earlier one
    /// of this stream.
    pub(crate) fn expect_window(
        &self,
        ticket: u64,
        time: WindowTime,
        loudness: Loudness,
        busy: impl FnOnce() -> bool,
    ) -> bool {
        let mut inner = self.lock();
        let known = if loudness == Loudness::DigitalSilence { inner.known_silence() } else { None };
        let (runs, entry) = match known {
            Some(scores) => (false, Entry::known(ticket, time, scores)),
            None => {
                let kind = inner.admit(loudness == Loudness::Gated, busy);
                (kind == WindowKind::Window, Entry::window(ticket, time, kind))
            }
        };
        if runs && loudness == Loudness::DigitalSilence {
            inner.learn_silence(ticket);
        }
        self.add(inner, entry);
        runs
    }

    /// Adds the next entry of the stream. It does not wait for windows of a hanging model. Silent windows and breaks do not
    /// count for `max-pending`, so they can accumulate behind a window that hangs.
    pub(crate) fn expect(&self, pending: Entry) {
        self.add(self.lock(), pending);
    }

    fn add(&self, mut inner: MutexGuard<'_, Inner>, pending: Entry) {
        if inner.queue.len() > inner.settings.max_pending as usize + MAX_EXCESS {
            inner.take_for_hanging();
        }
        let mut changed = inner.health.stalled;
        if changed {
            inner.stats.errors += inner.queue.miss_windows();
        }
        if let Some(due) = pending.due() {
            inner.look_for_results(due);
        }
        // A window without its reply makes nothing ready.
        changed |= !pending.is_unanswered();
        if pending.is_switch() {
            inner.health = Health::default();
            inner.silence = Silence::default();
        }
        inner.stream_change += usize::from(pending.is_stream_change());
        inner.queue.push(pending);
        if changed {
            self.settle(&mut inner);
        }
    }

    /// A window was taken out of the engine's queue before it ran. Leaves a QoS message to post, at most one per second.
    pub(crate) fn dropped(&self, ticket: u64) {
        let mut inner = self.lock();
        // A missed window is already processed.
        if !inner.queue.awaits(ticket) {
            return;
        }
        let removed = inner.queue.remove(ticket);
        let Some(window) = removed.as_ref().and_then(Entry::time) else { return };
        inner.stats.dropped += 1;
        if inner.qos.is_none_or(|last| last.elapsed() >= QOS_INTERVAL) {
            inner.qos = Some(Instant::now());
            let times = window.begin.times();
            let message = gst::message::Qos::builder(true)
                .running_time(times.running_time)
                .stream_time(times.stream_time)
                .timestamp(times.timestamp)
                .duration(inner.reporter.duration())
                .stats(
                    gst::format::Default::from_u64(inner.stats.classified),
                    gst::format::Default::from_u64(inner.stats.dropped),
                );
            let message = message.src_if_some(self.element.upgrade().as_ref()).build();
            inner.outbox.push_back(Outgoing::Message(message));
        }
        self.settle(&mut inner);
        self.changed.notify_all();
    }

    /// Windows without scores are too late.
    pub(crate) fn drop_rest(&self) {
        let mut inner = self.lock();
        inner.stats.dropped += inner.queue.forget_windows();
        self.settle(&mut inner);
        drop(inner);
        self.changed.notify_all();
    }

    /// Drops all pending entries and ends events. The caller posts their ends.
    pub(crate) fn discard(&self) {
        let mut inner = self.lock();
        inner.queue.forget_windows();
        self.settle(&mut inner);
        let Inner { reporter, outbox, in_stream, settings, .. } = &mut *inner;
        reporter.interrupt(None, &mut outlet(outbox, in_stream, settings.post_messages));
        reporter.forget_waiting_tags();
        inner.forget_for_buffer();
        self.note_for_stream(&inner);
        drop(inner);
        self.changed.notify_all();
    }

    /// Handles a model without reply: pending windows are lost, and the model pauses.
    pub(crate) fn give_up(&self) {
        let mut inner = self.lock();
        inner.stats.errors += inner.queue.forget_windows();
        inner.health.rest();
        self.settle(&mut inner);
        drop(inner);
        self.changed.notify_all();
        self.post();
    }

    /// Ends the stream: windows without scores are lost, and everything else is posted.
    pub(crate) fn finish(&self) {
        let mut inner = self.lock();
        inner.stats.errors += inner.queue.forget_windows();
        self.settle(&mut inner);
        inner.forget_for_buffer();
        drop(inner);
        self.changed.notify_all();
        self.post_all();
    }

    /// Interrupts waits as long as it is set.
    pub(crate) fn interrupt(&self, interrupted: bool) {
        let mut inner = self.lock();
        inner.interrupted = interrupted;
        self.interrupted.store(interrupted, Ordering::SeqCst);
        drop(inner);
        self.changed.notify_all();
    }

    /// Whether entries before `ticket` are pending.
    pub(crate) fn awaits(&self, ticket: u64) -> bool {
        self.lock().waited(ticket).is_none()
    }

    /// Whether a flush or a state change is in progress.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Posts the outbox in order. If a different thread is already posting, it posts these messages, too.
    pub(crate) fn post(&self) {
        let mut inner = self.lock();
        if inner.poster.is_some() || (inner.outbox.is_empty() && inner.retired.is_empty()) {
            return;
        }
        inner.poster = Some(std::thread::current().id());
        let mut done = false;
        while let Some(outgoing) = inner.outbox.pop_front() {
            if let Outgoing::Done(ticket, due) = outgoing {
                inner.queue.remove(ticket);
                due.inspect(|due| inner.stats.latency(due.elapsed()));
                done = true;
                continue;
            }
            drop(inner);
            // Without the lock, because the woken thread would wait for it.
            if std::mem::take(&mut done) {
                self.changed.notify_all();
            }
            self.emit(outgoing);
            inner = self.lock();
        }
        inner.poster = None;
        let retired = std::mem::take(&mut inner.retired);
        let watch = !inner.watched && self.source.live.load(Ordering::Relaxed) && inner.reporter.has_open_event();
        inner.watched |= watch;
        let timeout = inner.silence_timeout();
        drop(inner);
        self.changed.notify_all();
        self.loader.retire(retired);
        if watch {
            self.look_again(timeout);
        }
    }

    /// Like [`Self::post`], but also waits for a different thread that is posting, unless an application blocks it.
    pub(crate) fn post_all(&self) {
        self.post();
        let deadline = Instant::now() + BUS_TIMEOUT;
        let mut inner = self.lock();
        while inner.poster.is_some_and(|poster| poster != std::thread::current().id()) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            inner = panic::wait(&self.changed, inner, left);
        }
    }

    /// The same stream is announced again; its tags have to be sent again.
    pub(crate) fn forget_tags(&self) {
        self.lock().reporter.forget_tags();
    }

    /// Whether events, tags or results for a buffer wait for the streaming thread.
    pub(crate) fn has_for_stream(&self) -> bool {
        self.for_stream.load(Ordering::SeqCst)
    }

    /// Tags that wait for the streaming thread.
    pub(crate) fn take_tags(&self) -> Option<gst::TagList> {
        let mut inner = self.lock();
        let tags = if inner.stream_change == 0 { inner.reporter.take_tags() } else { None };
        self.note_for_stream(&inner);
        tags
    }

    /// Beginnings and ends of events that wait for the streaming thread, in order.
    pub(crate) fn take_in_stream(&self) -> Vec<gst::Structure> {
        if !self.has_for_stream() {
            return Vec::new();
        }
        let mut inner = self.lock();
        let events = std::mem::take(&mut inner.in_stream);
        self.note_for_stream(&inner);
        events
    }

    /// Results that wait for a buffer, in order.
    pub(crate) fn take_for_buffer(&self) -> Vec<gst::Structure> {
        if !self.has_for_stream() {
            return Vec::new();
        }
        let mut inner = self.lock();
        let results = inner.reporter.take_for_buffer();
        self.note_for_stream(&inner);
        results
    }

    /// The property `stats`; `tally` is the streaming thread's part.
    pub(crate) fn stats(&self, tally: Tally) -> gst::Structure {
        let mut inner = self.lock();
        inner.stats.left_out = inner.reporter.left_out();
        inner.stats.to_structure(inner.queue.windows(), tally)
    }

    /// Receives a reply, on the engine's thread, or on the streaming thread if it runs the network. That thread calls
    /// [`Self::post`] next.
    pub(crate) fn reply(&self, reply: &Reply<'_>) {
        let replied = catch(|| {
            let mut inner = self.lock();
            inner.reply(reply);
            self.settle(&mut inner);
        });
        if replied.is_err() {
            let mut inner = self.lock();
            inner.start_over();
            self.note_for_stream(&inner);
            drop(inner);
            self.changed.notify_all();
        }
    }

    fn emit(&self, outgoing: Outgoing) {
        let Some(element) = self.element.upgrade() else { return };
        // Without a bus no receiver exists.
        match outgoing {
            Outgoing::Element(structure) => {
                let _ = element.post_message(gst::message::Element::builder(structure).src(&element).build());
            }
            Outgoing::Message(message) => {
                let _ = element.post_message(message);
            }
            Outgoing::Warning(text) => gst::element_warning!(
                element,
                gst::LibraryError::Failed,
                ("{}", text::bus_message(&text)),
                ["audio continues; the model is tried again every {} s", RETRY.as_secs()]
            ),
            Outgoing::Done(..) => {}
        }
    }

    fn note_for_stream(&self, inner: &Inner) {
        let waits = inner.reporter.has_for_stream() || !inner.in_stream.is_empty();
        self.for_stream.store(waits, Ordering::SeqCst);
    }

    fn settle(&self, inner: &mut Inner) {
        inner.settle();
        self.note_for_stream(inner);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

/// The property `stats` of an element that has no stream.
pub(crate) fn no_stats() -> gst::Structure {
    Stats::default().to_structure(0, Tally::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::timeline::tests::window;

    #[test]
    fn digital_silence_runs_until_one_of_its_windows_has_scores() {
        gst::init().unwrap();
        let element = glib::Object::new::<crate::soundclassify::SoundClassify>();
        let model = Model::load("small").unwrap();
        let scores = vec![0.5; model.manifest().labels.len()];
        let results = Results::new(&element, Arc::default(), model, Settings::default());
        let next = |ticket| {
            let entry = window(ticket, WindowKind::Window);
            results.expect_window(ticket, entry.time().unwrap().clone(), Loudness::DigitalSilence, || false)
        };
        // The network is slower than windows come, and the one whose scores would have been kept is dropped.
        assert!((0..3).all(next));
        results.dropped(0);
        assert!((3..5).all(next));
        let reply = |ticket| Reply { ticket, scores: Ok(&scores), run_time: Duration::from_millis(1), batch: 1 };
        results.reply(&reply(1));
        assert!(next(5));
        results.reply(&reply(3));
        assert!(!(6..9).any(next));
        // Also while a failed network pauses.
        results.lock().health.rest();
        assert!(!next(9));
        // Only those that waited for it.
        assert_eq!(results.lock().stats.errors, 3);
    }

    #[test]
    fn nothing_of_an_error_reaches_the_bus_raw() {
        gst::init().unwrap();
        let element = glib::Object::new::<crate::soundclassify::SoundClassify>();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let results = Results::new(&element, Arc::default(), Model::load("small").unwrap(), Settings::default());
        results.lock().outbox.push_back(Outgoing::Warning("node \u{1b}[2J".into()));
        results.post();
        let message = bus.pop_filtered(&[gst::MessageType::Warning]).unwrap();
        let gst::MessageView::Warning(warning) = message.view() else { unreachable!("that was asked for") };
        assert!(warning.error().message().ends_with("node \\u{1b}[2J"), "{}", warning.error());
    }
}
