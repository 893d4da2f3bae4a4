// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a scan is, on standard error.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    list::{self, Entry, Selection},
    table::Done,
};
use crate::{args::ScanArgs, output, progress, source};

/// The amount of work; other threads count it.
#[derive(Default)]
pub(super) struct Size {
    /// All files, 0 until they are counted.
    files: AtomicU64,
    /// Bytes of all files.
    bytes: AtomicU64,
    /// Bytes of files that are not classified, since an earlier run has done so or they are named twice.
    skipped: AtomicU64,
}

impl Size {
    /// A file is not classified in this run.
    pub(super) fn skip(&self, file: &str) {
        self.skipped.fetch_add(source::size(file), Ordering::Relaxed);
    }

    fn count(&self, entries: impl Iterator<Item = Entry>) {
        let (mut files, mut bytes) = (0, 0);
        for entry in entries {
            files += 1;
            if let Entry::File(name) = entry {
                bytes += source::size(&name);
            }
        }
        self.bytes.store(bytes, Ordering::Relaxed);
        self.files.store(files, Ordering::Release);
    }

    /// Number of files, and bytes to classify; `None` until they are counted.
    fn known(&self) -> Option<(u64, u64)> {
        let files = self.files.load(Ordering::Acquire);
        let bytes = self.bytes.load(Ordering::Relaxed).saturating_sub(self.skipped.load(Ordering::Relaxed));
        (files > 0).then_some((files, bytes))
    }
}

/// Sound done by bytes of files, number of files, speed, time left.
pub(super) struct Meter {
    bar: ProgressBar,
    size: Arc<Size>,
    /// Bytes of files that are classified.
    bytes: f64,
    quiet: bool,
    start: Instant,
    seconds: f64,
    files: u64,
    /// Files of earlier runs.
    before: u64,
}

impl Meter {
    /// A progress bar that includes earlier runs; the files are counted in parallel.
    pub(super) fn new(args: &ScanArgs, selection: &Selection, done: &Done) -> Self {
        let target = if args.quiet { ProgressDrawTarget::hidden() } else { progress::target() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style("{spinner} {msg}"));
        let size = Arc::new(Size::default());
        bar.enable_steady_tick(Duration::from_millis(200));
        if !bar.is_hidden() && list::countable(&args.inputs) {
            let (size, inputs, selection) = (Arc::clone(&size), args.inputs.clone(), selection.clone());
            std::thread::spawn(move || {
                if let Ok(entries) = list::entries(&inputs, &selection) {
                    size.count(entries);
                }
            });
        }
        let (quiet, start, before) = (args.quiet, Instant::now(), done.files);
        Self { bar, size, bytes: 0.0, quiet, start, seconds: 0.0, files: 0, before }
    }

    /// The amount of work.
    pub(super) fn size(&self) -> Arc<Size> {
        Arc::clone(&self.size)
    }

    /// Some seconds of sound were classified, of so many bytes of a file.
    pub(super) fn sound(&mut self, seconds: f64, bytes: f64) {
        self.seconds += seconds;
        self.bytes += bytes;
        self.show();
    }

    /// A file is done.
    pub(super) fn file(&mut self) {
        self.files += 1;
        self.show();
    }

    fn show(&self) {
        if self.bar.is_hidden() {
            return;
        }
        let done = self.before + self.files;
        match self.size.known() {
            Some((files, bytes)) => {
                if self.bar.length().is_none() {
                    self.bar.set_style(style("{bar:24} {percent}% · {msg} · {eta} left"));
                }
                self.bar.set_length(bytes);
                self.bar.set_message(format!("{done}/{files} files · {}", self.speed()));
            }
            None => self.bar.set_message(format!("{} · {}", counted(done), self.speed())),
        }
        self.bar.set_position(self.bytes as u64);
    }

    /// A file failed.
    pub(super) fn complain(&self, text: &str) {
        self.bar.suspend(|| output::note(format_args!("soundclassify: {text}")));
    }

    /// The user stopped the scan.
    pub(super) fn stopped(&self) {
        self.bar.finish_and_clear();
        if !self.quiet {
            output::note(format_args!("stopped after {}; the same command continues from here", counted(self.files)));
        }
    }

    /// All is done.
    pub(super) fn finished(&self, failed: u64, output: &Path) {
        self.bar.finish_and_clear();
        if !self.quiet {
            let done = self.done();
            output::note(format_args!("{done}; {failed} failed; see {}", output.display()));
        }
    }

    /// Whether the table has no file.
    pub(super) fn is_empty(&self) -> bool {
        self.before + self.files == 0
    }

    /// What this run did.
    fn done(&self) -> String {
        let before = match self.before {
            0 => String::new(),
            before => format!(" ({before} already in the table)"),
        };
        if self.files == 0 {
            return format!("0 files{before}");
        }
        let (files, time) = (counted(self.files), HumanDuration(self.start.elapsed()));
        format!("{files} in {time}{before}: {}", self.speed())
    }

    fn speed(&self) -> String {
        speed(self.seconds, self.start.elapsed())
    }
}

fn counted(files: u64) -> String {
    format!("{files} file{}", if files == 1 { "" } else { "s" })
}

/// How much audio, and how many times as fast as it sounds.
fn speed(seconds: f64, elapsed: Duration) -> String {
    let audio = match seconds {
        0.0..60.0 => format!("{seconds:.0} s"),
        0.0..3600.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    };
    format!("{audio} of audio, {:.0} times real time", seconds / elapsed.as_secs_f64().max(1e-3))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_skipped_is_not_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a", "b"].map(|name| folder.path().join(name).display().to_string());
        names.iter().zip([300, 20]).for_each(|(name, size)| std::fs::write(name, vec![0; size]).unwrap());
        let size = Size::default();
        assert_eq!(size.known(), None);

        size.skip(&names[1]);
        size.count(names.into_iter().map(Entry::File));

        assert_eq!(size.known(), Some((2, 300)));
    }

    #[test]
    fn speed_is_a_multiple_of_real_time() {
        assert_eq!(speed(15.2, Duration::from_millis(900)), "15 s of audio, 17 times real time");
        assert_eq!(speed(90.0, Duration::from_secs(1)), "1.5 min of audio, 90 times real time");
        assert_eq!(speed(36_000.0, Duration::from_secs(100)), "10.0 h of audio, 360 times real time");
        assert_eq!(counted(1) + &counted(2), "1 file2 files");
    }
}
