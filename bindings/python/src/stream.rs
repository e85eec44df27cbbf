//! The sync protocol's messages, as bytes and as plain data.

use std::sync::{Mutex, PoisonError};

use networkdb_embed::{
    ClientHello, DecoderRestart, Kvs, Message, Pong, ServerHello, SyncStatus, SyncStream, Time,
    encode as encoder,
};

use crate::{Failure, NativeUpdate};

/// A time: seconds since 1970 and nanoseconds.
#[derive(uniffi::Record)]
pub struct NativeTime {
    pub seconds: i64,
    pub nanos: u32,
}

impl From<&Time> for NativeTime {
    fn from(time: &Time) -> Self {
        Self { seconds: time.unix_seconds(), nanos: time.nanos() }
    }
}

impl NativeTime {
    fn time(&self) -> Time {
        Time::from_unix(self.seconds, self.nanos)
    }
}

/// A message. What is text for every known peer is text here.
#[derive(uniffi::Enum)]
pub enum NativeMessage {
    ClientHello {
        hostname: String,
        info: String,
        version: String,
        syncer_type: String,
        supports_decoder_restart: bool,
        compression_algorithms: Vec<String>,
        supports_modern_policy_keys: bool,
        client_conn_id: u64,
    },
    ServerHello {
        version: String,
        syncer_type: String,
        supports_node_resource_updates: bool,
        server_conn_id: u64,
    },
    DecoderRestart {
        message: String,
        compression_algorithm: String,
    },
    Ack,
    Status {
        status: u8,
    },
    Ping {
        timestamp: Option<NativeTime>,
    },
    Pong {
        ping_timestamp: Option<NativeTime>,
        pong_timestamp: Option<NativeTime>,
    },
    Updates {
        updates: Vec<NativeUpdate>,
    },
    Nil,
}

/// See [`SyncStream`].
#[derive(uniffi::Object)]
pub struct NativeDecoder(Mutex<SyncStream>);

#[uniffi::export]
impl NativeDecoder {
    #[uniffi::constructor]
    pub fn new(from_client: bool) -> Self {
        Self(Mutex::new(SyncStream::new(from_client)))
    }

    pub fn feed(&self, data: &[u8]) -> Result<Vec<NativeMessage>, Failure> {
        let mut messages = Vec::new();
        self.lock().feed(data, &mut |message| messages.push(plain(message)))?;
        Ok(messages)
    }

    pub fn pending(&self) -> u64 {
        self.lock().pending() as u64
    }
}

impl NativeDecoder {
    fn lock(&self) -> std::sync::MutexGuard<'_, SyncStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a stream begins with.
#[uniffi::export]
pub fn definitions() -> Vec<u8> {
    encoder::definitions().to_vec()
}

/// The bytes of a message in a stream that began with [`definitions`].
#[uniffi::export]
pub fn encode(message: NativeMessage) -> Vec<u8> {
    let mut bytes = Vec::new();
    with_message(&message, |message| encoder::message(&mut bytes, message));
    bytes
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn time(time: &Time) -> Option<NativeTime> {
    (!time.is_zero()).then(|| time.into())
}

fn plain(message: &Message<'_>) -> NativeMessage {
    use NativeMessage as N;
    match message {
        Message::ClientHello(hello) => N::ClientHello {
            hostname: text(hello.hostname),
            info: text(hello.info),
            version: text(hello.version),
            syncer_type: text(hello.syncer_type),
            supports_decoder_restart: hello.supports_decoder_restart,
            compression_algorithms: hello.compression_algorithms.iter().map(|name| text(name)).collect(),
            supports_modern_policy_keys: hello.supports_modern_policy_keys,
            client_conn_id: hello.client_conn_id,
        },
        Message::ServerHello(hello) => N::ServerHello {
            version: text(hello.version),
            syncer_type: text(hello.syncer_type),
            supports_node_resource_updates: hello.supports_node_resource_updates,
            server_conn_id: hello.server_conn_id,
        },
        Message::DecoderRestart(restart) => N::DecoderRestart {
            message: text(restart.message),
            compression_algorithm: text(restart.compression_algorithm),
        },
        Message::Ack => N::Ack,
        Message::SyncStatus(status) => N::Status { status: status.0 },
        Message::Ping(timestamp) => N::Ping { timestamp: time(timestamp) },
        Message::Pong(pong) => {
            N::Pong { ping_timestamp: time(&pong.ping_timestamp), pong_timestamp: time(&pong.pong_timestamp) }
        }
        Message::Kvs(kvs) => N::Updates { updates: kvs.iter().map(|update| (&update).into()).collect() },
        Message::Nil => N::Nil,
    }
}

fn with_message(message: &NativeMessage, take: impl FnOnce(&Message<'_>)) {
    use NativeMessage as N;
    let time = |time: &Option<NativeTime>| time.as_ref().map_or_else(Time::default, NativeTime::time);
    match message {
        N::ClientHello {
            hostname,
            info,
            version,
            syncer_type,
            supports_decoder_restart,
            compression_algorithms,
            supports_modern_policy_keys,
            client_conn_id,
        } => take(&Message::ClientHello(ClientHello {
            hostname: hostname.as_bytes(),
            info: info.as_bytes(),
            version: version.as_bytes(),
            syncer_type: syncer_type.as_bytes(),
            supports_decoder_restart: *supports_decoder_restart,
            compression_algorithms: compression_algorithms.iter().map(String::as_bytes).collect(),
            supports_modern_policy_keys: *supports_modern_policy_keys,
            client_conn_id: *client_conn_id,
        })),
        N::ServerHello { version, syncer_type, supports_node_resource_updates, server_conn_id } => {
            take(&Message::ServerHello(ServerHello {
                version: version.as_bytes(),
                syncer_type: syncer_type.as_bytes(),
                supports_node_resource_updates: *supports_node_resource_updates,
                server_conn_id: *server_conn_id,
            }));
        }
        N::DecoderRestart { message, compression_algorithm } => {
            take(&Message::DecoderRestart(DecoderRestart {
                message: message.as_bytes(),
                compression_algorithm: compression_algorithm.as_bytes(),
            }));
        }
        N::Ack => take(&Message::Ack),
        N::Status { status } => take(&Message::SyncStatus(SyncStatus(*status))),
        N::Ping { timestamp } => take(&Message::Ping(time(timestamp))),
        N::Pong { ping_timestamp, pong_timestamp } => take(&Message::Pong(Pong {
            ping_timestamp: time(ping_timestamp),
            pong_timestamp: time(pong_timestamp),
        })),
        N::Updates { updates } => {
            let updates: Vec<_> = updates.iter().map(NativeUpdate::serialized).collect();
            take(&Message::Kvs(Kvs::from(&updates[..])));
        }
        N::Nil => take(&Message::Nil),
    }
}
