// SPDX-License-Identifier: MIT OR Apache-2.0
//! The terminal around the live view's state.

use std::{
    io::{self, IsTerminal},
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use gst::prelude::*;
use ratatui::{
    DefaultTerminal,
    crossterm::{
        SynchronizedUpdate,
        event::{self, Event},
    },
};

use super::{
    draw::draw,
    sound::Sound,
    state::{Command, State},
};
use crate::{
    exit::{Exit, Failure, Result},
    output,
    record::Record,
    session::{Session, Step},
    source,
    warm_engine::WarmEngine,
};

const FRAME: Duration = Duration::from_millis(33);

/// Shows the session until the user quits.
pub(super) fn run(session: &Session, warm_engine: &WarmEngine, sounds: &Receiver<Sound>) -> Result<Exit> {
    session.play()?;
    let settings = warm_engine.settings();
    let model = super::model(warm_engine)?.manifest().name.clone();
    let batch = 1_000_000_000 * u64::from(settings.property::<u32>("process-count"))
        / u64::from(settings.property::<u32>("oversamples").max(1));
    let mut state = State::new(source::short(session.name()), &model, settings.property("threshold"), batch);
    if let Some(warning) = warm_engine.warnings().last() {
        state.note(warning.clone());
    }
    let mut view = View { state, session, sounds, ended: false };
    let mut terminal = ratatui::try_init().map_err(|error| terminal_failure(&error))?;
    let exit = view.show(&mut terminal);
    leave(terminal);
    exit
}

/// Gives the terminal back. One that is gone takes nothing, and what would show its cursor at last panics about that.
fn leave(mut terminal: DefaultTerminal) {
    if ratatui::try_restore().and_then(|()| terminal.show_cursor()).is_err() {
        std::mem::forget(terminal);
    }
}

struct View<'a> {
    state: State,
    session: &'a Session,
    sounds: &'a Receiver<Sound>,
    ended: bool,
}

impl View<'_> {
    fn show(&mut self, terminal: &mut DefaultTerminal) -> Result<Exit> {
        let colour = output::colour(&io::stdout());
        let mut last = Instant::now();
        loop {
            self.hear()?;
            let now = Instant::now();
            self.state.tick(now - last);
            last = now;
            // Terminals that know how show the picture in one piece.
            let drawn =
                io::stdout().sync_update(|_| terminal.draw(|frame| draw(frame, &self.state, colour)).map(|_| ()));
            drawn.and_then(|drawn| drawn).map_err(|error| terminal_failure(&error))?;
            match self.keys(now + FRAME)? {
                Some(Command::Quit) => return Ok(Exit::Success),
                Some(Command::Interrupt) => return Ok(Exit::Interrupted),
                Some(command) => self.carry_out(command)?,
                None => {}
            }
        }
    }

    /// Takes in all that the pipeline has told so far.
    fn hear(&mut self) -> Result<()> {
        for sound in self.sounds.try_iter() {
            match sound {
                Sound::Column(column) => self.state.column(&column),
                Sound::Loudness { level, peak } => self.state.loudness(level, peak),
            }
        }
        self.state.heard(self.session.end());
        while !self.ended {
            match self.session.step(gst::ClockTime::ZERO)? {
                Step::Idle => {
                    if !self.session.waiting() {
                        return Ok(());
                    }
                }
                Step::End => {
                    self.ended = true;
                    self.state.end();
                }
                Step::Warning(why) => self.state.note(why),
                Step::Record(Record::Window(window)) => self.state.window(&window),
                Step::Record(Record::Event(event)) => self.state.event(&event),
            }
        }
        crate::interrupt::check()
    }

    /// Waits for a key until it is time for the next picture.
    fn keys(&mut self, until: Instant) -> Result<Option<Command>> {
        while event::poll(until.saturating_duration_since(Instant::now())).map_err(|error| terminal_failure(&error))? {
            let event = event::read().map_err(|error| terminal_failure(&error))?;
            match event {
                Event::Key(key) => {
                    if let Some(command) = self.state.key(key) {
                        return Ok(Some(command));
                    }
                }
                // Drawn anew at the new size at once.
                Event::Resize(..) => return Ok(None),
                _ => {}
            }
        }
        Ok(None)
    }

    fn carry_out(&mut self, command: Command) -> Result<()> {
        match command {
            Command::Pause(true) => self.session.pause()?,
            Command::Pause(false) => self.session.play()?,
            Command::Threshold(threshold) => self.session.element().set_property("threshold", threshold),
            Command::Reset => self.session.element().emit_by_name::<()>("reset", &[]),
            Command::Quit | Command::Interrupt => {}
        }
        Ok(())
    }
}

fn terminal_failure(error: &io::Error) -> Failure {
    if !io::stdin().is_terminal() {
        // It was closed, and the signal that tells so is on its way.
        return Failure::Interrupted;
    }
    Failure::Failed(format!("terminal: {error}; `--plain` prints lines"))
}
