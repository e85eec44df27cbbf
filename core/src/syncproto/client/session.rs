//! One connection: what each message of the server means.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{
    super::{
        ClientHello, DEFAULT_SYNCER_TYPE, DecoderRestart, Kvs, Message, Pong, SNAPPY, SerializedUpdate,
        ServerHello, SyncStatus, UpdateType, encode,
    },
    Config, Connected, Event, Generation, Reason,
    reader::Layer,
    state::Core,
    updates::Builder,
};
use crate::{machine::Lane, wire::gob::Time};

/// Deletions in one batch.
const SWEPT: usize = 1000;
/// Bytes of keys after which a batch of deletions ends.
const SWEPT_BYTES: usize = 1 << 20;
/// What a [`Message::Nil`] is called.
const NIL: &str = "message without content";

/// The state of a connection.
#[derive(Debug)]
pub(super) struct Session {
    at: SocketAddr,
    client_conn_id: u64,
    /// The server has introduced itself.
    greeted: bool,
    in_sync: bool,
}

/// How a message leaves the stream.
#[derive(Debug)]
pub(super) enum Then {
    Go,
    /// In a new layer, and with a new decoder.
    Restart(Layer),
    End(Reason),
}

/// What a client begins with.
pub(super) fn hello(config: &Config, client_conn_id: u64) -> Bytes {
    let mut hello = ClientHello {
        hostname: config.hostname.as_bytes(),
        info: config.info.as_bytes(),
        version: config.version.as_bytes(),
        ..ClientHello::default()
    };
    if config.generation == Generation::Today {
        let name = &*config.syncer_type;
        hello.syncer_type = if name.is_empty() { DEFAULT_SYNCER_TYPE } else { name }.as_bytes();
        hello.supports_decoder_restart = config.decoder_restart;
        hello.compression_algorithms = if config.snappy { vec![SNAPPY.as_bytes()] } else { Vec::new() };
        hello.supports_modern_policy_keys = true;
        hello.client_conn_id = client_conn_id;
    }
    let mut out = encode::definitions().to_vec();
    encode::message(&mut out, &Message::ClientHello(hello));
    out.into()
}

impl Session {
    pub(super) fn new(at: SocketAddr, client_conn_id: u64) -> Self {
        Self { at, client_conn_id, greeted: false, in_sync: false }
    }

    /// Whether the snapshot came to its end.
    pub(super) fn is_in_sync(&self) -> bool {
        self.in_sync
    }

    /// Whether the server has introduced itself.
    pub(super) fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// Takes the server's next message.
    pub(super) fn take(&mut self, core: &mut Core, lane: &mut Lane, message: Message<'_>) -> Then {
        let today = core.config.generation == Generation::Today;
        if today && !self.greeted && !matches!(message, Message::ServerHello(_)) {
            return Then::End(Reason::NotHello(message.name().unwrap_or(NIL)));
        }
        match message {
            Message::ServerHello(hello) => self.hello(core, hello),
            Message::Kvs(updates) => kvs(core, &updates),
            Message::SyncStatus(status) => self.status(core, status),
            Message::Ping(timestamp) => ping(core, lane, timestamp),
            Message::DecoderRestart(message) if today && core.config.decoder_restart => {
                restart(core, lane, message)
            }
            other => Then::End(Reason::Unexpected(other.name().unwrap_or(NIL))),
        }
    }

    fn hello(&mut self, core: &mut Core, hello: ServerHello<'_>) -> Then {
        if core.config.generation == Generation::Today {
            if self.greeted {
                return Then::End(Reason::SecondHello);
            }
            if !hello.supports_node_resource_updates && !core.config.accept_old_servers {
                return Then::End(Reason::OldServer { version: hello.version.to_vec() });
            }
            if !core.config.is_syncer_type(hello.syncer_type) {
                return Then::End(Reason::WrongSyncerType(hello.syncer_type.to_vec()));
            }
        }
        if std::mem::replace(&mut self.greeted, true) {
            // A client of v3.2.5 writes it into its log, and no more.
            return Then::Go;
        }
        core.stats.times.hello = Some(core.now);
        let is_new = hello.supports_node_resource_updates;
        core.tell(Event::Connected(Box::new(Connected {
            at: self.at,
            version: hello.version.to_vec(),
            syncer_type: hello.syncer_type.to_vec(),
            generation: if is_new { Generation::Today } else { Generation::V3_2_5 },
            server_conn_id: hello.server_conn_id,
            client_conn_id: self.client_conn_id,
        })));
        Then::Go
    }

    fn status(&mut self, core: &mut Core, status: SyncStatus) -> Then {
        if status == SyncStatus::IN_SYNC && !std::mem::replace(&mut self.in_sync, true) {
            core.stats.times.in_sync = Some(core.now);
            sweep(core);
        }
        core.tell(Event::Status(status));
        Then::Go
    }
}

fn kvs(core: &mut Core, updates: &Kvs<'_>) -> Then {
    let mut batch = Builder::default();
    for update in updates {
        core.stats.kvs += 1;
        match core.known.take(&update) {
            Ok(Some(update_type)) => batch.push(&update, update_type),
            Ok(None) => core.stats.suppressed += 1,
            Err(reason) => return Then::End(reason),
        }
    }
    if !updates.is_empty() {
        core.stats.times.first_kv.get_or_insert(core.now);
    }
    core.tell_updates(batch);
    Then::Go
}

/// Tells the keys that were there before and are not in the snapshot.
fn sweep(core: &mut Core) {
    let mut batch = Builder::default();
    for (number, key) in core.known.sweep().into_iter().enumerate() {
        let update =
            SerializedUpdate { key: &key, update_type: UpdateType::DELETED, ..SerializedUpdate::default() };
        batch.push(&update, UpdateType::DELETED);
        core.stats.swept += 1;
        if (number + 1) % SWEPT == 0 || batch.len() > SWEPT_BYTES {
            core.tell_updates(std::mem::take(&mut batch));
        }
    }
    core.tell_updates(batch);
}

/// An unknown compression leaves the old stream in place, as in the peer; it is acknowledged all the same.
fn restart(core: &mut Core, lane: &mut Lane, restart: DecoderRestart<'_>) -> Then {
    core.stats.restarts += 1;
    core.write(lane, &Message::Ack);
    Layer::named(restart.compression_algorithm).map_or(Then::Go, Then::Restart)
}

/// The real clients leave their own time out.
fn ping(core: &mut Core, lane: &mut Lane, ping_timestamp: Time) -> Then {
    core.stats.pings += 1;
    core.write(lane, &Message::Pong(Pong { ping_timestamp, pong_timestamp: Time::default() }));
    Then::Go
}
