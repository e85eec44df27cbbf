//! Tables with virtual time, and two whole nodes that feed each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rows;
mod spread;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;

use super::{
    message::{BulkSync, Encode, Gossip, JOIN, Kind, LEAVE, NetworkEvent, Repeated, TableEvent, wrap},
    *,
};
use crate::{
    machine::{Fault, StreamId, StreamInput},
    memberlist::{Delegate, MemberEvent, Outcome, State},
};

const NOW: Instant = Instant::ORIGIN;

fn member(name: &str, last: u8, level: &'static [u8]) -> Member {
    Member {
        name: name.into(),
        addr: ([192, 0, 2, last], 7946).into(),
        meta: Bytes::from_static(level),
        versions: None,
        incarnation: 1,
        state: State::Alive,
        since: NOW,
    }
}

/// In `net` with the nodes b and c.
fn tables(change: impl FnOnce(&mut Config)) -> Tables {
    let mut config = Config::new("a", "192.0.2.1:7946".parse().unwrap());
    change(&mut config);
    let mut tables = Tables::new(config, [1; 32], NOW);
    tables.member(NOW, &MemberEvent::Joined(member("a", 1, &[1])));
    tables.member(NOW, &MemberEvent::Joined(member("b", 2, &[1])));
    tables.member(NOW, &MemberEvent::Joined(member("c", 3, &[])));
    tables.join_network(NOW, b"net").unwrap();
    for node in ["b", "c"] {
        let event = NetworkEvent { kind: JOIN, time: 5, node: node.as_bytes(), network: b"net" };
        tables.message(NOW, &wrap(Kind::NetworkEvent, &event.to_bytes()));
    }
    tables
}

fn event<'a>(time: u64, node: &'a str, key: &'a str, value: &'a str) -> TableEvent<'a> {
    TableEvent {
        kind: 1,
        time,
        node: node.as_bytes(),
        network: b"net",
        table: b"t",
        key: key.as_bytes(),
        value: value.as_bytes(),
        residual: 0,
    }
}

fn receive(tables: &mut Tables, event: &TableEvent<'_>) {
    tables.message(NOW, &wrap(Kind::TableEvent, &event.to_bytes()));
}

fn changes(tables: &mut Tables, id: WatchId) -> Vec<(ChangeKind, String)> {
    std::iter::from_fn(|| tables.next_change(id))
        .map(|change| (change.kind(), change.key.to_string()))
        .collect()
}

#[test]
fn rows_of_a_failed_node_are_hidden_and_come_back() {
    let mut tables = tables(|_| {});
    let (key, watch) = (EntryKey::new("net", "t", "k"), tables.watch(Filter::table("t")));
    receive(&mut tables, &event(7, "b", "k", "v"));
    assert_eq!(changes(&mut tables, watch), [(ChangeKind::Create, "k".into())]);
    tables.member(NOW, &MemberEvent::Gone(member("b", 2, &[1])));
    assert_eq!(changes(&mut tables, watch), [(ChangeKind::Delete, "k".into())]);
    assert_eq!(tables.get_entry(&key), Err(EntryError::Hidden(key.clone())));
    assert_eq!(tables.rows(&Filter::default())[0].reap, Some(Duration::from_secs(1800)));
    tables.member(NOW, &MemberEvent::Joined(member("b", 9, &[1])));
    assert_eq!(changes(&mut tables, watch), [(ChangeKind::Create, "k".into())]);
    assert_eq!(tables.get_entry(&key).unwrap().state, RowState::Live);
    assert_eq!(
        tables.cluster_peers()[1].addr,
        Some([192, 0, 2, 9].into()),
        "the address it is reached at now"
    );
}

