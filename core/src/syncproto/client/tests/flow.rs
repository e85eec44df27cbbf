//! One connection with a server that does as the real ones do.

use std::time::Duration;

use proptest::prelude::*;

use super::typha::{Host, START, Typha, config, hello};
use crate::{
    syncproto::{
        Message, ServerHello, SyncStatus,
        client::{Config, ConfigError, Event, Generation, Tracking},
    },
    wire::gob::Time,
};

const SNAPSHOT: [(&str, &str); 2] = [("/a", "1"), ("/b", "2")];

#[test]
fn the_hello_says_what_the_client_can() {
    let said = Host::up(Config { syncer_type: "bgp".into(), info: "x".into(), ..config() }).said();
    let id = said[0].split("client_conn_id: ").nth(1).unwrap().split(' ').next().unwrap();
    let id: u64 = id.parse().unwrap();
    assert_eq!((id & 0xffff_ffff, said.len()), (1, 1));
    for part in [
        "hostname: [110, 111, 100, 101, 45, 49]",
        "syncer_type: [98, 103, 112]",
        "supports_decoder_restart: true",
        "compression_algorithms: [[115, 110, 97, 112, 112, 121]]",
        "supports_modern_policy_keys: true",
    ] {
        assert!(said[0].contains(part), "{part}: {}", said[0]);
    }
    let plain = Host::up(Config { decoder_restart: false, snappy: false, ..config() }).said();
    assert!(plain[0].contains("supports_decoder_restart: false, compression_algorithms: []"), "{plain:?}");
}

#[test]
fn the_hello_of_v3_2_5_names_only_the_client() {
    let said = Host::up(Config { generation: Generation::V3_2_5, ..config() }).said();
    for part in [
        "hostname: [110, 111, 100, 101, 45, 49]",
        "syncer_type: []",
        "supports_decoder_restart: false, compression_algorithms: []",
        "supports_modern_policy_keys: false, client_conn_id: 0",
    ] {
        assert!(said[0].contains(part), "{part}: {}", said[0]);
    }
}

#[test]
fn a_snapshot_and_its_changes_come_in_order() {
    let typha = Typha::greeted()
        .kvs(&SNAPSHOT)
        .in_sync()
        .kvs(&[("/a", "3"), ("/b", "")])
        .status(SyncStatus::RESYNC_IN_PROGRESS);
    let host = Host::with(config(), &typha);
    assert_eq!(
        host.story(),
        ["resync", "connected v3.33", "/a=1:1 /b=2:1", "in-sync", "/a=3:2 /b=-:3", "resync"]
    );
    let Event::Connected(hello) = &host.events[1] else { panic!() };
    assert_eq!((hello.server_conn_id, hello.generation), (77, Generation::Today));
    assert_eq!(hello.client_conn_id & 0xffff_ffff, 1);
}

#[test]
fn a_restart_is_acknowledged_and_what_follows_is_a_new_compressed_stream() {
    let typha =
        Typha::compressed().kvs(&SNAPSHOT).restart("snappy").in_sync().restart("").kvs(&[("/c", "3")]);
    let host = Host::with(config(), &typha);
    assert_eq!(host.story()[2..], ["/a=1:1 /b=2:1", "in-sync", "/c=3:1"]);
    assert_eq!(host.said()[1..], ["Ack", "Ack", "Ack"]);
    let stats = host.client.stats();
    assert_eq!((stats.restarts, stats.messages, stats.kvs), (3, 7, 3));
    assert_eq!(stats.bytes_in, typha.bytes.len() as u64);
}

#[test]
fn an_unknown_compression_is_acknowledged_and_changes_nothing() {
    let typha = Typha::greeted().announce("zstd").kvs(&SNAPSHOT);
    let host = Host::with(config(), &typha);
    assert_eq!(host.said()[1..], ["Ack"]);
    assert_eq!(host.story()[2..], ["/a=1:1 /b=2:1"]);
}

#[test]
fn a_pong_holds_the_very_bytes_of_the_ping() {
    let odd = Time::from_bytes(&[2, 0, 0, 0, 14, 187, 75, 55, 229, 255, 255, 255, 255, 1, 2, 9]).unwrap();
    let typha = Typha::greeted().say(&Message::Ping(odd));
    let mut host = Host::with(config(), &typha);
    let plain = Typha::default()
        .say(&Message::Pong(crate::syncproto::Pong { ping_timestamp: odd, ..Default::default() }));
    assert!(host.written.ends_with(&plain.bytes));
    host.take_all();
    assert_eq!(host.client.stats().pings, 1);
}

#[test]
fn a_hello_must_come_first_only_today() {
    let typha = Typha::new()
        .kvs(&SNAPSHOT)
        .say(&Message::ServerHello(ServerHello { version: b"v3.2.5", ..ServerHello::default() }));
    let old = Host::with(Config { generation: Generation::V3_2_5, ..config() }, &typha);
    assert_eq!(old.story(), ["/a=1:1 /b=2:1", "connected v3.2.5"]);
    let Event::Connected(hello) = &old.events[1] else { panic!() };
    assert_eq!(hello.generation, Generation::V3_2_5);
    let new = Host::with(config(), &typha);
    assert_eq!(new.story()[1], "disconnected: the server began with a MsgKVs instead of its hello");
}

