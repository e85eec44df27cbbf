//! Streams: one request, at most one reply, then the end. Source: `hashicorp/memberlist` `net.go`.
//!
//! From the outside in, each optional but the last: `label` (from the dialler only) > `encrypt` > `compress` >
//! one message.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::{
    Security,
    keyring::{SealError, sealed_len},
    message::{Ack, Compress, ErrorReply, MessageType, Ping, PushPullHeader, Row, UserHeader},
    packet::{LZW, compress, split_label},
};
use crate::{
    machine::Rng,
    wire::{
        DecodeError, Reader,
        lzw::{self, LzwError},
        msgpack::{Dialect, Scan},
    },
};

/// Bytes in one seal, as the peer has it.
pub const MAX_SEALED: usize = 20 << 20;
/// Rows of a push/pull, as the peer has it.
pub const MAX_ROWS: usize = 1 << 20;
/// Bytes of user state in a push/pull, as the peer has it.
pub const MAX_USER_STATE: usize = 20 << 20;
/// Bytes of a user message, as the peer has it.
pub const MAX_USER_MESSAGE: usize = 20 << 20;
/// Bytes of a stream after decompression, as the peer has it.
pub const MAX_EXPANDED: usize = 40 << 20;
/// Bytes taken from one connection. The peer has no such limit; a push/pull of half a million members fits.
pub const MAX_STREAM: usize = 64 << 20;

/// What a row takes until its push/pull is complete: its place in a vector that grows by doubling, and small fields.
const HELD_ROW: usize = 2 * size_of::<Row<'_>>() + 64;

/// Type byte and length before sealed bytes.
const SEAL_HEADER: usize = 5;

// ---- Sending -----------------------------------------------------------------------------------------------

/// A stream with `message` in it: compressed, sealed and (when dialling) labelled as `security` says.
pub fn seal_stream(security: &Security, message: &[u8], dialling: bool, rng: &mut Rng) -> Bytes {
    let compressed = security.compression && message.len() <= security.compress_up_to;
    let mut body = if compressed { compress(message) } else { message.to_vec() };
    if let Some(sealed) = seal_frame(security, &body, rng) {
        body = sealed;
    }
    if !dialling || security.label.is_empty() {
        return body.into();
    }
    [security.label_header(), body].concat().into()
}

/// Type byte, length, sealed bytes; what comes before these is authenticated with the label.
fn seal_frame(security: &Security, plain: &[u8], rng: &mut Rng) -> Option<Vec<u8>> {
    let len = sealed_len(security.seal_version(), plain.len());
    let header = seal_header(u32::try_from(len).ok()?);
    let sealed = security.seal(plain, &frame_aad(security, header), rng)?;
    Some([header.as_slice(), &sealed].concat())
}

fn seal_header(len: u32) -> [u8; SEAL_HEADER] {
    let [a, b, c, d] = len.to_be_bytes();
    [MessageType::Encrypt as u8, a, b, c, d]
}

fn frame_aad(security: &Security, header: [u8; SEAL_HEADER]) -> Vec<u8> {
    [header.as_slice(), &security.label].concat()
}