#[test]
fn a_tombstone_keeps_the_extra_second_and_then_goes() {
    let mut tables = tables(|_| {});
    let key = EntryKey::new("net", "t", "k");
    tables.create_entry(&key, Bytes::from_static(b"v")).unwrap();
    tables.delete_entry(&key).unwrap();
    tables.reap(Duration::from_millis(1_798_900));
    assert_eq!(tables.rows(&Filter::default()).len(), 1);
    tables.reap(Duration::from_millis(100));
    assert_eq!(tables.rows(&Filter::default()).len(), 0);
    assert_eq!(tables.stats().tombstones, 0);
}

#[test]
fn a_watch_begins_with_the_rows_of_others_and_misses_nothing() {
    let mut tables = tables(|_| {});
    for key in ["k1", "k2", "k3"] {
        receive(&mut tables, &event(7, "b", key, "v"));
    }
    tables.create_entry(&EntryKey::new("net", "t", "own"), Bytes::new()).unwrap();
    let watch = tables.watch(Filter::network("net"));
    assert_eq!(tables.next_change(watch).unwrap().key, Name::from("k1"));
    receive(&mut tables, &event(8, "b", "k1", "w"));
    receive(&mut tables, &event(8, "b", "k3", "w"));
    let seen = changes(&mut tables, watch);
    let (update, create) = (ChangeKind::Update, ChangeKind::Create);
    assert_eq!(seen, [(update, "k1".into()), (create, "k2".into()), (create, "k3".into())]);
}

#[test]
fn a_watch_that_asks_for_own_rows_is_told_what_this_node_writes() {
    let mut tables = tables(|_| {});
    let key = |key: &str| EntryKey::new("net", "t", key);
    tables.create_entry(&key("a"), "1".into()).unwrap();
    let [others, all] = [false, true].map(|own| tables.watch(Filter { own, ..Filter::network("net") }));
    receive(&mut tables, &event(7, "b", "k1", "v"));
    let (create, update, delete) = (ChangeKind::Create, ChangeKind::Update, ChangeKind::Delete);
    assert_eq!(changes(&mut tables, all), [(create, "a".into()), (create, "k1".into())]);
    tables.update_entry(&key("a"), "2".into()).unwrap();
    tables.create_entry(&key("b"), "3".into()).unwrap();
    tables.delete_entry(&key("b")).unwrap();
    assert_eq!(changes(&mut tables, all), [(update, "a".into()), (create, "b".into()), (delete, "b".into())]);
    assert_eq!(changes(&mut tables, others), [(create, "k1".into())]);
}

#[test]
fn a_watcher_that_lags_starts_over() {
    let mut tables = tables(|config| config.limits.watch_queue = 2);
    let watch = tables.watch(Filter::table("t"));
    assert_eq!(tables.next_change(watch), None);
    for key in ["k1", "k2", "k3"] {
        receive(&mut tables, &event(7, "b", key, "v"));
    }
    assert_eq!(tables.stats().watchers_lagged, 1);
    let seen = changes(&mut tables, watch);
    let create = ChangeKind::Create;
    let all = [
        (ChangeKind::Resync, String::new()),
        (create, "k1".into()),
        (create, "k2".into()),
        (create, "k3".into()),
    ];
    assert_eq!(seen, all);
}

