// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reply side of one stream: scores come back from the engine, are decided on, and are told.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::ClockTime;
use gst::glib;
use gst::prelude::*;

use super::clock::Times;
use super::message::{self, Classification, Label};
use super::settings::Settings;
use super::stats::Stats;
use crate::Error;
use crate::decision::{Ensemble, Filter};
use crate::model::{Manifest, Model, Reply};

/// A model that fails is tried again after this time.
const RETRY: Duration = Duration::from_secs(5);
/// Least time between two QoS messages.
const QOS_INTERVAL: Duration = Duration::from_secs(1);

/// One window on its way through the engine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    /// Its number for the engine: rises from window to window, never falls back.
    pub(super) ticket: u64,
    /// Windows of one unbroken stretch of audio have the same.
    pub(super) stretch: u64,
    /// Number since the last reset.
    pub(super) window: u64,
    /// Of the window's start.
    pub(super) times: Times,
    /// When its last sample arrived.
    pub(super) due: Instant,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    /// All was told.
    Told,
    /// A flush or a state change came between.
    Interrupted,
    /// The model gave no reply for too long.
    Stalled,
}

/// What is shared between the streaming thread, the engine's thread and the application's.
pub(super) struct Results {
    element: glib::WeakRef<super::SoundClassify>,
    inner: Mutex<Inner>,
    changed: Condvar,
}

struct Inner {
    model: Model,
    duration: ClockTime,
    ensemble: Ensemble,
    filter: Filter,
    post: bool,
    tag: bool,
    pending: VecDeque<Pending>,
    stretch: u64,
    interrupted: bool,
    best: Option<usize>,
    tags: Option<gst::TagList>,
    health: Health,
    qos: Option<Instant>,
    stats: Stats,
}

/// Whether the model works.
#[derive(Debug, Default)]
struct Health {
    retry: Option<Instant>,
    /// It gave no reply in time, and none since.
    stalled: bool,
    warned: bool,
    warned_of_scores: bool,
}

/// What is left to do without the lock.
enum Telling {
    Nothing,
    Message(gst::Structure),
    Warning(String),
}

impl Results {
    pub(super) fn new(element: &super::SoundClassify, model: Model, settings: &Settings) -> Self {
        let manifest = model.manifest();
        let duration = (manifest.features.window as u64)
            .mul_div_floor(ClockTime::SECOND.nseconds(), manifest.features.sample_rate.into())
            .unwrap_or(u64::MAX - 1);
        let inner = Inner {
            duration: ClockTime::from_nseconds(duration),
            ensemble: Ensemble::new(manifest.labels.len(), settings.ensembles.get() as usize),
            filter: filter(manifest, settings),
            post: settings.post_messages,
            tag: settings.emit_tags,
            model,
            pending: VecDeque::new(),
            stretch: 0,
            interrupted: false,
            best: None,
            tags: None,
            health: Health::default(),
            qos: None,
            stats: Stats::default(),
        };
        Self { element: element.downgrade(), inner: Mutex::new(inner), changed: Condvar::new() }
    }

    /// Takes over the live properties, from the next window on.
    pub(super) fn configure(&self, settings: &Settings) {
        let mut inner = self.lock();
        inner.filter = filter(inner.model.manifest(), settings);
        inner.ensemble.set_length(settings.ensembles.get() as usize);
        inner.post = settings.post_messages;
        inner.tag = settings.emit_tags;
    }

    /// Whether a window may go to the model now; a model that failed rests for a while, and one that hangs gets a
    /// single window then.
    pub(super) fn accepts(&self) -> bool {
        let mut inner = self.lock();
        inner.stats.windows += 1;
        let rests = inner.health.retry.is_some_and(|retry| Instant::now() < retry);
        if rests {
            inner.stats.errors += 1;
        } else if inner.health.stalled {
            inner.health.retry = Some(Instant::now() + RETRY);
        }
        !rests
    }

    /// A window is on its way.
    pub(super) fn expect(&self, pending: Pending) {
        self.lock().pending.push_back(pending);
    }

    /// A window was taken out of the queue before it ran. Gives a QoS message, at most one a second.
    pub(super) fn dropped(&self, ticket: u64) -> Option<gst::Message> {
        let mut inner = self.lock();
        let pending = inner.forget(ticket)?;
        inner.stats.dropped += 1;
        self.changed.notify_all();
        if inner.qos.is_some_and(|last| last.elapsed() < QOS_INTERVAL) {
            return None;
        }
        inner.qos = Some(Instant::now());
        let (processed, dropped, duration) = (inner.stats.classified, inner.stats.dropped, inner.duration);
        drop(inner);
        let message = gst::message::Qos::builder(true)
            .running_time(pending.times.running_time)
            .stream_time(pending.times.stream_time)
            .timestamp(pending.times.timestamp)
            .duration(duration)
            .stats(gst::format::Default::from_u64(processed), gst::format::Default::from_u64(dropped));
        Some(message.src_if_some(self.element.upgrade().as_ref()).build())
    }

    /// Whatever is on its way will not be told.
    pub(super) fn discard(&self) {
        let mut inner = self.lock();
        inner.pending.clear();
        inner.ensemble.clear();
        inner.best = None;
        self.changed.notify_all();
    }

    /// The model gave no reply: what is on its way is lost, and the model rests.
    pub(super) fn give_up(&self) {
        let mut inner = self.lock();
        inner.stats.errors += inner.pending.len() as u64;
        inner.pending.clear();
        inner.health.retry = Some(Instant::now() + RETRY);
        inner.health.stalled = true;
        self.changed.notify_all();
    }

