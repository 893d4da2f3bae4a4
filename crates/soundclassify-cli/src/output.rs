// SPDX-License-Identifier: MIT OR Apache-2.0
//! The forms in which results are printed.

use std::{
    borrow::Cow,
    fmt::Display,
    io::{self, Write},
    path::Path,
};

use gstsoundclassify::{Classification, ClassificationEvent, Label};
use serde::Serialize;
use soundclassify_core::text;

use crate::{
    address::{without_credentials, without_secrets},
    emoji::Symbols,
    exit::{Exit, Failure, Result},
    progress::Progress,
    record::Record,
    session::{Session, SessionStep},
    terminal,
};

/// How a result looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// `Label index probability`, ml-sound-classifier's line.
    Plain,
    /// One object per line.
    Json,
    /// A symbol for each of a few labels.
    Emoji(Symbols),
}

/// Prints records in one form.
pub(crate) struct Printer<W> {
    out: W,
    form: Form,
    time: bool,
    colour: bool,
    input: Option<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
    #[serde(flatten)]
    record: &'a Record,
}

impl Printer<io::StdoutLock<'static>> {
    /// A printer on standard output; `time`: whether plain lines start with seconds.
    pub(crate) fn stdout(form: Form, time: bool) -> Self {
        let colour = terminal::has_colour(&io::stdout());
        Self { out: io::stdout().lock(), form, time, colour, input: None }
    }
}

impl<W: Write> Printer<W> {
    /// Names the input that the next records belong to.
    pub(crate) fn input(&mut self, name: &str) {
        self.input = Some(without_credentials(name).into_owned());
    }

    /// A headline over the plain lines of one of several inputs.
    pub(crate) fn headline(&mut self, name: &str) -> Result<()> {
        match self.form {
            Form::Json => Ok(()),
            Form::Plain | Form::Emoji(_) => self.line(&format!("==> {name} <==")),
        }
    }

    /// Prints one record in the chosen form.
    pub(crate) fn record(&mut self, record: &Record) -> Result<()> {
        self.record_at(record, None)
    }

    /// Prints one record in the chosen form; `time` replaces the seconds before the line of an event.
    pub(crate) fn record_at(&mut self, record: &Record, time: Option<&str>) -> Result<()> {
        let text = match (&self.form, record) {
            (Form::Json, _) => {
                let line = json(&Line { input: self.input.as_deref(), record });
                return self.write(&line);
            }
            (Form::Plain, Record::Window(window)) => return self.plain(window),
            (Form::Emoji(symbols), Record::Window(window)) => {
                let Label { label, probability, .. } = window.best();
                symbols
                    .bar(label, *probability)
                    .map(|bar| format!("{}{bar:<20} {label} {probability:.2}", self.stamp(window.start())))
            }
            (_, Record::Event(event)) => Some(self.event(event, time)),
        };
        text.map_or(Ok(()), |text| self.line(&text))
    }

    fn plain(&mut self, window: &Classification) -> Result<()> {
        let stamp = self.stamp(window.start());
        let Label { label, index, probability } = window.best();
        let line = format!("{label} {index} {probability:.6}");
        let style = if *probability >= 0.5 { "1" } else { "2" };
        self.styled(&[("", &stamp), (style, &line)])
    }

    fn event(&self, event: &ClassificationEvent, time: Option<&str>) -> String {
        let stamp = time.map_or_else(|| self.stamp(event.start()), |time| format!("{time} "));
        format!(
            "{stamp}{} {} {} {:.6} peak {:.6} lasting {:.3}",
            event.kind.name(),
            event.now.label,
            event.now.index,
            event.now.probability,
            event.peak,
            event.duration.seconds_f64(),
        )
    }

    fn stamp(&self, time: gst::ClockTime) -> String {
        if self.time { format!("{:.3} ", time.seconds_f64()) } else { String::new() }
    }

    /// Writes and flushes one line of text, with control characters made visible.
    pub(crate) fn line(&mut self, line: &str) -> Result<()> {
        self.write(&shown(line))
    }

    /// Text of several lines.
    pub(crate) fn block(&mut self, lines: &str) -> Result<()> {
        self.write(&text::visible_lines(&without_secrets(lines)))
    }

    /// One line of parts, each in a style of SGR (as "1" for bold) where the output has colour.
    pub(crate) fn styled(&mut self, parts: &[(&str, &str)]) -> Result<()> {
        let parts = parts.iter().map(|(style, part)| match (self.colour, *style) {
            (false, _) | (true, "") => shown(part),
            (true, style) => format!("\x1b[{style}m{}\x1b[0m", shown(part)),
        });
        let line = parts.collect::<String>();
        self.write(&line)
    }

    fn write(&mut self, text: &str) -> Result<()> {
        writeln!(self.out, "{text}").and_then(|()| self.out.flush()).map_err(|error| Failure::output(&error))
    }
}

