//! What a server tells its user.

use std::{fmt, net::SocketAddr, sync::Arc};

use crate::{
    machine::{Fault, StreamId},
    wire::gob,
};

/// What happened to a connection or the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A client has said hello and is served.
    Joined(Arc<Client>),
    /// A connection ended.
    Closed {
        /// Which.
        stream: StreamId,
        /// Whose.
        from: SocketAddr,
        /// What it said of itself, if it was served.
        client: Option<Arc<Client>>,
        /// Why.
        reason: Reason,
    },
    /// The last connection has ended since [`Server::drain`](super::Server::drain).
    Drained,
}

/// Who is served, in its own words; a text beyond 256 bytes is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its connection.
    pub stream: StreamId,
    /// Its address.
    pub from: SocketAddr,
    /// Its host.
    pub hostname: Box<str>,
    /// Free text.
    pub info: Box<str>,
    /// Its version.
    pub version: Box<str>,
    /// What it wants to hear of.
    pub syncer_type: Box<str>,
    /// Whether it is sent snappy.
    pub snappy: bool,
    /// Its name for the connection, 0 before 3.25.
    pub client_conn_id: u64,
    /// Our name for the connection.
    pub server_conn_id: u64,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No hello in time.
    HandshakeTimeout,
    /// A restart was not acknowledged in time.
    AckTimeout,
    /// Pings were not answered in time.
    PongTimeout,
    /// It took nothing of what was written in time.
    WriteTimeout,
    /// It was behind for too long.
    FellBehind,
    /// More was kept for it than may be.
    TooMuchBehind,
    /// It sent a message that is not for this moment; which.
    Unexpected(&'static str),
    /// It sent many more pongs than there were pings.
    TooManyPongs,
    /// What it sent is no stream of messages.
    Malformed(gob::Error),
    /// It asked for a syncer type this server does not have.
    UnknownSyncerType,
    /// It does not read today's policy keys, and the settings refuse such clients.
    OldPolicyKeys,
    /// There are too many connections.
    TooManyConnections,
    /// Dropped at random, to be taken by another server.
    Rebalanced,
    /// The server is being drained.
    Draining,
    /// The user of this server asked for it.
    Disconnected,
    /// The client ended it, and not inside a message.
    Finished,
    /// It broke.
    Failed(Fault),
}

impl Reason {
    /// A short name, for counters.
    pub fn name(&self) -> &'static str {
        match self {
            Self::HandshakeTimeout => "handshake timeout",
            Self::AckTimeout => "ack timeout",
            Self::PongTimeout => "pong timeout",
            Self::WriteTimeout => "write timeout",
            Self::FellBehind => "fell behind",
            Self::TooMuchBehind => "too much behind",
            Self::Unexpected(_) => "unexpected message",
            Self::TooManyPongs => "too many pongs",
            Self::Malformed(_) => "malformed",
            Self::UnknownSyncerType => "unknown syncer type",
            Self::OldPolicyKeys => "old policy keys",
            Self::TooManyConnections => "too many connections",
            Self::Rebalanced => "rebalanced",
            Self::Draining => "draining",
            Self::Disconnected => "disconnected",
            Self::Finished => "finished",
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected(message) => write!(f, "unexpected {message}"),
            Self::Malformed(error) => write!(f, "malformed: {error}"),
            Self::Failed(fault) => fault.fmt(f),
            other => f.write_str(other.name()),
        }
    }
}
