// SPDX-License-Identifier: MIT OR Apache-2.0
//! GStreamer elements `soundclassify`, which passes audio through unchanged and classifies it with an ONNX network, and
//! `soundgate`, which acts on the audio of what was found.
//!
//! Everything that knows GStreamer is in this crate; features, inference and decisions are in `soundclassify-core`.

#![forbid(unsafe_code)]

mod plugin;
pub mod signal;
pub mod soundclassify;
pub mod soundgate;
mod stream;

pub use plugin::plugin_register_static;
pub use soundclassify::message::{Classification, ClassificationEvent, Label};
pub use soundclassify_core::{Error, decision::EventKind};
