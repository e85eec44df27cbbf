//! The formats alone: what is on the wire taken apart and put together, for tools and tests.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
};

use bytes::Bytes;
use networkdb_core::{
    machine::{Input, Instant, Output, Rng},
    memberlist::{Config, Keyring, Security, packet},
    networkdb::message::{BulkSync, Gossip, Kind, NetworkEvent, NodeEvent, TableEvent},
    syncproto::{Decoder, FROM_CLIENT, FROM_SERVER, Message, Revision, SerializedUpdate, UpdateType},
};

use crate::{
    Code, Error, Event, EventKind,
    fields::Fields,
    json::Answer,
    object::{Commands, Object, Request},
    sync_client::updated,
    sync_stream::{SyncStream, sync_stream},
};

/// The settings of a codec.
#[derive(Clone, Debug, Default)]
pub struct CodecSettings {
    /// Encryption keys, the first of which seals; in a text a list in hex.
    pub keys: Keyring,
    /// Tag of the cluster.
    pub label: String,
}

impl CodecSettings {
    pub(crate) fn read(from: &mut Fields) -> Self {
        Self { keys: from.keys("keys").unwrap_or_default(), label: from.text("label").unwrap_or_default() }
    }

    pub(crate) fn build(self, seed: [u8; 32]) -> Box<dyn Object> {
        let mut config = Config::lan("codec", SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        config.keyring = self.keys;
        config.label = self.label.into();
        Box::new(Codec {
            security: Security::from(&config),
            rng: Rng::new(seed),
            stream: None,
            read: VecDeque::new(),
        })
    }
}

/// What may be asked of a codec.
enum Command {
    /// The messages in a memberlist packet.
    OpenPacket { packet: Vec<u8> },
    /// A memberlist packet with a message in it.
    SealPacket { message: Vec<u8>, crc: bool },
    /// What a NetworkDB message, the body of a memberlist user message, says.
    Networkdb { message: Vec<u8> },
    /// The messages in a stream of the sync protocol, from its beginning.
    SyncDecode { stream: Vec<u8>, from_client: bool },
    /// A stream of the sync protocol with updates and then a status in it.
    SyncEncode { updates: Vec<Update>, status: Option<u8> },
}

/// How it is asked.
const COMMANDS: Commands<Command> = &[
    ("open_packet", |from| Command::OpenPacket { packet: from.need("packet_hex", Fields::bytes) }),
    ("seal_packet", |from| Command::SealPacket {
        message: from.need("message_hex", Fields::bytes),
        crc: from.flag("crc").unwrap_or_default(),
    }),
    ("networkdb", |from| Command::Networkdb { message: from.need("message_hex", Fields::bytes) }),
    ("sync_decode", |from| Command::SyncDecode {
        stream: from.need("stream_hex", Fields::bytes),
        from_client: from.flag("from_client").unwrap_or_default(),
    }),
    ("sync_encode", |from| Command::SyncEncode {
        updates: from.need("updates", |from, name| from.each(name, Update::read)),
        status: from.number("status"),
    }),
];

struct Update {
    key: String,
    value: Option<String>,
    revision: Option<String>,
    version: String,
    ttl_ns: i64,
    kind: u8,
}

impl Update {
    fn read(from: &mut Fields) -> Self {
        Self {
            key: from.need("key", Fields::text),
            value: from.text("value"),
            revision: from.text("revision"),
            version: from.text("version").unwrap_or_default(),
            ttl_ns: from.signed("ttl_ns").unwrap_or_default(),
            kind: from.number("update_type").unwrap_or_default(),
        }
    }

    fn serialized(&self) -> SerializedUpdate<'_> {
        SerializedUpdate {
            key: self.key.as_bytes(),
            value: self.value.as_deref().map(str::as_bytes),
            revision: self.revision.as_ref().map_or(Revision::Nil, |text| Revision::Text(text.as_bytes())),
            v3_resource_version: self.version.as_bytes(),
            ttl: self.ttl_ns,
            update_type: UpdateType(self.kind),
        }
    }
}

