// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify report`: a page to look at and to listen to, and its timeline as a picture.

mod audio;
mod gather;
mod page;
mod spectrogram;
mod timeline;

use std::path::Path;

use gst::prelude::*;
use soundclassify_core::model::{Manifest, Model};

use self::{
    gather::Recording,
    page::{Page, Track},
};
use crate::{
    args::ReportArgs,
    atomic_file::ReservedFile,
    exit::{Exit, Failure, Result},
    interrupt,
    options::{ElementOptions, in_force},
    output,
    picture::Format,
    picture_axes::bands,
    source,
    warm_engine::WarmEngine,
};

/// Windows per model run: cheaper than single windows, and no latency is required. Threads need many to share.
const BATCH: &str = "64";
/// Threads of a model run, on as many cores: with more, small networks gain little.
const MAX_THREADS: usize = 4;

/// Writes a report on all inputs; an input that fails is reported and skipped.
pub(crate) fn run(args: &ReportArgs, options: ElementOptions) -> Result<Exit> {
    interrupt::install()?;
    // A picture that can't be written is no reason to listen to hours of sound first; nor is a page.
    let format = args.picture.as_deref().map(Format::of).transpose()?;
    args.output.as_deref().map_or(Ok(()), check_name)?;
    for path in args.output.iter().chain(&args.picture) {
        output::check_folder(path)?;
        check_no_input(path, &args.inputs)?;
    }
    let page = args.output.as_deref().map(|path| ReservedFile::reserve("report", path)).transpose()?;
    let picture = args.picture.as_deref().map(|path| ReservedFile::reserve("picture", path)).transpose()?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).to_string();
    let options = options.or("top-k", ["1000"]).or("process-count", [BATCH]).or("threads", [&*threads]);
    let warm_engine = WarmEngine::new(options.with("report", "all"))?;
    let model = Model::load(&warm_engine.settings().property::<String>("model"))?;
    let (recordings, exit) = recordings(args, &warm_engine, model.manifest())?;
    if recordings.is_empty() {
        return Ok(Exit::Failed);
    }
    if let (Some(place), Some(format)) = (picture, format) {
        timeline::draw(place, format, &recordings)?;
    }
    if let Some(place) = page {
        let html = html(place.path(), args, &recordings, &warm_engine, model.manifest())?;
        place.fill(html.as_bytes())?;
    }
    Ok(exit)
}

fn check_name(path: &Path) -> Result<()> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html" | "htm") => Ok(()),
        _ => Err(Failure::Usage(format!("-o {}: expected a name that ends in .html or .htm", path.display()))),
    }
}

/// Refuses to overwrite a recording, by any of its names.
fn check_no_input(output: &Path, inputs: &[String]) -> Result<()> {
    let Ok(output) = output.canonicalize() else { return Ok(()) };
    match inputs.iter().find(|input| source::path(input).canonicalize().is_ok_and(|input| input == output)) {
        Some(input) => Err(Failure::Usage(format!("{input}: the output would overwrite this input"))),
        None => Ok(()),
    }
}

fn recordings(args: &ReportArgs, warm_engine: &WarmEngine, manifest: &Manifest) -> Result<(Vec<Recording>, Exit)> {
    let (mut recordings, mut exit) = (Vec::new(), Exit::Success);
    for input in &args.inputs {
        match gather::recording(input, warm_engine, &manifest.features, args.max_labels.into()) {
            Ok(recording) => recordings.push(recording),
            Err(Failure::Failed(why)) => {
                output::note(format_args!("soundclassify: {why}"));
                exit = Exit::Failed;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok((recordings, exit))
}

fn html(
    path: &Path,
    args: &ReportArgs,
    recordings: &[Recording],
    warm_engine: &WarmEngine,
    manifest: &Manifest,
) -> Result<String> {
    let tracks =
        recordings.iter().map(|recording| Ok(Track::new(recording, audio::player(&recording.uri, path, args.audio)?)));
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let page = Page {
        title: args.title.as_deref().or(stem).unwrap_or("report"),
        version: env!("CARGO_PKG_VERSION"),
        model: page::Model {
            name: &manifest.name,
            version: &manifest.version,
            description: &manifest.description,
            licence: &manifest.licence,
            labels: manifest.labels.len(),
        },
        settings: &in_force(warm_engine.settings()),
        bands: bands(&manifest.features),
        recordings: tracks.collect::<Result<_>>()?,
    };
    Ok(page.html())
}
