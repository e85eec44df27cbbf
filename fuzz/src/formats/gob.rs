//! Gob streams of any values, and those of the sync protocol.

use networkdb_core::{
    syncproto::{self, FROM_CLIENT, Message, encode},
    wire::gob::{self, Fault, Limits},
};

use crate::memory::within;

/// What a stream may hold: its bytes once more, values of 64 bytes an element, types and plans.
const MEMORY: usize = 16 << 20;
const LIMITS: Limits = Limits { message: 4096, definitions: 2048, types: 50, depth: 64, values: 4096 };

/// Any cut gives the same values, and the same end.
pub fn run(data: &[u8]) {
    within(MEMORY, || {
        let whole = values(data, data.len().max(1));
        for len in [1, 7] {
            assert_eq!(whole, values(data, len), "in pieces of {len}");
        }
    });
}

/// What a reader gives: its values, printed since floats need not equal themselves, and whether the stream was good.
type Read = (Vec<String>, bool);

fn values(data: &[u8], len: usize) -> Read {
    let (mut decoder, mut found) = (gob::Decoder::new(LIMITS), Vec::new());
    for mut piece in data.chunks(len) {
        loop {
            match decoder.next(&mut piece) {
                Ok(Some(value)) => found.push(format!("{value:?}")),
                Ok(None) => break,
                Err(error) => return refused(found, error.fault),
            }
        }
        assert!(decoder.pending() <= LIMITS.message, "{} bytes are kept", decoder.pending());
    }
    (found, decoder.finish().is_ok())
}

fn refused(found: Vec<String>, fault: Fault) -> Read {
    assert_ne!(fault, Fault::Unfinished, "this is not for users");
    (found, false)
}

/// Any cut gives the same messages, and what is read is written so that it reads the same.
pub fn sync_messages(data: &[u8]) {
    within(MEMORY, || {
        let whole = messages(data, data.len().max(1));
        for len in [1, 7] {
            assert_eq!(whole, messages(data, len), "in pieces of {len}");
        }
    });
}

fn messages(data: &[u8], len: usize) -> Read {
    let limits = Limits { message: 4096, ..FROM_CLIENT };
    let (mut decoder, mut found) = (syncproto::Decoder::new(limits), Vec::new());
    for mut piece in data.chunks(len) {
        loop {
            match decoder.next(&mut piece) {
                Ok(Some(message)) => {
                    found.push(format!("{message:?}"));
                    again(&message);
                }
                Ok(None) => break,
                Err(error) => return refused(found, error.fault),
            }
        }
        assert!(decoder.pending() <= limits.message, "{} bytes are kept", decoder.pending());
    }
    (found, decoder.finish().is_ok())
}

/// A message on a stream of ours: the second writing is the first.
fn again(message: &Message<'_>) {
    if let Message::Kvs(updates) = message {
        assert_eq!(updates.iter().count(), updates.len(), "an update that was read cannot be read");
    }
    let (mut first, mut second) = (encode::definitions().to_vec(), encode::definitions().to_vec());
    encode::message(&mut first, message);
    let mut decoder = syncproto::Decoder::new(FROM_CLIENT);
    let (mut rest, mut read) = (&first[..], 0);
    while let Some(message) = decoder.next(&mut rest).expect("what is written can be read") {
        encode::message(&mut second, &message);
        read += 1;
    }
    assert_eq!((read, &first), (1, &second), "{message:?}");
}
