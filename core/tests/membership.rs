//! Nodes of plain membership, carried through virtual time by a network without faults.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use networkdb_core::{
    machine::{Endpoint, Fault, How, Input, Instant, Machine, Output, StreamId, StreamInput},
    memberlist::{Config, Event, Keyring, Membership, Outcome, State, Undecryptable},
};

const SECOND: Duration = Duration::from_secs(1);
/// How long anything takes from node to node.
const LATENCY: Duration = Duration::from_millis(1);

/// What is on its way to a node.
enum Parcel {
    Datagram { from: SocketAddr, bytes: Vec<u8> },
    Accepted { from: SocketAddr },
    Opened { at: SocketAddr },
    Received(Vec<u8>),
    Sent(usize),
    Finished,
    Failed(Fault),
}

/// One end of a stream: a node and its number there.
type End = (SocketAddr, StreamId);

/// Nodes, the network between them, and the time.
struct World {
    now: Instant,
    nodes: BTreeMap<SocketAddr, Membership>,
    /// By arrival and order of sending.
    parcels: BTreeMap<(Instant, u64), (SocketAddr, StreamId, Parcel)>,
    ends: BTreeMap<End, End>,
    cut_off: BTreeSet<SocketAddr>,
    sent: u64,
    accepted: u64,
    events: Vec<(SocketAddr, Event)>,
    /// Every output of every node, in order.
    trace: Vec<(SocketAddr, Output)>,
}

impl World {
    fn new(configs: Vec<Config>) -> Self {
        let now = Instant::from_nanos(1);
        let node = |(i, config): (usize, Config)| {
            (config.advertise, Membership::new(config, [i as u8; 32], now, ()).unwrap())
        };
        Self {
            now,
            nodes: configs.into_iter().enumerate().map(node).collect(),
            parcels: BTreeMap::new(),
            ends: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            sent: 0,
            accepted: 0,
            events: Vec::new(),
            trace: Vec::new(),
        }
    }

    fn node(&mut self, i: u8) -> &mut Membership {
        self.nodes.get_mut(&addr(i)).unwrap()
    }

    fn join(&mut self, i: u8, seeds: &[u8]) {
        let (now, seeds) = (self.now, seeds.iter().map(|seed| Endpoint::Addr(addr(*seed))).collect());
        self.node(i).join(now, seeds);
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.collect();
            let deadlines = self.nodes.values().filter_map(Machine::next_deadline);
            let next = deadlines.chain(self.parcels.keys().map(|(at, _)| *at)).min().unwrap_or(end);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next.max(self.now);
            while self.parcels.first_key_value().is_some_and(|((at, _), _)| *at <= self.now) {
                let (_, (to, stream, parcel)) = self.parcels.pop_first().unwrap();
                self.deliver(to, stream, &parcel);
            }
            for node in self.nodes.values_mut() {
                if node.next_deadline().is_some_and(|at| at <= self.now) {
                    node.handle(self.now, Input::Tick);
                }
            }
        }
    }

    fn deliver(&mut self, to: SocketAddr, stream: StreamId, parcel: &Parcel) {
        let input = match parcel {
            Parcel::Datagram { from, bytes } => Input::Datagram { from: *from, bytes },
            Parcel::Accepted { from } => Input::Stream(stream, StreamInput::Accepted { from: *from }),
            Parcel::Opened { at } => Input::Stream(stream, StreamInput::Opened { at: *at }),
            Parcel::Received(bytes) => Input::Stream(stream, StreamInput::Received(bytes)),
            Parcel::Sent(count) => Input::Stream(stream, StreamInput::Sent(*count)),
            Parcel::Finished => Input::Stream(stream, StreamInput::Finished),
            Parcel::Failed(fault) => Input::Stream(stream, StreamInput::Failed(*fault)),
        };
        self.nodes.get_mut(&to).unwrap().handle(self.now, input);
    }

    fn collect(&mut self) {
        for from in self.nodes.keys().copied().collect::<Vec<_>>() {
            while let Some(output) = self.nodes.get_mut(&from).unwrap().poll_output() {
                self.trace.push((from, output.clone()));
                self.carry(from, output);
            }
            while let Some(event) = self.nodes.get_mut(&from).unwrap().poll_event() {
                self.events.push((from, event));
            }
        }
    }

    fn carry(&mut self, from: SocketAddr, output: Output) {
        match output {
            Output::Datagram { to, bytes } => {
                self.post(from, (to, StreamId(0)), Parcel::Datagram { from, bytes: bytes.to_vec() });
            }
            Output::Open(id, Endpoint::Addr(to)) if self.reaches(from, to) => {
                self.accepted += 1;
                let there = (to, StreamId(2 * self.accepted - 1));
                self.ends.insert((from, id), there);
                self.ends.insert(there, (from, id));
                self.post(from, there, Parcel::Accepted { from });
                self.post(from, (from, id), Parcel::Opened { at: to });
            }
            Output::Open(id, _) => self.post(from, (from, id), Parcel::Failed(Fault::Refused)),
            Output::Write(id, bytes) => {
                self.post(from, (from, id), Parcel::Sent(bytes.len()));
                self.across(from, id, Parcel::Received(bytes.to_vec()));
            }
            Output::Close(id, How::Finish) => self.across(from, id, Parcel::Finished),
            Output::Close(id, How::Abort) => self.across(from, id, Parcel::Failed(Fault::Reset)),
            Output::Reading(..) => {}
        }
    }

    fn across(&mut self, from: SocketAddr, id: StreamId, parcel: Parcel) {
        if let Some(there) = self.ends.get(&(from, id)) {
            self.post(from, *there, parcel);
        }
    }

    fn post(&mut self, from: SocketAddr, (to, stream): End, parcel: Parcel) {
        self.sent += 1;
        if self.reaches(from, to) {
            self.parcels.insert((self.now + LATENCY, self.sent), (to, stream, parcel));
        }
    }

    fn reaches(&self, from: SocketAddr, to: SocketAddr) -> bool {
        let cut = |addr| self.cut_off.contains(addr);
        from == to || (self.nodes.contains_key(&to) && !cut(&from) && !cut(&to))
    }

    /// What node `i` believes of node `of`.
    fn state(&mut self, i: u8, of: u8) -> Option<State> {
        self.node(i).list().member(name(of).as_bytes()).map(|member| member.state)
    }

    fn all_see_all(&mut self, count: u8) -> bool {
        (0..count).all(|i| (0..count).all(|of| self.state(i, of) == Some(State::Alive)))
    }
}

