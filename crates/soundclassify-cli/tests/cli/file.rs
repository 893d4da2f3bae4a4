// SPDX-License-Identifier: MIT OR Apache-2.0
//! `file`: what it prints is what the element posts.

use std::{collections::BTreeSet, path::Path, sync::Once};

use crate::cli::support::{LOW, TONES, melody, objects, program, run, stdout, text, tones};
use gst::prelude::*;
use gstsoundclassify::{Classification, ClassificationEvent};

/// The structures of the element's own messages for a file, from a pipeline of this test.
fn structures(path: &Path, settings: &str) -> Vec<gst::Structure> {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        gst::init().unwrap();
        gstsoundclassify::plugin_register_static().unwrap();
    });
    let line = format!("filesrc location=\"{}\" ! decodebin ! soundclassify {settings} ! fakesink", path.display());
    let pipeline = gst::parse::launch(&line).unwrap();
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut reported = Vec::new();
    loop {
        let message = bus.timed_pop(gst::ClockTime::from_seconds(60)).expect("the pipeline hangs");
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{error:?}"),
            gst::MessageView::Element(element) => reported.extend(element.structure().map(ToOwned::to_owned)),
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    reported
}

fn messages(path: &Path, settings: &str) -> Vec<(u64, String, i32, f64)> {
    let messages =
        structures(path, settings).into_iter().map(|reported| Classification::try_from(reported.as_ref()).unwrap());
    let brief = messages.map(|messages| {
        let best = messages.best();
        (messages.timestamp.nseconds(), best.label.clone(), best.index as i32, best.probability)
    });
    brief.collect()
}

#[track_caller]
fn assert_equal_to_messages(path: &Path, options: &[&str], settings: &str) {
    let mut arguments = vec!["file", "--json", path.to_str().unwrap()];
    arguments.extend(options);

    let lines = objects(&stdout(arguments));

    let reported: Vec<_> = lines
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            let index = line["index"].as_i64().unwrap() as i32;
            (line["timestamp"].as_u64().unwrap(), text("label"), index, line["probability"].as_f64().unwrap())
        })
        .collect();
    let expected = messages(path, settings);
    assert!(!expected.is_empty());
    assert_eq!(reported, expected);
}

#[test]
fn file_reports_what_the_element_reports_for_generated_sound() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());

    assert_equal_to_messages(&path, &["--model", TONES], &format!("model={TONES}"));
    assert_equal_to_messages(&path, &["--model", TONES, "--no-ensemble"], &format!("model={TONES} ensembles=1"));
    let options = ["--model", TONES, "--oversamples", "5", "--deny-labels", "High, very high,Quiet"];
    let settings = format!("model={TONES} oversamples=5 deny-labels=\"<(string)\\\"High\\,\\ very\\ high\\\",Quiet>\"");
    assert_equal_to_messages(&path, &options, &settings);
}

#[test]
fn file_reports_what_the_element_reports_for_packaged_recordings() {
    let places = ["/usr/share/sounds/freedesktop/stereo/bell.oga", "/usr/share/sounds/alsa/Front_Center.wav"];
    let found: Vec<_> = places.iter().map(Path::new).filter(|path| path.exists()).collect();
    if found.is_empty() {
        println!("skipped: neither sound-theme-freedesktop nor alsa-utils is installed");
    }
    for path in found {
        assert_equal_to_messages(path, &["--model", TONES], &format!("model={TONES}"));
        assert_equal_to_messages(path, &[], "");
    }
}

#[test]
fn the_forms_of_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());
    let path = path.to_str().unwrap();

    let plain = stdout(["file", "--model", TONES, "--no-time", path]);
    let words: Vec<_> = plain.lines().next().unwrap().split(' ').collect();
    assert_eq!((words[0], words[1], words.len()), ("Low", "1", 3), "Label index probability");
    assert!(words[2].parse::<f64>().unwrap() > 0.9);
    let timed = stdout(["file", "--model", TONES, path]);
    assert!(timed.starts_with("0.000 Low 1 "), "{timed}");
    let emoji = stdout(["file", "--model", TONES, "--emoji=Low=L,Middle=M", "--no-time", path]);
    assert!(emoji.starts_with("L L L L L L L L L L"), "{emoji}");
    assert!(!emoji.contains("Quiet") && !emoji.contains("High"), "only chosen labels are listened for");
    assert!(!plain.contains('\x1b') && !emoji.contains('\x1b'), "no colour in a pipe");
}

