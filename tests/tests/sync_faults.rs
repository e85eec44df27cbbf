//! Typha's sync protocol when connections are lost: other contents after a restart, silence, too many clients, the end
//! of a server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{net::SocketAddr, time::Duration};

use networkdb_host::sync::{ServedEnd, SyncEnd, SyncServerConfig, follow, serve};
use networkdb_tests::{
    eventually, free_addr,
    sync::{
        Client, DEADLINE, GoClient, GoServer, IN_SYNC, Kvs, LAST, OurClient, OurServer, Server, Update,
        client_config, contents, server_config,
    },
};
use serde_json::json;

const FELIX: &str = "felix";
const SHORT: Duration = Duration::from_millis(100);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn fill(server: &dyn Server, updates: &[Update]) {
    server.publish(FELIX, updates);
    server.status(FELIX, IN_SYNC);
}

/// What there is after a restart: of 300 keys 100 are gone, 100 have changed, and there are new ones.
fn afterwards() -> Vec<Update> {
    let kept = contents(300, "some").split_off(200);
    let changed =
        (100..200).map(|n| Update::new(format!("/calico/v1/config/some-{n:05}"), "other").revision("1"));
    kept.into_iter()
        .chain(changed)
        .chain(contents(50, "new"))
        .chain([Update::new(LAST, "v").revision("2")])
        .collect()
}

/// A client that connects again, soon.
fn lasting(servers: &[SocketAddr]) -> follow::Config {
    let retry = follow::Retry { pause: millis(20), max_pause: SHORT, ..follow::Retry::default() };
    let endpoints = servers.iter().map(|&at| at.into()).collect();
    follow::Config { retry, shuffle: false, ..follow::Config::new("ours", endpoints) }
}

#[test]
fn our_client_tells_what_was_deleted_while_a_killed_go_server_was_away() {
    for generation in ["today", "3.2.5"] {
        let addr = free_addr();
        let start = || GoServer::start(&["--listen", &addr.to_string(), "--generation", generation]);
        let server = start();
        fill(&server, &contents(300, "some"));
        let client = OurClient::start(follow::Config { accept_old_servers: true, ..lasting(&[addr]) });
        client.in_sync();
        server.kill();
        client.ends(0);
        let kept_while_away = client.state().0;
        let server = start();
        fill(&server, &afterwards());
        client.sees(LAST);
        client.in_sync();
        let wanted = Kvs::of(&afterwards());
        let wanted = if generation == "today" { wanted } else { wanted.without_v3_versions() };
        assert_eq!(client.state(), wanted.state(), "{generation}");
        assert_eq!((kept_while_away, client.stats().swept), (302, 100));
        let deletions =
            client.told(|told| told.updates.iter().filter(|(update, _)| update.update_type == 3).count());
        assert_eq!(deletions, 100, "each deletion is told once");
        // What has not changed is not told again.
        let told = client.told(|told| told.updates.len());
        assert_eq!(told, 302 + 100 + 100 + 53, "{generation}");
    }
}

#[test]
fn a_go_client_of_our_server_that_came_back_with_other_contents_ends_in_the_same_state() {
    let listen = free_addr();
    let start = || OurServer::start(SyncServerConfig { listen, ..server_config(&[FELIX]) });
    let server = start();
    fill(&server, &contents(300, "some"));
    let client = GoClient::start(listen, &[]);
    client.in_sync();
    server.stop();
    let server = start();
    fill(&server, &afterwards());
    client.restarted();
    client.sees(LAST);
    assert_eq!(client.state(), Kvs::of(&afterwards()).state());
}

#[test]
fn our_client_goes_to_another_server_when_a_go_server_drains() {
    let mut first = GoServer::start(&["--shutdown-timeout", "1s"]);
    let second = GoServer::start(&[]);
    for server in [&first, &second] {
        fill(server, &contents(10, "some"));
    }
    let clients: Vec<_> = (0..5).map(|_| OurClient::start(lasting(&[first.addr(), second.addr()]))).collect();
    clients.iter().for_each(Client::in_sync);
    assert_eq!(first.connections(), 5);
    first.terminate();
    assert!(first.ended().success());
    eventually(DEADLINE, "all are at the other server", || {
        let connections = second.connections();
        if connections == 5 { Ok(()) } else { Err(connections) }
    });
    fill(&second, &[Update::new(LAST, "v").revision("1")]);
    for client in &clients {
        client.sees(LAST);
        let both = Kvs::of(contents(10, "some").iter().chain(&[Update::new(LAST, "v").revision("1")]));
        assert_eq!(client.state(), both.state());
    }
}

#[test]
fn our_server_drops_go_clients_above_its_limits_and_drains_the_others_in_time() {
    let config = serve::Config { max_accepted: 6, drop_interval: SHORT, ..serve::Config::default() };
    let mut server = OurServer::with(&contents(10, "some"), config);
    let clients: Vec<_> = (0..6).map(|_| GoClient::start(server.addr(), &["--once"])).collect();
    clients.iter().for_each(Client::in_sync);
    let beyond = GoClient::start(server.addr(), &["--once"]);
    assert_eq!(beyond.ended()["statuses"], 0);
    server.ends_one("one too many", |_, reason| *reason == ServedEnd::TooManyConnections);

    server.set_max_connections(4);
    server.has(4);
    let closed = server.stats().server.closed;
    assert_eq!(closed["rebalanced"], 2, "{closed:?}");

    server.drain(Duration::from_secs(2));
    let stats = server.stats().server;
    assert_eq!((stats.connections_active, stats.closed["draining"], stats.connections_dropped), (0, 4, 6));
    assert!(clients.iter().all(|client| client.ended()["rows"] == 12), "all had everything");
}