#[test]
fn a_bulk_sync_is_split_and_only_its_last_part_asks() {
    let mut tables = tables(|config| config.bulk_sync_part = 1000);
    for number in 0..10 {
        tables.create_entry(&EntryKey::new("net", "t", format!("k{number}")), vec![0; 400].into()).unwrap();
    }
    tables.todo.clear();
    tables.sync_after_return(NOW, &"b".into());
    let mut parts = Vec::new();
    while let Some(Todo::Reliable(to, bytes)) = tables.todo.pop_front() {
        assert!(tables.todo.is_empty(), "one part at a time");
        parts.push(bytes);
        for (_, purpose) in to {
            tables.finished(NOW, purpose, Outcome::Sent(Ok(())));
        }
    }
    assert!(parts.len() >= 5, "{}", parts.len());
    for (place, part) in parts.iter().enumerate() {
        let gossip = Gossip::decode(part).unwrap();
        let sync = BulkSync::decode(gossip.data).unwrap();
        assert_eq!(sync.unsolicited, place + 1 == parts.len());
        let compound = Gossip::decode(sync.payload).unwrap();
        let first = message::parts(compound.data).unwrap().next().unwrap();
        assert_eq!(
            Gossip::decode(first).unwrap().kind,
            Kind::NetworkEvent as i32,
            "every part begins with the networks"
        );
    }
    tables.todo.clear();
    tables.sync_after_return(NOW, &"c".into());
    let Some(Todo::Reliable(_, bytes)) = tables.todo.front() else { panic!() };
    let sync = BulkSync::decode(Gossip::decode(bytes).unwrap().data).unwrap().payload;
    let first = message::parts(Gossip::decode(sync).unwrap().data).unwrap().next().unwrap();
    assert_eq!(
        Gossip::decode(first).unwrap().kind,
        Kind::TableEvent as i32,
        "older nodes get no network events"
    );
}

#[test]
fn only_a_later_time_ends_a_wait_and_an_answer_is_later_than_its_request() {
    let mut tables = tables(|_| {});
    tables.todo.clear();
    tables.sync_after_return(NOW, &"b".into());
    let asked = tables.table_clock.time();
    let answer = |time, unsolicited| {
        let sync =
            BulkSync { time, unsolicited, node: b"b", networks: Repeated::default(), payload: &[8, 5] };
        wrap(Kind::BulkSync, &sync.write([&b"net"[..]].into_iter()))
    };
    tables.message(NOW, &answer(asked, false));
    assert_eq!(tables.syncs.len(), 1);
    tables.message(NOW, &answer(asked + 1, false));
    assert_eq!(tables.syncs.len(), 0);
    tables.todo.clear();
    tables.message(NOW, &answer(90, true));
    let Some(Todo::Reliable(_, bytes)) = tables.todo.front() else { panic!() };
    let sync = BulkSync::decode(Gossip::decode(bytes).unwrap().data).unwrap();
    assert!(sync.time > 90 && !sync.unsolicited);
}

#[test]
fn a_node_that_asks_before_the_news_of_it_has_come_is_answered_when_it_has() {
    let mut tables = tables(|_| {});
    tables.todo.clear();
    let networks = [&b"net"[..], b"a network that nobody knows"].into_iter();
    let asks =
        BulkSync { time: 9, unsolicited: true, node: b"d", networks: Repeated::default(), payload: &[8, 5] };
    tables.message(NOW, &wrap(Kind::BulkSync, &asks.write(networks)));
    assert!(tables.todo.is_empty());
    assert_eq!(
        tables.unanswered.get(b"d".as_slice()).unwrap().asked,
        [Name::from("net")],
        "others would only take up room"
    );
    tables.member(NOW, &MemberEvent::Joined(member("d", 4, &[])));
    let [Todo::Reliable(to, bytes)] = tables.todo.make_contiguous() else { panic!("one answer") };
    assert_eq!(to[0].0, member("d", 4, &[]).addr);
    let sync = BulkSync::decode(Gossip::decode(bytes).unwrap().data).unwrap();
    assert!(sync.time > 9 && !sync.unsolicited);
}

#[test]
fn a_node_that_gossip_did_not_tell_of_is_learnt_from_a_member_once_it_asks() {
    let mut pair = Pair::new();
    let member: SocketAddr = ([192, 0, 2, 1], 7946).into();
    pair.nodes[1].join(NOW, vec![member.into()]);
    pair.run(Duration::from_secs(2));
    let asks =
        BulkSync { time: 9, unsolicited: true, node: b"d", networks: Repeated::default(), payload: &[8, 5] };
    let (now, node) = (pair.now, &mut pair.nodes[1]);
    node.tables.message(now, &wrap(Kind::BulkSync, &asks.write([&b"net"[..]].into_iter())));
    let mut opened = |after| {
        node.handle(now + Duration::from_millis(after), Input::Tick);
        let mut outputs = std::iter::from_fn(|| node.poll_output());
        outputs.any(|output| matches!(output, Output::Open(_, Endpoint::Addr(to)) if to == member))
    };
    assert!(!opened(900), "gossip may still bring it");
    assert!(opened(1_000));
    assert!(!opened(1_100), "once");
}

