// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element in `gst-inspect-1.0` and `gst-launch-1.0`.

use std::fs;

use crate::stage::Stage;

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
    let inspected = Stage::new().start("gst-inspect-1.0", ["soundclassify"]).finish().succeeded().stdout;
    let missing: Vec<_> =
        PROPERTIES.into_iter().filter(|name| blurb(&inspected, name).is_none_or(|text| text.len() < 15)).collect();
    assert!(missing.is_empty(), "without a blurb: {missing:?} in\n{inspected}");
}

#[test]
fn inspection_names_signal_caps_and_plugin() {
    let inspected = Stage::new().start("gst-inspect-1.0", ["soundclassify"]).finish().succeeded().stdout;
    for wanted in ["\"reset\"", "audio/x-raw", "SINK template", "SRC template", "libgstsoundclassify.so", "Klass"] {
        assert!(inspected.contains(wanted), "no {wanted} in\n{inspected}");
    }
}

#[test]
fn inspection_of_the_plugin_tells_licence_and_origin() {
    let inspected = Stage::new().start("gst-inspect-1.0", ["--plugin", "soundclassify"]).finish().succeeded().stdout;
    for wanted in ["License", "Version", "Source module", "soundclassify:"] {
        assert!(inspected.contains(wanted), "no {wanted} in\n{inspected}");
    }
}

#[test]
fn a_recording_leaves_as_it_came() {
    let stage = Stage::new();
    let (recording, plain, passed) = (stage.noise(2), stage.path("plain"), stage.path("passed"));
    let pipeline = format!(
        "filesrc location={recording} ! decodebin ! tee name=split \
         split. ! queue ! filesink location={} split. ! queue ! soundclassify ! filesink location={}",
        plain.display(),
        passed.display()
    );
    stage.launch(&pipeline).finish().succeeded();
    let (plain, passed) = (fs::read(plain).unwrap(), fs::read(passed).unwrap());
    assert_eq!(plain.len(), 2 * 44100 * 2 * 2);
    assert!(plain == passed, "bytes differ, or {} are not {}", passed.len(), plain.len());
}

#[test]
fn every_window_is_printed() {
    let stage = Stage::new();
    let pipeline = format!("filesrc location={} ! decodebin ! soundclassify ! fakesink", stage.noise(3));
    let printed = stage.launch(&pipeline).finish().succeeded();
    // Window w starts at frame round(w·4410 / 347) and needs 127 further hops and half an FFT: w ≤ 19 fits in 3 s.
    let due = (0..30).filter(|w| ((w * 4410 * 2 + 347) / (2 * 347) + 127) * 347 + 1280 <= 3 * 44100).count();
    assert_eq!(printed.messages(), due);
    assert!(printed.stdout.contains("timestamp=(guint64)0, "), "{}", printed.stdout);
}

#[test]
fn messages_can_be_switched_off() {
    let stage = Stage::new();
    let pipeline =
        format!("filesrc location={} ! decodebin ! soundclassify post-messages=false ! fakesink", stage.noise(2));
    assert_eq!(stage.launch(&pipeline).finish().succeeded().messages(), 0);
}

#[test]
fn a_stream_without_sound_ends_at_once() {
    let stage = Stage::new();
    let ended = stage.launch("audiotestsrc num-buffers=0 ! soundclassify ! fakesink").finish().succeeded();
    assert_eq!(ended.messages(), 0);
}

#[test]
fn a_short_stream_is_classified_once() {
    let stage = Stage::new();
    let ended = stage.launch("audiotestsrc num-buffers=1 ! soundclassify ! fakesink").finish().succeeded();
    assert_eq!(ended.messages(), 1);
}

#[test]
fn nothing_leaks() {
    let mut stage = Stage::new();
    let recording = stage.noise(2);
    stage.variables.push(("GST_TRACERS", "leaks".into()));
    stage.variables.push(("GST_DEBUG", "GST_TRACER:7".into()));
    stage.variables.push(("GST_DEBUG_NO_COLOR", "1".into()));
    let pipeline = format!("filesrc location={recording} ! decodebin ! soundclassify emit-tags=true ! fakesink");
    let ended = stage.launch(&pipeline).finish().succeeded();
    assert!(ended.stderr.contains("object-alive.class"), "the tracer did not run:\n{}", ended.stderr);
    let alive: Vec<_> = ended.stderr.lines().filter(|line| line.contains(":: object-alive, ")).collect();
    assert!(alive.is_empty(), "{alive:#?}");
}
