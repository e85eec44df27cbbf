//! Typha's sync protocol: a snapshot of keys and values, then their changes, to any number of clients.
//!
//! Source: `projectcalico/typha` `pkg/syncproto`, `projectcalico/calico` `typha/pkg/syncproto`.

pub mod encode;
pub mod key;
mod update;

pub use update::{Revision, SerializedUpdate, SyncStatus, UpdateType};
