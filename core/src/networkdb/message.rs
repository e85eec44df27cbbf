//! The messages of `NetworkDB`, borrowed from the bytes they came in. Source: `networkdb.proto`.
//!
//! Each is written in the order of its field numbers, zero values left out, as every peer does.

use crate::wire::protobuf::{
    Malformed, Reader, block_len, bytes_len, int32_len, put_block, put_bool, put_bytes, put_head, put_int32,
    put_uint, uint_len, varint_len,
};

/// What an envelope holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A node joins or leaves a network.
    NetworkEvent = 1,
    /// An entry of a table changed.
    TableEvent = 2,
    /// Who is in which network, as one node knows it.
    PushPull = 3,
    /// The entries of some networks.
    BulkSync = 4,
    /// Several messages.
    Compound = 5,
    /// A node joins or leaves the cluster.
    NodeEvent = 6,
}

impl Kind {
    /// From its number on the wire.
    pub fn from_wire(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::NetworkEvent,
            2 => Self::TableEvent,
            3 => Self::PushPull,
            4 => Self::BulkSync,
            5 => Self::Compound,
            6 => Self::NodeEvent,
            _ => return None,
        })
    }
}

/// JOIN or LEAVE, on the wire.
pub const JOIN: i32 = 1;
/// See [`JOIN`].
pub const LEAVE: i32 = 2;
/// An entry is new, on the wire.
pub const CREATE: i32 = 1;
/// An entry has a new value.
pub const UPDATE: i32 = 2;
/// An entry is a tombstone.
pub const DELETE: i32 = 3;

/// What has fields in a fixed order.
pub trait Encode {
    /// Appends the message.
    fn encode(&self, out: &mut Vec<u8>);

    /// The message alone.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

/// Reads all fields of `bytes` into `$message`; unknown ones are passed over.
macro_rules! fields {
    ($bytes:expr, $message:ident { $($number:literal => $($field:ident).+ = $read:ident),* $(,)? }) => {{
        let mut reader = Reader::new($bytes);
        while let Some(tag) = reader.tag()? {
            match tag.number {
                $($number => $message.$($field).+ = reader.$read(tag)?,)*
                _ => reader.skip(tag)?,
            }
        }
    }};
}

/// The envelope of every message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gossip<'a> {
    /// The number of a [`Kind`], or anything else.
    pub kind: i32,
    /// The message.
    pub data: &'a [u8],
}

impl<'a> Gossip<'a> {
    /// Reads an envelope.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut message = Self::default();
        fields!(bytes, message { 1 => kind = int32, 2 => data = bytes });
        Ok(message)
    }
}

impl Encode for Gossip<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_int32(out, 1, self.kind);
        put_bytes(out, 2, self.data);
    }
}

/// Bytes of an envelope beyond the field of its message.
const ENVELOPE: usize = 2;

/// `data` in an envelope.
pub fn wrap(kind: Kind, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + data.len());
    Gossip { kind: kind as i32, data }.encode(&mut out);
    out
}

/// A node joins or leaves the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeEvent<'a> {
    /// [`JOIN`], [`LEAVE`] or anything else.
    pub kind: i32,
    /// Time of the network clock.
    pub time: u64,
    /// The node.
    pub node: &'a [u8],
}

impl<'a> NodeEvent<'a> {
    /// Reads a node event.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut message = Self::default();
        fields!(bytes, message { 1 => kind = int32, 2 => time = uint, 3 => node = bytes });
        Ok(message)
    }
}

impl Encode for NodeEvent<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_int32(out, 1, self.kind);
        put_uint(out, 2, self.time);
        put_bytes(out, 3, self.node);
    }
}

/// A node joins or leaves a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkEvent<'a> {
    /// [`JOIN`], [`LEAVE`] or anything else.
    pub kind: i32,
    /// Time of the network clock.
    pub time: u64,
    /// The node.
    pub node: &'a [u8],
    /// The network.
    pub network: &'a [u8],
}

impl<'a> NetworkEvent<'a> {
    /// Reads a network event.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut message = Self::default();
        fields!(bytes, message { 1 => kind = int32, 2 => time = uint, 3 => node = bytes, 4 => network = bytes });
        Ok(message)
    }
}

impl Encode for NetworkEvent<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_int32(out, 1, self.kind);
        put_uint(out, 2, self.time);
        put_bytes(out, 3, self.node);
        put_bytes(out, 4, self.network);
    }
}

/// An entry of a table changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableEvent<'a> {
    /// [`CREATE`], [`UPDATE`], [`DELETE`] or anything else.
    pub kind: i32,
    /// Time of the table clock.
    pub time: u64,
    /// The owner of the entry, not the relay.
    pub node: &'a [u8],
    /// The network.
    pub network: &'a [u8],
    /// The table.
    pub table: &'a [u8],
    /// The key.
    pub key: &'a [u8],
    /// The value; of a delete the last one.
    pub value: &'a [u8],
    /// Seconds until a tombstone is forgotten.
    pub residual: i32,
}

