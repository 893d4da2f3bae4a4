// SPDX-License-Identifier: MIT OR Apache-2.0
//! The part of a stream on the engine's threads: scores come back, are processed in order, and the results are posted in order.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::analysis::Tally;
use super::reporter::{Reporter, WindowTime};
use super::stats::Stats;
use super::timeline::{Answer, Entry, Kind, Step, Timeline};
use crate::panic::{catch, lock, wait};
use crate::soundclassify::loader::{Loader, Retired};
use crate::soundclassify::message;
use crate::soundclassify::settings::Settings;
use soundclassify_core::Error;
use soundclassify_core::model::{Model, Progress, Reply};

/// Time after which a failed model is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Minimum time between two QoS messages.
const QOS_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum time for which windows of a new model wait for those of the old one.
const OLD_MODEL_TIMEOUT: Duration = Duration::from_secs(2);
/// Number of pending entries, in addition to `max-pending`, at which the model counts as hanging.
const MOST_ON_THE_WAY: usize = 1000;
/// Maximum length of one part of a wait.
const SLICE: Duration = Duration::from_millis(250);
/// Time, in addition to `event-hold`, after which the open events of a silent live source end.
const SILENT_SOURCE: Duration = Duration::from_secs(1);
/// Maximum wait for an application that blocks the posting of messages.
const BUS_TIMEOUT: Duration = Duration::from_secs(1);

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

/// State that the streaming thread, the engine's thread and the application's threads share. Messages are first added to
/// the outbox, with the lock held; [`Self::post`] posts them in that order, without the lock.
pub(crate) struct Results {
    element: glib::WeakRef<crate::soundclassify::SoundClassify>,
    loader: Arc<Loader>,
    inner: Mutex<Inner>,
    changed: Condvar,
    /// A copy of the value in `inner` that is read without the lock.
    interrupted: AtomicBool,
    /// Whether tags or results for a buffer wait for the streaming thread.
    for_stream: AtomicBool,
    source: Source,
}

/// The progress of the source, written by the streaming thread.
struct Source {
    begun: Instant,
    live: AtomicBool,
    /// Arrival of the last audio, ms after `begun`.
    last: AtomicU64,
    /// Duration of the audio since the last reset, ns.
    received: AtomicU64,
}

