// SPDX-License-Identifier: MIT OR Apache-2.0
//! One stream: buffers in, windows to the engine, results out in order.

pub(crate) mod analysis;
pub(crate) mod reporter;
pub(crate) mod results;
pub(crate) mod stats;
pub(crate) mod timeline;
