//! The msgpack messages of memberlist.

use networkdb_core::{
    memberlist::{
        Dialect,
        message::{
            Accusation, Ack, Alive, Compress, ErrorReply, IndirectPing, Nack, Ping, PushPullHeader, Row,
            UserHeader,
        },
    },
    wire::{
        DecodeError, Reader,
        msgpack::{Scan, skip},
    },
};

use crate::memory::within;

/// What a decoder may hold: it borrows all but what it writes again.
const MEMORY: usize = 1 << 20;

/// What decodes is written so that it decodes to the same again; and a value has one end, however its bytes arrive.
pub fn run(data: &[u8]) {
    within(MEMORY, || {
        bodies(data);
        bodies(data.get(1..).unwrap_or_default());
        ends(data);
    });
}

/// Decodes `$body` as each `$message`. The second decoding starts after `$skip` bytes, the type byte if it has one.
macro_rules! again {
    ($body:expr, $($message:ident, $skip:literal, $encode:expr;)*) => {$(
        if let Ok(message) = $message::decode($body) {
            let (mut first, mut second) = (Vec::new(), Vec::new());
            $encode(&message, &mut first);
            let read = $message::decode(&first[$skip..]).expect("what is written can be read");
            $encode(&read, &mut second);
            assert_eq!(first, second, "{message:?}");
        }
    )*};
}

fn bodies(body: &[u8]) {
    again!(body,
        Ping, 1, Ping::encode;
        IndirectPing, 1, IndirectPing::encode;
        Ack, 1, Ack::encode;
        Nack, 1, Nack::encode;
        Alive, 1, Alive::encode;
        Compress, 1, Compress::encode;
        ErrorReply, 1, ErrorReply::encode;
        Accusation, 1, Accusation::encode_suspect;
        Accusation, 1, Accusation::encode_dead;
        Row, 0, Row::encode;
    );
    for dialect in [Dialect::Old, Dialect::New] {
        again!(body,
            PushPullHeader, 1, |header: &PushPullHeader, out: &mut Vec<u8>| header.encode(dialect, out);
            UserHeader, 1, |header: &UserHeader, out: &mut Vec<u8>| header.encode(dialect, out);
        );
    }
}

/// Finding the end of a value at once, byte by byte, and by passing over it.
fn ends(data: &[u8]) {
    let whole = Scan::default().value_len(data);
    let mut scan = Scan::default();
    let pieces = (0..=data.len().min(4096)).map(|len| scan.value_len(&data[..len]));
    let in_pieces =
        pieces.into_iter().find(|end| *end != Err(DecodeError::Ended)).unwrap_or(Err(DecodeError::Ended));
    if data.len() <= 4096 {
        assert_eq!(whole, in_pieces);
    }
    let mut reader = Reader::new(data);
    let skipped = skip(&mut reader).map(|()| data.len() - reader.rest().len());
    assert_eq!(whole, skipped);
}
