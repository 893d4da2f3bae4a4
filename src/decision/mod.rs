// SPDX-License-Identifier: MIT OR Apache-2.0
//! Scores → what is told. Pure arithmetic on class scores, without time or pipeline.

mod ensemble;
mod filter;

pub use ensemble::Ensemble;
pub use filter::{Filter, Prediction, unknown_label_hint};
