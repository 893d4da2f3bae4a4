// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands that run to their end: `file`, `features`, `tune`, `doctor`, and how the program ends.

mod cli_support;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::Stdio,
    sync::Once,
    time::{Duration, Instant},
};

use cli_support::{
    HIGH, LOW, MIDDLE, TONES, interrupt, melody, objects, outside, program, run, signal, stdout, text, tones,
};
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
    let mut told = Vec::new();
    loop {
        let message = bus.timed_pop(gst::ClockTime::from_seconds(60)).expect("the pipeline hangs");
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{error:?}"),
            gst::MessageView::Element(element) => told.extend(element.structure().map(ToOwned::to_owned)),
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    told
}

fn messages(path: &Path, settings: &str) -> Vec<(u64, String, i32, f64)> {
    let heard = structures(path, settings).into_iter().map(|told| Classification::try_from(told.as_ref()).unwrap());
    let brief = heard.map(|heard| {
        let best = heard.best();
        (heard.timestamp.nseconds(), best.label.clone(), best.index as i32, best.probability)
    });
    brief.collect()
}

#[track_caller]
fn assert_equal_to_messages(path: &Path, options: &[&str], settings: &str) {
    let mut arguments = vec!["file", "--json", path.to_str().unwrap()];
    arguments.extend(options);

    let lines = objects(&stdout(arguments));

    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            let index = line["index"].as_i64().unwrap() as i32;
            (line["timestamp"].as_u64().unwrap(), text("label"), index, line["probability"].as_f64().unwrap())
        })
        .collect();
    let expected = messages(path, settings);
    assert!(!expected.is_empty());
    assert_eq!(told, expected);
}

#[test]
fn file_tells_what_the_element_tells_for_generated_sound() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());

    assert_equal_to_messages(&path, &["--model", TONES], &format!("model={TONES}"));
    assert_equal_to_messages(&path, &["--model", TONES, "--no-ensemble"], &format!("model={TONES} ensembles=1"));
    let options = ["--model", TONES, "--oversamples", "5", "--deny-labels", "High, very high,Quiet"];
    let settings = format!("model={TONES} oversamples=5 deny-labels=\"<(string)\\\"High\\,\\ very\\ high\\\",Quiet>\"");
    assert_equal_to_messages(&path, &options, &settings);
}

#[test]
fn file_tells_what_the_element_tells_for_packaged_recordings() {
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

    let told: Vec<_> = lines
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
    assert_eq!(told, expected);
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
fn warnings_are_told_once_and_a_channel_that_is_not_there_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());
    let path = path.to_str().unwrap();

    let warned = run(["file", "--model", TONES, "--deny-labels", "Lowe", path, path]);
    let failed = run(["file", "--model", TONES, "--channel", "5", path]);

    assert_eq!(warned.status.code(), Some(0));
    assert_eq!(text(&warned.stderr).lines().count(), 1, "{}", text(&warned.stderr));
    assert!(text(&warned.stderr).contains("near: Low"), "{}", text(&warned.stderr));
    assert_eq!(failed.status.code(), Some(1), "nothing of it was classified");
    assert!(text(&failed.stderr).contains("channel 5 does not exist"), "{}", text(&failed.stderr));
}

#[test]
fn a_file_of_which_nothing_is_told_is_named() {
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
    assert!(asked.status.success() && asked.stderr.is_empty(), "{}", text(&asked.stderr));
    assert!(loud.status.success() && !loud.stdout.is_empty());
}

