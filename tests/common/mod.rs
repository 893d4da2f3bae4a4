// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests of the element share.
#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod rig;
