//! networkdb-host: runs the machines of `networkdb-core` on tokio.
//!
//! [`Node`] is a NetworkDB node with an async API. Under it, [`Host`] drives any
//! [`networkdb_core::machine::Machine`] on its [`Ports`]: a UDP socket, a TCP listener or a share of one, or
//! neither, and the connections the machine asks for, plain or secured by [`Tls`].

mod accept;
mod bind;
mod connection;
mod datagrams;
mod dial;
mod driver;
mod node;
mod ports;
mod requests;
mod shared;
mod start;
pub mod sync;
mod tls;
mod watch;

pub use accept::Acceptor;
pub use bind::{BindError, Listener, Sockets};
pub use driver::Host;
pub use node::{Error, Node};
pub use ports::Ports;
pub use shared::{Clock, Shared};
pub use start::{NodeConfig, StartError, advertised};
pub use tls::{Refusal, Tls, TlsError, TlsSettings};

pub use networkdb_core::{
    Name,
    machine::Endpoint,
    networkdb::{Change, ChangeKind, Config, EntryKey, Event, Filter, Row, RowState},
};

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
