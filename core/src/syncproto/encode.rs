//! Messages as our streams carry them: every type is defined before the first value, with ids that never change, so
//! the bytes of a message depend on nothing that was sent before and can be shared by all connections.

use super::{Revision, SerializedUpdate};
use crate::wire::gob::write;

/// Ids of the types in the order a stream of ours defines them.
mod id {
    pub(super) const ENVELOPE: i64 = 64;
    pub(super) const KVS: i64 = 65;
    pub(super) const STRING: i64 = 6;
}

const KVS: &[u8] = b"github.com/projectcalico/typha/pkg/syncproto.MsgKVs";
/// The end of a `MsgKVs` and of the `Envelope` around it.
const END: [u8; 2] = [0, 0];

/// Appends one element of a `MsgKVs`.
pub fn element(out: &mut Vec<u8>, update: &SerializedUpdate<'_>) {
    let mut fields = Fields { out, last: -1 };
    fields.bytes(0, update.key);
    fields.bytes(1, update.value.unwrap_or_default());
    fields.revision(2, &update.revision);
    fields.bytes(3, update.v3_resource_version);
    fields.int(4, update.ttl);
    fields.uint(5, update.update_type.0.into());
    out.push(0);
}

/// Appends what stands before `count` elements of `bytes` bytes together; [`kvs_end`] follows them.
pub fn kvs_start(out: &mut Vec<u8>, count: usize, bytes: usize) {
    let value = 1 + write::uint_len(count as u64) + bytes + 1;
    let mut head = Vec::with_capacity(80);
    write::int(&mut head, id::ENVELOPE);
    write::uint(&mut head, 1);
    write::bytes(&mut head, KVS);
    write::int(&mut head, id::KVS);
    write::uint(&mut head, value as u64);
    write::uint(out, (head.len() + value + 1) as u64);
    out.extend_from_slice(&head);
    write::uint(out, 1);
    write::uint(out, count as u64);
}

/// What stands after the elements of a `MsgKVs`.
pub const fn kvs_end() -> &'static [u8] {
    &END
}

/// The fields of a struct that are not zero, each led by its distance from the one before.
struct Fields<'a> {
    out: &'a mut Vec<u8>,
    last: i64,
}

impl Fields<'_> {
    fn start(&mut self, number: i64) {
        write::uint(self.out, (number - self.last) as u64);
        self.last = number;
    }

    fn bytes(&mut self, number: i64, value: &[u8]) {
        if !value.is_empty() {
            self.start(number);
            write::bytes(self.out, value);
        }
    }

    fn int(&mut self, number: i64, value: i64) {
        if value != 0 {
            self.start(number);
            write::int(self.out, value);
        }
    }

    fn uint(&mut self, number: i64, value: u64) {
        if value != 0 {
            self.start(number);
            write::uint(self.out, value);
        }
    }

    fn revision(&mut self, number: i64, revision: &Revision<'_>) {
        let Revision::Text(text) = revision else { return };
        self.start(number);
        write::bytes(self.out, b"string");
        write::int(self.out, id::STRING);
        write::uint(self.out, (1 + write::uint_len(text.len() as u64) + text.len()) as u64);
        self.out.push(0);
        write::bytes(self.out, text);
    }
}
