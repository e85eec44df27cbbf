//! Nodes over real loopback sockets.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt};
use networkdb_core::{
    memberlist::{Keyring, MAX_ACCEPTED},
    networkdb::{
        Change, ChangeKind, EntryError, EntryKey, Event, Filter, JoinError, NODE_TABLE, NetworkError,
    },
};
use networkdb_host::{Error, Node, NodeConfig, StartError};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);
const NET: &[u8] = b"net";

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("in time")
}

fn sealed(name: &str, key: Option<[u8; 32]>) -> Node {
    let mut config = NodeConfig::new(name, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    if let Some(key) = key {
        config.database.memberlist.keyring = Keyring::new(&[key]).expect("a key");
    }
    Node::start(config).expect("a free port")
}

/// Two nodes in one cluster and one network.
async fn pair() -> (Node, Node) {
    let (a, b) = (sealed("a", Some([7; 32])), sealed("b", Some([7; 32])));
    within(b.join(vec![a.advertise().into()])).await.expect("joined");
    for node in [&a, &b] {
        within(node.join_network(NET)).await.expect("the network");
    }
    for node in [&a, &b] {
        let mut members = node.watch(Filter::table(NODE_TABLE));
        while node.members().len() < 2 {
            within(members.next()).await.expect("a member");
        }
    }
    (a, b)
}

#[tokio::test]
async fn a_scan_meets_each_row_once_in_order_however_many_there_are() {
    let node = sealed("a", None);
    within(node.join_network(NET)).await.expect("the network");
    for key in 0..1_000 {
        node.create_entry(&EntryKey::new("net", "t", format!("{key:03}")), "v").await.expect("written");
    }
    let filter = Filter::network("net");
    let scanned: Vec<_> = node.scan(&filter).collect();
    assert_eq!(scanned.len(), 1_000);
    assert_eq!(scanned, node.rows(&filter));
}

/// A node without keys on another address.
fn on(ip: impl Into<std::net::IpAddr>, name: &str, advertise: Option<std::net::IpAddr>) -> Node {
    let mut config = NodeConfig::new(name, SocketAddr::new(ip.into(), 0));
    if let Some(ip) = advertise {
        config.database.memberlist.advertise.set_ip(ip);
    }
    Node::start(config).expect("the tests need IPv6 on loopback (::1)")
}

fn key(name: &str) -> EntryKey {
    EntryKey::new("net", "t", name)
}

async fn change(watch: &mut (impl Stream<Item = Change> + Unpin)) -> (ChangeKind, String) {
    let change = within(watch.next()).await.expect("a change");
    (change.kind(), change.key.to_string())
}

#[tokio::test]
async fn rows_travel_and_a_watch_begins_with_those_already_there() {
    let (a, b) = pair().await;
    a.create_entry(&key("one"), "1").await.expect("created");
    let mut watch = b.watch(Filter::network("net"));
    assert_eq!(change(&mut watch).await, (ChangeKind::Create, "one".to_owned()));
    let mut late = b.watch(Filter::network("net"));
    assert_eq!(change(&mut late).await, (ChangeKind::Create, "one".to_owned()));
    a.put_entry(&key("one"), "2").await.expect("updated");
    assert_eq!(change(&mut watch).await, (ChangeKind::Update, "one".to_owned()));
    a.delete_entry(&key("one")).await.expect("deleted");
    assert_eq!(change(&mut watch).await, (ChangeKind::Delete, "one".to_owned()));
    let refused = b.get_entry(&key("one")).await;
    assert_eq!(refused, Err(Error::Entry(EntryError::Deleted(key("one")))));
    assert_eq!(b.stats().watchers, 2);
    drop((watch, late));
    assert_eq!(b.stats().watchers, 0, "dropping a stream ends its watch");
}

#[tokio::test]
async fn nodes_meet_over_ipv6_and_one_on_all_addresses_meets_both_kinds() {
    let six = on(Ipv6Addr::LOCALHOST, "six", None);
    let other = on(Ipv6Addr::LOCALHOST, "other", None);
    assert!(six.advertise().is_ipv6());
    within(other.join(vec![six.advertise().into()])).await.expect("joined");

    let all = on(Ipv6Addr::UNSPECIFIED, "all", Some(Ipv4Addr::LOCALHOST.into()));
    let four = on(Ipv4Addr::LOCALHOST, "four", None);
    within(four.join(vec![all.advertise().into()])).await.expect("joined");
    for (one, another) in [(&six, &other), (&all, &four)] {
        for node in [one, another] {
            within(node.join_network(NET)).await.expect("the network");
        }
        let mut watch = another.watch(Filter::network("net"));
        one.create_entry(&key("k"), "v").await.expect("created");
        assert_eq!(change(&mut watch).await, (ChangeKind::Create, "k".to_owned()));
        assert_eq!(one.dropped_datagrams(), 0);
    }
}

#[tokio::test]
async fn streams_beyond_the_limit_are_dropped_and_the_node_goes_on() {
    let node = sealed("node", None);
    let mut held = Vec::new();
    for _ in 0..MAX_ACCEPTED {
        held.push(TcpStream::connect(node.advertise()).await.expect("accepted"));
    }
    let mut beyond = TcpStream::connect(node.advertise()).await.expect("the system accepts it");
    let end = within(beyond.read(&mut [0])).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    assert_eq!(node.stats().membership_gauges.streams, MAX_ACCEPTED);
    let other = sealed("other", None);
    within(other.join(vec![node.advertise().into()])).await.expect_err("there is no room");
    drop(held);
    within(async {
        while node.stats().membership_gauges.streams > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    within(other.join(vec![node.advertise().into()])).await.expect("there is room again");
}

#[tokio::test]
async fn joins_that_fail_say_so() {
    let node = sealed("alone", None);
    let nobody = {
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        socket.local_addr().expect("its address")
    };
    let error = within(node.join(vec![nobody.into()])).await.expect_err("nobody is there");
    assert!(matches!(error, Error::Join(JoinError::Unreachable(_))), "{error}");
    assert!(error.to_string().contains(&nobody.to_string()), "{error}");
    let stranger = sealed("stranger", Some([1; 32]));
    within(node.join(vec![stranger.advertise().into()])).await.expect_err("another key");
    within(node.join_network(NET)).await.expect("the network");
    let again = within(node.join_network(NET)).await;
    assert_eq!(again, Err(Error::Network(NetworkError::AlreadyJoined(NET.into()))));
}

#[tokio::test]
async fn many_requests_at_once_are_each_answered() {
    let (a, _b) = pair().await;
    let joins = (0..50).map(|i| {
        let a = a.clone();
        async move { a.join_network(format!("net{i}").as_bytes()).await }
    });
    let answers = within(futures::future::join_all(joins)).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(a.networks().len(), 51);
}

#[tokio::test]
async fn leaving_is_seen_by_others_and_events_tell_of_it() {
    let (a, b) = pair().await;
    let mut events = a.events();
    within(b.leave()).await.expect("left");
    within(b.stop()).await;
    loop {
        let event = within(events.next()).await.expect("an event");
        if matches!(&event, Event::Node { name, .. } if name.as_bytes() == b"b") {
            break;
        }
    }
}

#[tokio::test]
async fn after_stop_everything_ends_and_the_port_is_free() {
    let (a, _b) = pair().await;
    let mut watch = a.watch(Filter::table("t"));
    let mut events = a.events();
    let addr = a.advertise();
    within(a.stop()).await;
    assert!(within(watch.next()).await.is_none());
    while within(events.next()).await.is_some() {}
    assert_eq!(within(a.leave()).await, Err(Error::Stopped));
    Node::start(NodeConfig::new("next", addr)).expect("the port is free again");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = sealed("first", None);
    let error = Node::start(NodeConfig::new("second", first.advertise())).expect_err("in use");
    assert!(matches!(&error, StartError::Bind(error) if error.port_in_use()), "{error}");
    assert!(error.to_string().contains("port in use"), "{error}");
}

#[tokio::test]
async fn a_node_dropped_stops() {
    let (a, b) = pair().await;
    let addr = a.advertise();
    let mut watch = a.watch(Filter::table("t"));
    drop(a);
    assert!(within(watch.next()).await.is_none());
    Node::start(NodeConfig::new("next", addr)).expect("the port is free again");
    assert!(b.watch(Filter::table("t")).next().now_or_never().is_none());
}
