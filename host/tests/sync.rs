//! Servers and clients of the sync protocol over real loopback sockets.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod certificates;

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    time::Duration,
};

use certificates::{Authority, load};
use futures::StreamExt;
use networkdb_core::machine::{Endpoint, Fault};
use networkdb_host::{
    Tls,
    sync::{
        PublishError, Publisher, SerializedUpdate, ServedEnd, SyncClient, SyncClientConfig, SyncEnd,
        SyncError, SyncEvent, SyncServer, SyncServerConfig, SyncStatus, UpdateType, follow, serve,
    },
};
use tokio::time::timeout;

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("in time")
}

fn config(shards: usize, tls: Option<Tls>) -> SyncServerConfig {
    SyncServerConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        shards: NonZeroUsize::new(shards).expect("some"),
        tls,
        ..SyncServerConfig::default()
    }
}

fn server(shards: usize) -> (SyncServer, Publisher) {
    let server = SyncServer::start(config(shards, None)).expect("a free port");
    let felix = server.cache("felix").expect("its publisher");
    (server, felix)
}

async fn client_of(endpoint: Endpoint, tls: Option<Tls>) -> SyncClient {
    let mut client = follow::Config::new("host", vec![endpoint]);
    client.retry.tries = Some(1);
    within(SyncClient::start(SyncClientConfig { client, tls })).await.expect("good settings")
}

async fn put(to: &Publisher, key: &str, value: &str) {
    let value = Some(value.as_bytes()).filter(|value| !value.is_empty());
    let update_type = if value.is_some() { UpdateType::NEW } else { UpdateType::DELETED };
    let update = SerializedUpdate { key: key.as_bytes(), value, update_type, ..SerializedUpdate::default() };
    within(to.update(&update)).await.expect("taken");
}

