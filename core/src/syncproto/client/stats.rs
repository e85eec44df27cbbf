//! What a client counts.

use serde::Serialize;

use crate::machine::Instant;

/// Figures of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Dials.
    pub tries: u64,
    /// Connections made. All but the first replaced one.
    pub connections: u64,
    /// Bytes received, compressed or not.
    pub bytes_in: u64,
    /// Bytes of messages once decompressed.
    pub bytes_plain: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Messages received.
    pub messages: u64,
    /// Pings answered.
    pub pings: u64,
    /// Decoder restarts acknowledged.
    pub restarts: u64,
    /// Updates received.
    pub kvs: u64,
    /// Of these, such as told the user nothing new.
    pub suppressed: u64,
    /// Deletions told because a new connection's snapshot did not have the key.
    pub swept: u64,
    /// How often reading was stopped because the user took no events or the server no answers.
    pub pauses: u64,
    /// When what happened on the connection, or on the last one.
    pub times: Times,
    /// Keys tracked now.
    pub known_keys: usize,
    /// Their bytes.
    pub known_bytes: usize,
    /// Events the user has not taken.
    pub pending_events: usize,
    /// Their bytes.
    pub pending_bytes: usize,
    /// Since when the oldest of them waits: how far the user is behind.
    pub pending_since: Option<Instant>,
    /// Bytes received and not read, because there are too many events.
    pub unread_bytes: usize,
}

/// When what happened first on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// The dial.
    pub dialled: Option<Instant>,
    /// The dial's success.
    pub connected: Option<Instant>,
    /// The server's hello.
    pub hello: Option<Instant>,
    /// The first update.
    pub first_kv: Option<Instant>,
    /// The end of the snapshot.
    pub in_sync: Option<Instant>,
    /// The last message so far.
    pub last_message: Option<Instant>,
}
