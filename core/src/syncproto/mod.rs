//! Typha's sync protocol: a snapshot of keys and values, then their changes, to any number of clients.
//!
//! Source: `projectcalico/typha` `pkg/syncproto`, `projectcalico/calico` `typha/pkg/syncproto`.

pub mod encode;
mod kvs;
mod message;
mod schema;
mod update;

pub use kvs::Kvs;
pub use message::{ClientHello, DecoderRestart, Message, Pong, ServerHello};
pub use update::{Revision, SerializedUpdate, SyncStatus, UpdateType};
