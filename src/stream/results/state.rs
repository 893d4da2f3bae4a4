// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the lock of the results protects: scores are processed in order and become messages in the outbox.

use std::collections::VecDeque;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use super::source::SILENT_SOURCE;
use super::wait::Waited;
use crate::soundclassify::loader::Retired;
use crate::soundclassify::message;
use crate::soundclassify::settings::Settings;
use crate::stream::reporter::Reporter;
use crate::stream::stats::Stats;
use crate::stream::timeline::{Answer, ReadyEntry, Timeline, WindowKind};
use soundclassify_core::Error;
use soundclassify_core::model::{Model, Reply};

/// Time after which a failed model is tried again.
pub(super) const RETRY: Duration = Duration::from_secs(5);
/// Time without a result, in addition to the length of a batch, after which a warning is posted.
const NO_RESULT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time for which windows of a new model wait for those of the old one.
const OLD_MODEL_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) reporter: Reporter,
    pub(super) queue: Timeline,
    pub(super) outbox: VecDeque<Outgoing>,
    /// Beginnings and ends of events that wait for the streaming thread.
    pub(super) in_stream: Vec<gst::Structure>,
    /// The thread that empties the outbox.
    pub(super) poster: Option<ThreadId>,
    pub(super) retired: Vec<Retired>,
    /// Number of new streams whose tags are still pending: waiting tags belong to an earlier stream.
    pub(super) stream_change: usize,
    pub(super) interrupted: bool,
    /// Whether a clock callback checks the source for silence while an event is open.
    pub(super) watched: bool,
    pub(super) health: Health,
    pub(super) silence: Silence,
    pub(super) qos: Option<Instant>,
    pub(super) stats: Stats,
}

/// Whether the model works.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) retry: Option<Instant>,
    /// When it replied last.
    pub(super) replied: Option<Instant>,
    /// The model did not reply in time, and not since.
    pub(super) stalled: bool,
    pub(super) warned: bool,
    pub(super) warned_of_scores: bool,
}

/// Scores of digital silence: all such windows are equal, so the model runs once.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// The window whose scores will be kept.
    pub(super) ticket: Option<u64>,
    pub(super) scores: Option<Vec<f32>>,
}

impl Health {
    /// The model gave no reply for too long.
    pub(super) fn rest(&mut self) {
        self.retry = Some(Instant::now() + RETRY);
        self.stalled = true;
    }
}

/// Work that remains to be done without the lock.
pub(super) enum Outgoing {
    Element(gst::Structure),
    Message(gst::Message),
    Warning(String),
    /// All is posted until this ticket; for a window with scores, since when it was due.
    Done(u64, Option<Instant>),
}

/// Distributes messages: to the bus, with `post-messages`, and the beginning and end of events to the stream.
pub(super) fn outlet<'a>(
    outbox: &'a mut VecDeque<Outgoing>,
    in_stream: &'a mut Vec<gst::Structure>,
    posts: bool,
) -> impl FnMut(gst::Structure) + 'a {
    move |mut structure| {
        if message::is_border(&structure) {
            in_stream.push(structure.clone());
        }
        if posts {
            message::remove_place(&mut structure);
            outbox.push_back(Outgoing::Element(structure));
        }
    }
}

impl Inner {
    pub(super) fn new(model: Model, settings: Settings) -> Self {
        Self {
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
        }
    }

    /// The reason not to wait for entries before `ticket`, if any.
    pub(super) fn waited(&self, ticket: u64) -> Option<Waited> {
        if self.interrupted {
            return Some(Waited::Interrupted);
        }
        let posted = self.queue.front().is_none_or(|next| next >= ticket);
        (posted || self.health.stalled).then_some(Waited::Posted)
    }

    /// Time without audio of a live source after which open events end.
    pub(super) fn silence_timeout(&self) -> Duration {
        Duration::from_nanos(self.settings.event_hold.get()).saturating_add(SILENT_SOURCE)
    }

