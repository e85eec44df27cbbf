//! Mutual TLS: both sides show a certificate of one CA, and each looks for a name in the other's.
//!
//! Source: `pkg/tlsutils` of `projectcalico/typha`.

mod handshake;
mod name;
mod session;
mod settings;
mod verify;

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustls::{ClientConfig, ServerConfig};
use tokio::sync::broadcast;

pub(crate) use self::session::Session;
pub use self::settings::{TlsError, TlsSettings};

/// Refusals a slow listener may be behind before it misses some.
const BACKLOG: usize = 64;

/// How the streams of a host are secured. Made from [`TlsSettings`]; clones share the list of refusals.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    handshake_timeout: Duration,
    refusals: broadcast::Sender<Refusal>,
    refused: AtomicU64,
}

/// Which side of a stream we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Dialled,
    Accepted,
}

/// A stream that broke for a reason of TLS. Its machine hears of it as `Fault::Untrusted` or `Fault::TimedOut`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The other side.
    pub peer: SocketAddr,
    /// Whether the other side dialled us.
    pub accepted: bool,
    /// What was wrong.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from_or_to = if self.accepted { "from" } else { "to" };
        write!(f, "TLS {from_or_to} {}: {}", self.peer, self.reason)
    }
}

impl Tls {
    /// The refusals from now on. One that is slow misses the oldest.
    pub fn refusals(&self) -> broadcast::Receiver<Refusal> {
        self.0.refusals.subscribe()
    }

    /// Streams that have broken for a reason of TLS since the start.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    fn note(&self, peer: SocketAddr, role: Role, reason: String) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        // Nobody may be listening.
        let _ = self.0.refusals.send(Refusal { peer, accepted: role == Role::Accepted, reason });
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("refused", &self.refused()).finish_non_exhaustive()
    }
}
