//! What nodes tell their users: one flat shape for all kinds.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::Code;

/// What an event tells. Numbers never change their meaning; new ones may come.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// A join of the cluster is over. `id`: the request; `code`: `Ok`, `Unreachable` or `Unannounced`; `number`: seeds
    /// reached; `text`: why others were not.
    Joined = 1,
    /// A NetworkDB node has left: the host may stop. `id`: the request.
    Left = 2,
    /// The news of a member's leave or of its new meta has spread. `id`: the request; `code`: `Ok` or `Unannounced`.
    Spread = 3,
    /// A reliable message is over. `id`: the request; `code`: `Ok` or `Undelivered`; `text`: why.
    Sent = 4,
    /// So many (`number`) older events were dropped because nobody took them.
    Missed = 5,
    /// Something to look at. `text`: what; `addr`: from where, if known.
    Warning = 6,
    /// A join of a network is over. `id`: the request; `network`; `number`: 1 if a node began to send its rows.
    NetworkJoined = 16,
    /// A node of the cluster takes part. `key`: its name; `addr`.
    NodeActive = 17,
    /// A node of the cluster does not answer. `key`: its name; `addr`.
    NodeFailed = 18,
    /// A node of the cluster said goodbye. `key`: its name; `addr`.
    NodeLeft = 19,
    /// A node joined a network. `network`; `key`: the node's name.
    PeerJoined = 20,
    /// A node left a network. `network`; `key`: the node's name.
    PeerLeft = 21,
    /// No other node answers.
    Alone = 22,
    /// A watched row is there. `id`: the watch; `network`, `table`, `key`, `value`.
    RowCreated = 23,
    /// A watched row has a new value. `id`: the watch; `network`, `table`, `key`, `value`, `previous`.
    RowUpdated = 24,
    /// A watched row is gone. `id`: the watch; `network`, `table`, `key`, `previous`.
    RowDeleted = 25,
    /// The watch (`id`) lagged behind: whatever it told is void, and the rows there are follow as created.
    Resync = 26,
    /// A member came. `key`: its name; `addr`; `value`: its meta.
    MemberJoined = 32,
    /// A member's meta changed. `key`: its name; `addr`; `value`: its meta.
    MemberUpdated = 33,
    /// A member went. `key`: its name; `addr`; `number`: 2 dead, 3 left.
    MemberGone = 34,
    /// A user message arrived. `value`: its bytes.
    Message = 35,
    /// Two members claim one name. `key`: the name; `addr`: the other one's address.
    Conflict = 36,
    /// A client is served. `id`: its stream; `addr`; `key`: its host; `table`: its syncer type; `value`: its version;
    /// `text`: what it says of itself.
    ClientJoined = 48,
    /// A connection ended. `id`: its stream; `addr`; `text`: why.
    ClientClosed = 49,
    /// The last connection has ended since the drain began.
    Drained = 50,
    /// A server could not be reached. `text`: where and why.
    Unreached = 64,
    /// A server was reached. `addr`; `value`: its version; `table`: its syncer type.
    Connected = 65,
    /// How far the server's datastore is read. `number`: 0 wait, 1 resync, 2 in sync.
    Status = 66,
    /// A key has a value. `key`, `value`, `revision`, `version`; `number`: its time to live in nanoseconds, 0 for ever;
    /// `detail`: 0 unknown, 1 new, 2 updated.
    Update = 67,
    /// A key is gone. `key`, `revision`, `version`; `detail`: 3.
    Deletion = 68,
    /// The connection has ended; another will be made. `text`: why.
    Disconnected = 69,
    /// There will be no more connections and no more events. `text`: why.
    Finished = 70,
    /// A codec read a client's hello. `key`: its host; `text`: what it says of itself; `value`: its version; `table`: its syncer type.
    ClientHello = 80,
    /// A codec read a server's hello. `value`: its version; `table`: its syncer type.
    ServerHello = 81,
    /// A codec read that another stream begins here. `key`: its compression, or nothing; `text`: why.
    DecoderRestart = 82,
    /// A codec read that the client is ready for the new stream.
    Ack = 83,
    /// A codec read a ping.
    Ping = 84,
    /// A codec read a pong.
    Pong = 85,
    /// A codec read updates. `number`: how many, each of which follows as an update or a deletion.
    Updates = 86,
    /// A codec read an envelope without a message.
    Nil = 87,
}

/// One event. A field its kind does not name is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it tells.
    pub kind: EventKind,
    /// How a request ended.
    pub code: Code,
    /// The request, watch or stream it is about.
    pub id: u64,
    /// A number.
    pub number: u64,
    /// A small number.
    pub detail: u32,
    /// An address.
    pub addr: Option<SocketAddr>,
    /// A network.
    pub network: Bytes,
    /// A table, or a syncer type.
    pub table: Bytes,
    /// A key, or a name.
    pub key: Bytes,
    /// A value; `None` is not the same as empty.
    pub value: Option<Bytes>,
    /// The value before; `None` is not the same as empty.
    pub previous: Option<Bytes>,
    /// The datastore's revision.
    pub revision: Bytes,
    /// `metadata.resourceVersion` of a v3 resource.
    pub version: Bytes,
    /// For people.
    pub text: String,
}

impl Event {
    /// An event of which nothing is known but its kind.
    pub(crate) fn new(kind: EventKind) -> Self {
        Self {
            kind,
            code: Code::Ok,
            id: 0,
            number: 0,
            detail: 0,
            addr: None,
            network: Bytes::new(),
            table: Bytes::new(),
            key: Bytes::new(),
            value: None,
            previous: None,
            revision: Bytes::new(),
            version: Bytes::new(),
            text: String::new(),
        }
    }

    pub(crate) fn id(self, id: u64) -> Self {
        Self { id, ..self }
    }

    pub(crate) fn code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    pub(crate) fn key(self, key: &[u8]) -> Self {
        Self { key: Bytes::copy_from_slice(key), ..self }
    }

    pub(crate) fn addr(self, addr: SocketAddr) -> Self {
        Self { addr: Some(addr), ..self }
    }

    pub(crate) fn text(self, text: &dyn std::fmt::Display) -> Self {
        Self { text: text.to_string(), ..self }
    }
}