fn addr(i: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, i], 7946))
}

fn name(i: u8) -> String {
    format!("node-{i}")
}

fn configs(count: u8) -> Vec<Config> {
    (0..count).map(|i| Config::lan(name(i), addr(i))).collect()
}

fn cluster(count: u8, change: impl Fn(&mut Config)) -> World {
    let mut configs = configs(count);
    configs.iter_mut().for_each(change);
    let mut world = World::new(configs);
    for i in 1..count {
        world.join(i, &[0]);
    }
    world.run(5 * SECOND);
    world
}

#[test]
fn nodes_that_join_one_seed_learn_of_each_other() {
    let mut world = cluster(8, |_| {});
    assert!(world.all_see_all(8));
}

#[test]
fn the_same_holds_with_label_and_keys_and_without_compression() {
    for len in [16, 24, 32] {
        let mut world = cluster(3, |config| {
            config.keyring = Keyring::new(&[vec![7; len]]).unwrap();
            config.label = "north".into();
            config.compression = false;
        });
        assert!(world.all_see_all(3), "key of {len} bytes");
    }
}

#[test]
fn a_quiet_cluster_stays_together_for_an_hour() {
    let mut world = cluster(5, |_| {});
    world.events.clear();
    world.run(3600 * SECOND);
    assert!(world.all_see_all(5));
    let gone = world.events.iter().filter(|(_, event)| matches!(event, Event::Member(_)));
    assert_eq!(gone.count(), 0, "no member came, changed or went");
}

#[test]
fn a_dead_seed_costs_the_others_nothing() {
    let mut world = World::new(configs(2));
    world.join(1, &[9, 0, 8]);
    world.run(SECOND);
    let report = world.events.iter().find_map(|(_, event)| match event {
        Event::Done(_, Outcome::Joined(report)) => Some(report.clone()),
        _ => None,
    });
    let report = report.unwrap();
    assert_eq!(report.reached, [addr(0)]);
    assert_eq!(report.failed.len(), 2);
}

#[test]
fn a_node_cut_off_is_suspected_then_dead_and_comes_back_by_itself() {
    for minutes in [1, 30] {
        let mut world = cluster(5, |_| {});
        world.cut_off.insert(addr(4));
        world.run(minutes * 60 * SECOND);
        assert!(matches!(world.state(0, 4), None | Some(State::Dead)), "{minutes} minutes");
        world.cut_off.clear();
        world.run(100 * SECOND);
        assert!(world.all_see_all(5), "after {minutes} minutes");
    }
}

#[test]
fn a_node_that_leaves_is_known_as_left_and_its_leave_ends_when_it_has_been_told() {
    let mut world = cluster(4, |_| {});
    let now = world.now;
    world.node(3).leave(now, 5 * SECOND);
    world.run(3 * SECOND);
    assert_eq!(world.state(0, 3), Some(State::Left));
    assert!(world.events.iter().any(|(_, event)| matches!(event, Event::Done(_, Outcome::Spread(true)))));
}

