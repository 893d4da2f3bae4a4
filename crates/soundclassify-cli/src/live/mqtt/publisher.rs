// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was found, as publications.

use std::{
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    time::Duration,
};

use rumqttc::{Client, QoS};

use super::{
    Message, Shared,
    home_assistant::discovery,
    topics::{Identity, Topics},
};

/// Turns messages into publications.
pub(super) struct Publisher {
    pub(super) client: Client,
    /// One item for each publication that waits for its acknowledgement.
    pub(super) permits: SyncSender<()>,
    pub(super) topics: Topics,
    pub(super) identity: Identity,
    pub(super) shared: Arc<Shared>,
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
    pub(super) fn run(self, waiting: &Receiver<Message>) {
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
