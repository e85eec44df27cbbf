//! A stored row: one allocation that holds its key, its value and all that is known of it.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

use bytes::Bytes;
use triomphe::ThinArc;

use super::RowState;
use crate::Name;

/// What is to be stored of a row.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub owner: Name,
    pub value: &'a [u8],
    pub time: u64,
    pub state: RowState,
    /// Nanoseconds until it is forgotten. Peers may send what is below zero. Of a live row it is kept, no more.
    pub reap: i64,
    /// An own row that this node wrote in an earlier life, brought back by others.
    pub inherited: bool,
}

/// Bytes of key and value that are joined without an allocation for it.
const SMALL: usize = 256;

/// A stored row, shared. Ordered by its key.
#[derive(Clone)]
pub(super) struct Entry(ThinArc<Head, u8>);

struct Head {
    owner: Name,
    time: u64,
    /// Of a live row as it came; of another the age of all rows at which it is forgotten.
    end: i64,
    key_len: usize,
    state: RowState,
    inherited: bool,
}

impl Entry {
    pub(super) fn new(key: &[u8], draft: &Draft<'_>, end: i64) -> Self {
        let &Draft { ref owner, time, state, inherited, .. } = draft;
        let head = Head { owner: owner.clone(), time, end, key_len: key.len(), state, inherited };
        let mut small = [0; SMALL];
        let joined = match small.get_mut(..key.len() + draft.value.len()) {
            Some(joined) => {
                let (front, back) = joined.split_at_mut(key.len());
                front.copy_from_slice(key);
                back.copy_from_slice(draft.value);
                &*joined
            }
            None => &[key, draft.value].concat(),
        };
        Self(ThinArc::from_header_and_slice(head, joined))
    }

    fn head(&self) -> &Head {
        &self.0.header.header
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        let bytes = &self.0.slice;
        bytes.split_at_checked(self.head().key_len).unwrap_or((bytes, &[]))
    }

    /// Bytes of key and value.
    pub(super) fn len(&self) -> usize {
        self.0.slice.len()
    }

    pub(super) fn key(&self) -> &[u8] {
        self.parts().0
    }

    pub(super) fn value(&self) -> &[u8] {
        self.parts().1
    }

    /// The value, shared.
    pub(super) fn shared_value(&self) -> Bytes {
        Bytes::from_owner(Value(self.clone()))
    }

    /// The node that wrote it.
    pub(super) fn owner(&self) -> &Name {
        &self.head().owner
    }

    /// When it was written, by the table clock.
    pub(super) fn time(&self) -> u64 {
        self.head().time
    }

    pub(super) fn state(&self) -> RowState {
        self.head().state
    }

    pub(super) fn is_live(&self) -> bool {
        self.state() == RowState::Live
    }

    /// Whether it is an own row of an earlier life.
    pub(super) fn is_inherited(&self) -> bool {
        self.head().inherited
    }

    pub(super) fn is_tombstone(&self) -> bool {
        self.state() == RowState::Deleted
    }

    pub(super) fn end(&self) -> i64 {
        self.head().end
    }

    /// The same row in another state.
    pub(super) fn turned(&self, state: RowState, reap: i64) -> Draft<'_> {
        let (owner, value, time) = (self.owner().clone(), self.value(), self.time());
        Draft { owner, value, time, state, reap, inherited: false }
    }
}

struct Value(Entry);

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self.0.value()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {:?} at {}: {:?}", self.key(), self.owner(), self.time(), self.state())
    }
}

impl Borrow<[u8]> for Entry {
    fn borrow(&self) -> &[u8] {
        self.key()
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl Eq for Entry {}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
