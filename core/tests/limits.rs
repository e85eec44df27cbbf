//! Each limit on what others may make a node keep, met: what is beyond is dropped and counted, and the gauge stays.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::{borrow::Cow, net::SocketAddr, time::Duration};

use bytes::Bytes;
use networkdb_core::{
    machine::{How, Input, Instant, Machine, Output, StreamId, StreamInput},
    memberlist::{
        Config as ListConfig, Delegate, Dialect, Event, Keyring, MAX_ACCEPTED, MAX_ANSWERS, MAX_INBOUND,
        MAX_MEMBERS, MAX_NAME, MAX_OUTBOUND, MAX_RELAYS, MAX_UNDECRYPTABLE, Member, MemberEvent, Membership,
        State,
        message::{Alive, IndirectPing, Ping, PushPullHeader},
        packet, stream,
    },
    networkdb::{
        Config, Limits, Stats, Tables,
        message::{
            BulkSync, DELETE, Encode, JOIN, Kind, LEAVE, NetworkEvent, NodeEvent, PushPull, Repeated,
            TableEvent, put_part, wrap,
        },
    },
    wire::protobuf::put_block,
};

const NOW: Instant = Instant::ORIGIN;
const HERE: ([u8; 4], u16) = ([192, 0, 2, 1], 7946);

// ---- memberlist --------------------------------------------------------------------------------------------

/// A layer above with much to tell.
struct Big(Bytes);

impl Delegate for Big {
    fn local_state(&mut self, _now: Instant, _join: bool) -> Bytes {
        self.0.clone()
    }
}

fn node<D: Delegate>(delegate: D, change: impl FnOnce(&mut ListConfig)) -> Membership<D> {
    let mut config = ListConfig::lan("here", HERE.into());
    change(&mut config);
    Membership::new(config, [1; 32], NOW, delegate).unwrap()
}

fn datagram<D: Delegate>(node: &mut Membership<D>, from: SocketAddr, bytes: &[u8]) {
    node.handle(NOW, Input::Datagram { from, bytes });
    while node.poll_output().is_some() {}
}

fn from(number: usize) -> SocketAddr {
    let [.., b, c] = (number as u32).to_be_bytes();
    SocketAddr::from(([10, 1, b, c], 7946))
}

fn stream<D: Delegate>(node: &mut Membership<D>, number: usize, input: StreamInput<'_>) {
    node.handle(NOW, Input::Stream(StreamId(2 * number as u64 + 1), input));
}

fn aborted<D: Delegate>(node: &mut Membership<D>) -> usize {
    let outputs = std::iter::from_fn(|| node.poll_output());
    outputs.filter(|output| matches!(output, Output::Close(_, How::Abort))).count()
}

#[test]
fn streams_accepted_at_one_time() {
    let mut node = node((), |_| {});
    for number in 0..=MAX_ACCEPTED {
        stream(&mut node, number, StreamInput::Accepted { from: from(1) });
    }
    assert_eq!((aborted(&mut node), node.list().gauges().streams), (1, MAX_ACCEPTED));
    assert_eq!(node.list().counters().dropped["stream: too many at once"], 1);
}

#[test]
fn answers_that_peers_do_not_read() {
    let state = Bytes::from(vec![1; stream::MAX_USER_STATE]);
    let mut node = node(Big(state.clone()), |config| config.compression = false);
    let ask = stream::push_pull(false, &[], &[], Dialect::Old);
    let fit = MAX_OUTBOUND.div_ceil(state.len());
    for number in 0..fit + 3 {
        stream(&mut node, number, StreamInput::Accepted { from: from(1) });
        stream(&mut node, number, StreamInput::Received(&ask));
    }
    assert_eq!(aborted(&mut node), 3);
    assert_eq!(node.list().counters().dropped["push/pull: too many answers not yet read"], 3);
    let gauges = node.list().gauges();
    assert!(gauges.stream_bytes_out < MAX_OUTBOUND + state.len() + 1000, "{gauges:?}");
    assert_eq!(gauges.stream_bytes_out / fit, gauges.state_bytes, "each answer is the state");
    for number in 0..fit {
        stream(&mut node, number, StreamInput::Failed(networkdb_core::machine::Fault::Reset));
    }
    stream(&mut node, 1000, StreamInput::Accepted { from: from(1) });
    stream(&mut node, 1000, StreamInput::Received(&ask));
    assert_eq!(aborted(&mut node), 0, "there is room again");
}

