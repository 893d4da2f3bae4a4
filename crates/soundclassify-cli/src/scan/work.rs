// SPDX-License-Identifier: MIT OR Apache-2.0
//! A worker process: file names in, rows out, the model loaded once.

use std::{
    io::{self, BufRead},
    sync::mpsc,
    time::{Duration, Instant},
};

use gstsoundclassify::EventKind;
use serde::{Deserialize, Serialize};

use super::summary::{EventSummary, FileRecord, Summary, WindowColumns};
use crate::{
    args::WorkArgs,
    exit::{Exit, Failure, Result},
    interrupt,
    options::ElementOptions,
    output::{Form, Printer, json},
    record::{Record, seconds},
    session::{SessionStep, Source},
    source,
    warm_engine::WarmEngine,
};

/// How often a worker reports its progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);
/// Windows per model run: cheaper than single windows, and no latency is required.
const BATCH: &str = "16";
/// Maximum time until a worker ends after its scan has gone.
const LAST_SECOND: Duration = Duration::from_secs(1);

/// What a worker reports.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reply {
    /// How far it is.
    Progress {
        /// Seconds of the file that are classified.
        seconds: f64,
        /// Seconds of the whole file, where it says so.
        length: Option<f64>,
    },
    /// The file is done.
    Done(FileRecord),
}

/// Works off the names that come on standard input until it closes.
pub(crate) fn run(args: &WorkArgs, options: ElementOptions) -> Result<Exit> {
    interrupt::ignore()?;
    let report = if args.events { "all" } else { "windows" };
    let warm_engine = WarmEngine::new(options.with("report", report).or("process-count", [BATCH]))?;
    let mut printer = Printer::stdout(Form::Plain, false);
    for file in names() {
        let record = match classify(&file, &warm_engine, args, &mut printer) {
            Ok(record) => record,
            Err(lost @ (Failure::OutputClosed | Failure::Output(_))) => return Err(lost),
            Err(why) => FileRecord::failed(&file, why.to_string()),
        };
        printer.line(&json(&Reply::Done(record)))?;
    }
    Ok(Exit::Success)
}

/// Names as they arrive. When the scan has gone, the process ends soon.
fn names() -> mpsc::IntoIter<String> {
    let (sender, names) = mpsc::channel();
    std::thread::spawn(move || {
        for name in io::stdin().lock().lines().map_while(io::Result::ok) {
            if let Ok(name) = serde_json::from_str(&name)
                && sender.send(name).is_err()
            {
                return;
            }
        }
        drop(sender);
        std::thread::sleep(LAST_SECOND);
        interrupt::at_once(0);
    });
    names.into_iter()
}

fn classify(
    file: &str,
    warm_engine: &WarmEngine,
    args: &WorkArgs,
    printer: &mut Printer<io::StdoutLock<'_>>,
) -> Result<FileRecord> {
    let uri = source::uri(file)?;
    let session = warm_engine.session(file, Source::Uri(&uri), None)?;
    let mut summary = Summary::default();
    let mut ended: Vec<EventSummary> = Vec::new();
    let mut windows = (args.windows || args.scores).then(|| WindowColumns::new(args.scores));
    let (mut reported, mut reported_at) = (0, Instant::now());
    session.run(&mut |step| {
        match step {
            SessionStep::Record(Record::Window(window)) => {
                summary.push(&window);
                if let Some(windows) = &mut windows {
                    windows.push(&window);
                }
            }
            SessionStep::Record(Record::Event(event)) if event.kind == EventKind::End => ended.push((&event).into()),
            _ => {}
        }
        // Only sound that comes through is progress: a decoder that hangs is found out by its silence.
        let end = session.end();
        if end > reported && reported_at.elapsed() > PROGRESS_INTERVAL {
            (reported, reported_at) = (end, Instant::now());
            let length = session.length().map(|length| seconds(length.nseconds()));
            printer.line(&json(&Reply::Progress { seconds: seconds(end), length }))?;
        }
        Ok(())
    })?;
    ended.sort_by(|a, b| a.start.total_cmp(&b.start));
    Ok(FileRecord {
        events: args.events.then_some(ended),
        per_window: windows.map(Box::new),
        ..summary.finish(file, session.end())
    })
}