#[test]
fn another_label_or_key_does_not_get_in() {
    let key = |byte| Keyring::new(&[[byte; 16]]).unwrap();
    let changes: [fn(&mut Config, Keyring); 2] =
        [|config, _| config.label = "south".into(), |config, key| config.keyring = key];
    for change in changes {
        let mut configs = configs(2);
        for config in &mut configs {
            config.keyring = key(1);
        }
        change(configs.last_mut().unwrap(), key(2));
        let mut world = World::new(configs);
        world.join(1, &[0]);
        world.run(5 * SECOND);
        assert_eq!(world.state(0, 1), None);
        assert_eq!(world.state(1, 0), None);
        assert!(!world.node(0).list().counters().dropped.is_empty(), "it is counted");
    }
}

#[test]
fn keys_are_rotated_without_losing_anybody() {
    let (old, new) = ([1; 16], [2; 32]);
    let mut world = cluster(3, |config| config.keyring = Keyring::new(&[old]).unwrap());
    let steps: [fn(&mut Membership, &[u8]); 3] = [
        |node, key| node.list_mut().add_key(key).unwrap(),
        |node, key| node.list_mut().use_key(key).unwrap(),
        |node, key| node.list_mut().remove_key(key).unwrap(),
    ];
    for (step, key) in steps.into_iter().zip([&new[..], &new, &old]) {
        // Node by node, with time between: at each moment some are ahead of the others.
        for i in 0..3 {
            step(world.node(i), key);
            world.run(90 * SECOND);
        }
    }
    assert!(world.all_see_all(3));
    for i in 0..3 {
        let list = world.node(i).list();
        assert_eq!(list.keyring().keys().collect::<Vec<_>>(), [new]);
        assert_eq!(list.counters().undecryptable, Undecryptable::default());
        assert_eq!(list.counters().probes_failed, 0);
    }
}

#[test]
fn messages_arrive_by_packet_and_by_stream() {
    let mut world = cluster(2, |_| {});
    let now = world.now;
    let big = vec![5; 3 << 20];
    assert_eq!(world.node(0).list_mut().send_best_effort(&[name(1).into()], b"small"), 1);
    world.node(0).list_mut().send_reliable(now, addr(1), &big);
    world.run(SECOND);
    let messages: Vec<_> = world.events.iter().filter(|(at, _)| *at == addr(1)).collect();
    assert!(messages.iter().any(|(_, event)| *event == Event::Message("small".into())));
    assert!(messages.iter().any(|(_, event)| matches!(event, Event::Message(bytes) if **bytes == *big)));
    assert!(world.events.iter().any(|(_, event)| matches!(event, Event::Done(_, Outcome::Sent(Ok(()))))));
}

#[test]
fn same_seed_and_inputs_give_the_same_outputs() {
    let trace = || {
        let mut world = cluster(6, |config| config.keyring = Keyring::new(&[[3; 32]]).unwrap());
        world.cut_off.insert(addr(2));
        world.run(20 * SECOND);
        world.trace
    };
    let first = trace();
    assert!(first.len() > 200, "{} outputs", first.len());
    assert_eq!(first, trace());
}

#[test]
fn streams_that_never_end_are_dropped_at_their_deadline() {
    let mut world = World::new(configs(1));
    let (now, from) = (world.now, addr(9));
    for i in 0..2000 {
        world.node(0).handle(now, Input::Stream(StreamId(2 * i + 1), StreamInput::Accepted { from }));
        world.node(0).handle(now, Input::Stream(StreamId(2 * i + 1), StreamInput::Received(&[6])));
    }
    assert_eq!(world.node(0).list().counters().streams_in, 512, "further ones are dropped at once");
    world.run(11 * SECOND);
    let aborted = world.trace.iter().filter(|(_, output)| matches!(output, Output::Close(_, How::Abort)));
    assert_eq!(aborted.count(), 2000);
}

#[test]
fn what_unfinished_streams_hold_together_is_bounded() {
    let mut world = World::new(configs(1));
    let (now, from) = (world.now, addr(9));
    // A user message that claims 20 MiB, of which one byte never comes.
    let message =
        [&[8, 0x81, 0xaa], &b"UserMsgLen"[..], &[0xce, 1, 0x40, 0, 0], &vec![0; (20 << 20) - 1]].concat();
    for i in 0..40 {
        world.node(0).handle(now, Input::Stream(StreamId(2 * i + 1), StreamInput::Accepted { from }));
        world.node(0).handle(now, Input::Stream(StreamId(2 * i + 1), StreamInput::Received(&message)));
    }
    world.collect();
    let aborted = world.trace.iter().filter(|(_, output)| matches!(output, Output::Close(_, How::Abort)));
    assert_eq!(aborted.count(), 40 - (256 << 20) / message.len());
}
