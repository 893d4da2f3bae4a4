// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify live`: a microphone or an address, in a view that moves or as lines.

mod draw;
mod sound;
mod state;
mod view;

use std::io::{self, IsTerminal};

use gst::prelude::*;
use serde::Serialize;
use soundclassify_core::model::Model;

use crate::{
    args::LiveArgs,
    exit::{Exit, Failure, Result},
    interrupt,
    options::ElementOptions,
    output::{self, Form, Printer},
    session::{Listener, Session, Source, make},
    source,
    warm_engine::WarmEngine,
};

/// Listens until the stream ends or the user has enough.
pub(crate) fn run(args: &LiveArgs, options: ElementOptions) -> Result<Exit> {
    if args.list_devices {
        return list_devices(args.form.json);
    }
    interrupt::install()?;
    let lines = args.plain || args.time || args.form.events || args.form.form() != Form::Plain;
    if !lines && io::stdout().is_terminal() && io::stdin().is_terminal() {
        let warm_engine = WarmEngine::new(options.or("top-k", ["12"]).with("report", "all"))?;
        let (listener, sounds) = sound::listener(&warm_engine)?;
        let session = open(args, &warm_engine, Some(listener))?;
        return view::run(&session, &warm_engine, &sounds).map_err(|failure| advise(args, failure));
    }
    let warm_engine = WarmEngine::new(args.form.apply(options)?)?;
    print(args, &warm_engine).map_err(|failure| advise(args, failure))
}

/// Why a microphone gives nothing is seldom clear from what the sound system says.
fn advise(args: &LiveArgs, failure: Failure) -> Failure {
    match failure {
        Failure::Failed(why) if args.uri.is_none() => Failure::Failed(format!(
            "{why}; `soundclassify --list-devices` tells which microphones there are, `soundclassify doctor` what is missing"
        )),
        other => other,
    }
}

/// The pipeline from what the user chose.
fn open(args: &LiveArgs, warm_engine: &WarmEngine, listener: Option<Listener>) -> Result<Session> {
    if let Some(uri) = &args.uri {
        return warm_engine.session(uri, Source::Played(&source::uri(uri)?), listener);
    }
    let (name, source) = match &args.device {
        Some(wanted) => {
            let microphone = source::microphone(wanted)?;
            (microphone.name.clone(), microphone.element()?)
        }
        None => ("microphone".to_owned(), make("autoaudiosrc")?),
    };
    warm_engine.session(&name, Source::Element(source), listener)
}

fn print(args: &LiveArgs, warm_engine: &WarmEngine) -> Result<Exit> {
    let session = open(args, warm_engine, None)?;
    let mut printer = Printer::stdout(args.form.form(), args.time);
    output::print(&session, &mut printer)?;
    Ok(Exit::Success)
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
        output::tell("soundclassify: no microphone found; run `soundclassify doctor`");
        return Ok(Exit::Failed);
    }
    Ok(Exit::Success)
}

/// The features of the model that the warm_engine loaded.
fn model(warm_engine: &WarmEngine) -> Result<Model> {
    Ok(Model::load(&warm_engine.settings().property::<String>("model"))?)
}
