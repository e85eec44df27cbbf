//! Machines, the network between them and the time, all from one seed.

mod streams;

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BinaryHeap},
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;
use networkdb_core::machine::{Input, Instant, Machine, Output, Rng, StreamId, StreamInput};

use crate::{
    clock::Clock,
    network::{Network, ProcessId, Segment, Side, Stream},
    process::Process,
    trace::Trace,
};

/// The least time to a wake: no machine can hold the world at one instant.
const GRAIN: Duration = Duration::from_micros(1);

/// What is to happen.
#[derive(Debug)]
pub(crate) enum Due {
    Wake(ProcessId, u32),
    Datagram { to: SocketAddr, from: SocketAddr, bytes: Bytes },
    Stream(u64, StreamDue),
}

/// What is to happen to a stream. `Side` is who acts: who sends, or whose bytes they are.
#[derive(Debug)]
pub(crate) enum StreamDue {
    Dial(SocketAddr, u32),
    Accepted,
    Opened(SocketAddr),
    Send(Side),
    Sent(Side, usize),
    Arrive(Side, Segment),
    Read(Side),
    Failed(Side, networkdb_core::machine::Fault),
}

struct Item {
    at: Instant,
    sequence: u64,
    due: Due,
}

impl Item {
    fn key(&self) -> (Instant, u64) {
        (self.at, self.sequence)
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// What one step did.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// When.
    pub at: Instant,
    /// The process whose machine ran, if one did.
    pub ran: Option<ProcessId>,
}

/// A datagram as it left a process.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The sender.
    pub from: ProcessId,
    /// Where it was to go.
    pub to: SocketAddr,
    /// Its payload.
    pub bytes: Bytes,
}

/// Figures of a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams sent.
    pub datagrams: u64,
    /// Their bytes.
    pub datagram_bytes: u64,
    /// Streams dialled.
    pub streams: u64,
    /// Bytes written to streams.
    pub stream_bytes: u64,
}

/// A cluster in one process. One seed decides everything left to chance.
pub struct World<M> {
    now: Instant,
    sequence: u64,
    heap: BinaryHeap<Reverse<Item>>,
    processes: Vec<Process<M>>,
    by_addr: BTreeMap<SocketAddr, ProcessId>,
    names: BTreeMap<Box<str>, SocketAddr>,
    streams: BTreeMap<u64, Stream>,
    last_stream: u64,
    rng: Rng,
    outputs: Vec<Output>,
    traffic: Traffic,
    /// The links.
    pub network: Network,
    /// What was done so far.
    pub trace: Trace,
    /// The datagrams of the last step, if [`World::tap`] was called.
    pub sent: Vec<Sent>,
    tapped: bool,
}

impl<M: Machine> World<M> {
    /// An empty world.
    pub fn new(seed: u64) -> Self {
        Self {
            now: Instant::from_nanos(1_000_000_000),
            sequence: 0,
            heap: BinaryHeap::new(),
            processes: Vec::new(),
            by_addr: BTreeMap::new(),
            names: BTreeMap::new(),
            streams: BTreeMap::new(),
            last_stream: 0,
            rng: rng_from(seed),
            outputs: Vec::new(),
            traffic: Traffic::default(),
            network: Network::default(),
            trace: Trace::default(),
            sent: Vec::new(),
            tapped: false,
        }
    }

