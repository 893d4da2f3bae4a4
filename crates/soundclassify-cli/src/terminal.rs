// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a terminal can show.

use std::{ffi::OsStr, io::IsTerminal};

/// Whether a stream is a terminal on which the cursor moves and text has styles.
pub(crate) fn is_capable(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && knows_escapes()
}

/// Whether text on a stream may have colours and styles: such a terminal, and no `NO_COLOR` (<https://no-color.org>).
pub(crate) fn has_colour(stream: &impl IsTerminal) -> bool {
    is_capable(stream) && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether the terminal of the environment understands escape sequences: `TERM` says so.
pub(crate) fn knows_escapes() -> bool {
    understands(std::env::var_os("TERM").as_deref())
}

/// Whether a terminal with this value of `TERM` understands escape sequences; those of Windows do without it.
fn understands(term: Option<&OsStr>) -> bool {
    term.map_or(cfg!(windows), |term| !term.is_empty() && term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_without_a_name_or_a_dumb_one_shows_plain_text() {
        let of = |term: &str| understands(Some(OsStr::new(term)));

        assert!(of("xterm-256color") && of("linux"));
        assert!(!of("dumb") && !of(""));
        assert_eq!(understands(None), cfg!(windows));
    }
}