/// A push/pull message: header, rows, user state.
pub fn push_pull(join: bool, rows: &[Row<'_>], user_state: &[u8], dialect: Dialect) -> Vec<u8> {
    let mut out = Vec::new();
    PushPullHeader { nodes: signed(rows.len()), user_state_len: signed(user_state.len()), join }
        .encode(dialect, &mut out);
    for row in rows {
        row.encode(&mut out);
    }
    out.extend(user_state);
    out
}

/// A user message as a stream has it: header, payload.
pub fn user_message(payload: &[u8], dialect: Dialect) -> Vec<u8> {
    let mut out = Vec::new();
    UserHeader { len: signed(payload.len()) }.encode(dialect, &mut out);
    out.extend(payload);
    out
}

fn signed(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

// ---- Receiving ---------------------------------------------------------------------------------------------

/// What a stream carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamMessage {
    /// Asks whether this node is there.
    Ping(Ping<'static>),
    /// Answers a ping.
    Ack(Ack<'static>),
    /// All the other node knows.
    PushPull(PushPull),
    /// A message of the layer above.
    User(Bytes),
    /// Why the other node refused.
    Error(String),
}

/// All one node knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushPull {
    /// Whether this is a join.
    pub join: bool,
    /// The members.
    pub rows: Vec<Row<'static>>,
    /// What the layer above knows.
    pub user_state: Bytes,
}

/// Why a stream was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// It ended too early.
    Ended,
    /// A label that is not ours, or malformed, or missing.
    Label,
    /// It is sealed, but this node has no keys.
    Sealed,
    /// It is not sealed, but this node has keys.
    Unsealed,
    /// More sealed bytes than [`MAX_SEALED`].
    SealedTooLong(u32),
    /// Not sealed by one of our keys.
    Seal(SealError),
    /// A compress message that is malformed.
    Compress(DecodeError),
    /// An unknown way of compression.
    Algorithm(u8),
    /// Compressed bytes that are malformed or become too many.
    Lzw(LzwError),
    /// Nothing was sealed or compressed.
    Empty,
    /// A type that is unknown, or no business of a stream in this direction.
    UnknownType(u8),
    /// A message that is malformed.
    Message(DecodeError),
    /// A number of rows or bytes that is negative or above its limit.
    Count(i64),
    /// More bytes than [`MAX_STREAM`].
    TooLong,
}

impl StreamError {
    /// Whether the one who accepted the stream tells the dialler. It does when the label was right but opening
    /// or decompressing failed.
    pub fn replies(&self) -> bool {
        match self {
            Self::Sealed
            | Self::Unsealed
            | Self::SealedTooLong(_)
            | Self::Seal(_)
            | Self::Compress(DecodeError::Malformed(_))
            | Self::Algorithm(_)
            | Self::Lzw(_)
            | Self::Empty => true,
            Self::Ended
            | Self::Label
            | Self::Compress(DecodeError::Ended)
            | Self::UnknownType(_)
            | Self::Message(_)
            | Self::Count(_)
            | Self::TooLong => false,
        }
    }
}

impl StreamError {
    /// The name under which it is counted.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Ended => "stream: ended too early",
            Self::Label => "stream: wrong label",
            Self::Sealed | Self::Seal(_) => "stream: no key opens it",
            Self::Unsealed => "stream: not sealed",
            Self::SealedTooLong(_) | Self::Count(_) | Self::TooLong => "stream: over a limit",
            Self::Compress(_) | Self::Algorithm(_) | Self::Lzw(_) => "stream: malformed compression",
            Self::Empty => "stream: empty",
            Self::UnknownType(_) => "stream: unknown type",
            Self::Message(_) => "stream: malformed message",
        }
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the stream ended too early"),
            Self::Label => f.write_str("wrong label"),
            Self::Sealed => f.write_str("remote state is encrypted and encryption is not configured"),
            Self::Unsealed => f.write_str("encryption is configured but remote state is not encrypted"),
            Self::SealedTooLong(len) => write!(f, "{len} sealed bytes are above the limit"),
            Self::Seal(error) => error.fmt(f),
            Self::Compress(error) => write!(f, "compress message: {error}"),
            Self::Algorithm(algo) => write!(f, "cannot decompress unknown algorithm {algo}"),
            Self::Lzw(error) => error.fmt(f),
            Self::Empty => f.write_str("message is empty"),
            Self::UnknownType(id) => write!(f, "unknown message type {id}"),
            Self::Message(error) => error.fmt(f),
            Self::Count(count) => write!(f, "a count of {count} is out of bounds"),
            Self::TooLong => f.write_str("the stream is too long"),
        }
    }
}

impl std::error::Error for StreamError {}

/// Which end of a stream this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Accepting,
    Dialled,
}

/// Where the decoder stands; `Scan` finds the end of the msgpack value that comes next.
#[derive(Debug)]
enum Stage {
    Label,
    Outermost,
    Sealed(u32),
    /// After `encrypt`, if any.
    Unsealed,
    Compress(Scan),
    /// After `compress`, if any.
    Message,
    Single(MessageType, Scan),
    PushPullHeader(Scan),
    Rows(Box<PushPull>, Scan, Counts),
    UserState(Box<PushPull>, usize),
    UserHeader(Scan),
    User(usize),
    Done,
}

