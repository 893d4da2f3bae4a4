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

use rumqttc::{Client, Connection, EventLoop, Packet, Publish, QoS, Request, Subscribe, SubscribeFilter};

use super::{
    Shared,
    topics::{Order, Topics},
};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAXIMUM_PAUSE: Duration = Duration::from_secs(30);

/// Drives the connection.
pub(super) struct Driver {
    pub(super) shared: Arc<Shared>,
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
