//! A server, its caches, and clients that do what they are told.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    time::Duration,
};

use bytes::Bytes;
use networkdb_core::{
    machine::{How, Input, Instant, Machine, Output, StreamId, StreamInput},
    syncproto::{
        ClientHello, Decoder, FROM_SERVER, Message, Pong, Revision, SerializedUpdate, SyncStatus, UpdateType,
        cache::Cache,
        encode,
        server::{Config, Event, Reason, Server},
    },
    wire::snappy::Unframer,
};

pub const SECOND: Duration = Duration::from_secs(1);
pub const MILLI: Duration = Duration::from_millis(1);

/// Turns and pieces after which something that should come to an end has not.
const TURNS: usize = 100_000;

/// Keys and values.
pub type Model = BTreeMap<String, String>;

/// What a client says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As Typha 3.2.5's.
    Old,
    /// Today's, but without restarts.
    Plain,
    /// Today's.
    Today,
}

/// A client: what it has heard, as short texts, and what it makes of it.
pub struct Client {
    decoder: Decoder,
    unframer: Option<Unframer>,
    said_anything: bool,
    /// Handed over by the server and not yet read.
    pub unread: VecDeque<Bytes>,
    pub heard: Vec<String>,
    pub told: Vec<Told>,
    pub model: Model,
    pub status: u8,
    pub closed: Option<How>,
    /// Bytes read.
    pub read: usize,
    pub answers_pings: bool,
    pub acknowledges: bool,
    say: Vec<u8>,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            decoder: Decoder::new(FROM_SERVER),
            unframer: None,
            said_anything: false,
            unread: VecDeque::new(),
            heard: Vec::new(),
            told: Vec::new(),
            model: Model::new(),
            status: 0,
            closed: None,
            read: 0,
            answers_pings: true,
            acknowledges: true,
            say: Vec::new(),
        }
    }
}

impl Client {
    pub fn unread_bytes(&self) -> usize {
        self.unread.iter().map(Bytes::len).sum()
    }

    fn say(&mut self, message: &Message<'_>) {
        if !std::mem::replace(&mut self.said_anything, true) {
            self.say.extend_from_slice(encode::definitions());
        }
        encode::message(&mut self.say, message);
    }

    /// Reads what was handed over, cut in pieces of at most `cut`.
    pub fn take(&mut self, bytes: &[u8], cut: usize) {
        self.read += bytes.len();
        for piece in bytes.chunks(cut) {
            let mut piece = piece;
            while !piece.is_empty() {
                self.take_some(&mut piece);
            }
        }
    }

    fn take_some(&mut self, piece: &mut &[u8]) {
        let Some(unframer) = &mut self.unframer else {
            let text = self.next_message(piece);
            return self.hear(text);
        };
        let mut plain = Vec::new();
        if !unframer.next(piece, &mut plain).expect("chunks") {
            return;
        }
        let mut plain = &plain[..];
        while !plain.is_empty() {
            let text = self.next_message(&mut plain);
            let restarted = matches!(text, Some(Told::Restart(_)));
            self.hear(text);
            assert!(!restarted || plain.is_empty(), "a chunk goes over the end of its stream");
        }
    }

    fn next_message(&mut self, bytes: &mut &[u8]) -> Option<Told> {
        let mut rest = *bytes;
        let message = self.decoder.next(&mut rest).expect("messages");
        let left = rest.len();
        let heard = message.map(|message| Told::from(&message));
        *bytes = &bytes[bytes.len() - left..];
        heard
    }

    fn hear(&mut self, heard: Option<Told>) {
        let Some(heard) = heard else { return };
        self.told.push(heard.clone());
        let text = match heard {
            Told::Hello(text) => text,
            Told::Status(status) => {
                self.status = status;
                format!("status {status}")
            }
            Told::Ping => {
                if self.answers_pings {
                    self.say(&Message::Pong(Pong::default()));
                }
                "ping".into()
            }
            Told::Restart(text) => {
                self.decoder = Decoder::new(FROM_SERVER);
                self.unframer = Some(Unframer::default());
                if self.acknowledges {
                    self.say(&Message::Ack);
                }
                text
            }
            Told::Updates(updates) => {
                let mut text = format!("kvs {}", updates.len());
                for (key, value, of) in updates {
                    write!(text, " {key}:{of}").unwrap();
                    match value {
                        Some(value) => self.model.insert(key, value),
                        None => self.model.remove(&key),
                    };
                }
                text
            }
        };
        self.heard.push(text);
    }

