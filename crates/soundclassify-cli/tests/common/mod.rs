// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the programs of tests share.

pub(crate) mod errors;
