// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes wrong outside: missing files, and Ctrl-C at any moment.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use crate::launch::sandbox::{Finished, Running, Sandbox, skip};

const SIGINT: i32 = 2;

#[test]
fn a_missing_model_is_named() {
    let sandbox = Sandbox::new();
    let ended = sandbox.launch("audiotestsrc num-buffers=9 ! soundclassify model=/no/such.toml ! fakesink").finish();
    ended.failed().complains("/no/such.toml");
}

#[test]
fn an_unknown_built_in_model_is_named() {
    let sandbox = Sandbox::new();
    let ended = sandbox.launch("audiotestsrc num-buffers=9 ! soundclassify model=nosuch ! fakesink").finish();
    ended.failed().complains("nosuch").complains("default");
}

fn has_system_runtime() -> bool {
    let known = ["ldconfig", "/sbin/ldconfig"].into_iter().find_map(|name| Command::new(name).arg("-p").output().ok());
    known.is_some_and(|known| String::from_utf8_lossy(&known.stdout).contains("libonnxruntime.so"))
}

#[test]
fn without_onnx_runtime_the_element_still_inspects() {
    let sandbox = Sandbox::without_runtime();
    sandbox.start("gst-inspect-1.0", ["soundclassify"]).finish().succeeded();
}

#[test]
fn without_onnx_runtime_the_pipeline_reports_where_it_looked() {
    if has_system_runtime() {
        return skip("this system has an ONNX Runtime of its own");
    }
    let sandbox = Sandbox::without_runtime();
    let ended = sandbox.launch("audiotestsrc num-buffers=9 ! soundclassify ! fakesink").finish().failed();
    let folder = sandbox.path("plugins").display().to_string();
    ended.complains("ORT_DYLIB_PATH").complains(&folder).complains("libonnxruntime.so");
}

#[test]
fn a_wrong_path_of_onnx_runtime_is_named() {
    let mut sandbox = Sandbox::without_runtime();
    sandbox.variables.push(("ORT_DYLIB_PATH", "/no/such/libonnxruntime.so".into()));
    let ended = sandbox.launch("audiotestsrc num-buffers=9 ! soundclassify ! fakesink").finish();
    ended.failed().complains("/no/such/libonnxruntime.so");
}

/// Ends soon, as GStreamer's program does or as the signal does; never by a crash.
#[track_caller]
fn ends_on_interrupt(running: &mut Running) -> Finished {
    let ended = running.interrupt().finish_within(Duration::from_secs(2));
    let clean = ended.status.code().is_some_and(|code| code < 128) || ended.status.signal() == Some(SIGINT);
    assert!(clean, "{}\n{}", ended.status, ended.stderr);
    ended
}

const LIVE: &str = "audiotestsrc is-live=true wave=pink-noise ! soundclassify ! fakesink";

#[test]
fn interrupting_a_live_pipeline_ends_it() {
    let sandbox = Sandbox::new();
    let mut running = sandbox.launch(LIVE);
    running.wait_for("): soundclassify, ");
    ends_on_interrupt(&mut running);
}

#[test]
fn interrupting_a_pipeline_at_full_speed_ends_it() {
    let sandbox = Sandbox::new();
    let mut running = sandbox.launch("audiotestsrc wave=pink-noise ! soundclassify ! fakesink");
    running.wait_for("): soundclassify, ");
    ends_on_interrupt(&mut running);
}

#[test]
fn interrupting_at_the_start_ends_it() {
    let sandbox = Sandbox::new();
    // The registry first: scanning for plugins is not the moment that is meant.
    sandbox.start("gst-inspect-1.0", ["soundclassify"]).finish().succeeded();
    for milliseconds in [0, 10, 20, 40, 60, 80, 100, 150, 200, 300] {
        let mut running = sandbox.launch(LIVE);
        std::thread::sleep(Duration::from_millis(milliseconds));
        ends_on_interrupt(&mut running);
    }
}

#[test]
fn state_changes_of_a_file_and_its_end_leave_no_process() {
    let sandbox = Sandbox::new();
    for buffers in [1, 3, 30, 60, 100] {
        let pipeline = format!("audiotestsrc num-buffers={buffers} ! soundclassify ! fakesink");
        sandbox.launch(&pipeline).finish().succeeded();
    }
}
