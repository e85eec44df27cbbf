//! Updates to bytes and back, with warm buffers; the Go peer measures itself in the same way.

use std::{hint::black_box, process};

use networkdb_core::{
    syncproto::{Decoder, FROM_SERVER, Kvs, Message, SerializedUpdate, encode},
    wire::{
        gob,
        snappy::{self, STREAM_IDENTIFIER, Unframer},
    },
};
use serde_json::Value;

use super::KVS;
use crate::{
    Failure, memory,
    programs::{Kind, Programs, finish},
    runs::Runs,
    table::Row,
    usage::Usage,
    workload::{Kv, Workload},
};

/// Updates of a message, plain and in snappy.
const PLAIN: usize = 100;
const SNAPPY: usize = 1000;
/// How often ours does all of it in one run, since it is short for the kernel's count.
const ROUNDS: u32 = 10;

/// The works, in the order and by the names of the Go peer; and what is aimed at, of big updates and of small ones.
const WORKS: [(&str, [&str; 2]); 4] = [
    ("encode", ["6", "20"]),
    ("encode+snappy", ["", ""]),
    ("decode", ["8", "15"]),
    ("decode+snappy", ["3", ""]),
];

/// Of one work.
#[derive(Clone, Copy)]
struct Codec {
    /// Updates for each second of processor time.
    rate: f64,
    /// Bytes allocated for each update.
    allocated: f64,
}

pub(super) fn measure(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let lists = [Workload::Big, Workload::Small].map(|workload| workload.kvs(KVS).collect::<Vec<_>>());
    let measured = runs.each("sync: codec", |programs, kind| match kind {
        Kind::Ours => ours(&lists),
        Kind::Older => theirs(programs, "3.2.5"),
        Kind::Newer => theirs(programs, "today"),
    })?;
    let mut rows = Vec::new();
    for (size, name) in ["", " small"].into_iter().enumerate() {
        for (work, (title, aims)) in WORKS.into_iter().enumerate() {
            let of = measured.each_ref().map(|runs| figures(runs, size * WORKS.len() + work));
            let aim = aims.get(size).copied().unwrap_or_default();
            let row =
                Row::new(format!("{title},{name} KVs"), "M a CPU second", &of, |codec| codec.rate / 1e6);
            rows.push(row.more_is_better().aim(aim));
            if title == "decode" {
                let what = format!("{title},{name} KVs: allocated for each");
                rows.push(Row::new(what, "bytes", &of, |codec| codec.allocated).aim("0"));
            }
        }
    }
    Ok(rows)
}

/// What the runs found of one work; nothing of a generation that lacks it.
fn figures(runs: &[Vec<Option<Codec>>], work: usize) -> Vec<Codec> {
    runs.iter().filter_map(|run| run.get(work).copied().flatten()).collect()
}

fn theirs(programs: &Programs, generation: &str) -> Result<Vec<Option<Codec>>, Failure> {
    let mut bench = std::process::Command::new(programs.gob());
    bench.args(["bench", "--rounds", "1", "--generation", generation, "--kvs", &KVS.to_string()]);
    let lines: Vec<Value> =
        finish(&mut bench)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let names = WORKS.iter().cycle().take(2 * WORKS.len()).map(|(name, _)| *name);
    let mut lines = lines.iter().peekable();
    let of = names.map(|name| {
        let line = lines.next_if(|line| line.get("bench").and_then(Value::as_str) == Some(name))?;
        let figure = |name: &str| line.get(name).and_then(Value::as_f64);
        Some(Codec { rate: figure("kvs_per_cpu_second")?, allocated: figure("allocated_bytes_per_kv")? })
    });
    Ok(of.collect())
}

fn ours(lists: &[Vec<Kv>]) -> Result<Vec<Option<Codec>>, Failure> {
    let mut measured = Vec::new();
    for kvs in lists {
        let updates: Vec<_> = kvs.iter().map(Kv::update).collect();
        let (plain, compressed) = streams(&updates);
        let (mut message, mut chunks) = (Vec::new(), Vec::new());
        measured.push(work(|| encode_all(&updates, &mut message))?);
        measured.push(work(|| encode_compressed(&updates, &mut message, &mut chunks))?);
        measured.push(work(|| decode_all(&plain))?);
        measured.push(work(|| decode_compressed(&compressed))?);
    }
    Ok(measured.into_iter().map(Some).collect())
}

/// Does it once to warm the buffers, then several times.
fn work(mut work: impl FnMut() -> Result<(), Failure>) -> Result<Codec, Failure> {
    work()?;
    let (start, before) = (Usage::of(process::id())?.processor, memory::allocated());
    for _ in 0..ROUNDS {
        work()?;
    }
    let allocated = memory::allocated() - before;
    let taken = Usage::of(process::id())?.processor.saturating_sub(start);
    let count = f64::from(ROUNDS * KVS);
    Ok(Codec { rate: count / taken.as_secs_f64(), allocated: allocated as f64 / count })
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
