// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scenarios of `tests/validate` on the main pipelines, by GStreamer's own validator.

use std::process::Command;

use crate::launch::sandbox::{Finished, Sandbox, skip, top};

const VALIDATE: &str = "gst-validate-1.0";

/// Between a recording and a sink that is in time.
const PIPELINES: [&str; 4] = [
    "soundclassify model=small",
    "soundclassify model=small report=events add-meta=true emit-tags=true ! audioconvert ! audioresample",
    "soundclassify model=small report=events ! soundgate mode=mute",
    "soundclassify model=small report=events ! soundgate mode=replace before=100000000 delay=500000000",
];

/// The validator (up to 1.28) replaces pad functions by `gst_pad_set_query_function`, which drops the data of the old one, and
/// then calls the old one. The pad functions of `gstreamer` for Rust read this data, which a debug build notices. Only elements
/// that set pad functions themselves, such as `soundgate`, are affected.
fn lost_data_of_pad_functions(ended: &Finished) -> bool {
    !ended.status.success()
        && ended.stderr.contains("null pointer dereference")
        && ended.stderr.contains("gst_validate_pad_monitor")
}

#[test]
fn pipelines_pass_the_scenarios() {
    if !Command::new(VALIDATE).arg("--help").output().is_ok_and(|it| it.status.success()) {
        return skip("gst-validate-1.0 is not installed");
    }
    let mut sandbox = Sandbox::new();
    sandbox.variables.push(("RUST_BACKTRACE", "1".into()));
    let recording = sandbox.noise(5);
    for scenario in ["classify", "fast"] {
        let scenario = top().join("tests/validate").join(format!("{scenario}.scenario"));
        for pipeline in PIPELINES {
            let option = format!("--set-scenario={}", scenario.display());
            let line =
                format!("filesrc location={recording} ! decodebin ! audioconvert ! {pipeline} ! fakesink sync=true");
            let words = std::iter::once(option.as_str()).chain(line.split_whitespace());
            let ended = sandbox.start(VALIDATE, words).finish();
            if lost_data_of_pad_functions(&ended) {
                skip(&format!("{pipeline}: this gst-validate-1.0 calls pad functions without their data"));
                continue;
            }
            ended.succeeded();
        }
    }
}
