// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loads and runs a network that is not built in, for soundclassify, which continues when this process dies of it.
#![forbid(unsafe_code)]

use std::{env, process};

use soundclassify_core::model::check;

fn main() {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    process::exit(check::run(&arguments));
}
