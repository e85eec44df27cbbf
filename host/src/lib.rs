//! networkdb-host: runs the machines of `networkdb-core` on tokio.
//!
//! [`Host`] drives any [`networkdb_core::machine::Machine`] over one UDP socket, one TCP listener and the
//! connections the machine asks for.

mod bind;
mod connection;
mod dial;
mod driver;
mod shared;

pub use bind::{BindError, Sockets};
pub use driver::Host;
pub use shared::Shared;
