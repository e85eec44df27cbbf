//! No bytes from outside bring a whole node down or make it hold more than its limits, whatever they claim.
//!
//! The allocator of this test refuses more than [`LIMIT`], which ends the test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, unreachable_pub)]

#[path = "support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::{alloc::System, net::SocketAddr, time::Duration};

use cap::Cap;
use networkdb_core::{
    machine::{Input, Instant, Machine, Rng, StreamId, StreamInput},
    networkdb::{Config, NetworkDb},
};
use serde_json::Value;

/// Bytes this test may hold at one time, the vectors included.
const LIMIT: usize = 128 << 20;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Every byte string of the memberlist and NetworkDB vectors, sealed or not.
fn corpus() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for vector in support::load("memberlist") {
        collect(&vector, &mut found);
    }
    let folder = support::folder("networkdb");
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "json") {
            let value: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            collect(&value, &mut found);
        }
    }
    found.retain(|bytes| bytes.len() > 2);
    found.sort();
    found.dedup();
    found
}

fn collect(value: &Value, into: &mut Vec<Vec<u8>>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if name.ends_with("hex") => into.extend(hex::decode(text)),
                    _ => collect(value, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        _ => {}
    }
}

/// The node under attack, and its clock.
struct Victim {
    db: NetworkDb,
    now: Instant,
    streams: u64,
}

impl Victim {
    fn new() -> Self {
        let now = Instant::from_nanos(1);
        let config = Config::new("victim", SocketAddr::from(([10, 0, 0, 1], 7946)));
        let mut db = NetworkDb::new(config, [1; 32], now).unwrap();
        db.join_network(now, b"net-one").unwrap();
        Self { db, now, streams: 0 }
    }

    fn attack(&mut self, bytes: &[u8], rng: &mut Rng) {
        let from = SocketAddr::from(([10, 0, 0, 9], 7946));
        self.now = self.now + Duration::from_millis(50);
        self.db.handle(self.now, Input::Datagram { from, bytes });
        // As a user message too, so that the layer above sees it.
        let user = [&[8], bytes].concat();
        self.db.handle(self.now, Input::Datagram { from, bytes: &user });
        self.streams += 1;
        let id = StreamId(2 * self.streams - 1);
        let cut = rng.below(bytes.len() + 1);
        let (head, tail) = bytes.split_at(cut);
        for input in [
            StreamInput::Accepted { from },
            StreamInput::Received(head),
            StreamInput::Received(tail),
            StreamInput::Finished,
        ] {
            self.db.handle(self.now, Input::Stream(id, input));
        }
        while self.db.poll_output().is_some() {}
        while self.db.poll_event().is_some() {}
    }
}

fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len());
        match rng.below(5) {
            0 => bytes[at] = rng.below(256) as u8,
            1 => bytes[at] ^= 1 << rng.below(8),
            2 => bytes.truncate(at.max(1)),
            3 => bytes.insert(at, [0xff, 0x7f, 0x80, 0xdf, 0xdd][rng.below(5)]),
            _ => {
                let tail = bytes[at..].to_vec();
                bytes.extend(tail.into_iter().take(2000));
            }
        }
    }
}

#[test]
fn a_node_lives_through_every_vector_and_its_mutations() {
    ALLOCATOR.set_limit(LIMIT).unwrap();
    let corpus = corpus();
    assert!(corpus.len() > 1000, "{} byte strings", corpus.len());
    let (mut victim, mut rng) = (Victim::new(), Rng::new([9; 32]));
    for bytes in &corpus {
        victim.attack(bytes, &mut rng);
    }
    for _ in 0..300_000 {
        let mut bytes = corpus[rng.below(corpus.len())].clone();
        mutate(&mut bytes, &mut rng);
        victim.attack(&bytes, &mut rng);
    }
    let key = networkdb_core::networkdb::EntryKey::new("net-one", "table", "after");
    victim.db.create_entry(victim.now, &key, "still here".into()).unwrap();
    assert!(!victim.db.stats().membership.dropped.is_empty());
    println!("{} byte strings and 300,000 mutations", corpus.len());
}
