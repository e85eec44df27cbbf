//! A thousand clients of our sync server at once, a tenth of which never read. Alone in its process, for the memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    fs,
    process::{Command, id},
    slice,
    time::{Duration, Instant},
};

use networkdb_host::sync::serve;
use networkdb_tests::{
    eventually, spawn,
    sync::{Client, DEADLINE, GoClient, OurClient, OurServer, Server, Update, client_config},
};
use serde_json::Value;

const FELIX: &str = "felix";
/// Clients of Go that read, such that do not, and ours that measure.
const READERS: usize = 880;
const SILENT: usize = 100;
const MEASURING: usize = 20;
/// Keys of the snapshot, of some 1,000 bytes each, and changes to them.
const KEYS: usize = 1_000;
const CHANGES: usize = 300;
/// Rounds of changes to all keys, 1 MB each, after which no buffers of the system take more for who does not read, and
/// after which such a client must have been dropped.
const BLOCKED: usize = 10;
const DROPPED: usize = 30;
/// What may be kept for a client that does not read.
const MAX_BEHIND: u64 = 16 << 20;
/// What all of it may take, the updates included that this test keeps. A copy for each of the slow ones of what they
/// have not read would be a gigabyte.
const MAX_MEMORY: u64 = 192 << 20;
/// All are delayed by no more than this, on however busy a machine.
const MAX_DELAY: Duration = Duration::from_secs(20);

fn key(number: usize) -> String {
    format!("/calico/v1/config/{:05}", number % KEYS)
}

/// A value that does not compress well.
fn update(number: usize, round: usize) -> Update {
    let mut state = (number as u64) << 32 | round as u64 | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'0' + (state >> 58) as u8)
    };
    Update::new(key(number), (0..1_000).map(|_| next()).collect::<String>())
}

/// Bytes of memory this process has in use.
fn memory() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// The sockets of all clients are open at once in one process.
fn allow_many_sockets() {
    let limit = ["--nofile=4096:".to_owned(), format!("--pid={}", id())];
    assert!(
        spawn(Command::new("prlimit").args(limit)).wait().unwrap().success(),
        "2,000 open files must be allowed"
    );
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() - 1) * percent / 100]
}

/// From the publication of each change to the user of each of our clients, sorted.
fn delays(published: &[(String, Instant)], clients: &[OurClient]) -> Vec<Duration> {
    let mut delays = Vec::new();
    for (value, at) in published {
        for client in clients {
            client.told(|told| {
                let mut seen = told.updates.iter().rev();
                let found = seen.find(|(update, _)| update.value.as_ref() == Some(value));
                delays.push(found.expect("it has everything").1.saturating_duration_since(*at));
            });
        }
    }
    delays.sort();
    delays
}

/// Waits until these clients have heard of the last change.
fn all_hear(clients: &[OurClient], last: &Update) {
    let has = |client: &OurClient| {
        client.told(|told| told.updates.last().is_some_and(|(update, _)| update.value == last.value))
    };
    eventually(DEADLINE, "all hear of the last change", || {
        let missing = clients.iter().filter(|client| !has(client)).count();
        if missing == 0 { Ok(()) } else { Err(missing) }
    });
}

/// Changes all keys so many times. One client follows, so that no two rounds are joined.
fn churn(server: &OurServer, rounds: std::ops::Range<usize>, follower: &OurClient) {
    for round in rounds {
        server.publish(FELIX, &(0..KEYS).map(|number| update(number, round)).collect::<Vec<_>>());
        all_hear(slice::from_ref(follower), &update(KEYS - 1, round));
    }
}

#[test]
fn a_thousand_clients_hear_everything_without_delay_though_a_tenth_never_reads() {
    allow_many_sockets();
    // They are to be dropped for what is kept for them, and not for their silence.
    let (pong_timeout, write_timeout) = (Duration::from_secs(3_600), Duration::from_secs(3_600));
    let config = serve::Config {
        max_behind_bytes: MAX_BEHIND,
        pong_timeout,
        write_timeout,
        // Readers count: an older snapshot would be followed by more than the changes.
        snapshot_reuse: Duration::ZERO,
        ..serve::Config::default()
    };
    let server = OurServer::with(&(0..KEYS).map(|number| update(number, 0)).collect::<Vec<_>>(), config);
    let before = memory();
    let start = |count: usize, flags: &[&str]| {
        let count = format!("--clients={count}");
        GoClient::start(server.addr(), &[&[&*count, "--quiet"], flags].concat())
    };
    let _silent = start(SILENT, &["--never-read=1", "--restart=false", "--read-buffer=4096"]);
    let follower = OurClient::start(client_config(server.addr()));
    follower.in_sync();
    server.has(SILENT + 1);
    churn(&server, 1..BLOCKED, &follower);

    let until = format!("--until-kvs={}", KEYS + CHANGES);
    let flags = ["--once", "--state", &until];
    let in_snappy = start(READERS / 2, &flags);
    let in_plain = start(READERS / 2, &[&flags[..], &["--restart=false"]].concat());
    let measuring: Vec<_> = (0..MEASURING).map(|_| OurClient::start(client_config(server.addr()))).collect();
    measuring.iter().for_each(Client::in_sync);
    eventually(DEADLINE, "all readers are in sync", || {
        let synced = [&in_snappy, &in_plain].map(|clients| clients.total()["synced"].as_u64().unwrap());
        if synced.iter().sum::<u64>() == READERS as u64 { Ok(()) } else { Err(synced) }
    });
    server.has(1 + READERS + SILENT + MEASURING);

    // One by one, so that each has a delay of its own.
    let mut published = Vec::new();
    for number in 0..CHANGES {
        let change = update(number, BLOCKED);
        published.push((change.value.clone().unwrap(), Instant::now()));
        server.publish(FELIX, slice::from_ref(&change));
        if number % 20 == 19 {
            all_hear(&measuring, &change);
        }
    }
    let ends = [in_snappy, in_plain].map(|clients| clients.all_ended(READERS / 2)).concat();
    let held = memory().saturating_sub(before);
    let (wanted, kvs) = (follower.state().1, (KEYS + CHANGES) as u64);
    let whole = |end: &&Value| end["kvs"] == kvs && end["digest"] == wanted;
    assert_eq!(ends.iter().filter(whole).count(), READERS, "all have all");
    assert!(measuring.iter().all(|client| client.state().1 == wanted));

    let delays = delays(&published, &measuring);
    let [middle, most] = [50, 99].map(|percent| percentile(&delays, percent));
    println!("memory: {} MiB for 1,000 clients; delay: {middle:?}, at 99 % {most:?}", held >> 20);
    assert!(held < MAX_MEMORY && most < MAX_DELAY, "{held} bytes, {most:?}");

    // What is kept for those who do not read has its limit.
    drop(measuring);
    server.has(1 + SILENT);
    churn(&server, BLOCKED + 1..DROPPED, &follower);
    server.has(1);
    assert_eq!(server.stats().server.closed["too much behind"], SILENT as u64);
    let held = memory().saturating_sub(before);
    assert!(held < MAX_MEMORY, "{held} bytes");
}
