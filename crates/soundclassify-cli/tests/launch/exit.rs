// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process that ends while the element loads another model in the background.

use std::time::Duration;

use gst::prelude::*;

use crate::launch::sandbox::{Sandbox, top};

/// The name of [`plays_and_leaves_while_a_model_loads`] for the test runner.
const PROCESS: &str = "launch::exit::plays_and_leaves_while_a_model_loads";
/// The next model takes longer than this to load, so the load is under way.
const SOON: Duration = Duration::from_millis(300);

/// A manifest with one of the networks of `tests/data/models`.
fn model(sandbox: &Sandbox, network: &str) -> String {
    let manifest =
        include_str!("../../../../tests/element/test-model.toml").replace("test.onnx", &format!("{network}.onnx"));
    let file = format!("{network}.onnx");
    std::fs::copy(top().join("tests/data/models").join(&file), sandbox.path(&file)).unwrap();
    let path = sandbox.path(&format!("{network}.toml"));
    std::fs::write(&path, manifest).unwrap();
    path.display().to_string()
}

#[test]
#[ignore = "the process that other tests start"]
fn plays_and_leaves_while_a_model_loads() {
    let variable = |name: &str| std::env::var(name).unwrap();
    gst::init().unwrap();
    let description = format!(
        "audiotestsrc is-live=true wave=pink-noise ! audio/x-raw,rate=8000 ! soundclassify name=classifier model={} \
         ! fakesink",
        variable("FIRST")
    );
    let pipeline = gst::parse::launch(&description).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let messages = bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), &[gst::MessageType::Element]);
    assert!(messages.is_some(), "no message was posted");
    pipeline.by_name("classifier").unwrap().set_property("model", variable("NEXT"));
    std::thread::sleep(SOON);
    if variable("TO_NULL") == "yes" {
        pipeline.set_state(gst::State::Null).unwrap();
    } else {
        // The streaming thread, the engine and the load all continue until the process is gone.
        std::mem::forget(pipeline);
    }
}

/// Several times: what goes wrong at exit goes wrong by chance.
#[track_caller]
fn leaves_in_peace(to_null: &str) {
    let mut sandbox = Sandbox::new();
    sandbox.variables = vec![
        ("FIRST", model(&sandbox, "linear")),
        ("NEXT", model(&sandbox, "slow-start")),
        ("TO_NULL", to_null.to_owned()),
    ];
    for _ in 0..5 {
        let arguments = ["--exact", PROCESS, "--ignored", "--nocapture"];
        let ended = sandbox.start(std::env::current_exe().unwrap(), arguments).finish().succeeded();
        assert!(ended.stdout.contains("1 passed"), "{}", ended.stdout);
        assert!(!ended.stderr.contains("CRITICAL"), "{}", ended.stderr);
    }
}

#[test]
fn a_process_may_stop_the_pipeline_and_end_while_a_model_loads() {
    leaves_in_peace("yes");
}

#[test]
fn a_process_may_just_end_while_a_model_loads() {
    leaves_in_peace("no");
}