#[test]
fn pings_sent_for_others() {
    let mut node = node((), |_| {});
    for seq in 0..=MAX_RELAYS as u32 {
        let ask =
            IndirectPing { seq, target: Some(Cow::Borrowed(&[10, 0, 0, 9])), ..IndirectPing::default() };
        let mut bytes = Vec::new();
        ask.encode(&mut bytes);
        datagram(&mut node, from(1), &bytes);
    }
    assert_eq!(node.list().gauges().relays, MAX_RELAYS);
    assert_eq!(node.list().counters().dropped["indirect ping: too many at once"], 1);
    node.handle(NOW + Duration::from_secs(1), Input::Tick);
    assert_eq!(node.list().gauges().relays, 0, "they are forgotten after a while");
}

#[test]
fn pings_answered_for_one_packet() {
    let mut node = node((), |_| {});
    let mut ping = Vec::new();
    Ping { seq: 7, ..Ping::default() }.encode(&mut ping);
    for part in packet::compound(&vec![Bytes::from(ping); 200]) {
        node.handle(NOW, Input::Datagram { from: from(1), bytes: &part });
    }
    assert_eq!(std::iter::from_fn(|| node.poll_output()).count(), MAX_ANSWERS);
    assert_eq!(node.list().counters().dropped["ping: too many in one packet"], 200 - MAX_ANSWERS as u64);
}

#[test]
fn the_length_of_a_name() {
    let mut node = node((), |_| {});
    for (len, members) in [(MAX_NAME + 1, 1), (MAX_NAME, 2)] {
        let alive = Alive {
            incarnation: 1,
            node: Cow::Owned(vec![b'n'; len]),
            addr: Some(Cow::Borrowed(&[10, 0, 0, 9])),
            ..Alive::default()
        };
        let mut bytes = Vec::new();
        alive.encode(&mut bytes);
        datagram(&mut node, from(1), &bytes);
        assert_eq!(node.list().gauges().members, members);
        let ask = IndirectPing {
            node: Cow::Owned(vec![b'n'; len]),
            target: Some(Cow::Borrowed(&[10, 0, 0, 9])),
            ..IndirectPing::default()
        };
        let mut bytes = Vec::new();
        ask.encode(&mut bytes);
        datagram(&mut node, from(1), &bytes);
        assert_eq!(node.list().gauges().relays, members - 1);
    }
}

/// A row is a hundred times as long here as its shortest form on the wire.
#[test]
fn rows_of_unfinished_streams() {
    let mut node = node((), |_| {});
    let mut begin = Vec::new();
    PushPullHeader { nodes: 1 << 20, ..PushPullHeader::default() }.encode(Dialect::Old, &mut begin);
    begin.resize(begin.len() + 100_000, 0x80);
    let mut cut_off = 0;
    for number in 0..30 {
        stream(&mut node, number, StreamInput::Accepted { from: from(1) });
        stream(&mut node, number, StreamInput::Received(&begin));
        cut_off += aborted(&mut node);
    }
    let held = node.list().gauges().stream_bytes_in;
    assert!(cut_off > 5 && held > MAX_INBOUND / 2 && held < MAX_INBOUND + (32 << 20), "{cut_off}, {held}");
}

#[test]
fn members() {
    let mut node = node((), |_| {});
    for number in 0..MAX_MEMBERS + 10 {
        let alive = Alive {
            incarnation: 1,
            node: Cow::Owned(format!("node-{number}").into_bytes()),
            addr: Some(Cow::Borrowed(&[10, 0, 0, 9])),
            port: 7946,
            vsn: Some(Cow::Borrowed(&[1, 5, 2, 0, 0, 0])),
            ..Alive::default()
        };
        let mut bytes = Vec::new();
        alive.encode(&mut bytes);
        datagram(&mut node, from(1), &bytes);
    }
    let gauges = node.list().gauges();
    assert_eq!(gauges.members, MAX_MEMBERS);
    assert!(gauges.broadcasts <= MAX_MEMBERS + 1, "{gauges:?}");
    assert_eq!(node.list().counters().dropped["alive: too many members"], 11);
}

