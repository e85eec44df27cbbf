//! Packets: the layers around messages. Source: `hashicorp/memberlist` `net.go`, `label.go`, `util.go`.
//!
//! From the outside in, each optional but the last:
//! `label` > `encrypt` > `crc` > `compress` > (`compound` of messages, or one message).

use std::fmt;

use bytes::Bytes;

use super::{
    Config, Keyring, SealError,
    keyring::seal_overhead,
    message::{Compress, MessageType},
};
use crate::{
    machine::Rng,
    wire::{
        DecodeError, Reader,
        lzw::{self, LzwError},
    },
};

/// The first byte of a label header.
pub const LABEL: u8 = 244;

/// Layers of compress and compound that one packet may have.
pub const MAX_DEPTH: u32 = 8;

/// Bytes that one packet may become by decompression, all its layers together.
pub const MAX_EXPANDED: usize = 1 << 20;

/// Messages in one compound: their number is one byte.
pub const MAX_PARTS: usize = 255;

/// What each message in a compound costs beside its own bytes.
pub const PART_OVERHEAD: usize = 2;

/// What a user message costs more: its type byte.
pub const USER_OVERHEAD: usize = 1;

/// Type byte and number of parts.
const COMPOUND_HEADER: usize = 2;

/// Type byte and checksum.
const CRC_HEADER: usize = 5;

/// The only algorithm of compress messages.
pub(super) const LZW: u8 = 0;

/// What protects packets and streams, and shrinks them.
#[derive(Clone, Debug)]
pub struct Security {
    /// Tag of the cluster, at most 255 bytes; empty for none.
    pub label: Bytes,
    /// The host takes labels off; a labelled packet is then refused.
    pub skip_inbound_label_check: bool,
    /// Encryption keys; without any, everything is plain.
    pub keyring: Keyring,
    /// Whether plain packets and streams are refused when there are keys.
    pub verify_incoming: bool,
    /// Whether what is sent is sealed when there are keys.
    pub verify_outgoing: bool,
    /// Whether what is sent may be compressed.
    pub compression: bool,
    /// How long messages on streams may be to be compressed, in bytes.
    pub compress_up_to: usize,
    /// Protocol version spoken; 1 seals the older way.
    pub protocol_version: u8,
}

impl From<&Config> for Security {
    fn from(config: &Config) -> Self {
        Self {
            label: config.label.clone(),
            skip_inbound_label_check: config.skip_inbound_label_check,
            keyring: config.keyring.clone(),
            verify_incoming: config.verify_incoming,
            verify_outgoing: config.verify_outgoing,
            compression: config.compression,
            compress_up_to: config.compress_up_to,
            protocol_version: config.protocol_version,
        }
    }
}

impl Security {
    /// Whether what is sent is sealed.
    pub fn seals(&self) -> bool {
        self.verify_outgoing && !self.keyring.is_empty()
    }

    /// The encryption version spoken.
    pub fn seal_version(&self) -> u8 {
        u8::from(self.protocol_version > 1)
    }

    /// Bytes of broadcasts that a gossip packet of at most `packet_size` bytes holds, where each one costs
    /// [`PART_OVERHEAD`] more. Keys count here even when nothing is sealed, as with the peer.
    pub fn gossip_budget(&self, packet_size: usize) -> usize {
        self.budget(packet_size, !self.keyring.is_empty())
    }

    /// The same for broadcasts that ride on a message of `message_len` bytes.
    pub fn piggyback_budget(&self, packet_size: usize, message_len: usize) -> usize {
        self.budget(packet_size, self.seals()).saturating_sub(message_len)
    }

    fn budget(&self, packet_size: usize, sealed: bool) -> usize {
        let label = if self.label.is_empty() { 0 } else { COMPOUND_HEADER + self.label.len() };
        let seal = if sealed { seal_overhead(self.seal_version()) } else { 0 };
        packet_size.saturating_sub(COMPOUND_HEADER + label + seal)
    }

