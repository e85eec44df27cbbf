//! Typha's sync protocol: our server beside Go's clients, our client beside Go's servers, of both generations.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use networkdb_host::sync::{
    ServedEnd, SyncEnd, SyncServerConfig,
    follow::{self, Generation},
    serve,
};
use networkdb_tests::{
    each,
    sync::{
        Client, GoClient, GoServer, IN_SYNC, Kvs, LAST, OurClient, OurServer, RESYNC, Server, Update,
        changes, client_config, contents, server_config,
    },
};
use serde_json::json;

const FELIX: &str = "felix";
const TYPES: [&str; 4] = [FELIX, "bgp", "tunnel-ip-allocation", "node-status"];

/// A snapshot and then changes pass; both sides agree on the keys, values, revisions and versions. Returns the
/// client.
fn agree<C: Client>(server: &dyn Server, start: impl FnOnce() -> C, v3_versions: bool) -> C {
    let (snapshot, changes) = (contents(250, "some"), changes("some"));
    server.status(FELIX, RESYNC);
    server.publish(FELIX, &snapshot);
    server.status(FELIX, IN_SYNC);
    let client = start();
    client.in_sync();
    server.publish(FELIX, &changes);
    let last = client.sees(LAST);
    assert_eq!((last.ttl, last.update_type, &*last.revision), (5_000_000_000, 1, "2003"));
    assert_eq!(client.sees("/calico/v1/config/some-00007").update_type, 3, "a deletion");
    let wanted = Kvs::of(snapshot.iter().chain(&changes));
    let wanted = if v3_versions { wanted } else { wanted.without_v3_versions() };
    assert_eq!(client.state(), wanted.state());
    client
}

#[test]
fn go_clients_of_both_generations_follow_our_server_plain_and_over_restarts_into_snappy() {
    let cases = [
        ("today", vec![], 2),
        ("today", vec!["--snappy=false"], 0),
        ("today", vec!["--restart=false"], 0),
        ("3.2.5", vec![], 0),
    ];
    each(cases.to_vec(), |(generation, flags, restarts)| {
        let server = OurServer::start(server_config(&[FELIX]));
        let flags = [&flags[..], &["--once", "--generation", generation]].concat();
        let go = agree(&server, || GoClient::start(server.addr(), &flags), generation == "today");
        assert_eq!(go.ended()["restarts"], restarts);
        server.ends_one("the client left by itself", |_, reason| *reason == ServedEnd::Finished);
    });
}

#[test]
fn our_client_follows_go_servers_of_both_generations_plain_and_over_restarts_into_snappy() {
    type Change = fn(&mut follow::Config);
    let cases: [(&str, &str, Change, u64); 5] = [
        ("today", "--snappy=true", |_| (), 2),
        ("today", "--snappy=false", |_| (), 0),
        ("today", "--snappy=true", |config| config.decoder_restart = false, 0),
        ("3.2.5", "--snappy=true", |config| config.accept_old_servers = true, 0),
        ("3.2.5", "--snappy=true", |config| config.generation = Generation::V3_2_5, 0),
    ];
    each(cases.to_vec(), |(generation, snappy, change, restarts)| {
        let server = GoServer::start(&["--generation", generation, snappy]);
        let mut config = client_config(server.addr());
        change(&mut config);
        let ours = agree(&server, || OurClient::start(config), generation == "today");
        assert_eq!(ours.stats().restarts, restarts);
        let wanted = if generation == "today" { Generation::Today } else { Generation::V3_2_5 };
        assert_eq!(ours.told(|told| told.connected[0].generation), wanted);
    });
}