#[test]
fn the_reason_of_a_failure_is_told_and_not_what_followed_from_it() {
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
fn options_say_what_they_are_in_the_programs_own_form() {
    let help = stdout(["file", "--help"]);

    assert!(help.contains("[default: 0.35]") && help.contains("--allow-labels <LABEL,…>"), "{help}");
    assert!(!help.contains("<Bark") && !help.contains("thresholds,"), "{help}");
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_allowed() {
    for (arguments, wanted) in [
        (&["tune", "a.csv", "-o", "tuned.txt"][..], ".toml"),
        (&["report", "a.wav", "--picture", "a.gif"], ".svg or .png"),
        (&["file", "--oversamples", "0", "a.wav"], "from 1 to 100"),
        (&["file", "--sync", "maybe", "a.wav"], "always"),
        (&["file"], "<FILE|URI>"),
        (&["fiel"], "file"),
        (&["scan", "/tmp", "-o", "a.xls"], ".jsonl or .csv"),
        (&["scan", "/tmp", "--events", "-o", "a.csv"], ".jsonl"),
        (&["live", "--plain", "--device", "no such microphone"], "no such microphone"),
    ] {
        let output = run(arguments);

        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(wanted), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_model_that_is_not_there_is_told_before_any_input() {
    let output = run(["file", "--model", "no/such.toml", "a.wav"]);

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no/such.toml"), "{}", text(&output.stderr));
}

#[test]
fn a_reader_that_has_enough_ends_the_program_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let path = tones(&folder.path().join("long.wav"), &[(LOW, 300.0)]);
    let mut child = program()
        .args(["file", "--model", TONES, path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();

    let mut line = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();

    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(errors, "");
}

#[test]
fn standard_error_may_be_closed() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);

    let status = program().args(["file", "--model", TONES, "no/such.wav"]).stderr(writer).status().unwrap();

    assert_eq!(status.code(), Some(1));
}

#[test]
fn ctrl_c_ends_with_130() {
    let folder = tempfile::tempdir().unwrap();
    let path = tones(&folder.path().join("long.wav"), &[(LOW, 600.0)]);
    let mut child =
        program().args(["file", "--model", TONES, path.to_str().unwrap()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();

    interrupt(&child);

    // The pipe is emptied, so that the program is not stuck in a write.
    std::io::copy(&mut out, &mut std::io::sink()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// Waits for the end of a program; one that goes on is killed.
fn status(child: &mut std::process::Child) -> Option<i32> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return status.code(),
            None if Instant::now() > deadline => {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("it goes on");
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Whether the program has a handler for SIGTERM by now.
#[cfg(target_os = "linux")]
fn heeds_term(child: &std::process::Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() >> 14 & 1 == 1
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_nobody_notices_ends_with_130() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("sound.wav");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut child = program().args(["file", "--model", TONES, fifo.to_str().unwrap()]).spawn().unwrap();
    while !heeds_term(&child) {
        std::thread::sleep(Duration::from_millis(20));
    }
    // It opens the FIFO, which waits for a writer.
    std::thread::sleep(Duration::from_secs(2));
    assert!(child.try_wait().unwrap().is_none());

    signal("-TERM", &child);

    assert_eq!(status(&mut child), Some(130));
}

#[cfg(target_os = "linux")]
#[test]
fn signals_that_were_ignored_stay_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let path = tones(&folder.path().join("long.wav"), &[(LOW, 600.0)]);
    // As `nohup` and shells without job control do for programs in the background.
    let mut child = std::process::Command::new("sh")
        .args(["-c", "trap '' HUP INT; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_soundclassify")])
        .args(["file", "--model", TONES, path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();

    signal("-HUP", &child);
    signal("-INT", &child);
    std::thread::sleep(Duration::from_millis(500));
    let lived = child.try_wait().unwrap().is_none();
    signal("-TERM", &child);

    assert!(lived);
    std::io::copy(&mut out, &mut std::io::sink()).unwrap();
    assert_eq!(status(&mut child), Some(130));
}

#[test]
fn features_are_the_windows_that_the_front_end_makes() {
    let folder = tempfile::tempdir().unwrap();
    // Floats, so that nothing lies between the file's samples and the analysis signal.
    let path = folder.path().join("noise.wav");
    let samples: Vec<f32> =
        (0..40_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 16) as f32 / 65536.0 - 0.5).collect();
    let (bits_per_sample, sample_format) = (32, hound::SampleFormat::Float);
    let spec = hound::WavSpec { channels: 1, sample_rate: 16_000, bits_per_sample, sample_format };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
    writer.finalize().unwrap();
    let array = folder.path().join("features.npy");

    stdout(["features", "--model", TONES, path.to_str().unwrap(), "-o", array.to_str().unwrap()]);

    let model = soundclassify_core::model::Model::load(TONES).unwrap();
    let mut frontend = soundclassify_core::frontend::Frontend::new(&model.manifest().features, 10);
    let mut expected = Vec::new();
    let length = frontend.window_len();
    frontend.push(&samples, &mut |window| {
        let start = expected.len();
        expected.resize(start + length, 0.0);
        window.write_to(&mut expected[start..]);
    });
    let npy = npyz::NpyFile::new(File::open(&array).unwrap()).unwrap();
    assert_eq!(npy.shape(), [(expected.len() / length) as u64, 1, 12, 50]);
    assert_eq!(npy.into_vec::<f32>().unwrap(), expected);
}

#[test]
fn features_of_several_files_come_with_an_index_or_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let one = melody(folder.path());
    let two = tones(&folder.path().join("two.wav"), &[(HIGH, 0.2)]);
    let list = folder.path().join("list.txt");
    std::fs::write(&list, format!("{}\n{}\n", one.display(), two.display())).unwrap();
    let array = folder.path().join("all.npy");
    let parts = folder.path().join("parts");

    stdout(["features", "--model", TONES, &format!("@{}", list.display()), "-o", array.to_str().unwrap()]);
    stdout([
        "features",
        "--model",
        TONES,
        "--logmel",
        one.to_str().unwrap(),
        two.to_str().unwrap(),
        "-o",
        parts.to_str().unwrap(),
    ]);

    let index = std::fs::read_to_string(array.with_extension("csv")).unwrap();
    assert_eq!(index, format!("file,first,count\n{},0,55\n{},55,1\n", one.display(), two.display()));
    let shape = |path: &Path| npyz::NpyFile::new(File::open(path).unwrap()).unwrap().shape().to_vec();
    assert_eq!(shape(&array), [56, 1, 12, 50]);
    let frames = shape(&parts.join("melody.npy"));
    assert!(frames[1] == 12 && (595..=600).contains(&frames[0]), "{frames:?}: a frame each 10 ms");
    assert_eq!(shape(&parts.join("two.npy"))[1], 12);
}

#[cfg(unix)]
#[test]
fn names_in_a_list_need_be_no_unicode() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let good = melody(folder.path());
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"a \xff.wav"));
    std::fs::copy(&good, &path).unwrap();
    let list = folder.path().join("list.txt");
    let lines = [path.as_os_str().as_bytes(), good.as_os_str().as_bytes()].join(&b'\n');
    std::fs::write(&list, lines).unwrap();
    let array = folder.path().join("all.npy");

    stdout(["features", "--model", TONES, &format!("@{}", list.display()), "-o", array.to_str().unwrap()]);

    assert_eq!(std::fs::read_to_string(array.with_extension("csv")).unwrap().lines().count(), 3);
}

#[test]
fn features_that_are_interrupted_leave_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = tones(&folder.path().join("long.wav"), &[(LOW, 600.0)]);
    let array = folder.path().join("all.npy");
    let index = array.with_extension("csv");
    let before = [(&array, "of yesterday"), (&index, "file,first,count\nyesterday.wav,0,1\n")];
    for (path, content) in before {
        std::fs::write(path, content).unwrap();
    }
    let path = path.to_str().unwrap();
    let mut child = program()
        .args(["features", "--jobs", "1", "--model", TONES, path, path, path, "-o", array.to_str().unwrap()])
        .spawn()
        .unwrap();
    while folder.path().read_dir().unwrap().count() < 5
        && before.iter().all(|(path, content)| std::fs::read(path).unwrap() == content.as_bytes())
    {
        std::thread::sleep(Duration::from_millis(5));
    }

    interrupt(&child);

    assert_eq!(child.wait().unwrap().code(), Some(130));
    for (path, content) in before {
        assert_eq!(std::fs::read_to_string(path).unwrap(), content);
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 3, "nothing beside");
}

#[test]
fn features_in_a_folder_have_a_name_each_and_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let sounds = ["c1/a.wav", "c2/a.wav", "a-1.wav"].map(|name| folder.path().join(name));
    for (number, sound) in (1..).zip(&sounds) {
        std::fs::create_dir_all(sound.parent().unwrap()).unwrap();
        tones(sound, &[(LOW, 0.5 * f64::from(number))]);
    }
    let parts = folder.path().join("parts");
    let paths = sounds.each_ref().map(|sound| sound.to_str().unwrap());

    stdout(["features", "--logmel", "--model", TONES, "-o", parts.to_str().unwrap()].iter().chain(&paths));

    let index = std::fs::read_to_string(parts.join("index.csv")).unwrap();
    let [one, two, three] = paths;
    assert_eq!(index, format!("file,array\n{one},a.npy\n{two},a-1.npy\n{three},a-1-1.npy\n"));
    let lengths = ["a", "a-1", "a-1-1"].map(|name| {
        npyz::NpyFile::new(File::open(parts.join(name).with_extension("npy")).unwrap()).unwrap().shape()[0] / 40
    });
    assert_eq!(lengths, [1, 2, 3]);

    // The array of a file keeps its name, and another file gets another.
    stdout(["features", "--logmel", "--model", TONES, "-o", parts.to_str().unwrap(), two]);
    let later = folder.path().join("later");
    std::fs::create_dir(&later).unwrap();
    let four = tones(&later.join("A.wav"), &[(LOW, 0.1)]);
    let four = four.to_str().unwrap();
    stdout(["features", "--logmel", "--model", TONES, "-o", parts.to_str().unwrap(), four]);
    let index = std::fs::read_to_string(parts.join("index.csv")).unwrap();
    let rows: BTreeSet<_> = index.lines().skip(1).map(str::to_owned).collect();
    let expected = [(one, "a.npy"), (two, "a-1.npy"), (three, "a-1-1.npy"), (four, "A-2.npy")];
    assert_eq!(rows, expected.map(|(file, name)| format!("{file},{name}")).into());
}

#[test]
fn an_index_is_not_written_over_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let sound = tones(&folder.path().join("low.wav"), &[(LOW, 0.5)]);
    let [list, notes, array, other] =
        ["list.csv", "notes.csv", "list.npy", "notes.npy"].map(|name| folder.path().join(name));
    let names = format!("{0}\n{0}\n", sound.display());
    std::fs::write(&list, &names).unwrap();
    std::fs::write(&notes, "file,first,count,mine\n").unwrap();
    let listed = format!("@{}", list.display());

    for (output, wanted) in [(&array, "is to be read"), (&other, "file,first,count;")] {
        let refused = run(["features", "--model", TONES, &listed, "-o", output.to_str().unwrap()]);

        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains(wanted), "{}", text(&refused.stderr));
        assert!(!output.exists());
    }
    assert_eq!(std::fs::read_to_string(list).unwrap(), names);
    assert_eq!(std::fs::read_to_string(notes).unwrap(), "file,first,count,mine\n");
}

