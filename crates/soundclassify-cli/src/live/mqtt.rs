// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--mqtt URL`: events, states and level for a broker, with a last will and Home Assistant's discovery.
//!
//! Two threads: one drives the connection and connects again with growing pauses, the other turns what was found into
//! publications. Between them and the audio lies a queue of [`QUEUE`] messages, so that events outlast a broker that is
//! away; level is skipped then. What the broker has not acknowledged when a connection breaks is published again.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rumqttc::{
    Client, Connection, EventLoop, LastWill, MqttOptions, Packet, Publish, QoS, Request, Subscribe, SubscribeFilter,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    address::Address,
    exit::{Failure, Result},
    lock::lock,
    record::{Event, EventKind},
};

/// Events and states that may wait for a broker that is away.
const QUEUE: usize = 10_000;
/// Publications that wait for the connection, beside [`QUEUE`].
const CLIENT_QUEUE: usize = 1;
/// Publications that may wait for the broker's acknowledgement, fewer than the client has packet ids.
const IN_FLIGHT: usize = 20;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAXIMUM_PAUSE: Duration = Duration::from_secs(30);
const LEVEL_INTERVAL: Duration = Duration::from_secs(1);
/// How long the end of the program waits for the broker.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Topics beside those of labels.
const RESERVED: [&str; 5] = ["status", "event", "level", "threshold", "enabled"];
/// Environment variable with the password.
const PASSWORD: &str = "SOUNDCLASSIFY_MQTT_PASSWORD";

/// Address and prefix of a broker.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Broker {
    host: String,
    port: u16,
    user: Option<String>,
    password: Option<String>,
    prefix: String,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "mqtt://{}:{}/{}", self.host, self.port, self.prefix)
    }
}

impl std::str::FromStr for Broker {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        // The text may have a password in it, which no error repeats.
        let expected = "expected mqtt://[USER[:PASSWORD]@]HOST[:PORT][/PREFIX]";
        let address = Address::parse(text).ok_or(expected)?;
        match address.scheme.as_str() {
            "mqtt" => {}
            "mqtts" => {
                return Err(
                    "TLS is not supported; use mqtt:// on a trusted network, or a local broker with a TLS bridge"
                        .to_owned(),
                );
            }
            _ => return Err(expected.to_owned()),
        }
        let prefix = address.path.trim_matches('/').to_owned();
        if prefix.contains('+') || text.contains('#') {
            return Err("expected a prefix without + and #".to_owned());
        }
        Ok(Self {
            host: address.host,
            port: address.port.unwrap_or(1883),
            user: address.user,
            password: address.password,
            prefix: if prefix.is_empty() { "soundclassify".to_owned() } else { prefix },
        })
    }
}

impl Broker {
    /// The broker with the password of a file, else of the environment, else of its address.
    pub(super) fn with_password(mut self, file: Option<&std::path::Path>) -> Result<Self> {
        if let Some(file) = file {
            let text = std::fs::read_to_string(file).map_err(|error| Failure::io("password", file, &error))?;
            self.password = Some(text.trim_end_matches(['\r', '\n']).to_owned());
        } else if let Ok(password) = std::env::var(PASSWORD) {
            self.password = Some(password);
        }
        Ok(self)
    }
}

/// An order of a client of the broker.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Order {
    /// A new threshold of a label.
    Threshold(String, f64),
    /// Listen or pause.
    Enable(bool),
}

/// What is published, and how it is called.
pub(super) struct Identity {
    /// Name of this microphone or stream.
    pub(super) name: String,
    /// Labels that have a topic.
    pub(super) labels: Vec<String>,
    /// Name of the model.
    pub(super) model: String,
    /// Whether to publish Home Assistant's discovery.
    pub(super) discovery: bool,
}

enum Message {
    Event(String),
    State(String, bool),
    Level(f32),
}

/// State that both threads and the program see.
#[derive(Default)]
struct Shared {
    connected: AtomicBool,
    /// A new connection was made, and its first messages are pending.
    announce: AtomicBool,
    /// Labels that have had an event, and whether one is open.
    states: Mutex<BTreeMap<String, bool>>,
    /// Messages that the queue had no room for, since the user was last warned.
    left_out: AtomicU64,
    /// Whether one of them may have been a state.
    incomplete: AtomicBool,
    /// Events since the connection was lost.
    unsent: AtomicU64,
}

impl Shared {
    fn state(&self, label: &str, on: bool) {
        lock(&self.states).insert(label.to_owned(), on);
    }

