//! What a caller can be told. The texts are the peer's.

use std::fmt;

use super::EntryKey;
use crate::{Name, memberlist::JoinReport};

/// Why a command on an entry was not done. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// Create: there is one.
    Exists(EntryKey),
    /// Update: there is none.
    Absent(EntryKey),
    /// Delete: there is none.
    Missing(EntryKey),
    /// Get: there is none.
    NotFound(EntryKey),
    /// Get: there is a tombstone.
    Deleted(EntryKey),
    /// Get: its owner has failed.
    Hidden(EntryKey),
    /// Create and update: it could not be sent.
    TooLarge {
        /// Bytes of the message it would need.
        size: usize,
        /// Bytes a message may have.
        limit: usize,
    },
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(EntryKey { network, table, key }) => write!(
                f,
                "cannot create entry in table {table} with network id {network} and key {key}, already exists"
            ),
            Self::Absent(EntryKey { network, table, key }) => write!(
                f,
                "cannot update entry as the entry in table {table} with network id {network} and key {key} does not exist"
            ),
            Self::Missing(EntryKey { network, table, key }) => write!(
                f,
                "cannot delete entry {table} with network id {network} and key {key} does not exist or is already being deleted"
            ),
            Self::NotFound(EntryKey { network, table, key }) => {
                write!(f, "could not get entry in table {table} with network id {network} and key {key}")
            }
            Self::Deleted(EntryKey { network, table, key }) => write!(
                f,
                "entry in table {table} network id {network} and key {key} deleted and pending garbage collection"
            ),
            Self::Hidden(EntryKey { network, table, key }) => write!(
                f,
                "entry in table {table} network id {network} and key {key} is owned by a failed node and hidden until it returns"
            ),
            Self::TooLarge { size, limit } => {
                write!(f, "the entry needs a message of {size} bytes, more than the limit of {limit} bytes")
            }
        }
    }
}

impl std::error::Error for EntryError {}

/// Why a network was not joined or left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// It is joined already.
    AlreadyJoined(Name),
    /// It was never joined; own rows in it have become tombstones all the same.
    NotJoined(Name),
    /// Its name could not be sent.
    TooLarge {
        /// Bytes of the message it would need.
        size: usize,
        /// Bytes a message may have.
        limit: usize,
    },
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyJoined(network) => write!(f, "networkdb: network {network} is already joined"),
            Self::NotJoined(network) => write!(f, "could not find network {network} while trying to leave"),
            Self::TooLarge { size, limit } => {
                write!(f, "the network name needs a packet of {size} bytes, more than the limit of {limit} bytes")
            }
        }
    }
}

impl std::error::Error for NetworkError {}

/// Why a join of the cluster failed. The addresses are kept, and tried again from time to time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// No address answered.
    Unreachable(JoinReport),
    /// An address answered, but the others could not be told.
    Unannounced(JoinReport),
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(report) => {
                write!(f, "could not join node to memberlist: ")?;
                for (place, (endpoint, fault)) in report.failed.iter().enumerate() {
                    write!(f, "{}{endpoint}: {fault}", if place == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
            Self::Unannounced(_) => write!(f, "failed to send node join: timed out broadcasting node event"),
        }
    }
}

impl std::error::Error for JoinError {}
