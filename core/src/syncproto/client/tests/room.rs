//! A user who does not take events.

use std::time::Duration;

use super::typha::{Host, Typha, config};
use crate::{
    machine::{Fault, Machine, StreamInput},
    syncproto::{
        Message,
        client::{Config, Event, Limits, Reason},
    },
    wire::gob::Time,
};

const PENDING: usize = 100_000;

fn small() -> Config {
    Config { limits: Limits { pending_bytes: PENDING, ..Limits::default() }, ..config() }
}

/// A snapshot of `count` keys in messages of 100.
fn snapshot(mut typha: Typha, count: usize) -> Typha {
    let value = "x".repeat(200);
    for first in (0..count).step_by(100) {
        let keys: Vec<String> = (first..first + 100).map(|i| format!("/key/{i}")).collect();
        let pairs: Vec<(&str, &str)> = keys.iter().map(|key| (&key[..], &value[..])).collect();
        typha = typha.kvs(&pairs);
    }
    typha
}

/// A host that delivers `bytes` as far as the client reads, in pieces.
fn deliver(host: &mut Host, bytes: &mut &[u8]) {
    while host.reading && !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(bytes.len().min(64 << 10));
        host.receive(piece);
        *bytes = rest;
    }
}

#[test]
fn a_snapshot_waits_with_the_server_until_its_user_takes_it() {
    let typha = snapshot(Typha::compressed(), 100_000).in_sync();
    let mut bytes = &typha.bytes[..];
    let mut host = Host::up(small());
    host.takes = false;
    let (mut rounds, mut kvs) = (0, 0);
    while !bytes.is_empty() || host.client.stats().pending_events > 0 {
        deliver(&mut host, &mut bytes);
        let stats = host.client.stats();
        assert!(stats.pending_bytes < PENDING + 40_000, "{stats:?}");
        assert!(stats.unread_bytes <= 64 << 10, "{stats:?}");
        while let Some(event) = host.client.poll_event() {
            kvs += if let Event::Updates(updates) = event { updates.len() } else { 0 };
        }
        rounds += 1;
        assert!(rounds < 10_000, "nothing comes");
        host.tick();
    }
    assert_eq!(kvs, 100_000);
    assert!(rounds > 100 && host.client.stats().pauses > 100, "{rounds}");
    assert!(host.client.stats().times.in_sync.is_some());
}

#[test]
fn compressed_bytes_are_not_expanded_before_there_is_room() {
    let value = "x".repeat(60_000);
    let typha = (0..200).fold(Typha::compressed(), |typha, i| typha.kvs(&[(&format!("/{i}"), &value)]));
    assert!(typha.bytes.len() < 1 << 20);
    let mut host = Host::up(small());
    host.takes = false;
    host.receive(&typha.bytes);
    assert!(host.client.stats().pending_bytes < PENDING + 70_000);
    assert!(host.client.stats().unread_bytes > typha.bytes.len() / 2);
    host.take_all();
    assert_eq!(host.applied().len(), 200);
    assert!(host.reading);
}

#[test]
fn a_user_who_sleeps_for_long_does_not_find_the_server_silent() {
    let typha = snapshot(Typha::greeted(), 1_000).in_sync();
    let mut host = Host::up(small());
    host.takes = false;
    host.receive(&typha.bytes);
    assert!(!host.reading);
    host.wait(Duration::from_secs(1_000));
    assert!(host.open, "the time of the server does not run");
    // Taken without the client learning what time it is.
    host.now = host.now + Duration::from_secs(1_000);
    while host.client.poll_event().is_some() {}
    assert!(host.client.next_deadline().unwrap() <= host.now, "it asks for the time");
    host.tick();
    host.take_all();
    assert!(host.open && host.reading);
    host.wait(Duration::from_secs(29));
    assert!(host.open);
    host.wait(Duration::from_secs(1));
    host.take_all();
    assert_eq!(host.reason(), Some(&Reason::ReadTimeout), "and then it does");
}

#[test]
fn pings_that_were_read_are_answered_though_nobody_takes_events() {
    let mut host = Host::up(small());
    host.takes = false;
    host.receive(&snapshot(Typha::greeted(), 100).say(&Message::Ping(Time::from_unix(1, 0))).bytes);
    assert_eq!(host.said().len(), 2);
}

#[test]
fn reading_goes_on_only_when_half_is_taken() {
    let mut host = Host::up(small());
    host.takes = false;
    host.receive(&snapshot(Typha::greeted(), 1_000).bytes);
    assert!(!host.reading);
    let full = host.client.stats().pending_bytes;
    while host.client.stats().pending_bytes > PENDING / 2 {
        assert!(!host.reading);
        host.client.poll_event();
        if host.client.stats().pending_bytes > PENDING / 2 {
            assert!(host.client.next_deadline().is_none_or(|deadline| deadline > host.now));
        }
    }
    host.tick();
    assert!(host.client.stats().pending_bytes > full / 2);
}

#[test]
fn what_was_received_before_the_end_is_told_before_it() {
    for broken in [true, false] {
        let mut host = Host::up(small());
        host.takes = false;
        host.receive(&snapshot(Typha::greeted(), 1_000).say(&Message::Ping(Time::default())).in_sync().bytes);
        if broken {
            host.fail(Fault::Reset);
        } else {
            host.stream(StreamInput::Finished);
        }
        host.wait(Duration::from_secs(100));
        host.take_all();
        assert_eq!(host.applied().len(), 1_000);
        let story = host.story();
        let end = story.len() - 3;
        assert_eq!(story[end], "in-sync");
        assert!(story[end + 1].starts_with("disconnected"), "{story:?}");
        assert!(!host.open);
    }
}

#[test]
fn a_stream_that_breaks_as_room_is_made_is_spoken_of_no_more() {
    let mut host = Host::up(small());
    host.takes = false;
    host.receive(&snapshot(Typha::greeted(), 1_000).say(&Message::Ping(Time::default())).in_sync().bytes);
    while host.client.poll_event().is_some() {}
    host.clear();
    host.fail(Fault::Reset);
    host.take_all();
    assert_eq!(host.reason(), Some(&Reason::Broken(Fault::Reset)));
    assert_eq!(host.count(|event| matches!(event, Event::Status(_))), 2);
}

#[test]
fn a_user_who_takes_nothing_is_not_connected_again() {
    let mut config = small();
    config.limits.pending_bytes = 1_000;
    let mut host = Host::new(config);
    host.takes = false;
    for _ in 0..100 {
        if host.open {
            host.fail(Fault::Refused);
        }
        host.wait(Duration::from_secs(60));
    }
    let dialled = host.dialled.len();
    assert!(dialled < 10, "{dialled}");
    assert_eq!(host.client.next_deadline(), None);
    host.take_all();
    assert_eq!(host.dialled.len(), dialled + 1);
}

#[test]
fn time_never_runs_back() {
    let mut host = Host::with(small(), &Typha::greeted());
    let deadline = host.client.next_deadline();
    host.now = crate::machine::Instant::ORIGIN;
    host.receive(&Typha::default().kvs(&[("/a", "1")]).bytes);
    assert_eq!(host.client.next_deadline(), deadline);
}