    fn states(&self) -> BTreeMap<String, bool> {
        lock(&self.states).clone()
    }
}

/// The publisher: never blocks the program.
pub(super) struct Mqtt {
    messages: Option<SyncSender<Message>>,
    orders: Receiver<Order>,
    warnings: Receiver<String>,
    shared: Arc<Shared>,
    level: (f32, Instant),
    stop: Option<SyncSender<()>>,
    done: Receiver<()>,
    threads: Vec<JoinHandle<()>>,
}

/// An event as JSON, with the time of day of its onset.
#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    name: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

impl Mqtt {
    /// Connects in the background.
    pub(super) fn new(broker: &Broker, identity: Identity) -> Self {
        let topics = Topics::new(&broker.prefix, &identity);
        let shared = Arc::new(Shared::default());
        let (client, connection) = Client::new(options(broker, &topics), CLIENT_QUEUE);
        let (permits, acknowledged) = mpsc::sync_channel(IN_FLIGHT);
        let (messages, waiting) = mpsc::sync_channel(QUEUE);
        let (order, orders) = mpsc::sync_channel(64);
        let (warning, warnings) = mpsc::sync_channel(16);
        let (stop, stopped) = mpsc::sync_channel(1);
        let (finished, done) = mpsc::sync_channel(1);
        let driver = Driver {
            shared: Arc::clone(&shared),
            topics: topics.clone(),
            order,
            warning,
            stopped,
            acknowledged,
            unacknowledged: VecDeque::new(),
            _open: client.clone(),
        };
        let publisher = Publisher { client, permits, topics, identity, shared: Arc::clone(&shared) };
        let threads = vec![
            std::thread::spawn(move || driver.run(connection)),
            std::thread::spawn(move || {
                publisher.run(&waiting);
                // The program may have given up waiting.
                let _ = finished.send(());
            }),
        ];
        let level = (f32::MIN, Instant::now());
        Self { messages: Some(messages), orders, warnings, shared, level, stop: Some(stop), done, threads }
    }

    /// Publishes an event that began, continues or ended. `time`: time of day of its onset.
    pub(super) fn event(&self, event: &Event, name: &str, time: &str) {
        if !self.shared.connected.load(Ordering::SeqCst) {
            self.shared.unsent.fetch_add(1, Ordering::Relaxed);
        }
        self.send(Message::Event(crate::output::json(&Line { time, name, event })));
        match event.kind {
            EventKind::Start => self.state(&event.label, true),
            EventKind::End => self.state(&event.label, false),
            EventKind::Update => {}
        }
    }

    fn state(&self, label: &str, on: bool) {
        self.shared.state(label, on);
        self.send(Message::State(label.to_owned(), on));
    }

    /// Takes in a level, dBFS; the loudest of a second is published.
    pub(super) fn level(&mut self, level: f32) {
        self.level.0 = self.level.0.max(level);
        if self.level.1.elapsed() >= LEVEL_INTERVAL {
            if self.shared.connected.load(Ordering::Relaxed) {
                self.send(Message::Level(self.level.0));
            }
            self.level = (f32::MIN, Instant::now());
        }
    }

    /// The orders of clients of the broker.
    pub(super) fn orders(&self) -> impl Iterator<Item = Order> + '_ {
        self.orders.try_iter()
    }

    /// Warnings about the connection.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        let left_out = self.shared.left_out.swap(0, Ordering::Relaxed);
        let full = (left_out > 0).then(|| {
            format!("MQTT: the broker is unreachable and {QUEUE} messages are waiting; {left_out} were dropped")
        });
        self.warnings.try_iter().chain(full)
    }

    fn send(&self, message: Message) {
        if let Some(Err(TrySendError::Full(_))) = self.messages.as_ref().map(|messages| messages.try_send(message)) {
            self.shared.left_out.fetch_add(1, Ordering::Relaxed);
            self.shared.incomplete.store(true, Ordering::SeqCst);
        }
    }
}

impl Drop for Mqtt {
    fn drop(&mut self) {
        self.messages = None;
        if self.shared.connected.load(Ordering::Relaxed) {
            // Without an answer in time the last will says the same.
            let _ = self.done.recv_timeout(LAST_WORDS);
        }
        self.stop = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        let unsent = self.shared.unsent.load(Ordering::Relaxed);
        if unsent > 0 && !self.shared.connected.load(Ordering::SeqCst) {
            crate::output::note(format_args!(
                "soundclassify: warning: MQTT: the program ends while the broker is unreachable; {unsent} messages of \
                events were not published"
            ));
        }
    }
}