/// What a push/pull header promises.
#[derive(Clone, Copy, Debug)]
struct Counts {
    rows: usize,
    user_state: usize,
}

/// What one step did.
enum Step {
    /// The next stage can be tried at once.
    Next(Stage),
    Message(StreamMessage),
}

/// Reads one message from a stream whose bytes arrive in pieces.
///
/// Memory grows with what has arrived, never by what a length claims. After the message, or after an error,
/// further bytes are ignored.
#[derive(Debug)]
pub struct Decoder {
    side: Side,
    stage: Stage,
    buffer: BytesMut,
    received: usize,
    /// All of a sealed or compressed stream is there; what is missing now never comes.
    complete: bool,
}

impl Decoder {
    /// For a stream that another node opened.
    pub fn accepting() -> Self {
        Self::new(Side::Accepting, Stage::Label)
    }

    /// For the reply on a stream that this node opened. It carries no label.
    pub fn dialled() -> Self {
        Self::new(Side::Dialled, Stage::Outermost)
    }

    fn new(side: Side, stage: Stage) -> Self {
        Self { side, stage, buffer: BytesMut::new(), received: 0, complete: false }
    }

    /// Takes bytes as they arrive; returns the message once, as soon as it is there.
    pub fn receive(
        &mut self,
        security: &Security,
        bytes: &[u8],
    ) -> Result<Option<StreamMessage>, StreamError> {
        if matches!(self.stage, Stage::Done) {
            return Ok(None);
        }
        let (taken, beyond) = bytes.split_at_checked(MAX_STREAM - self.received).unwrap_or((bytes, &[]));
        self.received += taken.len();
        self.buffer.extend_from_slice(taken);
        let result = match self.advance(security) {
            Ok(None) if !beyond.is_empty() => Err(StreamError::TooLong),
            other => other,
        };
        if !matches!(result, Ok(None)) {
            self.stop();
        }
        result
    }

    /// Bytes received so far.
    pub fn received(&self) -> usize {
        self.received
    }

    /// Bytes held for what is not complete yet. A row takes more here than on the wire.
    pub fn held(&self) -> usize {
        match &self.stage {
            Stage::Done => 0,
            Stage::Rows(found, ..) | Stage::UserState(found, _) => {
                self.received + found.rows.len() * HELD_ROW
            }
            _ => self.received,
        }
    }

    /// The other side sends no more: an error unless the message is there.
    pub fn finish(&mut self) -> Result<(), StreamError> {
        if matches!(self.stage, Stage::Done) {
            return Ok(());
        }
        self.stop();
        Err(StreamError::Ended)
    }

    fn stop(&mut self) {
        self.stage = Stage::Done;
        self.buffer = BytesMut::new();
    }

    fn advance(&mut self, security: &Security) -> Result<Option<StreamMessage>, StreamError> {
        loop {
            match self.step(security)? {
                Some(Step::Next(stage)) => self.stage = stage,
                Some(Step::Message(message)) => return Ok(Some(message)),
                None if self.complete => return Err(StreamError::Ended),
                None => return Ok(None),
            }
        }
    }

