// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a long recording is, on standard error.

use std::{
    io,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use soundclassify_core::text;

use crate::{address::without_credentials, record::seconds, terminal};

/// Time until the bar is shown: what is done sooner needs none.
const DELAY: Duration = Duration::from_secs(1);
/// Time between two looks at the position.
const INTERVAL: Duration = Duration::from_millis(200);

/// A bar that shows after a second, where standard error is a terminal, and leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    next: Instant,
    /// Whether it is on the screen.
    shown: bool,
    /// Whether results are printed on the same terminal.
    between_lines: bool,
}

impl Progress {
    /// Of one recording.
    pub(crate) fn new(name: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, target());
        bar.set_prefix(text::visible(&without_credentials(name)).into_owned());
        bar.set_style(style("{prefix}: {spinner} {msg}"));
        Self { bar, next: Instant::now() + DELAY, shown: false, between_lines: false }
    }

    /// `between_lines`: whether results are printed on the same terminal; then it shows when none has come for a second.
    pub(crate) fn between_lines(mut self, between_lines: bool) -> Self {
        self.between_lines = between_lines;
        self
    }

    /// The recording is classified until `position`; both in ns.
    pub(crate) fn update(&mut self, position: u64, length: impl FnOnce() -> Option<u64>) {
        if self.bar.is_hidden() || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + INTERVAL;
        match length() {
            Some(length) if self.bar.length() != Some(length) => {
                self.bar.set_length(length);
                self.bar.set_style(style("{prefix}: {bar:24} {percent}% · {msg} · {eta} left"));
            }
            _ => {}
        }
        self.bar.set_message(format!("{:.0} s of sound", seconds(position)));
        self.bar.set_position(position);
        self.bar.tick();
        self.shown = true;
    }

    /// Prints a result.
    pub(crate) fn result<T>(&mut self, print: impl FnOnce() -> T) -> T {
        if !self.between_lines {
            return print();
        }
        if self.shown {
            return self.bar.suspend(print);
        }
        self.next = Instant::now() + DELAY;
        print()
    }

    /// Does what writes to the terminal, with the bar out of the way.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Standard error, where a bar can be drawn there.
pub(crate) fn target() -> ProgressDrawTarget {
    if terminal::is_capable(&io::stderr()) { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
