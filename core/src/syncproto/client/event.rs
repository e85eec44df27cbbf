//! What a client tells its user.

use std::{fmt, net::SocketAddr};

use super::{super::SyncStatus, Generation, Updates};
use crate::{
    machine::{Endpoint, Fault},
    wire::{gob, snappy::FrameError},
};

/// What a client tells its user, in this order for each connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A server could not be reached; another will be tried.
    Unreached {
        /// The server.
        endpoint: Endpoint,
        /// Why.
        reason: Reason,
    },
    /// A server was reached and has introduced itself. That of v3.2.5 may send updates before it does.
    Connected(Box<Connected>),
    /// How far what the user has is what the server's datastore has. [`SyncStatus::IN_SYNC`] follows all updates of the
    /// snapshot, and the deletions of what was not in it.
    Status(SyncStatus),
    /// Keys and values.
    Updates(Updates),
    /// The connection has ended; another will be made. What the user has stays true until that is in sync.
    Disconnected {
        /// Why.
        reason: Reason,
    },
    /// There will be no more connections, and no more events.
    Finished {
        /// Why the last connection ended.
        reason: Reason,
    },
}

/// A server that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Its address.
    pub at: SocketAddr,
    /// The version it gives.
    pub version: Vec<u8>,
    /// What it sends; empty means `felix`.
    pub syncer_type: Vec<u8>,
    /// What it behaves like: [`Generation::Today`] from 3.9 on.
    pub generation: Generation,
    /// Its name for the connection; 0 before 3.25.
    pub server_conn_id: u64,
    /// Our name for the connection.
    pub client_conn_id: u64,
}

/// Why a connection ended or was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// [`Client::stop`](super::Client::stop) was called.
    Stopped,
    /// The dial failed.
    Dial(Fault),
    /// The dial took too long.
    ConnectTimeout,
    /// The server did not introduce itself in time.
    HandshakeTimeout,
    /// The server was silent for too long.
    ReadTimeout,
    /// The server took nothing of what was written for too long.
    WriteTimeout,
    /// The connection broke.
    Broken(Fault),
    /// The server closed the connection, and not inside a message. Today's does so without a word if it does not know the syncer type or the
    /// client is too old.
    Closed,
    /// The first message was not the server's hello but this.
    NotHello(&'static str),
    /// The server introduced itself a second time.
    SecondHello,
    /// The server is older than 3.9 and such were not to be accepted.
    OldServer {
        /// The version it gives.
        version: Vec<u8>,
    },
    /// The server sends something else than was asked for.
    WrongSyncerType(Vec<u8>),
    /// A message that no server sends, or not at this time.
    Unexpected(&'static str),
    /// Bytes that are no messages.
    Malformed(gob::Error),
    /// Bytes that are not compressed as they were said to be.
    Compression(FrameError),
    /// Something followed the last message of a compressed stream.
    Surplus,
    /// Bytes kept on arriving after the host was told not to read.
    Unread,
    /// The server sent more keys than [`Limits::keys`](super::Limits::keys).
    TooManyKeys,
    /// The server's keys are longer than [`Limits::key_bytes`](super::Limits::key_bytes).
    TooManyKeyBytes,
}

impl Reason {
    /// Whether another connection would end alike.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Stopped | Self::TooManyKeys | Self::TooManyKeyBytes)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes);
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Dial(fault) => write!(f, "cannot connect: {fault}"),
            Self::ConnectTimeout => f.write_str("cannot connect: no answer in time"),
            Self::HandshakeTimeout => f.write_str("the server did not introduce itself in time"),
            Self::ReadTimeout => f.write_str("the server is silent"),
            Self::WriteTimeout => f.write_str("the server takes nothing"),
            Self::Broken(fault) => fault.fmt(f),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::NotHello(what) => write!(f, "the server began with a {what} instead of its hello"),
            Self::SecondHello => f.write_str("the server introduced itself twice"),
            Self::OldServer { version } => write!(f, "the server, {}, is older than 3.9", text(version)),
            Self::WrongSyncerType(theirs) => write!(f, "the server sends the syncer type `{}`", text(theirs)),
            Self::Unexpected(what) => write!(f, "the server sent a {what}"),
            Self::Malformed(error) => error.fmt(f),
            Self::Compression(error) => error.fmt(f),
            Self::Surplus => f.write_str("bytes after the end of a compressed stream"),
            Self::Unread => {
                f.write_str("the server sends more than can be held while the user takes no events")
            }
            Self::TooManyKeys => f.write_str("the server sends more keys than the limit"),
            Self::TooManyKeyBytes => f.write_str("the server sends longer keys than the limit"),
        }
    }
}

impl std::error::Error for Reason {}
