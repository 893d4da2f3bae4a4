// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the benchmarks share.
#![allow(dead_code, reason = "each benchmark uses a part")]

pub(crate) mod compare;
pub(crate) mod rig;