#[test]
fn features_of_nothing_leave_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let array = folder.path().join("all.npy");
    std::fs::write(&array, "of yesterday").unwrap();

    let failed = run(["features", "--model", TONES, "no/such.wav", "no/other.wav", "-o", array.to_str().unwrap()]);

    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&array).unwrap(), "of yesterday");
    assert_eq!(folder.path().read_dir().unwrap().count(), 1, "no index and no rest");
}

#[test]
fn a_recording_that_tune_leaves_out_is_named_once() {
    let folder = tempfile::tempdir().unwrap();
    tones(&folder.path().join("low.wav"), &[(LOW, 1.0)]);
    let table = folder.path().join("labelled.csv");
    std::fs::write(&table, "file,label\nlow.wav,Low\nno-such.wav,Low\n").unwrap();

    let output = run(["tune", table.to_str().unwrap(), "--model", TONES]);

    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    assert_eq!(errors.matches("no-such.wav").count(), 1, "{errors}");
    assert!(errors.contains("left out"), "{errors}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure() {
    for arguments in [&["--help"][..], &["--version"], &["man"], &["completions", "fish"], &["inspect", TONES]] {
        let full = File::options().write(true).open("/dev/full").unwrap();

        let output = program().args(arguments).stdout(full).output().unwrap();

        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains("No space left"), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_once_and_no_input_is_to_blame() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());
    let path = path.to_str().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();

    let output = program().args(["file", "--json", "--model", TONES, path, path, path]).stdout(full).output().unwrap();

    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("standard output: No space left") && errors.lines().count() == 1, "{errors}");
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
        assert!(errors.contains("no audio in it") && !errors.contains("plug-in"), "{errors}");
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
    let own = run(arguments.iter().chain(&["--emoji=Writing=w,Low=l"]));

    assert_eq!((built_in.status.code(), text(&built_in.stderr).as_str()), (Some(0), ""));
    assert!(text(&built_in.stdout).contains('✍'), "{}", text(&built_in.stdout));
    assert!(text(&own.stderr).contains("Low"), "{}", text(&own.stderr));
}

