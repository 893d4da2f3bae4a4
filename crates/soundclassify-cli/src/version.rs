// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify --version`: the versions of the program, GStreamer and ONNX Runtime.

use crate::{
    doctor,
    exit::{Exit, Result},
    output::print_text,
};

/// Prints the versions.
pub(crate) fn run() -> Result<Exit> {
    let runtime = doctor::runtime_version().unwrap_or_else(|| "not found; run `soundclassify doctor`".to_owned());
    let gstreamer = gst::version_string();
    let gstreamer = gstreamer.trim_start_matches("GStreamer ");
    let own = env!("CARGO_PKG_VERSION");
    print_text(format!("soundclassify {own}\nGStreamer {gstreamer}\nONNX Runtime {runtime}\n").as_bytes())
}
