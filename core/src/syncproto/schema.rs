//! The types of the protocol: names, fields and their order, as today's structs have them.

use std::sync::LazyLock;

use crate::wire::gob::types::{Id, WireType, id as basic};

/// What the registered names of all messages begin with.
pub(super) const PACKAGE: &str = "github.com/projectcalico/typha/pkg/syncproto.";

/// Ids of the types in the order a stream of ours defines them.
pub(super) mod id {
    use super::Id;

    pub(crate) const ENVELOPE: Id = 64;
    pub(crate) const KVS: Id = 65;
    pub(crate) const UPDATE: Id = 66;
    pub(crate) const UPDATES: Id = 67;
    pub(crate) const CLIENT_HELLO: Id = 68;
    pub(crate) const ALGORITHMS: Id = 69;
    pub(crate) const SERVER_HELLO: Id = 70;
    pub(crate) const DECODER_RESTART: Id = 71;
    pub(crate) const ACK: Id = 72;
    pub(crate) const SYNC_STATUS: Id = 73;
    pub(crate) const PING: Id = 74;
    pub(crate) const TIME: Id = 75;
    pub(crate) const PONG: Id = 76;
}

/// Every type with its id in the streams we write.
fn types() -> [(Id, WireType); 13] {
    use WireType as T;
    use basic::{BOOL, BYTES, INT, INTERFACE, STRING, UINT};
    let update = [
        ("Key", STRING),
        ("Value", BYTES),
        ("Revision", INTERFACE),
        ("V3ResourceVersion", STRING),
        ("TTL", INT),
        ("UpdateType", UINT),
    ];
    let client_hello = [
        ("Hostname", STRING),
        ("Info", STRING),
        ("Version", STRING),
        ("SyncerType", STRING),
        ("SupportsDecoderRestart", BOOL),
        ("SupportedCompressionAlgorithms", id::ALGORITHMS),
        ("SupportsModernPolicyKeys", BOOL),
        ("ClientConnID", UINT),
    ];
    let server_hello = [
        ("Version", STRING),
        ("SyncerType", STRING),
        ("SupportsNodeResourceUpdates", BOOL),
        ("ServerConnID", UINT),
    ];
    let restart = [("Message", STRING), ("CompressionAlgorithm", STRING)];
    let pong = [("PingTimestamp", id::TIME), ("PongTimestamp", id::TIME)];
    [
        (id::ENVELOPE, T::structure("Envelope", &[("Message", INTERFACE)])),
        (id::KVS, T::structure("MsgKVs", &[("KVs", id::UPDATES)])),
        (id::UPDATE, T::structure("SerializedUpdate", &update)),
        (id::UPDATES, T::slice("[]syncproto.SerializedUpdate", id::UPDATE)),
        (id::CLIENT_HELLO, T::structure("MsgClientHello", &client_hello)),
        (id::ALGORITHMS, T::slice("[]syncproto.CompressionAlgorithm", STRING)),
        (id::SERVER_HELLO, T::structure("MsgServerHello", &server_hello)),
        (id::DECODER_RESTART, T::structure("MsgDecoderRestart", &restart)),
        (id::ACK, T::structure("MsgACK", &[])),
        (id::SYNC_STATUS, T::structure("MsgSyncStatus", &[("SyncStatus", UINT)])),
        (id::PING, T::structure("MsgPing", &[("Timestamp", id::TIME)])),
        (id::TIME, T::gob_encoder("Time")),
        (id::PONG, T::structure("MsgPong", &pong)),
    ]
}

/// The definitions of all types, each a gob message of its own.
pub(super) static DEFINITIONS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (mut out, mut definition) = (Vec::new(), Vec::new());
    for (id, described) in types() {
        definition.clear();
        described.define(id, &mut definition);
        crate::wire::gob::write::bytes(&mut out, &definition);
    }
    out
});