#[test]
fn events_that_the_user_does_not_take() {
    let mut node = node((), |_| {});
    let events = std::iter::from_fn(|| node.poll_event()).count();
    assert_eq!(events, 1, "its own coming");
    for _ in 0..(1 << 14) + 5 {
        datagram(&mut node, from(1), &[8, 1]);
    }
    assert_eq!(node.poll_event(), Some(Event::Missed(5)));
    assert_eq!(std::iter::from_fn(|| node.poll_event()).count(), 1 << 14);
}

#[test]
fn addresses_that_send_what_no_key_opens() {
    let mut node = node((), |config| config.keyring = Keyring::new(&[[1; 16]]).unwrap());
    let sealed = [1; 60];
    for _ in 0..3 {
        datagram(&mut node, from(0), &sealed);
    }
    stream(&mut node, 0, StreamInput::Accepted { from: from(0) });
    stream(&mut node, 0, StreamInput::Received(&[10, 0, 0, 0, 40]));
    stream(&mut node, 0, StreamInput::Received(&sealed));
    for number in 1..=MAX_UNDECRYPTABLE + 9 {
        datagram(&mut node, from(number), &sealed);
    }
    let found = &node.list().counters().undecryptable;
    assert_eq!((found.by_peer.len(), found.others), (MAX_UNDECRYPTABLE, 10));
    assert_eq!(found.by_peer[&from(0).ip()], 4, "forged addresses do not displace one that keeps on sending");
}

// ---- NetworkDB ---------------------------------------------------------------------------------------------

fn member(name: &str, last: u8) -> MemberEvent {
    MemberEvent::Joined(Member {
        name: name.into(),
        addr: ([192, 0, 2, last], 7946).into(),
        meta: Bytes::from_static(&[1]),
        versions: None,
        incarnation: 1,
        state: State::Alive,
        since: NOW,
    })
}

/// In `net` with the node b.
fn tables(change: impl FnOnce(&mut Limits)) -> Tables {
    let mut config = Config::new("a", HERE.into());
    change(&mut config.limits);
    let mut tables = Tables::new(config, [1; 32], NOW);
    tables.member(NOW, &member("a", 1));
    tables.member(NOW, &member("b", 2));
    // It joins alone, and so relays what comes from now on.
    tables.join_network(NOW, b"net").unwrap();
    attach(&mut tables, "b", "net");
    tables
}

fn attach(tables: &mut Tables, node: &str, network: &str) {
    let event = NetworkEvent { kind: JOIN, time: 5, node: node.as_bytes(), network: network.as_bytes() };
    tables.message(NOW, &wrap(Kind::NetworkEvent, &event.to_bytes()));
}

fn event(key: &str, value: &[u8]) -> Vec<u8> {
    let event = TableEvent {
        kind: 1,
        time: 9,
        node: b"b",
        network: b"net",
        table: b"t",
        key: key.as_bytes(),
        value,
        residual: 0,
    };
    wrap(Kind::TableEvent, &event.to_bytes())
}

/// As many rows from b, one message each.
fn fill(tables: &mut Tables, rows: usize, value: &[u8]) -> Stats {
    for number in 0..rows {
        tables.message(NOW, &event(&format!("k{number}"), value));
    }
    tables.stats()
}

fn bulk_sync(node: &str, asks: bool, messages: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut compound = Vec::new();
    for message in messages {
        put_part(&mut compound, &message);
    }
    let payload = wrap(Kind::Compound, &compound);
    let networks = Repeated::default();
    let sync = BulkSync { time: 20, unsolicited: asks, node: node.as_bytes(), networks, payload: &payload };
    wrap(Kind::BulkSync, &sync.write([&b"net"[..]].into_iter()))
}

