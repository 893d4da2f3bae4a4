// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a scan makes of its journal: Parquet, tables of events, labels for Audacity and Raven.

mod parquet;
mod text;

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use super::summary::FileRecord;
use crate::exit::{Failure, Result};

pub(super) use self::{
    parquet::{of_events as parquet_of_events, of_windows as parquet_of_windows},
    text::{Labels, csv_of_events, labels},
};

/// Calls `on_record` for each row of a journal, in the order of its lines.
fn each(journal: &Path, on_record: &mut dyn FnMut(FileRecord) -> Result<()>) -> Result<()> {
    let broken = |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: journal: {error}", journal.display()));
    let file = File::open(journal).map_err(|error| Failure::io("journal", journal, &error))?;
    for line in BufReader::with_capacity(1 << 16, file).lines() {
        let line = line.map_err(|error| broken(&error))?;
        on_record(serde_json::from_str(&line).map_err(|error| broken(&error))?)?;
    }
    Ok(())
}