    /// Ends waits at once, as long as it holds.
    pub(super) fn interrupt(&self, interrupted: bool) {
        self.lock().interrupted = interrupted;
        self.changed.notify_all();
    }

    /// Waits until everything before `ticket` is told, but gives up after `patience` without any reply. Nobody waits
    /// for a model that hangs already.
    pub(super) fn wait(&self, ticket: u64, patience: Duration) -> Waited {
        let mut inner = self.lock();
        let mut deadline = Instant::now() + patience;
        let mut front = None;
        loop {
            let next = inner.pending.front().map(|pending| pending.ticket);
            if inner.interrupted {
                return Waited::Interrupted;
            }
            if inner.health.stalled || next.is_none_or(|next| next >= ticket) {
                return Waited::Told;
            }
            if next != front {
                front = next;
                deadline = Instant::now() + patience;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Waited::Stalled;
            }
            inner = self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Tags that wait for the streaming thread.
    pub(super) fn take_tags(&self) -> Option<gst::TagList> {
        self.lock().tags.take()
    }

    /// Adds to the statistics.
    pub(super) fn count(&self, add: impl FnOnce(&mut Stats)) {
        add(&mut self.lock().stats);
    }

    /// The property `stats`.
    pub(super) fn stats(&self) -> gst::Structure {
        let inner = self.lock();
        inner.stats.to_structure(inner.pending.len())
    }

    /// How long a run of this model may take before it counts as hanging: generous for models known to be slow.
    pub(super) fn patience(&self, least: Duration) -> Duration {
        least.max(self.lock().stats.longest_run() * 4)
    }

    /// A reply came. Runs on the engine's thread.
    pub(super) fn reply(&self, reply: &Reply<'_>) {
        let Some((telling, due)) = self.lock().decide(reply) else { return };
        if let Some(element) = self.element.upgrade() {
            tell(&element, telling);
        }
        let mut inner = self.lock();
        inner.stats.latency(due.elapsed());
        inner.forget(reply.ticket);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn decide(&mut self, reply: &Reply<'_>) -> Option<(Telling, Instant)> {
        let pending = *self.pending.iter().find(|pending| pending.ticket == reply.ticket)?;
        self.health.stalled = false;
        let telling = match reply.scores {
            Ok(scores) => {
                self.health.retry = None;
                self.health.warned = false;
                self.stats.run(reply.run_time, reply.batch);
                self.classify(scores, pending)
            }
            Err(error) => self.fail(error),
        };
        Some((telling, pending.due))
    }

    fn classify(&mut self, scores: &[f32], pending: Pending) -> Telling {
        if pending.stretch != self.stretch {
            self.ensemble.clear();
            self.stretch = pending.stretch;
        }
        let predictions = self.filter.apply(self.ensemble.push(scores));
        let Some(best) = predictions.first().map(|prediction| prediction.index) else { return Telling::Nothing };
        let manifest = self.model.manifest();
        let label = |prediction: &crate::decision::Prediction| Label {
            label: manifest.labels[prediction.index].clone(),
            index: prediction.index,
            probability: prediction.probability.into(),
        };
        if self.tag && self.best != Some(best) {
            self.tags = Some(message::tags(&label(&predictions[0])));
        }
        self.best = Some(best);
        if !self.post {
            return Telling::Nothing;
        }
        let told = Classification {
            timestamp: pending.times.timestamp,
            stream_time: pending.times.stream_time,
            running_time: pending.times.running_time,
            duration: self.duration,
            window: pending.window,
            predictions: predictions.iter().map(label).collect(),
            model: manifest.name.clone(),
        };
        Telling::Message(told.to_structure())
    }

    fn fail(&mut self, error: &Error) -> Telling {
        self.stats.errors += 1;
        let warned = match error {
            Error::NotFinite { .. } => std::mem::replace(&mut self.health.warned_of_scores, true),
            _ => {
                self.health.retry = Some(Instant::now() + RETRY);
                std::mem::replace(&mut self.health.warned, true)
            }
        };
        if warned { Telling::Nothing } else { Telling::Warning(error.to_string()) }
    }

    fn forget(&mut self, ticket: u64) -> Option<Pending> {
        let position = self.pending.iter().position(|pending| pending.ticket == ticket)?;
        self.pending.remove(position)
    }
}

/// The property `stats` of an element that has no stream.
pub(super) fn no_stats() -> gst::Structure {
    Stats::default().to_structure(0)
}

fn tell(element: &super::SoundClassify, telling: Telling) {
    match telling {
        Telling::Nothing => {}
        Telling::Message(structure) => {
            let message = gst::message::Element::builder(structure).src(element).build();
            // Without a bus there is nobody to tell.
            let _ = element.post_message(message);
        }
        Telling::Warning(text) => gst::element_warning!(
            element,
            gst::LibraryError::Failed,
            ("{text}"),
            ["audio goes on; the model is tried again every {} s", RETRY.as_secs()]
        ),
    }
}

fn filter(model: &Manifest, settings: &Settings) -> Filter {
    let thresholds = model.labels.iter().map(|label| settings.threshold_of(label, model) as f32);
    Filter::new(
        &model.labels,
        &settings.allow_labels.get(),
        &settings.deny_labels.get(),
        thresholds.collect(),
        settings.top_k.get() as usize,
    )
}