#[test]
fn tune_finds_thresholds_and_writes_them_into_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = "file,label\n".to_owned();
    for (number, (label, frequency)) in
        [("Low", LOW), ("Middle", MIDDLE), ("Low", LOW), ("Middle", MIDDLE)].iter().enumerate()
    {
        tones(&folder.path().join(format!("{number}.wav")), &[(*frequency, 1.0)]);
        table += &format!("{number}.wav,{label}\n");
    }
    let labelled = folder.path().join("labelled.csv");
    std::fs::write(&labelled, table).unwrap();
    let copy = folder.path().join("tuned/tones.toml");
    std::fs::create_dir(folder.path().join("tuned")).unwrap();
    let picture = folder.path().join("curves.svg");

    let lines = objects(&stdout([
        "tune",
        labelled.to_str().unwrap(),
        "--json",
        "--model",
        TONES,
        "-o",
        copy.to_str().unwrap(),
        "--picture",
        picture.to_str().unwrap(),
    ]));

    let labels: Vec<_> = lines.iter().map(|line| line["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["Low", "Middle"]);
    assert!(lines.iter().all(|line| line["precision"] == 1.0 && line["recall"] == 1.0));
    assert!(std::fs::read_to_string(&picture).unwrap().contains("Middle"));
    let tuned = soundclassify_core::model::Model::load(copy.to_str().unwrap()).unwrap();
    let thresholds = &tuned.manifest().defaults.thresholds;
    assert_eq!(thresholds.len(), 2);
    assert_eq!(thresholds["Low"], lines[0]["threshold"].as_f64().unwrap());
    // With them the element tells exactly the labels that the table has.
    for (number, label) in ["Low", "Middle", "Low", "Middle"].iter().enumerate() {
        let recording = folder.path().join(format!("{number}.wav"));
        let copy = copy.to_str().unwrap();
        let told = stdout(["file", "--no-time", "--top-k=9", "--json", "--model", copy, recording.to_str().unwrap()]);
        let labels: BTreeSet<_> = objects(&told)
            .iter()
            .flat_map(|line| line["predictions"].as_array().unwrap().clone())
            .map(|prediction| prediction["label"].as_str().unwrap().to_owned())
            .filter(|label| ["Low", "Middle"].contains(&label.as_str()))
            .collect();
        assert_eq!(labels, BTreeSet::from([(*label).to_owned()]), "{number}.wav");
    }
}

#[test]
fn a_tuned_copy_does_not_name_the_network_of_another_model() {
    let folder = tempfile::tempdir().unwrap();
    tones(&folder.path().join("low.wav"), &[(LOW, 1.0)]);
    let table = folder.path().join("labelled.csv");
    std::fs::write(&table, "file,label\nlow.wav,Low\n").unwrap();
    let other = folder.path().join("tones.onnx");
    std::fs::write(&other, "another network").unwrap();
    let copy = folder.path().join("tuned.toml");

    let refused = run(["tune", table.to_str().unwrap(), "--model", TONES, "-o", copy.to_str().unwrap()]);

    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("tones.onnx"), "{}", text(&refused.stderr));
    assert!(!copy.exists());
    assert_eq!(std::fs::read_to_string(other).unwrap(), "another network");
}

