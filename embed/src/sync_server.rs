//! A server of Typha's sync protocol, with the caches it serves.

use std::{net::SocketAddr, time::Duration};

use networkdb_core::{
    machine::{Input, Instant, Machine, Output, StreamId},
    syncproto::{
        SerializedUpdate, SyncStatus,
        cache::Cache,
        server::{self, Config, Server},
    },
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    Code, Error, Event, EventKind,
    networkdb::stats,
    object::{Object, parse},
    settings::{set, set_ms},
};

/// The settings of a sync server. What is left out is Typha's default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyncServerSettings {
    /// Where the built-in host listens: bound when the node is created, port 0 for any.
    pub bind: Option<SocketAddr>,
    /// What clients may ask for; without it, `felix`.
    pub syncer_types: Vec<String>,
    /// What the hello says of this server.
    pub version: Option<String>,
    /// Unix time of the instant 0, in nanoseconds; without it, by the system's clock at creation.
    pub unix_origin_ns: Option<u64>,
    /// Updates published at once.
    pub max_batch_size: Option<usize>,
    /// Updates of one message of a plain snapshot.
    pub max_message_size: Option<usize>,
    /// Time between pings, in milliseconds.
    pub ping_interval_ms: Option<u64>,
    /// How long a client may leave pings unanswered, in milliseconds.
    pub pong_timeout_ms: Option<u64>,
    /// How long a client may take nothing of what is written, in milliseconds.
    pub write_timeout_ms: Option<u64>,
    /// From the connection to the hello, in milliseconds.
    pub handshake_timeout_ms: Option<u64>,
    /// How far a client may be behind, in milliseconds.
    pub max_fall_behind_ms: Option<u64>,
    /// Connections beyond which random ones are dropped.
    pub max_connections: Option<usize>,
    /// Connections beyond which new ones are refused.
    pub max_accepted: Option<usize>,
    /// Syncer types whose clients, when behind, get only the newest value of each key.
    pub conflate: Vec<String>,
}

impl SyncServerSettings {
    pub(crate) fn build(self, seed: [u8; 32], now: Instant) -> Box<dyn Object> {
        let mut config = Config::default();
        set(&mut config.version, self.version.map(String::into_boxed_str));
        config.unix_origin = self.unix_origin_ns.map_or_else(|| unix_origin(now), Duration::from_nanos);
        set(&mut config.max_message_size, self.max_message_size);
        set_ms(&mut config.ping_interval, self.ping_interval_ms);
        set_ms(&mut config.pong_timeout, self.pong_timeout_ms);
        set_ms(&mut config.write_timeout, self.write_timeout_ms);
        set_ms(&mut config.handshake_timeout, self.handshake_timeout_ms);
        set_ms(&mut config.max_fall_behind, self.max_fall_behind_ms);
        set(&mut config.max_connections, self.max_connections);
        set(&mut config.max_accepted, self.max_accepted);
        config.conflate = self.conflate.into_iter().map(String::into_boxed_str).collect();
        let mut names = self.syncer_types;
        if names.is_empty() {
            names.push("felix".to_owned());
        }
        let mut server = Server::new(config, seed);
        let cache = || self.max_batch_size.map_or_else(Cache::default, Cache::new);
        let caches: Vec<_> = names.into_iter().map(|name| (name, cache())).collect();
        for (name, cache) in &caches {
            server.follow(now, name, cache.published());
        }
        Box::new(Publisher { server, caches })
    }
}

/// Unix time of the instant 0.
fn unix_origin(now: Instant) -> Duration {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    unix.saturating_sub(Duration::from_nanos(now.as_nanos()))
}

/// What may be asked of a sync server.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    /// How far the datastore is read: 0 wait, 1 resync, 2 in sync.
    Status {
        syncer_type: String,
        status: u8,
    },
    Clients {},
    Disconnect {
        stream: u64,
    },
    MaxConnections {
        max: usize,
    },
    Drain {
        timeout_ms: u64,
    },
    Stats {},
    Snapshot {},
}

