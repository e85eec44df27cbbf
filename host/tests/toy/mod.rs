//! A machine that does what it is told: sends patterns, counts what comes.

#![allow(dead_code, reason = "each test uses what it needs of it")]

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use networkdb_core::machine::{
    Endpoint, Fault, How, Input, Instant, Lane, Machine, Outbox, Output, StreamId, StreamInput,
};
use networkdb_host::{Host, Ports, Shared, Sockets};

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Datagram(SocketAddr, Vec<u8>),
    Opened(StreamId, SocketAddr),
    Paused(StreamId),
    /// With the bytes received in all.
    Finished(StreamId, usize),
    Failed(StreamId, Fault),
    Due(Instant),
}

#[derive(Debug)]
struct Talk {
    lane: Lane,
    handed: usize,
    sent: usize,
    received: usize,
}

#[derive(Debug)]
pub(crate) struct Toy {
    out: Outbox,
    events: VecDeque<Event>,
    talks: BTreeMap<StreamId, Talk>,
    pub(crate) deadline: Option<Instant>,
    /// Bytes written, and then the end, to each stream accepted.
    pub(crate) greet: usize,
    /// Stop reading after so many bytes.
    pub(crate) pause_after: Option<usize>,
    /// Whether all bytes were those of the pattern.
    pub(crate) intact: bool,
}

/// The bytes at `from..from + count` of every stream.
pub(crate) fn pattern(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|i| u8::try_from(i % 251).unwrap_or(0)).collect()
}

impl Toy {
    fn new() -> Self {
        Self {
            out: Outbox::default(),
            events: VecDeque::new(),
            talks: BTreeMap::new(),
            deadline: None,
            greet: 0,
            pause_after: None,
            intact: true,
        }
    }

    pub(crate) fn send(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.out.datagram(to, bytes.into());
    }

    pub(crate) fn open(&mut self, endpoint: Endpoint) -> StreamId {
        let lane = self.out.open(endpoint);
        let id = lane.id();
        self.talks.insert(id, Talk { lane, handed: 0, sent: 0, received: 0 });
        id
    }

    pub(crate) fn write(&mut self, id: StreamId, count: usize) {
        if let Some(talk) = self.talks.get_mut(&id) {
            talk.lane.write(&mut self.out, pattern(talk.handed, count).into());
            talk.handed += count;
        }
    }

    pub(crate) fn finish(&mut self, id: StreamId) {
        if let Some(talk) = self.talks.get_mut(&id) {
            talk.lane.finish(&mut self.out);
        }
    }

    pub(crate) fn close(&mut self, id: StreamId, how: How) {
        if let Some(mut talk) = self.talks.remove(&id) {
            match how {
                How::Abort => talk.lane.abort(&mut self.out),
                How::Finish => talk.lane.finish(&mut self.out),
            }
        }
    }

    pub(crate) fn resume(&mut self, id: StreamId) {
        self.pause_after = None;
        self.out.reading(id, true);
    }

    pub(crate) fn all_sent(&self) -> bool {
        self.talks.values().all(|talk| talk.lane.is_drained() && talk.sent == talk.handed)
    }

    /// Bytes handed over and not yet reported sent.
    pub(crate) fn in_flight(&self, id: StreamId) -> usize {
        let window = 256 << 10;
        self.talks.get(&id).map_or(0, |talk| window - talk.lane.room().min(window))
    }

    fn stream(&mut self, id: StreamId, input: &StreamInput<'_>) {
        match *input {
            StreamInput::Accepted { .. } => {
                self.talks.insert(id, Talk { lane: Lane::new(id), handed: 0, sent: 0, received: 0 });
                let greet = self.greet;
                self.write(id, greet);
                self.finish(id);
            }
            StreamInput::Opened { at } => self.events.push_back(Event::Opened(id, at)),
            StreamInput::Received(bytes) => self.received(id, bytes),
            StreamInput::Sent(count) => {
                if let Some(talk) = self.talks.get_mut(&id) {
                    talk.sent += count;
                    talk.lane.sent(&mut self.out, count);
                }
            }
            StreamInput::Finished => {
                let received = self.talks.get(&id).map_or(0, |talk| talk.received);
                self.events.push_back(Event::Finished(id, received));
            }
            StreamInput::Failed(fault) => self.events.push_back(Event::Failed(id, fault)),
        }
    }

    fn received(&mut self, id: StreamId, bytes: &[u8]) {
        let Some(talk) = self.talks.get_mut(&id) else { return };
        self.intact &= bytes == pattern(talk.received, bytes.len());
        talk.received += bytes.len();
        if self.pause_after.is_some_and(|limit| talk.received >= limit) {
            self.pause_after = Some(usize::MAX);
            self.out.reading(id, false);
            self.events.push_back(Event::Paused(id));
        }
    }
}

impl Machine for Toy {
    type Event = Event;

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        if self.deadline.is_some_and(|at| at <= now) {
            self.deadline = None;
            self.events.push_back(Event::Due(now));
        }
        match input {
            Input::Tick => {}
            Input::Datagram { from, bytes } => self.events.push_back(Event::Datagram(from, bytes.to_vec())),
            Input::Stream(id, input) => self.stream(id, &input),
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.poll()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// A toy at work.
pub(crate) struct Node {
    pub(crate) addr: SocketAddr,
    host: Host<Toy>,
}

impl Node {
    pub(crate) fn shared(&self) -> &std::sync::Arc<Shared<Toy>> {
        self.host.shared()
    }

    pub(crate) fn with<R>(&self, command: impl FnOnce(&mut Toy, Instant) -> R) -> R {
        self.shared().with(command)
    }

    pub(crate) async fn event(&self) -> Event {
        within(self.shared().event()).await.expect("the driver runs")
    }

    /// Waits for `wanted`; returns the events before it.
    pub(crate) async fn until(&self, wanted: &Event) -> Vec<Event> {
        let mut before = Vec::new();
        loop {
            match self.event().await {
                event if event == *wanted => return before,
                event => before.push(event),
            }
        }
    }

    pub(crate) async fn stop(self) {
        within(self.host.stop()).await;
    }
}

pub(crate) fn start() -> Node {
    start_at(Ipv4Addr::LOCALHOST.into())
}

pub(crate) fn start_at(ip: IpAddr) -> Node {
    let sockets = Sockets::bind(SocketAddr::new(ip, 0)).expect("a free port");
    let addr = sockets.local_addr();
    start_on(addr, sockets)
}

/// A toy on other ports than a node's; `addr` is where others reach it.
pub(crate) fn start_on(addr: SocketAddr, ports: impl Into<Ports>) -> Node {
    let host = Host::start::<io::Error>(ports, |_| Ok(Toy::new())).expect("inside a runtime");
    Node { addr, host }
}

/// A toy that only dials.
pub(crate) fn start_dialler(ports: Ports) -> Node {
    start_on(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), ports)
}

/// The bytes received on `id` once its writer has finished.
pub(crate) async fn finished(node: &Node, id: StreamId) -> usize {
    loop {
        match node.event().await {
            Event::Finished(ended, count) if ended == id => return count,
            Event::Failed(ended, fault) if ended == id => panic!("stream {id:?}: {fault}"),
            _ => {}
        }
    }
}

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("in time")
}