#[test]
fn a_tuned_copy_has_the_weights_of_its_network() {
    let folder = tempfile::tempdir().unwrap();
    tones(&folder.path().join("low.wav"), &[(LOW, 1.0)]);
    let model = outside(folder.path(), 0.01);
    let table = folder.path().join("labelled.csv");
    std::fs::write(&table, "file,label\nlow.wav,a\n").unwrap();
    let copy = folder.path().join("tuned/outside.toml");
    std::fs::create_dir(folder.path().join("tuned")).unwrap();
    let [table, model, copy] = [&table, &model, &copy].map(|path| path.to_str().unwrap());

    stdout(["tune", table, "--model", model, "-o", copy]);

    let weights = folder.path().join("tuned/weights.bin");
    assert_eq!(std::fs::read(&weights).unwrap(), std::fs::read(folder.path().join("weights.bin")).unwrap());
    assert!(
        !stdout(["file", "--model", copy, "--threshold", "0", folder.path().join("low.wav").to_str().unwrap()])
            .is_empty()
    );
    std::fs::write(weights, "of another network").unwrap();
    assert_eq!(run(["tune", table, "--model", model, "-o", copy]).status.code(), Some(2));
}

#[test]
fn tune_takes_probabilities_only() {
    let folder = tempfile::tempdir().unwrap();
    tones(&folder.path().join("low.wav"), &[(LOW, 1.0)]);
    let model = outside(folder.path(), 5.0);
    let table = folder.path().join("labelled.csv");
    std::fs::write(&table, "file,label\nlow.wav,a\n").unwrap();

    let refused = run(["tune", table.to_str().unwrap(), "--model", model.to_str().unwrap()]);

    let errors = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{errors}");
    assert!(errors.contains("from 0 to 1") && errors.contains("output.activation"), "{errors}");
}