#[test]
fn each_syncer_type_has_keys_of_its_own_and_another_one_is_refused_by_both_servers() {
    let ours = OurServer::start(server_config(&TYPES));
    let go = GoServer::start(&["--syncer", &TYPES.join(",")]);
    for server in [&ours as &dyn Server, &go] {
        for (count, syncer) in (1..).zip(TYPES) {
            server.publish(syncer, &contents(count, syncer));
            server.status(syncer, IN_SYNC);
        }
    }
    for (count, syncer) in (1..).zip(TYPES) {
        let of_go = GoClient::start(ours.addr(), &["--once", "--syncer", syncer]);
        let config = follow::Config { syncer_type: syncer.to_owned(), ..client_config(go.addr()) };
        let of_ours = OurClient::start(config);
        for client in [&of_go as &dyn Client, &of_ours] {
            client.in_sync();
            assert_eq!(client.state(), Kvs::of(&contents(count, syncer)).state(), "{syncer}");
        }
    }
    let refused = GoClient::start(ours.addr(), &["--once", "--syncer", "something"]);
    assert_eq!(refused.ended()["reason"], "EOF");
    ours.ends_one("it is told why", |_, reason| *reason == ServedEnd::UnknownSyncerType);
    let config = follow::Config { syncer_type: "something".to_owned(), ..client_config(go.addr()) };
    assert_eq!(OurClient::start(config).ends(0), SyncEnd::Closed);
    go.ends_one("unknown syncer");
}

#[test]
fn generations_that_do_not_suit_each_other_part_and_say_why() {
    let go = GoServer::start(&[]);
    let old = follow::Config { generation: Generation::V3_2_5, ..client_config(go.addr()) };
    assert_eq!(OurClient::start(old).ends(0), SyncEnd::Closed);
    go.ends_one("modern policy keys");

    let old = GoServer::start(&["--generation", "3.2.5", "--version", "of old"]);
    let end = OurClient::start(client_config(old.addr())).ends(0);
    assert_eq!(end, SyncEnd::OldServer { version: b"of old".to_vec() });

    let strict = serve::Config { require_modern_policy_keys: true, ..serve::Config::default() };
    let strict = OurServer::start(SyncServerConfig { server: strict, ..server_config(&[FELIX]) });
    let client = GoClient::start(strict.addr(), &["--generation", "3.2.5"]);
    assert_eq!(client.ended()["reason"], "EOF");
    strict.ends_one("it is told why", |_, reason| *reason == ServedEnd::OldPolicyKeys);
}

#[test]
fn our_client_makes_the_same_text_of_a_go_servers_revisions_as_its_own_clients() {
    let revisions = [
        json!(null),
        json!("text"),
        json!({ "go_type": "int", "value_decimal": "-7" }),
        json!({ "go_type": "uint64", "value_decimal": "18446744073709551615" }),
        json!({ "go_type": "bool", "value": true }),
        json!({ "go_type": "float64", "value_text": "1e-7" }),
        json!({ "go_type": "float32", "value_text": "1e21" }),
        json!({ "go_type": "complex128", "value_text": "(1-3.5i)" }),
        json!({ "go_type": "[]string", "value": ["a", "b"] }),
        json!({ "go_type": "[]uint8", "value": "YWI=" }),
    ];
    let server = GoServer::start(&[]);
    let update = |(number, revision)| {
        let key = format!("/calico/v1/config/{number}");
        json!({ "key": key, "text": "v", "revision": revision, "type": 1 })
    };
    let updates: Vec<_> = revisions.iter().enumerate().map(update).collect();
    server.order(json!({ "updates": updates, "status": IN_SYNC }));
    let ours = OurClient::start(client_config(server.addr()));
    let go = GoClient::start(server.addr(), &["--once"]);
    for client in [&ours as &dyn Client, &go] {
        client.in_sync();
    }
    assert_eq!(ours.state().0, revisions.len());
    assert_eq!(ours.state(), go.state());
}

#[test]
fn a_key_that_changes_often_is_sent_with_each_change_by_our_server_as_by_gos() {
    let ours = OurServer::start(server_config(&[FELIX]));
    let go = GoServer::start(&[]);
    let burst: Vec<_> =
        (0..1_000).map(|n| Update::new(format!("/calico/v1/config/{:03}", n % 200), n.to_string())).collect();
    let states: Vec<_> = [&ours as &dyn Server, &go]
        .iter()
        .map(|server| {
            server.status(FELIX, IN_SYNC);
            let client = GoClient::start(server.addr(), &["--once"]);
            client.in_sync();
            server.publish(FELIX, &burst);
            server.publish(FELIX, &[Update::new(LAST, "1")]);
            client.sees(LAST);
            let end = client.stop();
            // Every change arrives, none joined with a later one of its key.
            assert_eq!(end["kvs"], 1_001);
            end["digest"].clone()
        })
        .collect();
    assert_eq!(states[0], states[1]);
}
