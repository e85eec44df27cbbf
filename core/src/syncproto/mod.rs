//! Typha's sync protocol: a snapshot of keys and values, then their changes, to any number of clients.
//!
//! Source: `projectcalico/typha` `pkg/syncproto`, `projectcalico/calico` `typha/pkg/syncproto`.

pub mod cache;
pub mod client;
mod convert;
mod datamodel;
mod decode;
pub mod encode;
mod json;
pub mod key;
mod kvs;
mod message;
mod parse;
mod plan;
mod revision;
mod schema;
pub mod server;
#[cfg(test)]
mod tests;
mod update;

pub use convert::{
    BadValue, Converted, Serialized, Update, serialize_raw, serialize_update, to_update, would_be_no_op,
};
pub use datamodel::{Datamodel, KnownFields, UnknownFields};
pub use decode::{Decoder, FROM_CLIENT, FROM_SERVER};
pub use kvs::{Iter, Kvs};
pub use message::{ClientHello, DecoderRestart, Message, Pong, ServerHello};
pub use revision::{Basic, OtherRevision, Scalar};
pub use update::{Revision, SerializedUpdate, SyncStatus, UpdateType};

/// What a client wants to hear of that names no syncer type.
pub const DEFAULT_SYNCER_TYPE: &str = "felix";
/// The one compression there is, by its name in hellos and restarts.
pub const SNAPPY: &str = "snappy";
