//! A client of Typha's sync protocol.

use bytes::Bytes;
use networkdb_core::{
    machine::{Endpoint, Input, Instant, Machine, Output},
    syncproto::{
        Revision, SerializedUpdate, UpdateType,
        client::{self, Client, Config, Generation, Tracking, Updates},
    },
};

use crate::{
    Code, Error, Event, EventKind, Tls,
    fields::Fields,
    json::Answer,
    object::{Commands, Object, Request},
    settings::{set, set_ms},
};

/// The settings of a sync client. What is left out is the peer's default.
#[derive(Clone, Debug, Default)]
pub struct SyncClientSettings {
    /// This host's name, for the server's log.
    pub hostname: String,
    /// The servers, at least one; in a text as `HOST:PORT`.
    pub endpoints: Vec<Endpoint>,
    /// Whether to try them in random order.
    pub shuffle: Option<bool>,
    /// What to hear of; without it, `felix`.
    pub syncer_type: Option<String>,
    /// The client's version, for the server's log.
    pub version: Option<String>,
    /// Free text for the server's log.
    pub info: Option<String>,
    /// Behave like the client of 3.2.5.
    pub as_3_2_5: bool,
    /// Whether to go on with a server before 3.9.
    pub accept_old_servers: bool,
    /// Whether to offer snappy.
    pub snappy: Option<bool>,
    /// What is remembered of the keys.
    pub tracking: Remembered,
    /// Whether a connection that was lost is replaced.
    pub reconnect: Option<bool>,
    /// The most connections in a row that may fail; without it no bound.
    pub tries: Option<u32>,
    /// The longest from one message to the next, in milliseconds.
    pub read_timeout_ms: Option<u64>,
    /// The longest that nothing of what was written leaves, in milliseconds.
    pub write_timeout_ms: Option<u64>,
    /// The longest a dial may take, in milliseconds.
    pub connect_timeout_ms: Option<u64>,
    /// Secures the connection.
    pub tls: Option<Tls>,
    /// Bytes of events not taken beyond which nothing more is read.
    pub pending_bytes: Option<usize>,
}

/// What is remembered of the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remembered {
    /// Nothing.
    None,
    /// The keys.
    Keys,
    /// The keys and a fingerprint of each value.
    #[default]
    Values,
}

/// How they are written.
const TRACKINGS: &[(&str, Remembered)] =
    &[("none", Remembered::None), ("keys", Remembered::Keys), ("values", Remembered::Values)];

impl SyncClientSettings {
    pub(crate) fn read(from: &mut Fields) -> Self {
        Self {
            hostname: from.text("hostname").unwrap_or_default(),
            endpoints: from.endpoints("endpoints").unwrap_or_default(),
            shuffle: from.flag("shuffle"),
            syncer_type: from.text("syncer_type"),
            version: from.text("version"),
            info: from.text("info"),
            as_3_2_5: from.flag("as_3_2_5").unwrap_or_default(),
            accept_old_servers: from.flag("accept_old_servers").unwrap_or_default(),
            snappy: from.flag("snappy"),
            tracking: from.choice("tracking", TRACKINGS).unwrap_or_default(),
            reconnect: from.flag("reconnect"),
            tries: from.number("tries"),
            read_timeout_ms: from.number("read_timeout_ms"),
            write_timeout_ms: from.number("write_timeout_ms"),
            connect_timeout_ms: from.number("connect_timeout_ms"),
            tls: from.nested("tls", Tls::read),
            pending_bytes: from.number("pending_bytes"),
        }
    }