/// The next keys and values, up to and with the status.
async fn until(client: &SyncClient, status: SyncStatus) -> Vec<(String, Option<String>)> {
    let mut told = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    loop {
        match within(client.event()).await.expect("the client runs") {
            SyncEvent::Updates(updates) => {
                told.extend(updates.iter().map(|update| (text(update.key), update.value.map(text))));
            }
            SyncEvent::Status(now) if now == status => return told,
            SyncEvent::Status(_) | SyncEvent::Connected(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn kv(key: &str, value: &str) -> (String, Option<String>) {
    (key.to_owned(), Some(value.to_owned()).filter(|value| !value.is_empty()))
}

#[tokio::test]
async fn clients_of_all_shards_are_sent_the_snapshot_and_then_what_changes() {
    let (server, felix) = server(2);
    put(&felix, "/calico/v1/Ready", "true").await;
    within(felix.status(SyncStatus::IN_SYNC)).await.expect("taken");
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(client_of(server.local_addr().into(), None).await);
    }
    for client in &clients {
        assert_eq!(until(client, SyncStatus::IN_SYNC).await, [kv("/calico/v1/Ready", "true")]);
    }
    put(&felix, "/calico/v1/config/A", "1").await;
    put(&felix, "/calico/v1/Ready", "").await;
    within(felix.status(SyncStatus::RESYNC_IN_PROGRESS)).await.expect("taken");
    for client in &clients {
        let told = until(client, SyncStatus::RESYNC_IN_PROGRESS).await;
        assert_eq!(told, [kv("/calico/v1/config/A", "1"), kv("/calico/v1/Ready", "")]);
    }
    let (served, stats) = (server.clients(), server.stats());
    let of_shard = |wanted| served.iter().filter(|(shard, _)| *shard == wanted).count();
    assert_eq!((of_shard(0), of_shard(1)), (2, 2));
    assert_eq!((stats.server.connections_active, stats.caches["felix"].cache_size), (4, 1));
    assert_eq!(clients[0].stats().kvs, 3);
    assert!(clients[0].rates().updates > 0.0);
    within(server.stop()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_snapshot_arrives_whole_over_tls() {
    let authority = Authority::new("the CA");
    for name in ["typha", "felix"] {
        authority.issue(name, None);
    }
    let tls = |name, peer| Some(load(&authority.settings(name, peer)));
    let server = SyncServer::start(config(2, tls("typha", "felix"))).expect("a free port");
    let felix = server.cache("felix").expect("its publisher");
    let key = |number: usize| format!("/calico/v1/config/{number:05}");
    for number in 0..5_000 {
        put(&felix, &key(number), &"value ".repeat(20)).await;
    }
    within(felix.status(SyncStatus::IN_SYNC)).await.expect("taken");
    let client = client_of(server.local_addr().into(), tls("felix", "typha")).await;
    let told = until(&client, SyncStatus::IN_SYNC).await;
    assert!(told.iter().map(|(key, _)| key.clone()).eq((0..5_000).map(key)));

    let stranger = client_of(server.local_addr().into(), tls("felix", "somebody")).await;
    let told: Vec<_> = within(stranger.events().collect()).await;
    assert_eq!(told.last(), Some(&SyncEvent::Finished { reason: SyncEnd::Dial(Fault::Untrusted) }));
    assert_eq!(within(stranger.event()).await, None);
}

#[tokio::test]
async fn joins_and_ends_are_told_and_a_client_that_wants_something_else_is_refused() {
    let (server, _felix) = server(1);
    let mut events = server.events();
    let mut other = follow::Config::new("host", vec![server.local_addr().into()]);
    other.syncer_type = "bgp".to_owned();
    other.retry.tries = Some(1);
    let other = within(SyncClient::start(SyncClientConfig { client: other, tls: None }))
        .await
        .expect("good settings");
    let told: Vec<_> = within(other.events().collect()).await;
    assert_eq!(told.last(), Some(&SyncEvent::Finished { reason: SyncEnd::Closed }));
    let event = within(events.next()).await.expect("the server runs").event;
    assert!(matches!(event, serve::Event::Closed { reason: ServedEnd::UnknownSyncerType, .. }), "{event:?}");

    let client = client_of(server.local_addr().into(), None).await;
    let event = within(events.next()).await.expect("the server runs").event;
    let serve::Event::Joined(who) = event else { panic!("{event:?}") };
    assert_eq!((&*who.hostname, &*who.syncer_type), ("host", "felix"));
    client.finish();
    let told: Vec<_> = within(client.events().collect()).await;
    assert_eq!(told.last(), Some(&SyncEvent::Finished { reason: SyncEnd::Stopped }));
}

#[tokio::test]
async fn a_drained_server_accepts_nobody_and_lets_its_clients_go() {
    let (mut server, felix) = server(3);
    within(felix.status(SyncStatus::IN_SYNC)).await.expect("taken");
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(client_of(server.local_addr().into(), None).await);
    }
    for client in &clients {
        until(client, SyncStatus::IN_SYNC).await;
    }
    within(server.drain(Duration::from_millis(300))).await;
    assert_eq!(server.stats().server.connections_active, 0);
    for client in &clients {
        let Some(SyncEvent::Disconnected { .. }) = within(client.event()).await else {
            panic!("it was let go")
        };
    }
    let late = client_of(server.local_addr().into(), None).await;
    let told: Vec<_> = within(late.events().collect()).await;
    assert_eq!(told.last(), Some(&SyncEvent::Finished { reason: SyncEnd::Dial(Fault::Refused) }));
}

#[tokio::test]
async fn a_name_is_looked_up_and_leads_to_the_server() {
    let (server, felix) = server(1);
    within(felix.status(SyncStatus::IN_SYNC)).await.expect("taken");
    let name = Endpoint::Name { host: "localhost".into(), port: server.local_addr().port() };
    let mut client = follow::Config::new("host", vec![name]);
    client.retry.pause = Duration::from_millis(10);
    let client =
        within(SyncClient::start(SyncClientConfig { client, tls: None })).await.expect("good settings");
    loop {
        match within(client.event()).await.expect("it goes on trying") {
            SyncEvent::Connected(hello) => break assert_eq!(hello.at, server.local_addr()),
            // The name may have an address of the other kind, too.
            SyncEvent::Unreached { .. } | SyncEvent::Status(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_published_is_refused() {
    let (server, felix) = server(1);
    let value = vec![0; 9 << 20];
    let long = SerializedUpdate { key: b"/k", value: Some(&value), ..SerializedUpdate::default() };
    assert_eq!(within(felix.update(&long)).await, Err(PublishError::TooLong));
    for number in 0..1_000 {
        put(&felix, &format!("/k{number}"), "v").await;
    }
    assert!(server.cache("bgp").is_none());
    within(server.stop()).await;
    assert_eq!(within(felix.status(SyncStatus::IN_SYNC)).await, Err(PublishError::Stopped));
    let nothing = SyncServerConfig { syncer_types: Vec::new(), ..config(1, None) };
    assert_eq!(SyncServer::start(nothing).expect_err("nothing to serve"), SyncError::NoSyncerType);
}

#[tokio::test]
async fn limits_hold_for_all_shards_together() {
    let server = serve::Config { max_accepted: 2, ..serve::Config::default() };
    let server = SyncServer::start(SyncServerConfig { server, ..config(2, None) }).expect("a free port");
    let felix = server.cache("felix").expect("its publisher");
    within(felix.status(SyncStatus::IN_SYNC)).await.expect("taken");
    let mut clients = Vec::new();
    for _ in 0..2 {
        let client = client_of(server.local_addr().into(), None).await;
        until(&client, SyncStatus::IN_SYNC).await;
        clients.push(client);
    }
    let beyond = client_of(server.local_addr().into(), None).await;
    let told: Vec<_> = within(beyond.events().collect()).await;
    assert!(matches!(told.last(), Some(SyncEvent::Finished { .. })), "{told:?}");
    assert_eq!(server.stats().server.connections_active, 2);
}
