// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the program ends: its exit status and the failures that lead to one.

use std::{io, path::Path, process::ExitCode};

use soundclassify_core::text;

/// Exit status of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All inputs succeeded.
    Success,
    /// Some inputs failed; the others succeeded.
    Failed,
    /// The command line can't be carried out.
    Usage,
    /// Ctrl-C or a request to terminate.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Interrupted => 130,
        })
    }
}

/// What stops a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line, or a file that it names, is wrong.
    #[error("{0}")]
    Usage(String),
    /// An input, a model or a device failed.
    #[error("{0}")]
    Failed(String),
    /// Ctrl-C or a request to terminate.
    #[error("interrupted")]
    Interrupted,
    /// Standard output can't be written; no input is to blame.
    #[error("standard output: {0}")]
    Output(String),
    /// The reader of standard output went away, as `head` does; no error to anybody.
    #[error("the reader of the output has gone")]
    OutputClosed,
}

impl Failure {
    /// A file operation that failed.
    pub(crate) fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        Self::Failed(format!("{}: {what}: {error}", text::visible(&path.to_string_lossy())))
    }

    /// A write to standard output that failed.
    pub(crate) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Output(error.to_string()),
        }
    }

    /// The exit status that the failure leads to.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Failed(_) | Self::Output(_) => Exit::Failed,
            Self::Interrupted => Exit::Interrupted,
            Self::OutputClosed => Exit::Success,
        }
    }
}

impl From<gstsoundclassify::Error> for Failure {
    fn from(error: gstsoundclassify::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Result of a command or a part of one.
pub(crate) type Result<T> = std::result::Result<T, Failure>;
