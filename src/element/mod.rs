// SPDX-License-Identifier: MIT OR Apache-2.0
//! GStreamer: the only folder that names it.

pub mod clock;
pub mod input;
mod resampler;
