// SPDX-License-Identifier: MIT OR Apache-2.0
//! The programs that listen on the bus, in Python, C and Rust: the README's examples.

use std::process::Command;

use crate::sandbox::{PYTHON, Running, Sandbox, messages, python_is_missing, top};

fn pipeline(recording: &str) -> String {
    format!("filesrc location={recording} ! decodebin ! soundclassify ! fakesink")
}

#[track_caller]
fn assert_prints_results(listener: impl Fn(&Sandbox, &str) -> Running) {
    let sandbox = Sandbox::new();
    let recording = sandbox.noise(2);
    let printed = listener(&sandbox, &pipeline(&recording)).finish().succeeded().stdout;
    let by_script = sandbox.script("file.sh", &[&recording]).finish().succeeded().stdout;
    assert_eq!(messages(&printed), messages(&by_script));
    for wrong in ["audiotestsrc ! soundclassify model=nosuch ! fakesink", "audiotestsrc ! nosuch ! fakesink"] {
        listener(&sandbox, wrong).finish().failed().complains("nosuch");
    }
}

#[test]
fn python_listens() {
    if python_is_missing() {
        return;
    }
    assert_prints_results(|sandbox, pipeline| {
        sandbox.start(PYTHON, [top().join("examples/listen.py").as_os_str(), pipeline.as_ref()])
    });
}

#[test]
fn c_listens() {
    assert_prints_results(|sandbox, pipeline| {
        let compile = "cc -Wall -Wextra -Werror \"$0\" -o \"$1\" $(pkg-config --cflags --libs gstreamer-1.0)";
        let (source, program) = (top().join("examples/listen.c"), sandbox.path("listen"));
        sandbox
            .start("sh", ["-c".as_ref(), compile.as_ref(), source.as_os_str(), program.as_os_str()])
            .finish()
            .succeeded();
        sandbox.start(program, [pipeline])
    });
}

#[test]
fn rust_listens() {
    assert_prints_results(|sandbox, pipeline| {
        // Cargo builds examples together with the tests.
        let test = std::env::current_exe().unwrap();
        let mut command = Command::new(test.parent().unwrap().with_file_name("examples").join("listen"));
        command.arg(pipeline);
        sandbox.start_command(command)
    });
}
