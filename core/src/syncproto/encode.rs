//! Messages as our streams carry them: every type is defined before the first value, with ids that never change, so
//! the bytes of a message depend on nothing that was sent before and can be shared by all connections.

use std::hint::black_box;

use super::{
    ClientHello, Message, Revision, SerializedUpdate, ServerHello,
    schema::{DEFINITIONS, PACKAGE, Struct},
};
use crate::wire::gob::{
    types::id as basic,
    write::{self, Struct as Fields},
};

/// The end of a `MsgKVs` and of the `Envelope` around it.
const END: [u8; 2] = [0, 0];
/// The most bytes that stand before the elements of a `MsgKVs`.
const MAX_HEAD: usize = 96;
/// What a processor fetches from memory at once.
const LINE: usize = 64;
/// Bytes of a value from which on it is worth it.
const FETCH_FROM: usize = 4 * LINE;
/// Bytes of a value that are fetched ahead; of a longer one the processor guesses the rest.
const FETCHED: usize = 4 << 10;

/// What every stream of ours opens with, also after a [`Message::DecoderRestart`].
pub fn definitions() -> &'static [u8] {
    &DEFINITIONS
}

/// Appends a message, for a stream that began with [`definitions`].
pub fn message(out: &mut Vec<u8>, message: &Message<'_>) {
    if let Message::Kvs(updates) = message
        && !updates.is_empty()
    {
        return kvs(out, &updates.all());
    }
    let Some(of) = message.structure() else { return write::bytes(out, &[0xff, 0x80, 0]) };
    let mut value = Vec::with_capacity(64);
    let mut fields = Fields::new(&mut value);
    match message {
        Message::ClientHello(hello) => client_hello(&mut fields, hello),
        Message::ServerHello(hello) => server_hello(&mut fields, hello),
        Message::DecoderRestart(restart) => {
            texts(&mut fields, &[restart.message, restart.compression_algorithm]);
        }
        Message::SyncStatus(status) => fields.uint(0, status.0.into()),
        Message::Ping(timestamp) => texts(&mut fields, &[timestamp.as_bytes()]),
        Message::Pong(pong) => {
            texts(&mut fields, &[pong.ping_timestamp.as_bytes(), pong.pong_timestamp.as_bytes()]);
        }
        Message::Kvs(_) | Message::Ack | Message::Nil => {}
    }
    fields.end();
    envelope(out, of, &value);
}

/// Appends one element of a `MsgKVs`.
#[inline]
pub fn element(out: &mut Vec<u8>, update: &SerializedUpdate<'_>) {
    let mut fields = Fields::new(out);
    fields.bytes(0, update.key);
    fields.bytes(1, update.value.unwrap_or_default());
    revision(&mut fields, 2, &update.revision);
    fields.bytes(3, update.v3_resource_version);
    fields.int(4, update.ttl);
    fields.uint(5, update.update_type.0.into());
    fields.end();
}

/// How many bytes [`element`] appends. Reckoned without a look at them: a message begins with its length.
fn element_len(update: &SerializedUpdate<'_>) -> usize {
    let field = |len| if len == 0 { 0 } else { 1 + write::bytes_len(len) };
    let number = |value| if value == 0 { 0 } else { 1 + write::uint_len(value) };
    let revision = match &update.revision {
        Revision::Nil => 0,
        Revision::Text(text) => revision_len(text.len()),
        Revision::Other(other) => revision_len(other.text().len()),
    };
    field(update.key.len())
        + field(update.value.unwrap_or_default().len())
        + revision
        + field(update.v3_resource_version.len())
        + number(write::zigzag(update.ttl))
        + number(update.update_type.0.into())
        + 1
}

/// A string in an interface: its field, the name and number of its type, its length, a zero and the string.
fn revision_len(text: usize) -> usize {
    let value = 1 + write::bytes_len(text);
    1 + write::bytes_len("string".len()) + 1 + write::uint_len(value as u64) + value
}

/// Appends what stands before `count` elements of `bytes` bytes together, at least one; [`kvs_end`] follows them.
pub fn kvs_start(out: &mut Vec<u8>, count: usize, bytes: usize) {
    let value = 1 + write::uint_len(count as u64) + bytes + 1;
    let mut head = Vec::with_capacity(80);
    envelope_head(&mut head, Struct::Kvs, value);
    write::uint(out, (head.len() + value + 1) as u64);
    out.extend_from_slice(&head);
    write::uint(out, 1);
    write::uint(out, count as u64);
}

/// What stands after the elements of a `MsgKVs`.
pub const fn kvs_end() -> &'static [u8] {
    &END
}

