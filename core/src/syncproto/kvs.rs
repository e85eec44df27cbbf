//! The elements of a `MsgKVs`.

use std::fmt;

use super::SerializedUpdate;

/// The updates of one message, in order: those to be sent, or those read.
#[derive(Clone, Copy)]
pub struct Kvs<'a> {
    updates: &'a [SerializedUpdate<'a>],
}

impl<'a> Kvs<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.updates.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The updates; none of them fails.
    pub fn iter(&self) -> impl Iterator<Item = SerializedUpdate<'a>> + use<'a> {
        self.updates.iter().cloned()
    }
}

impl<'a> From<&'a [SerializedUpdate<'a>]> for Kvs<'a> {
    fn from(updates: &'a [SerializedUpdate<'a>]) -> Self {
        Self { updates }
    }
}

impl PartialEq for Kvs<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Kvs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