#[test]
fn nodes() {
    let mut tables = tables(|limits| limits.nodes = 2);
    tables.member(NOW, &member("c", 3));
    let stats = tables.stats();
    assert_eq!((stats.active_nodes, stats.counters.nodes_dropped), (2, 1));
}

#[test]
fn attachments() {
    let mut tables = tables(|limits| limits.attachments = 3);
    for network in ["n1", "n2", "n3", "n4"] {
        attach(&mut tables, "b", network);
    }
    let stats = tables.stats();
    assert_eq!((stats.attachments, stats.counters.attachments_dropped), (3, 2));
}

#[test]
fn rows_and_their_bytes() {
    let stats = fill(&mut tables(|limits| limits.rows = 7), 10, b"v");
    assert_eq!((stats.rows, stats.counters.rows_dropped), (7, 3));
    let stats = fill(&mut tables(|limits| limits.row_bytes = 1000), 10, &[0; 300]);
    assert!(stats.row_bytes <= 1000, "{}", stats.row_bytes);
    assert_eq!((stats.rows, stats.counters.rows_dropped), (3, 7));
}

#[test]
fn a_row_that_is_there_takes_a_new_value_within_the_bytes_or_stays() {
    let mut tables = tables(|limits| limits.row_bytes = 1000);
    tables.message(NOW, &event("k", b"v"));
    let later = TableEvent {
        kind: 2,
        time: 30,
        node: b"b",
        network: b"net",
        table: b"t",
        key: b"k",
        value: &[0; 5000],
        residual: 0,
    };
    tables.message(NOW, &wrap(Kind::TableEvent, &later.to_bytes()));
    assert!(tables.stats().row_bytes <= 1000, "{}", tables.stats().row_bytes);
    let delete = TableEvent { kind: DELETE, time: 40, value: &[], ..later };
    tables.message(NOW, &wrap(Kind::TableEvent, &delete.to_bytes()));
    assert_eq!(tables.stats().tombstones, 1, "what takes room away is always taken");
}

#[test]
fn events_to_be_relayed() {
    let stats = fill(&mut tables(|limits| limits.relay_queue = 4), 10, b"v");
    assert_eq!((stats.rows, stats.relay_queue, stats.counters.relays_dropped), (10, 4, 6));
}

#[test]
fn rows_of_a_bulk_sync_to_be_relayed() {
    let rows = |value: &'static [u8]| (0..10).map(move |number| event(&format!("k{number}"), value));
    let mut small = tables(|limits| limits.bulk_relay = 3);
    small.message(NOW, &bulk_sync("b", false, rows(b"v")));
    let stats = small.stats();
    assert_eq!((stats.rows, stats.relay_queue, stats.counters.relays_dropped), (10, 4, 6));
    // Rows that fit no packet wait apart, each with some 40 bytes of names.
    let mut large = tables(|limits| limits.oversize_bytes = 10_000);
    large.message(NOW, &bulk_sync("b", false, rows(&[0; 3000])));
    let stats = large.stats();
    assert_eq!((stats.rows, stats.own_queue, stats.counters.relays_dropped), (10, 3, 7));
}

#[test]
fn events_about_nodes_and_networks() {
    let mut tables = tables(|limits| limits.cluster_queue = 3);
    for network in ["n1", "n2", "n3", "n4", "n5"] {
        attach(&mut tables, "b", network);
    }
    let stats = tables.stats();
    assert_eq!((stats.attachments, stats.network_queue), (6, 3));
    assert_eq!(stats.counters.cluster_dropped, 4, "two of them its own and that of b in net");
    for (name, last) in [("c", 3), ("d", 4), ("e", 5), ("f", 6)] {
        tables.member(NOW, &member(name, last));
        let leave = NodeEvent { kind: 2, time: 9, node: name.as_bytes() };
        tables.message(NOW, &wrap(Kind::NodeEvent, &leave.to_bytes()));
    }
    assert_eq!(tables.stats().node_queue, 3);
}

