// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ctrl-C and termination as a flag that loops look at.

use std::{
    io::{IsTerminal, stdin},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::exit::{Failure, Result};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// Whether a loop has looked at the flag since.
static NOTICED: AtomicBool = AtomicBool::new(false);

/// How long a loop may take to look at the flag.
const PATIENCE: Duration = Duration::from_secs(2);

/// Installs the handler; a second Ctrl-C ends the program at once. So does the first when nobody notices it, as where
/// the opening of a file waits for ever, and when the terminal is gone: who reads keys from it would go on for ever.
pub(crate) fn install() -> Result<()> {
    let in_terminal = stdin().is_terminal();
    handle(move || {
        let hung_up = in_terminal && !stdin().is_terminal();
        if INTERRUPTED.swap(true, Ordering::SeqCst) || hung_up {
            at_once(130);
        }
        std::thread::spawn(|| {
            std::thread::sleep(PATIENCE);
            if !NOTICED.load(Ordering::SeqCst) {
                at_once(130);
            }
        });
    })
}

/// Ignores Ctrl-C: the parent of a worker decides when it ends.
pub(crate) fn ignore() -> Result<()> {
    handle(|| {})
}

/// Ends the process without its exit handlers: threads at work would use what those tear down.
pub(crate) fn at_once(status: i32) -> ! {
    signal_hook::low_level::exit(status)
}

/// Whether the user wants the program to stop.
pub(crate) fn requested() -> bool {
    let requested = INTERRUPTED.load(Ordering::SeqCst);
    if requested {
        NOTICED.store(true, Ordering::SeqCst);
    }
    requested
}

/// [`Failure::Interrupted`] when the user wants the program to stop.
pub(crate) fn check() -> Result<()> {
    if requested() { Err(Failure::Interrupted) } else { Ok(()) }
}

/// Calls `on_signal` on a thread of its own. Signals that were ignored before, as `nohup` and shells do for programs in
/// the background, stay ignored.
#[cfg(unix)]
fn handle(on_signal: impl Fn() + Send + 'static) -> Result<()> {
    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM},
        iterator::Signals,
    };
    let ignored = ignored();
    let heeded = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = Signals::new(heeded).map_err(|error| Failure::Failed(format!("signal handlers: {error}")))?;
    std::thread::spawn(move || signals.forever().for_each(|_| on_signal()));
    Ok(())
}

/// The signals that are ignored, a bit each, the first at the right; none where the system does not tell.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(not(unix))]
fn handle(on_signal: impl FnMut() + Send + 'static) -> Result<()> {
    ctrlc::set_handler(on_signal).map_err(|error| Failure::Failed(format!("signal handler: {error}")))
}