    /// Takes the label header off, or says that it is not the right one.
    fn check_label<'a>(&self, datagram: &'a [u8]) -> Result<&'a [u8], PacketError> {
        let (found, rest) = split_label(datagram).map_err(|_| PacketError::Label)?;
        if self.is_label(found) { Ok(rest) } else { Err(PacketError::Label) }
    }

    /// Whether what arrives is to have this label.
    pub(super) fn is_label(&self, found: &[u8]) -> bool {
        let expected = if self.skip_inbound_label_check { &[] } else { &*self.label };
        // Two empty ones are not compared: they lie nowhere, and to look there costs AMD's processors 150 ns or more.
        if expected.is_empty() { found.is_empty() } else { found == expected }
    }

    /// `plain` in a seal, if this node seals.
    pub(super) fn seal(&self, plain: &[u8], aad: &[u8], rng: &mut Rng) -> Option<Vec<u8>> {
        if !self.seals() {
            return None;
        }
        let mut nonce = [0; 12];
        rng.fill(&mut nonce);
        self.keyring.seal(self.seal_version(), plain, aad, nonce)
    }

    /// The label header, or nothing.
    pub(super) fn label_header(&self) -> Vec<u8> {
        match u8::try_from(self.label.len()) {
            Ok(0) | Err(_) => Vec::new(),
            Ok(len) => [&[LABEL, len], &*self.label].concat(),
        }
    }
}

/// The label at the start of `bytes`, empty if there is none, and what follows it.
pub(super) fn split_label(bytes: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    if bytes.first() != Some(&LABEL) {
        return Ok((&[], bytes));
    }
    let mut reader = Reader::new(bytes.get(1..).unwrap_or_default());
    let len = reader.u8()?;
    if len == 0 {
        return Err(DecodeError::Malformed("empty label"));
    }
    Ok((reader.take(len.into())?, reader.rest()))
}

/// What was wrong with a packet or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketError {
    /// A label that is not ours, or malformed, or missing.
    Label,
    /// Not sealed by one of our keys.
    Seal(SealError),
    /// A wrong checksum.
    Crc,
    /// A compress message that is malformed, or of an unknown algorithm.
    Compress,
    /// Compressed bytes that are malformed.
    Lzw,
    /// More decompressed bytes than [`MAX_EXPANDED`].
    TooLong,
    /// More layers than [`MAX_DEPTH`].
    TooDeep,
    /// A compound that is cut off.
    Compound,
    /// No message where one should be.
    Empty,
    /// A type that is unknown, or no business of a packet.
    UnknownType(u8),
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label => f.write_str("wrong label"),
            Self::Seal(error) => error.fmt(f),
            Self::Crc => f.write_str("wrong checksum"),
            Self::Compress => f.write_str("malformed compress message"),
            Self::Lzw => f.write_str("malformed compressed bytes"),
            Self::TooLong => f.write_str("too many decompressed bytes"),
            Self::TooDeep => f.write_str("too many layers"),
            Self::Compound => f.write_str("cut-off compound"),
            Self::Empty => f.write_str("empty message"),
            Self::UnknownType(id) => write!(f, "unknown message type {id}"),
        }
    }
}

impl std::error::Error for PacketError {}

impl PacketError {
    /// The name under which it is counted.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Label => "packet: wrong label",
            Self::Seal(_) => "packet: no key opens it",
            Self::Crc => "packet: wrong checksum",
            Self::Compress | Self::Lzw => "packet: malformed compression",
            Self::TooLong => "packet: too many decompressed bytes",
            Self::TooDeep => "packet: too many layers",
            Self::Compound => "packet: cut-off compound",
            Self::Empty => "packet: empty",
            Self::UnknownType(_) => "packet: unknown type",
        }
    }
}

/// A message of a packet, its type byte taken off, or what was wrong with a part.
pub type Leaf<'a> = Result<(MessageType, &'a [u8]), PacketError>;

/// Takes a packet apart and shows `visit` each message in order, or what was wrong in its place. A bad part
/// drops only itself. Bodies are not decoded.
pub fn open(security: &Security, datagram: &[u8], visit: &mut dyn FnMut(Leaf<'_>)) {
    let result = security.check_label(datagram).and_then(|rest| {
        let opened = unseal(security, rest)?;
        let message = check_crc(opened.as_deref().unwrap_or(rest))?;
        Unpack { expandable: MAX_EXPANDED, visit }.message(message, 0);
        Ok(())
    });
    if let Err(error) = result {
        visit(Err(error));
    }
}

/// The opened bytes; `None` if they are taken as they are.
fn unseal(security: &Security, sealed: &[u8]) -> Result<Option<Vec<u8>>, PacketError> {
    if security.keyring.is_empty() {
        return Ok(None);
    }
    match security.keyring.open(sealed, &security.label) {
        Ok((plain, _)) => Ok(Some(plain)),
        Err(_) if !security.verify_incoming => Ok(None),
        Err(error) => Err(PacketError::Seal(error)),
    }
}

/// What a checksum covers, or all of it if there is none.
fn check_crc(bytes: &[u8]) -> Result<&[u8], PacketError> {
    let Some((header, covered)) = bytes.split_at_checked(CRC_HEADER) else { return Ok(bytes) };
    if header.first() != Some(&(MessageType::Crc as u8)) {
        return Ok(bytes);
    }
    let right = header.ends_with(&crc32fast::hash(covered).to_be_bytes());
    if right { Ok(covered) } else { Err(PacketError::Crc) }
}

/// What goes with a packet through all its layers.
struct Unpack<'v> {
    /// Bytes that may still come out of decompression.
    expandable: usize,
    visit: &'v mut dyn FnMut(Leaf<'_>),
}

