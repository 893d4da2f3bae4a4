// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the results of a scan go: a table that grows, or, from such a table as its journal, something else.

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

/// Forms for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One table, a row an event
    Csv,
    /// A folder of label tracks for Audacity, one a recording
    Audacity,
    /// A folder of selection tables for Raven, one a recording
    Raven,
}

/// What a scan writes beside its journal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Nothing: the table is the result.
    Table(PathBuf),
    /// A Parquet file, when all is done.
    Parquet(PathBuf),
    /// A table of events as CSV, when all is done.
    Events(PathBuf),
    /// A file of labels for each recording as soon as it is done.
    Folder(PathBuf, Labels),
}

impl Target {
    /// What the options mean.
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
            Some(format) if path.is_file() => Err(Failure::Usage(format!(
                "-o {}: --format {format:?} writes a folder, found a file",
                path.display()
            ))),
            Some(Format::Audacity) => Ok(Self::Folder(path, Labels::Audacity)),
            Some(Format::Raven) => Ok(Self::Folder(path, Labels::Raven)),
            None if is("parquet") => Ok(Self::Parquet(path)),
            None if is("csv") && args.events => Err(Failure::Usage(
                "--events with a table in .csv: a row of a file has no room for them; --format csv writes a row an event"
                    .to_owned(),
            )),
            None if is("csv") && (args.windows || args.scores) => Err(Failure::Usage(
                "--windows needs -o with .parquet or .jsonl: a row of a file in .csv has no room for them".to_owned(),
            )),
            None => Ok(Self::Table(path)),
        }
    }

    /// The table that says which files are done.
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

    /// Makes ready what must be there before the first file, and refuses to write over what no scan made.
    pub(super) fn prepare(&self, restart: bool) -> Result<()> {
        match self {
            Self::Folder(folder, _) => {
                std::fs::create_dir_all(folder).map_err(|error| Failure::io("folder", folder, &error))
            }
            Self::Parquet(path) | Self::Events(path) if path.exists() && !restart && !self.journal().exists() => {
                Err(Failure::Usage(format!(
                    "{}: exists, and {}, which would say what is done, does not; give another -o, or --restart to write over it",
                    path.display(),
                    self.journal().display()
                )))
            }
            _ => Ok(()),
        }
    }

    /// Writes what belongs to one file, before its row is in the journal.
    pub(super) fn write(&self, record: &FileRecord, bandwidth: f64) -> Result<()> {
        match self {
            Self::Folder(folder, labels) => export::labels(folder, *labels, record, bandwidth),
            _ => Ok(()),
        }
    }

    /// Writes what is made of the whole journal.
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