struct Publisher {
    server: Server,
    caches: Vec<(String, Cache)>,
}

impl Object for Publisher {
    fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.server.handle(now, input);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.server.poll_output()
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.server.next_deadline()
    }

    fn next_event(&mut self) -> Option<Event> {
        self.server.poll_event().map(event)
    }

    fn command(&mut self, now: Instant, request: Value) -> Result<Value, Error> {
        match parse(request)? {
            Command::Status { syncer_type, status } => {
                self.cache(&syncer_type)?.status(SyncStatus(status));
                self.tell(now, &syncer_type);
            }
            Command::Clients {} => return Ok(json!({ "clients": self.clients() })),
            Command::Disconnect { stream } => {
                let stream = StreamId(stream);
                if !self.server.clients().any(|client| client.stream == stream) {
                    return Err(Code::Missing.into());
                }
                self.server.disconnect(now, stream);
            }
            Command::MaxConnections { max } => self.server.set_max_connections(now, max),
            Command::Drain { timeout_ms } => self.server.drain(now, Duration::from_millis(timeout_ms)),
            Command::Stats {} => return self.stats(),
            Command::Snapshot {} => {
                return Ok(json!({ "clients": self.clients(), "stats": self.stats()? }));
            }
        }
        Ok(json!({}))
    }

    fn publish(
        &mut self,
        now: Instant,
        syncer_type: &str,
        updates: &mut dyn Iterator<Item = SerializedUpdate<'_>>,
    ) -> (usize, Result<(), Code>) {
        let cache = match self.cache(syncer_type) {
            Ok(cache) => cache,
            Err(code) => return (0, Err(code)),
        };
        let mut taken = 0;
        let mut result = Ok(());
        for update in updates {
            if cache.update(&update).is_err() {
                result = Err(Code::TooLarge);
                break;
            }
            taken += 1;
        }
        self.tell(now, syncer_type);
        (taken, result)
    }
}

impl Publisher {
    fn cache(&mut self, syncer_type: &str) -> Result<&mut Cache, Code> {
        let found = self.caches.iter_mut().find(|(name, _)| name == syncer_type);
        found.map(|(_, cache)| cache).ok_or(Code::Missing)
    }

    /// Publishes what was taken, if it changes anything.
    fn tell(&mut self, now: Instant, syncer_type: &str) {
        if let Some(published) = self.cache(syncer_type).ok().and_then(|cache| cache.publish(now)) {
            self.server.follow(now, syncer_type, published);
        }
    }

    fn clients(&self) -> Value {
        let client = |client: &server::Client| {
            json!({
                "stream": client.stream.0,
                "from": client.from.to_string(),
                "hostname": client.hostname,
                "info": client.info,
                "version": client.version,
                "syncer_type": client.syncer_type,
                "snappy": client.snappy,
            })
        };
        self.server.clients().map(client).collect()
    }

    fn stats(&self) -> Result<Value, Error> {
        let caches: Result<Map<_, _>, Error> =
            self.caches.iter().map(|(name, cache)| Ok((name.clone(), stats(&cache.stats())?))).collect();
        Ok(json!({ "server": stats(&self.server.stats())?, "caches": caches? }))
    }
}

fn event(event: server::Event) -> Event {
    let bytes = |text: &str| bytes::Bytes::copy_from_slice(text.as_bytes());
    match event {
        server::Event::Joined(client) => Event {
            table: bytes(&client.syncer_type),
            value: Some(bytes(&client.version)),
            ..Event::new(EventKind::ClientJoined)
                .id(client.stream.0)
                .addr(client.from)
                .key(client.hostname.as_bytes())
                .text(&client.info)
        },
        server::Event::Closed { stream, from, client: _, reason } => {
            Event::new(EventKind::ClientClosed).id(stream.0).addr(from).text(reason)
        }
        server::Event::Drained => Event::new(EventKind::Drained),
    }
}
