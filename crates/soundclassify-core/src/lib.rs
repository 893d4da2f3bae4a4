// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streaming sound classification without a media framework: samples in, labels out.
//!
//! [`frontend`] turns samples into model input, [`model`] turns model input into scores, [`decision`] turns scores into
//! predictions and events.

pub mod decision;
pub mod error;
pub mod frontend;
pub mod model;

pub use error::{Error, Result};
