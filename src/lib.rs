// SPDX-License-Identifier: MIT OR Apache-2.0
//! The GStreamer elements `soundclassify`, which passes audio through unchanged and classifies it with an ONNX network, and
//! `soundgate`, which mutes, keeps, drops or replaces the audio of the detected events.
//!
//! This crate contains all code that uses GStreamer; features, inference and decisions are in `soundclassify-core`.

#![forbid(unsafe_code)]

mod panic;
mod plugin;
pub mod signal;
pub mod soundclassify;
pub mod soundgate;
mod stream;

pub use plugin::plugin_register_static;
pub use soundclassify::message::{Classification, ClassificationEvent, GateEvent, GateSource, Label, ParseError};
pub use soundclassify_core::{Error, decision::EventKind};