    /// What happens to the next window. A failed model pauses for a while; a hanging one then gets a single window, unless it
    /// is `busy` with a window of this stream.
    pub(super) fn admit(&mut self, silent: bool, busy: impl FnOnce() -> bool) -> WindowKind {
        self.stats.windows += 1;
        self.stats.gated += u64::from(silent);
        if silent {
            return WindowKind::Silence;
        }
        let rests = self.health.retry.is_some_and(|retry| Instant::now() < retry);
        if rests || (self.health.stalled && busy()) {
            self.stats.errors += 1;
            return WindowKind::Missed;
        }
        if self.health.stalled {
            self.health.retry = Some(Instant::now() + RETRY);
        }
        WindowKind::Window
    }

    /// The scores of digital silence for the next window, once they are known. The network is not needed for it.
    pub(super) fn known_silence(&mut self) -> Option<Vec<f32>> {
        let scores = self.silence.scores.as_deref()?;
        self.stats.windows += 1;
        self.stats.classified += 1;
        Some(self.queue.copy(scores))
    }

    /// The scores of window `ticket`, which is silent, will be kept, unless those of an earlier one are still to come.
    pub(super) fn learn_silence(&mut self, ticket: u64) {
        let comes = self.silence.ticket.is_some_and(|earlier| self.queue.awaits(earlier));
        if !comes {
            self.silence.ticket = Some(ticket);
        }
    }

    pub(super) fn reply(&mut self, reply: &Reply<'_>) {
        let Some(answer) = self.answer(reply) else { return };
        self.stats.errors += self.queue.answer(reply.ticket, answer, OLD_MODEL_TIMEOUT);
    }

    // A panic occurred: a pending entry may be processed in part.
    pub(super) fn start_over(&mut self) {
        self.stats.errors += self.queue.forget_windows();
        self.queue.forget_decided();
        self.outbox.push_back(Outgoing::Warning("a result was lost to a programming error; please report this".into()));
    }

    #[cold]
    pub(super) fn take_for_hanging(&mut self) {
        if !self.health.stalled && !std::mem::replace(&mut self.health.warned, true) {
            let text = format!("the model gave no result while {} windows and breaks came", self.queue.len());
            self.outbox.push_back(Outgoing::Warning(text));
        }
        self.health.rest();
    }

    /// Warns once if the model gives no result, while windows come at `now`.
    pub(super) fn look_for_results(&mut self, now: Instant) {
        let Some(waits) = self.queue.waits_since() else { return };
        let since = self.health.replied.map_or(waits, |replied| replied.max(waits));
        let batch = f64::from(self.settings.process_count.get()) / f64::from(self.settings.oversamples.get());
        let silent = now.saturating_duration_since(since);
        if silent < NO_RESULT_TIMEOUT + Duration::from_secs_f64(batch)
            || std::mem::replace(&mut self.health.warned, true)
        {
            return;
        }
        self.outbox.push_back(Outgoing::Warning(format!(
            "the model has given no result for {} s: it is slower than that, or hangs; windows are dropped until it does",
            silent.as_secs()
        )));
    }

    fn answer(&mut self, reply: &Reply<'_>) -> Option<Answer> {
        self.health.replied = Some(Instant::now());
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
    pub(super) fn settle(&mut self) {
        while let Some((ticket, entry)) = self.queue.next() {
            let Self { reporter, outbox, in_stream, settings, queue, .. } = self;
            let mut emit = outlet(outbox, in_stream, settings.post_messages);
            let mut due = None;
            match entry {
                ReadyEntry::Window(window, Answer::Scores(scores)) => {
                    due = Some(window.due);
                    reporter.classify(&window, &scores, &mut emit);
                    queue.reuse(scores);
                }
                ReadyEntry::Window(window, Answer::Silence) => reporter.silence(&window, &mut emit),
                ReadyEntry::Window(window, Answer::Missed) => reporter.miss(&window, &mut emit),
                ReadyEntry::Break(end) => reporter.interrupt(Some(end), &mut emit),
                ReadyEntry::StreamChange => {
                    reporter.forget_tags();
                    self.stream_change -= 1;
                }
                ReadyEntry::Switch(switch) => {
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
    pub(super) fn forget_for_buffer(&mut self) {
        self.reporter.take_for_buffer();
    }

    fn fail(&mut self, error: &Error) {
        // The process is about to end.
        if matches!(error, Error::Cancelled(_)) {
            return;
        }
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