#[test]
fn a_network_joined_before_its_nodes_were_known_asks_for_their_rows_once_they_are() {
    let mut tables = tables(|_| {});
    let second = |count| NOW + Duration::from_secs(count);
    tables.catch_up(NOW);
    tables.todo.clear();
    tables.catch_up(NOW);
    assert!(tables.todo.is_empty(), "one that has just joined asks by itself");
    tables.catch_up(second(1));
    assert!(matches!(tables.todo.make_contiguous(), [Todo::Reliable(..)]));
    tables.catch_up(second(9));
    assert_eq!(tables.todo.len(), 1, "and only once");
}

#[test]
fn what_cannot_be_sent_is_refused_and_nothing_changes() {
    let mut tables = tables(|config| config.limits.stream_message = 2_000);
    let key = EntryKey::new("net", "t", "k");
    let before = tables.snapshot();
    let result = tables.create_entry(&key, vec![0; 2_000].into());
    assert!(matches!(result, Err(EntryError::TooLarge { limit: 2_000, .. })));
    assert_eq!(tables.snapshot(), before);
}

#[test]
fn a_row_longer_than_a_packet_goes_by_stream() {
    let mut tables = tables(|_| {});
    tables.create_entry(&EntryKey::new("net", "t", "k"), vec![0; 5_000].into()).unwrap();
    tables.todo.clear();
    tables.gossip_tables(NOW);
    let Some(Todo::Reliable(to, _)) = tables.todo.front() else { panic!("one message") };
    assert_eq!((to.len(), tables.stats().counters.oversize), (2, 1));
}

#[test]
fn equal_times_are_settled_by_the_larger_owner() {
    let mut tables = tables(|_| {});
    let key = EntryKey::new("net", "t", "k");
    tables.create_entry(&key, Bytes::from_static(b"mine")).unwrap();
    let time = tables.get_entry(&key).unwrap().time;
    for (node, rewritten) in [("b", false), ("Z", true)] {
        tables.member(NOW, &MemberEvent::Joined(member("Z", 4, &[])));
        let join = NetworkEvent { kind: JOIN, time: 9, node: b"Z", network: b"net" };
        tables.message(NOW, &wrap(Kind::NetworkEvent, &join.to_bytes()));
        let mut compound = Vec::new();
        message::put_part(
            &mut compound,
            &wrap(Kind::TableEvent, &event(time, node, "k", "theirs").to_bytes()),
        );
        let payload = wrap(Kind::Compound, &compound);
        let sync = BulkSync {
            time: 0,
            unsolicited: false,
            node: b"b",
            networks: Repeated::default(),
            payload: &payload,
        };
        tables.message(NOW, &wrap(Kind::BulkSync, &sync.write(std::iter::empty())));
        assert_eq!(tables.get_entry(&key).unwrap().time > time, rewritten, "{node}");
    }
}

#[test]
fn a_foreign_leave_that_names_us_is_refuted_and_a_jump_is_dropped() {
    let mut tables = tables(|_| {});
    let leave = message::NodeEvent { kind: message::LEAVE, time: 50, node: b"a" };
    tables.message(NOW, &wrap(Kind::NodeEvent, &leave.to_bytes()));
    assert_eq!((tables.own_node_time, tables.node_queue.len()), (52, 1));
    receive(&mut tables, &event(1 << 40, "b", "k", "v"));
    assert_eq!((tables.rows(&Filter::default()).len(), tables.stats().counters.clock_jumps), (0, 1));
}

