// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--mqtt URL`: events, states and level for a broker, with a last will and Home Assistant's discovery.
//!
//! Two threads: one drives the connection and connects again with growing pauses, the other turns what was found into
//! publications. Between them and the audio lies a queue of [`QUEUE`] messages, so that events outlast a broker that is
//! away; level is skipped then. What the broker has not acknowledged when a connection breaks is published again.

mod broker;
mod driver;
mod home_assistant;
mod publisher;
#[cfg_attr(not(unix), path = "no_tls.rs")]
mod tls;
mod topics;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use gstsoundclassify::{ClassificationEvent, EventKind};
use rumqttc::{Client, LastWill, MqttOptions, QoS};
use serde::Serialize;

pub(crate) use self::broker::Broker;
pub(super) use self::topics::{Identity, Order};
use self::{driver::Driver, publisher::Publisher, tls::Tunnel, topics::Topics};
use crate::{exit::Result, lock::lock};

/// Events and states that may wait for a broker that is away.
const QUEUE: usize = 10_000;
/// Publications that wait for the connection, beside [`QUEUE`].
const CLIENT_QUEUE: usize = 1;
/// Publications that may wait for the broker's acknowledgement, fewer than the client has packet ids.
const IN_FLIGHT: usize = 20;
const LEVEL_INTERVAL: Duration = Duration::from_secs(1);
/// How long the end of the program waits for the broker.
const LAST_WORDS: Duration = Duration::from_secs(3);

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
    /// Why the broker is not connected; empty before its first answer.
    cause: Mutex<String>,
}

impl Shared {
    fn state(&self, label: &str, on: bool) {
        lock(&self.states).insert(label.to_owned(), on);
    }

    fn cause(&self) -> String {
        let cause = lock(&self.cause).clone();
        if cause.is_empty() { "MQTT: no answer from the broker yet".to_owned() } else { cause }
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
    event: &'a ClassificationEvent,
}

impl Mqtt {
    /// Connects in the background.
    pub(super) fn new(broker: &Broker, identity: Identity) -> Result<Self> {
        let topics = Topics::new(&broker.prefix, &identity);
        let shared = Arc::new(Shared::default());
        let tunnel = broker.trust.as_ref().map(|trust| Tunnel::open(broker, trust)).transpose()?;
        let (client, connection) = Client::new(options(broker, tunnel.as_ref(), &topics), CLIENT_QUEUE);
        let (permits, acknowledged) = mpsc::sync_channel(IN_FLIGHT);
        let (messages, waiting) = mpsc::sync_channel(QUEUE);
        let (order, orders) = mpsc::sync_channel(64);
        let (warning, warnings) = mpsc::sync_channel(16);
        let (stop, stopped) = mpsc::sync_channel(1);
        let (finished, done) = mpsc::sync_channel(1);
        let driver = Driver {
            shared: Arc::clone(&shared),
            broker: broker.clone(),
            tunnel,
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
        Ok(Self { messages: Some(messages), orders, warnings, shared, level, stop: Some(stop), done, threads })
    }

    /// Publishes an event that began, continues or ended. `time`: time of day of its onset.
    pub(super) fn event(&self, event: &ClassificationEvent, name: &str, time: &str) {
        if !self.shared.connected.load(Ordering::SeqCst) {
            self.shared.unsent.fetch_add(1, Ordering::Relaxed);
        }
        self.send(Message::Event(crate::output::json(&Line { time, name, event })));
        match event.kind {
            EventKind::Start => self.state(&event.now.label, true),
            EventKind::End => self.state(&event.now.label, false),
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
        let full = (left_out > 0)
            .then(|| format!("{}; {QUEUE} messages are waiting, {left_out} were dropped", self.shared.cause()));
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
                "soundclassify: warning: {}; {unsent} messages of events were not published",
                self.shared.cause()
            ));
        }
    }
}

fn options(broker: &Broker, tunnel: Option<&Tunnel>, topics: &Topics) -> MqttOptions {
    let id = format!("soundclassify-{}-{}", topics.node, std::process::id());
    let mut options = match tunnel {
        Some(tunnel) => tunnel.options(id),
        None => MqttOptions::new(id, &broker.host, broker.port),
    };
    options.set_keep_alive(Duration::from_secs(15));
    options.set_max_packet_size(1 << 20, 1 << 20);
    options.set_last_will(LastWill::new(topics.of("status"), "offline", QoS::AtLeastOnce, true));
    if let Some(user) = &broker.user {
        options.set_credentials(user, broker.password.as_deref().unwrap_or_default());
    }
    options
}