    /// The messages heard since the last call, those with many updates cut short.
    pub fn news(&mut self) -> Vec<String> {
        let cut = |text: String| {
            if text.len() > 60 { text.split(' ').take(2).collect::<Vec<_>>().join(" ") } else { text }
        };
        self.heard.drain(..).map(cut).collect()
    }
}

/// A message as far as the tests look at it.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Hello(String),
    Status(u8),
    Ping,
    Restart(String),
    Updates(Vec<(String, Option<String>, u8)>),
}

impl From<&Message<'_>> for Told {
    fn from(message: &Message<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match message {
            Message::ServerHello(hello) => {
                let nodes = if hello.supports_node_resource_updates { "" } else { " without nodes" };
                Self::Hello(format!("hello {} {}{nodes}", text(hello.version), text(hello.syncer_type)))
            }
            Message::DecoderRestart(restart) => {
                Self::Restart(format!("{} {}", text(restart.compression_algorithm), text(restart.message)))
            }
            Message::SyncStatus(status) => Self::Status(status.0),
            Message::Ping(_) => Self::Ping,
            Message::Kvs(kvs) => {
                let update = |update: SerializedUpdate<'_>| {
                    (text(update.key), update.value.map(text), update.update_type.0)
                };
                Self::Updates(kvs.iter().map(update).collect())
            }
            other => panic!("a server does not say {other:?}"),
        }
    }
}

/// All of it, and the time.
pub struct World {
    pub server: Server,
    pub cache: Cache,
    pub now: Instant,
    pub clients: BTreeMap<StreamId, Client>,
    pub events: Vec<Event>,
    /// Every output, as text, if wanted.
    pub trace: Option<Vec<String>>,
    /// Where what clients read and say is cut.
    pub cut: usize,
    accepted: u64,
}

