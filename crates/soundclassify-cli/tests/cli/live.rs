// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify live`: a PulseAudio null sink as microphone, and the view in a pseudo-terminal.

use std::{
    io::{BufRead, BufReader, Read, Write},
    num::NonZero,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::cli::support::{LOW, MIDDLE, TONES, collect_errors, interrupt, objects, program, text, tones};
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

/// A sound server of its own with one sink, whose monitor is the only microphone, and a tone that plays into it.
struct Pulse {
    runtime: tempfile::TempDir,
    server: Child,
    player: Option<Child>,
}

impl Pulse {
    /// `None` with a reason printed where there is no PulseAudio.
    fn start() -> Option<Self> {
        let runtime = tempfile::tempdir().unwrap();
        let Ok(server) = Self::server(&runtime) else {
            println!("skipped: pulseaudio is not installed");
            return None;
        };
        let mut pulse = Self { runtime, server, player: None };
        pulse.answers();
        Some(pulse)
    }

    fn server(runtime: &tempfile::TempDir) -> std::io::Result<Child> {
        Command::new("pulseaudio")
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes", "--use-pid-file=no"])
            .args(["--load=module-native-protocol-unix auth-anonymous=1", "--load=module-null-sink sink_name=classify"])
            .env("XDG_RUNTIME_DIR", runtime.path())
            .env("HOME", runtime.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    }

    fn answers(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(self.runtime.path().join("pulse/native")).is_err() {
            assert!(Instant::now() < deadline, "the sound server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the server and the tone as a crash does.
    fn stop(&mut self) {
        for child in self.player.iter_mut().chain([&mut self.server]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts the server again.
    fn restart(mut self) -> Self {
        self.server = Self::server(&self.runtime).unwrap();
        self.answers();
        self
    }

    fn on<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("XDG_RUNTIME_DIR", self.runtime.path()).env("HOME", self.runtime.path()).env_remove("PULSE_SERVER")
    }

    fn play(mut self, frequency: f64) -> Self {
        let mut player = Command::new("gst-launch-1.0");
        player.args([
            "-q",
            "audiotestsrc",
            "is-live=true",
            &format!("freq={frequency}"),
            "!",
            "pulsesink",
            "device=classify",
        ]);
        self.player = Some(self.on(&mut player).stdout(Stdio::null()).spawn().unwrap());
        self
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads lines until one contains `wanted`, then interrupts the program; gives that line.
#[track_caller]
fn listen_for(mut child: Child, wanted: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(wanted) {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the program ended");
        assert!(Instant::now() < deadline, "{wanted} was never reported");
    }
    interrupt(&child);
    std::io::copy(&mut lines, &mut std::io::sink()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    line
}

#[test]
fn the_microphone_is_classified_in_every_form() {
    let Some(pulse) = Pulse::start() else { return };
    let pulse = pulse.play(MIDDLE);
    let start = |arguments: &[&str]| {
        let mut command = program();
        command.args(arguments).args(["--model", TONES]).stdout(Stdio::piped());
        pulse.on(&mut command).spawn().unwrap()
    };

    let plain = listen_for(start(&["--plain"]), "Middle");
    let json = listen_for(start(&["live", "--json"]), "Middle");
    let emoji = listen_for(start(&["live", "--emoji=Middle=*"]), "Middle");
    let event = listen_for(start(&["live", "--plain", "--events", "--time"]), "start Middle");
    let dated = listen_for(start(&["live", "--events"]), "start Middle");

    let words: Vec<_> = plain.trim_end().split(' ').collect();
    assert_eq!((words[0], words[1], words.len()), ("Middle", "2", 3), "the original's line");
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(object["running-time"].is_u64() && object["probability"].as_f64().unwrap() > 0.0);
    assert!(emoji.starts_with("* "), "{emoji}");
    assert!(event.split(' ').next().unwrap().parse::<f64>().is_ok(), "{event}");
    let time = dated.split(' ').next().unwrap();
    assert!(time.len() == "2026-01-31T12:00:00.000".len() && time.as_bytes()[10] == b'T', "{dated}");
}

/// Whether a program ends by itself within some seconds; otherwise it is ended.
fn ends(child: &mut Child, seconds: u64) -> bool {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}

#[test]
fn no_microphone_is_a_failure_and_no_silence() {
    let mut child = program()
        .args(["live", "--plain", "--model", TONES])
        .env(
            "GST_PLUGIN_FEATURE_RANK",
            "alsasrc:NONE,jackaudiosrc:NONE,openalsrc:NONE,oss4src:NONE,osssrc:NONE,pipewiresrc:NONE,pulsesrc:NONE",
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = collect_errors(&mut child);
    let ended = ends(&mut child, 20);
    let output = child.wait_with_output().unwrap();

    assert!(ended && output.status.code() == Some(1), "it goes on");
    let errors = errors.join().unwrap();
    assert!(errors.contains("--list-devices"), "{errors}");
    assert_eq!(text(&output.stdout), "");
}

#[cfg(unix)]
#[test]
fn without_a_microphone_a_terminal_shows_no_messages_of_libraries() {
    let empty = tempfile::tempdir().unwrap();
    let variables = [("XDG_RUNTIME_DIR", empty.path()), ("HOME", empty.path())];
    for plain in [&["--plain"][..], &[]] {
        let mut view = Screen::open_with(&[&["live", "--model", TONES], plain].concat(), &variables, 24, 100);
        let deadline = Instant::now() + Duration::from_secs(30);
        while view.child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                view.child.kill().unwrap();
                return println!("skipped: a microphone is there");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        view.wait("the reason", |screen| screen.contains("--list-devices"));
        let shown = view.shows();
        assert!(!shown.contains("AL lib"), "{shown}");
    }
}

#[cfg(unix)]
#[test]
fn a_missing_microphone_is_one_sentence_in_a_file_too() {
    let empty = tempfile::tempdir().unwrap();
    let mut child = program()
        .args(["--plain", "--model", TONES])
        .env("XDG_RUNTIME_DIR", empty.path())
        .env("HOME", empty.path())
        .env("PULSE_SERVER", "unix:/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = collect_errors(&mut child);
    if !ends(&mut child, 30) {
        return println!("skipped: a microphone is there");
    }

    let errors = errors.join().unwrap();
    assert!(errors.starts_with("soundclassify: no microphone found") && errors.lines().count() == 1, "{errors}");
}

#[test]
fn a_microphone_whose_sound_server_is_started_anew_comes_back() {
    let Some(pulse) = Pulse::start() else { return };
    let mut pulse = pulse.play(MIDDLE);
    let mut command = program();
    command.args(["--plain", "--model", TONES]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pulse.on(&mut command).spawn().unwrap();
    let errors = collect_errors(&mut child);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("Middle ")), "the program ended");

    pulse.stop();
    let pulse = pulse.restart().play(LOW);

    assert!(lines.any(|line| line.unwrap().starts_with("Low ")), "the program ended");
    interrupt(&child);
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let errors = errors.join().unwrap();
    assert!(errors.contains("trying again in 1 s"), "{errors}");
    assert!(errors.lines().all(|line| line.starts_with("soundclassify: ")), "{errors}");
    drop(pulse);
}

/// All that the program writes to a terminal until it ends.
fn written(arguments: &[&str], variables: &[(&str, &Path)]) -> String {
    let (master, mut child) = in_terminal(arguments, variables, 24, 80);
    let mut output = master.try_clone_reader().unwrap();
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    // A terminal that nobody has open any more ends with an error.
    while let Ok(length @ 1..) = output.read(&mut part) {
        bytes.extend_from_slice(&part[..length]);
    }
    child.wait().unwrap();
    text(&bytes)
}

#[test]
fn a_terminal_without_escapes_gets_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = tones(&folder.path().join("short.wav"), &[(LOW, 1.0)]);
    let (path, table) = (path.to_str().unwrap(), folder.path().join("out.jsonl"));
    let commands = [
        &["live", path, "--model", TONES][..],
        &["live", path, "--plain", "--model", TONES],
        &["file", path, "--model", TONES],
        &["scan", "--restart", path, "--model", TONES, "-o", table.to_str().unwrap()],
        &["file", "--help"],
        &["file", "--no-such-option"],
    ];
    for arguments in commands {
        for term in ["dumb", ""] {
            let shown = written(arguments, &[("TERM", Path::new(term))]);
            assert!(shown.len() > 20 && !shown.contains('\x1b'), "{term} {arguments:?}: {shown:?}");
        }
    }
    let capable = written(commands[2], &[]);
    assert!(capable.contains("\x1b[1m"), "{capable:?}");
}

#[test]
fn an_address_alone_is_listened_to() {
    let output = program().args(["file:///no/such.wav", "--plain"]).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no/such.wav"), "{}", text(&output.stderr));
}

#[test]
fn microphones_are_listed_and_chosen_by_name_and_by_id() {
    let Some(pulse) = Pulse::start() else { return };
    let pulse = pulse.play(MIDDLE);

    let listed = pulse.on(program().args(["live", "--list-devices", "--json"])).output().unwrap();

    assert!(listed.status.success(), "{}", text(&listed.stderr));
    let devices = objects(&text(&listed.stdout));
    let monitor = devices.iter().find(|device| device["id"] == "classify.monitor").expect("the null sink's monitor");
    for wanted in [monitor["id"].as_str().unwrap(), monitor["name"].as_str().unwrap()] {
        let mut command = program();
        command.args(["live", "--plain", "--device", wanted, "--model", TONES]).stdout(Stdio::piped());
        listen_for(pulse.on(&mut command).spawn().unwrap(), "Middle");
    }
}

type Master = Box<dyn MasterPty + Send>;
type Program = Box<dyn portable_pty::Child + Send + Sync>;

/// The program in a pseudo-terminal, and what its screen shows.
struct Screen {
    master: Master,
    keys: Box<dyn Write + Send>,
    child: Program,
    screen: Arc<Mutex<vt100::Parser>>,
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

fn in_terminal(arguments: &[&str], variables: &[(&str, &Path)], rows: u16, cols: u16) -> (Master, Program) {
    let pair = native_pty_system().openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_soundclassify"));
    command.args(arguments);
    command.env("TERM", "xterm-256color");
    command.env_remove("NO_COLOR");
    command.env_remove("PULSE_SERVER");
    for (name, value) in variables {
        command.env(name, value);
    }
    let child = pair.slave.spawn_command(command).unwrap();
    (pair.master, child)
}

impl Screen {
    fn open(arguments: &[&str], rows: u16, cols: u16) -> Self {
        Self::open_with(arguments, &[], rows, cols)
    }

    fn open_with(arguments: &[&str], variables: &[(&str, &Path)], rows: u16, cols: u16) -> Self {
        let (master, child) = in_terminal(arguments, variables, rows, cols);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(cells(rows), cells(cols), 0)));
        let (mut output, parser) = (master.try_clone_reader().unwrap(), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                parser.lock().unwrap().process(&bytes[..length]);
            }
        });
        let keys = master.take_writer().unwrap();
        Self { master, keys, child, screen }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn resize(&self, rows: u16, cols: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(cells(rows), cells(cols));
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    fn shows(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    #[track_caller]
    fn wait(&self, what: &str, is_there: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_there(&self.shows()) {
            assert!(Instant::now() < deadline, "{what}: not on the screen:\n{}", self.shows());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    #[track_caller]
    fn ends_with(mut self, code: u32) {
        assert_eq!(self.child.wait().unwrap().exit_code(), code);
        std::thread::sleep(Duration::from_millis(200));
        assert!(!self.screen.lock().unwrap().screen().alternate_screen(), "the terminal is as it was");
    }
}

fn long(folder: &Path) -> String {
    let path = tones(&folder.join("long.wav"), &[(LOW, 3.0), (MIDDLE, 600.0)]);
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_view_follows_keys_and_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let path = long(folder.path());
    let mut view = Screen::open(&["live", &path, "--model", TONES], 30, 100);

    view.wait("a bar", |screen| screen.contains("Low") && screen.contains(" 100 %"));
    view.wait("level and picture", |screen| {
        screen.contains(" dB") && screen.contains("Log-mel") && screen.contains('▀')
    });
    view.wait("an event", |screen| screen.contains('●') && screen.contains("Events"));
    view.press("m");
    view.wait("no picture", |screen| !screen.contains("Log-mel"));
    view.press("m?");
    view.wait("help", |screen| screen.contains("lowest probability shown"));
    view.press("?");
    view.wait("no help", |screen| !screen.contains("lowest probability shown"));
    view.press("++");
    view.wait("a threshold", |screen| screen.contains("threshold 0.10"));
    view.press("\x1b[B");
    view.wait("a lower threshold", |screen| screen.contains("threshold 0.05"));
    view.press(" ");
    view.wait("a pause", |screen| screen.contains("PAUSED"));
    view.press("p");
    view.wait("no pause", |screen| !screen.contains("PAUSED"));
    // Not before: what is detected when all is forgotten is detected again.
    view.wait("the second tone alone", |screen| {
        screen.contains('●') && screen.lines().any(|line| line.contains("Middle") && line.contains("100 %"))
    });
    for (rows, cols) in [(10, 40), (3, 20), (1, 1), (2, 200), (60, 8)] {
        view.resize(rows, cols);
        std::thread::sleep(Duration::from_millis(150));
    }
    view.resize(24, 80);
    view.wait("the usual size", |screen| screen.contains("Log-mel") && screen.contains("quit"));
    view.press("r");
    view.wait("a reset", |screen| screen.contains("Middle") && !screen.contains("Low"));
    view.press("q");
    view.ends_with(0);
}

#[test]
fn the_view_detects_the_microphone() {
    let Some(pulse) = Pulse::start() else { return };
    let pulse = pulse.play(MIDDLE);
    let folder = pulse.runtime.path();
    let variables = [("XDG_RUNTIME_DIR", folder), ("HOME", folder)];
    let mut view = Screen::open_with(&["--model", TONES], &variables, 24, 90);

    let at_full = |screen: &str| screen.lines().any(|line| line.contains("Middle") && line.contains("100 %"));
    view.wait("a bar", at_full);
    view.wait("an event and the picture", |screen| screen.contains('●') && screen.contains('▀'));
    view.press(" ");
    view.wait("a pause", |screen| screen.contains("PAUSED"));
    view.press(" ");
    view.wait("sound again", |screen| !screen.contains("PAUSED") && at_full(screen));
    // Above the threshold is nothing any more: bars fall, time continues.
    view.press("--------------------++++++++++++++++++++");
    view.wait("nothing", |screen| screen.contains("threshold 1.00") && screen.contains("listening …"));
    let clock = |screen: &str| screen.trim_start().split(' ').next().unwrap_or_default().to_owned();
    let then = clock(&view.shows());
    view.wait("a clock that goes on", |screen| clock(screen) > then);
    view.press("q");
    view.ends_with(0);
}

#[test]
fn without_colour_the_view_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = long(folder.path());
    let mut view = Screen::open_with(&["live", &path, "--model", TONES], &[("NO_COLOR", Path::new("1"))], 24, 80);
    view.wait("bar and picture", |screen| screen.contains("Low") && screen.contains('█') && screen.contains("Log-mel"));

    let parser = view.screen.lock().unwrap();
    let coloured =
        |cell: &vt100::Cell| cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default;
    let cells = (0..24).flat_map(|row| (0..80).map(move |column| (row, column)));
    let found = cells.filter_map(|(row, column)| parser.screen().cell(row, column)).any(coloured);
    drop(parser);

    assert!(!found);
    view.press("q");
    view.ends_with(0);
}

#[test]
fn ctrl_c_in_the_view_ends_with_130() {
    let folder = tempfile::tempdir().unwrap();
    let path = long(folder.path());
    let mut view = Screen::open(&["live", &path, "--model", TONES], 24, 80);
    view.wait("a bar", |screen| screen.contains("Low"));

    view.press("\x03");

    view.ends_with(130);
}

/// Not necessarily the first: ONNX Runtime of Debian 13 prints lines of its own before.
fn has_line(screen: &str, start: &str) -> bool {
    screen.lines().any(|line| line.starts_with(start))
}

/// A command that takes long, twice: one that runs and one that waits.
const SLOW: [&str; 4] = ["--on", "*=exec sleep 25", "--on", "*=sleep 25"];

#[cfg(unix)]
#[test]
fn who_quits_waits_for_no_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = long(folder.path());
    let mut view = Screen::open(&[&["live", &path, "--model", TONES], &SLOW[..]].concat(), 24, 80);
    view.wait("an event", |screen| screen.contains('●'));
    let start = Instant::now();

    view.press("q");

    view.wait("what was not run", |screen| screen.contains("not run") && screen.contains("goes on by itself"));
    view.ends_with(0);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[cfg(unix)]
#[test]
fn an_interrupted_program_waits_for_no_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = long(folder.path());
    let arguments = ["live", &path, "--events", "--model", TONES];
    let mut command = program();
    // The commands keep standard error open.
    let errors = std::fs::File::create(folder.path().join("errors")).unwrap();
    command.args(arguments).args(SLOW).stdout(Stdio::piped()).stderr(errors);
    let child = command.spawn().unwrap();
    let start = Instant::now();

    listen_for(child, "start");

    assert!(start.elapsed() < Duration::from_secs(18), "{:?}", start.elapsed());
    let errors = std::fs::read_to_string(folder.path().join("errors")).unwrap();
    assert!(errors.contains("not run"), "{errors}");
}

#[cfg(unix)]
#[test]
fn a_command_that_fails_is_mentioned_in_the_view_and_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = long(folder.path());
    let mut view = Screen::open(&["live", &path, "--model", TONES, "--on", "Low=exit 3"], 24, 80);
    let mentioned = |screen: &str| screen.contains("--on Low=exit 3: exit status: 3");
    view.wait("the failure", mentioned);

    view.press("q");

    view.wait("the failure after the view", |screen| screen.contains("soundclassify: warning: ") && mentioned(screen));
    view.ends_with(0);
}

#[test]
fn plain_lines_in_a_terminal_where_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let path = tones(&folder.path().join("short.wav"), &[(LOW, 1.0)]);
    let view = Screen::open(&["live", path.to_str().unwrap(), "--plain", "--model", TONES], 24, 80);

    view.wait("lines", |screen| has_line(screen, "Low 1 "));

    view.ends_with(0);
}

#[test]
fn what_only_lines_have_makes_lines_in_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = tones(&folder.path().join("short.wav"), &[(LOW, 1.0)]);
    for (option, line) in [("--events", "0.000 start Low 1 "), ("--time", "0.000 Low 1 ")] {
        let view = Screen::open(&["live", path.to_str().unwrap(), option, "--model", TONES], 24, 80);

        view.wait("lines", |screen| has_line(screen, line));

        view.ends_with(0);
    }
}

#[test]
fn without_its_terminal_the_view_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = long(folder.path());
    let (master, mut child) = in_terminal(&["live", &path, "--model", TONES], &[], 24, 80);
    let mut output = master.try_clone_reader().unwrap();
    let mut shown = Vec::new();
    while !text(&shown).contains("Low") {
        let mut bytes = [0; 4096];
        let length = output.read(&mut bytes).unwrap();
        shown.extend_from_slice(&bytes[..length]);
    }

    drop((output, master));

    let deadline = Instant::now() + Duration::from_secs(20);
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill().unwrap();
                panic!("it goes on");
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    assert_eq!((status.exit_code(), status.signal()), (130, None));
}
