//! Typha's sync protocol: a snapshot of keys and values, then their changes, to any number of clients.
//!
//! Source: `projectcalico/typha` `pkg/syncproto`, `projectcalico/calico` `typha/pkg/syncproto`.

mod convert;
mod datamodel;
pub mod encode;
mod json;
pub mod key;
#[cfg(test)]
mod tests;
mod update;

pub use convert::{
    BadValue, Converted, Serialized, Update, serialize_raw, serialize_update, to_update, would_be_no_op,
};
pub use datamodel::{Datamodel, KnownFields, UnknownFields};
pub use update::{Revision, SerializedUpdate, SyncStatus, UpdateType};