#[test]
fn tune_of_nothing_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("labelled.csv");
    std::fs::write(&table, "file,label\nno-such.wav,Low\n").unwrap();
    let [copy, picture] = ["tuned.toml", "tuned.svg"].map(|name| folder.path().join(name));
    let arguments = [&table, &copy, &picture].map(|path| path.to_str().unwrap());

    let failed = run(["tune", arguments[0], "--model", TONES, "-o", arguments[1], "--picture", arguments[2]]);

    assert_eq!((failed.status.code(), text(&failed.stdout).as_str()), (Some(1), ""));
    assert!(text(&failed.stderr).contains("nothing is written"), "{}", text(&failed.stderr));
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_table_without_any_of_the_models_labels_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("labelled.csv");
    std::fs::write(&table, "file,label\na.wav,Doorbell\n").unwrap();
    let table = table.to_str().unwrap();

    let strange = run(["tune", table, "--model", TONES]);
    let nowhere = run(["tune", table, "--model", TONES, "-o", "no/such/folder/tuned.toml"]);

    assert_eq!(strange.status.code(), Some(1));
    assert!(text(&strange.stderr).contains("Doorbell") && text(&strange.stderr).contains("Middle"));
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("no/such/folder"), "{}", text(&nowhere.stderr));
}

#[test]
fn doctor_is_content_here_and_names_what_is_missing() {
    let checks = objects(&text(&run(["doctor", "--json", "--model", TONES]).stdout));
    let verdict = |name: &str| {
        let check = checks.iter().find(|check| check["check"] == name).unwrap();
        check["verdict"].as_str().unwrap().to_owned()
    };
    for name in ["GStreamer", "plugin", "ONNX Runtime", "providers", "model", "self-test"] {
        assert_eq!(verdict(name), "good", "{checks:#?}");
    }

    let sick = program().args(["doctor", "--model", TONES]).env("ORT_DYLIB_PATH", "/no/such/lib.so").output().unwrap();

    assert_eq!(sick.status.code(), Some(1));
    let told = text(&sick.stdout);
    assert!(told.contains("/no/such/lib.so") && told.contains("ORT_DYLIB_PATH"), "{told}");
    assert!(told.contains("not possible without ONNX Runtime"), "{told}");
}

