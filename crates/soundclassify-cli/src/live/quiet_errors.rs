// SPDX-License-Identifier: MIT OR Apache-2.0
//! Libraries such as ALSA's and OpenAL's print to standard error, over the view and before the program's own errors.

/// Sends standard error nowhere for a while.
pub(super) struct QuietErrors(#[cfg(unix)] Option<std::os::fd::OwnedFd>);

impl QuietErrors {
    /// Until it is dropped; only where standard error is a terminal.
    #[cfg(unix)]
    pub(super) fn new() -> Self {
        use std::{
            io::{self, IsTerminal},
            os::fd::AsFd,
        };
        let kept = io::stderr().as_fd().try_clone_to_owned().ok().filter(|_| io::stderr().is_terminal());
        if kept.is_some()
            && let Ok(nowhere) = std::fs::File::options().write(true).open("/dev/null")
        {
            // Otherwise they are seen, as before.
            let _ = rustix::stdio::dup2_stderr(&nowhere);
        }
        Self(kept)
    }

    #[cfg(not(unix))]
    pub(super) fn new() -> Self {
        Self()
    }
}

impl Drop for QuietErrors {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(kept) = &self.0 {
            let _ = rustix::stdio::dup2_stderr(kept);
        }
    }
}