impl<'a> TableEvent<'a> {
    /// Reads a table event.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut message = Self::default();
        fields!(bytes, message {
            1 => kind = int32, 2 => time = uint, 3 => node = bytes, 4 => network = bytes,
            5 => table = bytes, 6 => key = bytes, 7 => value = bytes, 8 => residual = int32,
        });
        Ok(message)
    }

    /// The event in its envelope.
    pub fn wrapped(&self) -> Vec<u8> {
        let len = self.len();
        let mut out = Vec::with_capacity(ENVELOPE + block_len(len));
        self.put_wrapped(len, &mut out);
        out
    }

    /// Appends the event, in its envelope, to a compound.
    pub fn put_part(&self, out: &mut Vec<u8>) {
        let len = self.len();
        let wrapped = ENVELOPE + block_len(len);
        put_head(out, 1, block_len(wrapped));
        put_head(out, 1, wrapped);
        self.put_wrapped(len, out);
    }

    /// Bytes [`TableEvent::put_part`] appends.
    pub fn part_len(&self) -> usize {
        block_len(block_len(ENVELOPE + block_len(self.len())))
    }

    /// Bytes of the event alone.
    fn len(&self) -> usize {
        let strings = [self.node, self.network, self.table, self.key, self.value];
        let strings: usize = strings.into_iter().map(bytes_len).sum();
        int32_len(self.kind) + uint_len(self.time) + strings + int32_len(self.residual)
    }

    fn put_wrapped(&self, len: usize, out: &mut Vec<u8>) {
        put_int32(out, 1, Kind::TableEvent as i32);
        put_head(out, 2, len);
        self.encode(out);
    }

    /// Bytes it takes at most, its envelope included.
    pub fn max_len(&self) -> usize {
        let strings = [self.node, self.network, self.table, self.key, self.value];
        48 + strings.iter().map(|bytes| block_len(bytes.len())).sum::<usize>()
    }
}

impl Encode for TableEvent<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_int32(out, 1, self.kind);
        put_uint(out, 2, self.time);
        put_bytes(out, 3, self.node);
        put_bytes(out, 4, self.network);
        put_bytes(out, 5, self.table);
        put_bytes(out, 6, self.key);
        put_bytes(out, 7, self.value);
        put_int32(out, 8, self.residual);
    }
}

/// One attachment in a push/pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkEntry<'a> {
    /// The network.
    pub network: &'a [u8],
    /// Time of the network clock.
    pub time: u64,
    /// The node.
    pub node: &'a [u8],
    /// Whether the node has left the network.
    pub leaving: bool,
}

impl<'a> NetworkEntry<'a> {
    /// Reads an attachment.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut message = Self::default();
        fields!(bytes, message { 1 => network = bytes, 2 => time = uint, 3 => node = bytes, 4 => leaving = bool });
        Ok(message)
    }
}

impl Encode for NetworkEntry<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, 1, self.network);
        put_uint(out, 2, self.time);
        put_bytes(out, 3, self.node);
        put_bool(out, 4, self.leaving);
    }
}

/// The elements of a repeated field of a message already read once, so known to be well-formed.
#[derive(Clone, Debug, Default)]
pub struct Repeated<'a> {
    bytes: &'a [u8],
    number: i32,
}

impl<'a> Repeated<'a> {
    /// The elements, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (mut reader, wanted) = (Reader::new(self.bytes), self.number);
        std::iter::from_fn(move || {
            loop {
                let tag = reader.tag().ok()??;
                if tag.number == wanted {
                    return reader.bytes(tag).ok();
                }
                reader.skip(tag).ok()?;
            }
        })
    }
}

/// Who is in which network, as one node knows it.
#[derive(Clone, Debug, Default)]
pub struct PushPull<'a> {
    /// The network clock.
    pub time: u64,
    /// The node that tells.
    pub node: &'a [u8],
    /// The attachments, each a [`NetworkEntry`] that can be read.
    pub networks: Repeated<'a>,
}

impl<'a> PushPull<'a> {
    /// Reads a push/pull and checks all its attachments.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut message = Self { networks: Repeated { bytes, number: 2 }, ..Self::default() };
        let mut reader = Reader::new(bytes);
        while let Some(tag) = reader.tag()? {
            match tag.number {
                1 => message.time = reader.uint(tag)?,
                2 => drop(NetworkEntry::decode(reader.bytes(tag)?)?),
                3 => message.node = reader.bytes(tag)?,
                _ => reader.skip(tag)?,
            }
        }
        Ok(message)
    }

    /// The attachments.
    pub fn entries(&self) -> impl Iterator<Item = NetworkEntry<'a>> + use<'a> {
        self.networks.iter().filter_map(|bytes| NetworkEntry::decode(bytes).ok())
    }

    /// Writes a push/pull of `entries`.
    pub fn write<'b>(time: u64, node: &[u8], entries: impl Iterator<Item = NetworkEntry<'b>>) -> Vec<u8> {
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        put_uint(&mut out, 1, time);
        for entry in entries {
            scratch.clear();
            entry.encode(&mut scratch);
            put_block(&mut out, 2, &scratch);
        }
        put_bytes(&mut out, 3, node);
        out
    }
}