    /// Goes as far as one stage; `None` until more bytes are there.
    fn step(&mut self, security: &Security) -> Stepped {
        let Self { side, stage, buffer, complete, .. } = self;
        match stage {
            Stage::Label => read_label(security, buffer),
            Stage::Outermost => read_outermost(security, buffer),
            Stage::Sealed(len) => {
                let plain = open_sealed(security, buffer, *len)?;
                Ok(plain.map(|plain| replace(buffer, complete, plain, Stage::Unsealed)))
            }
            Stage::Unsealed => Ok(read_unsealed(buffer)),
            Stage::Compress(scan) => {
                let plain = expand(buffer, scan)?;
                Ok(plain.map(|plain| replace(buffer, complete, plain, Stage::Message)))
            }
            Stage::Message => read_type(*side, buffer),
            Stage::Single(message_type, scan) => read_single(*message_type, buffer, scan),
            Stage::PushPullHeader(scan) => read_push_pull_header(buffer, scan),
            Stage::Rows(found, scan, counts) => read_rows(buffer, found, scan, *counts),
            Stage::UserState(found, len) => Ok(take(buffer, *len).map(|user_state| {
                let found = PushPull { user_state, ..std::mem::take(found) };
                Step::Message(StreamMessage::PushPull(found))
            })),
            Stage::UserHeader(scan) => read_user_header(buffer, scan),
            Stage::User(len) => Ok(take(buffer, *len).map(|user| Step::Message(StreamMessage::User(user)))),
            Stage::Done => Ok(None),
        }
    }
}

type Stepped = Result<Option<Step>, StreamError>;

#[expect(clippy::unnecessary_wraps, reason = "it ends the arms of a match over results")]
fn next(stage: Stage) -> Stepped {
    Ok(Some(Step::Next(stage)))
}

/// The first `len` bytes, once they are there.
fn take(buffer: &mut BytesMut, len: usize) -> Option<Bytes> {
    (buffer.len() >= len).then(|| buffer.split_to(len).freeze())
}

/// What was inside a layer takes the place of what is received.
fn replace(buffer: &mut BytesMut, complete: &mut bool, plain: Vec<u8>, stage: Stage) -> Step {
    *buffer = Bytes::from(plain).into();
    *complete = true;
    Step::Next(stage)
}

/// Reads the msgpack value in front, once all of it is there.
fn value<T>(
    buffer: &mut BytesMut,
    scan: &mut Scan,
    read: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    let Some(len) = value_len(buffer, scan)? else { return Ok(None) };
    let value = read(buffer.get(..len).unwrap_or_default())?;
    buffer.advance(len);
    Ok(Some(value))
}

