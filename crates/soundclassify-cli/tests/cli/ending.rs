// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the program ends: signals, full disks, readers that go away.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use crate::cli::support::{LOW, TONES, collect_errors, interrupt, melody, program, signal, text, tones};

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
    let errors = collect_errors(&mut child);

    let mut line = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();

    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(errors.join().unwrap(), "");
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

/// Waits for the end of a program; one that continues is killed.
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
fn a_full_disk_is_reported_once_and_no_input_is_to_blame() {
    let folder = tempfile::tempdir().unwrap();
    let path = melody(folder.path());
    let path = path.to_str().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();

    let output = program().args(["file", "--json", "--model", TONES, path, path, path]).stdout(full).output().unwrap();

    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("standard output: No space left") && errors.lines().count() == 1, "{errors}");
}
