// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify scan`: thousands of files on all cores into one table, safe against a kill at any moment.

mod export;
pub(crate) mod identity;
pub(crate) mod list;
pub(crate) mod pool;
mod progress;
pub(crate) mod summary;
mod table;
pub(crate) mod target;
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
    list::{Entry, Selection},
    pool::{Pool, Progress},
    progress::{Meter, Size},
    summary::{FileRecord, Status},
    table::{Done, Table},
    target::Target,
};
use crate::{
    args::ScanArgs,
    exit::{Exit, Failure, Result},
    interrupt,
    model_files::ModelFiles,
    options::{ElementOptions, in_force},
    short_hash::short_hash,
    warm_engine::WarmEngine,
};

/// Appends a row per file, and continues an earlier run.
pub(crate) fn run(args: &ScanArgs, options: ElementOptions) -> Result<Exit> {
    interrupt::install()?;
    let target = Target::of(args)?;
    let journal = target.journal();
    let content = Content::of(args, &target);
    let options = if content.scores { options.or("top-k", ["1000"]) } else { options };
    let arguments = options.arguments().into_iter().chain(content.arguments()).collect();
    let selection = Selection { all: args.all, own: vec![args.output.clone(), journal.clone()], shard: args.shard };
    let entries = list::entries(&args.inputs, &selection)?;
    table::TableFormat::of(&journal)?;
    // A model that can't be loaded is reported once, and before any file.
    let warm_engine = WarmEngine::new(options)?;
    let settings = fingerprint(&warm_engine, content)?;
    let bandwidth = bandwidth(&warm_engine)?;
    drop(warm_engine);
    target.prepare(args.restart)?;
    let (table, done) = Table::open(&journal, &settings, args.restart, args.retry_failed)?;
    let pool = Pool { jobs: Pool::jobs(args.jobs), arguments, timeout: Duration::from_secs(args.timeout.max(1)) };
    let meter = Meter::new(args, &selection, &done);
    let size = meter.size();
    let mut scan = Scan { table, target, bandwidth, meter, failed: done.failed };
    let unreadable = Unreadable::default();
    let outcome = pool.run(fresh(entries, done, Arc::clone(&unreadable), size), &mut |progress| scan.take(progress));
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
    // Windows lets only the handle with the lock read the table.
    if cfg!(windows) {
        drop(scan.table);
    }
    scan.target.finish(content.events, content.scores)?;
    scan.meter.finished(scan.failed, &args.output);
    if scan.meter.is_empty() && args.shard.is_none() {
        let inputs = args.inputs.iter().map(|input| input.to_string_lossy()).collect::<Vec<_>>().join(", ");
        let found = if args.all { "" } else { "; --all takes files without an audio or video extension, too" };
        return Err(Failure::Failed(format!("no recording was found in {inputs}{found}")));
    }
    Ok(if scan.failed > 0 { Exit::Failed } else { Exit::Success })
}

/// What can't be looked into, and why.
type Unreadable = Arc<Mutex<Vec<(String, String)>>>;

/// The parts of a row in addition to the summary of the file.
#[derive(Debug, Clone, Copy)]
struct Content {
    events: bool,
    windows: bool,
    scores: bool,
}

impl Content {
    fn of(args: &ScanArgs, target: &Target) -> Self {
        let events = args.events || target.needs_events();
        let windows = args.windows || !events && matches!(target, Target::Parquet(_));
        Self { events, windows, scores: args.scores }
    }

    /// Arguments of a worker.
    fn arguments(self) -> impl Iterator<Item = String> {
        let all = [(self.events, "--events"), (self.windows, "--windows"), (self.scores, "--scores")];
        all.into_iter().filter(|(wanted, _)| *wanted).map(|(_, name)| name.to_owned())
    }
}

struct Scan {
    table: Table,
    target: Target,
    /// Highest frequency that reaches the model, Hz.
    bandwidth: f64,
    meter: Meter,
    failed: u64,
}

impl Scan {
    fn take(&mut self, progress: Progress) -> Result<()> {
        match progress {
            Progress::Sound { seconds, bytes } => self.meter.sound(seconds, bytes),
            Progress::Done(record) => self.row(record)?,
        }
        Ok(())
    }

    fn row(&mut self, record: FileRecord) -> Result<()> {
        let record = self.written(record.without_secrets());
        if record.status == Status::Failed {
            self.failed += 1;
            self.meter.complain(&record.complaint());
        }
        self.table.append(record)?;
        self.meter.file();
        Ok(())
    }

    /// The row of a file whose own output is written. A file without its output failed; the others continue.
    fn written(&self, record: FileRecord) -> FileRecord {
        match self.target.write(&record, self.bandwidth) {
            Ok(()) => record,
            Err(why) => FileRecord::failed(&record.file, why.to_string()),
        }
    }
}

/// The files that have no row yet; folders that can't be read are put aside, and the sizes of the others noted.
fn fresh(
    entries: impl Iterator<Item = Entry> + Send,
    mut done: Done,
    unreadable: Unreadable,
    size: Arc<Size>,
) -> impl Iterator<Item = String> + Send {
    entries.filter_map(move |entry| match entry {
        Entry::File(name) if done.note(&name) => Some(name),
        Entry::File(name) => {
            size.skip(&name);
            None
        }
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

/// A hash of the model's files and the effective options, eight hexadecimal digits.
fn fingerprint(warm_engine: &WarmEngine, content: Content) -> Result<String> {
    let model = model(warm_engine)?;
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
    print.part(&[content.events.into(), content.windows.into(), content.scores.into()]);
    Ok(short_hash(&print.0.finalize()))
}

fn model(warm_engine: &WarmEngine) -> Result<Model> {
    Ok(Model::load(&warm_engine.settings().property::<String>("model"))?)
}

/// Half the model's sample rate, Hz.
fn bandwidth(warm_engine: &WarmEngine) -> Result<f64> {
    Ok(f64::from(model(warm_engine)?.manifest().features.sample_rate) / 2.0)
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
