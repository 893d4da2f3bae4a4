// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every input that the fuzzers keep, and every prefix of it that breaks off in the middle, through its target.

use std::{fs, path::Path};

use soundclassify_fuzz::{TARGETS, run};

#[track_caller]
fn replay(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        let bytes = fs::read(&file).unwrap();
        // Shown when the test fails: this is the input to look at.
        println!("{}", file.display());
        run(name, &bytes);
        run(name, &bytes[..bytes.len() / 2]);
    }
}

#[test]
fn chunking() {
    replay("chunking");
}

#[test]
fn element() {
    replay("element");
}

#[test]
fn lists() {
    replay("lists");
}

#[test]
fn manifest() {
    replay("manifest");
}

#[test]
fn messages() {
    replay("messages");
}

#[test]
fn network() {
    replay("network");
}

#[test]
fn every_target_is_replayed() {
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["chunking", "element", "lists", "manifest", "messages", "network"]);
}