    /// The true time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A seed for a machine.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill(&mut seed);
        seed
    }

    /// Keeps the datagrams of each step in [`World::sent`].
    pub fn tap(&mut self) {
        self.tapped = true;
    }

    /// What went over the network so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Lets a host name resolve.
    pub fn name(&mut self, name: &str, addr: SocketAddr) {
        self.names.insert(name.into(), addr);
    }

    /// A place for a process that is not started yet. Its clock shows some time of its own.
    pub fn add(&mut self, addr: SocketAddr) -> ProcessId {
        let shown = self.rng.duration(Duration::from_secs(1_000)).as_nanos() as u64;
        self.processes.push(Process::new(addr, Clock::new(self.now, shown)));
        self.processes.len() - 1
    }

    /// Starts a process, at an address that may be another than before. `make` gets what its clock shows.
    ///
    /// # Errors
    /// What `make` says.
    pub fn start<E>(
        &mut self,
        id: ProcessId,
        addr: SocketAddr,
        make: impl FnOnce(Instant) -> Result<M, E>,
    ) -> Result<(), E> {
        let now = self.now;
        self.crash(id, false);
        let Some(process) = self.processes.get_mut(id) else { return Ok(()) };
        if self.by_addr.get(&process.addr) == Some(&id) {
            self.by_addr.remove(&process.addr);
        }
        process.stop();
        process.life += 1;
        process.accepted = 0;
        process.vanished = false;
        process.addr = addr;
        process.machine = Some(make(process.clock.shows(now))?);
        self.by_addr.insert(addr, id);
        self.carry(id);
        Ok(())
    }

    /// Ends a process. `vanish`: its host is gone too, so that nothing is reset and nothing refused.
    pub fn crash(&mut self, id: ProcessId, vanish: bool) {
        let Some(process) = self.processes.get_mut(id) else { return };
        let streams: Vec<(u64, Side)> = process.streams.values().copied().collect();
        process.stop();
        process.vanished = vanish;
        for (stream, side) in streams {
            self.drop_end(stream, side, !vanish);
        }
    }

    /// Stops a process for a while; its kernel goes on.
    pub fn pause(&mut self, id: ProcessId) {
        if let Some(process) = self.processes.get_mut(id) {
            process.paused = process.is_up();
        }
    }

    /// Lets a paused process go on with what has come meanwhile.
    pub fn resume(&mut self, id: ProcessId) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(id).filter(|process| process.paused) else { return };
        process.paused = false;
        // One that was due meanwhile has passed.
        process.wake = None;
        process.inbox_datagrams = 0;
        let inbox = std::mem::take(&mut process.inbox);
        for due in inbox {
            self.schedule(now, due);
        }
        self.schedule_wake(id);
    }

    /// Changes the clock of a process.
    pub fn clock(&mut self, id: ProcessId, change: impl FnOnce(&mut Clock, Instant)) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(id) else { return };
        change(&mut process.clock, now);
        process.wake = None;
        self.schedule_wake(id);
    }

    /// Bounds how many bytes of streams a process reads in a second; 0 for no bound.
    pub fn read_rate(&mut self, id: ProcessId, rate: u64) {
        if let Some(process) = self.processes.get_mut(id) {
            process.read_rate = rate;
        }
    }

    /// A process.
    pub fn process(&self, id: ProcessId) -> Option<&Process<M>> {
        self.processes.get(id)
    }

    /// The machine of a process that is up.
    pub fn machine(&self, id: ProcessId) -> Option<&M> {
        self.processes.get(id)?.machine.as_ref()
    }

    /// Takes news out of a machine: nothing it has to send comes of that.
    pub fn machine_mut(&mut self, id: ProcessId) -> Option<&mut M> {
        self.processes.get_mut(id)?.machine.as_mut()
    }

    /// Processes, up or not.
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// A call to a machine, with what its clock shows. `None` if it is down or paused.
    pub fn command<R>(&mut self, id: ProcessId, call: impl FnOnce(&mut M, Instant) -> R) -> Option<R> {
        self.sent.clear();
        let now = self.now;
        let process = self.processes.get_mut(id).filter(|process| !process.paused)?;
        let shown = process.clock.shows(now);
        let result = call(process.machine.as_mut()?, shown);
        self.carry(id);
        Some(result)
    }

    /// When the next step is.
    pub fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(item)| item.at)
    }

    /// Moves the time on to `at`, if no step is due before.
    pub fn wait_until(&mut self, at: Instant) {
        let next = self.next_at().unwrap_or(at);
        self.now = self.now.max(at.min(next));
    }

    /// Does the next thing that is due. `None`: nothing is.
    pub fn step(&mut self) -> Option<Step> {
        let Reverse(Item { at, due, .. }) = self.heap.pop()?;
        self.now = at;
        self.sent.clear();
        let ran = match due {
            Due::Wake(id, life) => self.wake(id, life),
            Due::Datagram { to, from, bytes } => self.arrive(to, from, bytes),
            Due::Stream(id, due) => self.stream_due(id, due),
        };
        Some(Step { at, ran })
    }

    fn schedule(&mut self, at: Instant, due: Due) {
        self.sequence += 1;
        self.heap.push(Reverse(Item { at, sequence: self.sequence, due }));
    }

    fn wake(&mut self, id: ProcessId, life: u32) -> Option<ProcessId> {
        let now = self.now;
        let process = self.processes.get_mut(id)?;
        if process.life != life || process.paused || process.wake != Some(now) {
            return None;
        }
        process.wake = None;
        self.give(id, Input::Tick).then_some(id)
    }

    fn arrive(&mut self, to: SocketAddr, from: SocketAddr, bytes: Bytes) -> Option<ProcessId> {
        let id = *self.by_addr.get(&to)?;
        let process = self.processes.get_mut(id)?;
        if process.paused {
            process.keep(Due::Datagram { to, from, bytes });
            return None;
        }
        self.give(id, Input::Datagram { from, bytes: &bytes }).then_some(id)
    }

    /// Gives a machine one input and carries out what it wants.
    fn give(&mut self, id: ProcessId, input: Input<'_>) -> bool {
        let now = self.now;
        let Some(process) = self.processes.get_mut(id) else { return false };
        let Some(machine) = process.machine.as_mut() else { return false };
        note_input(&mut self.trace, now, id, &input);
        machine.handle(process.clock.shows(now), input);
        self.carry(id);
        true
    }

    /// Carries out what a machine wants, and notes when it wants to be woken.
    fn carry(&mut self, id: ProcessId) {
        let mut outputs = std::mem::take(&mut self.outputs);
        if let Some(machine) = self.machine_mut(id) {
            machine.drain(&mut outputs);
        }
        for output in outputs.drain(..) {
            self.carry_out(id, output);
        }
        self.outputs = outputs;
        self.schedule_wake(id);
    }

    fn schedule_wake(&mut self, id: ProcessId) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(id).filter(|process| !process.paused) else { return };
        let Some(deadline) = process.machine.as_ref().and_then(Machine::next_deadline) else { return };
        let passed = deadline <= process.clock.shows(now);
        process.spins = if passed { process.spins + 1 } else { 0 };
        let at = process.clock.when(deadline).max(now + GRAIN);
        if process.wake.is_some_and(|wake| wake <= at) {
            return;
        }
        process.wake = Some(at);
        let life = process.life;
        self.schedule(at, Due::Wake(id, life));
    }

    fn carry_out(&mut self, id: ProcessId, output: Output) {
        note_output(&mut self.trace, self.now, id, &output);
        match output {
            Output::Datagram { to, bytes } => self.send(id, to, bytes),
            Output::Open(stream, endpoint) => self.dial(id, stream, &endpoint),
            Output::Write(stream, bytes) => self.write(id, stream, bytes),
            Output::Reading(stream, on) => self.set_reading(id, stream, on),
            Output::Close(stream, how) => self.close(id, stream, how),
        }
    }

    fn send(&mut self, id: ProcessId, to: SocketAddr, bytes: Bytes) {
        self.traffic.datagrams += 1;
        self.traffic.datagram_bytes += bytes.len() as u64;
        if self.tapped {
            self.sent.push(Sent { from: id, to, bytes: bytes.clone() });
        }
        let Some(from) = self.processes.get(id).map(|process| process.addr) else { return };
        let Some(&target) = self.by_addr.get(&to) else { return };
        let arrivals = if target == id {
            [Some(self.now), None]
        } else {
            self.network.datagram(self.now, (id, target), bytes.len(), &mut self.rng)
        };
        for at in arrivals.into_iter().flatten() {
            self.schedule(at, Due::Datagram { to, from, bytes: bytes.clone() });
        }
    }
}

