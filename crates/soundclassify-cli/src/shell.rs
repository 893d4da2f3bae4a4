// SPDX-License-Identifier: MIT OR Apache-2.0
//! Completion scripts and versions.

use std::io::{self, Write};

use clap_complete::{Shell, env::Shells};

use crate::{
    complete, doctor,
    exit::{Exit, Failure, Result},
};

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

/// Writes to standard output.
pub(crate) fn print(text: &[u8]) -> Result<Exit> {
    let mut out = io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Success)
}
