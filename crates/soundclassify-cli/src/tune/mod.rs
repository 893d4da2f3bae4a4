// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify tune`: thresholds per label, from labelled recordings or from hours of unlabelled audio.

mod curve;
mod episodes;
mod labelled;
mod manifest;
mod picture;
mod quiet;
mod truth;

use std::path::Path;

use gst::prelude::*;
use soundclassify_core::model::{Manifest, Model};

use crate::{
    args::TuneArgs,
    atomic_file::ReservedFile,
    exit::{Exit, Failure, Result},
    interrupt,
    options::ElementOptions,
    output,
    picture::Format,
    warm_engine::WarmEngine,
};

/// A label's new threshold.
pub(super) struct Threshold<'a> {
    label: &'a str,
    value: f64,
}

/// Chooses thresholds, prints them, and writes picture and manifest if requested.
pub(crate) fn run(args: &TuneArgs, options: ElementOptions) -> Result<Exit> {
    interrupt::install()?;
    match &args.table {
        Some(table) => {
            // The probability of every label in every window, without the filters of the manifest.
            let options =
                options.with("top-k", "1000").with("threshold", "0").or("allow-labels", [""]).or("deny-labels", [""]);
            labelled::run(table, args, &options)
        }
        // Labels that the model or the user denies need no threshold.
        None => quiet::run(args, &options.with("top-k", "1000").with("threshold", "0").with("report", "windows")),
    }
}

/// The model that these options load; all its errors come here, before any recording is opened.
fn model_in_force(options: &ElementOptions) -> Result<Model> {
    let warm_engine = WarmEngine::new(options.clone())?;
    Ok(Model::load(&warm_engine.settings().property::<String>("model"))?)
}

/// The output files, checked before hours of audio are analysed.
struct Outputs<'a> {
    manifest: Option<&'a Path>,
    picture: Option<(&'a Path, Format)>,
}

/// The output files, reserved.
struct Reserved {
    manifest: Option<ReservedFile>,
    picture: Option<(ReservedFile, Format)>,
}

impl<'a> Outputs<'a> {
    fn check(args: &'a TuneArgs, manifest: &Manifest) -> Result<Self> {
        let picture = args.picture.as_deref().map(|path| Format::of(path).map(|format| (path, format))).transpose()?;
        let copy = args.output.as_deref();
        if let Some(path) = copy.filter(|path| path.extension().is_none_or(|it| it != "toml")) {
            return Err(Failure::Usage(format!("-o {}: expected a name that ends in .toml", path.display())));
        }
        args.output.iter().chain(&args.picture).try_for_each(|path| output::check_folder(path))?;
        copy.map_or(Ok(()), |path| manifest::check(path, manifest))?;
        Ok(Self { manifest: copy, picture })
    }

    fn reserve(self) -> Result<Reserved> {
        let picture = |(path, format)| ReservedFile::reserve("picture", path).map(|place| (place, format));
        Ok(Reserved {
            manifest: self.manifest.map(|path| ReservedFile::reserve("manifest", path)).transpose()?,
            picture: self.picture.map(picture).transpose()?,
        })
    }
}

impl Reserved {
    fn write(self, manifest: &Manifest, thresholds: &[Threshold<'_>], charts: &[picture::Chart]) -> Result<()> {
        if let Some((place, format)) = self.picture {
            picture::draw(place, format, charts)?;
        }
        self.manifest.map_or(Ok(()), |place| manifest::write(place, manifest, thresholds))
    }
}