impl Source {
    fn silent_for(&self) -> Duration {
        self.begun.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}

struct Inner {
    settings: Settings,
    reporter: Reporter,
    queue: Timeline,
    outbox: VecDeque<Outgoing>,
    /// Beginnings and ends of events that wait for the streaming thread.
    in_stream: Vec<gst::Structure>,
    /// The thread that empties the outbox.
    poster: Option<ThreadId>,
    retired: Vec<Retired>,
    /// Number of new streams whose tags are still pending: waiting tags belong to an earlier stream.
    stream_change: usize,
    interrupted: bool,
    /// Whether a clock callback checks the source for silence while an event is open.
    watched: bool,
    health: Health,
    silence: Silence,
    qos: Option<Instant>,
    stats: Stats,
}

/// Whether the model works.
#[derive(Debug, Default)]
struct Health {
    retry: Option<Instant>,
    /// It did not reply in time, and not since.
    stalled: bool,
    warned: bool,
    warned_of_scores: bool,
}

/// Scores of digital silence: all such windows are equal, so the model runs once.
#[derive(Debug, Default)]
struct Silence {
    /// The window whose scores will be kept.
    ticket: Option<u64>,
    scores: Option<Vec<f32>>,
}

impl Health {
    /// It gave no reply for too long.
    fn rest(&mut self) {
        self.retry = Some(Instant::now() + RETRY);
        self.stalled = true;
    }
}

/// Work that remains to be done without the lock.
enum Outgoing {
    Element(gst::Structure),
    Message(gst::Message),
    Warning(String),
    /// All is posted until this ticket; for a window with scores, since when it was due.
    Done(u64, Option<Instant>),
}

impl Results {
    pub(crate) fn new(
        element: &crate::soundclassify::SoundClassify,
        loader: Arc<Loader>,
        model: Model,
        settings: Settings,
    ) -> Self {
        let inner = Inner {
            reporter: Reporter::new(model, &settings),
            settings,
            queue: Timeline::default(),
            outbox: VecDeque::new(),
            in_stream: Vec::new(),
            poster: None,
            retired: Vec::new(),
            stream_change: 0,
            interrupted: false,
            watched: false,
            health: Health::default(),
            silence: Silence::default(),
            qos: None,
            stats: Stats::default(),
        };
        Self {
            element: element.downgrade(),
            loader,
            inner: Mutex::new(inner),
            changed: Condvar::new(),
            interrupted: AtomicBool::new(false),
            for_stream: AtomicBool::new(false),
            source: Source {
                begun: Instant::now(),
                live: AtomicBool::new(false),
                last: AtomicU64::new(0),
                received: AtomicU64::new(0),
            },
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

    /// What happens to the next window. A failed model pauses for a while; a hanging one then gets a single window, unless it is
    /// `busy` with a window of this stream.
    pub(crate) fn admit(&self, silent: bool, busy: impl FnOnce() -> bool) -> Kind {
        let mut inner = self.lock();
        inner.stats.windows += 1;
        inner.stats.gated += u64::from(silent);
        if silent {
            return Kind::Silence;
        }
        let rests = inner.health.retry.is_some_and(|retry| Instant::now() < retry);
        if rests || (inner.health.stalled && busy()) {
            inner.stats.errors += 1;
            return Kind::Missed;
        }
        if inner.health.stalled {
            inner.health.retry = Some(Instant::now() + RETRY);
        }
        Kind::Window
    }

    /// Whether the scores of digital silence are known. If not, those of window `ticket`, which is silent, will be kept.
    pub(crate) fn knows_silence(&self, ticket: u64) -> bool {
        let mut inner = self.lock();
        let known = inner.silence.scores.is_some();
        if !known {
            inner.silence.ticket = Some(ticket);
        }
        known
    }

    /// Adds a window of digital silence, which gets the known scores.
    pub(crate) fn expect_silence(&self, ticket: u64, time: WindowTime) {
        let mut inner = self.lock();
        let Inner { silence, queue, stats, .. } = &mut *inner;
        let scores = queue.copy(silence.scores.as_deref().unwrap_or_default());
        queue.push(Entry::known(ticket, time, scores));
        stats.classified += 1;
        self.settle(&mut inner);
    }

    /// Adds the next entry of the stream. It does not wait for windows of a hanging model. Silent windows and breaks do not
    /// count for `max-pending`, so they can accumulate behind a window that hangs.
    pub(crate) fn expect(&self, pending: Entry) {
        let mut inner = self.lock();
        if inner.queue.len() > inner.settings.max_pending as usize + MOST_ON_THE_WAY {
            inner.take_for_hanging();
        }
        if inner.health.stalled {
            inner.stats.errors += inner.queue.miss_windows();
        }
        if pending.is_switch() {
            inner.health = Health::default();
            inner.silence = Silence::default();
        }
        inner.stream_change += usize::from(pending.is_stream_change());
        inner.queue.push(pending);
        self.settle(&mut inner);
    }

    /// A window was taken out of the engine's queue before it ran. Leaves a QoS message to post, at most one per second.
    pub(crate) fn dropped(&self, ticket: u64) {
        let mut inner = self.lock();
        // A missed window is already processed.
        if !inner.queue.awaits(ticket) {
            return;
        }
        let Some(window) = inner.queue.remove(ticket).and_then(|pending| pending.time()) else { return };
        inner.stats.dropped += 1;
        if inner.qos.is_none_or(|last| last.elapsed() >= QOS_INTERVAL) {
            inner.qos = Some(Instant::now());
            let times = window.times;
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

    /// Waits until everything before `ticket` is posted, at most for `timeout`. It does not wait for a hanging model.
    /// `progress`: of the stream that got the windows.
    pub(crate) fn wait(&self, ticket: u64, timeout: Timeout, progress: impl Fn() -> Progress) -> Waited {
        let longest = self.longest_wait(timeout);
        let mut inner = self.lock();
        let (mut left, mut front, mut last) = (longest, inner.queue.front(), progress());
        // A run of a slow model may take all of this time.
        let mut works = inner.stats.longest_run() * 4 > longest;
        let classified = inner.stats.classified;
        loop {
            if let Some(waited) = inner.waited(ticket) {
                return waited;
            }
            let (next, now) = (inner.queue.front(), progress());
            let others_go_on = last.waits && now.done != last.done;
            works |= others_go_on || inner.stats.classified > classified;
            if (next != front || others_go_on) && matches!(timeout, Timeout::PerReply(_)) {
                left = longest;
            }
            (front, last) = (next, now);
            if left.is_zero() {
                return if works && matches!(timeout, Timeout::InAll(_)) { Waited::Late } else { Waited::Stalled };
            }
            // In parts: while the process is stopped or the computer sleeps, the model can't reply either.
            let (slice, begun) = (left.min(SLICE), Instant::now());
            inner = wait(&self.changed, inner, slice);
            left = left.saturating_sub(begun.elapsed().min(slice));
        }
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
        let patience = inner.patience();
        drop(inner);
        self.changed.notify_all();
        self.loader.retire(retired);
        if watch {
            self.look_again(patience);
        }
    }

    /// Sets whether the source is live. A source that is not live may pause while downstream is blocked.
    pub(crate) fn set_live(&self, live: bool) {
        self.source.live.store(live, Ordering::Relaxed);
    }

    /// Whether it is.
    pub(crate) fn is_live(&self) -> bool {
        self.source.live.load(Ordering::Relaxed)
    }

    /// Notes the arrival of audio, and its duration since the last reset.
    pub(crate) fn note_received(&self, received: gst::ClockTime) {
        let now = u64::try_from(self.source.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.source.last.store(now, Ordering::Relaxed);
        self.source.received.store(received.nseconds(), Ordering::Relaxed);
    }

    // A clock callback, because a silent source wakes no thread.
    fn look_again(&self, after: Duration) {
        let element = self.element.clone();
        let clock = gst::SystemClock::obtain();
        let after = gst::ClockTime::from_nseconds(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX / 4));
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
        let left = inner.patience().saturating_sub(self.source.silent_for());
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
            inner = wait(&self.changed, inner, left);
        }
    }

    /// The same stream is announced again; its tags have to be sent again.
    pub(crate) fn forget_tags(&self) {
        self.lock().reporter.forget_tags();
    }

    /// Whether tags or results for a buffer wait for the streaming thread.
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

    /// Maximum wait without a reply.
    pub(crate) fn longest_wait(&self, timeout: Timeout) -> Duration {
        match timeout {
            Timeout::PerReply(minimum) => minimum.max(self.lock().stats.longest_run() * 4),
            Timeout::InAll(most) => most,
        }
    }

    /// Receives a reply, on the engine's thread, or on the streaming thread if it runs the network.
    pub(crate) fn reply(&self, reply: &Reply<'_>) {
        let replied = catch(|| {
            let mut inner = self.lock();
            inner.reply(reply);
            self.settle(&mut inner);
        });
        if replied.is_err() {
            self.lock().start_over();
            self.changed.notify_all();
        }
        self.post();
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
                ("{text}"),
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

/// Distributes messages: to the bus, with `post-messages`, and the beginning and end of events to the stream.
fn outlet<'a>(
    outbox: &'a mut VecDeque<Outgoing>,
    in_stream: &'a mut Vec<gst::Structure>,
    posts: bool,
) -> impl FnMut(gst::Structure) + 'a {
    move |structure| {
        if message::is_border(&structure) {
            in_stream.push(structure.clone());
        }
        if posts {
            outbox.push_back(Outgoing::Element(structure));
        }
    }
}

impl Inner {
    /// The reason not to wait for entries before `ticket`, if any.
    fn waited(&self, ticket: u64) -> Option<Waited> {
        if self.interrupted {
            return Some(Waited::Interrupted);
        }
        let posted = self.queue.front().is_none_or(|next| next >= ticket);
        (posted || self.health.stalled).then_some(Waited::Posted)
    }

    /// Time without audio of a live source after which open events end.
    fn patience(&self) -> Duration {
        Duration::from_nanos(self.settings.event_hold.get()).saturating_add(SILENT_SOURCE)
    }

    fn reply(&mut self, reply: &Reply<'_>) {
        let Some(answer) = self.answer(reply) else { return };
        self.stats.errors += self.queue.answer(reply.ticket, answer, OLD_MODEL_TIMEOUT);
    }

    // A panic occurred: a pending entry may be processed in part.
    fn start_over(&mut self) {
        self.stats.errors += self.queue.forget_windows();
        self.queue.forget_decided();
        self.outbox.push_back(Outgoing::Warning("a result was lost to a programming error; please report this".into()));
    }

    fn take_for_hanging(&mut self) {
        if !self.health.stalled && !std::mem::replace(&mut self.health.warned, true) {
            let text = format!("the model gave no result while {} windows and breaks came", self.queue.len());
            self.outbox.push_back(Outgoing::Warning(text));
        }
        self.health.rest();
    }

    fn answer(&mut self, reply: &Reply<'_>) -> Option<Answer> {
        // A late reply to a lost window shows that the model works.
        if std::mem::take(&mut self.health.stalled) {
            self.health.retry = None;
        }
        if !self.queue.awaits(reply.ticket) {
            return None;
        }
        match reply.scores {
            Ok(scores) => {
                self.health.retry = None;
                self.health.warned = false;
                self.stats.run(reply.run_time, reply.batch);
                if self.silence.ticket == Some(reply.ticket) {
                    self.silence.scores = Some(scores.to_vec());
                }
                Some(Answer::Scores(self.queue.copy(scores)))
            }
            Err(error) => {
                self.fail(error);
                Some(Answer::Missed)
            }
        }
    }

    // Processes all entries that are ready, in order.
    fn settle(&mut self) {
        while let Some((ticket, step)) = self.queue.next() {
            let Self { reporter, outbox, in_stream, settings, queue, .. } = self;
            let mut emit = outlet(outbox, in_stream, settings.post_messages);
            let mut due = None;
            match step {
                Step::Window(window, Answer::Scores(scores)) => {
                    due = Some(window.due);
                    reporter.classify(&window, &scores, &mut emit);
                    queue.reuse(scores);
                }
                Step::Window(window, Answer::Silence) => reporter.silence(&window, &mut emit),
                Step::Window(window, Answer::Missed) => reporter.miss(&window, &mut emit),
                Step::Break(end) => reporter.interrupt(Some(end), &mut emit),
                Step::StreamChange => {
                    reporter.forget_tags();
                    self.stream_change -= 1;
                }
                Step::Switch(switch) => {
                    if switch.settings.version > settings.version {
                        *settings = switch.settings;
                    }
                    reporter.replace(switch.model, settings, &mut emit);
                    self.health = Health::default();
                    self.retired.push(switch.old);
                }
            }
            drop(emit);
            self.outbox.push_back(Outgoing::Done(ticket, due));
        }
    }

    // Their buffer will not arrive.
    fn forget_for_buffer(&mut self) {
        self.reporter.take_for_buffer();
    }

    fn fail(&mut self, error: &Error) {
        self.stats.errors += 1;
        let warned = match error {
            Error::NotFinite { .. } => std::mem::replace(&mut self.health.warned_of_scores, true),
            _ => {
                self.health.retry = Some(Instant::now() + RETRY);
                std::mem::replace(&mut self.health.warned, true)
            }
        };
        if !warned {
            self.outbox.push_back(Outgoing::Warning(error.to_string()));
        }
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
    use std::cell::{Cell, RefCell};

    const REPLY_TIMEOUT: Timeout = Timeout::PerReply(Duration::from_millis(20));

    /// Of an element with one window on its way.
    fn results() -> Results {
        gst::init().unwrap();
        let element = glib::Object::new();
        let results = Results::new(&element, Arc::default(), Model::load("small").unwrap(), Settings::default());
        results.expect(window(0, Kind::Window));
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
    fn who_waits_for_others_is_patient_as_long_as_they_go_on() {
        let asked = Cell::new(0);
        let progress = || {
            asked.set(asked.get() + 1);
            waiting(asked.get().min(20))
        };
        assert_eq!(results().wait(1, REPLY_TIMEOUT, progress), Waited::Stalled);
        assert!(asked.get() > 20);
    }

    #[test]
    fn the_own_run_has_all_patience_from_its_begin_on() {
        let run = Progress { done: 1, waits: false };
        let begun = Instant::now();
        let wait = Timeout::PerReply(Duration::from_millis(100));
        assert_eq!(results().wait(1, wait, seen([waiting(0), waiting(0)], run)), Waited::Stalled);
        assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    }

    #[test]
    fn patience_with_a_run_does_not_depend_on_others() {
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
