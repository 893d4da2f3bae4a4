// SPDX-License-Identifier: MIT OR Apache-2.0
//! No password of an address is in anything that the program prints or writes.

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::Path,
};

use crate::cli::support::{LOW, TONES, run, text, tones};

/// A server that sends one recording to every client, any number of times.
fn serve(recording: Vec<u8>) -> u16 {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in server.incoming() {
            let Ok(mut connection) = connection else { return };
            let mut request = [0; 4096];
            // A client that has what it needs goes away.
            let _ = connection.read(&mut request);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", recording.len());
            let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&recording));
        }
    });
    port
}

#[track_caller]
fn assert_no_secret(what: &str, text: &str) {
    assert!(!text.contains("SECRET"), "{what}: {text}");
}

/// All files below a folder as text.
fn written(folder: &Path) -> String {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let texts = entries.map(|path| {
        let name = path.display().to_string();
        name + &if path.is_dir() { written(&path) } else { text(&std::fs::read(&path).unwrap()) }
    });
    texts.collect()
}

#[test]
fn wrong_addresses_are_reported_without_their_passwords() {
    for arguments in [
        &["live", "--mqtt", "mqtts://me:SECRET@host/x"][..],
        &["live", "--mqtt", "mqtt://me:SECRET@host:99999"],
        &["live", "--mqtt", "mqtt://me:SEC/RET@SECRET@host:99999"],
        &["live", "--mqtt=mqtt://me:my SECRET@host/x#y"],
        &["live", "rtsp://a", "rtsp://me:SECRET@host"],
        &["doctor", "http://me:SECRET@host"],
        &["scan", "http://me:SECRET@host/a.wav", "-o", "/tmp/no-such-folder/a.jsonl"],
        &["file", "--model", TONES, "http://me:SECRET@127.0.0.1:1/a.wav", "rtsp://me:SECRET@127.0.0.1:1/"],
        &["live", "--plain", "--model", TONES, "http://me:SECRET@127.0.0.1:1"],
        &["report", "--model", TONES, "http://me:SECRET@127.0.0.1:1/a.wav", "-o", "/tmp/no-such-folder/a.html"],
        &["features", "--model", TONES, "http://me:SECRET@127.0.0.1:1/a.wav", "-o", "/tmp/no-such-folder/a.npy"],
    ] {
        let output = run(arguments);

        assert!(!output.status.success(), "{arguments:?}");
        let errors = text(&output.stderr);
        assert!(!errors.is_empty(), "{arguments:?}");
        assert_no_secret(&format!("{arguments:?}"), &(errors + &text(&output.stdout)));
    }
}

#[test]
fn results_of_addresses_have_no_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let recording = std::fs::read(tones(&folder.path().join("low.wav"), &[(LOW, 1.5)])).unwrap();
    let results = tempfile::tempdir().unwrap();
    let address = |end: &str| format!("http://me:SECRET@127.0.0.1:{}{end}", serve(recording.clone()));
    let input = address("/low.wav");
    let list = folder.path().join("list.txt");
    std::fs::write(&list, format!("{input}\n{input}x\n")).unwrap();
    let path = |name: &str| results.path().join(name).to_str().unwrap().to_owned();
    let (page, arrays) = (path("page.html"), path("arrays"));
    let (list, table, labels) = (list.to_str().unwrap(), path("scan.jsonl"), path("labels"));

    for (arguments, wanted) in [
        (&["file", "--json", &input][..], "low.wav"),
        (&["file", &input, &input], "==> http://127.0.0.1"),
        (&["report", &input, "--audio", "link", "-o", &page], ""),
        (&["features", &input, "-o", &arrays], ""),
        (&["scan", list, "-o", &table], ""),
        (&["scan", list, "-o", &labels, "--format", "audacity"], ""),
    ] {
        let output = run(arguments
            .iter()
            .chain(if arguments[0] == "scan" { &["--jobs", "1"][..] } else { &[] })
            .chain(&["--model", TONES]));

        let (printed, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {errors}");
        assert!(printed.contains(wanted), "{arguments:?}: {printed}");
        assert_no_secret(&format!("{arguments:?}"), &(printed + &errors));
    }
    let again = text(&run(["scan", list, "-o", &table, "--model", TONES]).stderr);

    assert_no_secret("files", &written(results.path()));
    assert!(again.contains("0 files (2 already in the table)"), "{again}");
    let rows = std::fs::read_to_string(&table).unwrap();
    assert!(rows.contains(&input.replace("me:SECRET@", "")), "{rows}");
}
