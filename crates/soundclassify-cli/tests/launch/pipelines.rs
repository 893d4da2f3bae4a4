// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scripts under `pipelines/`, on recordings.

use std::fs;
use std::path::Path;

use crate::launch::sandbox::{Sandbox, TopLabel, messages, skip, top};

fn scripts() -> Vec<String> {
    let names = fs::read_dir(top().join("pipelines")).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name.ends_with(".sh") && name != "common.sh").collect()
}

/// What a script prints about some noise, and how many messages the element posts about it with `settings`.
#[track_caller]
fn run(script: &str, arguments: &[&str], settings: &str) -> (Vec<TopLabel>, usize) {
    let sandbox = Sandbox::new();
    let recording = sandbox.noise(4);
    let arguments = [&[recording.as_str()], arguments].concat();
    let printed = sandbox.script(script, &arguments).finish().succeeded().stdout;
    let pipeline = format!("filesrc location={recording} ! decodebin ! soundclassify {settings} ! fakesink");
    (messages(&printed), sandbox.launch(&pipeline).finish().succeeded().messages().len())
}

/// All that the element reports is printed, one result every `step` seconds.
#[track_caller]
fn assert_steps((results, count): &(Vec<TopLabel>, usize), step: f64) {
    assert_eq!(results.len(), *count, "{results:?}");
    assert!(*count > 1, "{results:?}");
    for (number, result) in (0_u32..).zip(results) {
        // Windows start on whole hops.
        assert!((result.seconds - f64::from(number) * step).abs() < 0.009, "{results:?}");
        assert!((0.0..=1.0).contains(&result.probability), "{results:?}");
    }
}

#[test]
fn every_script_has_help() {
    let sandbox = Sandbox::new();
    for script in scripts() {
        let help = sandbox.script(&script, &["--help"]).finish().succeeded().stdout;
        assert!(help.contains(&format!("pipelines/{script}")), "{script}: {help}");
    }
}

#[test]
fn wrong_arguments_are_reported() {
    let sandbox = Sandbox::new();
    sandbox.script("file.sh", &[]).finish().failed().complains("expected one file");
    sandbox.script("file.sh", &["--nonsense"]).finish().failed().complains("unknown option --nonsense");
    sandbox.script("rtp.sh", &["http"]).finish().failed().complains("expected one port number");
    sandbox.script("rtsp.sh", &["5004"]).finish().failed().complains("rtsp://");
}

#[test]
fn a_file_without_audio_is_no_success() {
    let sandbox = Sandbox::new();
    let empty = sandbox.path("empty.wav");
    // One channel of 16 bits at 16 kHz.
    let header = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\0\0\0";
    fs::write(&empty, header).unwrap();
    sandbox
        .script("file.sh", &[empty.to_str().unwrap()])
        .finish()
        .failed()
        .complains("no window in the stream's audio");
}

#[test]
fn a_script_fails_with_its_pipeline() {
    let sandbox = Sandbox::new();
    let notes = sandbox.path("notes.txt");
    fs::write(&notes, "no sound, only words\n".repeat(99)).unwrap();
    let ended = sandbox.script("file.sh", &[notes.to_str().unwrap()]).finish().failed();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
}

#[test]
fn a_recording_that_is_not_there_is_named_in_one_line() {
    let sandbox = Sandbox::new();
    let scripts = ["file", "file-primitive", "desk-work", "desk-work-emoji", "notify", "raspberry-pi", "playback-tee"];
    for script in scripts {
        let ended = sandbox.script(&format!("{script}.sh"), &["/no/such.wav"]).finish();
        let reported = (ended.status.code(), ended.stderr.as_str());
        assert_eq!(reported, (Some(1), "error: /no/such.wav: no such file\n"), "{script}");
    }
    sandbox.script("file.sh", &["/tmp"]).finish().failed().complains("/tmp: expected a recording, found a folder");
}

#[test]
fn file_prints_ten_results_a_second() {
    assert_steps(&run("file.sh", &[], ""), 0.1);
}

#[test]
fn a_file_may_have_a_blank_in_its_name() {
    let sandbox = Sandbox::new();
    let renamed = sandbox.path("a noise.wav");
    fs::rename(sandbox.noise(2), &renamed).unwrap();
    let printed = sandbox.script("file.sh", &[renamed.to_str().unwrap()]).finish().succeeded().stdout;
    assert!(!messages(&printed).is_empty());
}