impl Unpack<'_> {
    fn message(&mut self, message: &[u8], depth: u32) {
        if let Err(error) = self.try_message(message, depth) {
            (self.visit)(Err(error));
        }
    }

    fn try_message(&mut self, message: &[u8], depth: u32) -> Result<(), PacketError> {
        use MessageType as T;
        let (&id, body) = message.split_first().ok_or(PacketError::Empty)?;
        match T::try_from(id).map_err(PacketError::UnknownType)? {
            T::Compound | T::Compress if depth >= MAX_DEPTH => Err(PacketError::TooDeep),
            T::Compound => self.compound(body, depth),
            T::Compress => {
                let inner = self.expand(body)?;
                self.try_message(&inner, depth + 1)
            }
            T::PushPull | T::Encrypt | T::Crc | T::Error => Err(PacketError::UnknownType(id)),
            leaf => {
                (self.visit)(Ok((leaf, body)));
                Ok(())
            }
        }
    }

    /// Count, length table, parts. A part that is cut off takes those after it along, not those before.
    fn compound(&mut self, body: &[u8], depth: u32) -> Result<(), PacketError> {
        let cut = |_| PacketError::Compound;
        let mut parts = Reader::new(body);
        let count = parts.u8().map_err(cut)?;
        let mut lengths = Reader::new(parts.take(usize::from(count) * 2).map_err(cut)?);
        while let Ok(len) = lengths.u16be() {
            let part = parts.take(len.into()).map_err(cut)?;
            self.message(part, depth + 1);
        }
        Ok(())
    }

    fn expand(&mut self, body: &[u8]) -> Result<Vec<u8>, PacketError> {
        let compress = Compress::decode(body).map_err(|_| PacketError::Compress)?;
        if compress.algo != LZW {
            return Err(PacketError::Compress);
        }
        lzw::expand(&compress.buf.unwrap_or_default(), &mut self.expandable).map_err(|error| match error {
            LzwError::TooLong => PacketError::TooLong,
            LzwError::InvalidCode | LzwError::Ended => PacketError::Lzw,
        })
    }
}

/// A packet with `message` in it: compressed if that makes it shorter, with a checksum if `crc`, sealed and
/// labelled as `security` says.
pub fn seal(security: &Security, message: &[u8], crc: bool, rng: &mut Rng) -> Bytes {
    let mut packet = if security.compression { compress(message) } else { Vec::new() };
    if packet.is_empty() || packet.len() >= message.len() {
        packet = message.to_vec();
    }
    if crc {
        packet = with_crc(&packet);
    }
    if let Some(sealed) = security.seal(&packet, &security.label, rng) {
        packet = sealed;
    }
    let header = security.label_header();
    if header.is_empty() { packet.into() } else { [header, packet].concat().into() }
}

/// `message` behind its checksum: CRC-32 (IEEE), big-endian.
pub fn with_crc(message: &[u8]) -> Vec<u8> {
    let sum = crc32fast::hash(message).to_be_bytes();
    [&[MessageType::Crc as u8], sum.as_slice(), message].concat()
}

/// `message` in a compress message, which can be longer.
pub fn compress(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Compress { algo: LZW, buf: Some(lzw::compress(message).into()) }.encode(&mut out);
    out
}

/// Compounds of at most 255 parts each. Parts are shorter than 65,536 bytes, as all of a packet is; a longer
/// one is left out.
pub fn compound(parts: &[Bytes]) -> Vec<Vec<u8>> {
    let parts: Vec<_> =
        parts.iter().filter_map(|part| Some((u16::try_from(part.len()).ok()?, part))).collect();
    parts.chunks(MAX_PARTS).map(one_compound).collect()
}

fn one_compound(parts: &[(u16, &Bytes)]) -> Vec<u8> {
    let mut out = vec![MessageType::Compound as u8, u8::try_from(parts.len()).unwrap_or(u8::MAX)];
    out.extend(parts.iter().flat_map(|(len, _)| len.to_be_bytes()));
    for (_, part) in parts {
        out.extend_from_slice(part);
    }
    out
}

#[cfg(test)]
pub(super) mod tests;
