// SPDX-License-Identifier: MIT OR Apache-2.0
//! `doctor`: what is missing and how to get it.

use crate::cli::support::{TONES, objects, program, run, text};

#[test]
fn doctor_is_content_here_and_names_what_is_missing() {
    let checks = objects(&text(&run(["doctor", "--json", "--model", TONES]).stdout));
    let verdict = |name: &str| {
        let check = checks.iter().find(|check| check["check"] == name).unwrap();
        check["verdict"].as_str().unwrap().to_owned()
    };
    for name in ["GStreamer", "plugin", "ONNX Runtime", "providers", "model", "self-test", "known scores"] {
        assert_eq!(verdict(name), "good", "{checks:#?}");
    }

    let sick = program().args(["doctor", "--model", TONES]).env("ORT_DYLIB_PATH", "/no/such/lib.so").output().unwrap();

    assert_eq!(sick.status.code(), Some(1));
    let reported = text(&sick.stdout);
    assert!(reported.contains("/no/such/lib.so") && reported.contains("ORT_DYLIB_PATH"), "{reported}");
    assert!(reported.contains("not possible without ONNX Runtime"), "{reported}");
}

#[test]
fn doctor_knows_the_version_of_a_library_whose_name_has_none() {
    let Ok(library) = std::env::var("ORT_DYLIB_PATH") else {
        return println!("skipped: ORT_DYLIB_PATH names no ONNX Runtime");
    };
    // Where the README suggests to put it, or under any other name.
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("engine.so");
    std::fs::copy(&library, &plain).unwrap();

    let named = program().args(["doctor", "--model", TONES]).env("ORT_DYLIB_PATH", &plain).output().unwrap();

    let version = library.split(".so.").nth(1).unwrap_or_default();
    // The symbols of Debian's library are those of 1.21, its file is named 1.21.0.
    let symbols = version.rsplit_once('.').map_or(version, |(symbols, _patch)| symbols);
    let reported = text(&named.stdout);
    let says = |version: &str| reported.contains(&format!("{version}, {} (named by ORT_DYLIB_PATH)", plain.display()));
    assert!(says(version) || says(symbols), "{reported}");
}