/// A generator for a 64-bit seed.
pub(crate) fn rng_from(seed: u64) -> Rng {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(seed.to_le_bytes()).for_each(|(to, from)| *to = from);
    Rng::new(bytes)
}

fn note_input(trace: &mut Trace, now: Instant, id: ProcessId, input: &Input<'_>) {
    trace.number(now.as_nanos());
    trace.number(id as u64);
    match input {
        Input::Datagram { from, bytes } => {
            trace.bytes(bytes);
            trace.line(now, || format!("{id} < {from} {} B", bytes.len()));
        }
        Input::Stream(StreamId(stream), StreamInput::Received(bytes)) => {
            trace.bytes(bytes);
            trace.line(now, || format!("{id} < stream {stream} {} B", bytes.len()));
        }
        Input::Stream(StreamId(stream), input) => {
            trace.number(*stream);
            trace.line(now, || format!("{id} < stream {stream} {input:?}"));
        }
        Input::Tick => {}
    }
}

fn note_output(trace: &mut Trace, now: Instant, id: ProcessId, output: &Output) {
    trace.number(now.as_nanos() ^ id as u64);
    match output {
        Output::Datagram { to, bytes } => {
            trace.bytes(bytes);
            trace.line(now, || format!("{id} > {to} {} B", bytes.len()));
        }
        Output::Write(StreamId(stream), bytes) => {
            trace.bytes(bytes);
            trace.line(now, || format!("{id} > stream {stream} {} B", bytes.len()));
        }
        Output::Open(StreamId(stream), endpoint) => {
            trace.number(*stream);
            trace.line(now, || format!("{id} > stream {stream} dials {endpoint}"));
        }
        Output::Close(StreamId(stream), how) => {
            trace.number(*stream);
            trace.line(now, || format!("{id} > stream {stream} {how:?}"));
        }
        Output::Reading(StreamId(stream), on) => trace.number(*stream ^ u64::from(*on)),
    }
}
