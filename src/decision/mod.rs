// SPDX-License-Identifier: MIT OR Apache-2.0
//! Scores → what is told.