#[test]
fn doctor_knows_the_version_of_a_library_whose_name_has_none() {
    let Ok(library) = std::env::var("ORT_DYLIB_PATH") else {
        return println!("skipped: ORT_DYLIB_PATH names no ONNX Runtime");
    };
    // Where the README suggests to put it, or under any other name.
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("engine.so");
    std::fs::copy(&library, &plain).unwrap();

    let named = program().args(["doctor", "--model", TONES]).env("ORT_DYLIB_PATH", &plain).output().unwrap();

    let version = library.split(".so.").nth(1).unwrap_or_default();
    let line = format!("{version}, {} (named by ORT_DYLIB_PATH)", plain.display());
    assert!(text(&named.stdout).contains(&line), "{}", text(&named.stdout));
}

#[test]
fn completions_and_manual_know_the_elements_properties() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = stdout(["completions", shell]);
        assert!(script.contains("oversamples") && script.contains("scan"), "{shell}");
    }
    let page = stdout(["man"]);
    assert!(page.contains("max\\-pending") && page.contains(".SH FILE") && page.contains("ORT_DYLIB_PATH"), "{page}");
    assert!(!page.contains("soundclassify\\-file(1)"), "there is one page only");
    let bash = std::process::Command::new("bash").args(["-n", "/dev/stdin"]).stdin(Stdio::piped()).spawn();
    if let Ok(mut bash) = bash {
        std::io::Write::write_all(&mut bash.stdin.take().unwrap(), stdout(["completions", "bash"]).as_bytes()).unwrap();
        assert!(bash.wait().unwrap().success());
    }
}

#[test]
fn the_help_is_quick_and_lists_exit_statuses() {
    let start = Instant::now();
    let help = stdout(["--help"]);

    assert!(help.contains("130") && help.contains("scan"), "{help}");
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(stdout(["file", "--help"]).contains("--allow-labels"));
}

#[test]
fn inspect_says_what_fits_and_what_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("mine.onnx");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tones/tones.onnx"), &onnx).unwrap();
    let onnx = onnx.to_str().unwrap();

    let fits = stdout(["inspect", TONES]);
    let bare = stdout(["inspect", onnx]);
    let template = stdout(["inspect", onnx, "--template"]);
    // Filled in as in training, but for one label too many.
    let manifest = std::fs::read_to_string(TONES).unwrap().replace("tones.onnx", "mine.onnx");
    std::fs::write(folder.path().join("mine.toml"), manifest.replace("[\"Quiet\"", "[\"Silent\", \"Quiet\"")).unwrap();
    let misfit = run(["inspect", onnx]);
    std::fs::write(folder.path().join("mine.toml"), manifest.replace("layout =", "layuot =")).unwrap();
    let wrong = run(["inspect", folder.path().join("mine.toml").to_str().unwrap()]);
    std::fs::write(folder.path().join("mine.toml"), "no manifest at all").unwrap();
    let broken = run(["inspect", onnx]);

    for (told, word) in [(wrong, "layuot"), (broken, "misfit")] {
        let (code, told) = (told.status.code(), text(&told.stdout));
        assert!(code == Some(1) && told.contains(word) && told.contains("[?, 1, 12, 50]"), "{told}");
    }
    assert!(fits.contains("[?, 1, 12, 50]") && fits.contains("fit       network"), "{fits}");
    assert!(bare.contains("--template"), "{bare}");
    assert!(
        template.contains("mine.onnx") && template.contains("label-3") && !template.contains("label-4"),
        "{template}"
    );
    assert_eq!(misfit.status.code(), Some(1));
    assert!(text(&misfit.stdout).contains("misfit") && text(&misfit.stdout).contains('5'), "{}", text(&misfit.stdout));
}