#[test]
fn answers_to_words_that_this_node_left() {
    let mut tables = tables(|limits| limits.cluster_queue = 3);
    for time in 10..20 {
        let leave = NodeEvent { kind: LEAVE, time: 10 * time, node: b"a" };
        tables.message(NOW, &wrap(Kind::NodeEvent, &leave.to_bytes()));
    }
    let stats = tables.stats();
    assert_eq!((stats.node_queue, stats.counters.cluster_dropped), (3, 7));
}

#[test]
fn the_length_of_a_network_name() {
    let mut tables = tables(|_| {});
    attach(&mut tables, "b", &"n".repeat(1400));
    attach(&mut tables, "b", &"n".repeat(1401));
    let stats = tables.stats();
    assert_eq!((stats.attachments, stats.counters.attachments_dropped), (2, 1));
}

#[test]
fn events_that_fit_no_packet_are_not_relayed() {
    let mut tables = tables(|_| {});
    let before = tables.stats().network_queue;
    let mut event = NetworkEvent { kind: JOIN, time: 7, node: b"b", network: b"other" }.to_bytes();
    // A field that this node does not know, which it passes on.
    put_block(&mut event, 15, &[0; 2000]);
    tables.message(NOW, &wrap(Kind::NetworkEvent, &event));
    let stats = tables.stats();
    assert_eq!((stats.attachments, stats.network_queue - before), (2, 0));
    assert_eq!(stats.counters.cluster_dropped, 1);
}

#[test]
fn the_names_of_those_to_be_answered_later() {
    let mut tables = tables(|_| {});
    tables.message(NOW, &bulk_sync(&"x".repeat(MAX_NAME + 1), true, []));
    assert_eq!((tables.stats().unanswered, tables.stats().counters.syncs_dropped), (0, 1));
    tables.message(NOW, &bulk_sync(&"x".repeat(MAX_NAME), true, []));
    assert_eq!(tables.stats().unanswered, 1);
}

#[test]
fn bulk_syncs_under_way_and_those_to_be_answered_later() {
    let mut tables = tables(|limits| limits.syncs = 2);
    for _ in 0..3 {
        tables.message(NOW, &bulk_sync("b", true, []));
    }
    let stats = tables.stats();
    assert_eq!((stats.syncs, stats.counters.syncs_dropped), (2, 1));
    for stranger in ["x", "y", "z"] {
        tables.message(NOW, &bulk_sync(stranger, true, []));
    }
    let stats = tables.stats();
    assert_eq!((stats.unanswered, stats.counters.syncs_dropped), (2, 2));
}

#[test]
fn news_that_the_user_does_not_take() {
    let mut tables = tables(|limits| limits.events = 3);
    for network in ["n1", "n2", "n3", "n4", "n5"] {
        attach(&mut tables, "b", network);
    }
    let stats = tables.stats();
    assert_eq!(stats.events, 3);
    assert!(stats.counters.events_dropped >= 3, "{:?}", stats.counters);
}

#[test]
fn compounds_inside_compounds() {
    let nest = |times| (0..times).fold(event("k", b"v"), |inner, _| compound(&inner));
    let mut tables = tables(|limits| limits.depth = 16);
    tables.message(NOW, &nest(17));
    let stats = tables.stats();
    assert_eq!((stats.rows, stats.counters.too_deep), (0, 1));
    tables.message(NOW, &nest(16));
    assert_eq!(tables.stats().rows, 1);
}

fn compound(message: &[u8]) -> Vec<u8> {
    let mut compound = Vec::new();
    put_part(&mut compound, message);
    wrap(Kind::Compound, &compound)
}

#[test]
fn the_state_of_a_push_pull() {
    let mut tables = tables(|limits| limits.push_pull = 1000);
    for number in 0..100 {
        attach(&mut tables, "b", &format!("network-{number}"));
    }
    let state = tables.local_state(NOW, false);
    assert!((500..1100).contains(&state.len()), "{}", state.len());
    let inside = PushPull::decode(networkdb_core::networkdb::message::Gossip::decode(&state).unwrap().data);
    let told = inside.unwrap().entries().count();
    assert_eq!(tables.stats().counters.push_pull_dropped as usize, 102 - told);
    assert!(told > 10);
}
