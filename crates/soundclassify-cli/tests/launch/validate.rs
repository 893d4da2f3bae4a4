// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scenarios of `tests/validate` on the main pipelines, by GStreamer's own validator.

use std::process::Command;

use crate::sandbox::{Sandbox, skip, top};

/// Between a recording and a sink that is in time.
const PIPELINES: [&str; 4] = [
    "soundclassify model=small",
    "soundclassify model=small report=events add-meta=true emit-tags=true ! audioconvert ! audioresample",
    "soundclassify model=small report=events ! soundgate mode=mute",
    "soundclassify model=small report=events ! soundgate mode=replace before=100000000 delay=500000000",
];

#[test]
fn pipelines_pass_the_scenarios() {
    const VALIDATE: &str = "gst-validate-1.0";
    if !Command::new(VALIDATE).arg("--version").output().is_ok_and(|it| it.status.success()) {
        return skip("gst-validate-1.0 is not installed");
    }
    let sandbox = Sandbox::new();
    let recording = sandbox.noise(5);
    for scenario in ["classify", "fast"] {
        let scenario = top().join("tests/validate").join(format!("{scenario}.scenario"));
        for pipeline in PIPELINES {
            let option = format!("--set-scenario={}", scenario.display());
            let line =
                format!("filesrc location={recording} ! decodebin ! audioconvert ! {pipeline} ! fakesink sync=true");
            let words = std::iter::once(option.as_str()).chain(line.split_whitespace());
            sandbox.start(VALIDATE, words).finish().succeeded();
        }
    }
}
