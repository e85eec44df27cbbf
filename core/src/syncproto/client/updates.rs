//! Updates that own their bytes.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::super::{Revision, SerializedUpdate, UpdateType};

/// The updates of one message that mean something to the user, in order. Cheap to clone; the bytes are shared.
///
/// They are copied out of the message once, close together: what was left out, and what gob says about types and
/// fields, is not kept alive by them.
#[derive(Clone, Default)]
pub struct Updates {
    bytes: Bytes,
    entries: Arc<[Entry]>,
}

/// Bytes an [`Entry`] takes, and no less.
const ENTRY: usize = 48;

/// One update: its parts lie one behind the other.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    key: u32,
    revision: Option<u32>,
    v3_resource_version: u32,
    value: u32,
    ttl: i64,
    update_type: UpdateType,
}

impl Updates {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The update at `index`. A revision that did not arrive as text is the text Go's client makes of it.
    pub fn get(&self, index: usize) -> Option<SerializedUpdate<'_>> {
        self.entries.get(index).map(|entry| entry.view(&self.bytes))
    }

    /// The updates in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = SerializedUpdate<'_>> {
        self.entries.iter().map(|entry| entry.view(&self.bytes))
    }

    /// The value at `index`, shared instead of borrowed; `None` for a deletion.
    pub fn value(&self, index: usize) -> Option<Bytes> {
        let entry = self.entries.get(index)?;
        let start = entry.value_start();
        let range = start..start + entry.value as usize;
        (entry.value > 0 && range.end <= self.bytes.len()).then(|| self.bytes.slice(range))
    }

    /// Bytes of memory they take, the same on every platform.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.len() * ENTRY
    }
}

impl fmt::Debug for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for Updates {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Entry {
    fn value_start(&self) -> usize {
        let before = [self.start, self.key, self.revision.unwrap_or_default(), self.v3_resource_version];
        before.iter().map(|&part| part as usize).sum()
    }

    fn view<'a>(&self, bytes: &'a [u8]) -> SerializedUpdate<'a> {
        let mut rest = bytes.get(self.start as usize..).unwrap_or_default();
        let mut part = |len: u32| {
            let (part, after) = rest.split_at_checked(len as usize).unwrap_or_default();
            rest = after;
            part
        };
        SerializedUpdate {
            key: part(self.key),
            revision: self.revision.map_or(Revision::Nil, |len| Revision::Text(part(len))),
            v3_resource_version: part(self.v3_resource_version),
            value: Some(part(self.value)).filter(|value| !value.is_empty()),
            ttl: self.ttl,
            update_type: self.update_type,
        }
    }
}

/// Gathers updates. Their bytes must stay under 4 GiB.
#[derive(Default)]
pub(super) struct Builder {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

impl Builder {
    pub(super) fn push(&mut self, update: &SerializedUpdate<'_>, update_type: UpdateType) {
        let start = self.bytes.len() as u32;
        let key = self.part(update.key);
        let revision = match &update.revision {
            Revision::Nil => None,
            other => Some(self.part(&other.text())),
        };
        let v3_resource_version = self.part(update.v3_resource_version);
        let value = self.part(update.value.unwrap_or_default());
        let ttl = update.ttl;
        self.entries.push(Entry { start, key, revision, v3_resource_version, value, ttl, update_type });
    }

    fn part(&mut self, bytes: &[u8]) -> u32 {
        self.bytes.extend_from_slice(bytes);
        bytes.len() as u32
    }

    /// Bytes gathered.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What was gathered; `None` if nothing was.
    pub(super) fn finish(mut self) -> Option<Updates> {
        if self.entries.is_empty() {
            return None;
        }
        self.bytes.shrink_to_fit();
        Some(Updates { bytes: self.bytes.into(), entries: self.entries.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_come_back_as_they_were_put_in() {
        let all = [
            SerializedUpdate {
                key: b"/a",
                value: Some(b"value"),
                revision: Revision::Text(b"7"),
                v3_resource_version: b"8",
                ttl: -1,
                update_type: UpdateType::NEW,
            },
            SerializedUpdate { key: b"", revision: Revision::Text(b""), ..SerializedUpdate::default() },
            SerializedUpdate { key: b"/b", value: Some(b"other"), ..SerializedUpdate::default() },
        ];
        let mut builder = Builder::default();
        for update in &all {
            builder.push(update, update.update_type);
        }
        let updates = builder.finish().unwrap();
        assert_eq!(updates.iter().collect::<Vec<_>>(), all);
        assert_eq!(updates.value(0).unwrap(), "value");
        assert_eq!(updates.value(1), None);
        assert_eq!(updates.value(2).unwrap(), "other");
        assert_eq!((updates.get(3), updates.value(3)), (None, None));
    }

    #[test]
    fn nothing_gathered_is_no_batch() {
        assert!(Builder::default().finish().is_none());
    }
}