    pub(crate) fn build(self, seed: [u8; 32], now: Instant) -> Result<Box<dyn Object>, Error> {
        let mut config = Config::new(self.hostname, self.endpoints);
        set(&mut config.shuffle, self.shuffle);
        set(&mut config.syncer_type, self.syncer_type);
        set(&mut config.version, self.version);
        set(&mut config.info, self.info);
        if self.as_3_2_5 {
            config.generation = Generation::V3_2_5;
        }
        config.accept_old_servers = self.accept_old_servers;
        set(&mut config.snappy, self.snappy);
        config.tracking = match self.tracking {
            Remembered::None => Tracking::None,
            Remembered::Keys => Tracking::Keys,
            Remembered::Values => Tracking::Values,
        };
        set(&mut config.retry.reconnect, self.reconnect);
        config.retry.tries = self.tries;
        set_ms(&mut config.read_timeout, self.read_timeout_ms);
        set_ms(&mut config.write_timeout, self.write_timeout_ms);
        set_ms(&mut config.connect_timeout, self.connect_timeout_ms);
        set(&mut config.limits.pending_bytes, self.pending_bytes);
        let client = Client::new(config, seed, now).map_err(|error| Error::new(Code::Config, error))?;
        Ok(Box::new(Follower { client, updates: None }))
    }
}

/// What may be asked of a sync client.
enum Command {
    Stop,
    Endpoints { endpoints: Vec<Endpoint> },
    Stats,
    Snapshot,
}

/// How it is asked.
const COMMANDS: Commands<Command> = &[
    ("stop", |_| Command::Stop),
    ("endpoints", |from| Command::Endpoints { endpoints: from.need("endpoints", Fields::endpoints) }),
    ("stats", |_| Command::Stats),
    ("snapshot", |_| Command::Snapshot),
];

struct Follower {
    client: Client,
    /// Updates being told one by one, and the next of them.
    updates: Option<(Updates, usize)>,
}

impl Object for Follower {
    fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.client.handle(now, input);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.client.poll_output()
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.client.next_deadline()
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some((updates, next)) = &mut self.updates {
                if let Some(update) = updates.get(*next) {
                    let told = updated(&update, updates.value(*next));
                    *next += 1;
                    return Some(told);
                }
                self.updates = None;
            }
            match self.client.poll_event()? {
                client::Event::Updates(updates) => self.updates = Some((updates, 0)),
                other => return Some(event(other)),
            }
        }
    }

    fn command(&mut self, now: Instant, request: Request, answer: &mut Answer) -> Result<(), Error> {
        match request.read(COMMANDS)? {
            Command::Stop => self.client.stop(now),
            Command::Endpoints { endpoints } => {
                if !self.client.set_endpoints(endpoints) {
                    return Err(Error::new(Code::Request, "no server to connect to"));
                }
            }
            Command::Stats => answer.figures(&self.client.stats()),
            Command::Snapshot => {
                answer.flag("finished", self.client.is_finished());
                answer.object("stats", |answer| answer.figures(&self.client.stats()));
            }
        }
        Ok(())
    }
}

/// An update as an event.
pub(crate) fn updated(update: &SerializedUpdate<'_>, value: Option<Bytes>) -> Event {
    let deleted = update.value.is_none();
    let revision = match &update.revision {
        Revision::Nil => Bytes::new(),
        other => Bytes::copy_from_slice(&other.text()),
    };
    Event {
        number: update.ttl.max(0).unsigned_abs(),
        detail: if deleted { UpdateType::DELETED.0 } else { update.update_type.0 }.into(),
        value,
        revision,
        version: Bytes::copy_from_slice(update.v3_resource_version),
        ..Event::new(if deleted { EventKind::Deletion } else { EventKind::Update }).key(update.key)
    }
}

fn event(event: client::Event) -> Event {
    use client::Event as E;
    match event {
        E::Unreached { endpoint, reason } => {
            Event::new(EventKind::Unreached).text(&format_args!("{endpoint}: {reason}"))
        }
        E::Connected(server) => Event {
            table: server.syncer_type.into(),
            value: Some(server.version.into()),
            ..Event::new(EventKind::Connected).addr(server.at)
        },
        E::Status(status) => Event { number: status.0.into(), ..Event::new(EventKind::Status) },
        E::Updates(updates) => Event { number: updates.len() as u64, ..Event::new(EventKind::Update) },
        E::Disconnected { reason } => Event::new(EventKind::Disconnected).text(&reason),
        E::Finished { reason } => Event::new(EventKind::Finished).text(&reason),
    }
}
