// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify live`: a microphone or an address, in a view that moves or as lines.

mod actions;
pub(crate) mod commands;
mod draw;
mod measurements;
pub(crate) mod mqtt;
mod onsets;
mod reported;
mod state;
mod stream;
mod view;

use std::{
    io::{self, IsTerminal},
    sync::mpsc,
    time::Duration,
};

use gst::prelude::*;
use serde::Serialize;
use soundclassify_core::model::Model;

use self::{
    actions::Actions,
    mqtt::{Broker, Order},
    onsets::Onsets,
    reported::Reported,
    stream::Stream,
};
use crate::{
    args::LiveArgs,
    exit::{Exit, Failure, Result},
    interrupt,
    options::ElementOptions,
    output::{self, Form, Printer},
    quiet_errors::QuietErrors,
    record::Record,
    session::{Listener, SessionStep, Source, make},
    source, terminal,
    warm_engine::WarmEngine,
};

/// How long a wait for the next result may be, until signals and the broker are looked at.
const STEP: Duration = Duration::from_millis(100);

/// Classifies until the stream ends or the user has enough.
pub(crate) fn run(args: &LiveArgs, options: ElementOptions) -> Result<Exit> {
    if args.list_devices {
        return list_devices(args.form.json);
    }
    interrupt::install()?;
    let files = (args.mqtt_password_file.as_deref(), args.mqtt_ca.as_deref());
    let broker = args.mqtt.clone().map(|broker| broker.complete(files.0, files.1)).transpose()?;
    if in_lines(args) {
        let options = args.form.apply(options)?;
        // Commands and brokers take events, whatever is printed.
        let options = if acts(args) && !args.form.events { options.with("report", "all") } else { options };
        let warm_engine = WarmEngine::new(options)?;
        check_commands(args, &warm_engine)?;
        return print(args, broker.as_ref(), &warm_engine);
    }
    let warm_engine = WarmEngine::new(options.or("top-k", ["12"]).with("report", "all"))?;
    check_commands(args, &warm_engine)?;
    view::run(args, broker.as_ref(), &warm_engine)
}

/// Whether results are printed as lines: by request, or because the terminal can't show the view.
fn in_lines(args: &LiveArgs) -> bool {
    let asked = args.plain || args.time || args.form.events || args.form.form() != Form::Plain;
    asked || !terminal::is_capable(&io::stdout()) || !io::stdin().is_terminal()
}

fn acts(args: &LiveArgs) -> bool {
    !args.on.is_empty() || args.mqtt.is_some()
}

/// Labels of commands must be among those that are reported.
fn check_commands(args: &LiveArgs, warm_engine: &WarmEngine) -> Result<()> {
    if args.on.is_empty() {
        return Ok(());
    }
    let reported = Reported::of(warm_engine)?;
    let unknown = args.on.iter().filter_map(commands::OnEvent::named).try_for_each(|label| reported.check(label));
    unknown.map_err(|why| Failure::Usage(format!("--on: {why}")))
}

/// The error for a source without audio; that of GStreamer rarely states the reason.
fn advise(args: &LiveArgs, failure: Failure) -> Failure {
    let Failure::Failed(why) = failure else { return failure };
    if let Some(uri) = &args.uri {
        return Failure::Failed(source::unreachable(uri).unwrap_or(why));
    }
    let none = source::microphones().is_ok_and(|devices| devices.is_empty());
    Failure::Failed(if none {
        "no microphone found: connect one and check `soundclassify --list-devices`, or give an address \
         (`soundclassify rtsp://…`) or a recording (`soundclassify file FILE`)"
            .to_owned()
    } else {
        format!("{why}; `soundclassify --list-devices` lists microphones for --device")
    })
}

/// What the user calls the source of the audio: the address, the device's name.
fn source_name(args: &LiveArgs) -> Result<String> {
    if let Some(uri) = &args.uri {
        return Ok(source::short(uri));
    }
    if let Some(wanted) = &args.device {
        return Ok(source::microphone(wanted)?.name);
    }
    // The sound system may have no default device, and then no name for it.
    let devices = source::microphones().unwrap_or_default();
    let default = devices.iter().find(|device| device.default).or(devices.first().filter(|_| devices.len() == 1));
    Ok(default.map_or_else(|| "microphone".to_owned(), |device| device.name.clone()))
}

/// Whether the source is a file, whose time begins at 0.
fn is_recording(args: &LiveArgs) -> bool {
    args.uri.as_deref().is_some_and(|uri| !source::is_uri(uri) || uri.starts_with("file:"))
}

/// The stream that the user selected; `listener` creates the listener of each session.
fn stream<'a>(
    args: &'a LiveArgs,
    warm_engine: &'a WarmEngine,
    listener: impl Fn() -> Result<Option<Listener>> + 'a,
) -> Result<Stream<'a>> {
    let open = move || {
        if let Some(uri) = &args.uri {
            return warm_engine.session(uri, Source::Played(&source::uri(uri)?), listener()?);
        }
        let (name, source) = match &args.device {
            Some(wanted) => {
                let microphone = source::microphone(wanted)?;
                (microphone.name.clone(), microphone.element()?)
            }
            None => ("microphone".to_owned(), make("autoaudiosrc")?),
        };
        warm_engine.session(&name, Source::Element(source), listener()?)
    };
    Stream::new(!is_recording(args), Box::new(open), Box::new(|failure| advise(args, failure)))
}

