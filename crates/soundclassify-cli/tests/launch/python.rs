// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the scripts in Python do where the element or GStreamer for Python is missing.

use std::fs;

use crate::launch::sandbox::{PYTHON, Running, Sandbox, messages, python_is_missing, top};

const SCRIPTS: [&str; 2] = ["examples/listen.py", "examples/meta.py"];

/// The scripts with a setup.sh of its own, and no element in sight.
fn sandbox(setup: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    for folder in ["examples", "pipelines"] {
        fs::create_dir(sandbox.path(folder)).unwrap();
    }
    for name in ["pipelines/common.py"].into_iter().chain(SCRIPTS) {
        fs::copy(top().join(name), sandbox.path(name)).unwrap();
    }
    fs::write(sandbox.path("pipelines/setup.sh"), setup).unwrap();
    sandbox.variables.push(("GST_PLUGIN_PATH", String::new()));
    sandbox.variables.push(("CARGO_TARGET_DIR", sandbox.path("target").display().to_string()));
    sandbox
}

fn python(sandbox: &Sandbox, name: &str, words: &[&str]) -> Running {
    sandbox.start(PYTHON, [&[sandbox.path(name).to_str().unwrap()], words].concat())
}

#[test]
fn an_element_that_is_missing_is_built() {
    if python_is_missing() {
        return;
    }
    let sandbox = sandbox("mkdir \"$CARGO_TARGET_DIR\" && ln -s ../plugins \"$CARGO_TARGET_DIR/release\"");
    let pipeline = format!("filesrc location={} ! decodebin ! soundclassify ! fakesink", sandbox.noise(2));
    let printed = python(&sandbox, "examples/listen.py", &[&pipeline]).finish().succeeded().stdout;
    assert!(!messages(&printed).is_empty());
}

#[test]
fn what_can_not_be_built_is_reported() {
    if python_is_missing() {
        return;
    }
    let mut sandbox = sandbox("echo 'error: no cargo' >&2; exit 1");
    // One that is installed is not meant.
    sandbox.variables.push(("GST_PLUGIN_SYSTEM_PATH", sandbox.path("nothing").display().to_string()));
    let folder = sandbox.path("Bark");
    for script in SCRIPTS {
        let ended = python(&sandbox, script, &[folder.to_str().unwrap()]).finish().failed();
        let reported = "error: no cargo\nerror: the element soundclassify was not found; \
                    install the plugin or set GST_PLUGIN_PATH to its folder\n";
        assert_eq!(ended.stderr, reported, "{script}");
        assert!(!folder.exists(), "{script} leaves nothing behind");
    }
}

#[test]
fn the_packages_that_python_wants_are_named() {
    let mut sandbox = sandbox("");
    fs::write(sandbox.path("gi.py"), "raise ImportError(\"No module named 'gi'\")").unwrap();
    sandbox.variables.push(("PYTHONPATH", sandbox.path("").display().to_string()));
    for script in SCRIPTS {
        let ended = python(&sandbox, script, &["Bark"]).finish().failed();
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        ended.complains("No module named 'gi'").complains("python3-gi and gir1.2-gstreamer-1.0");
    }
}