fn options(broker: &Broker, topics: &Topics) -> MqttOptions {
    let id = format!("soundclassify-{}-{}", topics.node, std::process::id());
    let mut options = MqttOptions::new(id, &broker.host, broker.port);
    options.set_keep_alive(Duration::from_secs(15));
    options.set_max_packet_size(1 << 20, 1 << 20);
    options.set_last_will(LastWill::new(topics.of("status"), "offline", QoS::AtLeastOnce, true));
    if let Some(user) = &broker.user {
        options.set_credentials(user, broker.password.as_deref().unwrap_or_default());
    }
    options
}

/// The topics of one name.
#[derive(Clone)]
struct Topics {
    base: String,
    /// Name in topics and ids of Home Assistant.
    node: String,
    labels: BTreeMap<String, String>,
}

impl Topics {
    fn new(prefix: &str, identity: &Identity) -> Self {
        let labels = identity.labels.iter().map(|label| (label.clone(), label_topic(label))).collect();
        Self { base: format!("{prefix}/{}", segment(&identity.name)), node: id(&identity.name), labels }
    }

    fn of(&self, what: &str) -> String {
        format!("{}/{what}", self.base)
    }

    fn label(&self, label: &str) -> String {
        self.of(&self.labels.get(label).cloned().unwrap_or_else(|| label_topic(label)))
    }

    /// The order that a publication on a topic contains.
    fn order(&self, topic: &str, payload: &[u8]) -> std::result::Result<Order, String> {
        let payload = std::str::from_utf8(payload).unwrap_or_default().trim();
        let rest = topic.strip_prefix(&self.base).map(|rest| rest.trim_start_matches('/')).unwrap_or_default();
        if rest == "enabled/set" {
            return match payload.to_ascii_lowercase().as_str() {
                "on" | "true" | "1" => Ok(Order::Enable(true)),
                "off" | "false" | "0" => Ok(Order::Enable(false)),
                _ => Err(format!("MQTT: {topic}: expected ON or OFF, found {payload:?}")),
            };
        }
        let label = rest.strip_prefix("threshold/").and_then(|rest| rest.strip_suffix("/set")).unwrap_or_default();
        let known = self.labels.iter().find(|(name, segment)| *name == label || *segment == label);
        match (known, payload.parse::<f64>()) {
            (Some((label, _)), Ok(value)) if (0.0..=1.0).contains(&value) => Ok(Order::Threshold(label.clone(), value)),
            (Some(_), _) => Err(format!("MQTT: {topic}: expected a number from 0 to 1, found {payload:?}")),
            (None, _) => Err(format!("MQTT: {topic}: no such label")),
        }
    }
}

/// A text as one level of a topic.
fn segment(text: &str) -> String {
    let segment = text.replace(['/', '+', '#', '\0'], "_");
    if segment.is_empty() { "_".to_owned() } else { segment }
}

fn label_topic(label: &str) -> String {
    let segment = segment(label);
    if RESERVED.contains(&segment.as_str()) { format!("{segment}_") } else { segment }
}