/// Runs a session and prints its results; their number.
pub(crate) fn print<W: Write>(session: &Session, progress: Option<Progress>, printer: &mut Printer<W>) -> Result<u64> {
    let mut records = 0;
    session.run_with(progress, &mut |step| match step {
        SessionStep::Record(record) => {
            records += 1;
            printer.record(&record)
        }
        SessionStep::Warning(why) | SessionStep::Lost(why) => {
            note(format_args!("soundclassify: warning: {why}"));
            Ok(())
        }
        SessionStep::Idle | SessionStep::End => Ok(()),
    })?;
    Ok(records)
}

/// A line without passwords, with control characters made visible.
fn shown(line: &str) -> String {
    text::visible(&without_secrets(line)).into_owned()
}

/// Writes a text to standard output as it is.
pub(crate) fn print_text(text: &[u8]) -> Result<Exit> {
    let mut out = io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Success)
}

/// Writes a line to standard error, without passwords; the error of a closed one is ignored.
pub(crate) fn note(line: impl Display) {
    note_on(io::stderr(), line);
}

/// Writes a line to a stream, without passwords; an error is ignored.
pub(crate) fn note_on(mut stream: impl Write, line: impl Display) {
    let line = format!("{}\n", text::visible_lines(&without_secrets(&line.to_string())));
    let _ = stream.write_all(line.as_bytes());
}

/// Refuses a file in a missing folder before hours of audio are classified.
pub(crate) fn check_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            Err(Failure::Failed(format!("{}: the folder {} does not exist", path.display(), folder.display())))
        }
        _ if path.is_dir() => Err(Failure::Failed(format!("{}: expected a file, found a folder", path.display()))),
        _ => Ok(()),
    }
}

/// The record as one line of JSON that a terminal may show.
pub(crate) fn json<T: Serialize>(record: &T) -> String {
    let json = serde_json::to_string(record).expect("records have string keys and finite numbers");
    match text::visible_json(&json) {
        Cow::Borrowed(_) => json,
        Cow::Owned(safe) => safe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emoji::DESK_WORK;
    use gst::ClockTime;
    use gstsoundclassify::EventKind;

    fn window(label: &str, probability: f64) -> Record {
        Record::Window(Classification {
            timestamp: ClockTime::from_mseconds(1200),
            stream_time: Some(ClockTime::from_mseconds(1200)),
            running_time: None,
            duration: ClockTime::SECOND,
            utc: None,
            rms: -20.5,
            peak: -3.25,
            window: 12,
            predictions: vec![Label { label: label.to_owned(), index: 3, probability }],
            model: "test".to_owned(),
        })
    }

    fn event() -> Record {
        Record::Event(ClassificationEvent {
            kind: EventKind::Start,
            event_id: 7,
            timestamp: ClockTime::from_mseconds(1200),
            stream_time: None,
            running_time: Some(ClockTime::from_mseconds(200)),
            duration: ClockTime::from_mseconds(300),
            utc: Some(ClockTime::from_seconds(1_800_000_000)),
            now: Label { label: "Bark".to_owned(), index: 3, probability: 0.5 },
            peak: 0.75,
        })
    }

    fn printed(form: Form, time: bool, record: &Record) -> String {
        let mut printer = Printer { out: Vec::new(), form, time, colour: false, input: Some("a.wav".to_owned()) };
        printer.record(record).unwrap();
        String::from_utf8(printer.out).unwrap()
    }

    #[test]
    fn plain_lines_are_the_originals() {
        assert_eq!(printed(Form::Plain, false, &window("Bark", 0.5)), "Bark 3 0.500000\n");
        assert_eq!(printed(Form::Plain, true, &window("Bark", 0.5)), "1.200 Bark 3 0.500000\n");
    }

    #[test]
    fn a_json_line_holds_the_fields_of_the_message() {
        let line = printed(Form::Json, false, &window("Bark", 0.5));

        assert_eq!(
            line,
            concat!(
                r#"{"input":"a.wav","type":"window","timestamp":1200000000,"stream-time":1200000000,"running-time":null,"#,
                r#""duration":1000000000,"endtime":2200000000,"rms":-20.5,"peak":-3.25,"window":12,"label":"Bark","index":3,"#,
                r#""probability":0.5,"predictions":[{"label":"Bark","index":3,"probability":0.5}],"model":"test"}"#,
                "\n"
            )
        );
        assert_eq!(
            printed(Form::Json, false, &event()),
            concat!(
                r#"{"input":"a.wav","type":"event","kind":"start","event-id":7,"label":"Bark","index":3,"probability":0.5,"#,
                r#""peak":0.75,"timestamp":1200000000,"stream-time":null,"running-time":200000000,"duration":300000000,"#,
                r#""endtime":1500000000,"utc":1800000000000000000}"#,
                "\n"
            )
        );
    }

    #[test]
    fn only_labels_with_a_symbol_are_shown_as_emoji() {
        let form = Form::Emoji(DESK_WORK.parse().unwrap());

        assert!(printed(form.clone(), false, &window("Writing", 0.3)).starts_with("✍ ✍ ✍ "));
        assert_eq!(printed(form, false, &window("Bark", 0.9)), "");
    }
}
