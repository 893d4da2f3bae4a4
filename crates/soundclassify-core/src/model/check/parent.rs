// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process that starts a checker and reads its lines.

use std::{
    ffi::OsString,
    io::{self, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
};

use super::{
    Checker,
    child::{DIGEST, ELSEWHERE, PASSED, READY, REFUSED, STAGE},
};
use crate::{
    error::{Error, Result},
    model::{
        engine::EngineOptions,
        limits::{self, Cancellation, MEMORY_VARIABLE, Stopped, TIME_VARIABLE},
        provider::ExecutionProvider,
        runtime,
        source::hex,
    },
};

/// MiB of memory below which ONNX Runtime itself may crash.
const TINY: u64 = 64;

/// Most bytes of a checker's output that are read.
const MAX_OUTPUT: u64 = 64 << 10;

/// The job of a checker.
pub(super) enum Job<'a> {
    /// Load the network of a manifest and run it once.
    Run { manifest: &'a Path, digest: [u8; 32], options: EngineOptions },
    /// Load a network.
    Load { onnx: &'a Path },
}

/// The result of a job.
pub(super) enum Checked {
    /// The network can be used.
    Passed,
    /// The checker could not judge it, for a reason that is not the network's.
    Elsewhere,
    /// The program is not a checker.
    NotThere(String),
}

/// What a checker wrote, and how it ended.
struct Outcome {
    output: String,
    errors: String,
    status: Option<ExitStatus>,
    stopped: Option<Stopped>,
}

/// Runs the checker for the network in the file `onnx`.
///
/// # Errors
/// [`Error::Model`] and [`Error::Cancelled`].
pub(super) fn check(checker: &Checker, job: &Job<'_>, onnx: &Path, cancellation: &Cancellation) -> Result<Checked> {
    let outcome = match run(checker, job, cancellation) {
        Ok(outcome) => outcome,
        Err(error) => return Ok(Checked::NotThere(error.to_string())),
    };
    let lines = || outcome.output.lines();
    if outcome.stopped == Some(Stopped::Cancelled) {
        return Err(Error::Cancelled("the model is no longer needed".into()));
    }
    if lines().next() != Some(READY) && outcome.stopped.is_none() {
        return Ok(Checked::NotThere(format!("it says {:?}", lines().next().unwrap_or_default())));
    }
    let fail = |reason: String| Err(Error::Model { path: onnx.to_path_buf(), reason });
    let after = |word: &str| lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' ').map(str::to_owned));
    if let (Job::Run { digest, .. }, Some(found)) = (job, after(DIGEST))
        && found != hex(digest)
    {
        return fail("the file, its weights or its manifest changed while it was loaded; load it again".into());
    }
    match lines().last() {
        Some(PASSED) => Ok(Checked::Passed),
        Some(ELSEWHERE) => Ok(Checked::Elsewhere),
        _ => match after(REFUSED) {
            Some(reason) => fail(with_memory(reason, job)),
            None => fail(end(&outcome, lines().filter_map(|line| line.strip_prefix(STAGE)).next_back(), job)),
        },
    }
}

/// Why a checker said nothing more.
fn end(outcome: &Outcome, stage: Option<&str>, job: &Job<'_>) -> String {
    let what = match stage.map(str::trim) {
        Some("run") => "running the network once",
        _ => "loading the network",
    };
    let process = "in a separate process, where networks that are not built in are tested first";
    if outcome.stopped == Some(Stopped::Timeout) {
        let seconds = limits::time(job.provider()).as_secs();
        return format!(
            "{what} did not end within {seconds} s ({process}); use a smaller network, or set {TIME_VARIABLE} to more \
            seconds"
        );
    }
    let how = outcome.status.map_or_else(|| "without a status".into(), |status| status.to_string());
    let said = outcome.errors.trim().lines().last().map(|line| format!(": {line}")).unwrap_or_default();
    let reason =
        format!("{what} crashed ONNX Runtime ({how}{said}; {process}); the file is broken or hostile; do not use it");
    with_memory(reason, job)
}

/// Adds what helps when memory was the reason.
fn with_memory(reason: String, job: &Job<'_>) -> String {
    let lower = reason.to_lowercase();
    let mebibytes = limits::limits().memory >> 20;
    let about_memory = mebibytes < TINY || ["alloc", "memory"].iter().any(|word| lower.contains(word));
    if !about_memory || job.provider() != ExecutionProvider::Cpu {
        return reason;
    }
    format!("{reason}; the limit is {mebibytes} MiB of memory; set {MEMORY_VARIABLE} to more MiB if you trust the file")
}

impl Job<'_> {
    fn provider(&self) -> ExecutionProvider {
        match self {
            Self::Run { options, .. } => options.provider,
            Self::Load { .. } => ExecutionProvider::Cpu,
        }
    }

    fn arguments(&self) -> Vec<OsString> {
        let limits = limits::limits();
        let mut arguments: Vec<OsString> = vec![(limits.memory >> 20).to_string().into()];
        match self {
            Self::Load { onnx } => arguments.extend(["load".into(), onnx.into()]),
            Self::Run { manifest, options, .. } => {
                let EngineOptions { provider, device, threads } = options;
                let numbers = [device.to_string(), threads.to_string()].map(OsString::from);
                arguments.extend(["run".into(), manifest.into(), provider.name().into()]);
                arguments.extend(numbers);
            }
        }
        arguments
    }
}

fn run(checker: &Checker, job: &Job<'_>, cancellation: &Cancellation) -> io::Result<Outcome> {
    let mut command = Command::new(&checker.path);
    command.args(&checker.arguments).args(job.arguments());
    // The end of its input is the end of this process.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(folder) = runtime::plugin_dir() {
        command.env(super::child::PLUGIN_DIR_VARIABLE, folder);
    }
    let mut process = Process(command.spawn()?);
    // Found meanwhile, because it is needed next; an error of it comes then.
    let _ = runtime::environment();
    let (output, errors) = (process.0.stdout.take(), process.0.stderr.take());
    let read = move || {
        let errors = thread::spawn(move || text(errors));
        (text(output), errors.join().unwrap_or_default())
    };
    let read = limits::within(limits::time(job.provider()), cancellation, read);
    if read.is_err() {
        // It may be gone already.
        let _ = process.0.kill();
    }
    let status = process.0.wait().ok();
    let stopped = read.as_ref().err().copied();
    let (output, errors) = read.unwrap_or_default();
    Ok(Outcome { output, errors, status, stopped })
}

/// The beginning of what a process writes, once it has written all.
fn text(from: Option<impl Read>) -> String {
    let Some(mut from) = from else { return String::new() };
    let mut bytes = Vec::new();
    // A process that ends in the middle of it has written what it has written.
    let _ = from.by_ref().take(MAX_OUTPUT).read_to_end(&mut bytes);
    let _ = io::copy(&mut from, &mut io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A process that ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
