//! What a client can be told. Where upstream has a default it is ours.

use std::{fmt, time::Duration};

use super::super::{DEFAULT_SYNCER_TYPE, FROM_SERVER};
use crate::{machine::Endpoint, wire::gob};

/// The peer a client behaves like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    /// `projectcalico/calico` today: the server must introduce itself first, and may restart decoders and compress.
    #[default]
    Today,
    /// `projectcalico/typha` v3.2.5: the hello names only the client, and the server's is not waited for.
    V3_2_5,
}

/// What is remembered of the keys the user was told of. It decides what a new connection's snapshot is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracking {
    /// Nothing: updates pass as they come, and what was deleted while there was no connection is not told.
    None,
    /// Keys: those not seen again by the end of a new snapshot are told as deleted, and [`UpdateType::NEW`] and
    /// [`UpdateType::UPDATED`] say what they mean to this user.
    ///
    /// [`UpdateType::NEW`]: super::super::UpdateType::NEW
    /// [`UpdateType::UPDATED`]: super::super::UpdateType::UPDATED
    Keys,
    /// Keys and a 64-bit keyed fingerprint of each value and TTL: besides, an update to what the user has, and a
    /// deletion of what the user has not, are left out. By reckoning, a key costs its length and 60 to
    /// 100 bytes.
    #[default]
    Values,
}

/// When and how often to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Whether a connection that was lost is replaced. Upstream's is if its callbacks are restart-aware; that of v3.2.5 never.
    pub reconnect: bool,
    /// The most connections in a row that may fail, `None` for no bound. One that got in sync, or lived as long as
    /// [`Retry::max_pause`] after the hello, has not failed. Upstream: twice the number of servers, at least 6.
    pub tries: Option<u32>,
    /// The pause after the first failure; it doubles with each further one. Between half and all of it is waited.
    pub pause: Duration,
    /// The longest pause.
    pub max_pause: Duration,
}

impl Default for Retry {
    /// For ever, after 100 ms to 30 s.
    fn default() -> Self {
        Self {
            reconnect: true,
            tries: None,
            pause: Duration::from_millis(100),
            max_pause: Duration::from_secs(30),
        }
    }
}

/// What a server may make its client hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Keys that are tracked; one more ends the client.
    pub keys: usize,
    /// Bytes of these keys; one more ends the client.
    pub key_bytes: usize,
    /// Bytes of events not taken by the user beyond which nothing more is read. The last message may overshoot.
    pub pending_bytes: usize,
    /// Bytes the host may still deliver while it was told not to read; more ends the connection.
    pub unread_bytes: usize,
    /// What one message may hold.
    pub gob: gob::Limits,
}

impl Default for Limits {
    /// 2 million keys of 512 MiB, 4 MiB of events, 16 MiB unread, 256 MiB a message.
    fn default() -> Self {
        Self {
            keys: 2_000_000,
            key_bytes: 512 << 20,
            pending_bytes: 4 << 20,
            unread_bytes: 16 << 20,
            gob: FROM_SERVER,
        }
    }
}

/// The settings of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The servers, at least one.
    pub endpoints: Vec<Endpoint>,
    /// Whether to try them in random order; else in that given, round and round.
    pub shuffle: bool,
    /// This host's name, for the server's log.
    pub hostname: String,
    /// Free text for the server's log.
    pub info: String,
    /// The client's version, for the server's log.
    pub version: String,
    /// What to hear of: `felix`, `bgp`, `tunnel-ip-allocation`, `node-status`; empty means `felix`.
    pub syncer_type: String,
    /// The peer to behave like.
    pub generation: Generation,
    /// Whether to go on with a server before 3.9, which does not send nodes as resources. Upstream's client does not.
    pub accept_old_servers: bool,
    /// Whether to offer that the server may begin a new stream, which it does to compress.
    pub decoder_restart: bool,
    /// Whether to offer snappy.
    pub snappy: bool,
    /// What is remembered of the keys.
    pub tracking: Tracking,
    /// The longest a dial may take: 10 s.
    pub connect_timeout: Duration,
    /// The longest the server may take for its first message: 30 s.
    pub handshake_timeout: Duration,
    /// The longest from one message to the next: 30 s. It does not run while the user takes no events.
    pub read_timeout: Duration,
    /// The longest that nothing of what was written leaves: 10 s.
    pub write_timeout: Duration,
    /// When and how often to connect.
    pub retry: Retry,
    /// What a server may make the client hold.
    pub limits: Limits,
}

impl Config {
    /// The defaults, for these servers.
    pub fn new(hostname: impl Into<String>, endpoints: Vec<Endpoint>) -> Self {
        Self {
            endpoints,
            shuffle: true,
            hostname: hostname.into(),
            info: "networkdb".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            syncer_type: DEFAULT_SYNCER_TYPE.to_owned(),
            generation: Generation::Today,
            accept_old_servers: false,
            decoder_restart: true,
            snappy: true,
            tracking: Tracking::Values,
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(30),
            read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(10),
            retry: Retry::default(),
            limits: Limits::default(),
        }
    }

    /// The first setting that cannot work.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let zero = [self.connect_timeout, self.handshake_timeout, self.read_timeout, self.write_timeout]
            .iter()
            .any(Duration::is_zero);
        if self.endpoints.is_empty() {
            Err(ConfigError::NoEndpoint)
        } else if zero {
            Err(ConfigError::NoTime)
        } else if u32::try_from(self.limits.gob.message).is_err() {
            Err(ConfigError::MessageLimit)
        } else if self.retry.tries == Some(0) {
            Err(ConfigError::NoTries)
        } else {
            Ok(())
        }
    }

    /// Whether `theirs` is the syncer type asked for.
    pub(super) fn is_syncer_type(&self, theirs: &[u8]) -> bool {
        let or_default = |name| if name == b"" { DEFAULT_SYNCER_TYPE.as_bytes() } else { name };
        or_default(theirs) == or_default(self.syncer_type.as_bytes())
    }
}

/// A setting that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// There is no server to connect to.
    NoEndpoint,
    /// A timeout is zero.
    NoTime,
    /// Messages of 4 GiB and more.
    MessageLimit,
    /// Not one connection may be tried.
    NoTries,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEndpoint => "no server to connect to",
            Self::NoTime => "a timeout is zero",
            Self::MessageLimit => "the limit of a message is above 4 GiB",
            Self::NoTries => "the number of tries is zero",
        })
    }
}

impl std::error::Error for ConfigError {}