#[test]
fn the_cluster_is_looked_for_until_a_bootstrap_address_is_a_member() {
    let mut tables = tables(|_| {});
    let seed = |last: u8, port: u16| Endpoint::Addr(([192, 0, 2, last], port).into());
    tables.set_bootstrap(vec![seed(1, 0), seed(2, 0)]);
    tables.todo.clear();
    tables.check_bootstrap();
    assert!(tables.todo.is_empty(), "b is a member at the default port");
    tables.set_bootstrap(vec![seed(1, 0), seed(9, 0)]);
    tables.check_bootstrap();
    assert!(matches!(tables.todo.front(), Some(Todo::Join(seeds, _)) if *seeds == [seed(9, 7946)]));
    tables.refuse_all(NOW);
    let retry = tables.timers.get(&tables::Timer::Rejoin).unwrap().since(NOW);
    assert!(retry < Duration::from_millis(1_500), "{retry:?}");
}

/// Two nodes and the wires between them.
struct Pair {
    nodes: [NetworkDb; 2],
    now: Instant,
    streams: BTreeMap<(usize, StreamId), StreamId>,
    next: [u64; 2],
}

impl Pair {
    fn new() -> Self {
        let node = |name: &str, last: u8| {
            let config = Config::new(name, ([192, 0, 2, last], 7946).into());
            NetworkDb::new(config, [last; 32], NOW).unwrap()
        };
        Self { nodes: [node("a", 1), node("b", 2)], now: NOW, streams: BTreeMap::new(), next: [1, 1] }
    }

    fn carry(&mut self, from: usize, output: Output) {
        let (to, now) = (1 - from, self.now);
        let source = ([192, 0, 2, from as u8 + 1], 7946).into();
        let target = ([192, 0, 2, to as u8 + 1], 7946).into();
        match output {
            Output::Datagram { bytes, .. } => {
                self.nodes[to].handle(now, Input::Datagram { from: source, bytes: &bytes });
            }
            Output::Open(id, _) => {
                let other = StreamId(self.next[to]);
                self.next[to] += 2;
                self.streams.insert((from, id), other);
                self.streams.insert((to, other), id);
                self.nodes[to].handle(now, Input::Stream(other, StreamInput::Accepted { from: source }));
                self.nodes[from].handle(now, Input::Stream(id, StreamInput::Opened { at: target }));
            }
            Output::Write(id, bytes) => {
                let other = self.streams[&(from, id)];
                self.nodes[to].handle(now, Input::Stream(other, StreamInput::Received(&bytes)));
                self.nodes[from].handle(now, Input::Stream(id, StreamInput::Sent(bytes.len())));
            }
            Output::Close(id, crate::machine::How::Finish) => {
                let other = self.streams[&(from, id)];
                self.nodes[to].handle(now, Input::Stream(other, StreamInput::Finished));
            }
            Output::Close(..) | Output::Reading(..) => {}
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let mut pending = VecDeque::new();
            for from in 0..2 {
                while let Some(output) = self.nodes[from].poll_output() {
                    pending.push_back((from, output));
                }
            }
            if pending.is_empty() {
                let next = self.nodes.iter().filter_map(Machine::next_deadline).min().unwrap_or(end);
                if next >= end {
                    self.now = end;
                    return;
                }
                self.now = self.now.max(next);
                for node in &mut self.nodes {
                    node.handle(self.now, Input::Tick);
                }
            }
            for (from, output) in pending {
                self.carry(from, output);
            }
        }
    }

    fn events(&mut self, node: usize) -> Vec<Event> {
        std::iter::from_fn(|| self.nodes[node].poll_event()).collect()
    }
}

