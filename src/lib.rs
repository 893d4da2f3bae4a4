// SPDX-License-Identifier: MIT OR Apache-2.0
//! GStreamer element `soundclassify`: audio passes through untouched, an ONNX network tells what is heard.
//!
//! The crate is a house with four rooms: [`element`] speaks GStreamer, [`frontend`] turns samples
//! into model input, [`model`] turns model input into scores, [`decision`] turns scores into what
//! is told.

pub mod decision;
pub mod element;
pub mod error;
pub mod frontend;
pub mod model;
mod plugin;

pub use decision::EventKind;
pub use element::message::{Classification, ClassificationEvent, Label};
pub use error::Error;
pub use plugin::plugin_register_static;
