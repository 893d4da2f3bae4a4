// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ctrl-C and termination as a flag that loops look at.

use std::{
    io::{IsTerminal, stdin},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::{
    atomic_file,
    exit::{Failure, Result},
};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// Whether a loop has looked at the flag since.
static NOTICED: AtomicBool = AtomicBool::new(false);

/// Maximum time until a loop looks at the flag.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time from then until the program ends.
const EXIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Signals within this time after the first are the same one: `timeout` sends it to the process and to its group.
const SAME: Duration = Duration::from_millis(500);

/// Installs the handler. A second Ctrl-C ends the program immediately, and so does the first if no code handles it in time,
/// for example while opening a file blocks, and if the terminal has gone, because reading keys would never end.
pub(crate) fn install() -> Result<()> {
    let in_terminal = stdin().is_terminal();
    let mut first = None;
    handle(move || {
        let hung_up = in_terminal && !stdin().is_terminal();
        if hung_up || first.is_some_and(|first: Instant| first.elapsed() > SAME) {
            at_once(130);
        }
        if first.is_none() {
            first = Some(Instant::now());
            INTERRUPTED.store(true, Ordering::SeqCst);
            std::thread::spawn(watch);
        }
    })
}

/// Ends the program if it does not end in time.
fn watch() {
    std::thread::sleep(STOP_TIMEOUT);
    if NOTICED.load(Ordering::SeqCst) {
        // One of several threads may still wait forever.
        std::thread::sleep(EXIT_TIMEOUT);
    }
    at_once(130);
}

/// Ignores Ctrl-C: the parent of a worker decides when it ends.
pub(crate) fn ignore() -> Result<()> {
    handle(|| {})
}

/// Ends the process without its exit handlers, because running threads would use what these destroy.
pub(crate) fn at_once(status: i32) -> ! {
    atomic_file::abandon();
    signal_hook::low_level::exit(status)
}

/// Whether the user has interrupted the program.
pub(crate) fn requested() -> bool {
    let requested = INTERRUPTED.load(Ordering::SeqCst);
    if requested {
        NOTICED.store(true, Ordering::SeqCst);
    }
    requested
}

/// [`Failure::Interrupted`] if the user has interrupted the program.
pub(crate) fn check() -> Result<()> {
    if requested() { Err(Failure::Interrupted) } else { Ok(()) }
}

/// Calls `on_signal` on a separate thread. Signals that were ignored before, as `nohup` and shells do for programs in
/// the background, stay ignored.
#[cfg(unix)]
fn handle(mut on_signal: impl FnMut() + Send + 'static) -> Result<()> {
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

/// The signals that are ignored, a bit each, the first at the right; none where the system does not report them.
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