#[test]
fn two_nodes_share_rows_by_gossip_and_by_bulk_sync_and_part() {
    let mut pair = Pair::new();
    let key = |key: &str| EntryKey::new("net", "t", key);
    let now = pair.now;
    pair.nodes[0].join_network(now, b"net").unwrap();
    pair.nodes[0].create_entry(now, &key("early"), Bytes::from_static(b"1")).unwrap();
    let seed: SocketAddr = ([192, 0, 2, 1], 7946).into();
    pair.nodes[1].join(now, vec![seed.into()]);
    pair.run(Duration::from_secs(3));
    let joined =
        |event: &Event| matches!(event, Event::Joined { result: Ok(report), .. } if report.reached == [seed]);
    let events = pair.events(1);
    assert!(events.iter().any(joined), "{events:?}");
    let now = pair.now;
    pair.nodes[1].join_network(now, b"net").unwrap();
    pair.run(Duration::from_secs(1));
    let events = pair.events(1);
    assert!(events.iter().any(|event| matches!(event, Event::NetworkJoined { synced: 1, .. })), "{events:?}");
    assert_eq!(pair.nodes[1].get_entry(&key("early")).unwrap().value, "1");
    let (now, watch) = (pair.now, pair.nodes[0].watch(Filter::table("t")));
    pair.nodes[1].create_entry(now, &key("late"), Bytes::from_static(b"2")).unwrap();
    pair.nodes[1].create_entry(now, &key("long"), vec![3; 100_000].into()).unwrap();
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.nodes[0].get_entry(&key("late")).unwrap().owner, Name::from("b"));
    assert_eq!(pair.nodes[0].get_entry(&key("long")).unwrap().value.len(), 100_000);
    assert_eq!(pair.nodes[0].next_change(watch).unwrap().kind(), ChangeKind::Create);
    assert_eq!(pair.nodes[0].peers(b"net").len(), 2);
    let now = pair.now;
    pair.nodes[1].leave(now);
    pair.run(Duration::from_secs(8));
    assert!(pair.events(1).iter().any(|event| matches!(event, Event::Left { .. })));
    assert_eq!(pair.nodes[0].cluster_peers().len(), 1);
    assert_eq!(pair.nodes[0].rows(&Filter::network("net")).len(), 1, "rows of a node that left go");
}

