// SPDX-License-Identifier: MIT OR Apache-2.0
//! The connection, which is made again with growing pauses.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    time::Duration,
};

use rumqttc::{
    Client, ConnectReturnCode, Connection, ConnectionError, EventLoop, Packet, Publish, QoS, Request, StateError,
    Subscribe, SubscribeFilter,
};

use super::{
    Shared,
    broker::Broker,
    tls::Tunnel,
    topics::{Order, Topics},
};
use crate::{lock::lock, source};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAXIMUM_PAUSE: Duration = Duration::from_secs(30);

/// Drives the connection.
pub(super) struct Driver {
    pub(super) shared: Arc<Shared>,
    pub(super) broker: Broker,
    /// The way to a broker with TLS.
    pub(super) tunnel: Option<Tunnel>,
    pub(super) topics: Topics,
    pub(super) order: SyncSender<Order>,
    pub(super) warning: SyncSender<String>,
    pub(super) stopped: Receiver<()>,
    /// One item for each publication that waits for its acknowledgement.
    pub(super) acknowledged: Receiver<()>,
    /// What earlier connections took and no broker has acknowledged. The client drops it with a new session.
    pub(super) unacknowledged: VecDeque<Request>,
    /// Keeps the connection open until the broker has read the last publication and closes it.
    pub(super) _open: Client,
}

impl Driver {
    pub(super) fn run(mut self, mut connection: Connection) {
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
                    let connected = self.shared.connected.swap(false, Ordering::SeqCst);
                    let tunnel = self.tunnel.as_ref().and_then(Tunnel::cause);
                    let why = tunnel.unwrap_or_else(|| cause(&error, connected, &self.broker));
                    lock(&self.shared.cause).clone_from(&why);
                    self.keep(client);
                    if !matches!(self.stopped.try_recv(), Err(mpsc::TryRecvError::Empty)) {
                        return;
                    }
                    self.warn(format!("{why}; trying again in {} s", pause.as_secs()));
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

/// Why the connection failed and what to do; the first words fit a narrow view. `connected`: whether it existed before.
fn cause(error: &ConnectionError, connected: bool, broker: &Broker) -> String {
    let place = broker.place();
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => format!("MQTT refused: check user and password (broker {place})"),
        ConnectionError::ConnectionRefused(code) => format!("MQTT refused: {code:?} (broker {place})"),
        ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error)) if !connected => {
            broker.silent(&format!("no answer ({})", source::reason(error)))
        }
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => broker.silent("no answer in time"),
        error if !connected => broker.silent(&format!("no broker's answer ({error})")),
        error => format!("MQTT: connection to {place} lost ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_cause_fits_a_narrow_view_and_names_the_broker_and_a_remedy() {
        let broker: Broker = "mqtt://me:secret@[::1]:1884".parse().unwrap();
        let refused = || io::Error::from_raw_os_error(111);
        for (error, connected, start, remedy) in [
            (
                ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized),
                false,
                "MQTT refused: check user and password",
                "",
            ),
            (ConnectionError::Io(refused()), false, "MQTT: no answer (", "whether the broker runs"),
            (ConnectionError::NetworkTimeout, false, "MQTT: no answer in time", "whether the broker runs"),
            (ConnectionError::RequestsDone, false, "MQTT: no broker's answer (", "whether the broker runs"),
            (ConnectionError::Io(refused()), true, "MQTT: connection to [::1]:1884 lost", ""),
        ] {
            let why = cause(&error, connected, &broker);

            assert!(why.starts_with(start) && start.len() < 38, "{why}");
            assert!(why.contains("[::1]:1884") && why.contains(remedy) && !why.contains("secret"), "{why}");
        }
    }
}