impl World {
    pub fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { version: "v0".into(), ..Config::default() };
        change(&mut config);
        let cache = Cache::default();
        let mut server = Server::new(config, [3; 32]);
        let now = Instant::from_nanos(1_000_000_000);
        server.follow(now, "felix", cache.published());
        Self {
            server,
            cache,
            now,
            clients: BTreeMap::new(),
            events: Vec::new(),
            trace: None,
            cut: usize::MAX,
            accepted: 0,
        }
    }

    pub fn accept(&mut self) -> StreamId {
        let id = StreamId(2 * self.accepted + 1);
        self.accepted += 1;
        self.clients.insert(id, Client::default());
        self.input(id, StreamInput::Accepted { from: ([10, 0, 0, 1], 1000).into() });
        id
    }

    /// A client that has said hello; nothing is delivered yet.
    pub fn hello(&mut self, kind: Kind) -> StreamId {
        let id = self.accept();
        let today = kind != Kind::Old;
        let hello = ClientHello {
            hostname: b"host",
            info: b"info",
            version: b"v1",
            syncer_type: if today { b"felix" } else { b"" },
            supports_decoder_restart: kind == Kind::Today,
            compression_algorithms: if kind == Kind::Today { vec![b"lz4", b"snappy"] } else { Vec::new() },
            supports_modern_policy_keys: today,
            client_conn_id: u64::from(today),
        };
        self.say(id, &Message::ClientHello(hello));
        id
    }

    /// A client that has read all there is.
    pub fn join(&mut self, kind: Kind) -> StreamId {
        let id = self.hello(kind);
        self.deliver();
        id
    }

    pub fn say(&mut self, id: StreamId, message: &Message<'_>) {
        let client = self.client(id);
        client.say(message);
        let bytes = std::mem::take(&mut client.say);
        self.raw(id, &bytes);
    }

    pub fn raw(&mut self, id: StreamId, bytes: &[u8]) {
        for piece in bytes.chunks(self.cut) {
            self.input(id, StreamInput::Received(piece));
        }
    }

    pub fn client(&mut self, id: StreamId) -> &mut Client {
        self.clients.get_mut(&id).unwrap()
    }

    /// What a client holds.
    pub fn held(&self, id: StreamId) -> &Model {
        &self.clients[&id].model
    }

    pub fn news(&mut self, id: StreamId) -> Vec<String> {
        self.client(id).news()
    }

    pub fn input(&mut self, id: StreamId, input: StreamInput<'_>) {
        self.server.handle(self.now, Input::Stream(id, input));
        self.settle();
    }

    /// Takes what the server puts out, and lets it have its turns.
    pub fn settle(&mut self) {
        for _ in 0..TURNS {
            self.drain();
            if self.server.next_deadline().is_none_or(|deadline| deadline > self.now) {
                return;
            }
            self.server.handle(self.now, Input::Tick);
        }
        panic!("at {:?} the server's deadline stays in the past", self.now);
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            if let Some(trace) = &mut self.trace {
                trace.push(format!("{output:?}"));
            }
            match output {
                Output::Write(id, bytes) => self.client(id).unread.push_back(bytes),
                Output::Close(id, how) => {
                    self.client(id).closed = Some(how);
                    self.client(id).unread.clear();
                }
                other => panic!("a server does not want {other:?}"),
            }
        }
        while let Some(event) = self.server.poll_event() {
            self.events.push(event);
        }
    }

    /// Lets one client read one piece; whether there was one.
    pub fn deliver_one(&mut self, id: StreamId) -> bool {
        let cut = self.cut;
        let client = self.client(id);
        let Some(piece) = client.unread.pop_front() else { return false };
        client.take(&piece, cut);
        let say = std::mem::take(&mut client.say);
        self.input(id, StreamInput::Sent(piece.len()));
        self.raw(id, &say);
        true
    }

    pub fn deliver_to(&mut self, id: StreamId) {
        let over = (0..TURNS).any(|_| !self.deliver_one(id));
        assert!(over, "the server sends without end");
    }

    /// Lets all clients read until there is nothing more.
    pub fn deliver(&mut self) {
        let ids: Vec<StreamId> = self.clients.keys().copied().collect();
        let over = (0..TURNS).any(|_| ids.iter().filter(|id| self.deliver_one(**id)).count() == 0);
        assert!(over, "the server sends without end");
    }

    /// Lets time pass, with everything delivered at once.
    pub fn pass(&mut self, time: Duration) {
        self.pass_with(time, Self::deliver);
    }

    /// Lets time pass; what is put out meanwhile is handled by `each`.
    pub fn pass_with(&mut self, time: Duration, each: fn(&mut Self)) {
        let (start, end) = (self.now, self.now + time);
        let mut turns = 0;
        while let Some(next) = self.server.next_deadline().filter(|next| *next <= end) {
            turns += 1;
            assert!(turns < TURNS, "the server never rests after {start:?}");
            self.now = self.now.max(next);
            self.server.handle(self.now, Input::Tick);
            self.settle();
            each(self);
        }
        self.now = end;
        self.server.handle(end, Input::Tick);
        self.settle();
        each(self);
    }

    pub fn pass_unread(&mut self, time: Duration) {
        self.pass_with(time, |_| ());
    }

    // ---- What is published -------------------------------------------------------------------------------------

    pub fn set(&mut self, key: &str, value: &str) {
        let known = self.cache.published().snapshot.get(key.as_bytes()).is_some();
        let update_type = if known { UpdateType::UPDATED } else { UpdateType::NEW };
        let update = SerializedUpdate {
            key: key.as_bytes(),
            value: Some(value.as_bytes()),
            revision: Revision::Text(b"5"),
            update_type,
            ..SerializedUpdate::default()
        };
        self.cache.update(&update).unwrap();
    }

    pub fn delete(&mut self, key: &str) {
        let update = SerializedUpdate {
            key: key.as_bytes(),
            update_type: UpdateType::DELETED,
            ..SerializedUpdate::default()
        };
        self.cache.update(&update).unwrap();
    }

    /// So many keys with values of so many bytes, published.
    pub fn fill(&mut self, keys: usize, len: usize) {
        for number in 0..keys {
            self.set(&format!("k{number:06}"), &"v".repeat(len));
        }
        self.publish();
    }

    pub fn status(&mut self, status: SyncStatus) {
        self.cache.status(status);
        self.publish();
    }

    pub fn publish(&mut self) {
        if let Some(published) = self.cache.publish(self.now) {
            self.server.follow(self.now, "felix", published);
            self.settle();
        }
    }

    /// Sets a key and publishes it.
    pub fn change(&mut self, key: &str, value: &str) {
        self.set(key, value);
        self.publish();
    }

    /// What the cache holds.
    pub fn model(&self) -> Model {
        let mut bytes = Vec::new();
        let snapshot = self.cache.published().snapshot;
        if snapshot.is_empty() {
            return Model::new();
        }
        let elements: Vec<&[u8]> = snapshot.elements().collect();
        bytes.extend_from_slice(encode::definitions());
        encode::kvs_start(&mut bytes, elements.len(), elements.concat().len());
        bytes.extend(elements.concat());
        bytes.extend_from_slice(encode::kvs_end());
        let mut client = Client::default();
        client.take(&bytes, usize::MAX);
        client.model
    }

    /// Why a connection ended, if it has.
    pub fn reason(&self, id: StreamId) -> Option<Reason> {
        self.events.iter().find_map(|event| match event {
            Event::Closed { stream, reason, .. } if *stream == id => Some(*reason),
            _ => None,
        })
    }
}
