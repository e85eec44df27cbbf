//! Typha's sync protocol: a [`SyncServer`] that publishes keys and values, and a [`SyncClient`] that follows one.

mod client;
mod discover;
mod publish;
mod server;

use std::{fmt, io, time::Duration};

pub use client::{SyncClient, SyncClientConfig, SyncRates};
pub use networkdb_core::syncproto::{
    DEFAULT_SYNCER_TYPE, Revision, SerializedUpdate, SyncStatus, UpdateType,
    cache::CacheStats,
    client::{self as follow, Connected, Event as SyncEvent, Reason as SyncEnd, Updates},
    server::{self as serve, Client as ServedClient, Reason as ServedEnd, Stats as ServerStats},
};
pub use publish::{PublishError, Publisher};
pub use server::{SyncServer, SyncServerConfig, SyncServerEvent, SyncServerStats};

use crate::bind::BindError;

/// The port of Typha.
pub const SYNC_PORT: u16 = 5473;

/// Why a server or client of the sync protocol did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncError {
    /// The server's address cannot be used.
    Bind(BindError),
    /// A setting of the client is wrong.
    Config(follow::ConfigError),
    /// A server without a syncer type has nothing to serve.
    NoSyncerType,
    /// The operating system refused something else.
    System(String),
}

impl fmt::Display for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
            Self::NoSyncerType => f.write_str("no syncer type to serve: name one, such as felix"),
            Self::System(reason) => write!(f, "the operating system refused: {reason}"),
        }
    }
}

impl std::error::Error for SyncError {}

impl From<BindError> for SyncError {
    fn from(error: BindError) -> Self {
        Self::Bind(error)
    }
}

impl From<follow::ConfigError> for SyncError {
    fn from(error: follow::ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<io::Error> for SyncError {
    fn from(error: io::Error) -> Self {
        Self::System(error.to_string())
    }
}

/// Chance for a machine.
fn seed() -> Result<[u8; 32], SyncError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| SyncError::System(error.to_string()))?;
    Ok(seed)
}

/// Time since 1970, by the clock on the wall.
fn unix_time() -> Duration {
    // Before 1970 the clock is wrong, and pings say so.
    std::time::UNIX_EPOCH.elapsed().unwrap_or_default()
}