fn value_len(buffer: &[u8], scan: &mut Scan) -> Result<Option<usize>, DecodeError> {
    match scan.value_len(buffer) {
        Ok(len) => {
            *scan = Scan::default();
            Ok(Some(len))
        }
        Err(DecodeError::Ended) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_label(security: &Security, buffer: &mut BytesMut) -> Stepped {
    if buffer.is_empty() {
        return Ok(None);
    }
    let (label, rest) = match split_label(buffer) {
        Ok(split) => split,
        Err(DecodeError::Ended) => return Ok(None),
        Err(DecodeError::Malformed(_)) => return Err(StreamError::Label),
    };
    if !security.is_label(label) {
        return Err(StreamError::Label);
    }
    let header = buffer.len() - rest.len();
    buffer.advance(header);
    next(Stage::Outermost)
}

fn read_outermost(security: &Security, buffer: &mut BytesMut) -> Stepped {
    let keys = !security.keyring.is_empty();
    match buffer.first() {
        None => return Ok(None),
        Some(&id) if id == MessageType::Encrypt as u8 => {}
        Some(_) if keys && security.verify_incoming => return Err(StreamError::Unsealed),
        Some(_) => return next(Stage::Unsealed),
    }
    if !keys {
        return Err(StreamError::Sealed);
    }
    let mut reader = Reader::new(buffer.get(1..).unwrap_or_default());
    let Ok(len) = reader.u32be() else { return Ok(None) };
    if len as usize > MAX_SEALED {
        return Err(StreamError::SealedTooLong(len));
    }
    buffer.advance(SEAL_HEADER);
    next(Stage::Sealed(len))
}

fn open_sealed(security: &Security, buffer: &[u8], len: u32) -> Result<Option<Vec<u8>>, StreamError> {
    let Some(sealed) = buffer.get(..len as usize) else { return Ok(None) };
    let aad = frame_aad(security, seal_header(len));
    let (plain, _) = security.keyring.open(sealed, &aad).map_err(StreamError::Seal)?;
    if plain.is_empty() { Err(StreamError::Empty) } else { Ok(Some(plain)) }
}

fn read_unsealed(buffer: &mut BytesMut) -> Option<Step> {
    let id = *buffer.first()?;
    if id != MessageType::Compress as u8 {
        return Some(Step::Next(Stage::Message));
    }
    buffer.advance(1);
    Some(Step::Next(Stage::Compress(Scan::default())))
}

fn expand(buffer: &mut BytesMut, scan: &mut Scan) -> Result<Option<Vec<u8>>, StreamError> {
    let read = |body: &[u8]| Compress::decode(body).map(|compress| expand_buf(&compress));
    value(buffer, scan, read).map_err(StreamError::Compress)?.transpose()
}

fn expand_buf(compress: &Compress<'_>) -> Result<Vec<u8>, StreamError> {
    if compress.algo != LZW {
        return Err(StreamError::Algorithm(compress.algo));
    }
    let packed = compress.buf.as_deref().unwrap_or_default();
    let plain = lzw::expand(packed, &mut { MAX_EXPANDED }).map_err(StreamError::Lzw)?;
    if plain.is_empty() { Err(StreamError::Empty) } else { Ok(plain) }
}

fn read_type(side: Side, buffer: &mut BytesMut) -> Stepped {
    let Some(&id) = buffer.first() else { return Ok(None) };
    let message_type = MessageType::try_from(id).map_err(StreamError::UnknownType)?;
    let stage = match (message_type, side) {
        (MessageType::PushPull, _) => Stage::PushPullHeader(Scan::default()),
        (MessageType::User, Side::Accepting) => Stage::UserHeader(Scan::default()),
        (MessageType::Ping, Side::Accepting) | (MessageType::Ack | MessageType::Error, Side::Dialled) => {
            Stage::Single(message_type, Scan::default())
        }
        _ => return Err(StreamError::UnknownType(id)),
    };
    buffer.advance(1);
    next(stage)
}

fn read_single(message_type: MessageType, buffer: &mut BytesMut, scan: &mut Scan) -> Stepped {
    let read = |body: &[u8]| match message_type {
        MessageType::Ping => Ping::decode(body).map(|ping| StreamMessage::Ping(ping.into_owned())),
        MessageType::Ack => Ack::decode(body).map(|ack| StreamMessage::Ack(ack.into_owned())),
        _ => ErrorReply::decode(body)
            .map(|reply| StreamMessage::Error(String::from_utf8_lossy(&reply.error).into_owned())),
    };
    let message = value(buffer, scan, read).map_err(StreamError::Message)?;
    Ok(message.map(Step::Message))
}

fn read_push_pull_header(buffer: &mut BytesMut, scan: &mut Scan) -> Stepped {
    let header = value(buffer, scan, |body| PushPullHeader::decode(body)).map_err(StreamError::Message)?;
    let Some(header) = header else { return Ok(None) };
    let counts = Counts {
        rows: count(header.nodes, MAX_ROWS)?,
        user_state: count(header.user_state_len, MAX_USER_STATE)?,
    };
    let found = PushPull { join: header.join, ..PushPull::default() };
    next(Stage::Rows(Box::new(found), Scan::default(), counts))
}

fn read_rows(buffer: &mut BytesMut, found: &mut PushPull, scan: &mut Scan, counts: Counts) -> Stepped {
    while found.rows.len() < counts.rows {
        let row = value(buffer, scan, |body| Row::decode(body).map(Row::into_owned));
        let Some(row) = row.map_err(StreamError::Message)? else { return Ok(None) };
        found.rows.push(row);
    }
    next(Stage::UserState(Box::new(std::mem::take(found)), counts.user_state))
}

fn read_user_header(buffer: &mut BytesMut, scan: &mut Scan) -> Stepped {
    let header = value(buffer, scan, |body| UserHeader::decode(body)).map_err(StreamError::Message)?;
    let Some(header) = header else { return Ok(None) };
    next(Stage::User(count(header.len, MAX_USER_MESSAGE)?))
}

fn count(claimed: i64, max: usize) -> Result<usize, StreamError> {
    usize::try_from(claimed).ok().filter(|count| *count <= max).ok_or(StreamError::Count(claimed))
}

#[cfg(test)]
mod tests;
