// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a scan is, on standard error.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    list::{self, Selection},
    table::Done,
};
use crate::{args::ScanArgs, output};

/// Files done, speed, time left.
pub(super) struct Meter {
    bar: ProgressBar,
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
        let target = if args.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style("{spinner} {pos} files · {msg}"));
        bar.set_position(done.files);
        bar.reset_eta();
        bar.enable_steady_tick(Duration::from_millis(200));
        if !bar.is_hidden() && list::countable(&args.inputs) {
            let (bar, inputs, selection) = (bar.clone(), args.inputs.clone(), selection.clone());
            std::thread::spawn(move || {
                if let Ok(entries) = list::entries(&inputs, &selection) {
                    bar.set_length(entries.count() as u64);
                    bar.set_style(style("{bar:24} {pos}/{len} files · {msg} · {eta} left"));
                }
            });
        }
        Self { bar, quiet: args.quiet, start: Instant::now(), seconds: 0.0, files: 0, before: done.files }
    }

    /// Some seconds of sound were classified.
    pub(super) fn sound(&mut self, seconds: f64) {
        self.seconds += seconds;
        self.bar.set_message(self.speed());
    }

    /// A file is done.
    pub(super) fn file(&mut self) {
        self.files += 1;
        self.bar.inc(1);
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
    fn speed_is_a_multiple_of_real_time() {
        assert_eq!(speed(15.2, Duration::from_millis(900)), "15 s of audio, 17 times real time");
        assert_eq!(speed(90.0, Duration::from_secs(1)), "1.5 min of audio, 90 times real time");
        assert_eq!(speed(36_000.0, Duration::from_secs(100)), "10.0 h of audio, 360 times real time");
        assert_eq!(counted(1) + &counted(2), "1 file2 files");
    }
}
