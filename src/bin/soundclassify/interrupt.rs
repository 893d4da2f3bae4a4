// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ctrl-C and termination as a flag that loops look at.

use std::io::{IsTerminal, stdin};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::{Failure, Result};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Installs the handler; a second Ctrl-C ends the program at once, and so does the first when the terminal is gone:
/// who reads keys from it would go on for ever.
pub(crate) fn install() -> Result<()> {
    let in_terminal = stdin().is_terminal();
    ctrlc::set_handler(move || {
        let hung_up = in_terminal && !stdin().is_terminal();
        if INTERRUPTED.swap(true, Ordering::SeqCst) || hung_up {
            at_once(130);
        }
    })
    .map_err(|error| Failure::Failed(format!("signal handler: {error}")))
}

/// Ignores Ctrl-C: the parent of a worker decides when it ends.
pub(crate) fn ignore() -> Result<()> {
    ctrlc::set_handler(|| {}).map_err(|error| Failure::Failed(format!("signal handler: {error}")))
}

/// Ends the process without its exit handlers: threads at work would use what those tear down.
pub(crate) fn at_once(status: i32) -> ! {
    signal_hook::low_level::exit(status)
}

/// Whether the user wants the program to stop.
pub(crate) fn requested() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// [`Failure::Interrupted`] when the user wants the program to stop.
pub(crate) fn check() -> Result<()> {
    if requested() { Err(Failure::Interrupted) } else { Ok(()) }
}
