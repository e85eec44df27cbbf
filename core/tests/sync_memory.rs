//! What the cache of the sync protocol and its clients cost in memory, by the allocator's count.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, unreachable_pub)]

use std::alloc::System;

use cap::Cap;
use networkdb_core::{
    machine::{Input, Instant, Machine, Output, Rng, StreamId, StreamInput},
    syncproto::{
        Message,
        cache::Cache,
        encode,
        server::{Config, Server},
    },
};

#[path = "support/sync.rs"]
mod support;

use support::set;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const NOW: Instant = Instant::from_nanos(1_000_000_000);
const KEYS: usize = 100_000;

/// One that reads nothing and has asked for everything.
fn client(server: &mut Server, number: u64, snappy: bool) -> usize {
    let (id, mut hello) = (StreamId(2 * number + 1), support::hello(snappy));
    if snappy {
        encode::message(&mut hello, &Message::Ack);
    }
    server.handle(NOW, Input::Stream(id, StreamInput::Accepted { from: ([10, 0, 0, 1], 1).into() }));
    server.handle(NOW, Input::Stream(id, StreamInput::Received(&hello)));
    let mut handed = 0;
    let mut turns = 0;
    while server.next_deadline().is_some_and(|deadline| deadline <= NOW) {
        turns += 1;
        assert!(turns < 1_000, "its deadline stays in the past");
        server.handle(NOW, Input::Tick);
    }
    while let Some(output) = server.poll_output() {
        handed += if let Output::Write(_, bytes) = output { bytes.len() } else { 0 };
    }
    while server.poll_event().is_some() {}
    handed
}

/// One test, since all of a program's tests share its allocator.
#[test]
fn memory_is_one_encoded_snapshot_and_a_cursor_for_each_client() {
    let (start, mut cache, value) = (ALLOCATOR.allocated(), Cache::default(), "v".repeat(720));
    for number in 0..KEYS {
        set(&mut cache, number, &value);
        if number % 1_000 == 999 {
            cache.publish(NOW);
        }
    }
    let encoded = cache.stats().cache_bytes;
    let held = ALLOCATOR.allocated() - start;
    println!("{KEYS} keys: {encoded} bytes encoded, {held} held");
    assert!(encoded > 800 * KEYS && held < encoded + encoded / 20 + (1 << 20), "{held} for {encoded}");

    // Changes in random places replace leaves, and what they replace is let go.
    let mut rng = Rng::new([5; 32]);
    for _ in 0..20_000 {
        set(&mut cache, rng.below(KEYS), &value);
        cache.publish(NOW);
    }
    let held = ALLOCATOR.allocated() - start;
    println!("after 20,000 crumbs: {held} held");
    assert!(held < encoded + encoded / 20 + (2 << 20), "{held} for {encoded}");

    let mut server = Server::new(Config::default(), [1; 32]);
    server.follow(NOW, "felix", cache.published());
    let before = ALLOCATOR.allocated();
    let mut handed = 0;
    for number in 0..1_000 {
        handed += client(&mut server, number, false);
    }
    let each = (ALLOCATOR.allocated() - before) / 1_000;
    println!("{each} bytes for a client of {} handed over", handed / 1_000);
    assert!(
        handed > 1_000 * (128 << 10) && each < 8 << 10,
        "{each} bytes for a client, its window not copied"
    );

    let before = ALLOCATOR.allocated();
    for number in 1_000..1_010 {
        client(&mut server, number, true);
    }
    let chunks = ALLOCATOR.allocated() - before;
    println!("{chunks} bytes for ten clients in snappy");
    assert!(chunks < 1 << 20, "chunks are made as far as somebody has come, and once");
}