#[test]
fn events_of_a_file_have_one_start_and_one_end_each() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());
    let deny = ["--deny-labels", "Quiet"];

    let events =
        objects(&stdout(["file", "--events", "--json", "--model", TONES, deny[0], deny[1], path.to_str().unwrap()]));

    let of = |kind: &str| events.iter().filter(|event| event["kind"] == kind).collect::<Vec<_>>();
    let (starts, ends) = (of("start"), of("end"));
    let labels: Vec<_> = starts.iter().map(|event| event["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["Low", "Middle", "High, very high"]);
    let ids = |events: &[&serde_json::Value]| {
        events.iter().map(|event| event["event-id"].as_u64().unwrap()).collect::<BTreeSet<_>>()
    };
    assert_eq!((ids(&starts).len(), ids(&starts)), (ends.len(), ids(&ends)));
}

#[test]
fn events_of_a_file_are_those_of_the_element() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());
    let settings = ["--event-on=0.8", "--event-off=0.2", "--event-min-duration=700ms", "--event-hold=0s"];

    let lines = objects(&stdout(
        ["file", "--events", "--json", "--model", TONES, path.to_str().unwrap()].iter().chain(&settings),
    ));

    let reported: Vec<_> = lines
        .iter()
        .map(|line| {
            let times = ["event-id", "timestamp", "stream-time", "duration"].map(|key| line[key].as_u64().unwrap());
            let numbers = ["probability", "peak"].map(|key| line[key].as_f64().unwrap());
            (line["kind"].as_str().unwrap().to_owned(), line["label"].as_str().unwrap().to_owned(), times, numbers)
        })
        .collect();
    let settings =
        format!("model={TONES} report=events event-on=0.8 event-off=0.2 event-min-duration=700000000 event-hold=0");
    let expected: Vec<_> = structures(&path, &settings)
        .into_iter()
        .map(|structure| {
            let event = ClassificationEvent::try_from(structure.as_ref()).unwrap();
            let times = [event.timestamp, event.stream_time.unwrap(), event.duration].map(gst::ClockTime::nseconds);
            let times = [event.event_id, times[0], times[1], times[2]];
            let kind = format!("{:?}", event.kind).to_lowercase();
            (kind, event.now.label.clone(), times, [event.now.probability, event.peak])
        })
        .collect();
    assert!(expected.len() >= 6, "{expected:?}");
    assert_eq!(reported, expected);
}

#[test]
fn an_input_that_fails_does_not_stop_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let good = melody(folder.path());
    let bad = folder.path().join("bad.wav");
    std::fs::write(&bad, "this is no sound").unwrap();

    let output =
        run(["file", "--json", "--model", TONES, "no/such.wav", bad.to_str().unwrap(), good.to_str().unwrap()]);

    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    assert!(errors.contains("no/such.wav") && errors.contains("bad.wav"), "{errors}");
    let lines = objects(&text(&output.stdout));
    assert!(lines.len() > 40 && lines.iter().all(|line| line["input"] == good.to_str().unwrap()));
}

#[test]
fn a_channel_that_does_not_exist_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());

    let failed = run(["file", "--model", TONES, "--channel", "5", path.to_str().unwrap()]);

    assert_eq!(failed.status.code(), Some(1), "nothing of it was classified");
    assert!(text(&failed.stderr).contains("channel 5 does not exist"), "{}", text(&failed.stderr));
}

#[test]
fn a_file_of_which_nothing_is_reported_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());
    let path = path.to_str().unwrap();

    let tones = Path::new(TONES);
    let thresholds = "[defaults]\nthresholds = { Quiet = 1, Low = 1, Middle = 1, \"High, very high\" = 1 }";
    let manifest = std::fs::read_to_string(tones).unwrap().replace("[defaults]", thresholds);
    let strict = folder.path().join("strict.toml");
    std::fs::write(&strict, manifest).unwrap();
    std::fs::copy(tones.with_extension("onnx"), folder.path().join("tones.onnx")).unwrap();
    let strict = strict.to_str().unwrap();

    let silent = run(["file", "--model", strict, path]);
    let asked = run(["file", "--model", strict, "--threshold", "1", path]);
    let loud = run(["file", "--model", strict, "--threshold", "0", path]);

    assert!(silent.status.success() && silent.stdout.is_empty(), "{}", text(&silent.stdout));
    assert!(text(&silent.stderr).contains(path) && text(&silent.stderr).contains("reached its threshold"));
    assert!(asked.status.success() && text(&asked.stderr).is_empty(), "{}", text(&asked.stderr));
    assert!(loud.status.success() && !loud.stdout.is_empty());
}