/// The entries of some networks.
#[derive(Clone, Debug, Default)]
pub struct BulkSync<'a> {
    /// The table clock.
    pub time: u64,
    /// Whether an answer is asked for; an answer says no.
    pub unsolicited: bool,
    /// The sender.
    pub node: &'a [u8],
    /// The names of the networks.
    pub networks: Repeated<'a>,
    /// A whole message: a [`Kind::Compound`].
    pub payload: &'a [u8],
}

impl<'a> BulkSync<'a> {
    /// Reads a bulk sync.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut message = Self { networks: Repeated { bytes, number: 4 }, ..Self::default() };
        let mut reader = Reader::new(bytes);
        while let Some(tag) = reader.tag()? {
            match tag.number {
                1 => message.time = reader.uint(tag)?,
                2 => message.unsolicited = reader.bool(tag)?,
                3 => message.node = reader.bytes(tag)?,
                4 => drop(reader.bytes(tag)?),
                5 => message.payload = reader.bytes(tag)?,
                _ => reader.skip(tag)?,
            }
        }
        Ok(message)
    }

    /// Writes a bulk sync of `networks`, whose payload this is; `networks` of `self` is not looked at.
    pub fn write<'b>(&self, networks: impl Iterator<Item = &'b [u8]>) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.payload.len() + 256);
        put_uint(&mut out, 1, self.time);
        put_bool(&mut out, 2, self.unsolicited);
        put_bytes(&mut out, 3, self.node);
        networks.for_each(|network| put_block(&mut out, 4, network));
        put_bytes(&mut out, 5, self.payload);
        out
    }
}

/// Several messages: reads the parts of a compound, each a whole message.
pub fn parts(bytes: &[u8]) -> Result<impl Iterator<Item = &[u8]>, Malformed> {
    let mut reader = Reader::new(bytes);
    while let Some(tag) = reader.tag()? {
        match tag.number {
            1 => drop(part(reader.bytes(tag)?)?),
            _ => reader.skip(tag)?,
        }
    }
    Ok(Repeated { bytes, number: 1 }.iter().filter_map(|simple| part(simple).ok()))
}

fn part(simple: &[u8]) -> Result<&[u8], Malformed> {
    let mut payload: &[u8] = &[];
    let mut reader = Reader::new(simple);
    while let Some(tag) = reader.tag()? {
        match tag.number {
            1 => payload = reader.bytes(tag)?,
            _ => reader.skip(tag)?,
        }
    }
    Ok(payload)
}

/// Appends a part to a compound.
pub fn put_part(out: &mut Vec<u8>, payload: &[u8]) {
    if payload.is_empty() {
        put_block(out, 1, &[]);
        return;
    }
    put_head(out, 1, block_len(payload.len()));
    put_block(out, 1, payload);
}

/// A compound of these parts, in its envelope.
pub fn compound(parts: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let len = parts.iter().map(|part| part.as_ref().len() + part_overhead(part.as_ref().len())).sum();
    let mut out = Vec::with_capacity(len);
    for part in parts {
        put_part(&mut out, part.as_ref());
    }
    wrap(Kind::Compound, &out)
}

/// What a part of `len` bytes costs in a compound beyond its own.
pub fn part_overhead(len: usize) -> usize {
    let simple = block_len(len);
    1 + varint_len(simple as u64) + simple - len
}

/// The bytes of a compound in its envelope beyond its parts, at most.
pub const COMPOUND_OVERHEAD: usize = 2 + 1 + 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Gossip::decode(&bytes);
            let _ = NodeEvent::decode(&bytes);
            let _ = NetworkEvent::decode(&bytes);
            let _ = TableEvent::decode(&bytes);
            let _ = PushPull::decode(&bytes).map(|message| message.entries().count());
            let _ = BulkSync::decode(&bytes).map(|message| message.networks.iter().count());
            let _ = parts(&bytes).map(Iterator::count);
        }

        #[test]
        fn a_table_event_comes_back(kind: i32, time: u64, node: Vec<u8>, key: Vec<u8>, value: Vec<u8>, residual: i32) {
            let event = TableEvent { kind, time, node: &node, network: b"n", table: b"t", key: &key, value: &value, residual };
            let bytes = event.to_bytes();
            prop_assert!(event.wrapped().len() <= event.max_len());
            prop_assert_eq!(event.wrapped(), wrap(Kind::TableEvent, &bytes));
            let (mut direct, mut built) = (Vec::new(), Vec::new());
            event.put_part(&mut direct);
            put_part(&mut built, &event.wrapped());
            prop_assert_eq!(direct.len(), event.part_len());
            prop_assert_eq!(direct, built);
            prop_assert_eq!(TableEvent::decode(&bytes), Ok(event));
        }

        #[test]
        fn parts_come_back_and_cost_what_is_said(payloads: Vec<Vec<u8>>) {
            let mut out = Vec::new();
            for payload in &payloads {
                let before = out.len();
                put_part(&mut out, payload);
                prop_assert!(out.len() - before <= payload.len() + part_overhead(payload.len()));
            }
            let read: Vec<&[u8]> = parts(&out).unwrap_or_else(|_| unreachable!()).collect();
            prop_assert_eq!(read, payloads.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    }
}
