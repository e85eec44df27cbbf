//! A server of Typha's sync protocol, with the caches it serves.

use std::{net::SocketAddr, time::Duration};

use networkdb_core::{
    machine::{Input, Instant, Machine, Output, StreamId},
    syncproto::{
        DEFAULT_SYNCER_TYPE, SerializedUpdate, SyncStatus,
        cache::{Cache, MAX_BATCH_SIZE},
        server::{self, Config, Server},
    },
};

use crate::{
    Code, Error, Event, EventKind, Tls,
    fields::Fields,
    json::Answer,
    object::{Commands, Object, Request},
    settings::{set, set_ms},
};

/// The settings of a sync server. What is left out is Typha's default.
#[derive(Clone, Debug, Default)]
pub struct SyncServerSettings {
    /// Where the built-in host listens: bound when the node is created, port 0 for any.
    pub bind: Option<SocketAddr>,
    /// What clients may ask for; without it, `felix`.
    pub syncer_types: Vec<String>,
    /// Secures all connections.
    pub tls: Option<Tls>,
    /// What the hello says of this server.
    pub version: Option<String>,
    /// Unix time of the instant 0, in nanoseconds; without it, by the system's clock at creation.
    pub unix_origin_ns: Option<u64>,
    /// Updates published at once.
    pub max_batch_size: Option<usize>,
    /// How long updates that come one by one are gathered after a publication, in milliseconds; without it, each is published
    /// at once. A whole batch does not wait.
    pub tick_ms: Option<u64>,
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
    pub(crate) fn read(from: &mut Fields) -> Self {
        Self {
            bind: from.socket("bind"),
            syncer_types: from.texts("syncer_types").unwrap_or_default(),
            tls: from.nested("tls", Tls::read),
            version: from.text("version"),
            unix_origin_ns: from.number("unix_origin_ns"),
            max_batch_size: from.number("max_batch_size"),
            tick_ms: from.number("tick_ms"),
            max_message_size: from.number("max_message_size"),
            ping_interval_ms: from.number("ping_interval_ms"),
            pong_timeout_ms: from.number("pong_timeout_ms"),
            write_timeout_ms: from.number("write_timeout_ms"),
            handshake_timeout_ms: from.number("handshake_timeout_ms"),
            max_fall_behind_ms: from.number("max_fall_behind_ms"),
            max_connections: from.number("max_connections"),
            max_accepted: from.number("max_accepted"),
            conflate: from.texts("conflate").unwrap_or_default(),
        }
    }

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
            names.push(DEFAULT_SYNCER_TYPE.to_owned());
        }
        let mut server = Server::new(config, seed);
        let max_batch_size = self.max_batch_size.unwrap_or(MAX_BATCH_SIZE).max(1);
        // One that is named twice is one.
        let mut feeds: Vec<Feed> = Vec::new();
        for name in names {
            if !feeds.iter().any(|feed| feed.name == name) {
                feeds.push(Feed::new(name, max_batch_size));
            }
        }
        for feed in &feeds {
            server.follow(now, &feed.name, feed.cache.published());
        }
        let tick = Duration::from_millis(self.tick_ms.unwrap_or_default());
        Box::new(Publisher { server, feeds, max_batch_size, tick })
    }
}

/// Unix time of the instant 0.
fn unix_origin(now: Instant) -> Duration {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    unix.saturating_sub(Duration::from_nanos(now.as_nanos()))
}

/// What may be asked of a sync server.
enum Command {
    /// How far the datastore is read: 0 wait, 1 resync, 2 in sync.
    Status {
        syncer_type: String,
        status: u8,
    },
    Clients,
    Disconnect {
        stream: u64,
    },
    MaxConnections {
        max: usize,
    },
    Drain {
        timeout_ms: u64,
    },
    Stats,
    Snapshot,
}

/// How it is asked.
const COMMANDS: Commands<Command> = &[
    ("status", |from| Command::Status {
        syncer_type: from.need("syncer_type", Fields::text),
        status: from.need("status", Fields::number),
    }),
    ("clients", |_| Command::Clients),
    ("disconnect", |from| Command::Disconnect { stream: from.need("stream", Fields::number) }),
    ("max_connections", |from| Command::MaxConnections { max: from.need("max", Fields::number) }),
    ("drain", |from| Command::Drain { timeout_ms: from.need("timeout_ms", Fields::number) }),
    ("stats", |_| Command::Stats),
    ("snapshot", |_| Command::Snapshot),
];

