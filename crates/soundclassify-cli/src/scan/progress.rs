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

/// Files done, hours of sound a second, time left.
pub(super) struct Meter {
    bar: ProgressBar,
    quiet: bool,
    start: Instant,
    seconds: f64,
    files: u64,
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
        Self { bar, quiet: args.quiet, start: Instant::now(), seconds: 0.0, files: 0 }
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
            output::note(format_args!("stopped after {} files; the same command continues from here", self.files));
        }
    }

    /// All is done.
    pub(super) fn finished(&self, failed: u64, output: &Path) {
        self.bar.finish_and_clear();
        if !self.quiet {
            let time = HumanDuration(self.start.elapsed());
            let (files, speed, output) = (self.files, self.speed(), output.display());
            output::note(format_args!("{files} files in {time}, {speed}; {failed} in the table failed; see {output}"));
        }
    }

    fn speed(&self) -> String {
        let hours = self.seconds / 3600.0;
        format!("{hours:.2} h of audio, {:.4} h/s", hours / self.start.elapsed().as_secs_f64().max(1e-3))
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
