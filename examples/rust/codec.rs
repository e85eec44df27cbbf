//! The formats of Typha's sync protocol alone, between standard input and output: no sockets, no runtime.
//!
//!     codec decode <stream         prints the messages that a server sent
//!     codec encode KEY VALUE …     writes a server's stream with these keys and values, and then that it is in sync

use std::{
    env,
    error::Error,
    io::{Read, Write, stdin, stdout},
};

use networkdb_core::{
    syncproto::{
        Decoder, FROM_SERVER, Kvs, Message, Revision, SNAPPY, SerializedUpdate, ServerHello, SyncStatus,
        UpdateType, encode,
    },
    wire::snappy::Unframer,
};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    match &words[..] {
        [what] if what == "decode" => {
            let mut stream = Vec::new();
            stdin().read_to_end(&mut stream)?;
            decode(&stream, false)
        }
        [what, pairs @ ..] if what == "encode" => Ok(stdout().write_all(&stream(pairs))?),
        _ => Err("usage: codec decode | encode KEY VALUE …".into()),
    }
}

/// Prints the messages of a stream, and of those that follow after restarts.
fn decode(mut bytes: &[u8], compressed: bool) -> Result<(), Box<dyn Error>> {
    let mut decoder = Decoder::new(FROM_SERVER);
    while let Some(message) = decoder.next(&mut bytes)? {
        show(&message);
        if let Message::DecoderRestart(restart) = message {
            // Compressed once, the rest is expanded to its end.
            let begins = !compressed && restart.compression_algorithm == SNAPPY.as_bytes();
            return if begins { decode(&expanded(bytes)?, true) } else { decode(bytes, compressed) };
        }
    }
    Ok(decoder.finish()?)
}

fn expanded(mut frames: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let (mut unframer, mut plain) = (Unframer::default(), Vec::new());
    while !frames.is_empty() {
        unframer.next(&mut frames, &mut plain)?;
    }
    unframer.finish()?;
    Ok(plain)
}

fn show(message: &Message<'_>) {
    match message {
        Message::Kvs(kvs) => {
            for update in kvs {
                let (key, value) = (update.key, update.value.unwrap_or_default());
                println!("{} = {}", String::from_utf8_lossy(key), String::from_utf8_lossy(value));
            }
        }
        Message::SyncStatus(status) => println!("status: {status}"),
        other => println!("{}", other.name().unwrap_or("nothing")),
    }
}

/// What a server sends to begin with.
fn stream(pairs: &[String]) -> Vec<u8> {
    let (pairs, _) = pairs.as_chunks();
    let updates: Vec<_> = pairs.iter().map(update).collect();
    let hello = ServerHello { version: b"example", ..ServerHello::default() };
    let mut stream = encode::definitions().to_vec();
    for message in [
        Message::ServerHello(hello),
        Message::Kvs(Kvs::from(&updates[..])),
        Message::SyncStatus(SyncStatus::IN_SYNC),
    ] {
        encode::message(&mut stream, &message);
    }
    stream
}

fn update([key, value]: &[String; 2]) -> SerializedUpdate<'_> {
    SerializedUpdate {
        key: key.as_bytes(),
        value: Some(value.as_bytes()),
        revision: Revision::Text(b"1"),
        update_type: UpdateType::NEW,
        ..SerializedUpdate::default()
    }
}
