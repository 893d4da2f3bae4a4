// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streams of the network that die, stall and come back, and those that never were.

use std::{
    f64::consts::TAU,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::cli::support::{LOW, MIDDLE, TONES, collect_errors, interrupt, program, signal, text};

const RATE: u32 = 16_000;

/// Answers a request with an endless WAV, `seconds` of a tone as fast as it sounds; then stalls or hangs up.
fn serve(mut client: TcpStream, frequency: f64, seconds: f64, stall: bool) {
    let mut request = BufReader::new(client.try_clone().unwrap());
    let mut line = String::new();
    while request.read_line(&mut line).is_ok_and(|length| length > 2) {
        line.clear();
    }
    let mut header = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    header.extend([RATE.to_le_bytes(), (2 * RATE).to_le_bytes()].concat());
    header.extend(b"\x02\0\x10\0data\xff\xff\xff\xff");
    let answer = b"HTTP/1.0 200 OK\r\nContent-Type: audio/x-wav\r\nConnection: close\r\n\r\n";
    // A program that hangs up early has had enough.
    let _ = client.write_all(answer).and_then(|()| client.write_all(&header));
    let start = Instant::now();
    for block in 0..(seconds * 10.0) as u32 {
        let samples = (0..RATE / 10).flat_map(|n| {
            let time = f64::from(block * RATE / 10 + n) / f64::from(RATE);
            ((0.4 * (TAU * frequency * time).sin() * 32767.0) as i16).to_le_bytes()
        });
        if client.write_all(&samples.collect::<Vec<_>>()).is_err() {
            return;
        }
        std::thread::sleep((Duration::from_millis(100) * (block + 1)).saturating_sub(start.elapsed()));
    }
    if stall {
        // Until the program hangs up.
        let _ = client.read(&mut [0; 16]);
    }
}

/// Lines of the program's standard output as they come.
fn lines(child: &mut Child) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    lines
}

#[track_caller]
fn wait_for(lines: &Receiver<String>, wanted: &str, seconds: u64) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) if line.contains(wanted) => return,
            Ok(_) => {}
            Err(_) => panic!("no {wanted} within {seconds} s"),
        }
    }
}

fn interrupted(mut child: Child, errors: JoinHandle<String>) -> String {
    interrupt(&child);
    let errors = errors.join().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{errors}");
    errors
}

/// A server that is killed in the end.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An RTSP server, on a free port unless given, and its address; `None` with a printed reason where it can't be run.
fn rtsp_server(port: Option<u16>) -> Option<(Server, String)> {
    const PYTHON: &str = "/usr/bin/python3";
    let import = "import gi; gi.require_version('GstRtspServer', '1.0')";
    if !Command::new(PYTHON).args(["-c", import]).output().is_ok_and(|it| it.status.success()) {
        println!("skipped: GStreamer's RTSP server for Python is not installed");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/launch/rtsp_server.py");
    let mut command = Command::new(PYTHON);
    command.arg(&script).args(port.map(|port| port.to_string())).stdout(Stdio::piped());
    let mut server = Server(command.spawn().unwrap());
    let mut address = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
    Some((server, address.trim().to_owned()))
}

#[test]
fn a_stream_over_http_that_ends_or_stalls_is_opened_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/radio", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (frequency, stall) in [(LOW, false), (MIDDLE, true), (LOW, true)] {
            let (client, _) = listener.accept().unwrap();
            serve(client, frequency, 3.0, stall);
        }
    });
    let mut child = program()
        .args(["live", "--plain", "--model", TONES, &address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (lines, errors) = (lines(&mut child), collect_errors(&mut child));

    for (wanted, seconds) in [("Low", 40), ("Middle", 40), ("Low", 60)] {
        wait_for(&lines, wanted, seconds);
    }

    let errors = interrupted(child, errors);
    assert!(errors.contains("trying again in 1 s") && errors.contains("no audio for 15 s"), "{errors}");
}

#[test]
fn a_stream_over_rtsp_whose_server_is_started_anew_comes_back() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some((server, address)) = rtsp_server(Some(port)) else { return };
    let mut child = program()
        .args(["live", "--plain", "--model", TONES, "--threshold", "0", &address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (lines, errors) = (lines(&mut child), collect_errors(&mut child));
    wait_for(&lines, " ", 40);

    drop(server);
    std::thread::sleep(Duration::from_secs(2));
    while lines.try_recv().is_ok() {}
    let server = rtsp_server(Some(port));
    wait_for(&lines, " ", 60);

    drop(server);
    let errors = interrupted(child, errors);
    assert!(errors.contains("trying again"), "{errors}");
}

#[test]
fn a_stream_over_rtsp_whose_server_stalls_comes_back() {
    let Some((server, address)) = rtsp_server(None) else { return };
    let mut child = program()
        .args(["live", "--plain", "--model", TONES, "--threshold", "0", &address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (lines, errors) = (lines(&mut child), collect_errors(&mut child));
    wait_for(&lines, " ", 40);

    // It neither ends nor answers.
    signal("-STOP", &server.0);
    let mut silent = Instant::now();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(22) {
        if lines.recv_timeout(Duration::from_millis(500)).is_ok() {
            silent = Instant::now();
        }
    }
    assert!(silent.elapsed() > Duration::from_secs(15), "results of a server that stalls");
    signal("-CONT", &server.0);
    wait_for(&lines, " ", 90);

    drop(server);
    let errors = interrupted(child, errors);
    assert!(errors.contains("trying again"), "{errors}");
}

#[test]
fn an_address_where_nothing_answers_is_one_plain_sentence() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let [page, array] = ["a.html", "a.npy"].map(|name| folder.path().join(name).display().to_string());
    let commands = [&["live", "--plain"][..], &["file"], &["report", "-o", &page], &["features", "-o", &array]];
    let refused = "no answer (Connection refused); check the address";
    let addresses = [
        (format!("rtsp://127.0.0.1:{port}/cam"), refused),
        (format!("http://127.0.0.1:{port}/radio"), refused),
        ("http://nonexistent.invalid/a.wav".to_owned(), "unknown host nonexistent.invalid ("),
        ("http://127.0.0.1:99999/a.wav".to_owned(), "port 99999 is out of range 1 to 65535"),
    ];
    for (command, (address, why)) in commands.iter().flat_map(|it| addresses.iter().map(move |that| (it, that))) {
        let output = program().args(*command).args(["--model", TONES, address]).output().unwrap();

        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains(why) && errors.contains(address), "{command:?}: {errors}");
    }
}

#[test]
fn a_server_that_sends_no_audio_is_named_with_a_remedy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/page", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let _ = client.read(&mut [0; 2048]);
            let page = "<html>".repeat(2000);
            let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", page.len());
            let _ = client.write_all((head + &page).as_bytes());
        }
    });

    let output = program().args(["file", "--model", TONES, &address]).output().unwrap();

    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    // Before it, GStreamer warns of the type.
    let why = errors.lines().last().unwrap_or_default();
    assert!(why.contains(&address) && why.ends_with("check the address") && !why.contains("plug-in"), "{errors}");
}
