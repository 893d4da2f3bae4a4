// SPDX-License-Identifier: MIT OR Apache-2.0
//! The part of a stream on the streaming thread: buffers in, windows to the engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::reporter::WindowTime;
use super::results::{Loudness, Results};
use super::timeline::{Entry, Switch};
use crate::signal::clock::Clock;
use crate::signal::input::InputError;
use crate::signal::scale;
use crate::signal::{Complaint, Piece, Plan, Signal, Windows};
use crate::soundclassify::loader::{Prepared, Retired};
use crate::soundclassify::settings::Settings;
use soundclassify_core::decision::Gate;
use soundclassify_core::frontend::ReadyWindow;
use soundclassify_core::model::{Engine, Stream, Tensor};

/// The state of one stream, between READY and PAUSED.
pub(crate) struct Analysis {
    signal: Signal,
    windows: Windows,
    dispatch: Dispatch,
    settings: u64,
    complained: bool,
}

/// The windows that are sent to the engine.
struct Dispatch {
    engine: Arc<Engine>,
    stream: Arc<Stream>,
    results: Arc<Results>,
    rate: u32,
    span: gst::ClockTime,
    window: gst::ClockTime,
    /// Samples of one window.
    length: u64,
    gate: Gate,
    batch: Vec<(u64, Tensor)>,
    process_count: usize,
    max_pending: usize,
    waits: bool,
    ticket: u64,
    tally: Tally,
}

/// Counters of the streaming thread.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    /// Number of discontinuities.
    pub(crate) breaks: u64,
    /// Number of NaN and infinite samples.
    pub(crate) invalid_samples: u64,
    /// Time that the streaming thread spent on analysis.
    pub(crate) analysis: Duration,
    /// Duration of the analysed audio, s.
    pub(crate) audio: f64,
}

/// Ticket up to which to wait for results after the lock is released.
pub(crate) type After = Option<u64>;

impl Analysis {
    pub(crate) fn new(prepared: Prepared, results: Arc<Results>, settings: &Settings) -> Self {
        let Prepared { loaded, frontend } = prepared;
        let features = &loaded.model.manifest().features;
        let rate = features.sample_rate;
        let process_count = settings.process_count.get() as usize;
        let mut signal = Signal::new(rate, settings.channel);
        signal.measure_levels();
        Self {
            signal,
            windows: Windows::new(features, frontend),
            settings: settings.version,
            complained: false,
            dispatch: Dispatch {
                stream: open(&loaded.engine, &results),
                window: duration(features.window as u64, rate),
                length: features.window as u64,
                engine: loaded.engine,
                results,
                rate,
                span: duration(1, settings.oversamples.get()),
                gate: Gate::new(settings.silence_threshold.get()),
                batch: Vec::with_capacity(process_count),
                process_count,
                max_pending: settings.max_pending as usize,
                waits: false,
                ticket: 0,
                tally: Tally::default(),
            },
        }
    }

    /// Applies the live properties from the next window on.
    pub(crate) fn configure(&mut self, settings: &Settings) {
        // Two threads may set properties at the same time and arrive here in reverse order.
        if settings.version > self.settings {
            self.settings = settings.version;
            self.dispatch.gate.set_threshold(settings.silence_threshold.get());
        }
    }

    /// Changes the model. Complete windows go to the old model. After an error, nothing is analysed until the next format.
    pub(crate) fn switch(&mut self, next: Prepared, settings: &Settings) -> Result<(), InputError> {
        let Self { signal, windows, dispatch, .. } = self;
        signal.drain(&mut |piece, clock| dispatch.take(windows, &piece, clock, Instant::now()));
        dispatch.send();
        self.configure(settings);
        let Prepared { loaded, frontend } = next;
        let features = &loaded.model.manifest().features;
        let dispatch = &mut self.dispatch;
        dispatch.rate = features.sample_rate;
        dispatch.span = duration(1, settings.oversamples.get());
        dispatch.window = duration(features.window as u64, features.sample_rate);
        dispatch.length = features.window as u64;
        self.windows.replace(features, frontend);
        let stream = open(&loaded.engine, &dispatch.results);
        let old = Retired {
            _stream: std::mem::replace(&mut dispatch.stream, stream),
            _engine: std::mem::replace(&mut dispatch.engine, loaded.engine),
        };
        dispatch.process_count = settings.process_count.get() as usize;
        let switch = Switch { model: loaded.model, settings: settings.clone(), old };
        dispatch.expect(|ticket| Entry::switch(ticket, switch));
        dispatch.forget();
        self.signal.set_rate(self.dispatch.rate)
    }

    pub(crate) fn results(&self) -> Arc<Results> {
        Arc::clone(&self.dispatch.results)
    }

    /// Whether the source is live.
    pub(crate) fn is_live(&self) -> bool {
        self.dispatch.results.is_live()
    }

    pub(crate) fn stream(&self) -> Arc<Stream> {
        Arc::clone(&self.dispatch.stream)
    }

    /// The counters so far.
    pub(crate) fn tally(&self) -> Tally {
        self.dispatch.tally
    }

    /// Sets whether the streaming thread waits for results.
    pub(crate) fn set_waits(&mut self, waits: bool) {
        self.dispatch.waits = waits;
    }

    /// Whether the streaming thread waits for results.
    pub(crate) fn waits(&self) -> bool {
        self.dispatch.waits
    }

    /// Ticket of the next entry of the timeline; it grows when new results are pending.
    pub(crate) fn ticket(&self) -> u64 {
        self.dispatch.ticket
    }