/// Rows as a bulk sync of b brings them.
fn bulk(tables: &mut Tables, events: &[TableEvent<'_>]) {
    let mut payload = Vec::new();
    for event in events {
        super::message::put_part(&mut payload, &wrap(Kind::TableEvent, &event.to_bytes()));
    }
    let payload = wrap(Kind::Compound, &payload);
    let sync = BulkSync {
        time: 99,
        unsolicited: false,
        node: b"b",
        networks: Repeated::default(),
        payload: &payload,
    };
    tables.message(NOW, &wrap(Kind::BulkSync, &sync.write([&b"net"[..]].into_iter())));
}

#[test]
fn rows_of_an_earlier_life_are_inherited_and_those_of_this_one_are_written_again() {
    let mut tables = tables(|_| {});
    let watch = tables.watch(Filter::default());
    receive(&mut tables, &event(7, "b", "foreign", "v"));
    let key = |key: &str| EntryKey::new("net", "t", key);
    tables.create_entry(&key("mine"), Bytes::from_static(b"now")).unwrap();
    assert_eq!(changes(&mut tables, watch), [(ChangeKind::Create, "foreign".into())]);
    let lost = ["ghost", "mine", "foreign"].map(|key| event(50, "a", key, "then"));
    for _ in 0..2 {
        bulk(&mut tables, &lost);
        let rows = tables.rows(&Filter::default());
        let rows: Vec<_> =
            rows.iter().map(|row| (row.key.to_string(), row.value.as_ref(), row.time > 50)).collect();
        let expected = [("foreign", "then", false), ("ghost", "then", false), ("mine", "now", true)];
        assert_eq!(rows, expected.map(|(key, value, anew)| (key.to_owned(), value.as_bytes(), anew)));
    }
    let (create, update) = (ChangeKind::Create, ChangeKind::Update);
    assert_eq!(changes(&mut tables, watch), [(create, "ghost".into()), (update, "foreign".into())]);
    tables.create_entry(&key("ghost"), Bytes::from_static(b"anew")).unwrap();
    assert!(matches!(tables.create_entry(&key("ghost"), Bytes::new()), Err(EntryError::Exists(_))));
    tables.delete_entry(&key("foreign")).unwrap();
}

#[test]
fn a_life_that_has_forgotten_tombstones_takes_back_what_it_may_have_deleted() {
    let mut tables = tables(|_| {});
    tables.reap(Duration::from_secs(1_800));
    bulk(&mut tables, &[event(50, "a", "ghost", "then")]);
    let rows = tables.rows(&Filter::default());
    assert_eq!((rows[0].state, rows[0].time > 50), (RowState::Deleted, true));
}

#[test]
fn a_node_left_alone_says_so_once_and_tries_whom_it_saw_last_with_growing_pauses() {
    let mut tables = tables(|_| {});
    let mut tries = Vec::new();
    for (node, last) in [("b", 2), ("c", 3)] {
        tables.member(NOW, &MemberEvent::Gone(member(node, last, &[1])));
    }
    let mut alone = 0;
    for second in 0..120 {
        let now = NOW + Duration::from_secs(second);
        tables.handle_due(now);
        let joins = tables.todo.iter().filter(|todo| matches!(todo, tables::Todo::Join(..))).count();
        tries.extend((0..joins).map(|_| second));
        tables.refuse_all(now);
        alone += std::iter::from_fn(|| tables.next_event()).filter(|event| *event == Event::Alone).count();
    }
    assert_eq!(alone, 1);
    assert!((8..20).contains(&tries.len()), "{tries:?}");
    assert!(tries[1] - tries[0] <= 3 && tries.windows(2).all(|pair| pair[1] - pair[0] <= 26), "{tries:?}");
}

#[test]
fn a_join_that_reached_nobody_is_tried_again_soon() {
    let mut config = Config::new("a", "192.0.2.1:7946".parse().unwrap());
    config.rejoin_interval = Duration::from_secs(60);
    let mut node = NetworkDb::new(config, [1; 32], NOW).unwrap();
    node.join(NOW, vec![Endpoint::Addr(([192, 0, 2, 2], 7946).into())]);
    let mut dialled = |now| {
        node.handle(now, Input::Tick);
        let outputs: Vec<_> = std::iter::from_fn(|| node.poll_output()).collect();
        for output in &outputs {
            if let Output::Open(id, _) = output {
                node.handle(now, Input::Stream(*id, StreamInput::Failed(Fault::Refused)));
            }
        }
        outputs.iter().filter(|output| matches!(output, Output::Open(..))).count()
    };
    let tries: Vec<usize> = (0..16).map(|second| dialled(NOW + Duration::from_secs(second))).collect();
    assert_eq!(tries[0], 1);
    assert!((3..=5).contains(&tries.iter().sum::<usize>()), "after 1, 2, 4 and 8 s, more or less: {tries:?}");
}

#[test]
fn who_says_that_this_node_has_left_a_network_it_is_in_is_contradicted() {
    let mut tables = tables(|_| {});
    let mut told = |kind, time, network: &[u8]| {
        let event = NetworkEvent { kind, time, node: b"a", network };
        let before = tables.network_clock.time();
        tables.message(NOW, &wrap(Kind::NetworkEvent, &event.to_bytes()));
        // Each announcement takes a time of its own beyond the one that was witnessed.
        tables.network_clock.time() > before.max(time + 1)
    };
    assert!(!told(LEAVE, 0, b"net"), "older than its join");
    assert!(!told(JOIN, 50, b"net"), "true");
    assert!(told(LEAVE, 60, b"net"), "it takes part");
    assert!(!told(LEAVE, 60, b"net"), "that was said already");
    assert!(!told(JOIN, 70, b"other"), "it may be about to join");
    let own = tables.snapshot().attachments.remove(0).attachment;
    assert!(own.time > 60 && !own.leaving);
}

#[test]
fn a_row_of_a_failed_node_that_is_about_to_be_forgotten_is_not_learnt_again() {
    let mut tables = tables(|_| {});
    tables.member(NOW, &MemberEvent::Gone(member("b", 2, &[1])));
    for (key, residual) in [("ending", 300), ("fresh", 301)] {
        receive(&mut tables, &TableEvent { residual, ..event(7, "b", key, "v") });
    }
    let rows = tables.rows(&Filter::default());
    assert_eq!(rows.iter().map(|row| row.key.to_string()).collect::<Vec<_>>(), ["fresh"]);
}

/// `f` failed before this node came, and nobody tells a newcomer of it.
#[test]
fn what_a_node_never_heard_of_wrote_takes_the_place_of_an_older_row() {
    let mut tables = tables(|_| {});
    receive(&mut tables, &event(7, "b", "k", "old"));
    receive(&mut tables, &event(7, "b", "gone", "old"));
    let tombstone = TableEvent { kind: 3, residual: 60, ..event(8, "f", "gone", "old") };
    bulk(&mut tables, &[event(8, "f", "k", "new"), tombstone, event(8, "f", "other", "v")]);
    let key = |key: &str| EntryKey::new("net", "t", key);
    assert_eq!(tables.get_entry(&key("gone")), Err(EntryError::Deleted(key("gone"))));
    assert_eq!(tables.get_entry(&key("k")), Err(EntryError::Hidden(key("k"))), "until its owner is here");
    assert_eq!(tables.get_entry(&key("other")), Err(EntryError::NotFound(key("other"))));
    tables.member(NOW, &MemberEvent::Joined(member("f", 6, &[1])));
    let join = NetworkEvent { kind: JOIN, time: 5, node: b"f", network: b"net" };
    tables.message(NOW, &wrap(Kind::NetworkEvent, &join.to_bytes()));
    assert_eq!(tables.get_entry(&key("k")).unwrap().value, "new");
    assert_eq!(tables.get_entry(&key("gone")), Err(EntryError::Deleted(key("gone"))));
}

#[test]
fn a_watch_that_has_taken_nothing_yet_tells_that_others_deleted_an_own_row() {
    let mut tables = tables(|_| {});
    tables.create_entry(&EntryKey::new("net", "t", "k"), "mine".into()).unwrap();
    let [others, all] = [false, true].map(|own| tables.watch(Filter { own, ..Filter::network("net") }));
    receive(&mut tables, &TableEvent { kind: 3, residual: 1_800, ..event(50, "b", "k", "mine") });
    assert_eq!(changes(&mut tables, others), [(ChangeKind::Delete, "k".into())], "its user knows of the row");
    assert_eq!(changes(&mut tables, all), [], "never heard of it");
}

#[test]
fn a_tombstone_outlives_its_owner_and_keeps_out_what_it_deleted() {
    let mut tables = tables(|_| {});
    let key = EntryKey::new("net", "t", "k");
    receive(&mut tables, &event(7, "b", "live", "v"));
    receive(&mut tables, &TableEvent { kind: 3, residual: 1_800, ..event(8, "b", "k", "v") });
    tables.member(NOW, &MemberEvent::Gone(member("b", 2, &[1])));
    tables.node_left(&"b".into());
    assert_eq!(tables.rows(&Filter::default()).len(), 1, "its rows go");
    bulk(&mut tables, &[event(7, "c", "k", "from somebody cut off")]);
    assert_eq!(tables.get_entry(&key), Err(EntryError::Deleted(key.clone())));
    tables.reap(Duration::from_secs(1_800));
    assert_eq!(tables.rows(&Filter::default()).len(), 0);
}
