//! One connection after the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;

use super::typha::{Host, Typha, config};
use crate::{
    machine::{Endpoint, Fault, Machine, StreamInput},
    syncproto::{
        UpdateType,
        client::{Config, Event, Generation, Reason, Retry, Tracking},
    },
};

#[test]
fn a_lost_connection_is_replaced_and_what_is_gone_is_told_before_in_sync() {
    let mut host =
        Host::with(config(), &Typha::compressed().kvs(&[("/a", "1"), ("/c", "3"), ("/b", "2")]).in_sync());
    host.clear();
    host.fail(Fault::Reset);
    host.reconnect();
    host.receive(&Typha::compressed().kvs(&[("/b", "2"), ("/d", "4")]).in_sync().bytes);
    host.receive(&[]);
    assert_eq!(
        host.story(),
        [
            "disconnected: connection reset",
            "wait-for-ready",
            "resync",
            "connected v3.33",
            "/d=4:1",
            "/a=-:3 /c=-:3",
            "in-sync"
        ]
    );
    let stats = host.client.stats();
    assert_eq!((stats.swept, stats.suppressed, stats.connections, stats.known_keys), (2, 1, 2, 2));
    assert!(host.said()[0].contains("ClientHello"));
}

#[test]
fn the_status_may_come_and_go_without_another_sweep() {
    let mut host = Host::with(config(), &Typha::greeted().kvs(&[("/a", "1")]).in_sync());
    host.fail(Fault::Reset);
    host.reconnect();
    host.clear();
    let typha =
        Typha::greeted().in_sync().kvs(&[("/b", "1")]).status(crate::syncproto::SyncStatus(1)).in_sync();
    host.receive(&typha.bytes);
    assert_eq!(host.story()[1..], ["/a=-:3", "in-sync", "/b=1:1", "resync", "in-sync"]);
}

#[test]
fn a_resync_that_is_cut_short_deletes_nothing() {
    let mut host = Host::with(config(), &Typha::greeted().kvs(&[("/a", "1"), ("/b", "1")]).in_sync());
    host.fail(Fault::Reset);
    host.reconnect();
    host.receive(&Typha::greeted().kvs(&[("/b", "1")]).bytes);
    host.fail(Fault::Reset);
    host.reconnect();
    host.clear();
    host.receive(&Typha::greeted().kvs(&[("/a", "1")]).in_sync().bytes);
    assert_eq!(host.story()[1..], ["/b=-:3", "in-sync"]);
}

#[test]
fn nothing_is_remembered_if_that_is_wanted() {
    let config = Config { tracking: Tracking::None, ..config() };
    let mut host = Host::with(config, &Typha::greeted().kvs(&[("/a", "1")]).in_sync());
    host.fail(Fault::Reset);
    host.reconnect();
    host.clear();
    host.receive(&Typha::greeted().kvs(&[("/b", "1")]).in_sync().bytes);
    assert_eq!(host.story()[1..], ["/b=1:1", "in-sync"]);
    assert_eq!(host.client.stats().known_keys, 0);
}

#[test]
fn a_client_of_v3_2_5_can_be_told_to_end_with_its_connection() {
    let mut changed = Config { generation: Generation::V3_2_5, ..config() };
    changed.retry.reconnect = false;
    let mut host = Host::with(changed, &Typha::greeted().kvs(&[("/a", "1")]).in_sync());
    host.stream(StreamInput::Finished);
    assert_eq!(host.story()[3..], ["finished: the server closed the connection"]);
    assert!(host.client.is_finished() && !host.open);
}

#[test]
fn a_server_that_cannot_be_reached_is_tried_again_later_and_others_in_between() {
    let endpoints = (1..=3).map(|port| Endpoint::Name { host: "typha".into(), port }).collect();
    let mut changed = Config { endpoints, shuffle: false, ..config() };
    changed.retry = Retry { tries: Some(7), ..Retry::default() };
    let mut host = Host::new(changed);
    for _ in 0..6 {
        host.fail(Fault::Refused);
        let deadline = host.client.next_deadline().unwrap();
        host.wait(deadline.since(host.now));
    }
    host.fail(Fault::Unreachable);
    assert_eq!(host.dialled, ["typha:1", "typha:2", "typha:3", "typha:1", "typha:2", "typha:3", "typha:1"]);
    assert_eq!(host.count(|event| matches!(event, Event::Unreached { .. })), 7);
    assert_eq!(host.events.last(), Some(&Event::Finished { reason: Reason::Dial(Fault::Unreachable) }));
}

#[test]
fn only_a_connection_that_was_of_use_ends_a_row_of_failures() {
    let mut changed = config();
    changed.retry.tries = Some(3);
    let mut host = Host::new(changed);
    for _ in 0..5 {
        host.fail(Fault::Refused);
        host.reconnect();
        host.receive(&Typha::greeted().in_sync().bytes);
        host.fail(Fault::Reset);
        host.reconnect();
        host.receive(&Typha::greeted().bytes);
        host.wait(Duration::from_secs(29));
        host.receive(&Typha::default().kvs(&[]).bytes);
        host.wait(Duration::from_secs(1));
        host.fail(Fault::Reset);
        host.wait(Duration::from_millis(200));
    }
    assert!(!host.client.is_finished());
    for _ in 0..2 {
        host.opened();
        host.receive(&Typha::greeted().bytes);
        host.fail(Fault::Reset);
        host.wait(Duration::from_millis(300));
    }
    host.fail(Fault::Refused);
    assert!(host.client.is_finished(), "{:?}", host.story());
}

