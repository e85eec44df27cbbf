//! A network in virtual time between nodes that are driven by steps.

use std::{collections::BTreeMap, net::SocketAddr};

use networkdb_embed::{
    Endpoint, Event, EventKind, Fault, How, Input, Instant, Kind, Node, Output, StreamId, StreamInput,
};
use serde_json::Value;

const STEP: u64 = 1_000_000;

pub struct Wire {
    pub now: Instant,
    nodes: BTreeMap<SocketAddr, Seat>,
    streams: BTreeMap<(SocketAddr, StreamId), (SocketAddr, StreamId)>,
    /// What arrives next: to whom, and what.
    due: Vec<(SocketAddr, Message)>,
}

struct Seat {
    node: Node,
    accepted: u64,
    deadline: Option<Instant>,
    events: Vec<Event>,
}

enum Message {
    Datagram(SocketAddr, Vec<u8>),
    Accepted(StreamId, SocketAddr),
    Opened(StreamId, SocketAddr),
    Received(StreamId, Vec<u8>),
    Sent(StreamId, usize),
    Finished(StreamId),
    Failed(StreamId),
}

impl Message {
    fn input(&self) -> Input<'_> {
        match self {
            Self::Datagram(from, bytes) => Input::Datagram { from: *from, bytes },
            Self::Accepted(id, from) => Input::Stream(*id, StreamInput::Accepted { from: *from }),
            Self::Opened(id, at) => Input::Stream(*id, StreamInput::Opened { at: *at }),
            Self::Received(id, bytes) => Input::Stream(*id, StreamInput::Received(bytes)),
            Self::Sent(id, count) => Input::Stream(*id, StreamInput::Sent(*count)),
            Self::Finished(id) => Input::Stream(*id, StreamInput::Finished),
            Self::Failed(id) => Input::Stream(*id, StreamInput::Failed(Fault::Refused)),
        }
    }
}

impl Wire {
    pub fn new() -> Self {
        Self {
            now: Instant::from_nanos(1),
            nodes: BTreeMap::new(),
            streams: BTreeMap::new(),
            due: Vec::new(),
        }
    }

    pub fn add(&mut self, addr: SocketAddr, kind: Kind, config: &str) {
        let seed = [u8::try_from(self.nodes.len()).unwrap() + 1; 32];
        let node = Node::create(kind, config, seed, self.now).unwrap();
        let seat = Seat { node, accepted: 0, deadline: Some(self.now), events: Vec::new() };
        self.nodes.insert(addr, seat);
    }

    pub fn node(&self, addr: SocketAddr) -> &Node {
        &self.nodes[&addr].node
    }

    pub fn command(&self, addr: SocketAddr, request: &str) -> Value {
        let answer = self.node(addr).command(self.now, request).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    pub fn events(&self, addr: SocketAddr) -> &[Event] {
        &self.nodes[&addr].events
    }

    /// Runs until the node has told of such an event, for a minute at most.
    pub fn until(&mut self, addr: SocketAddr, what: impl Fn(&Event) -> bool) -> Event {
        let end = self.now.as_nanos() + 60_000_000_000;
        while self.now.as_nanos() < end {
            if let Some(found) = self.events(addr).iter().find(|event| what(event)) {
                return found.clone();
            }
            self.turn();
        }
        panic!("no such event; there were {:?}", self.events(addr));
    }

    pub fn until_kind(&mut self, addr: SocketAddr, kind: EventKind) -> Event {
        self.until(addr, |event| event.kind == kind)
    }

    fn turn(&mut self) {
        self.now = Instant::from_nanos(self.now.as_nanos() + STEP);
        let due = std::mem::take(&mut self.due);
        let addrs: Vec<_> = self.nodes.keys().copied().collect();
        for addr in addrs {
            let mine: Vec<_> = due.iter().filter(|(to, _)| *to == addr).map(|(_, message)| message).collect();
            let mut outputs = Vec::new();
            let seat = self.nodes.get_mut(&addr).unwrap();
            let inputs = mine.iter().map(|message| message.input());
            seat.deadline = seat.node.step(self.now, inputs, &mut outputs).unwrap();
            seat.events.extend(std::iter::from_fn(|| seat.node.next_event().unwrap()));
            for output in outputs {
                self.carry(addr, output);
            }
        }
    }

    fn carry(&mut self, from: SocketAddr, output: Output) {
        match output {
            Output::Datagram { to, bytes } => self.due.push((to, Message::Datagram(from, bytes.to_vec()))),
            Output::Open(id, Endpoint::Addr(to)) => self.open(from, id, to),
            Output::Open(id, Endpoint::Name { .. }) => self.due.push((from, Message::Failed(id))),
            Output::Write(id, bytes) => {
                self.due.push((from, Message::Sent(id, bytes.len())));
                if let Some((to, theirs)) = self.streams.get(&(from, id)) {
                    self.due.push((*to, Message::Received(*theirs, bytes.to_vec())));
                }
            }
            Output::Reading(..) => {}
            Output::Close(id, how) => {
                if let Some((to, theirs)) = self.streams.get(&(from, id)) {
                    let word = match how {
                        How::Finish => Message::Finished(*theirs),
                        How::Abort => Message::Failed(*theirs),
                    };
                    self.due.push((*to, word));
                }
            }
        }
    }

    fn open(&mut self, from: SocketAddr, id: StreamId, to: SocketAddr) {
        let Some(seat) = self.nodes.get_mut(&to) else {
            return self.due.push((from, Message::Failed(id)));
        };
        let theirs = StreamId(2 * seat.accepted + 1);
        seat.accepted += 1;
        self.streams.insert((from, id), (to, theirs));
        self.streams.insert((to, theirs), (from, id));
        self.due.push((to, Message::Accepted(theirs, from)));
        self.due.push((from, Message::Opened(id, to)));
    }
}
