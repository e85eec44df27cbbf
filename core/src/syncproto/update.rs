//! One key and value as it travels.

use std::fmt;

use super::OtherRevision;

/// How far the server's datastore is read: `SyncStatus` of `libcalico-go` `lib/backend/api`.
///
/// Any byte is kept, since a newer peer may know more of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyncStatus(pub u8);

impl SyncStatus {
    /// The datastore is not reached yet.
    pub const WAIT_FOR_DATASTORE: Self = Self(0);
    /// Its contents are being read.
    pub const RESYNC_IN_PROGRESS: Self = Self(1);
    /// All that was there at the start has been sent.
    pub const IN_SYNC: Self = Self(2);
}

impl fmt::Display for SyncStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WAIT_FOR_DATASTORE => f.write_str("wait-for-ready"),
            Self::RESYNC_IN_PROGRESS => f.write_str("resync"),
            Self::IN_SYNC => f.write_str("in-sync"),
            Self(other) => write!(f, "status {other}"),
        }
    }
}

/// What an update does to its key: `UpdateType` of `libcalico-go` `lib/backend/api`.
///
/// Any byte is kept, since a newer peer may know more of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpdateType(pub u8);

impl UpdateType {
    /// The sender does not say.
    pub const UNKNOWN: Self = Self(0);
    /// The key is new.
    pub const NEW: Self = Self(1);
    /// The key was there with another value.
    pub const UPDATED: Self = Self(2);
    /// The key is gone.
    pub const DELETED: Self = Self(3);
}

/// The datastore's revision of a value. Typha sends text; a receiver takes any type Go registers by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Revision<'a> {
    /// A nil interface.
    #[default]
    Nil,
    /// A string, the one form that is sent.
    Text(&'a [u8]),
    /// Anything else; sent on as the text Go's client makes of it.
    Other(Box<OtherRevision<'a>>),
}

/// One element of a `MsgKVs`; it borrows from the message it was read from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SerializedUpdate<'a> {
    /// The path of the key.
    pub key: &'a [u8],
    /// The value in its datastore encoding; `None` deletes the key. An empty value cannot be told from none on the wire.
    pub value: Option<&'a [u8]>,
    /// The datastore's revision.
    pub revision: Revision<'a>,
    /// `metadata.resourceVersion` of a v3 resource, which is blank in `value`.
    pub v3_resource_version: &'a [u8],
    /// Nanoseconds until the key expires, 0 for never.
    pub ttl: i64,
    /// What the update does to its key.
    pub update_type: UpdateType,
}
