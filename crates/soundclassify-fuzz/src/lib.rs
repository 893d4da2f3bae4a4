// SPDX-License-Identifier: MIT OR Apache-2.0
//! What each fuzz target does with its bytes.
//!
//! `fuzz/` builds them with libFuzzer; `tests/corpora.rs` runs every file of `fuzz/corpus` through them on stable Rust.
//! A target returns when the bytes were handled as they should be, and panics otherwise.

#![forbid(unsafe_code)]

mod chunking;
mod element;
mod files;
mod lists;
mod manifest;
mod messages;
mod network;

/// A name and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets; each has a folder of its name in `fuzz/corpus`.
pub const TARGETS: &[Target] = &[
    ("chunking", chunking::run),
    ("element", element::run),
    ("lists", lists::run),
    ("manifest", manifest::run),
    ("messages", messages::run),
    ("network", network::run),
];

/// Runs one target.
///
/// # Panics
/// When no target has this name, and when the target finds a fault.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a known target");
    target(bytes);
}
