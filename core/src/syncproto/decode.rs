//! A peer's stream: bytes in, messages out.
//!
//! Nothing is assumed of the peer but the names of messages and fields. Messages borrow from the bytes that were fed
//! if they lie there whole.

use super::{
    Kvs, Message,
    parse::{Again, Elements, First, Found, envelope, message},
    plan::{Plans, Struct},
};
use crate::wire::gob::{Cursor, Error, Intake, Limits, Place, types::Id};

/// What a client grants its server: messages of 1,000 values of 128 KiB and more.
pub const FROM_SERVER: Limits =
    Limits { message: 256 << 20, definitions: 64 << 10, types: 1000, depth: 256, values: 1 << 16 };

/// What a server grants its clients, as today's Typha does.
pub const FROM_CLIENT: Limits =
    Limits { message: 1 << 20, definitions: 64 << 10, types: 1000, depth: 256, values: 1 << 16 };

/// Reads one gob stream of `Envelope`s. What follows a [`Message::DecoderRestart`] is another stream, for a new decoder.
#[derive(Debug)]
pub struct Decoder {
    intake: Intake,
    plans: Plans,
}

/// What an `Envelope` was found to hold.
struct Held {
    ours: Struct,
    id: Id,
    /// Where the message's fields begin.
    mark: (usize, usize),
    elements: Option<Found>,
}

impl Decoder {
    /// A decoder at the beginning of a stream. See [`FROM_SERVER`] and [`FROM_CLIENT`].
    pub fn new(limits: Limits) -> Self {
        Self { intake: Intake::new(limits), plans: Plans::default() }
    }

    /// The next message. It takes from the front of `input` what it needs and leaves the rest, which after a
    /// [`Message::DecoderRestart`] is no longer its own; `None` when all is taken and the message is not whole yet.
    ///
    /// An error ends the stream: it is given again at each further call.
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Message<'a>>, Error> {
        let fed: &'a [u8] = input;
        let plans = &mut self.plans;
        let read = |known: &mut _, id, cursor: &mut Cursor<'_>| {
            let mut first = First { known, plans, elements: None };
            let found = envelope(cursor, id, &mut first)?;
            let elements = first.elements;
            Ok(found.map(|(ours, id, cursor)| Held { ours, id, mark: cursor.mark(), elements }))
        };
        let Some((held, place)) = self.intake.next(input, read)? else { return Ok(None) };
        let Some(held) = held else { return Ok(Some(Message::Nil)) };
        let this: &'a Self = self;
        let bytes = match place {
            Place::Fed(start) => fed.get(start..).unwrap_or_default(),
            Place::Held => this.intake.held(),
        };
        this.build(held, bytes).map(Some)
    }

    /// Bytes kept of a message that is not whole yet.
    pub fn pending(&self) -> usize {
        self.intake.pending()
    }

    /// Whether the stream may end here: an error if it does so inside a message or in want of one.
    pub fn finish(&self) -> Result<(), Error> {
        self.intake.finish()
    }

    /// Reads once more what has been read without a fault.
    fn build<'a>(&'a self, held: Held, bytes: &'a [u8]) -> Result<Message<'a>, Error> {
        let mut again = Again { known: self.intake.known(), plans: &self.plans };
        if held.ours == Struct::Kvs {
            let elements = held.elements.map(|Found { mark, count, plan, depth }| {
                let cursor = Cursor::at(bytes, mark);
                Kvs::read(Elements { cursor, count, plan, depth }, again)
            });
            return Ok(Message::Kvs(elements.unwrap_or_default()));
        }
        let mut cursor = Cursor::at(bytes, held.mark);
        let depth = self.intake.limits().depth;
        message(&mut cursor, (held.ours, held.id), &mut again, depth)
            .map_err(|fault| self.intake.error(fault))
    }
}
