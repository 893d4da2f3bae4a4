// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify file`: classifies files and addresses as fast as possible.

use std::io::IsTerminal;

use gst::prelude::*;
use soundclassify_core::model::Model;

use crate::{
    args::FileArgs,
    exit::{Exit, Failure, Result},
    interrupt,
    options::ElementOptions,
    output::{self, Printer},
    progress::Progress,
    session::Source,
    source,
    warm_engine::WarmEngine,
};

/// Prints the results of all inputs; an input that fails is reported on standard error, and the others continue.
pub(crate) fn run(args: &FileArgs, options: ElementOptions) -> Result<Exit> {
    interrupt::install()?;
    let options = if args.no_ensemble { options.with("ensembles", "1") } else { options };
    let options = args.form.apply(options)?;
    let asked = ["threshold", "label-thresholds", "allow-labels", "deny-labels"];
    let warm_engine = WarmEngine::new(options.clone())?;
    // Otherwise, only thresholds of the model suppress labels.
    let may_hint = !args.form.events && asked.iter().all(|name| options.get(name).is_none());
    let mut printer = Printer::stdout(args.form.form(), !args.no_time);
    let mut exit = Exit::Success;
    for input in &args.inputs {
        printer.input(input);
        if args.inputs.len() > 1 {
            printer.headline(input)?;
        }
        match one(input, &warm_engine, &mut printer) {
            Err(Failure::Failed(why)) => {
                output::note(format_args!("soundclassify: {why}"));
                exit = Exit::Failed;
            }
            Ok(0) if may_hint && has_thresholds(&warm_engine)? => {
                output::note(format_args!(
                    "soundclassify: {input}: no label reached its threshold; --threshold=0 prints all"
                ));
            }
            other => drop(other?),
        }
    }
    Ok(exit)
}

fn one(input: &str, warm_engine: &WarmEngine, printer: &mut Printer<std::io::StdoutLock<'_>>) -> Result<u64> {
    let uri = source::uri(input)?;
    let progress = Progress::new(input).between_lines(std::io::stdout().is_terminal());
    output::print(&warm_engine.session(input, Source::Uri(&uri), None)?, Some(progress), printer)
}

fn has_thresholds(warm_engine: &WarmEngine) -> Result<bool> {
    let model = Model::load(&warm_engine.settings().property::<String>("model"))?;
    Ok(!model.manifest().defaults.thresholds.is_empty())
}