/// A text as an id of Home Assistant: letters, digits, `_` and `-`.
fn id(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// Drives the connection.
struct Driver {
    shared: Arc<Shared>,
    topics: Topics,
    order: SyncSender<Order>,
    warning: SyncSender<String>,
    stopped: Receiver<()>,
    /// One item for each publication that waits for its acknowledgement.
    acknowledged: Receiver<()>,
    /// What earlier connections took and no broker has acknowledged. The client drops it with a new session.
    unacknowledged: VecDeque<Request>,
    /// Keeps the connection open until the broker has read the last publication and closes it.
    _open: Client,
}

impl Driver {
    fn run(mut self, mut connection: Connection) {
        let mut pause = FIRST_PAUSE;
        while let Ok(notice) = connection.recv() {
            let client = &mut connection.eventloop;
            match notice {
                Ok(rumqttc::Event::Incoming(Packet::ConnAck(_))) => {
                    pause = FIRST_PAUSE;
                    client.pending = self.greeting().into_iter().chain(self.unacknowledged.drain(..)).collect();
                    self.shared.announce.store(true, Ordering::SeqCst);
                    self.shared.unsent.store(0, Ordering::Relaxed);
                    self.shared.connected.store(true, Ordering::SeqCst);
                }
                Ok(rumqttc::Event::Incoming(Packet::PubAck(_))) => {
                    let _ = self.acknowledged.try_recv();
                }
                Ok(rumqttc::Event::Incoming(Packet::Publish(publish))) => self.take(&publish),
                Ok(_) => {}
                Err(error) => {
                    self.shared.connected.store(false, Ordering::SeqCst);
                    self.keep(client);
                    if !matches!(self.stopped.try_recv(), Err(mpsc::TryRecvError::Empty)) {
                        return;
                    }
                    self.warn(format!("MQTT: {error}; trying again in {} s", pause.as_secs()));
                    if !matches!(self.stopped.recv_timeout(pause), Err(RecvTimeoutError::Timeout)) {
                        return;
                    }
                    pause = (2 * pause).min(MAXIMUM_PAUSE);
                }
            }
        }
    }

    /// What the broker has to know before anything else: no order that follows a publication may be missed.
    fn greeting(&self) -> [Request; 2] {
        let filter = |topic| SubscribeFilter::new(self.topics.of(topic), QoS::AtLeastOnce);
        let subscription = Subscribe::new_many([filter("threshold/+/set"), filter("enabled/set")]);
        // Each connection begins with it, so that no acknowledgement is needed.
        let mut online = Publish::new(self.topics.of("status"), QoS::AtMostOnce, "online");
        online.retain = true;
        [Request::Subscribe(subscription), Request::Publish(online)]
    }

    /// Takes over what the broken connection has not delivered. The next one gives it new packet ids.
    fn keep(&mut self, client: &mut EventLoop) {
        let mut taken = std::mem::take(&mut client.pending);
        taken.extend(client.state.collision.take().map(Request::Publish));
        self.unacknowledged.extend(taken.into_iter().filter_map(|request| match request {
            Request::Publish(publish) if publish.qos == QoS::AtLeastOnce => {
                Some(Request::Publish(Publish { pkid: 0, ..publish }))
            }
            _ => None,
        }));
    }

    fn take(&self, publish: &Publish) {
        match self.topics.order(&publish.topic, &publish.payload) {
            // Orders that are not handled in time are outdated.
            Ok(order) => drop(self.order.try_send(order)),
            Err(why) => self.warn(why),
        }
    }

    fn warn(&self, text: String) {
        // The first of many warnings is enough.
        let _ = self.warning.try_send(text);
    }
}

/// Turns messages into publications.
struct Publisher {
    client: Client,
    /// One item for each publication that waits for its acknowledgement.
    permits: SyncSender<()>,
    topics: Topics,
    identity: Identity,
    shared: Arc<Shared>,
}

/// An error means that the connection was given up for good.
type Sent = std::result::Result<(), Closed>;

struct Closed;

impl<E: std::error::Error> From<E> for Closed {
    fn from(_: E) -> Self {
        Self
    }
}

impl Publisher {
    fn run(self, waiting: &Receiver<Message>) {
        loop {
            if self.shared.announce.swap(false, Ordering::SeqCst) && self.announce().is_err() {
                return;
            }
            let sent = match waiting.recv_timeout(Duration::from_millis(200)) {
                Ok(message) => self.publish(message),
                Err(RecvTimeoutError::Timeout) => self.complete(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if sent.is_err() {
                return;
            }
        }
        // The connection may be gone, and then the last will says it.
        let last = self.certain(self.topics.of("status"), true, "offline");
        drop(last.and_then(|()| Ok(self.client.disconnect()?)));
    }

    fn publish(&self, message: Message) -> Sent {
        match message {
            Message::Event(json) => self.certain(self.topics.of("event"), false, json),
            Message::Level(level) => {
                Ok(self.client.publish(self.topics.of("level"), QoS::AtMostOnce, false, format!("{level:.1}"))?)
            }
            Message::State(label, on) => self.state(&label, on),
        }
    }

    /// States that the queue had no room for, now that it is empty.
    fn complete(&self) -> Sent {
        if !self.shared.incomplete.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        self.shared.states().iter().try_for_each(|(label, on)| self.state(label, *on))
    }

    fn state(&self, label: &str, on: bool) -> Sent {
        self.certain(self.topics.label(label), true, if on { "ON" } else { "OFF" })
    }

    /// Publishes what the broker has to acknowledge.
    fn certain(&self, topic: String, retain: bool, payload: impl Into<Vec<u8>>) -> Sent {
        self.permits.send(())?;
        Ok(self.client.publish(topic, QoS::AtLeastOnce, retain, payload)?)
    }

    /// All that Home Assistant and others must know after a connection was made.
    fn announce(&self) -> Sent {
        if self.identity.discovery {
            for (topic, payload) in discovery(&self.topics, &self.identity) {
                self.certain(topic, true, payload)?;
            }
        }
        let states = self.shared.states();
        let on = |label: &String| states.get(label).copied().unwrap_or(false);
        self.identity.labels.iter().try_for_each(|label| self.state(label, on(label)))
    }
}

/// Topics and payloads of Home Assistant's discovery: a binary sensor for each label, a sensor for the level.
fn discovery(topics: &Topics, identity: &Identity) -> Vec<(String, String)> {
    let device = json!({
        "identifiers": [format!("soundclassify_{}", topics.node)],
        "name": identity.name,
        "manufacturer": "soundclassify",
        "model": identity.model,
        "sw_version": env!("CARGO_PKG_VERSION"),
    });
    let common = |what: &str, name: &str, topic: String, class: &str| {
        json!({
            "name": name,
            "unique_id": format!("soundclassify_{}_{}", topics.node, id(what)),
            "state_topic": topic,
            "availability_topic": topics.of("status"),
            "device_class": class,
            "device": device,
        })
    };
    let config =
        |kind: &str, what: &str| format!("homeassistant/{kind}/soundclassify_{}/{}/config", topics.node, id(what));
    let sensors = identity.labels.iter().map(|label| {
        let name = label.replace('_', " ");
        (config("binary_sensor", label), common(label, &name, topics.label(label), "sound").to_string())
    });
    let mut level = common("level", "Level", topics.of("level"), "sound_pressure");
    level["unit_of_measurement"] = "dB".into();
    level["state_class"] = "measurement".into();
    sensors.chain([(config("sensor", "level"), level.to_string())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        let labels = ["Bark", "High, very high", "status", "a/b+c"].map(str::to_owned).to_vec();
        Identity { name: "Kitchen/mic".to_owned(), labels, model: "test".to_owned(), discovery: true }
    }

    #[test]
    fn an_address_has_parts_and_no_password_is_shown() {
        let broker: Broker = "mqtt://me:se%40cret@[::1]:1884/home/sound".parse().unwrap();

        assert_eq!((broker.host.as_str(), broker.port, broker.prefix.as_str()), ("::1", 1884, "home/sound"));
        assert_eq!((broker.user.as_deref(), broker.password.as_deref()), (Some("me"), Some("se@cret")));
        assert!(!format!("{broker:?}").contains("cret"));
        let plain: Broker = "mqtt://broker".parse().unwrap();
        assert_eq!((plain.port, plain.prefix.as_str(), plain.user), (1883, "soundclassify", None));
        for (wrong, why) in
            [("http://a", "mqtt://"), ("mqtt://", "HOST"), ("mqtts://a:b@c", "TLS"), ("mqtt://a/b#", "#")]
        {
            let error = wrong.parse::<Broker>().unwrap_err();
            assert!(error.contains(why) && !error.contains("a:b"), "{error}");
        }
    }

    #[test]
    fn labels_are_levels_of_topics() {
        let topics = Topics::new("sound", &identity());

        assert_eq!(topics.of("status"), "sound/Kitchen_mic/status");
        assert_eq!(topics.label("status"), "sound/Kitchen_mic/status_");
        assert_eq!(topics.label("a/b+c"), "sound/Kitchen_mic/a_b_c");
    }

    #[test]
    fn orders_are_checked() {
        let topics = Topics::new("sound", &identity());
        let order = |topic: &str, payload: &str| topics.order(&topics.of(topic), payload.as_bytes());

        assert_eq!(order("threshold/a_b_c/set", "0.5"), Ok(Order::Threshold("a/b+c".to_owned(), 0.5)));
        assert_eq!(order("enabled/set", "OFF"), Ok(Order::Enable(false)));
        for (topic, payload) in [("threshold/Bark/set", "2"), ("threshold/Meow/set", "0.5"), ("enabled/set", "x")] {
            assert!(order(topic, payload).is_err(), "{topic}");
        }
    }

    #[test]
    fn home_assistant_finds_labels_and_level() {
        let identity = identity();
        let found = discovery(&Topics::new("sound", &identity), &identity);

        assert_eq!(found.len(), 5);
        let (topic, payload) = &found[1];
        assert_eq!(topic, "homeassistant/binary_sensor/soundclassify_Kitchen_mic/High__very_high/config");
        let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
        assert_eq!(payload["state_topic"], "sound/Kitchen_mic/High, very high");
        assert_eq!(payload["device"]["name"], "Kitchen/mic");
    }
}
