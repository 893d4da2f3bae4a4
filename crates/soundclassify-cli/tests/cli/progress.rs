// SPDX-License-Identifier: MIT OR Apache-2.0
//! The progress of long recordings, in a pseudo-terminal.

use std::{io::Read, path::Path};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::cli::support::{LOW, MIDDLE, TONES, run, text, tones};

/// Standard error of the program in a terminal; its standard output goes to a file.
fn on_terminal(folder: &Path, arguments: &[&str]) -> String {
    shown("exec \"$@\" >\"$0\"", folder, arguments)
}

/// What a terminal shows of the program, which a shell starts.
fn shown(shell: &str, folder: &Path, arguments: &[&str]) -> String {
    let pair = native_pty_system().openpty(PtySize { rows: 24, cols: 100, pixel_width: 0, pixel_height: 0 }).unwrap();
    let mut command = CommandBuilder::new("sh");
    command.args(["-c", shell]);
    command.arg(folder.join("out"));
    command.arg(env!("CARGO_BIN_EXE_soundclassify"));
    command.args(arguments);
    command.env("TERM", "xterm-256color");
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut shown = Vec::new();
    let mut part = [0; 4096];
    // A terminal that nobody has open any more ends with an error.
    while let Ok(length) = reader.read(&mut part) {
        if length == 0 {
            break;
        }
        shown.extend_from_slice(&part[..length]);
    }
    assert!(child.wait().unwrap().success(), "{}", text(&shown));
    text(&shown)
}

#[test]
fn a_long_recording_shows_how_far_it_is_and_a_short_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let long: Vec<_> = (0..225).map(|turn| (if turn % 2 == 0 { LOW } else { MIDDLE }, 4.0)).collect();
    let long = tones(&folder.path().join("long.wav"), &long).display().to_string();
    let short = tones(&folder.path().join("short.wav"), &[(LOW, 2.0)]).display().to_string();
    let page = folder.path().join("page.html").display().to_string();

    for command in [&["file"][..], &["report", "--audio", "none", "-o", &page]] {
        let shown = |recording: &str| on_terminal(folder.path(), &[command, &["--model", TONES, recording]].concat());
        let bar = shown(&long);
        assert!(bar.contains("long.wav: ") && bar.contains('%') && bar.contains(" left"), "{command:?}: {bar:?}");
        assert!(!shown(&short).contains('%'), "{command:?}");
    }
    // Without a terminal nothing is in the way.
    assert_eq!(text(&run(["file", "--model", TONES, &short]).stderr), "");
}

#[test]
fn a_terminal_without_results_shows_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let long = tones(&folder.path().join("long.wav"), &[(LOW, 900.0)]).display().to_string();
    let arguments = ["file", "--events", "--allow-labels", "Middle", "--model", TONES, &long];

    let bar = shown("exec \"$@\"", folder.path(), &arguments);

    assert!(bar.contains("long.wav: ") && bar.contains('%') && bar.contains(" left"), "{bar:?}");
}

#[test]
fn a_scan_of_one_long_file_shows_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let long = tones(&folder.path().join("long.wav"), &[(LOW, 1800.0)]).display().to_string();
    let table = folder.path().join("out.jsonl").display().to_string();

    let bar = on_terminal(folder.path(), &["scan", "--model", TONES, "-o", &table, &long]);

    let parts = bar.split("% · 0/1 files · ").map(|before| before.rsplit(' ').next().unwrap().parse::<u8>());
    assert!(parts.flatten().any(|percent| (1..100).contains(&percent)), "{bar:?}");
    assert!(bar.contains(" times real time") && bar.contains(" left"), "{bar:?}");
}
