//! memberlist: gossip membership, beside `hashicorp/memberlist` byte for byte.

pub mod broadcast;
mod config;
mod keyring;
mod member;
pub mod message;
pub mod packet;
pub mod stream;

pub use crate::wire::msgpack::Dialect;
pub use config::{Cidr, Config};
pub use keyring::{KeyError, Keyring, SealError};
pub use member::{Member, MemberEvent, State, Versions};
pub use packet::Security;
