// SPDX-License-Identifier: MIT OR Apache-2.0
//! The manual page, generated from the command line.

use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::{
    args,
    exit::{Exit, Failure, Result},
    options,
    output::print_text,
};

/// The command that is carried out without a name, and first in the page.
const DEFAULT: &str = "live";

/// The first section, as in the help.
const SYNOPSIS: &str = r"
.SH SYNOPSIS
\fBsoundclassify\fR [\fICOMMAND\fR]
.br
\fBsoundclassify\fR [\fBlive\fR] [\fIOPTIONS\fR] [\fIURI\fR]
.br
\fBsoundclassify\fR [\fBfile\fR] [\fIOPTIONS\fR] \fIFILE\fR…
.SH DESCRIPTION
Classifies sound, live and in recordings, with the GStreamer element \fBsoundclassify\fR.
.PP
Without a command, it is \fBfile\fR if recordings are named, and \fBlive\fR otherwise. Commands that classify also have the
options under \fBPROPERTIES OF THE ELEMENT\fR.
.SH OPTIONS
These are the options of \fBlive\fR, the default command; \fBCOMMANDS\fR has those of the others. \fBsoundclassify\fR
\fICOMMAND\fR \fB\-\-help\fR prints the options of a command, \fBsoundclassify \-\-version\fR the versions of the program,
GStreamer and ONNX Runtime.
";

/// Sections after those of the options.
const SECTIONS: &str = r#".SH EXAMPLES
.TP
soundclassify
Classifies the microphone and shows a live view.
.TP
soundclassify recording.wav
Prints a line for each window of a recording.
.TP
soundclassify file \-\-events \-\-allow\-labels Bark,Meow recording.wav
Prints when barking and meowing begin and end.
.TP
soundclassify live \-\-plain \-\-on 'Bark=notify\-send "$2"' rtsp://camera/stream
Runs a command whenever a dog barks near a camera.
.TP
soundclassify live \-\-plain \-\-mqtt mqtt://broker \-\-name porch
Publishes events for Home Assistant.
.TP
soundclassify scan recordings \-o out.csv
Classifies all recordings of a folder into one table.
.TP
soundclassify report recording.wav \-o report.html
Writes a page with spectrogram, probabilities, events and audio.
.SH "EXIT STATUS"
.TP
0
All inputs succeeded.
.TP
1
Some inputs failed.
.TP
2
Wrong usage.
.TP
130
Interrupted, as by Ctrl\-C.
.SH ENVIRONMENT
.TP
ORT_DYLIB_PATH
Path of ONNX Runtime's library.
.TP
NO_COLOR
If it is set and not empty, there are no colours.
.TP
SOUNDCLASSIFY_MQTT_PASSWORD
Password of the broker of \fBlive \-\-mqtt\fR.
.SH FILES
.TP
FILE.toml
A manifest: a network, its features, labels and thresholds; see \fBsoundclassify inspect\fR.
.SH "SEE ALSO"
\fBgst\-launch\-1.0\fR(1), \fBgst\-inspect\-1.0\fR(1); \fBgst\-inspect\-1.0 soundclassify\fR describes the element.
"#;

/// Prints the manual page.
pub(crate) fn man() -> Result<Exit> {
    let mut command = args::command();
    command.build();
    let page = page(&command).map_err(|error| Failure::output(&error))?;
    print_text(bold_code(&page).as_bytes())
}

fn page(command: &Command) -> io::Result<String> {
    let mut page = rendered(|page| Man::new(command.clone()).render_title(page))?;
    page += &plain(&rendered(|page| Man::new(command.clone()).render_name_section(page))?);
    page += SYNOPSIS.trim_start();
    // Those that have options added to them are the last in the command itself.
    let declared = args::Cli::command();
    let shown = declared.get_subcommands().filter(|command| !command.is_hide_set());
    let mut commands = String::new();
    let mut properties = String::new();
    for command in shown.filter_map(|shown| command.find_subcommand(shown.get_name())) {
        let (options, element) = options(command)?;
        let name = command.get_name();
        commands += &format!(".SS {name}\n\\fB{}\\fR\n.PP\n", usage(command));
        commands += &format!("{}.\n", escaped(&command.get_about().map(ToString::to_string).unwrap_or_default()));
        if !element.is_empty() {
            properties = element;
            commands += "It also has the options under \\fBPROPERTIES OF THE ELEMENT\\fR.\n";
        }
        if name == DEFAULT {
            page += &options;
            commands += "Its own options are under \\fBOPTIONS\\fR.\n";
        } else {
            commands += &options;
        }
        if let Some(more) = command.get_after_help() {
            commands += &format!(".PP\n{}\n", escaped(&more.to_string()));
        }
    }
    page += &format!(".SH COMMANDS\n{commands}.SH \"PROPERTIES OF THE ELEMENT\"\n{properties}");
    page += SECTIONS;
    page += &plain(&rendered(|page| Man::new(command.clone()).render_version_section(page))?);
    Ok(page)
}

/// The options of a command, and among them those that are properties of the element.
fn options(command: &Command) -> io::Result<(String, String)> {
    let command = command.clone().mut_arg("help", |help| help.hide(true));
    let section = plain(&rendered(|page| Man::new(command).render_options_section(page))?);
    let section = section.strip_prefix(".SH OPTIONS\n").unwrap_or(&section);
    let heading = format!(".SH \"{}\"\n", options::HEADING.to_uppercase());
    let (own, element) = section.split_once(&heading).unwrap_or((section, ""));
    Ok((own.to_owned(), element.to_owned()))
}

/// `soundclassify file [OPTIONS] <FILE|URI>...`
fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    escaped(usage.trim_start_matches("Usage: "))
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('-', r"\-")
}

fn rendered(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<String> {
    let mut page = Vec::new();
    write(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// A section without the lines that define an apostrophe, which the first of the page does.
fn plain(section: &str) -> String {
    let lines = section.lines().filter(|line| !line.starts_with(".ie ") && !line.starts_with(".el "));
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// A page whose code between backticks is bold.
fn bold_code(page: &str) -> String {
    let mut bold = String::new();
    for line in page.lines() {
        for (at, part) in line.split('`').enumerate() {
            bold.push_str(match at {
                0 => "",
                _ if at % 2 == 1 => r"\fB",
                _ => r"\fR",
            });
            bold.push_str(part);
        }
        bold.push('\n');
    }
    bold
}
