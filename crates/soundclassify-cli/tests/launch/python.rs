// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the scripts in Python do where the element or GStreamer for Python is missing.

use std::fs;

use crate::stage::{PYTHON, Running, Stage, heard, python_is_missing, top};

const SCRIPTS: [&str; 3] = ["examples/listen.py", "pipelines/record-events.py", "pipelines/mute.py"];

/// The scripts with a setup.sh of its own, and no element in sight.
fn stage(setup: &str) -> Stage {
    let mut stage = Stage::new();
    for folder in ["examples", "pipelines"] {
        fs::create_dir(stage.path(folder)).unwrap();
    }
    for name in ["pipelines/common.py"].into_iter().chain(SCRIPTS) {
        fs::copy(top().join(name), stage.path(name)).unwrap();
    }
    fs::write(stage.path("pipelines/setup.sh"), setup).unwrap();
    stage.variables.push(("GST_PLUGIN_PATH", String::new()));
    stage.variables.push(("CARGO_TARGET_DIR", stage.path("target").display().to_string()));
    stage
}

fn python(stage: &Stage, name: &str, words: &[&str]) -> Running {
    stage.start(PYTHON, [&[stage.path(name).to_str().unwrap()], words].concat())
}

#[test]
fn an_element_that_is_missing_is_built() {
    if python_is_missing() {
        return;
    }
    let stage = stage("mkdir \"$CARGO_TARGET_DIR\" && ln -s ../plugins \"$CARGO_TARGET_DIR/release\"");
    let pipeline = format!("filesrc location={} ! decodebin ! soundclassify ! fakesink", stage.noise(2));
    let printed = python(&stage, "examples/listen.py", &[&pipeline]).finish().succeeded().stdout;
    assert!(!heard(&printed).is_empty());
}

#[test]
fn what_can_not_be_built_is_told() {
    if python_is_missing() {
        return;
    }
    let mut stage = stage("echo 'error: no cargo' >&2; exit 1");
    // One that is installed is not meant.
    stage.variables.push(("GST_PLUGIN_SYSTEM_PATH", stage.path("nothing").display().to_string()));
    let folder = stage.path("Bark");
    for script in SCRIPTS {
        let ended = python(&stage, script, &[folder.to_str().unwrap()]).finish().failed();
        let told = "error: no cargo\nerror: there is no element soundclassify; \
                    install the plugin or set GST_PLUGIN_PATH to its folder\n";
        assert_eq!(ended.stderr, told, "{script}");
        assert!(!folder.exists(), "{script} leaves nothing behind");
    }
}

#[test]
fn the_packages_that_python_wants_are_named() {
    let mut stage = stage("");
    fs::write(stage.path("gi.py"), "raise ImportError(\"No module named 'gi'\")").unwrap();
    stage.variables.push(("PYTHONPATH", stage.path("").display().to_string()));
    for script in SCRIPTS {
        let ended = python(&stage, script, &["Bark"]).finish().failed();
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        ended.complains("No module named 'gi'").complains("python3-gi and gir1.2-gstreamer-1.0");
    }
}
