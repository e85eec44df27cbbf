//! Measures our codec of the sync protocol, and prints what the Go peer's `bench` prints. A program of its own, since to count what is
//! allocated costs time.

use std::{alloc::System, hint::black_box, process};

use cap::Cap;
use networkdb_benches::{
    Failure, KVS,
    usage::Usage,
    workload::{Kv, Workload},
};
use networkdb_core::{
    syncproto::{Decoder, FROM_SERVER, Kvs, Message, SerializedUpdate, encode},
    wire::{
        gob,
        snappy::{self, STREAM_IDENTIFIER, Unframer},
    },
};
use serde_json::json;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Updates of a message, plain and in snappy.
const PLAIN: usize = 100;
const SNAPPY: usize = 1000;
/// How often each work is done, since it is short for the kernel's count.
const ROUNDS: u32 = 10;

fn main() -> Result<(), Failure> {
    for workload in [Workload::Big, Workload::Small] {
        let kvs: Vec<Kv> = workload.kvs(KVS).collect();
        let updates: Vec<_> = kvs.iter().map(Kv::update).collect();
        let (plain, compressed) = streams(&updates);
        let (mut message, mut chunks) = (Vec::new(), Vec::new());
        measure("encode", || encode_all(&updates, &mut message))?;
        measure("encode+snappy", || encode_compressed(&updates, &mut message, &mut chunks))?;
        measure("decode", || decode_all(&plain))?;
        measure("decode+snappy", || decode_compressed(&compressed))?;
    }
    Ok(())
}

/// Does it once to warm the buffers, then several times.
fn measure(name: &str, mut work: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    work()?;
    let (start, before) = (Usage::of(process::id())?.processor, HEAP.total_allocated());
    for _ in 0..ROUNDS {
        work()?;
    }
    let allocated = HEAP.total_allocated() - before;
    let taken = Usage::of(process::id())?.processor.saturating_sub(start);
    let count = f64::from(ROUNDS * KVS);
    println!(
        "{}",
        json!({
            "bench": name, "kvs_per_cpu_second": count / taken.as_secs_f64(),
            "allocated_bytes_per_kv": allocated as f64 / count,
        })
    );
    Ok(())
}

fn streams(updates: &[SerializedUpdate<'_>]) -> (Vec<u8>, Vec<u8>) {
    let (mut plain, mut compressed) = (encode::definitions().to_vec(), STREAM_IDENTIFIER.to_vec());
    updates.chunks(PLAIN).for_each(|part| encode::message(&mut plain, &Message::Kvs(Kvs::from(part))));
    snappy::frame(encode::definitions(), &mut compressed);
    let mut message = Vec::new();
    for part in updates.chunks(SNAPPY) {
        message.clear();
        encode::message(&mut message, &Message::Kvs(Kvs::from(part)));
        snappy::frame(&message, &mut compressed);
    }
    (plain, compressed)
}

#[expect(clippy::unnecessary_wraps, reason = "all that is measured is called alike")]
fn encode_all(updates: &[SerializedUpdate<'_>], message: &mut Vec<u8>) -> Result<(), Failure> {
    for part in updates.chunks(PLAIN) {
        message.clear();
        encode::message(message, &Message::Kvs(Kvs::from(black_box(part))));
        black_box(&message);
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "all that is measured is called alike")]
fn encode_compressed(
    updates: &[SerializedUpdate<'_>],
    message: &mut Vec<u8>,
    chunks: &mut Vec<u8>,
) -> Result<(), Failure> {
    for part in updates.chunks(SNAPPY) {
        message.clear();
        chunks.clear();
        encode::message(message, &Message::Kvs(Kvs::from(black_box(part))));
        snappy::frame(message, chunks);
        black_box(&chunks);
    }
    Ok(())
}

fn decode_all(stream: &[u8]) -> Result<(), Failure> {
    let mut decoder = Decoder::new(FROM_SERVER);
    let count = decode(&mut decoder, black_box(stream))?;
    check(count)
}

fn decode_compressed(stream: &[u8]) -> Result<(), Failure> {
    let (mut unframer, mut decoder) = (Unframer::default(), Decoder::new(FROM_SERVER));
    let (mut stream, mut chunk, mut count) = (black_box(stream), Vec::new(), 0);
    while unframer.next(&mut stream, &mut chunk).map_err(|error| format!("{error:?}"))? {
        count += decode(&mut decoder, &chunk)?;
        chunk.clear();
    }
    check(count)
}

/// Reads all updates of the messages that have become whole.
fn decode(decoder: &mut Decoder, mut bytes: &[u8]) -> Result<usize, gob::Error> {
    let mut count = 0;
    while let Some(message) = decoder.next(&mut bytes)? {
        let Message::Kvs(kvs) = message else { continue };
        count += kvs.iter().map(black_box).count();
    }
    Ok(count)
}

fn check(count: usize) -> Result<(), Failure> {
    if count == KVS as usize { Ok(()) } else { Err(format!("{count} updates were read").into()) }
}
