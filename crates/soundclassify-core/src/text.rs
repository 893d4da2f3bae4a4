// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes foreign text (file names, labels, metadata, errors of other libraries) safe for terminals, messages, CSV and JSON.

use std::borrow::Cow;
use std::fmt::Write;

/// First characters that make a spreadsheet read a cell as a formula, and the mark that [`csv_cell`] puts before them.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
const MARK: char = '\'';

/// The text on one line of a terminal: control characters, line and paragraph separators and marks that reorder text
/// become `\u{…}` (`\n`, `\r` and `\t` by these names), so the text can't move the cursor, change colours or hide parts of itself.
///
/// ```
/// use soundclassify_core::text::visible;
/// assert_eq!(visible("a\u{1b}[2J\nb.wav"), "a\\u{1b}[2J\\nb.wav");
/// ```
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden)
}

/// Like [`visible`], for text with several lines: line ends and tabs are kept.
#[must_use]
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| is_hidden(character) && !matches!(character, '\n' | '\t'))
}

/// The text for a message on GStreamer's bus, which applications print to terminals, logs and windows: that of
/// [`visible_lines`], at most `2048` characters; the rest is replaced by `…`.
#[must_use]
pub fn bus_message(text: &str) -> Cow<'_, str> {
    const MAXIMUM: usize = 2048;
    let text = visible_lines(text);
    match text.char_indices().nth(MAXIMUM) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => text,
    }
}

/// A text cell of a CSV table that spreadsheets show and do not run: one that begins like a formula (`=`, `+`, `-`, `@`,
/// their full-width forms, tab, carriage return), or with an apostrophe, gets an apostrophe before it.
/// [`csv_text`] gives back the text.
///
/// ```
/// use soundclassify_core::text::{csv_cell, csv_text};
/// assert_eq!(csv_cell("=1+2.wav"), "'=1+2.wav");
/// assert_eq!(csv_text("'=1+2.wav"), "=1+2.wav");
/// ```
#[must_use]
pub fn csv_cell(text: &str) -> Cow<'_, str> {
    let unsafe_start = |first: char| FORMULA.contains(&first) || first == MARK;
    match text.trim_start_matches(' ').chars().next() {
        Some(first) if unsafe_start(first) => Cow::Owned(format!("{MARK}{text}")),
        _ => Cow::Borrowed(text),
    }
}

/// The original text of a cell that [`csv_cell`] made.
#[must_use]
pub fn csv_text(cell: &str) -> &str {
    match cell.strip_prefix(MARK) {
        Some(text) if matches!(csv_cell(text), Cow::Owned(_)) => text,
        _ => cell,
    }
}

/// JSON text whose characters beyond ASCII that a terminal could act on are written as `\uXXXX`, which means the same.
/// Those of ASCII can only stand escaped in JSON, but for DEL.
#[must_use]
pub fn visible_json(json: &str) -> Cow<'_, str> {
    let hidden = |character: char| is_hidden(character) && !matches!(character, '\n' | '\t' | '\r');
    if !json.contains(hidden) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 16);
    let mut units = [0; 2];
    for character in json.chars() {
        if hidden(character) {
            for unit in character.encode_utf16(&mut units) {
                // Writing to a String can't fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

fn escaped(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            _ if !hidden(character) => safe.push(character),
            '\n' | '\r' | '\t' => safe.extend(character.escape_default()),
            _ => safe.extend(character.escape_unicode()),
        }
    }
    Cow::Owned(safe)
}

/// Controls (C0, DEL, C1), separators that begin a line, and marks that change the direction of text.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_shown() {
        for (text, expected) in [
            ("plain – ä 🐕.wav", "plain – ä 🐕.wav"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("a\u{9b}2Jb\u{7f}", "a\\u{9b}2Jb\\u{7f}"),
            ("gpj.\u{202e}wav", "gpj.\\u{202e}wav"),
            ("one\ntwo\ttab\r", "one\\ntwo\\ttab\\r"),
        ] {
            assert_eq!(visible(text), expected);
        }
        assert_eq!(visible_lines("one\ntwo\u{1b}"), "one\ntwo\\u{1b}");
    }

    #[test]
    fn bus_messages_have_a_maximum_length() {
        assert_eq!(bus_message(&"ä".repeat(5000)).chars().count(), 2049);
        assert_eq!(bus_message("a\u{1b}b\nc"), "a\\u{1b}b\nc");
    }

    #[test]
    fn formulas_are_marked() {
        for formula in ["=HYPERLINK(\"x\")", "+1", "-2+3", "@SUM(A1)", "\t=1", " =1", "＝1", "'quoted"] {
            assert_eq!(csv_cell(formula), format!("'{formula}"));
        }
        for text in ["Bark", "a=b", "", "it's", "1.5"] {
            assert_eq!(csv_cell(text), text);
        }
    }

    #[test]
    fn json_means_the_same() {
        let json = "{\"a\":\"x\u{9b}\u{7f}\u{202e}ä\"}";
        assert_eq!(visible_json(json), "{\"a\":\"x\\u009b\\u007f\\u202eä\"}");
    }

    proptest! {
        #[test]
        fn cells_can_be_read_back(text in "[ '=+@a\t\r-]{0,6}|\\PC{0,8}|.{0,8}") {
            let cell = csv_cell(&text);
            prop_assert_eq!(csv_text(&cell), &text);
        }

        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert!(!visible(&text).contains(is_hidden));
        }
    }
}
