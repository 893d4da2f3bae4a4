// SPDX-License-Identifier: MIT OR Apache-2.0
//! Completion scripts and the manual page, generated from the command line.

use std::io::{self, Write};

use clap::Command;
use clap_complete::{Shell, env::Shells};

use crate::{
    args, complete, doctor,
    exit::{Exit, Failure, Result},
};

/// The first section of the manual page, as in the help.
const SYNOPSIS: &str = r"
.SH SYNOPSIS
\fBsoundclassify\fR [\fICOMMAND\fR]
.br
\fBsoundclassify\fR [\fBlive\fR] [\fIOPTIONS\fR] [\fIURI\fR]
.br
\fBsoundclassify\fR [\fBfile\fR] [\fIOPTIONS\fR] \fIFILE\fR…
";

/// Sections of the manual page that no option has.
const SECTIONS: &str = r#".SH "EXIT STATUS"
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
.SH EXAMPLES
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
.SH FILES
.TP
FILE.toml
A manifest: a network, its features, labels and thresholds; see \fBsoundclassify inspect\fR.
.SH "SEE ALSO"
\fBgst\-launch\-1.0\fR(1), \fBgst\-inspect\-1.0\fR(1); \fBgst\-inspect\-1.0 soundclassify\fR describes the element.
"#;

/// Prints the versions of the program, GStreamer and ONNX Runtime.
pub(crate) fn version() -> Result<Exit> {
    let runtime = doctor::runtime_version().unwrap_or_else(|| "not found; run `soundclassify doctor`".to_owned());
    let gstreamer = gst::version_string();
    let gstreamer = gstreamer.trim_start_matches("GStreamer ");
    let own = env!("CARGO_PKG_VERSION");
    print(format!("soundclassify {own}\nGStreamer {gstreamer}\nONNX Runtime {runtime}\n").as_bytes())
}

/// Prints the completion script of a shell, which asks this program for what it completes.
pub(crate) fn completions(shell: Shell) -> Result<Exit> {
    let mut script = Vec::new();
    let name = "soundclassify";
    let shells = Shells::builtins();
    let shell =
        shells.completer(&shell.to_string()).ok_or_else(|| Failure::Usage(format!("no completion for {shell}")))?;
    let written = shell.write_registration(complete::VARIABLE, name, name, name, &mut script);
    written.map_err(|error| Failure::output(&error))?;
    print(&script)
}

/// Prints the manual page, a section for each command.
pub(crate) fn man() -> Result<Exit> {
    let mut command = args::command();
    command.build();
    let mut page = Vec::new();
    sections(&command, &mut page).map_err(|error| Failure::output(&error))?;
    print(bold_code(&String::from_utf8_lossy(&page)).as_bytes())
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

fn sections(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = clap_mangen::Man::new(command.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    page.write_all(SYNOPSIS.as_bytes())?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    let reported = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    for subcommand in command.get_subcommands().filter(reported) {
        let man = clap_mangen::Man::new(subcommand.clone());
        writeln!(page, ".SH {}", subcommand.get_name().to_uppercase())?;
        man.render_synopsis_section(page)?;
        man.render_description_section(page)?;
        man.render_options_section(page)?;
    }
    page.write_all(SECTIONS.as_bytes())?;
    man.render_version_section(page)
}

fn print(text: &[u8]) -> Result<Exit> {
    let mut out = io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Success)
}
