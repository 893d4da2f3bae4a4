// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element in `gst-inspect-1.0` and `gst-launch-1.0`.

use std::fs;

use crate::launch::sandbox::{Sandbox, number};

const PROPERTIES: [&str; 17] = [
    "model",
    "oversamples",
    "process-count",
    "ensembles",
    "channel",
    "top-k",
    "threshold",
    "allow-labels",
    "deny-labels",
    "post-messages",
    "emit-tags",
    "sync",
    "max-pending",
    "threads",
    "execution-provider",
    "device",
    "stats",
];

/// The text after `name :` in the list of properties.
fn blurb<'a>(inspected: &'a str, name: &str) -> Option<&'a str> {
    inspected.lines().find_map(|line| line.trim_start().strip_prefix(name)?.trim_start().strip_prefix(": "))
}

#[test]
fn inspection_explains_every_property() {
    let inspected = Sandbox::new().start("gst-inspect-1.0", ["soundclassify"]).finish().succeeded().stdout;
    let missing: Vec<_> =
        PROPERTIES.into_iter().filter(|name| blurb(&inspected, name).is_none_or(|text| text.len() < 15)).collect();
    assert!(missing.is_empty(), "without a blurb: {missing:?} in\n{inspected}");
}

#[test]
fn inspection_names_signal_caps_and_plugin() {
    let inspected = Sandbox::new().start("gst-inspect-1.0", ["soundclassify"]).finish().succeeded().stdout;
    for wanted in ["\"reset\"", "audio/x-raw", "SINK template", "SRC template", "libgstsoundclassify.so", "Klass"] {
        assert!(inspected.contains(wanted), "no {wanted} in\n{inspected}");
    }
}

#[test]
fn inspection_of_the_plugin_reports_licence_and_origin() {
    let inspected = Sandbox::new().start("gst-inspect-1.0", ["--plugin", "soundclassify"]).finish().succeeded().stdout;
    for wanted in ["License", "Version", "Source module", "soundclassify:"] {
        assert!(inspected.contains(wanted), "no {wanted} in\n{inspected}");
    }
}

#[test]
fn a_program_with_the_plugin_in_it_bears_another_copy_that_is_installed() {
    let mut sandbox = Sandbox::new();
    let recording = sandbox.noise(1);
    std::fs::remove_file(sandbox.path("registry")).unwrap();
    // As where there is no helper process: what is installed is looked at in the program itself.
    sandbox.variables.push(("GST_REGISTRY_FORK", "no".to_owned()));
    // Neither copy is beside the other's.
    let runtime = sandbox.path("plugins/libonnxruntime.so");
    sandbox.variables.push(("ORT_DYLIB_PATH", runtime.display().to_string()));
    let messages = sandbox.start(env!("CARGO_BIN_EXE_soundclassify"), ["file", &recording]).finish().succeeded();
    assert!(messages.stdout.starts_with("0.000 "), "{}\n{}", messages.stdout, messages.stderr);
}

#[test]
fn a_recording_leaves_as_it_came() {
    let sandbox = Sandbox::new();
    let (recording, plain, passed) = (sandbox.noise(2), sandbox.path("plain"), sandbox.path("passed"));
    let pipeline = format!(
        "filesrc location={recording} ! decodebin ! tee name=split \
         split. ! queue ! filesink location={} split. ! queue ! soundclassify ! filesink location={}",
        plain.display(),
        passed.display()
    );
    sandbox.launch(&pipeline).finish().succeeded();
    let (plain, passed) = (fs::read(plain).unwrap(), fs::read(passed).unwrap());
    assert_eq!(plain.len(), 2 * 44100 * 2 * 2);
    assert!(plain == passed, "bytes differ, or {} are not {}", passed.len(), plain.len());
}

/// Times of the windows that are due in `seconds` of sound, ten a second: they start on whole hops, and the frames at
/// their ends reach a little beyond them.
#[track_caller]
fn assert_windows(messages: &[&str], seconds: u64) {
    const MILLISECOND: u64 = 1_000_000;
    for (count, message) in (0..).zip(messages) {
        let start = number(message, "timestamp").unwrap();
        assert_eq!(number(message, "window"), Some(count), "{message}");
        assert!(start.abs_diff(count * 100 * MILLISECOND) <= 8 * MILLISECOND, "{message}");
    }
    let last = messages.last().expect("a message");
    let end = number(last, "timestamp").unwrap() + number(last, "duration").unwrap();
    let rest = (seconds * 1000 * MILLISECOND).checked_sub(end).expect("no window beyond the end");
    assert!(rest < 160 * MILLISECOND, "another window would have fit after {last}");
}

#[test]
fn every_window_is_printed() {
    let sandbox = Sandbox::new();
    let pipeline = format!("filesrc location={} ! decodebin ! soundclassify ! fakesink", sandbox.noise(5));
    assert_windows(&sandbox.launch(&pipeline).finish().succeeded().messages(), 5);
}

#[test]
fn messages_can_be_switched_off() {
    let sandbox = Sandbox::new();
    let pipeline =
        format!("filesrc location={} ! decodebin ! soundclassify post-messages=false ! fakesink", sandbox.noise(2));
    assert_eq!(sandbox.launch(&pipeline).finish().succeeded().messages(), [""; 0]);
}

#[test]
fn a_stream_without_sound_ends_at_once() {
    let sandbox = Sandbox::new();
    let ended = sandbox.launch("audiotestsrc num-buffers=0 ! soundclassify ! fakesink").finish().succeeded();
    assert_eq!(ended.messages(), [""; 0]);
}

#[test]
fn a_short_stream_is_classified_once() {
    let sandbox = Sandbox::new();
    let ended = sandbox.launch("audiotestsrc num-buffers=1 ! soundclassify ! fakesink").finish().succeeded();
    assert_eq!(ended.messages().len(), 1);
}

#[test]
fn nothing_leaks() {
    let mut sandbox = Sandbox::new();
    let recording = sandbox.noise(2);
    sandbox.variables.push(("GST_TRACERS", "leaks".into()));
    sandbox.variables.push(("GST_DEBUG", "GST_TRACER:7".into()));
    sandbox.variables.push(("GST_DEBUG_NO_COLOR", "1".into()));
    let pipeline = format!("filesrc location={recording} ! decodebin ! soundclassify emit-tags=true ! fakesink");
    let ended = sandbox.launch(&pipeline).finish().succeeded();
    assert!(ended.stderr.contains("object-alive.class"), "the tracer did not run:\n{}", ended.stderr);
    let alive: Vec<_> = ended.stderr.lines().filter(|line| line.contains(":: object-alive, ")).collect();
    assert!(alive.is_empty(), "{alive:#?}");
}
