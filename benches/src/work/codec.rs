//! One table event to bytes and back, its envelope included.

use std::{hint::black_box, time::Instant};

use networkdb_core::networkdb::message::{CREATE, Gossip, TableEvent};
use serde_json::{Value, json};

use super::{ROUNDS, SIZE};
use crate::{
    Failure,
    node::Node,
    programs::{Kind, Programs},
    runs::Runs,
    table::Row,
};

/// Nanoseconds for one event.
struct Codec {
    encode: f64,
    decode: f64,
}

pub(super) fn measure(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let value = [7; SIZE as usize];
    let event = event(&value);
    let measured = runs.each("codec", |programs, kind| match kind {
        Kind::Ours => ours(&event),
        Kind::Older | Kind::Newer => theirs(programs, kind, &event),
    })?;
    Ok(vec![
        Row::new("encode one table event", "ns", &measured, |codec| codec.encode),
        Row::new("decode one table event", "ns", &measured, |codec| codec.decode),
    ])
}

fn event(value: &[u8]) -> TableEvent<'_> {
    TableEvent {
        kind: CREATE,
        time: 123_456,
        node: b"6f5c7a1d2b3e",
        network: b"kq8x0t5v2n9m4c7b1z6l3j0h5",
        table: b"endpoint_table",
        key: b"row-0000042",
        value,
        residual: 0,
    }
}

fn encode(event: &TableEvent<'_>) -> Vec<u8> {
    event.wrapped()
}

fn ours(event: &TableEvent<'_>) -> Result<Codec, Failure> {
    let bytes = encode(event);
    let decode = || {
        let envelope = Gossip::decode(black_box(&bytes));
        envelope.and_then(|envelope| TableEvent::decode(envelope.data).map(black_box).map(|_| ())).is_ok()
    };
    if !decode() {
        return Err("an own event cannot be read".into());
    }
    Ok(Codec { encode: per_round(|| encode(black_box(event))), decode: per_round(decode) })
}

fn per_round<T>(work: impl Fn() -> T) -> f64 {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(work());
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
}

fn theirs(programs: &Programs, kind: Kind, event: &TableEvent<'_>) -> Result<Codec, Failure> {
    let bytes = hex::encode(encode(event));
    let mut node = Node::start(programs, kind, "codec")?;
    let reply = node.ask("bench_codec", json!({ "event_hex": bytes, "rounds": ROUNDS }))?;
    if reply.get("event_hex").and_then(Value::as_str) != Some(&bytes) {
        return Err("the event's bytes are not the same".into());
    }
    let figure =
        |name: &str| reply.get(name).and_then(Value::as_f64).ok_or(format!("{name} is missing in the reply"));
    Ok(Codec { encode: figure("encode_ns")?, decode: figure("decode_ns")? })
}
