//! Settings of a server.

use std::time::Duration;

/// Settings; defaults are those of today's Typha where it has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What the hello says of this server.
    pub version: Box<str>,
    /// Unix time of [`Instant::ORIGIN`](crate::machine::Instant::ORIGIN), for the timestamps of pings.
    pub unix_origin: Duration,
    /// Updates of one message of a plain snapshot: `ServerMaxMessageSize`.
    pub max_message_size: usize,
    /// Updates of one message of a snapshot in snappy.
    pub max_binary_message_size: usize,
    /// From the connection to the hello: `ServerHandshakeTimeoutSecs`.
    pub handshake_timeout: Duration,
    /// Between pings, and up to a tenth more: `ServerPingIntervalSecs`.
    pub ping_interval: Duration,
    /// How long a client may leave pings unanswered, or a restart unacknowledged: `ServerPongTimeoutSecs`. Six
    /// intervals if not above two of them, as upstream has it.
    pub pong_timeout: Duration,
    /// How long a client may take nothing of what is written: `ServerWriteTimeoutSecs`.
    pub write_timeout: Duration,
    /// How much older than the newest crumb the next one of a client may be: `ServerMaxFallBehindSecs`.
    pub max_fall_behind: Duration,
    /// After its snapshot a client may be behind for so long: `ServerNewClientFallBehindGracePeriod`.
    pub new_client_grace_period: Duration,
    /// Bytes of messages a client may be behind, at any time, since they are kept for it. Not in upstream.
    pub max_behind_bytes: u64,
    /// How long a snapshot in snappy goes to new clients though there are newer crumbs: `BinarySnapshotTimeout`.
    pub snapshot_reuse: Duration,
    /// Connections beyond which random ones are dropped; see [`Server::set_max_connections`](super::Server).
    pub max_connections: usize,
    /// Connections beyond which new ones are refused. Not in upstream.
    pub max_accepted: usize,
    /// Between two connections dropped, and up to a tenth more: `ConnectionDropIntervalSecs`.
    pub drop_interval: Duration,
    /// At most so long between two connections dropped in a drain: `ShutdownConnectionDropIntervalMaxSecs`.
    pub max_drain_interval: Duration,
    /// Refuse clients that do not say that they read policy keys by kind and namespace, as today's Typha does: all
    /// before 3.32.
    pub require_modern_policy_keys: bool,
    /// Syncer types whose clients, when behind, get only the newest value of each key. Not in upstream.
    pub conflate: Vec<Box<str>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: concat!("networkdb-", env!("CARGO_PKG_VERSION")).into(),
            unix_origin: Duration::ZERO,
            max_message_size: 100,
            max_binary_message_size: 1_000,
            handshake_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(10),
            pong_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(120),
            max_fall_behind: Duration::from_secs(300),
            new_client_grace_period: Duration::from_secs(300),
            max_behind_bytes: 256 << 20,
            snapshot_reuse: Duration::from_secs(1),
            max_connections: usize::MAX,
            max_accepted: 20_000,
            drop_interval: Duration::from_secs(1),
            max_drain_interval: Duration::from_secs(1),
            require_modern_policy_keys: false,
            conflate: Vec::new(),
        }
    }
}

impl Config {
    /// The pong timeout that holds.
    pub(super) fn effective_pong_timeout(&self) -> Duration {
        if self.pong_timeout <= self.ping_interval * 2 { self.ping_interval * 6 } else { self.pong_timeout }
    }
}