    /// Whether this is the first unreadable buffer of its format.
    #[cold]
    pub(crate) fn complains(&mut self) -> bool {
        !std::mem::replace(&mut self.complained, true)
    }

    /// The next problem to report, once.
    pub(crate) fn take_complaint(&mut self) -> Option<Complaint> {
        let reverse = self.signal.is_reverse();
        self.signal.take_complaint().or_else(|| self.windows.take_complaint(reverse))
    }

    /// The signal.
    pub(crate) fn signal(&mut self) -> &mut Signal {
        &mut self.signal
    }

    /// Plans new caps.
    pub(crate) fn plan_format(&mut self, info: gst_audio::AudioInfo) -> Plan {
        let plan = self.signal.plan_format(info);
        if !plan.is_done() {
            self.complained = false;
        }
        plan
    }

    /// Carries out the next part of a plan: at most one second of audio.
    pub(crate) fn step(&mut self, plan: &mut Plan, buffer: Option<&gst::BufferRef>) -> Result<(), InputError> {
        let begun = Instant::now();
        let Self { signal, windows, dispatch, .. } = self;
        let rate = signal.input_rate() as f64;
        let stepped = signal.step(plan, buffer, &mut |piece, clock| dispatch.take(windows, &piece, clock, begun))?;
        let (tally, now) = (&mut dispatch.tally, Instant::now());
        tally.analysis += now - begun;
        tally.audio += stepped.frames as f64 / rate;
        tally.invalid_samples += stepped.invalid;
        dispatch.results.note_received(duration(windows.received(), dispatch.rate), now);
        Ok(())
    }

    /// The ticket up to which to wait.
    pub(crate) fn after(&self) -> After {
        self.dispatch.after()
    }

    /// The tags of a new stream follow.
    pub(crate) fn forget_tags(&mut self) {
        self.dispatch.expect(Entry::stream_change);
    }

    /// A new stream begins, and pending results are dropped.
    pub(crate) fn reset(&mut self) {
        self.windows.flush();
        self.signal.forget();
        self.dispatch.forget();
        self.dispatch.stream.cancel();
        self.dispatch.results.discard();
    }
}

impl Dispatch {
    fn take(&mut self, windows: &mut Windows, piece: &Piece<'_>, clock: &mut Clock, arrived: Instant) {
        let received = windows.received();
        let broke_off = windows.take(piece, &mut |window, whole| {
            let span = if whole { self.window } else { self.span };
            self.submit(window, span, clock, arrived);
        });
        if !matches!(piece, Piece::Samples(_)) {
            self.send();
            let end = scale::duration(received, self.rate.into());
            self.expect(|ticket| Entry::interruption(ticket, end));
            self.forget();
            self.tally.breaks += u64::from(broke_off);
        }
    }

    fn submit(&mut self, window: &ReadyWindow<'_>, span: gst::ClockTime, clock: &mut Clock, due: Instant) {
        let begin = clock.moment(window.position(), self.rate);
        let steps = window.steps();
        let time = WindowTime {
            number: window.number(),
            begin,
            at: duration(window.position(), self.rate),
            rise: (duration(steps.rise, self.rate), steps.rises),
            onset: clock.moment_ahead(steps.rise, self.rate),
            fall: (duration(steps.fall, self.rate), steps.falls),
            span,
            power: clock.power(window.position(), self.length, self.rate),
            due,
        };
        let busy = || !self.batch.is_empty() || self.stream.pending() > 0;
        let loudness = if self.gate.silences(|| window.rms()) {
            Loudness::Gated
        } else if !self.engine.has_state() && window.is_silent() {
            Loudness::DigitalSilence
        } else {
            Loudness::Audible
        };
        let ticket = self.ticket;
        let runs = self.results.expect_window(ticket, time, loudness, busy);
        self.ticket += 1;
        if runs {
            let mut tensor = self.engine.tensor();
            window.write_to(&mut tensor);
            self.batch.push((ticket, tensor));
        }
        // An entry without scores is posted after earlier ones, which must not wait for it.
        if !runs || self.batch.len() >= self.process_count {
            self.send();
        }
    }

    // Drops windows that are not yet with the engine, and the state of the network.
    fn forget(&mut self) {
        self.batch.clear();
        self.stream.restart();
        self.gate.reset();
    }

    fn expect(&mut self, entry: impl FnOnce(u64) -> Entry) {
        self.results.expect(entry(self.ticket));
        self.ticket += 1;
    }

    // Without waiting, the queue is limited: the oldest windows are dropped.
    fn send(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let coming = self.batch.len();
        while !self.waits && self.stream.waiting() + coming > self.max_pending.max(coming) {
            let Some(ticket) = self.stream.drop_oldest() else { break };
            self.results.dropped(ticket);
        }
        if self.waits {
            self.stream.push_own(self.batch.drain(..));
        } else {
            self.stream.push_all(self.batch.drain(..));
        }
    }

    // Not for windows of an incomplete batch.
    fn after(&self) -> After {
        let sent = self.batch.first().map_or(self.ticket, |(ticket, _)| *ticket);
        self.waits.then_some(sent)
    }
}

fn open(engine: &Arc<Engine>, results: &Arc<Results>) -> Arc<Stream> {
    let (replied, posting) = (Arc::clone(results), Arc::downgrade(results));
    let post = move || {
        if let Some(results) = posting.upgrade() {
            results.post();
        }
    };
    Arc::new(engine.stream_with(move |reply| replied.reply(&reply), post))
}

fn duration(count: u64, rate: u32) -> gst::ClockTime {
    scale::duration(count, rate.into())
}
