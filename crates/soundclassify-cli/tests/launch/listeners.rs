// SPDX-License-Identifier: MIT OR Apache-2.0
//! The examples that listen on the bus or read the buffers' metadata, in Python, C and Rust.

use std::process::Command;

use crate::launch::sandbox::{PYTHON, Running, Sandbox, messages, python_is_missing, skip, top};

/// Starts an example with a pipeline.
type Start<'a> = &'a dyn Fn(&Sandbox, &str) -> Running;

fn listening(recording: &str) -> String {
    format!("filesrc location={recording} ! decodebin ! soundclassify ! fakesink")
}

/// Converts what the results are on.
fn reading(recording: &str) -> String {
    format!(
        "filesrc location={recording} ! decodebin ! soundclassify add-meta=true post-messages=false ! audioconvert ! \
         audioresample ! audio/x-raw,rate=11025 ! queue ! fakesink name=sink"
    )
}

#[track_caller]
fn assert_prints_results(pipeline: fn(&str) -> String, start: Start<'_>) {
    let sandbox = Sandbox::new();
    let recording = sandbox.noise(2);
    let printed = start(&sandbox, &pipeline(&recording)).finish().succeeded().stdout;
    let by_script = sandbox.script("file.sh", &[&recording]).finish().succeeded().stdout;
    assert_eq!(messages(&printed), messages(&by_script));
    assert!(messages(&printed).len() > 5, "{printed}");
    for wrong in
        ["audiotestsrc ! soundclassify model=nosuch ! fakesink name=sink", "audiotestsrc ! nosuch ! fakesink name=sink"]
    {
        start(&sandbox, wrong).finish().failed().complains("nosuch");
    }
}

fn python(name: &str) -> impl Fn(&Sandbox, &str) -> Running {
    let script = top().join("examples").join(format!("{name}.py"));
    move |sandbox, pipeline| sandbox.start(PYTHON, [script.as_os_str(), pipeline.as_ref()])
}

fn c(name: &str) -> impl Fn(&Sandbox, &str) -> Running {
    let source = top().join("examples").join(format!("{name}.c"));
    move |sandbox, pipeline| {
        let compile = "cc -Wall -Wextra -Werror \"$0\" -o \"$1\" $(pkg-config --cflags --libs gstreamer-1.0)";
        let program = sandbox.path("example");
        sandbox
            .start("sh", ["-c".as_ref(), compile.as_ref(), source.as_os_str(), program.as_os_str()])
            .finish()
            .succeeded();
        sandbox.start(program, [pipeline])
    }
}

fn compiler_is_missing() -> bool {
    let found = |program| Command::new(program).arg("--version").output().is_ok_and(|it| it.status.success());
    let missing = !found("cc") || !found("pkg-config");
    if missing {
        skip("no C compiler or pkg-config is installed");
    }
    missing
}

fn rust(name: &str) -> impl Fn(&Sandbox, &str) -> Running {
    // Cargo builds examples together with the tests.
    let program = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join(name);
    move |sandbox, pipeline| {
        let mut command = Command::new(&program);
        command.arg(pipeline);
        sandbox.start_command(command)
    }
}

#[test]
fn python_listens() {
    if !python_is_missing() {
        assert_prints_results(listening, &python("listen"));
    }
}

#[test]
fn c_listens() {
    if !compiler_is_missing() {
        assert_prints_results(listening, &c("listen"));
    }
}

#[test]
fn rust_listens() {
    assert_prints_results(listening, &rust("listen"));
}

#[test]
fn python_reads_results_on_buffers() {
    if !python_is_missing() {
        assert_prints_results(reading, &python("meta"));
    }
}

#[test]
fn c_reads_results_on_buffers() {
    if !compiler_is_missing() {
        assert_prints_results(reading, &c("meta"));
    }
}

#[test]
fn rust_reads_results_on_buffers() {
    assert_prints_results(reading, &rust("meta"));
}
