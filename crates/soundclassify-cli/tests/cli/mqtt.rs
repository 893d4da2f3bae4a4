// SPDX-License-Identifier: MIT OR Apache-2.0
//! `live --mqtt` at a real mosquitto, and `live --on`.

use std::{
    fs::File,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::cli::support::{HIGH, LOW, MIDDLE, TONES, collect_errors, melody, objects, program, signal, text, tones};

/// A broker that keeps what its clients have not had yet, and one client that wants all.
struct Broker {
    folder: tempfile::TempDir,
    port: u16,
    broker: Option<Child>,
    subscriber: Option<Child>,
}

impl Broker {
    /// `None` with a reason printed where there is no mosquitto.
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\nuser root\n",
            folder.path().display()
        );
        std::fs::write(folder.path().join("mosquitto.conf"), configuration).unwrap();
        let mut broker = Self { folder, port, broker: None, subscriber: None };
        if !broker.run() {
            println!("skipped: mosquitto and mosquitto-clients are not installed");
            return None;
        }
        let output = File::create(broker.received()).unwrap();
        let port = port.to_string();
        let words = ["-h", "127.0.0.1", "-p", &port, "-v", "-q", "1", "-c", "-i", "all", "-t", "#"];
        broker.subscriber = Command::new("mosquitto_sub").args(words).stdout(output).spawn().ok();
        broker.subscriber.is_some().then_some(broker)
    }

    /// Starts the broker and waits until it answers; whether there is one.
    fn run(&mut self) -> bool {
        let path = ["mosquitto", "/usr/sbin/mosquitto"];
        self.broker = path.iter().find_map(|program| {
            let mut command = Command::new(program);
            command.arg("-c").arg(self.folder.path().join("mosquitto.conf"));
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.broker.is_some() && TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "mosquitto does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        self.broker.is_some()
    }

    /// Ends the broker, which writes what it keeps first.
    fn stop(&mut self) {
        if let Some(mut broker) = self.broker.take() {
            signal("-TERM", &broker);
            broker.wait().unwrap();
        }
    }

    fn received(&self) -> PathBuf {
        self.folder.path().join("received")
    }

    fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Topics and payloads so far, once one line has `wanted`.
    #[track_caller]
    fn lines_with(&self, wanted: &str) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let lines = std::fs::read_to_string(self.received()).unwrap();
            if lines.contains(wanted) {
                return lines.lines().map(str::to_owned).collect();
            }
            assert!(Instant::now() < deadline, "no {wanted} in\n{lines}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        for child in self.broker.iter_mut().chain(&mut self.subscriber) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn live(broker: &Broker, sound: &Path, more: &[&str]) -> Command {
    live_at(&broker.url(), sound, more)
}

fn live_at(url: &str, sound: &Path, more: &[&str]) -> Command {
    let mut command = program();
    let address = format!("file://{}", sound.display());
    command.args(["live", "--plain", "--model", TONES, "--deny-labels", "Quiet", "--mqtt", url]);
    command.args(["--name", "door"]).args(more).arg(address).stdout(Stdio::null());
    command
}

/// Kinds of the events with a label, in the order in which they came.
fn kinds(lines: &[String], label: &str) -> Vec<String> {
    let events = lines.iter().filter_map(|line| line.strip_prefix("soundclassify/door/event "));
    let events = events.map(|event| serde_json::from_str::<serde_json::Value>(event).unwrap());
    events.filter(|event| event["label"] == label).map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn events_states_level_and_discovery_are_published() {
    let Some(broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let sound = melody(folder.path());

    let ended = live(&broker, &sound, &[]).output().unwrap();

    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let lines = broker.lines_with("status offline");
    let of = |topic: &str| lines.iter().filter_map(|line| line.strip_prefix(topic)).collect::<Vec<_>>();
    assert_eq!(of("soundclassify/door/status "), ["online", "offline"]);
    assert_eq!(of("soundclassify/door/Low "), ["OFF", "ON", "OFF"]);
    assert_eq!(of("soundclassify/door/High, very high "), ["OFF", "ON", "OFF"]);
    assert!(of("soundclassify/door/Quiet ").is_empty(), "it is denied");
    for label in ["Low", "Middle", "High, very high"] {
        let kinds = kinds(&lines, label);
        assert_eq!((kinds.first().unwrap().as_str(), kinds.last().unwrap().as_str()), ("start", "end"), "{label}");
    }
    let levels = of("soundclassify/door/level ");
    assert!((3..=7).contains(&levels.len()), "{levels:?}: once a second");
    assert!(levels.iter().any(|level| level.parse::<f64>().unwrap() > -20.0), "{levels:?}");
    let event: serde_json::Value = serde_json::from_str(of("soundclassify/door/event ")[0]).unwrap();
    let time = event["time"].as_str().unwrap();
    assert!(time.len() > 25 && time.as_bytes()[10] == b'T', "{event}");
    let found = of("homeassistant/binary_sensor/soundclassify_door/Low/config ");
    let found: serde_json::Value = serde_json::from_str(found[0]).unwrap();
    assert_eq!((&found["state_topic"], &found["name"]), (&"soundclassify/door/Low".into(), &"Low".into()));
    assert_eq!(found["availability_topic"], "soundclassify/door/status");
}

#[test]
fn no_event_is_lost_while_the_broker_is_away_and_orders_are_carried_out() {
    let Some(mut broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let sound = melody(folder.path());
    let printed = folder.path().join("printed");
    let mut child = live(&broker, &sound, &["--no-discovery"])
        .stdout(File::create(&printed).unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = collect_errors(&mut child);
    broker.lines_with("soundclassify/door/Low ON");

    broker.stop();
    std::thread::sleep(Duration::from_millis(1500));
    assert!(broker.run());
    let port = broker.port.to_string();
    broker.lines_with("soundclassify/door/Middle ON");
    // From now on only certainty reaches this threshold.
    let topic = "soundclassify/door/threshold/High, very high/set";
    let words = ["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-m", "1"];
    assert!(Command::new("mosquitto_pub").args(words).status().unwrap().success());

    let ended = child.wait().unwrap();
    let errors = errors.join().unwrap();
    assert!(ended.success(), "{errors}");
    assert!(errors.contains("trying again"), "{errors}");
    let lines = broker.lines_with("status offline");
    for label in ["Low", "Middle"] {
        let kinds = kinds(&lines, label);
        assert_eq!((kinds.first().unwrap().as_str(), kinds.last().unwrap().as_str()), ("start", "end"), "{label}");
    }
    let printed = std::fs::read_to_string(&printed).unwrap();
    let high: Vec<_> = printed.lines().filter(|line| line.starts_with("High")).collect();
    assert!(high.iter().all(|line| line.ends_with(" 1.000000")), "its threshold is 1: {high:?}");
    assert!(!lines.iter().any(|line| line.starts_with("homeassistant")));
}

#[test]
fn each_event_is_published_in_order_while_the_broker_is_stopped_and_started() {
    let Some(mut broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let notes = [LOW, MIDDLE, HIGH].repeat(4).into_iter().flat_map(|note| [(note, 0.8), (0.0, 0.4)]);
    let sound = tones(&folder.path().join("notes.wav"), &notes.chain([(0.0, 2.0)]).collect::<Vec<_>>());
    let printed = folder.path().join("printed");
    let mut child = live(&broker, &sound, &["--no-discovery", "--events", "--json"])
        .stdout(File::create(&printed).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();

    for state in ["Low ON", "Middle ON", "High, very high ON"] {
        broker.lines_with(&format!("soundclassify/door/{state}"));
        broker.stop();
        // Events begin and end meanwhile.
        std::thread::sleep(Duration::from_millis(1300));
        assert!(broker.run());
    }

    assert!(child.wait().unwrap().success());
    let lines = broker.lines_with("status offline");
    let printed = objects(&std::fs::read_to_string(&printed).unwrap());
    let step = |event: &serde_json::Value| {
        (event["event-id"].as_u64().unwrap(), event["kind"].to_string(), event["duration"].to_string())
    };
    let mut published = Vec::new();
    for line in lines.iter().filter_map(|line| line.strip_prefix("soundclassify/door/event ")) {
        // A broker that goes away before it acknowledges an event gets it again.
        let event = step(&serde_json::from_str(line).unwrap());
        if !published.contains(&event) {
            published.push(event);
        }
    }
    assert!(printed.len() >= 24, "{printed:?}");
    assert_eq!(published, printed.iter().map(step).collect::<Vec<_>>());
    for label in ["Low", "Middle", "High, very high"] {
        let topic = format!("soundclassify/door/{label} ");
        assert_eq!(lines.iter().filter_map(|line| line.strip_prefix(&topic)).next_back(), Some("OFF"), "{label}");
    }
}

/// The events of the broker, as objects.
fn events(lines: &[String]) -> Vec<serde_json::Value> {
    let events = lines.iter().filter_map(|line| line.strip_prefix("soundclassify/door/event "));
    events.map(|event| serde_json::from_str(event).unwrap()).collect()
}

#[test]
fn a_pause_ends_events_and_each_has_one_onset() {
    let Some(broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let sound = tones(&folder.path().join("low.wav"), &[(LOW, 8.0)]);
    let mut child = live(&broker, &sound, &["--no-discovery"]).stderr(Stdio::null()).spawn().unwrap();
    let port = broker.port.to_string();
    let order = |payload: &str| {
        let topic = "soundclassify/door/enabled/set";
        let words = ["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-m", payload];
        assert!(Command::new("mosquitto_pub").args(words).status().unwrap().success());
    };
    broker.lines_with("\"kind\":\"update\"");

    order("OFF");
    let paused = broker.lines_with("\"kind\":\"end\"");
    std::thread::sleep(Duration::from_millis(1500));
    order("ON");

    assert!(child.wait().unwrap().success());
    let lines = broker.lines_with("status offline");
    assert!(paused.iter().any(|line| line == "soundclassify/door/Low ON"));
    let states: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("soundclassify/door/Low ")).collect();
    assert_eq!(states, ["OFF", "ON", "OFF", "ON", "OFF"]);
    let events = events(&lines);
    let mut times: Vec<String> = Vec::new();
    for event in &events {
        match event["kind"].as_str().unwrap() {
            "start" => times.push(event["time"].to_string()),
            _ => assert_eq!(event["time"].to_string(), *times.last().unwrap(), "{event}"),
        }
    }
    assert!(times.len() == 2 && times[0] < times[1], "{times:?}");
}

#[test]
fn groups_are_published_and_ordered_in_the_place_of_their_labels() {
    let Some(broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let sound = tones(&folder.path().join("sound.wav"), &[(LOW, 1.5), (0.0, 1.5), (MIDDLE, 1.5), (0.0, 1.5)]);
    let note = folder.path().join("note");
    let command = format!("tone=echo $2 >> {}", note.display());
    let groups = ["--label-groups", "tone=Low+Middle"];

    let ended = live(&broker, &sound, &[&groups[..], &["--on", &command]].concat()).output().unwrap();
    let member = live(&broker, &sound, &[&groups[..], &["--on", "Low=true"]].concat()).output().unwrap();

    assert!(ended.status.success(), "{}", text(&ended.stderr));
    assert_eq!(std::fs::read_to_string(&note).unwrap(), "tone\ntone\n");
    let lines = broker.lines_with("status offline");
    let of = |topic: &str| lines.iter().filter_map(|line| line.strip_prefix(topic)).collect::<Vec<_>>();
    assert_eq!(of("soundclassify/door/tone "), ["OFF", "ON", "OFF", "ON", "OFF"]);
    assert_eq!(of("homeassistant/binary_sensor/soundclassify_door/tone/config ").len(), 1);
    assert!(!lines.iter().any(|line| line.contains("/Low")), "{lines:?}");
    assert_eq!(member.status.code(), Some(2));
    assert!(text(&member.stderr).contains("\"Low\" is not reported"), "{}", text(&member.stderr));
}

#[test]
fn a_wrong_password_is_named_with_the_broker_until_the_end() {
    let Some(mut broker) = Broker::start() else { return };
    let passwords = broker.folder.path().join("passwords");
    let made = Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&passwords).args(["me", "right"]).status();
    if !made.is_ok_and(|status| status.success()) {
        return println!("skipped: mosquitto_passwd is not installed");
    }
    broker.stop();
    let configuration = broker.folder.path().join("mosquitto.conf");
    let text_before = std::fs::read_to_string(&configuration).unwrap();
    let access = format!("allow_anonymous false\npassword_file {}", passwords.display());
    std::fs::write(&configuration, text_before.replace("allow_anonymous true", &access)).unwrap();
    assert!(broker.run());
    let folder = tempfile::tempdir().unwrap();
    let sound = tones(&folder.path().join("low.wav"), &[(LOW, 2.5)]);
    let address = format!("file://{}", sound.display());
    let (port, given) = (broker.port, folder.path().join("password"));
    let url = format!("mqtt://me@127.0.0.1:{port}");

    for (password, refused) in [("wrong", true), ("right", false)] {
        std::fs::write(&given, format!("{password}\n")).unwrap();
        let output = program()
            .args(["live", "--plain", "--model", TONES, "--mqtt", &url, "--name", "door", &address])
            .arg("--mqtt-password-file")
            .arg(&given)
            .output()
            .unwrap();

        let errors = text(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let why = format!("MQTT refused: check user and password (broker 127.0.0.1:{port}); ");
        assert_eq!(errors.contains(&format!("{why}trying again in 1 s")), refused, "{errors}");
        let end = errors.lines().last().unwrap_or_default();
        assert_eq!(end.contains(&why) && end.ends_with("events were not published"), refused, "{errors}");
    }
    std::fs::remove_file(&given).unwrap();
    let missing = program().args(["live", "--plain", "--mqtt", &url, "--mqtt-password-file"]).arg(&given).output();
    let errors = text(&missing.unwrap().stderr);
    assert!(errors.contains("the broker's password") && !errors.contains("microphone"), "{errors}");
}

/// A CA, and a broker's certificate and key of it, as `ca.pem`, `broker.pem` and `broker.key`; `false` with a printed reason
/// where there is no openssl.
fn certificates(folder: &Path) -> bool {
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    let commands = [
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=broker -keyout broker.key -out broker.csr",
        "x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out broker.pem",
    ];
    for command in commands {
        match Command::new("openssl").args(command.split(' ')).current_dir(folder).output() {
            Ok(output) => assert!(output.status.success(), "{}", text(&output.stderr)),
            Err(_) => {
                println!("skipped: openssl is not installed");
                return false;
            }
        }
    }
    true
}

#[test]
fn a_broker_with_tls_gets_each_event_and_its_certificate_is_checked() {
    let Some(mut broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    if !certificates(folder.path()) {
        return;
    }
    broker.stop();
    let secure = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let configuration = broker.folder.path().join("mosquitto.conf");
    let before = std::fs::read_to_string(&configuration).unwrap();
    let [certificate, key, ca] = ["broker.pem", "broker.key", "ca.pem"].map(|name| folder.path().join(name));
    let (certificate, key) = (certificate.display(), key.display());
    let listener = format!("{before}listener {secure} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\n");
    std::fs::write(&configuration, listener).unwrap();
    assert!(broker.run());
    let url = format!("mqtts://127.0.0.1:{secure}");
    let trusted = ["--no-discovery", "--mqtt-ca", ca.to_str().unwrap()];

    let mut child = live_at(&url, &melody(folder.path()), &trusted).stderr(Stdio::piped()).spawn().unwrap();
    let errors = collect_errors(&mut child);
    broker.lines_with("soundclassify/door/Low ON");
    broker.stop();
    std::thread::sleep(Duration::from_millis(1500));
    assert!(broker.run());

    assert!(child.wait().unwrap().success());
    let errors = errors.join().unwrap();
    assert!(errors.contains("trying again") && errors.lines().count() <= 3, "{errors}");
    let lines = broker.lines_with("status offline");
    for label in ["Low", "Middle", "High, very high"] {
        let kinds = kinds(&lines, label);
        assert_eq!((kinds.first().unwrap().as_str(), kinds.last().unwrap().as_str()), ("start", "end"), "{label}");
    }

    let short = tones(&folder.path().join("low.wav"), &[(LOW, 1.0)]);
    let plain = format!("mqtts://127.0.0.1:{}", broker.port);
    let none = folder.path().join("names");
    for (url, more, code, wanted) in [
        (&url, &[][..], 0, "MQTT: no TLS (invalid peer certificate: UnknownIssuer)"),
        (&plain, &trusted[1..], 0, "; check its port, or use mqtt://"),
        (&url, &["--mqtt-ca", none.to_str().unwrap()], 1, "expected certificates in PEM"),
        (&broker.url(), &trusted[1..], 2, "expected an address mqtts://"),
    ] {
        let output = live_at(url, &short, more).output().unwrap();
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.contains(wanted), "{errors}");
    }
}

#[test]
fn a_command_runs_for_each_event() {
    let folder = tempfile::tempdir().unwrap();
    let sound = melody(folder.path());
    let note = folder.path().join("note");
    let command = format!("*=echo \"$2 $1\" >> {}", note.display());
    let arguments = ["live", "--plain", "--model", TONES, "--deny-labels", "Quiet", "--on", &command];

    let ended = program().args(arguments).arg(format!("file://{}", sound.display())).output().unwrap();
    let wrong = program().args(["live", "--plain", "--model", TONES, "--on", "Lowe=true"]).output().unwrap();

    assert!(ended.status.success(), "{}", text(&ended.stderr));
    assert!(text(&ended.stdout).lines().all(|line| !line.contains("peak")), "windows are printed");
    let noted = std::fs::read_to_string(&note).unwrap();
    let labels: Vec<_> = noted.lines().map(|line| line.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(labels, ["Low", "Middle", "High, very high"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("similar: Low"), "{}", text(&wrong.stderr));
}
