// SPDX-License-Identifier: MIT OR Apache-2.0
//! A live source that is opened again, with growing pauses, when it ends, fails or stalls.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    exit::{Failure, Result},
    interrupt,
    session::{Session, SessionStep},
};

/// Pause before the first new attempt; each that fails doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAXIMUM_PAUSE: Duration = Duration::from_secs(60);
/// A stream that brought audio for so long is a good one: the next pause is the first again.
const GOOD: Duration = Duration::from_secs(30);
/// Time without audio after which it is opened again.
pub(super) const STALL: Duration = Duration::from_secs(15);

/// A stream that ends so near to its length was a recording, and all of it came.
const NEAR: u64 = 1_000_000_000;

/// Opens the source, ready to play.
pub(super) type Open<'a> = Box<dyn Fn() -> Result<Session> + 'a>;
/// What the user can do about a source that never brings audio.
pub(super) type Advise<'a> = Box<dyn Fn(Failure) -> Failure + 'a>;

/// One source, in consecutive sessions.
pub(super) struct Stream<'a> {
    open: Open<'a>,
    advise: Advise<'a>,
    /// Whether it is a microphone or a stream of the network, which may come back.
    returns: bool,
    session: Option<Session>,
    steps: VecDeque<SessionStep>,
    pause: Duration,
    retry_at: Instant,
    opened: Instant,
    /// Where its audio ends, nanoseconds, and since when.
    end: u64,
    moved: Instant,
    /// Whether the source ever brought audio.
    worked: bool,
    halted: bool,
}

impl<'a> Stream<'a> {
    /// Opens and plays the source. `returns`: whether it is opened again when it ends, fails or stalls.
    ///
    /// # Errors
    /// A source that can't be opened the first time.
    pub(super) fn new(returns: bool, open: Open<'a>, advise: Advise<'a>) -> Result<Self> {
        let session = open().and_then(|session| session.play().map(|()| session)).map_err(&advise)?;
        let now = Instant::now();
        Ok(Self {
            open,
            advise,
            returns,
            session: Some(session),
            steps: VecDeque::new(),
            pause: FIRST_PAUSE,
            retry_at: now,
            opened: now,
            end: 0,
            moved: now,
            worked: false,
            halted: false,
        })
    }

    /// The session, unless the source is away.
    pub(super) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Where the audio that left the element ends, nanoseconds of stream time of this session.
    pub(super) fn end(&self) -> u64 {
        self.session.as_ref().map_or(0, Session::end)
    }

    /// Halts the flow of audio, when open events end, or lets it continue.
    pub(super) fn halt(&mut self, halt: bool) -> Result<()> {
        self.halted = halt;
        self.moved = Instant::now();
        match &self.session {
            Some(session) if halt => session.pause().map(|()| session.reset()),
            Some(session) => session.play(),
            None => Ok(()),
        }
    }

    /// Waits at most `timeout` for the next step.
    pub(super) fn step(&mut self, timeout: Duration) -> Result<SessionStep> {
        interrupt::check()?;
        if let Some(step) = self.steps.pop_front() {
            return Ok(step);
        }
        if self.session.is_none() {
            return self.retry(timeout);
        }
        let stalls = self.stalls();
        let Some(session) = &self.session else { return Ok(SessionStep::Idle) };
        let timeout = gst::ClockTime::from_nseconds(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        match session.step(timeout) {
            Ok(SessionStep::End) if self.returns && self.worked && !is_whole(session) => self.lose("the stream ended"),
            Err(Failure::Failed(why)) if self.returns && self.worked => self.lose(&why),
            Ok(SessionStep::Idle) if stalls => self.lose(&format!("no audio for {} s", STALL.as_secs())),
            other => other.map_err(&self.advise),
        }
    }

    /// The remaining results of the source: open events end.
    pub(super) fn close(&mut self) -> Vec<SessionStep> {
        let mut steps: Vec<_> = self.steps.drain(..).collect();
        steps.extend(self.session.take().map(Session::close).unwrap_or_default());
        steps
    }

    fn stalls(&mut self) -> bool {
        let end = self.end();
        if end != self.end || self.halted {
            self.worked |= end > 0;
            (self.end, self.moved) = (end, Instant::now());
            if self.opened.elapsed() > GOOD {
                self.pause = FIRST_PAUSE;
            }
        }
        self.returns && self.moved.elapsed() > STALL
    }

    fn lose(&mut self, why: &str) -> Result<SessionStep> {
        let last = self.session.take().map(Session::close).unwrap_or_default();
        self.steps.extend(last);
        let pause = self.pause;
        self.pause = (2 * self.pause).min(MAXIMUM_PAUSE);
        self.retry_at = Instant::now() + pause;
        self.steps.push_back(SessionStep::Lost(format!("{why}; trying again in {} s", pause.as_secs())));
        Ok(self.steps.pop_front().unwrap_or(SessionStep::Idle))
    }

    fn retry(&mut self, timeout: Duration) -> Result<SessionStep> {
        let left = self.retry_at.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            std::thread::sleep(left.min(timeout));
            return Ok(SessionStep::Idle);
        }
        let session = (self.open)().and_then(|session| session.play().map(|()| session));
        match session {
            Ok(session) => {
                self.session = Some(session);
                (self.opened, self.moved, self.end) = (Instant::now(), Instant::now(), 0);
                if self.halted {
                    self.halt(true)?;
                }
                Ok(SessionStep::Idle)
            }
            // A device that is named may be unplugged.
            Err(Failure::Failed(why) | Failure::Usage(why)) => self.lose(&why),
            Err(failure) => Err(failure),
        }
    }
}

/// Whether the session was one of a recording on a server, and came to its end.
fn is_whole(session: &Session) -> bool {
    session.length().is_some_and(|length| session.end().saturating_add(NEAR) >= length.nseconds())
}
