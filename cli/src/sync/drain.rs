//! Many clients that read and count, and decode nothing: what a server can send at most.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use networkdb_core::{
    machine::{Endpoint, Input, Instant, Lane, Machine, Outbox, Output, StreamId, StreamInput},
    syncproto::{ClientHello, Message, Pong, encode},
    wire::gob::Time,
};

/// Between pongs, which are sent whether there was a ping or not: a server pings as often.
const PONG: Duration = Duration::from_secs(10);

/// Clients in one machine. It has no events; [`Drain::totals`] tells all.
#[derive(Debug)]
pub(super) struct Drain {
    out: Outbox,
    lanes: BTreeMap<StreamId, Lane>,
    hello: Bytes,
    pong: Bytes,
    pong_at: Instant,
    totals: Totals,
}

/// What came of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) connected: usize,
    pub(super) ended: usize,
    pub(super) bytes: u64,
}

impl Drain {
    /// Begins to connect `clients` of them to the servers in turn.
    pub(super) fn new(servers: &[Endpoint], clients: u32, syncer: &str, now: Instant) -> Self {
        let mut out = Outbox::default();
        let lanes = servers.iter().cycle().take(clients as usize).map(|server| out.open(server.clone()));
        let lanes = lanes.map(|lane| (lane.id(), lane)).collect();
        Self {
            lanes,
            out,
            hello: hello(syncer),
            pong: pong(),
            pong_at: now + PONG,
            totals: Totals::default(),
        }
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    fn end(&mut self, id: StreamId) {
        if let Some(mut lane) = self.lanes.remove(&id) {
            lane.abort(&mut self.out);
            self.totals.ended += 1;
        }
    }

    fn write(&mut self, id: StreamId, bytes: Bytes) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.write(&mut self.out, bytes);
        }
    }
}

/// One that can neither restart nor decompress is sent one plain stream.
fn hello(syncer: &str) -> Bytes {
    let mut bytes = encode::definitions().to_vec();
    let hello = ClientHello {
        hostname: b"bench",
        info: b"networkdb sync bench",
        version: env!("CARGO_PKG_VERSION").as_bytes(),
        syncer_type: syncer.as_bytes(),
        supports_modern_policy_keys: true,
        ..ClientHello::default()
    };
    encode::message(&mut bytes, &Message::ClientHello(hello));
    bytes.into()
}

fn pong() -> Bytes {
    let mut bytes = Vec::new();
    let time = Time::from_unix(0, 0);
    encode::message(&mut bytes, &Message::Pong(Pong { ping_timestamp: time, pong_timestamp: time }));
    bytes.into()
}

impl Machine for Drain {
    type Event = std::convert::Infallible;

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        if let Input::Stream(id, input) = input {
            match input {
                StreamInput::Opened { .. } => {
                    self.totals.connected += 1;
                    self.write(id, self.hello.clone());
                }
                StreamInput::Received(bytes) => self.totals.bytes += bytes.len() as u64,
                StreamInput::Sent(count) => {
                    if let Some(lane) = self.lanes.get_mut(&id) {
                        lane.sent(&mut self.out, count);
                    }
                }
                StreamInput::Finished | StreamInput::Failed(_) => self.end(id),
                StreamInput::Accepted { .. } => self.out.refuse(id),
            }
        }
        if now >= self.pong_at {
            self.pong_at = now + PONG;
            for lane in self.lanes.values_mut() {
                lane.write(&mut self.out, self.pong.clone());
            }
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.poll()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        None
    }

    fn next_deadline(&self) -> Option<Instant> {
        Some(self.pong_at)
    }
}
