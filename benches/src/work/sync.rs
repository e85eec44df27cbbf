//! Keys and values of the sync protocol, on one core with warm buffers. No Go program takes part: the work that has
//! both sides is one of connections.

use std::{hint::black_box, process};

use networkdb_core::syncproto::{
    Decoder, FROM_SERVER, Kvs, Message, Revision, SerializedUpdate, UpdateType, encode,
};

use crate::{Failure, programs::Kind, runs::Runs, table::Row, usage::Usage};

/// Updates in a message, as in a snapshot of today's Typha.
const UPDATES: usize = 1000;
/// Messages in each run.
const MESSAGES: u32 = 1000;
/// Bytes of a key and of a value: a workload endpoint, and little else than a key.
const SIZES: [(&str, usize, usize); 2] = [("big", 80, 696), ("small", 40, 22)];

/// Nanoseconds of processor time for one update.
struct Codec {
    encode: f64,
    decode: f64,
}

pub(super) fn measure(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let ours = Runs { kinds: &[Kind::Ours], ..*runs };
    let mut rows = Vec::new();
    for (name, key, value) in SIZES {
        let (keys, value) = (keys(key), vec![b'v'; value]);
        let updates: Vec<_> = keys.iter().map(|key| update(key, &value)).collect();
        let measured = ours.each("sync", |_, _| codec(&updates))?;
        rows.push(Row::new(format!("sync: encode a {name} update"), "ns", &measured, |codec| codec.encode));
        rows.push(Row::new(format!("sync: decode a {name} update"), "ns", &measured, |codec| codec.decode));
    }
    Ok(rows)
}

fn keys(len: usize) -> Vec<Vec<u8>> {
    let key = |number| format!("/calico/v1/host/node-{number:05}/workload/{:0>len$}", number).into_bytes();
    (0..UPDATES)
        .map(key)
        .map(|mut key| {
            key.truncate(len);
            key
        })
        .collect()
}

fn update<'a>(key: &'a [u8], value: &'a [u8]) -> SerializedUpdate<'a> {
    SerializedUpdate {
        key,
        value: Some(value),
        revision: Revision::Text(b"1000042"),
        update_type: UpdateType::NEW,
        ..SerializedUpdate::default()
    }
}

fn codec(updates: &[SerializedUpdate<'_>]) -> Result<Codec, Failure> {
    let mut message = Vec::new();
    encode::message(&mut message, &Message::Kvs(Kvs::from(updates)));
    let mut decoder = Decoder::new(FROM_SERVER);
    if decoder.next(&mut encode::definitions())?.is_some() {
        return Err("definitions are no message".into());
    }
    let mut out = Vec::new();
    let encode = per_update(|| {
        out.clear();
        updates.iter().for_each(|update| encode::element(&mut out, black_box(update)));
        black_box(&out);
        Ok(())
    })?;
    let decode = per_update(|| match decoder.next(&mut black_box(&message[..]))? {
        Some(Message::Kvs(read)) if read.len() == updates.len() => {
            read.iter().for_each(|update| drop(black_box(update)));
            Ok(())
        }
        _ => Err("an own message cannot be read".into()),
    })?;
    Ok(Codec { encode, decode })
}

fn per_update(mut work: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    work()?;
    let start = Usage::of(process::id())?.processor;
    for _ in 0..MESSAGES {
        work()?;
    }
    let taken = Usage::of(process::id())?.processor.saturating_sub(start);
    Ok(taken.as_secs_f64() * 1e9 / f64::from(MESSAGES) / UPDATES as f64)
}
