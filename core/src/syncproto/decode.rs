//! A peer's stream: bytes in, messages out.
//!
//! Nothing is assumed of the peer but the names of messages and fields. Messages borrow from the bytes that were fed
//! if they lie there whole.

use super::{
    Kvs, Message,
    parse::{Again, Elements, First, Found, envelope, message},
    plan::Plans,
    schema::Struct,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        syncproto::{
            ClientHello, DecoderRestart, Pong, Revision, SerializedUpdate, ServerHello, SyncStatus, encode,
        },
        wire::gob::{Fault, Time},
    };

    /// One of each message, with every field set.
    fn with_each(check: impl Fn(&Message<'_>)) {
        let time = Time::from_unix(1_550_830_272, 123_456_789);
        let update = SerializedUpdate {
            key: b"/calico/v1/Ready",
            value: Some(b"true"),
            revision: Revision::Text(b"42"),
            v3_resource_version: b"7",
            ttl: -1,
            update_type: crate::syncproto::UpdateType::DELETED,
        };
        let client = ClientHello {
            hostname: b"h",
            info: b"i",
            version: b"v",
            syncer_type: b"bgp",
            supports_decoder_restart: true,
            compression_algorithms: vec![b"snappy", b""],
            supports_modern_policy_keys: true,
            client_conn_id: u64::MAX,
        };
        let server = ServerHello {
            version: b"v",
            syncer_type: b"felix",
            supports_node_resource_updates: true,
            server_conn_id: 300,
        };
        let restart = DecoderRestart { message: b"why", compression_algorithm: b"snappy" };
        let updates = [update, SerializedUpdate::default()];
        for message in [
            Message::ClientHello(client),
            Message::ServerHello(server),
            Message::DecoderRestart(restart),
            Message::Ack,
            Message::SyncStatus(SyncStatus(200)),
            Message::Ping(time),
            Message::Pong(Pong { ping_timestamp: time, pong_timestamp: time }),
            Message::Kvs(Kvs::from(&updates[..])),
            Message::Kvs(Kvs::default()),
            Message::Nil,
        ] {
            check(&message);
        }
    }

    fn stream(message: &Message<'_>) -> Vec<u8> {
        let mut stream = encode::definitions().to_vec();
        encode::message(&mut stream, message);
        stream
    }

    #[test]
    fn what_is_written_is_read_and_what_follows_it_is_left() {
        with_each(|message| {
            let mut stream = stream(message);
            stream.extend(b"another stream");
            let (mut decoder, mut rest) = (Decoder::new(FROM_CLIENT), &stream[..]);
            assert_eq!(decoder.next(&mut rest), Ok(Some(message.clone())));
            assert_eq!(rest, b"another stream");
            assert_eq!(decoder.finish(), Ok(()));
        });
    }

    #[test]
    fn a_stream_may_end_between_messages_alone() {
        with_each(|message| {
            let stream = stream(message);
            for len in 1..stream.len() {
                let mut decoder = Decoder::new(FROM_CLIENT);
                assert_eq!(decoder.next(&mut &stream[..len]), Ok(None));
                let error = decoder.finish().unwrap_err();
                assert_eq!((error.fault, error.offset), (Fault::Ended, len as u64));
            }
        });
    }

    #[test]
    fn an_error_tells_its_place_and_stays() {
        let mut stream = stream(&Message::SyncStatus(SyncStatus(1)));
        // The number of the field within the message.
        let place = stream.len() - 4;
        stream[place] = 9;
        let mut decoder = Decoder::new(FROM_SERVER);
        let error = decoder.next(&mut &stream[..]).unwrap_err();
        assert_eq!((error.fault, error.offset), (Fault::FieldNumber, place as u64 + 1));
        assert_eq!(decoder.next(&mut encode::definitions()), Err(error));
        assert_eq!(decoder.finish(), Err(error));
    }

    #[test]
    fn a_message_above_the_limit_is_refused_at_its_count() {
        let mut decoder = Decoder::new(FROM_CLIENT);
        let error = decoder.next(&mut &[0xfd, 0x10, 0, 1][..]).unwrap_err();
        assert_eq!(error.fault, Fault::TooLong);
    }
}
