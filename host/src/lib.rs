//! networkdb-host: runs the machines of `networkdb-core` on tokio.
//!
//! [`Node`] is a NetworkDB node with an async API. Under it, [`Host`] drives any
//! [`networkdb_core::machine::Machine`] over one UDP socket, one TCP listener and the connections the machine asks
//! for.

mod bind;
mod connection;
mod dial;
mod driver;
mod node;
mod requests;
mod shared;
mod start;
mod watch;

pub use bind::{BindError, Sockets};
pub use driver::Host;
pub use node::{Error, Node};
pub use shared::Shared;
pub use start::{NodeConfig, StartError};
