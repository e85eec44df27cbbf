//! What is read again of a body: one element of a `MsgKVs` as [`encode::element`](crate::syncproto::encode::element)
//! wrote it. Bodies are ours, so nothing in them is wrong; what cannot be is read as empty.

use crate::{
    syncproto::{UpdateType, schema::Struct},
    wire::gob::{Cursor, Fault},
};

/// Fields of an update.
const FIELDS: usize = Struct::Update.fields().len();

/// The fields that the cache and conflation look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Body<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    /// As encoded.
    pub(crate) ttl: u64,
    pub(crate) update_type: UpdateType,
}

impl<'a> Body<'a> {
    /// Takes a body off the front.
    pub(crate) fn take(bytes: &mut &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::of(bytes);
        let body = Self::take_fields(&mut cursor).ok()?;
        *bytes = cursor.rest();
        Some(body)
    }

    fn take_fields(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let (mut body, mut last) = (Self::default(), -1);
        cursor.element()?;
        while let Some(field) = cursor.field(&mut last, FIELDS)? {
            match field {
                0 => body.key = cursor.block()?,
                1 => body.value = cursor.block()?,
                2 => skip_interface(cursor)?,
                3 => drop(cursor.block()?),
                4 => body.ttl = cursor.uint()?,
                _ => body.update_type = UpdateType(cursor.uint8()?),
            }
        }
        Ok(body)
    }

    /// Reads one body.
    pub(crate) fn read(mut bytes: &'a [u8]) -> Self {
        Self::take(&mut bytes).unwrap_or_default()
    }

    /// Whether a client that has `previous`, whose type is [`UpdateType::NEW`] as in every snapshot, learns nothing
    /// from this: `WouldBeNoOp` of `pkg/syncproto`.
    pub(crate) fn would_be_no_op(&self, previous: &Self) -> bool {
        self.update_type == UpdateType::UPDATED && self.value == previous.value && self.ttl == previous.ttl
    }
}

/// The key of a body: the first field, left out if empty.
pub(crate) fn key(body: &[u8]) -> &[u8] {
    let mut cursor = Cursor::of(body);
    match cursor.uint() {
        Ok(1) => cursor.block().unwrap_or_default(),
        _ => &[],
    }
}

/// A nil one is left out; else a string: the name and number of its type, and the length of what remains.
fn skip_interface(cursor: &mut Cursor<'_>) -> Result<(), Fault> {
    cursor.block()?;
    cursor.uint()?;
    cursor.block().map(drop)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::syncproto::{Revision, SerializedUpdate, encode, would_be_no_op};

    proptest! {
        /// The snapshot keeps every update as new, so that is what the one before was.
        #[test]
        fn what_changes_nothing_is_what_upstreams_rule_says(
            values in (0..3_usize, 0..3_usize),
            ttls in (0..2_i64, 0..2_i64),
            revisions in (0..2_usize, 0..2_usize),
            update_type in 0..5_u8,
        ) {
            let update = |value: usize, ttl, revision: usize, update_type| SerializedUpdate {
                key: b"/key",
                value: Some(&b"vv"[..value]),
                revision: Revision::Text(&b"r"[..revision]),
                v3_resource_version: &b"v"[..revision],
                ttl,
                update_type,
            };
            let next = update(values.0, ttls.0, revisions.0, UpdateType(update_type));
            let previous = update(values.1, ttls.1, revisions.1, UpdateType::NEW);
            let (next_body, previous_body) = (encoded(&next), encoded(&previous));
            prop_assert_eq!(
                Body::read(&next_body).would_be_no_op(&Body::read(&previous_body)),
                would_be_no_op(&next, &previous)
            );
        }
    }

    fn encoded(update: &SerializedUpdate<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        encode::element(&mut out, update);
        out
    }

    #[test]
    fn a_body_is_read_as_it_was_written() {
        let value = vec![7; 300];
        let full = SerializedUpdate {
            key: b"/calico/v1/Ready",
            value: Some(&value),
            revision: Revision::Text(b"1234"),
            v3_resource_version: b"99",
            ttl: 5_000_000_000,
            update_type: UpdateType::UPDATED,
        };
        let only_type = SerializedUpdate { update_type: UpdateType(200), ..SerializedUpdate::default() };
        let (full, only_type) = (encoded(&full), encoded(&only_type));
        let both = [&full[..], &only_type[..], &[9]].concat();
        let mut rest = &both[..];
        let body = Body::take(&mut rest).unwrap();
        assert_eq!((body.key, body.value), (&b"/calico/v1/Ready"[..], &value[..]));
        assert_eq!((body.ttl, body.update_type), (10_000_000_000, UpdateType::UPDATED));
        assert_eq!(key(&full), body.key);
        let body = Body::take(&mut rest).unwrap();
        assert_eq!((body.key, body.update_type), (&b""[..], UpdateType(200)));
        assert_eq!((key(&only_type), rest), (&b""[..], &[9][..]));
    }
}