/// A `MsgKVs` of at least one element.
fn kvs(out: &mut Vec<u8>, updates: &[SerializedUpdate<'_>]) {
    let (mut bytes, mut seen) = (0, 0);
    for update in updates {
        bytes += element_len(update);
        seen |= update.value.filter(|value| value.len() >= FETCH_FROM).map_or(0, fetch);
    }
    black_box(seen);
    out.reserve(MAX_HEAD + bytes);
    kvs_start(out, updates.len(), bytes);
    for update in updates {
        element(out, update);
    }
    out.extend_from_slice(kvs_end());
}

/// Reads a byte of each line of a value, so that the processor has them all on their way before the first is copied: copying
/// waits for one value after the other, and takes twice as long when they come from memory.
#[inline(never)]
fn fetch(value: &[u8]) -> u8 {
    let begin = value.get(..FETCHED).unwrap_or(value);
    begin.iter().step_by(LINE).fold(0, |seen, byte| seen | byte)
}

/// An `Envelope` around a message, the fields of which are `value`.
fn envelope(out: &mut Vec<u8>, of: Struct, value: &[u8]) {
    let mut head = Vec::with_capacity(80);
    envelope_head(&mut head, of, value.len());
    write::uint(out, (head.len() + value.len() + 1) as u64);
    out.extend_from_slice(&head);
    out.extend_from_slice(value);
    out.push(0);
}

/// What of an `Envelope` stands before a message of `len` bytes.
fn envelope_head(out: &mut Vec<u8>, of: Struct, len: usize) {
    let name = of.name();
    write::int(out, Struct::Envelope.id().into());
    write::uint(out, 1);
    write::uint(out, (PACKAGE.len() + name.len()) as u64);
    out.extend_from_slice(PACKAGE.as_bytes());
    out.extend_from_slice(name.as_bytes());
    write::int(out, of.id().into());
    write::uint(out, len as u64);
}

fn client_hello(fields: &mut Fields<'_>, hello: &ClientHello<'_>) {
    texts(fields, &[hello.hostname, hello.info, hello.version, hello.syncer_type]);
    fields.uint(4, hello.supports_decoder_restart.into());
    if !hello.compression_algorithms.is_empty() {
        fields.field(5);
        write::uint(fields.out(), hello.compression_algorithms.len() as u64);
        hello.compression_algorithms.iter().for_each(|name| write::bytes(fields.out(), name));
    }
    fields.uint(6, hello.supports_modern_policy_keys.into());
    fields.uint(7, hello.client_conn_id);
}

fn server_hello(fields: &mut Fields<'_>, hello: &ServerHello<'_>) {
    texts(fields, &[hello.version, hello.syncer_type]);
    fields.uint(2, hello.supports_node_resource_updates.into());
    fields.uint(3, hello.server_conn_id);
}

/// The first fields of a message, each a string or byte slice.
fn texts(fields: &mut Fields<'_>, texts: &[&[u8]]) {
    (0..).zip(texts).for_each(|(number, text)| fields.bytes(number, text));
}

#[inline]
fn revision(fields: &mut Fields<'_>, number: i64, revision: &Revision<'_>) {
    match revision {
        Revision::Nil => {}
        Revision::Text(text) => revision_text(fields, number, text),
        Revision::Other(other) => revision_text(fields, number, &other.text()),
    }
}

#[inline]
fn revision_text(fields: &mut Fields<'_>, number: i64, text: &[u8]) {
    fields.field(number);
    let out = fields.out();
    write::bytes(out, b"string");
    write::int(out, basic::STRING.into());
    write::uint(out, (1 + write::uint_len(text.len() as u64) + text.len()) as u64);
    out.push(0);
    write::bytes(out, text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::syncproto::UpdateType;

    proptest! {
        #[test]
        fn the_length_of_an_element_is_known_before(
            (key, value, version) in (0..300_usize, 0..70_000_usize, 0..3_usize),
            revision in prop_oneof![Just(None), (0..300_usize).prop_map(Some)],
            (ttl, update_type) in (any::<i64>(), 0..=255_u8),
            small in any::<bool>(),
        ) {
            let bytes = vec![b'x'; 70_000];
            let update = SerializedUpdate {
                key: &bytes[..key],
                value: Some(&bytes[..value]),
                revision: revision.map_or(Revision::Nil, |len| Revision::Text(&bytes[..len])),
                v3_resource_version: &bytes[..version],
                ttl: if small { ttl % 100 } else { ttl },
                update_type: UpdateType(update_type),
            };
            let mut out = Vec::new();
            element(&mut out, &update);
            prop_assert_eq!(element_len(&update), out.len());
        }
    }

    #[test]
    fn a_nil_envelope_is_a_struct_without_fields() {
        let mut out = Vec::new();
        message(&mut out, &Message::Nil);
        assert_eq!(hex::encode(out), "03ff8000");
    }
}
