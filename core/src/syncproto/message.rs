//! What an `Envelope` holds.

use super::{Kvs, SyncStatus, schema::Struct};
use crate::wire::gob::Time;

/// A message. Strings are bytes, since gob does not check them.
#[derive(Clone, Debug, PartialEq)]
pub enum Message<'a> {
    /// The client's first.
    ClientHello(ClientHello<'a>),
    /// The server's answer.
    ServerHello(ServerHello<'a>),
    /// The server's stream ends here; another begins once the client has acknowledged. Since 3.25.
    DecoderRestart(DecoderRestart<'a>),
    /// The client is ready for the new stream. Since 3.25.
    Ack,
    /// How far the server's datastore is read.
    SyncStatus(SyncStatus),
    /// Asks for a [`Message::Pong`]; holds the server's time.
    Ping(Time),
    /// Answers a [`Message::Ping`].
    Pong(Pong),
    /// Keys and values.
    Kvs(Kvs<'a>),
    /// An `Envelope` without a message, which no peer sends: Go's server ends the connection over it.
    Nil,
}

impl Message<'_> {
    /// The name of its type in Go; none for [`Message::Nil`].
    pub fn name(&self) -> Option<&'static str> {
        self.structure().map(Struct::name)
    }

    /// Its type; none for [`Message::Nil`].
    pub(super) fn structure(&self) -> Option<Struct> {
        Some(match self {
            Self::ClientHello(_) => Struct::ClientHello,
            Self::ServerHello(_) => Struct::ServerHello,
            Self::DecoderRestart(_) => Struct::DecoderRestart,
            Self::Ack => Struct::Ack,
            Self::SyncStatus(_) => Struct::SyncStatus,
            Self::Ping(_) => Struct::Ping,
            Self::Pong(_) => Struct::Pong,
            Self::Kvs(_) => Struct::Kvs,
            Self::Nil => return None,
        })
    }
}

/// `MsgClientHello`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// The client's host.
    pub hostname: &'a [u8],
    /// Free text for the server's log.
    pub info: &'a [u8],
    /// The client's version.
    pub version: &'a [u8],
    /// What it wants to hear of; empty means `felix`. Since 3.3.
    pub syncer_type: &'a [u8],
    /// It understands [`Message::DecoderRestart`]. Since 3.25.
    pub supports_decoder_restart: bool,
    /// Compressions it understands: `snappy`. Since 3.25.
    pub compression_algorithms: Vec<&'a [u8]>,
    /// It reads policy keys by kind, namespace and name; today's servers refuse those that do not. Since 3.32.
    pub supports_modern_policy_keys: bool,
    /// Names the connection in both sides' logs. Since 3.25.
    pub client_conn_id: u64,
}

/// `MsgServerHello`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerHello<'a> {
    /// The server's version.
    pub version: &'a [u8],
    /// What the client asked for; empty means `felix`. Since 3.3.
    pub syncer_type: &'a [u8],
    /// It sends nodes as resources; today's clients refuse servers that do not. Since 3.9.
    pub supports_node_resource_updates: bool,
    /// Names the connection in both sides' logs. Since 3.25.
    pub server_conn_id: u64,
}

/// `MsgDecoderRestart`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecoderRestart<'a> {
    /// Free text: why.
    pub message: &'a [u8],
    /// The compression of the new stream, `snappy`; empty for none.
    pub compression_algorithm: &'a [u8],
}

/// `MsgPong`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pong {
    /// The time of the ping, as it was.
    pub ping_timestamp: Time,
    /// The client's time, which no known client sets.
    pub pong_timestamp: Time,
}