struct Codec {
    security: Security,
    rng: Rng,
    /// The stream that is followed.
    stream: Option<SyncStream>,
    /// What was read of it and not taken yet.
    read: VecDeque<Event>,
}

impl Object for Codec {
    fn handle(&mut self, _now: Instant, _input: Input<'_>) {}

    fn poll_output(&mut self) -> Option<Output> {
        None
    }

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn next_event(&mut self) -> Option<Event> {
        self.read.pop_front()
    }

    fn sync_decode(&mut self, bytes: &[u8], from_client: bool) -> Result<(), Error> {
        let stream = self.stream.get_or_insert_with(|| SyncStream::new(from_client));
        stream.feed(bytes, &mut |message| tell(message, &mut self.read))
    }

    fn command(&mut self, _now: Instant, request: Request, answer: &mut Answer) -> Result<(), Error> {
        match request.read(COMMANDS)? {
            Command::OpenPacket { packet } => self.open(&packet, answer),
            Command::SealPacket { message, crc } => {
                answer.hex("packet_hex", &packet::seal(&self.security, &message, crc, &mut self.rng));
            }
            Command::Networkdb { message } => networkdb(&message, answer)?,
            Command::SyncDecode { stream, from_client } => sync_messages(&stream, from_client, answer)?,
            Command::SyncEncode { updates, status } => {
                let updates: Vec<_> = updates.iter().map(Update::serialized).collect();
                answer.hex("stream_hex", &sync_stream(&updates, status));
            }
        }
        Ok(())
    }
}

impl Codec {
    fn open(&self, packet: &[u8], answer: &mut Answer) {
        answer.items("messages", |messages| {
            packet::open(&self.security, packet, &mut |leaf| messages.item(|answer| message(answer, leaf)));
        });
    }
}

/// One of the messages in a packet.
fn message(answer: &mut Answer, leaf: packet::Leaf<'_>) {
    match leaf {
        Ok((kind, body)) => {
            answer.hex("body_hex", body);
            answer.text("type", &format!("{kind:?}").to_ascii_lowercase());
        }
        Err(error) => answer.text("error", &error.reason()),
    }
}

fn malformed(error: impl std::fmt::Debug) -> Error {
    Error::new(Code::Malformed, format_args!("not such a message: {error:?}"))
}

fn networkdb(message: &[u8], answer: &mut Answer) -> Result<(), Error> {
    let Gossip { kind, data } = Gossip::decode(message).map_err(malformed)?;
    match Kind::from_wire(kind) {
        Some(Kind::NodeEvent) => {
            let event = NodeEvent::decode(data).map_err(malformed)?;
            answer.signed("event", event.kind.into());
            answer.signed("kind", kind.into());
            answer.bytes("node", event.node);
            answer.number("time", event.time);
        }
        Some(Kind::NetworkEvent) => {
            let event = NetworkEvent::decode(data).map_err(malformed)?;
            answer.signed("event", event.kind.into());
            answer.signed("kind", kind.into());
            answer.bytes("network", event.network);
            answer.bytes("node", event.node);
            answer.number("time", event.time);
        }
        Some(Kind::TableEvent) => {
            let event = TableEvent::decode(data).map_err(malformed)?;
            answer.signed("event", event.kind.into());
            answer.bytes("key", event.key);
            answer.signed("kind", kind.into());
            answer.bytes("network", event.network);
            answer.bytes("node", event.node);
            answer.bytes("table", event.table);
            answer.number("time", event.time);
            answer.hex("value_hex", event.value);
        }
        Some(Kind::BulkSync) => {
            let sync = BulkSync::decode(data).map_err(malformed)?;
            answer.signed("kind", kind.into());
            answer.bytes("node", sync.node);
            answer.hex("payload_hex", sync.payload);
            answer.number("time", sync.time);
        }
        _ => {
            answer.hex("data_hex", data);
            answer.signed("kind", kind.into());
        }
    }
    Ok(())
}

/// A message as events.
fn tell(message: &Message<'_>, into: &mut VecDeque<Event>) {
    use EventKind as K;
    let text = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    into.push_back(match message {
        Message::ClientHello(hello) => Event {
            value: Some(text(hello.version)),
            table: text(hello.syncer_type),
            ..Event::new(K::ClientHello).key(hello.hostname).text(&String::from_utf8_lossy(hello.info))
        },
        Message::ServerHello(hello) => Event {
            value: Some(text(hello.version)),
            table: text(hello.syncer_type),
            ..Event::new(K::ServerHello)
        },
        Message::DecoderRestart(restart) => Event::new(K::DecoderRestart)
            .key(restart.compression_algorithm)
            .text(&String::from_utf8_lossy(restart.message)),
        Message::Ack => Event::new(K::Ack),
        Message::SyncStatus(status) => Event { number: status.0.into(), ..Event::new(K::Status) },
        Message::Ping(_) => Event::new(K::Ping),
        Message::Pong(_) => Event::new(K::Pong),
        Message::Kvs(kvs) => Event { number: kvs.iter().count() as u64, ..Event::new(K::Updates) },
        Message::Nil => Event::new(K::Nil),
    });
    if let Message::Kvs(kvs) = message {
        into.extend(kvs.iter().map(|update| Event {
            detail: update.update_type.0.into(),
            ..updated(&update, update.value.map(text))
        }));
    }
}

fn sync_messages(mut stream: &[u8], from_client: bool, answer: &mut Answer) -> Result<(), Error> {
    let mut decoder = Decoder::new(if from_client { FROM_CLIENT } else { FROM_SERVER });
    answer.items("messages", |messages| {
        let malformed = |error| Error::new(Code::Malformed, error);
        while let Some(message) = decoder.next(&mut stream).map_err(malformed)? {
            messages.item(|answer| sync_message(answer, &message));
            if matches!(message, Message::DecoderRestart(_)) {
                break;
            }
        }
        Ok::<_, Error>(())
    })?;
    answer.count("rest", stream.len() + decoder.pending());
    Ok(())
}

fn sync_message(answer: &mut Answer, message: &Message<'_>) {
    match message {
        Message::ClientHello(hello) => {
            answer.bytes("hostname", hello.hostname);
            answer.bytes("info", hello.info);
            answer.bytes("syncer_type", hello.syncer_type);
            answer.text("type", &"client_hello");
            answer.bytes("version", hello.version);
        }
        Message::ServerHello(hello) => {
            answer.bytes("syncer_type", hello.syncer_type);
            answer.text("type", &"server_hello");
            answer.bytes("version", hello.version);
        }
        Message::DecoderRestart(restart) => {
            answer.bytes("compression", restart.compression_algorithm);
            answer.text("type", &"decoder_restart");
        }
        Message::Ack => answer.text("type", &"ack"),
        Message::SyncStatus(status) => {
            answer.number("status", status.0.into());
            answer.text("type", &"status");
        }
        Message::Ping(_) => answer.text("type", &"ping"),
        Message::Pong(_) => answer.text("type", &"pong"),
        Message::Kvs(kvs) => {
            answer.text("type", &"kvs");
            answer.list("updates", kvs.iter(), |answer, kv| update(answer, &kv));
        }
        Message::Nil => answer.text("type", &"nil"),
    }
}

fn update(answer: &mut Answer, update: &SerializedUpdate<'_>) {
    answer.bytes("key", update.key);
    if update.revision != Revision::Nil {
        answer.bytes("revision", &update.revision.text());
    }
    answer.signed("ttl_ns", update.ttl);
    answer.number("update_type", update.update_type.0.into());
    answer.text_or_null("value_hex", update.value.map(hex::encode));
    answer.bytes("version", update.v3_resource_version);
}
