// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scripts under `pipelines/`, on recordings.

use std::fs;

use crate::stage::{Heard, Stage, heard, top};

fn scripts() -> Vec<String> {
    let names = fs::read_dir(top().join("pipelines")).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name.ends_with(".sh") && name != "common.sh").collect()
}

/// What the script prints about three seconds of noise.
#[track_caller]
fn run(script: &str, arguments: &[&str]) -> Vec<Heard> {
    let stage = Stage::new();
    let recording = stage.noise(3);
    let arguments = [&[recording.as_str()], arguments].concat();
    heard(&stage.script(script, &arguments).finish().succeeded().stdout)
}

#[track_caller]
fn assert_steps(results: &[Heard], count: usize, step: f64) {
    assert_eq!(results.len(), count, "{results:?}");
    for (number, result) in (0_u32..).zip(results) {
        // Windows start on whole hops of 7.9 ms.
        assert!((result.seconds - f64::from(number) * step).abs() < 0.005, "{results:?}");
        assert!((0.0..=1.0).contains(&result.probability), "{results:?}");
    }
}

#[test]
fn every_script_has_help() {
    let stage = Stage::new();
    for script in scripts() {
        let help = stage.script(&script, &["--help"]).finish().succeeded().stdout;
        assert!(help.contains(&format!("pipelines/{script}")), "{script}: {help}");
    }
}

#[test]
fn wrong_arguments_are_told() {
    let stage = Stage::new();
    stage.script("file.sh", &[]).finish().failed().complains("one file is wanted");
    stage.script("file.sh", &["--nonsense"]).finish().failed().complains("unknown option --nonsense");
    stage.script("rtp.sh", &["http"]).finish().failed().complains("one port number is wanted");
    stage.script("rtsp.sh", &["5004"]).finish().failed().complains("rtsp://");
}

#[test]
fn a_script_fails_with_its_pipeline() {
    Stage::new().script("file.sh", &["/no/such.wav"]).finish().failed().complains("/no/such.wav");
}

#[test]
fn file_prints_ten_results_a_second() {
    assert_steps(&run("file.sh", &[]), 20, 0.1);
}

#[test]
fn a_file_may_have_a_blank_in_its_name() {
    let stage = Stage::new();
    let renamed = stage.path("a noise.wav");
    fs::rename(stage.noise(2), &renamed).unwrap();
    let printed = stage.script("file.sh", &[renamed.to_str().unwrap()]).finish().succeeded().stdout;
    assert_eq!(heard(&printed).len(), 10);
}

#[test]
fn properties_go_to_the_element() {
    assert_steps(&run("file.sh", &["oversamples=5"]), 10, 0.2);
}

#[test]
fn primitive_prints_one_result_a_second() {
    assert_steps(&run("file-primitive.sh", &[]), 2, 1.0);
}

#[test]
fn raspberry_pi_prints_the_same_as_file() {
    assert_steps(&run("raspberry-pi.sh", &[]), 20, 0.1);
}

#[test]
fn desk_work_knows_three_labels() {
    let results = run("desk-work.sh", &[]);
    let strange = results.iter().find(|it| !["Writing", "Computer_keyboard", "Scissors"].contains(&it.label.as_str()));
    assert_eq!(strange, None);
    assert_steps(&results, 20, 0.1);
}
