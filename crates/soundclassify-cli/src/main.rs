// SPDX-License-Identifier: MIT OR Apache-2.0
//! The companion program of the element `soundclassify`: live view, files, folders, reports.
//!
//! It is a client of the element: it builds pipelines with it and reads its messages.
#![forbid(unsafe_code)]
// They panic if the reader has gone.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod address;
mod args;
mod arrival;
mod atomic_file;
mod complete;
mod doctor;
mod embedding_table;
mod emoji;
mod exit;
mod features;
mod file;
mod inspect;
mod interrupt;
mod label_structures;
mod labels;
mod learn;
mod list_labels;
mod live;
mod lock;
mod manifest_copy;
mod manual;
mod mel_stream;
mod model_files;
mod npy;
mod options;
mod output;
mod palette;
mod picture;
mod picture_axes;
mod picture_bitmap;
mod progress;
mod quiet_errors;
mod record;
mod report;
mod scan;
mod session;
mod short_hash;
mod source;
mod terminal;
mod tune;
mod verify;
mod version;
mod warm_engine;
mod window_values;

use std::{
    borrow::Cow,
    io::{self, Write},
    process::ExitCode,
};

use clap::{FromArgMatches, error::ContextValue};
use soundclassify_core::model::check;
use soundclassify_core::text;

use crate::{
    address::without_credentials,
    args::{Cli, Commands},
    exit::{Exit, Failure, Result},
    options::ElementOptions,
};

/// First argument with which this program starts itself to check a network in a separate process.
const CHECK_MODEL: &str = "check-model";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some((CHECK_MODEL, rest)) = arguments.split_first().and_then(|(first, rest)| Some((first.to_str()?, rest))) {
        std::process::exit(check::run(rest));
    }
    if let Ok(program) = std::env::current_exe() {
        check::set_checker(program, vec![CHECK_MODEL.into()]);
    }
    match run() {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !matches!(failure, Failure::OutputClosed | Failure::Interrupted) {
                output::note(format_args!("soundclassify: {failure}"));
            }
            failure.exit().into()
        }
    }
}

fn run() -> Result<Exit> {
    gst::init().map_err(|error| Failure::Failed(format!("GStreamer can't be started: {error}")))?;
    gstsoundclassify::plugin_register_static()
        .map_err(|error| Failure::Failed(format!("the plugin can't be registered: {error}")))?;
    if complete::answer()? {
        return Ok(Exit::Success);
    }
    if std::env::args_os().nth(1).is_some_and(|first| first == "--version") {
        return version::run();
    }
    let command = args::command();
    let arguments = args::with_command(&command, std::env::args_os().collect());
    let matches = match command.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let options = matches.subcommand().map(|(_, matches)| ElementOptions::from_matches(matches)).unwrap_or_default();
    carry_out(cli.command, options)
}

fn carry_out(command: Commands, options: ElementOptions) -> Result<Exit> {
    match command {
        Commands::Live(args) => live::run(&args, options),
        Commands::File(args) => file::run(&args, options),
        Commands::Scan(args) => scan::run(&args, options),
        Commands::Report(args) => report::run(&args, options),
        Commands::Features(args) => features::run(&args),
        Commands::Work(args) => scan::work::run(&args, options),
        Commands::Tune(args) => tune::run(&args, options),
        Commands::Learn(args) => learn::run(&args),
        Commands::Inspect(args) => inspect::run(&args),
        Commands::Labels(args) => list_labels::run(&args),
        Commands::Doctor(args) => doctor::run(&args),
        Commands::Completions { shell } => complete::print_script(shell),
        Commands::Man => manual::man(),
    }
}

/// Help and version are no errors; every other error of clap is wrong usage.
fn usage(error: &clap::Error) -> Result<Exit> {
    let rendered = error.render().to_string();
    let shown = without_given_secrets(error, &rendered);
    if shown != rendered {
        // The error of a closed one is ignored.
        let _ = writeln!(io::stderr(), "{}", text::visible_lines(shown.trim_end()));
        return Ok(Exit::Usage);
    }
    let printed = error.print().and_then(|()| io::stdout().flush());
    match printed {
        // The error of a closed terminal can't be printed there.
        _ if error.use_stderr() => Ok(Exit::Usage),
        Ok(()) => Ok(Exit::Success),
        Err(error) => Err(Failure::output(&error)),
    }
}

/// The text of an error without the passwords of addresses among the arguments that it repeats.
fn without_given_secrets(error: &clap::Error, text: &str) -> String {
    let given = error.context().filter_map(|(_, value)| match value {
        ContextValue::String(text) => Some(std::slice::from_ref(text)),
        ContextValue::Strings(texts) => Some(texts.as_slice()),
        _ => None,
    });
    given.flatten().fold(text.to_owned(), |text, given| match without_credentials(given) {
        Cow::Borrowed(_) => text,
        Cow::Owned(shown) => text.replace(given, &shown),
    })
}
