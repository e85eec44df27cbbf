//! The types of the protocol: names, fields and their order, as today's structs have them.

use std::sync::LazyLock;

use crate::wire::gob::{
    Fault,
    types::{Id, WireType, id as basic},
    write,
};

/// What the registered names of all messages begin with.
pub(super) const PACKAGE: &str = "github.com/projectcalico/typha/pkg/syncproto.";

/// The types of fields that are neither structs of ours nor basic.
const UPDATES: Id = 67;
const ALGORITHMS: Id = 69;
const TIME: Id = 75;

/// Our structs, in the order in which a stream of ours defines them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Struct {
    Envelope,
    Kvs,
    Update,
    ClientHello,
    ServerHello,
    DecoderRestart,
    Ack,
    SyncStatus,
    Ping,
    Pong,
}

/// What a field of ours holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Holds {
    Bool,
    Int,
    Uint,
    Byte,
    Bytes,
    Text,
    Texts,
    Interface,
    Time,
    Updates,
}

impl Struct {
    /// What an `Envelope` may hold.
    const MESSAGES: [Self; 8] = [
        Self::Kvs,
        Self::ClientHello,
        Self::ServerHello,
        Self::DecoderRestart,
        Self::Ack,
        Self::SyncStatus,
        Self::Ping,
        Self::Pong,
    ];

    /// The message that is registered under `name`.
    pub(super) fn of_message(name: &[u8]) -> Result<Self, Fault> {
        let name = name.strip_prefix(PACKAGE.as_bytes()).ok_or(Fault::UnknownName)?;
        let found = Self::MESSAGES.into_iter().find(|message| message.name().as_bytes() == name);
        found.ok_or(Fault::UnknownName)
    }

    /// Its name in Go.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Envelope => "Envelope",
            Self::Kvs => "MsgKVs",
            Self::Update => "SerializedUpdate",
            Self::ClientHello => "MsgClientHello",
            Self::ServerHello => "MsgServerHello",
            Self::DecoderRestart => "MsgDecoderRestart",
            Self::Ack => "MsgACK",
            Self::SyncStatus => "MsgSyncStatus",
            Self::Ping => "MsgPing",
            Self::Pong => "MsgPong",
        }
    }

    /// Its number in the streams we write.
    pub(super) const fn id(self) -> Id {
        match self {
            Self::Envelope => 64,
            Self::Kvs => 65,
            Self::Update => 66,
            Self::ClientHello => 68,
            Self::ServerHello => 70,
            Self::DecoderRestart => 71,
            Self::Ack => 72,
            Self::SyncStatus => 73,
            Self::Ping => 74,
            Self::Pong => 76,
        }
    }

    /// Its fields: their readers and writers count them in this order.
    pub(super) const fn fields(self) -> &'static [(&'static str, Holds)] {
        use Holds::{Bool, Byte, Bytes, Int, Interface, Text, Texts, Time, Uint, Updates};
        match self {
            Self::Envelope => &[("Message", Interface)],
            Self::Kvs => &[("KVs", Updates)],
            Self::Update => &[
                ("Key", Text),
                ("Value", Bytes),
                ("Revision", Interface),
                ("V3ResourceVersion", Text),
                ("TTL", Int),
                ("UpdateType", Byte),
            ],
            Self::ClientHello => &[
                ("Hostname", Text),
                ("Info", Text),
                ("Version", Text),
                ("SyncerType", Text),
                ("SupportsDecoderRestart", Bool),
                ("SupportedCompressionAlgorithms", Texts),
                ("SupportsModernPolicyKeys", Bool),
                ("ClientConnID", Uint),
            ],
            Self::ServerHello => &[
                ("Version", Text),
                ("SyncerType", Text),
                ("SupportsNodeResourceUpdates", Bool),
                ("ServerConnID", Uint),
            ],
            Self::DecoderRestart => &[("Message", Text), ("CompressionAlgorithm", Text)],
            Self::Ack => &[],
            Self::SyncStatus => &[("SyncStatus", Byte)],
            Self::Ping => &[("Timestamp", Time)],
            Self::Pong => &[("PingTimestamp", Time), ("PongTimestamp", Time)],
        }
    }

    fn wire_type(self) -> WireType {
        let fields: Vec<_> = self.fields().iter().map(|(name, holds)| (*name, holds.id())).collect();
        WireType::structure(self.name(), &fields)
    }
}

impl Holds {
    /// The type of such a field in the streams we write.
    const fn id(self) -> Id {
        match self {
            Self::Bool => basic::BOOL,
            Self::Int => basic::INT,
            Self::Uint | Self::Byte => basic::UINT,
            Self::Bytes => basic::BYTES,
            Self::Text => basic::STRING,
            Self::Texts => ALGORITHMS,
            Self::Interface => basic::INTERFACE,
            Self::Time => TIME,
            Self::Updates => UPDATES,
        }
    }
}

/// Every type with its number in the streams we write, in the order of the numbers.
fn types() -> [(Id, WireType); 13] {
    let of = |ours: Struct| (ours.id(), ours.wire_type());
    [
        of(Struct::Envelope),
        of(Struct::Kvs),
        of(Struct::Update),
        (UPDATES, WireType::slice("[]syncproto.SerializedUpdate", Struct::Update.id())),
        of(Struct::ClientHello),
        (ALGORITHMS, WireType::slice("[]syncproto.CompressionAlgorithm", basic::STRING)),
        of(Struct::ServerHello),
        of(Struct::DecoderRestart),
        of(Struct::Ack),
        of(Struct::SyncStatus),
        of(Struct::Ping),
        (TIME, WireType::gob_encoder("Time")),
        of(Struct::Pong),
    ]
}

/// The definitions of all types, each a gob message of its own.
pub(super) static DEFINITIONS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (mut out, mut definition) = (Vec::new(), Vec::new());
    for (id, described) in types() {
        definition.clear();
        described.define(id, &mut definition);
        write::bytes(&mut out, &definition);
    }
    out
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_stay_as_they_are() {
        assert_eq!((DEFINITIONS.len(), crc32fast::hash(&DEFINITIONS)), (800, 0x4ad7_1792));
    }
}
