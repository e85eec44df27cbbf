//! A snapshot as messages: heads made for it, bodies from the leaves without a copy.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{
    Snapshot,
    leaf::{Leaf, framed},
    run,
};
use crate::{
    syncproto::encode,
    wire::snappy::{self, MAX_PLAIN},
};

/// How a stream's bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Snappy,
}

impl Form {
    /// What is too short to gain from compression.
    pub(crate) fn short(self, plain: &[u8]) -> Bytes {
        match self {
            Self::Plain => Bytes::copy_from_slice(plain),
            Self::Snappy => {
                let mut chunks = Vec::with_capacity(plain.len() + 8);
                snappy::frame_plain(plain, &mut chunks);
                chunks.into()
            }
        }
    }
}

/// The messages of one snapshot in one form, made piece by piece as sessions come to them, and shared by all sessions
/// that are sent it.
///
/// Messages have exactly `kvs_per_message` updates, as upstream's, wherever leaves end. In snappy, leaves that are sent whole
/// go together as far as one chunk holds them; what two messages share is compressed for each part and layout.
#[derive(Debug)]
pub(crate) struct Layout {
    snapshot: Snapshot,
    form: Form,
    kvs_per_message: usize,
    messages: Box<[OnceLock<Message>]>,
    /// What stands after the bodies of each message.
    end: Bytes,
}

/// Where a session is in a layout: the message, and the piece of it. It goes forward only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    message: usize,
    piece: usize,
}

#[derive(Debug)]
struct Message {
    head: Bytes,
    pieces: Box<[Piece]>,
    /// Where the next one begins.
    next: Border,
}

/// What is sent at once: bodies of one leaf, or in snappy several whole leaves.
#[derive(Debug)]
struct Piece {
    parts: Vec<Part>,
    chunks: OnceLock<Bytes>,
}

/// Bodies of one leaf.
#[derive(Debug)]
struct Part {
    leaf: Arc<Leaf>,
    from: usize,
    to: usize,
}

/// The place of a body in the tree.
#[derive(Clone, Copy, Debug, Default)]
struct Border {
    node: usize,
    leaf: usize,
    body: usize,
}

impl Layout {
    /// A layout of which nothing is made yet.
    pub(crate) fn new(snapshot: Snapshot, form: Form, kvs_per_message: usize) -> Self {
        let kvs_per_message = kvs_per_message.max(1);
        let messages = snapshot.len().div_ceil(kvs_per_message);
        let messages = std::iter::repeat_with(OnceLock::new).take(messages).collect();
        Self { snapshot, form, kvs_per_message, messages, end: form.short(encode::kvs_end()) }
    }

    /// The snapshot that is laid out.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The piece at `place`, which goes on to the next one; `None` at the end.
    pub(crate) fn next(&self, place: &mut Place) -> Option<Bytes> {
        let message = self.message(place.message)?;
        let piece = match place.piece.checked_sub(1) {
            None => Some(message.head.clone()),
            Some(piece) => message.pieces.get(piece).map(|piece| piece.bytes(self.form)),
        };
        place.piece += 1;
        Some(piece.unwrap_or_else(|| {
            *place = Place { message: place.message + 1, piece: 0 };
            self.end.clone()
        }))
    }

    /// How many updates the message has that begins at `place`; 0 inside one.
    pub(crate) fn begins(&self, place: Place) -> usize {
        let left = self.snapshot.len().saturating_sub(place.message * self.kvs_per_message);
        if place.is_border() { left.min(self.kvs_per_message) } else { 0 }
    }

    fn message(&self, index: usize) -> Option<&Message> {
        let start = || match index.checked_sub(1) {
            None => Border::default(),
            Some(before) => self.message(before).map_or(Border::default(), |message| message.next),
        };
        Some(self.messages.get(index)?.get_or_init(|| self.make(start())))
    }

    fn make(&self, mut at: Border) -> Message {
        let (mut pieces, mut kvs, mut bytes) = (Vec::<Piece>::new(), 0, 0);
        while kvs < self.kvs_per_message {
            let Some(leaf) = self.snapshot.leaf(at.node, at.leaf) else {
                if at.leaf == 0 {
                    break;
                }
                at = Border { node: at.node + 1, ..Border::default() };
                continue;
            };
            let to = leaf.len().min(at.body + self.kvs_per_message - kvs);
            let part = Part { leaf: Arc::clone(leaf), from: at.body, to };
            kvs += to - at.body;
            bytes += part.slice().len();
            at = if to < leaf.len() {
                Border { body: to, ..at }
            } else {
                Border { leaf: at.leaf + 1, body: 0, ..at }
            };
            match pieces.last_mut().filter(|piece| self.form == Form::Snappy && piece.takes(&part)) {
                Some(piece) => piece.parts.push(part),
                None => pieces.push(Piece { parts: vec![part], chunks: OnceLock::new() }),
            }
        }
        let mut head = Vec::new();
        encode::kvs_start(&mut head, kvs, bytes);
        Message { head: self.form.short(&head), pieces: pieces.into(), next: at }
    }
}

impl Place {
    /// Whether other messages may come here.
    pub(crate) fn is_border(self) -> bool {
        self.piece == 0
    }
}

impl Piece {
    /// Whether this one's chunk holds another part. Parts of leaves go alone, lest they be compressed with whole ones for
    /// this layout only.
    fn takes(&self, part: &Part) -> bool {
        let parts = || self.parts.iter().chain([part]);
        parts().all(Part::is_whole) && parts().map(|part| part.leaf.bytes()).sum::<usize>() <= MAX_PLAIN
    }

    fn bytes(&self, form: Form) -> Bytes {
        let Some((first, rest)) = self.parts.split_first() else { return Bytes::new() };
        let compress = || {
            if !first.is_whole() {
                return framed(&first.slice());
            }
            run::chunks(&first.leaf, &rest.iter().map(|part| &part.leaf).collect::<Vec<_>>())
        };
        match form {
            Form::Plain => first.slice(),
            Form::Snappy => self.chunks.get_or_init(compress).clone(),
        }
    }
}

impl Part {
    fn is_whole(&self) -> bool {
        self.from == 0 && self.to == self.leaf.len()
    }

    fn slice(&self) -> Bytes {
        self.leaf.slice(self.from, self.to)
    }
}
