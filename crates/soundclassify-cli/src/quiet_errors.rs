// SPDX-License-Identifier: MIT OR Apache-2.0
//! Libraries such as ALSA's and OpenAL's print to standard error, over the view and before the program's own errors.

use std::fmt::Display;

/// Sends standard error nowhere for a while; the program's own lines still reach it.
pub(crate) struct QuietErrors {
    #[cfg(unix)]
    kept: Option<std::fs::File>,
}

impl QuietErrors {
    /// Until it is dropped.
    #[cfg(unix)]
    pub(crate) fn new() -> Self {
        use std::{io, os::fd::AsFd};
        let kept = io::stderr().as_fd().try_clone_to_owned().ok();
        if kept.is_some()
            && let Ok(nowhere) = std::fs::File::options().write(true).open("/dev/null")
        {
            // Otherwise they are seen, as before.
            let _ = rustix::stdio::dup2_stderr(&nowhere);
        }
        Self { kept: kept.map(Into::into) }
    }

    #[cfg(not(unix))]
    pub(crate) fn new() -> Self {
        Self {}
    }

    /// Like [`QuietErrors::new`]; `None` if GStreamer's log is wanted there.
    pub(crate) fn unless_logging() -> Option<Self> {
        std::env::var_os("GST_DEBUG").is_none().then(Self::new)
    }

    /// Writes a line to standard error, as [`crate::output::note`].
    pub(crate) fn note(&self, line: impl Display) {
        #[cfg(unix)]
        if let Some(kept) = &self.kept {
            return crate::output::note_on(kept, line);
        }
        crate::output::note(line);
    }
}

impl Drop for QuietErrors {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(kept) = &self.kept {
            let _ = rustix::stdio::dup2_stderr(kept);
        }
    }
}
