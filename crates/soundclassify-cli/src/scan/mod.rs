// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify scan`: thousands of files on all cores into one table, safe against a kill at any moment.

pub(crate) mod list;
pub(crate) mod pool;
mod progress;
pub(crate) mod summary;
mod table;
pub(crate) mod work;

use std::{
    io::{self, BufRead, BufReader, Read},
    sync::{Arc, Mutex},
    time::Duration,
};

use gst::prelude::*;
use sha2::{Digest, Sha256};
use soundclassify_core::model::Model;

use self::{
    list::Entry,
    pool::{Pool, Progress},
    progress::Meter,
    summary::{FileRecord, Status},
    table::{Done, Table},
};
use crate::{
    args::ScanArgs,
    exit::{Exit, Failure, Result},
    interrupt,
    model_files::ModelFiles,
    options::{ElementOptions, in_force},
    warm_engine::WarmEngine,
};

/// Appends a row a file; goes on where an earlier run stopped.
pub(crate) fn run(args: &ScanArgs, options: ElementOptions) -> Result<Exit> {
    interrupt::install()?;
    let mut arguments = options.arguments();
    if args.events {
        arguments.push("--events".to_owned());
    }
    let entries = list::entries(&args.inputs, args.all, &args.output)?;
    let kind = table::Kind::of(&args.output)?;
    if args.events && kind == table::Kind::Csv {
        return Err(Failure::Usage("--events needs a table that ends in .jsonl: a row of .csv has no room".to_owned()));
    }
    // A model that can't be loaded is told once, and before any file.
    let warm_engine = WarmEngine::new(options)?;
    let settings = fingerprint(&warm_engine, args.events)?;
    drop(warm_engine);
    let (table, done) = Table::open(&args.output, &settings, args.restart, args.retry_failed)?;
    let pool = Pool { jobs: Pool::jobs(args.jobs), arguments, timeout: Duration::from_secs(args.timeout.max(1)) };
    let mut scan = Scan { table, meter: Meter::new(args, &done), failed: done.failed };
    let unreadable = Unreadable::default();
    let outcome = pool.run(fresh(entries, done, Arc::clone(&unreadable)), &mut |progress| scan.take(progress));
    let unreadable = unreadable.lock().map(|mut list| std::mem::take(&mut *list)).unwrap_or_default();
    let outcome = outcome
        .and_then(|()| unreadable.into_iter().try_for_each(|(name, why)| scan.row(FileRecord::failed(&name, why))));
    scan.table.sync()?;
    match outcome {
        Err(Failure::Interrupted) => {
            scan.meter.stopped();
            return Err(Failure::Interrupted);
        }
        outcome => outcome?,
    }
    scan.meter.finished(scan.failed, &args.output);
    Ok(if scan.failed > 0 { Exit::Failed } else { Exit::Success })
}

/// What can't be looked into, and why.
type Unreadable = Arc<Mutex<Vec<(String, String)>>>;

struct Scan {
    table: Table,
    meter: Meter,
    failed: u64,
}

impl Scan {
    fn take(&mut self, progress: Progress) -> Result<()> {
        match progress {
            Progress::Sound(seconds) => self.meter.sound(seconds),
            Progress::Done(record) => self.row(record)?,
        }
        Ok(())
    }

    fn row(&mut self, record: FileRecord) -> Result<()> {
        if record.status == Status::Failed {
            self.failed += 1;
            self.meter.complain(&record.complaint());
        }
        self.table.append(record)?;
        self.meter.file();
        Ok(())
    }
}

/// The files that have no row yet; folders that can't be read are put aside.
fn fresh(
    entries: impl Iterator<Item = Entry> + Send,
    mut done: Done,
    unreadable: Unreadable,
) -> impl Iterator<Item = String> + Send {
    entries.filter_map(move |entry| match entry {
        Entry::File(name) => done.note(&name).then_some(name),
        Entry::Unreadable(name, why) => {
            if done.note(&name)
                && let Ok(mut list) = unreadable.lock()
            {
                list.push((name, why));
            }
            None
        }
    })
}

/// Eight hexadecimal digits that stand for the model's files and for the options in force.
fn fingerprint(warm_engine: &WarmEngine, events: bool) -> Result<String> {
    let model = Model::load(&warm_engine.settings().property::<String>("model"))?;
    let files = ModelFiles::of(model.manifest());
    let mut print = Fingerprint(Sha256::new());
    print.part(files.text()?.as_bytes());
    for name in files.names()? {
        let (length, content) = files.open(&name)?;
        print.stream(length, content).map_err(|error| Failure::Failed(format!("{name}: can't be read: {error}")))?;
    }
    for (name, value) in in_force(warm_engine.settings()) {
        print.part(name.as_bytes());
        print.part(value.as_bytes());
    }
    print.part(&[events.into()]);
    Ok(print.0.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect())
}

struct Fingerprint(Sha256);

impl Fingerprint {
    /// Lengths keep the parts apart.
    fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// A part that need not fit into memory.
    fn stream(&mut self, length: u64, content: impl Read) -> io::Result<()> {
        self.0.update(length.to_le_bytes());
        let mut content = BufReader::with_capacity(1 << 20, content);
        loop {
            let bytes = content.fill_buf()?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.0.update(bytes);
            let length = bytes.len();
            content.consume(length);
        }
    }
}