fn print(args: &LiveArgs, broker: Option<&Broker>, warm_engine: &WarmEngine) -> Result<Exit> {
    let (sender, measurements) = mpsc::channel();
    let level = Actions::wants_level(args);
    let quiet = args.uri.is_none().then(QuietErrors::unless_logging).flatten();
    let name = if acts(args) { source_name(args)? } else { String::new() };
    let mut stream = stream(args, warm_engine, move || {
        level.then(|| measurements::listener(warm_engine, sender.clone())).transpose()
    })?;
    let mut lines = Lines {
        actions: Actions::new(args, broker, warm_engine, &name, false)?,
        printer: Printer::stdout(args.form.form(), args.time || args.form.events),
        windows: !args.form.events,
        time_of_day: !args.time && !is_recording(args),
        onsets: Onsets::default(),
        microphone: args.uri.is_none(),
        opening: quiet.map(|quiet| (quiet, Vec::new())),
    };
    let outcome = loop {
        match stream.step(STEP) {
            Ok(SessionStep::End) => break Ok(Exit::Success),
            Ok(step) => lines.step(step, &stream)?,
            Err(failure) => {
                // It says all that the warnings before it say.
                lines.opening = None;
                break Err(failure);
            }
        }
        measurements.try_iter().for_each(|measurement| lines.actions.measured(&measurement));
        lines.news(&mut stream)?;
        if stream.end() > 0 {
            lines.opened();
        }
    };
    lines.opened();
    // Events that are open end now, for commands and brokers too.
    for step in stream.close() {
        lines.step(step, &stream)?;
    }
    lines.actions.finish(outcome.is_ok()).iter().for_each(|why| warn(why));
    outcome
}

/// Prints results as lines and runs the actions.
struct Lines {
    actions: Actions,
    printer: Printer<io::StdoutLock<'static>>,
    /// Whether windows are printed, and events only acted on.
    windows: bool,
    /// Whether events have the time of day instead of seconds.
    time_of_day: bool,
    onsets: Onsets,
    microphone: bool,
    /// While a microphone is being opened, and warnings about it.
    opening: Option<(QuietErrors, Vec<String>)>,
}

impl Lines {
    /// The microphone brings audio, or the program ends.
    fn opened(&mut self) {
        if let Some((quiet, early)) = self.opening.take() {
            drop(quiet);
            early.iter().for_each(|why| warn(why));
        }
    }

    fn warn(&self, why: &str) {
        match &self.opening {
            Some((quiet, _)) => quiet.note(warning(why)),
            None => warn(why),
        }
    }

    fn step(&mut self, step: SessionStep, stream: &Stream<'_>) -> Result<()> {
        match step {
            SessionStep::Record(record) => {
                let onset = self.onsets.of_record(&record, stream.end());
                if let Some(why) = self.actions.record(&record, onset.as_ref()) {
                    self.warn(&why);
                }
                if matches!(record, Record::Window(_)) == self.windows {
                    let time = onset.filter(|_| self.time_of_day).map(|onset| onsets::word(&onset));
                    self.printer.record_at(&record, time.as_deref())?;
                }
            }
            SessionStep::Warning(why) => match &mut self.opening {
                Some((_, early)) => early.push(why),
                None => warn(&why),
            },
            SessionStep::Lost(why) => {
                self.warn(&why);
                // It is opened again.
                if self.microphone && self.opening.is_none() {
                    self.opening = QuietErrors::unless_logging().map(|quiet| (quiet, Vec::new()));
                }
            }
            SessionStep::Idle | SessionStep::End => {}
        }
        Ok(())
    }

    fn news(&mut self, stream: &mut Stream<'_>) -> Result<()> {
        let (orders, warnings) = self.actions.news();
        warnings.iter().for_each(|why| self.warn(why));
        for order in orders {
            carry_out(order, stream)?;
        }
        Ok(())
    }
}

fn warn(why: &str) {
    output::note(warning(why));
}

fn warning(why: &str) -> String {
    format!("soundclassify: warning: {why}")
}

/// Carries out an order of a client of the broker.
fn carry_out(order: Order, stream: &mut Stream<'_>) -> Result<()> {
    match order {
        Order::Enable(enable) => stream.halt(!enable),
        Order::Threshold(label, threshold) => {
            if let Some(session) = stream.session() {
                actions::set_threshold(session, &label, threshold);
            }
            Ok(())
        }
    }
}

#[derive(Serialize)]
struct Device<'a> {
    id: &'a str,
    name: &'a str,
    default: bool,
}

fn list_devices(json: bool) -> Result<Exit> {
    let devices = source::microphones()?;
    let mut printer = Printer::stdout(Form::Plain, false);
    for device in &devices {
        if json {
            printer.line(&output::json(&Device { id: &device.id, name: &device.name, default: device.default }))?;
        } else {
            let default = if device.default { "  (default)" } else { "" };
            printer.line(&format!("{}  {}{default}", device.id, device.name))?;
        }
    }
    if devices.is_empty() {
        output::note("soundclassify: no microphone found; run `soundclassify doctor`");
        return Ok(Exit::Failed);
    }
    Ok(Exit::Success)
}

/// The features of the model that the warm_engine loaded.
fn model(warm_engine: &WarmEngine) -> Result<Model> {
    Ok(Model::load(&warm_engine.settings().property::<String>("model"))?)
}
