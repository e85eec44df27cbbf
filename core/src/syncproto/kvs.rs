//! The elements of a `MsgKVs`.

use std::{borrow::Cow, fmt};

use super::{
    SerializedUpdate,
    parse::{Again, Elements, update},
};

/// The updates of one message, in order: those to be sent, or those read.
#[derive(Clone, Default)]
pub struct Kvs<'a> {
    source: Source<'a>,
}

#[derive(Clone)]
enum Source<'a> {
    Given(&'a [SerializedUpdate<'a>]),
    /// Read once already, so no reading of them fails.
    Read(Elements<'a>, Again<'a>),
}

impl Default for Source<'_> {
    fn default() -> Self {
        Self::Given(&[])
    }
}

impl<'a> Kvs<'a> {
    pub(super) fn read(elements: Elements<'a>, again: Again<'a>) -> Self {
        Self { source: Source::Read(elements, again) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Given(updates) => updates.len(),
            Source::Read(elements, _) => elements.count,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, for who goes through them more than once.
    pub(super) fn all(&self) -> Cow<'a, [SerializedUpdate<'a>]> {
        match &self.source {
            Source::Given(updates) => Cow::Borrowed(updates),
            Source::Read(..) => Cow::Owned(self.iter().collect()),
        }
    }

    /// The updates; none of them fails. They borrow from the message's bytes, not from `self`.
    pub fn iter(&self) -> Iter<'a> {
        Iter { source: self.source.clone() }
    }
}

impl<'a> From<&'a [SerializedUpdate<'a>]> for Kvs<'a> {
    fn from(updates: &'a [SerializedUpdate<'a>]) -> Self {
        Self { source: Source::Given(updates) }
    }
}

impl<'a> IntoIterator for &Kvs<'a> {
    type Item = SerializedUpdate<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
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

/// Goes through the updates of a [`Kvs`].
#[derive(Clone)]
pub struct Iter<'a> {
    source: Source<'a>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = SerializedUpdate<'a>;

    #[inline]
    fn next(&mut self) -> Option<SerializedUpdate<'a>> {
        match &mut self.source {
            Source::Given(updates) => {
                let (first, rest) = updates.split_first()?;
                *updates = rest;
                Some(first.clone())
            }
            Source::Read(elements, again) => {
                elements.count = elements.count.checked_sub(1)?;
                update(&mut elements.cursor, &elements.plan, again, elements.depth).ok()
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = match &self.source {
            Source::Given(updates) => updates.len(),
            Source::Read(elements, _) => elements.count,
        };
        (len, Some(len))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Iter({})", self.len())
    }
}