#[test]
fn our_client_bears_the_rebalancing_of_a_go_server() {
    let server = GoServer::start(&["--drop-interval", "50ms"]);
    fill(&server, &contents(10, "some"));
    let clients: Vec<_> = (0..4).map(|_| OurClient::start(lasting(&[server.addr()]))).collect();
    clients.iter().for_each(Client::in_sync);
    server.order(json!({ "max_conns": 2 }));
    eventually(DEADLINE, "some were dropped and came back", || {
        let connections: u64 = clients.iter().map(|client| client.stats().connections).sum();
        if connections >= 8 { Ok(()) } else { Err(connections) }
    });
    server.order(json!({ "max_conns": 100 }));
    fill(&server, &[Update::new(LAST, "v")]);
    for client in &clients {
        client.sees(LAST);
        assert_eq!(client.state().0, 13);
    }
}

#[test]
fn pings_keep_go_clients_and_who_does_not_answer_is_dropped_by_our_server() {
    let config =
        serve::Config { ping_interval: millis(50), pong_timeout: millis(1_000), ..serve::Config::default() };
    let server = OurServer::with(&contents(10, "some"), config);
    for generation in ["today", "3.2.5"] {
        let mute = GoClient::start(server.addr(), &["--once", "--no-pong", "--generation", generation]);
        let good = GoClient::start(server.addr(), &["--once", "--generation", generation]);
        let end = mute.ended();
        assert_eq!((&end["reason"], end["rows"].as_u64()), (&json!("EOF"), Some(12)));
        assert!(end["pings"].as_u64() >= Some(5), "{end}");
        // As long again as the other was borne.
        good.answers_pings(40);
        assert_eq!(good.stop()["reason"], "told to stop");
    }
    assert_eq!(server.stats().server.closed["pong timeout"], 2);
    assert!(server.stats().server.syncers[FELIX].ping_latency.count >= 60);
}

#[test]
fn our_client_answers_the_pings_of_go_servers_and_outlives_their_timeout() {
    for generation in ["today", "3.2.5"] {
        let flags = ["--generation", generation, "--ping-interval", "50ms", "--pong-timeout", "500ms"];
        let server = GoServer::start(&flags);
        fill(&server, &contents(10, "some"));
        let config = follow::Config {
            accept_old_servers: true,
            read_timeout: millis(2_000),
            ..client_config(server.addr())
        };
        let client = OurClient::start(config);
        eventually(DEADLINE, "it is pinged for four times the timeout", || {
            let pings = client.stats().pings;
            if pings >= 40 { Ok(()) } else { Err((pings, client.told(|told| told.ends.clone()))) }
        });
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn silence_ends_a_connection_for_either_client() {
    let go = GoServer::start(&["--ping-interval", "1h"]);
    fill(&go, &contents(10, "some"));
    let ours = OurClient::start(follow::Config { read_timeout: millis(300), ..client_config(go.addr()) });
    assert_eq!(ours.ends(0), SyncEnd::ReadTimeout);
    assert_eq!(ours.state().0, 12);

    let config = serve::Config { ping_interval: Duration::from_secs(3_600), ..serve::Config::default() };
    let server = OurServer::with(&contents(10, "some"), config);
    let client = GoClient::start(server.addr(), &["--read-timeout", "300ms"]);
    assert!(client.restarted().contains("i/o timeout"));
    server.has(1);
}

#[test]
fn who_neither_acknowledges_nor_reads_is_dropped_by_our_server_in_time() {
    let timeout = Duration::from_secs(3);
    let config = serve::Config {
        ping_interval: millis(200),
        pong_timeout: timeout,
        write_timeout: timeout,
        ..serve::Config::default()
    };
    // More than the buffers of a connection hold.
    let large = |n| Update::new(format!("/calico/v1/config/{n}"), "0123456789".repeat(50_000));
    let server = OurServer::with(&(0..40).map(large).collect::<Vec<_>>(), config);
    // When it is in sync everything is published, so that the others are sent all of it as a snapshot.
    let good = OurClient::start(client_config(server.addr()));
    good.in_sync();
    let _snappy = GoClient::start(server.addr(), &["--never-read", "1"]);
    let _plain = GoClient::start(server.addr(), &["--never-read", "1", "--snappy=false"]);
    server.ends_one("no acknowledgement", |_, reason| *reason == ServedEnd::AckTimeout);
    server.ends_one("nothing is read", |_, reason| *reason == ServedEnd::WriteTimeout);
    server.publish(FELIX, &[Update::new(LAST, "v")]);
    good.sees(LAST);
    assert_eq!(good.state().0, 41);
}
