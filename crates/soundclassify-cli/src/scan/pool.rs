// SPDX-License-Identifier: MIT OR Apache-2.0
//! Worker processes, one per core. Each has a separate model and pipeline, so inference runs on all cores, and a decoder
//! that crashes or hangs affects only one file.

use std::{
    cell::Cell,
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{summary::FileRecord, work::Reply};
use crate::{
    exit::{Failure, Result},
    interrupt, source,
};

/// Interval at which a wait checks for an interruption.
const GLANCE: Duration = Duration::from_millis(100);

/// What a pool reports.
pub(crate) enum Progress {
    /// What was classified since the last one.
    Sound {
        /// Seconds of sound.
        seconds: f64,
        /// Bytes of files, if sound is spread evenly in each.
        bytes: f64,
    },
    /// A file is done.
    Done(FileRecord),
}

/// How files are worked off.
pub(crate) struct Pool {
    /// Files at a time.
    pub(crate) jobs: usize,
    /// Arguments of the command `work`.
    pub(crate) arguments: Vec<String>,
    /// Time without audio after which a file fails.
    pub(crate) timeout: Duration,
}

impl Pool {
    /// Default number of files in parallel.
    pub(crate) fn jobs(wanted: Option<u16>) -> usize {
        wanted.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
    }

    /// Works off all files; `on_progress` is called on this thread.
    pub(crate) fn run(
        &self,
        files: impl Iterator<Item = String> + Send + 'static,
        on_progress: &mut dyn FnMut(Progress) -> Result<()>,
    ) -> Result<()> {
        let stop = AtomicBool::new(false);
        let (files, lister) = ahead(files, self.jobs);
        let files = Mutex::new(files);
        let outcome = std::thread::scope(|scope| {
            let (sender, replies) = mpsc::sync_channel(4 * self.jobs);
            for _ in 0..self.jobs {
                let (sender, files, stop) = (sender.clone(), &files, &stop);
                scope.spawn(move || self.slot(files, stop, &|progress| sender.send(progress).is_ok()));
            }
            drop(sender);
            let outcome = collect(&replies, on_progress);
            stop.store(true, Ordering::SeqCst);
            // Slots that wait for their results to be taken continue and see the flag.
            drop(replies);
            outcome
        });
        // Only a lister that is through is waited for: one that is not may wait for a terminal.
        outcome.and_then(|()| {
            lister.join().map_err(|_| {
                Failure::Failed("the list of files ended early; the remaining files were not classified".to_owned())
            })
        })
    }

    /// Runs workers as long as files remain.
    fn slot(&self, files: &Mutex<Receiver<String>>, stop: &AtomicBool, report: &dyn Fn(Result<Progress>) -> bool) {
        let mut worker = None;
        while let Some(file) = next(files, stop) {
            let current = match worker.take().map_or_else(|| Worker::start(&self.arguments), Ok) {
                Ok(current) => current,
                Err(error) => {
                    report(Err(Failure::Failed(format!("worker process can't be started: {error}"))));
                    return;
                }
            };
            let (size, done) = (source::size(&file) as f64, Cell::new(0.0));
            let on_sound = |seconds, part: f64| {
                let bytes = (size * part.min(1.0) - done.get()).max(0.0);
                done.set(done.get() + bytes);
                report(Ok(Progress::Sound { seconds, bytes }));
            };
            let (record, survivor) = current.classify(&file, self.timeout, stop, &on_sound);
            on_sound(0.0, 1.0);
            worker = survivor;
            if let Some(record) = record
                && !report(Ok(Progress::Done(record)))
            {
                return;
            }
        }
    }
}

/// The files, fetched by a separate thread: nothing can wake it from a terminal or a pipe where no names come.
fn ahead(files: impl Iterator<Item = String> + Send + 'static, count: usize) -> (Receiver<String>, JoinHandle<()>) {
    let (sender, names) = mpsc::sync_channel(count);
    let lister = std::thread::spawn(move || {
        for file in files {
            if sender.send(file).is_err() {
                return;
            }
        }
    });
    (names, lister)
}

/// The next file; none after the last or when all is to stop.
fn next(files: &Mutex<Receiver<String>>, stop: &AtomicBool) -> Option<String> {
    loop {
        let files = files.lock().ok()?;
        if stop.load(Ordering::SeqCst) {
            return None;
        }
        match files.recv_timeout(GLANCE) {
            Ok(file) => return Some(file),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

fn collect(replies: &Receiver<Result<Progress>>, on_progress: &mut dyn FnMut(Progress) -> Result<()>) -> Result<()> {
    loop {
        interrupt::check()?;
        match replies.recv_timeout(GLANCE) {
            Ok(progress) => on_progress(progress?)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

struct Worker {
    child: Child,
    names: Option<ChildStdin>,
    replies: Receiver<Reply>,
}

impl Worker {
    fn start(arguments: &[String]) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("work").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Messages of decoders would disturb the progress bar; GST_DEBUG shows them.
        if std::env::var_os("GST_DEBUG").is_none() {
            command.stderr(Stdio::null());
        }
        let mut child = command.spawn()?;
        let names = child.stdin.take();
        let output = child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
        let (sender, replies) = mpsc::channel();
        std::thread::spawn(move || read(BufReader::new(output), &sender));
        Ok(Self { child, names, replies })
    }

    /// The row of a file, unless the user stopped it, and the worker, if it lives on. `on_sound`: further seconds of sound, and
    /// which part of the file is classified, 0 to 1.
    fn classify(
        mut self,
        file: &str,
        timeout: Duration,
        stop: &AtomicBool,
        on_sound: &dyn Fn(f64, f64),
    ) -> (Option<FileRecord>, Option<Self>) {
        if self.send(file).is_err() {
            let why = self.exit_reason();
            return (Some(FileRecord::failed(file, why)), None);
        }
        let (mut classified, mut at) = (0.0, Instant::now());
        loop {
            match self.replies.recv_timeout(GLANCE) {
                Ok(Reply::Progress { seconds, length }) => {
                    on_sound(seconds - classified, length.map_or(0.0, |length| seconds / length.max(seconds)));
                    (classified, at) = (seconds, Instant::now());
                }
                Ok(Reply::Done(record)) => {
                    on_sound(record.duration - classified, 1.0);
                    // What a program prints has no passwords.
                    return (Some(FileRecord { file: file.to_owned(), ..record }), Some(self));
                }
                Err(RecvTimeoutError::Timeout) if stop.load(Ordering::SeqCst) => return (None, None),
                Err(RecvTimeoutError::Timeout) if at.elapsed() > timeout => {
                    let why = format!("no audio for {} s (--timeout)", timeout.as_secs());
                    return (Some(FileRecord::failed(file, why)), None);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let why = self.exit_reason();
                    return (Some(FileRecord::failed(file, why)), None);
                }
            }
        }
    }

    fn send(&mut self, file: &str) -> io::Result<()> {
        let names = self.names.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(names, "{}", crate::output::json(&file))?;
        names.flush()
    }

    fn exit_reason(&mut self) -> String {
        match self.child.wait() {
            Ok(status) => format!("its worker process ended: {status}; the decoder may have crashed"),
            Err(error) => format!("its worker process has gone: {error}"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Idle or given up: either way nothing of it is needed any more, and a dead one is no error.
        self.names = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(output: impl BufRead, sender: &Sender<Reply>) {
    for line in output.lines().map_while(io::Result::ok) {
        if let Ok(reply) = serde_json::from_str(&line)
            && sender.send(reply).is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_breaks_off_is_a_failure() {
        let pool = Pool { jobs: 2, arguments: Vec::new(), timeout: Duration::from_secs(1) };

        let whole = pool.run(std::iter::empty(), &mut |_| Ok(()));
        let broken = pool.run(std::iter::from_fn(|| panic!("no list")), &mut |_| Ok(()));

        assert!(whole.is_ok());
        assert!(broken.unwrap_err().to_string().contains("ended early"));
    }
}