#[test]
fn servers_that_were_discovered_anew_are_tried_next() {
    let mut host = Host::with(config(), &Typha::greeted());
    assert!(!host.client.set_endpoints(Vec::new()));
    assert!(host.client.set_endpoints(vec![Endpoint::Name { host: "other".into(), port: 1 }]));
    assert!(host.open);
    host.fail(Fault::Reset);
    host.reconnect();
    assert_eq!(host.dialled, ["10.0.0.1:5473", "other:1"]);
}

#[test]
fn same_seed_and_inputs_give_the_same_outputs() {
    let run = || {
        let endpoints = (1..=9).map(|port| Endpoint::Name { host: "typha".into(), port }).collect();
        let mut host = Host::new(Config { endpoints, ..config() });
        for i in 0..30 {
            if i % 3 == 0 {
                host.fail(Fault::Refused);
            } else {
                host.opened();
                let keys: Vec<String> = (0..50).map(|k| format!("/{}", (k * i) % 97)).collect();
                let pairs: Vec<(&str, &str)> = keys.iter().map(|key| (&key[..], "v")).collect();
                host.receive(&Typha::compressed().kvs(&pairs).in_sync().bytes);
                host.fail(Fault::Reset);
            }
            let deadline = host.client.next_deadline().unwrap();
            host.wait(deadline.since(host.now));
        }
        (host.outputs, host.events, host.now)
    };
    assert!(run() == run());
}

/// What happens to a server's data and to the connection.
#[derive(Clone, Debug)]
enum Act {
    /// A key is set.
    Set(u8, u8),
    /// A key is deleted, whether it is there or not.
    Delete(u8),
    /// The connection breaks. Meanwhile these are set, or deleted if the value is 0.
    Break(Vec<(u8, u8)>),
    /// The connection breaks within the next snapshot, after so many keys.
    BreakEarly(u8),
}

fn act() -> impl Strategy<Value = Act> {
    let pair = || (0..12_u8, 0..4_u8);
    prop_oneof![
        4 => (0..12_u8, 1..4_u8).prop_map(|(key, value)| Act::Set(key, value)),
        2 => (0..12_u8).prop_map(Act::Delete),
        1 => proptest::collection::vec(pair(), 0..8).prop_map(Act::Break),
        1 => (0..12_u8).prop_map(Act::BreakEarly),
    ]
}

type Data = BTreeMap<String, String>;

fn change(data: &mut Data, (key, value): (u8, u8)) -> (String, String) {
    let (key, value) = (format!("/{key}"), if value == 0 { String::new() } else { value.to_string() });
    if value.is_empty() {
        data.remove(&key)
    } else {
        data.insert(key.clone(), value.clone())
    };
    (key, value)
}

fn snapshot(data: &Data, part: usize) -> Typha {
    let pairs: Vec<(&str, &str)> =
        data.iter().map(|(key, value)| (&key[..], &value[..])).take(part).collect();
    let typha = Typha::greeted();
    if pairs.is_empty() { typha } else { typha.kvs(&pairs) }
}

/// Every update says what it does to what the user has.
fn check_types(host: &Host, tracking: Tracking) {
    let mut held = BTreeSet::new();
    for event in &host.events {
        let Event::Updates(updates) = event else { continue };
        for update in updates.iter() {
            let was = held.contains(update.key);
            if update.value.is_some() {
                assert_eq!(update.update_type, if was { UpdateType::UPDATED } else { UpdateType::NEW });
                held.insert(update.key.to_vec());
            } else {
                assert_eq!(update.update_type, UpdateType::DELETED);
                assert!(held.remove(update.key) || tracking == Tracking::Keys);
            }
        }
    }
}

proptest! {
    #[test]
    fn what_the_user_applied_is_what_the_server_has(
        acts in proptest::collection::vec(act(), 0..40),
        values in any::<bool>(),
    ) {
        let tracking = if values { Tracking::Values } else { Tracking::Keys };
        let mut data = Data::new();
        let mut host = Host::with(Config { tracking, ..config() }, &snapshot(&data, 99).in_sync());
        for act in acts {
            match act {
                Act::Set(key, value) => {
                    let (key, value) = change(&mut data, (key, value));
                    host.receive(&Typha::default().kvs(&[(&key, &value)]).bytes);
                }
                Act::Delete(key) => {
                    let (key, _) = change(&mut data, (key, 0));
                    host.receive(&Typha::default().kvs(&[(&key, "")]).bytes);
                }
                Act::Break(changes) => {
                    host.fail(Fault::Reset);
                    for pair in changes {
                        change(&mut data, pair);
                    }
                    host.reconnect();
                    host.receive(&snapshot(&data, 99).in_sync().bytes);
                }
                Act::BreakEarly(part) => {
                    host.fail(Fault::Reset);
                    host.reconnect();
                    host.receive(&snapshot(&data, part.into()).bytes);
                    host.fail(Fault::Reset);
                    host.reconnect();
                    host.receive(&snapshot(&data, 99).in_sync().bytes);
                }
            }
            let want: BTreeMap<Vec<u8>, Vec<u8>> =
                data.iter().map(|(key, value)| (key.clone().into(), value.clone().into())).collect();
            prop_assert_eq!(host.applied(), want);
        }
        check_types(&host, tracking);
        prop_assert_eq!(host.client.stats().known_keys, data.len());
    }
}