#[test]
fn a_server_before_3_9_is_left_unless_such_are_accepted() {
    let old = ServerHello { version: b"v3.2.5", ..ServerHello::default() };
    let typha = Typha::new().say(&Message::ServerHello(old)).kvs(&SNAPSHOT);
    let host = Host::with(config(), &typha);
    assert_eq!(host.story()[1], "disconnected: the server, v3.2.5, is older than 3.9");
    let host = Host::with(Config { accept_old_servers: true, ..config() }, &typha);
    assert_eq!(host.story()[1..], ["connected v3.2.5", "/a=1:1 /b=2:1"]);
}

#[test]
fn the_syncer_type_must_be_that_asked_for_where_none_means_felix() {
    for (ours, theirs, fits) in [
        ("", "felix", true),
        ("felix", "", true),
        ("bgp", "bgp", true),
        ("bgp", "", false),
        ("felix", "bgp", false),
    ] {
        let answer = ServerHello { syncer_type: theirs.as_bytes(), ..hello() };
        let typha = Typha::new().say(&Message::ServerHello(answer));
        let host = Host::with(Config { syncer_type: ours.into(), ..config() }, &typha);
        assert_eq!(host.reason().is_none(), fits, "{ours} {theirs}");
    }
}

#[test]
fn what_the_user_has_is_not_told_again() {
    let typha = Typha::greeted()
        .kvs(&SNAPSHOT)
        .kvs(&[("/a", "1"), ("/b", "3"), ("/zzz", "")])
        .kvs(&[("/a", "1")])
        .kvs(&[]);
    let host = Host::with(config(), &typha);
    assert_eq!(host.story()[2..], ["/a=1:1 /b=2:1", "/b=3:2"]);
    assert_eq!(host.client.stats().suppressed, 3);
    let raw = Host::with(Config { tracking: Tracking::None, ..config() }, &typha);
    assert_eq!(raw.story()[2..], ["/a=1:1 /b=2:1", "/a=1:1 /b=3:1 /zzz=-:3", "/a=1:1"]);
}

#[test]
fn times_tell_how_long_each_step_took() {
    let mut host = Host::new(config());
    let at = |seconds: u64| Some(START + Duration::from_secs(seconds));
    host.now = at(1).unwrap();
    host.opened();
    host.now = at(2).unwrap();
    host.receive(&Typha::greeted().bytes);
    host.now = at(3).unwrap();
    host.receive(&Typha::default().kvs(&SNAPSHOT).bytes);
    host.now = at(4).unwrap();
    host.receive(&Typha::default().in_sync().bytes);
    host.now = at(5).unwrap();
    host.receive(&Typha::default().kvs(&SNAPSHOT).bytes);
    let times = host.client.stats().times;
    assert_eq!((times.dialled, times.connected, times.hello), (at(0), at(1), at(2)));
    assert_eq!((times.first_kv, times.in_sync, times.last_message), (at(3), at(4), at(5)));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let client = |config| crate::syncproto::client::Client::new(config, [7; 32], START).map(drop);
    let refused = |config, error| assert_eq!(client(config), Err(error));
    refused(Config::new("a", Vec::new()), ConfigError::NoEndpoint);
    refused(Config { read_timeout: Duration::ZERO, ..config() }, ConfigError::NoTime);
    let mut changed = config();
    changed.retry.tries = Some(0);
    refused(changed, ConfigError::NoTries);
    let mut changed = config();
    changed.limits.gob.message = usize::MAX;
    refused(changed, ConfigError::MessageLimit);
    assert_eq!(client(config()), Ok(()));
}

/// A connection with every message, both layers and values longer than a chunk.
fn long_story() -> Vec<u8> {
    let long: String = (0..90_000_u32).map(|i| char::from(b'a' + (i.wrapping_mul(i) % 26) as u8)).collect();
    Typha::compressed()
        .kvs(&SNAPSHOT)
        .kvs(&[("/long", &long)])
        .restart("snappy")
        .in_sync()
        .say(&Message::Ping(Time::from_unix(1, 2)))
        .restart("")
        .kvs(&[("/a", "5")])
        .restart("snappy")
        .kvs(&[("/b", "")])
        .bytes
}

#[test]
fn a_connection_cut_at_every_byte_is_the_same_connection() {
    let bytes = long_story();
    let whole = Host::up(config());
    let (mut whole, mut cut) = (whole, Host::up(config()));
    whole.receive(&bytes);
    bytes.chunks(1).for_each(|byte| cut.receive(byte));
    assert_eq!(whole.events, cut.events);
    assert_eq!(whole.written, cut.written);
    assert_eq!(whole.client.stats(), cut.client.stats());
    assert_eq!(whole.applied().len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn cuts_mean_nothing(cuts in proptest::collection::vec(1..30_000_usize, 1..20)) {
        let bytes = long_story();
        let (mut whole, mut cut) = (Host::up(config()), Host::up(config()));
        whole.receive(&bytes);
        let mut rest = &bytes[..];
        for len in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (piece, after) = rest.split_at((*len).min(rest.len()));
            cut.receive(piece);
            rest = after;
        }
        prop_assert_eq!(&whole.events, &cut.events);
        prop_assert_eq!(&whole.written, &cut.written);
    }
}