#[test]
fn properties_go_to_the_element() {
    assert_steps(&run("file.sh", &["oversamples=5"], "oversamples=5"), 0.2);
}

#[test]
fn primitive_prints_one_result_a_second() {
    assert_steps(&run("file-primitive.sh", &[], "oversamples=1"), 1.0);
}

#[test]
fn raspberry_pi_prints_the_same_as_file() {
    let sandbox = Sandbox::new();
    let recording = sandbox.noise(4);
    let printed = |script, model: &[&str]| {
        messages(&sandbox.script(script, &[&[recording.as_str()], model].concat()).finish().succeeded().stdout)
    };
    let (batched, single) = (printed("raspberry-pi.sh", &["--model", "default"]), printed("file.sh", &[]));
    assert_eq!(batched.len(), single.len());
    for (batched, single) in batched.iter().zip(&single) {
        assert_eq!((batched.seconds, &batched.label), (single.seconds, &single.label));
        assert!((batched.probability - single.probability).abs() < 1e-5, "{batched:?} {single:?}");
    }
}

#[test]
fn raspberry_pi_takes_the_small_model() {
    assert_steps(&run("raspberry-pi.sh", &[], "model=small process-count=5"), 0.1);
}

#[test]
fn desk_work_knows_three_labels() {
    let results = run("desk-work.sh", &[], "");
    let strange =
        results.0.iter().find(|it| !["Writing", "Computer_keyboard", "Scissors"].contains(&it.label.as_str()));
    assert_eq!(strange, None);
    assert_steps(&results, 0.1);
}

#[test]
fn the_demo_classifies_recordings_of_debian() {
    if !Path::new("/usr/share/sounds/alsa/Noise.wav").exists() {
        return skip("Debian's recordings are not installed");
    }
    let printed = Sandbox::new().script("demo.sh", &[]).finish().succeeded().stdout;
    let results: Vec<_> = printed.lines().filter(|line| line.starts_with(|it: char| it.is_ascii_digit())).collect();
    assert!(messages(&results.join("\n")).len() >= 9, "{printed}");
    assert!(printed.contains("microphone.sh"), "{printed}");
}

/// Languages into which GStreamer's messages are translated, with a locale for each.
const LANGUAGES: [(&str, &str); 8] = [
    ("de", "de_DE"),
    ("fr", "fr_FR"),
    ("zh_CN", "zh_CN"),
    ("hu", "hu_HU"),
    ("sk", "sk_SK"),
    ("eu", "eu_ES"),
    ("es", "es_ES"),
    ("tr", "tr_TR"),
];

/// Makes a locale in `folder` for processes with LOCPATH; whether it could be made.
fn make_locale(folder: &Path, name: &str) -> bool {
    let made = std::process::Command::new("localedef")
        .args(["--no-archive", "-i", name, "-f", "UTF-8"])
        .arg(folder.join(format!("{name}.UTF-8")))
        .output();
    // Status 1 is a warning.
    made.is_ok_and(|made| made.status.code().is_some_and(|code| code <= 1))
        && folder.join(format!("{name}.UTF-8/LC_MESSAGES")).exists()
}

#[test]
fn scripts_print_the_same_in_every_language() {
    let mut sandbox = Sandbox::new();
    let recording = sandbox.noise(2);
    let expected = sandbox.script("file.sh", &[&recording]).finish().succeeded().stdout;
    assert!(!expected.is_empty());
    let locales = sandbox.path("locales");
    fs::create_dir(&locales).unwrap();
    sandbox.variables.push(("LOCPATH", locales.display().to_string()));
    let set = sandbox.variables.len();
    let mut tried = 0;
    for (language, name) in LANGUAGES {
        if !make_locale(&locales, name) {
            skip(&format!("{language}: localedef can't make {name}; on Debian: apt install locales"));
            continue;
        }
        sandbox.variables.truncate(set);
        sandbox.variables.extend([("LC_ALL", format!("{name}.UTF-8")), ("LANGUAGE", language.to_owned())]);
        let printed = sandbox.script("file.sh", &[&recording]).finish().succeeded().stdout;
        assert_eq!(printed, expected, "{language}");
        tried += 1;
    }
    println!("{tried} of {} languages", LANGUAGES.len());
}
