//! What a sync server's own work costs: no network, clients that read at once.
//!
//! `cargo run --release --package networkdb-core --example sync_fanout`
#![allow(clippy::unwrap_used, clippy::indexing_slicing, unreachable_pub)]

use std::{hint::black_box, time::Duration};

use networkdb_core::{
    machine::{Input, Instant, Machine, Output, Rng, StreamId, StreamInput},
    syncproto::{
        Message,
        cache::Cache,
        encode,
        server::{Config, Server},
    },
};

#[path = "../tests/support/sync.rs"]
mod support;

use support::set;

const NOW: Instant = Instant::from_nanos(1_000_000_000);
const SESSIONS: usize = 1_000;
const KEYS: usize = 100_000;

fn main() {
    for snappy in [false, true] {
        let form = if snappy { "snappy" } else { "plain" };
        for (at_once, len) in [(1, 40), (16, 40), (256, 40), (1, 800)] {
            let (follow, after) = fan_out(at_once, len, snappy);
            println!(
                "crumbs of one {len} B update, {at_once:3} at a time, {form:6}: {follow:5.1} ns to hand over, \
                 {after:5.1} ns once sent, a crumb and session"
            );
        }
    }
    let mut cache = publish();
    for snappy in [false, true] {
        snapshots(&mut cache, snappy);
    }
}

fn value(len: usize, rng: &mut Rng) -> String {
    (0..len).map(|_| char::from(b'a' + rng.below(16) as u8)).collect()
}

/// Nanoseconds of the server for each crumb and session: until the bytes are handed over, and after that.
fn fan_out(at_once: usize, len: usize, snappy: bool) -> (f64, f64) {
    const CRUMBS: usize = 4_096;
    let (mut cache, mut rng) = (Cache::default(), Rng::new([1; 32]));
    let mut server = server(&cache, SESSIONS, snappy);
    let value = value(len, &mut rng);
    let (mut follow, mut after, mut sent) = (0, 0, Vec::new());
    for _ in 0..CRUMBS / at_once {
        for number in 0..at_once {
            set(&mut cache, number, &value);
            cache.publish(NOW);
        }
        let published = cache.published();
        let start = cpu();
        server.follow(NOW, "felix", published);
        take(&mut server, &mut sent);
        let handed_over = cpu();
        run(&mut server, &mut sent);
        follow += handed_over - start;
        after += cpu() - handed_over;
    }
    let each = |nanos| nanos as f64 / (CRUMBS * SESSIONS) as f64;
    (each(follow), each(after))
}

/// Nanoseconds this thread has run, or the time where Linux does not tell.
fn cpu() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64))
}

fn since(start: u64) -> Duration {
    Duration::from_nanos(cpu() - start)
}

/// Takes what is to be sent.
fn take(server: &mut Server, sent: &mut Vec<(StreamId, usize)>) {
    while let Some(output) = server.poll_output() {
        let Output::Write(id, bytes) = output else { continue };
        match sent.last_mut() {
            Some((last, count)) if *last == id => *count += bytes.len(),
            _ => sent.push((id, bytes.len())),
        }
    }
}

/// A host that sends everything at once: one report for each stream and round.
fn run(server: &mut Server, sent: &mut Vec<(StreamId, usize)>) {
    loop {
        take(server, sent);
        if sent.is_empty() && server.next_deadline().is_none_or(|deadline| deadline > NOW) {
            return;
        }
        for (id, count) in sent.drain(..) {
            server.handle(NOW, Input::Stream(id, StreamInput::Sent(count)));
        }
        server.handle(NOW, Input::Tick);
    }
}

/// A server with clients that have read all there is.
fn server(cache: &Cache, sessions: usize, snappy: bool) -> Server {
    let mut server = Server::new(Config::default(), [1; 32]);
    server.follow(NOW, "felix", cache.published());
    join(&mut server, sessions, snappy);
    server
}

fn join(server: &mut Server, sessions: usize, snappy: bool) {
    let hello = support::hello(snappy);
    let mut ack = Vec::new();
    encode::message(&mut ack, &Message::Ack);
    let ids = || (0..sessions).map(|number| StreamId(2 * number as u64 + 1));
    for id in ids() {
        server.handle(NOW, Input::Stream(id, StreamInput::Accepted { from: ([10, 0, 0, 1], 1).into() }));
        server.handle(NOW, Input::Stream(id, StreamInput::Received(&hello)));
    }
    let mut sent = Vec::new();
    run(server, &mut sent);
    for _ in 0..if snappy { 2 } else { 0 } {
        for id in ids() {
            server.handle(NOW, Input::Stream(id, StreamInput::Received(&ack)));
        }
        run(server, &mut sent);
    }
    assert_eq!(server.stats().closed.len(), 0);
}

fn publish() -> Cache {
    let (mut cache, mut rng) = (Cache::default(), Rng::new([1; 32]));
    let values: Vec<String> = (0..100).map(|_| value(720, &mut rng)).collect();
    let start = cpu();
    for (number, value) in values.iter().cycle().take(KEYS).enumerate() {
        set(&mut cache, number, value);
        if number % 1_000 == 999 {
            cache.publish(NOW);
        }
    }
    let (bytes, took) = (cache.stats().cache_bytes, since(start));
    println!("{KEYS} keys, {bytes} bytes, published 1,000 at a time: {took:.0?}");
    for at_once in [1, 100] {
        let rounds = 20_000 / at_once;
        let start = cpu();
        for _ in 0..rounds {
            for _ in 0..at_once {
                set(&mut cache, rng.below(KEYS), &values[0]);
            }
            black_box(cache.publish(NOW));
        }
        let each = since(start) / (rounds * at_once) as u32;
        println!("published {at_once} at a time in random places: {each:.1?} an update");
    }
    cache
}

fn snapshots(cache: &mut Cache, snappy: bool) {
    set(cache, 0, if snappy { "x" } else { "y" });
    cache.publish(NOW);
    for sessions in [1, 1, 100] {
        let start = cpu();
        let server = server(cache, sessions, snappy);
        let (took, out) = (since(start), server.stats().bytes_out);
        let form = if snappy { "snappy" } else { "plain" };
        println!(
            "snapshot to {sessions:3} sessions, {form:6}: {took:.1?}, {} MB handed over",
            out / 1_000_000
        );
    }
}
