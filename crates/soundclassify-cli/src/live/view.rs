// SPDX-License-Identifier: MIT OR Apache-2.0
//! The terminal around the live view's state.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal},
    sync::mpsc::{self, Receiver},
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
    actions::Actions,
    draw::draw,
    measurements::{self, Measurement},
    mqtt::{Broker, Order},
    onsets::Onsets,
    state::{Command, State},
    stream::Stream,
};
use crate::{
    args::LiveArgs,
    exit::{Exit, Failure, Result},
    picture_axes::bands,
    quiet_errors::QuietErrors,
    record::Record,
    session::{Session, SessionStep},
    terminal,
    warm_engine::WarmEngine,
};

const FRAME: Duration = Duration::from_millis(33);
/// Number of warnings that are printed again after the view.
const KEPT: usize = 5;

/// Shows the stream until the user quits.
pub(super) fn run(args: &LiveArgs, broker: Option<&Broker>, warm_engine: &WarmEngine) -> Result<Exit> {
    let quiet = QuietErrors::new();
    let (sender, measurements) = mpsc::channel();
    let name = super::source_name(args)?;
    let listener = move || measurements::listener(warm_engine, sender.clone()).map(Some);
    let mut stream = super::stream(args, warm_engine, listener)?;
    let settings = warm_engine.settings();
    let model = super::model(warm_engine)?;
    let manifest = model.manifest();
    let batch = 1_000_000_000 * u64::from(settings.property::<u32>("process-count"))
        / u64::from(settings.property::<u32>("oversamples").max(1));
    let mut state = State::new(&name, &manifest.name, settings.property("threshold"), batch);
    state.axes(bands(&manifest.features), measurements::column_rate(&manifest.features));
    if let Some(warning) = warm_engine.warnings().last() {
        state.note(warning.clone());
    }
    let actions = Actions::new(args, broker, warm_engine, &name, true)?;
    let mut terminal = ratatui::try_init().map_err(|error| terminal_failure(&error))?;
    let failures = VecDeque::new();
    let mut view = View {
        state,
        stream: &mut stream,
        actions,
        onsets: Onsets::default(),
        measurements: &measurements,
        failures,
        ended: false,
    };
    let exit = view.show(&mut terminal);
    leave(terminal);
    view.close();
    let View { actions, failures, .. } = view;
    drop(quiet);
    failures.iter().rev().chain(&actions.finish(false)).for_each(|why| super::warn(why));
    exit
}

/// Restores the terminal, unless it has gone, when showing its cursor would panic.
fn leave(mut terminal: DefaultTerminal) {
    if ratatui::try_restore().and_then(|()| terminal.show_cursor()).is_err() {
        std::mem::forget(terminal);
    }
}

struct View<'a, 'b> {
    state: State,
    stream: &'a mut Stream<'b>,
    actions: Actions,
    onsets: Onsets,
    measurements: &'a Receiver<Measurement>,
    /// The last warnings about actions, which the view shows for a short time only.
    failures: VecDeque<String>,
    ended: bool,
}

impl View<'_, '_> {
    fn show(&mut self, terminal: &mut DefaultTerminal) -> Result<Exit> {
        let colour = terminal::has_colour(&io::stdout());
        let mut last = Instant::now();
        loop {
            self.take()?;
            let now = Instant::now();
            self.state.tick(now - last);
            last = now;
            // Terminals with synchronised updates show the whole frame at once.
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

    /// Processes all messages of the pipeline and orders of the broker.
    fn take(&mut self) -> Result<()> {
        for measurement in self.measurements.try_iter() {
            self.actions.measured(&measurement);
            match measurement {
                Measurement::Column(column) => self.state.column(&column),
                Measurement::Loudness { level, peak } => self.state.loudness(level, peak),
            }
        }
        let (orders, warnings) = self.actions.news();
        for why in warnings {
            self.failures.truncate(KEPT - 1);
            self.failures.push_front(why.clone());
            self.state.note(why);
        }
        for order in orders {
            if let Order::Enable(enable) = order {
                self.state.pause(!enable);
            }
            super::carry_out(order, self.stream)?;
        }
        self.state.sounded(self.stream.end());
        while !self.ended {
            match self.stream.step(Duration::ZERO)? {
                SessionStep::Idle => {
                    if !self.stream.session().is_some_and(Session::waiting) {
                        return Ok(());
                    }
                }
                step => self.step(step),
            }
        }
        crate::interrupt::check()
    }

    fn step(&mut self, step: SessionStep) {
        match step {
            SessionStep::Idle => {}
            SessionStep::End => {
                self.ended = true;
                self.state.end();
            }
            SessionStep::Warning(why) => self.state.note(why),
            SessionStep::Lost(why) => {
                self.state.note(why);
                self.state.restart();
            }
            SessionStep::Record(record) => {
                let onset = self.onsets.of_record(&record, self.stream.end());
                if let Some(why) = self.actions.record(&record, onset.as_ref()) {
                    self.state.note(why);
                }
                match record {
                    Record::Window(window) => self.state.window(&window),
                    Record::Event(event) => {
                        let time = onset.and_then(|onset| onset.format("%H:%M:%S").ok());
                        self.state.event(&event, time.as_deref().unwrap_or_default());
                    }
                }
            }
        }
    }

    /// Events that are open end, for commands and brokers.
    fn close(&mut self) {
        for step in self.stream.close() {
            self.step(step);
        }
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
                // Redrawn immediately at the new size.
                Event::Resize(..) => return Ok(None),
                _ => {}
            }
        }
        Ok(None)
    }

    fn carry_out(&mut self, command: Command) -> Result<()> {
        match command {
            Command::Pause(pause) => self.stream.halt(pause)?,
            Command::Threshold(threshold) => {
                if let Some(session) = self.stream.session() {
                    session.element().set_property("threshold", threshold);
                }
            }
            Command::Reset => {
                if let Some(session) = self.stream.session() {
                    session.reset();
                }
            }
            Command::Quit | Command::Interrupt => {}
        }
        Ok(())
    }
}

fn terminal_failure(error: &io::Error) -> Failure {
    if !io::stdin().is_terminal() {
        // It was closed, and its signal will follow.
        return Failure::Interrupted;
    }
    Failure::Failed(format!("terminal: {error}; `--plain` prints lines"))
}
