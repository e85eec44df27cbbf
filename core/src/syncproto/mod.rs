//! Typha's sync protocol: a snapshot of keys and values, then their changes, to any number of clients.
//!
//! Source: `projectcalico/typha` `pkg/syncproto`, `projectcalico/calico` `typha/pkg/syncproto`.

pub mod cache;
pub mod client;
mod decode;
pub mod encode;
mod kvs;
mod message;
mod parse;
mod plan;
mod revision;
mod schema;
pub mod server;
mod update;

pub use decode::{Decoder, FROM_CLIENT, FROM_SERVER};
pub use kvs::{Iter, Kvs};
pub use message::{ClientHello, DecoderRestart, Message, Pong, ServerHello};
pub use revision::{Basic, OtherRevision, Scalar};
pub use update::{Revision, SerializedUpdate, SyncStatus, UpdateType};