#[test]
fn the_reason_of_a_failure_is_reported_and_not_what_followed_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.wav");
    std::fs::write(&path, "These are notes, plain text and no sound, in some lines.\n".repeat(50)).unwrap();

    let errors = text(&run(["file", "--model", TONES, path.to_str().unwrap()]).stderr);

    assert!(errors.contains("text file") && !errors.contains("Internal data stream error"), "{errors}");
}

#[cfg(unix)]
#[test]
fn names_of_files_need_be_no_unicode() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"a \xff.wav"));
    std::fs::rename(melody(folder.path()), &path).unwrap();

    let output = program().args(["file", "--json", "--model", TONES]).arg(&path).output().unwrap();

    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = objects(&text(&output.stdout));
    assert!(lines[0]["input"].as_str().unwrap().ends_with("/a%20%FF.wav"), "{}", lines[0]);
}

#[test]
fn a_model_that_is_not_there_is_reported_before_any_input() {
    let output = run(["file", "--model", "no/such.toml", "a.wav"]);

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no/such.toml"), "{}", text(&output.stderr));
}

#[test]
fn a_video_without_sound_has_no_audio_in_it() {
    gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("silent.ogv");
    let line = format!("videotestsrc num-buffers=30 ! theoraenc ! oggmux ! filesink location=\"{}\"", path.display());
    let Ok(pipeline) = gst::parse::launch(&line) else {
        return println!("skipped: GStreamer's theoraenc is not installed");
    };
    pipeline.set_state(gst::State::Playing).unwrap();
    let ended = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(gst::ClockTime::from_seconds(20), &[gst::MessageType::Eos, gst::MessageType::Error]);
    assert_eq!(ended.unwrap().type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();

    for rank in ["", "theoradec:NONE,avdec_theora:NONE"] {
        let arguments = ["file", "--model", TONES, path.to_str().unwrap()];
        let output = program().args(arguments).env("GST_PLUGIN_FEATURE_RANK", rank).output().unwrap();

        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(errors.contains("it contains no audio") && !errors.contains("plug-in"), "{errors}");
        assert!(errors.lines().all(|line| line.chars().count() < 500), "{errors}");
    }
}

#[test]
fn built_in_symbols_that_the_model_does_not_know_are_no_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = tones(&folder.path().join("low.wav"), &[(LOW, 0.3)]);
    for file in ["tones.toml", "tones.onnx"] {
        std::fs::copy(Path::new(TONES).with_file_name(file), folder.path().join(file)).unwrap();
    }
    let model = folder.path().join("tones.toml");
    let manifest = std::fs::read_to_string(&model).unwrap();
    std::fs::write(&model, manifest.replace("\"Low\"", "\"Writing\"")).unwrap();
    let arguments = ["file", "--model", model.to_str().unwrap(), path.to_str().unwrap()];

    let built_in = run(arguments.iter().chain(&["--emoji"]));
    let own = run(arguments.iter().chain(&["--emoji=Writing=w,Lowe=l"]));

    assert_eq!((built_in.status.code(), text(&built_in.stderr).as_str()), (Some(0), ""));
    assert!(text(&built_in.stdout).contains('✍'), "{}", text(&built_in.stdout));
    assert_eq!(own.status.code(), Some(2));
    assert!(text(&own.stderr).contains("--emoji: the model has no label \"Lowe\""), "{}", text(&own.stderr));
}

#[test]
fn the_readme_shows_what_is_printed() {
    const COMMAND: &str = "$ soundclassify file --events ";
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let (recording, shown) = readme.split_once(COMMAND).unwrap().1.split_once('\n').unwrap();
    if !std::path::Path::new(recording).exists() {
        println!("skipped: {recording} is not installed");
        return;
    }
    let output = run(["file", "--events", recording]);

    let printed = text(&output.stdout);
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (printed, shown) = (words(&printed), words(shown.split_once("```").unwrap().0));
    assert_eq!(printed.len(), shown.len(), "{printed:?}");
    for (printed, shown) in printed.iter().zip(&shown) {
        let number = |word: &str| word.parse::<f64>().ok();
        let alike = match (number(printed), number(shown)) {
            (Some(printed), Some(shown)) => (printed - shown).abs() < 0.01,
            _ => printed == shown,
        };
        assert!(alike, "printed {printed}, README.md has {shown}");
    }
}
