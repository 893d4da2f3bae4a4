// SPDX-License-Identifier: MIT OR Apache-2.0
//! The output of a scan: a table, or a file that is made from a table as its journal.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::{
    export::{self, Labels},
    summary::FileRecord,
};
use crate::{
    args::ScanArgs,
    exit::{Failure, Result},
};

/// Formats for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One table with one row per event
    Csv,
    /// A folder of label tracks for Audacity, one per recording
    Audacity,
    /// A folder of selection tables for Raven, one per recording
    Raven,
}

/// The files that a scan writes in addition to its journal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// None: the table is the result.
    Table(PathBuf),
    /// A Parquet file, at the end.
    Parquet(PathBuf),
    /// A table of events as CSV, at the end.
    Events(PathBuf),
    /// A label file for each recording as soon as it is classified.
    Folder(PathBuf, Labels),
}

impl Target {
    /// The target that the options select.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the name of the output does not fit them.
    pub(super) fn of(args: &ScanArgs) -> Result<Self> {
        let path = args.output.clone();
        let is = |extension: &str| path.extension().is_some_and(|it| it == extension);
        match args.format {
            Some(Format::Csv) if is("csv") => Ok(Self::Events(path)),
            Some(Format::Csv) => {
                Err(Failure::Usage(format!("-o {}: --format csv writes a file that ends in .csv", path.display())))
            }
            Some(format) if path.is_file() => {
                Err(Failure::Usage(format!("-o {}: --format {format:?} writes a folder, found a file", path.display())))
            }
            Some(Format::Audacity) => Ok(Self::Folder(path, Labels::Audacity)),
            Some(Format::Raven) => Ok(Self::Folder(path, Labels::Raven)),
            None if is("parquet") => Ok(Self::Parquet(path)),
            None if is("csv") && args.events => Err(Failure::Usage(
                "--events: a .csv with one row per file can't contain events; --format csv writes one row per event"
                    .to_owned(),
            )),
            None if is("csv") && (args.windows || args.scores) => Err(Failure::Usage(
                "--windows: a .csv with one row per file can't contain windows; use -o with .parquet or .jsonl"
                    .to_owned(),
            )),
            None => Ok(Self::Table(path)),
        }
    }

    /// The table with the classified files.
    pub(super) fn journal(&self) -> PathBuf {
        match self {
            Self::Table(path) => path.clone(),
            Self::Parquet(path) | Self::Events(path) => with_suffix(path, ".jsonl"),
            Self::Folder(folder, _) => folder.join("scan.jsonl"),
        }
    }

    /// Whether the results are events.
    pub(super) fn needs_events(&self) -> bool {
        matches!(self, Self::Events(_) | Self::Folder(..))
    }

    /// Creates the outputs before the first file, and refuses to overwrite files that no scan made.
    pub(super) fn prepare(&self, restart: bool) -> Result<()> {
        match self {
            Self::Folder(folder, _) => {
                std::fs::create_dir_all(folder).map_err(|error| Failure::io("folder", folder, &error))
            }
            Self::Parquet(path) | Self::Events(path) if path.exists() && !restart && !self.journal().exists() => {
                Err(Failure::Usage(format!(
                    "{}: exists, but its journal {} does not; give a different -o, or --restart to overwrite it",
                    path.display(),
                    self.journal().display()
                )))
            }
            _ => Ok(()),
        }
    }

    /// Writes the output of one file, before its row is in the journal.
    pub(super) fn write(&self, record: &FileRecord, bandwidth: f64) -> Result<()> {
        match self {
            Self::Folder(folder, labels) => export::labels(folder, *labels, record, bandwidth),
            _ => Ok(()),
        }
    }

    /// Writes the output that is made from the whole journal.
    pub(super) fn finish(&self, events: bool, scores: bool) -> Result<()> {
        match self {
            Self::Table(_) | Self::Folder(..) => Ok(()),
            Self::Parquet(path) if events => export::parquet_of_events(&self.journal(), path),
            Self::Parquet(path) => export::parquet_of_windows(&self.journal(), path, scores),
            Self::Events(path) => export::csv_of_events(&self.journal(), path),
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