struct Publisher {
    server: Server,
    feeds: Vec<Feed>,
    max_batch_size: usize,
    tick: Duration,
}

/// What is published to the clients of a syncer type.
struct Feed {
    name: String,
    cache: Cache,
    /// Updates and statuses taken since the last publication.
    taken: usize,
    /// Until then updates are gathered.
    rests_until: Instant,
}

impl Feed {
    fn new(name: String, max_batch_size: usize) -> Self {
        Self { name, cache: Cache::new(max_batch_size), taken: 0, rests_until: Instant::ORIGIN }
    }

    /// When what was taken is to be published.
    fn due(&self) -> Option<Instant> {
        (self.taken > 0).then_some(self.rests_until)
    }
}

impl Object for Publisher {
    fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.publish_due(now);
        self.server.handle(now, input);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.server.poll_output()
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.feeds.iter().filter_map(Feed::due).chain(self.server.next_deadline()).min()
    }

    fn next_event(&mut self) -> Option<Event> {
        self.server.poll_event().map(event)
    }

    fn command(&mut self, now: Instant, request: Request, answer: &mut Answer) -> Result<(), Error> {
        match request.read(COMMANDS)? {
            Command::Status { syncer_type, status } => {
                let feed = self.feed(&syncer_type)?;
                feed.cache.status(SyncStatus(status));
                feed.taken += 1;
                self.publish_due(now);
            }
            Command::Clients => self.clients(answer),
            Command::Disconnect { stream } => {
                let stream = StreamId(stream);
                if !self.server.clients().any(|client| client.stream == stream) {
                    return Err(Code::Missing.into());
                }
                self.server.disconnect(now, stream);
            }
            Command::MaxConnections { max } => self.server.set_max_connections(now, max),
            Command::Drain { timeout_ms } => self.server.drain(now, Duration::from_millis(timeout_ms)),
            Command::Stats => self.stats(answer),
            Command::Snapshot => {
                self.clients(answer);
                answer.object("stats", |answer| self.stats(answer));
            }
        }
        Ok(())
    }

    fn publish(
        &mut self,
        now: Instant,
        syncer_type: &str,
        updates: &mut dyn Iterator<Item = SerializedUpdate<'_>>,
    ) -> (usize, Result<(), Code>) {
        let feed = match self.feed(syncer_type) {
            Ok(feed) => feed,
            Err(code) => return (0, Err(code)),
        };
        let mut taken = 0;
        let mut result = Ok(());
        for update in updates {
            if feed.cache.update(&update).is_err() {
                result = Err(Code::TooLarge);
                break;
            }
            taken += 1;
        }
        feed.taken += taken;
        self.publish_due(now);
        (taken, result)
    }
}

impl Publisher {
    fn feed(&mut self, syncer_type: &str) -> Result<&mut Feed, Code> {
        self.feeds.iter_mut().find(|feed| feed.name == syncer_type).ok_or(Code::Missing)
    }

    /// Publishes what was taken and need not wait for more, if it changes anything.
    fn publish_due(&mut self, now: Instant) {
        for feed in &mut self.feeds {
            let whole = feed.taken >= self.max_batch_size;
            if !whole && feed.due().is_none_or(|due| due > now) {
                continue;
            }
            (feed.taken, feed.rests_until) = (0, now + self.tick);
            if let Some(published) = feed.cache.publish(now) {
                self.server.follow(now, &feed.name, published);
            }
        }
    }

    fn clients(&self, answer: &mut Answer) {
        answer.list("clients", self.server.clients(), |answer, client| {
            answer.text("from", &client.from);
            answer.text("hostname", &client.hostname);
            answer.text("info", &client.info);
            answer.flag("snappy", client.snappy);
            answer.number("stream", client.stream.0);
            answer.text("syncer_type", &client.syncer_type);
            answer.text("version", &client.version);
        });
    }

    fn stats(&self, answer: &mut Answer) {
        answer.object("caches", |answer| {
            for feed in &self.feeds {
                answer.object(&feed.name, |answer| answer.figures(&feed.cache.stats()));
            }
        });
        answer.object("server", |answer| answer.figures(&self.server.stats()));
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
            Event::new(EventKind::ClientClosed).id(stream.0).addr(from).text(&reason)
        }
        server::Event::Drained => Event::new(EventKind::Drained),
    }
}
