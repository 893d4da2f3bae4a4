// SPDX-License-Identifier: MIT OR Apache-2.0
//! GStreamer element `soundclassify`: passes audio through unchanged and classifies it with an ONNX network.
//!
//! Everything that knows GStreamer is in this crate; features, inference and decisions are in `soundclassify-core`.

#![forbid(unsafe_code)]

mod plugin;
pub mod signal;
pub mod soundclassify;
mod stream;

pub use plugin::plugin_register_static;
pub use soundclassify::message::{Classification, ClassificationEvent, Label};
pub use soundclassify_core::{Error, decision::EventKind};
