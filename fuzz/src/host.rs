//! The other side of a machine: carries out what it asks as far as the schedule says, and checks the rules of the
//! boundary at every step.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use networkdb_core::{
    machine::{Fault, How, Input, Instant, Machine, Output, StreamId, StreamInput},
    memberlist::{
        Memberlist, Security,
        message::{Ack, MessageType, Ping},
        packet, stream,
    },
};

use crate::script::Script;

/// Bytes that a stream may have handed over and not yet sent: the window and one piece.
const WINDOW: usize = (256 + 64) << 10;
/// The longest payload of UDP.
const MAX_DATAGRAM: usize = 65_507;
/// Outputs of one input.
const MAX_OUTPUTS: usize = 4096;
/// Bytes that one input may make a machine put out.
const MAX_OUTPUT_BYTES: usize = 64 << 20;
/// Wake-ups of one virtual second without any input.
const MAX_WAKES: usize = 5_000;
/// Wake-ups at one moment: each layer may ask for one more.
const MAX_WAKES_AT_ONCE: usize = 4;
/// Pings remembered, to be answered.
const MAX_PINGS: usize = 16;

/// Who speaks to the machine: the addresses of the recorded clusters among them.
const PEERS: [([u8; 4], u16); 5] = [
    ([127, 0, 0, 1], 7946),
    ([127, 0, 0, 1], 7947),
    ([127, 0, 0, 1], 7948),
    ([10, 0, 0, 9], 7946),
    ([10, 0, 0, 9], 0),
];

/// A machine under a schedule.
pub trait Subject: Machine {
    /// Does what the schedule commands.
    fn command(&mut self, now: Instant, script: &mut Script<'_>);

    /// Looks whether all that is held is under its limits.
    fn check(&mut self);

    /// The membership inside.
    fn list(&self) -> &Memberlist;
}

/// What the host knows of one stream.
#[derive(Debug, Default)]
struct Line {
    unsent: usize,
    opened: bool,
    finished: bool,
    peer_finished: bool,
}

/// What has gone in and out.
#[derive(Debug, Default)]
struct Seen {
    packets_in: u64,
    packets_out: u64,
    bytes_out: u64,
    opened: u64,
    accepted: u64,
}

/// A machine and the world around it.
pub struct Host<S> {
    subject: S,
    now: Instant,
    lines: BTreeMap<StreamId, Line>,
    seen: Seen,
    pings: Vec<u32>,
}

impl<S: Subject> Host<S> {
    /// With a machine that was made at `now`.
    pub fn new(subject: S, now: Instant) -> Self {
        Self { subject, now, lines: BTreeMap::new(), seen: Seen::default(), pings: Vec::new() }
    }

    /// Plays the schedule to its end, and then waits until all has calmed down.
    pub fn play(&mut self, script: &mut Script<'_>) {
        while !script.is_over() {
            self.step(script);
            self.subject.check();
        }
        self.calm_down();
    }

    /// One line of the schedule.
    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(16) {
            0 => self.wait(Duration::from_micros(1 << script.below(28))),
            1 => self.wake(1),
            2 => self.wake(script.below(64)),
            3 => self.datagram(script, <[u8]>::to_vec),
            4 => self.sealed_datagram(script, &[]),
            5 => self.sealed_datagram(script, &[MessageType::User as u8]),
            6 => self.answer_ping(),
            7 => self.whole_stream(script),
            8 => drop(self.accept(script)),
            9 => self.received(script),
            10 => self.on_line(script, |_| true, |_| StreamInput::Finished),
            11 => self.on_line(script, |_| true, |_| StreamInput::Failed(Fault::Reset)),
            12 => self.on_line(script, |line| !line.opened, |_| StreamInput::Opened { at: PEERS[1].into() }),
            13 => self.on_line(
                script,
                |line| line.unsent > 0,
                |line| StreamInput::Sent(line.unsent.div_ceil(2)),
            ),
            14 => self.deliver_all(),
            _ => self.command(script),
        }
    }

    fn command(&mut self, script: &mut Script<'_>) {
        self.subject.command(self.now, script);
        self.drain();
        self.settle();
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.input(Input::Tick);
    }

    /// Sleeps until the next deadline, so many times.
    fn wake(&mut self, times: usize) {
        for _ in 0..times {
            let Some(deadline) = self.subject.next_deadline() else { return };
            self.now = self.now.max(deadline);
            self.input(Input::Tick);
        }
    }

    fn input(&mut self, input: Input<'_>) {
        self.seen.packets_in += u64::from(matches!(input, Input::Datagram { .. }));
        self.subject.handle(self.now, input);
        self.drain();
        self.settle();
    }

    /// A deadline that is past is met by a wake-up or a few, never by an endless row of them.
    fn settle(&mut self) {
        for _ in 0..MAX_WAKES_AT_ONCE {
            if self.subject.next_deadline().is_none_or(|deadline| deadline > self.now) {
                return;
            }
            self.subject.handle(self.now, Input::Tick);
            self.drain();
        }
        panic!("the deadline stays at {:?}, and it is {:?}", self.subject.next_deadline(), self.now);
    }

    // ---- What goes in --------------------------------------------------------------------------------------

    fn security(&self) -> Security {
        let list = self.subject.list();
        Security { keyring: list.keyring().clone(), ..Security::from(list.config()) }
    }

    fn datagram(&mut self, script: &mut Script<'_>, make: impl FnOnce(&[u8]) -> Vec<u8>) {
        let from = SocketAddr::from(script.one_of(&PEERS));
        let bytes = make(script.block());
        self.input(Input::Datagram { from, bytes: &bytes });
    }

    /// A datagram as a member sends it: behind the layers that this node asks for.
    fn sealed_datagram(&mut self, script: &mut Script<'_>, before: &[u8]) {
        let security = self.security();
        self.datagram(script, |bytes| seal(&security, &[before, bytes].concat()));
    }

    /// Answers the last ping that went out.
    fn answer_ping(&mut self) {
        let Some(seq) = self.pings.pop() else { return };
        let mut bytes = Vec::new();
        Ack { seq, payload: None }.encode(&mut bytes);
        let bytes = seal(&self.security(), &bytes);
        self.input(Input::Datagram { from: PEERS[1].into(), bytes: &bytes });
    }

    fn accept(&mut self, script: &mut Script<'_>) -> StreamId {
        let id = StreamId(2 * self.seen.accepted + 1);
        self.seen.accepted += 1;
        self.lines.insert(id, Line { opened: true, ..Line::default() });
        self.input(Input::Stream(id, StreamInput::Accepted { from: script.one_of(&PEERS).into() }));
        id
    }

    /// A stream as a peer makes it: all of it at once, with or without this node's layers around it.
    fn whole_stream(&mut self, script: &mut Script<'_>) {
        let id = self.accept(script);
        let bytes = self.stream_bytes(script, true);
        self.stream(id, StreamInput::Received(&bytes));
        self.stream(id, StreamInput::Finished);
    }

    fn stream_bytes(&self, script: &mut Script<'_>, dialling: bool) -> Vec<u8> {
        let (sealed, block) = (script.below(2) == 1, script.block());
        if !sealed {
            return block.to_vec();
        }
        stream::seal_stream(
            &self.security(),
            block,
            dialling,
            &mut networkdb_core::machine::Rng::new([8; 32]),
        )
        .to_vec()
    }

    fn received(&mut self, script: &mut Script<'_>) {
        let Some(id) = self.pick(script, |line| line.opened && !line.peer_finished) else { return };
        let bytes = self.stream_bytes(script, id.0 % 2 == 1);
        self.stream(id, StreamInput::Received(&bytes));
    }

    /// Does `make` with one of the streams that `fit`.
    fn on_line(
        &mut self,
        script: &mut Script<'_>,
        fit: fn(&Line) -> bool,
        make: fn(&Line) -> StreamInput<'static>,
    ) {
        let Some(id) = self.pick(script, fit) else { return };
        let input = make(&self.lines[&id]);
        self.stream(id, input);
    }

    fn pick(&self, script: &mut Script<'_>, fit: impl Fn(&Line) -> bool) -> Option<StreamId> {
        let fitting: Vec<StreamId> =
            self.lines.iter().filter(|(_, line)| fit(line)).map(|(id, _)| *id).collect();
        fitting.get(script.below(fitting.len())).copied()
    }

    /// Every dial works, and all that was written leaves.
    fn deliver_all(&mut self) {
        let ids: Vec<StreamId> = self.lines.keys().copied().collect();
        for id in ids {
            if self.lines.get(&id).is_some_and(|line| !line.opened) {
                self.stream(id, StreamInput::Opened { at: PEERS[1].into() });
            }
            while let Some(unsent) = self.lines.get(&id).map(|line| line.unsent).filter(|unsent| *unsent > 0)
            {
                self.stream(id, StreamInput::Sent(unsent));
            }
        }
    }

    fn stream(&mut self, id: StreamId, input: StreamInput<'_>) {
        if let Some(line) = self.lines.get_mut(&id) {
            match &input {
                StreamInput::Opened { .. } => line.opened = true,
                StreamInput::Sent(count) => line.unsent -= count,
                StreamInput::Finished => line.peer_finished = true,
                StreamInput::Failed(_) => drop(self.lines.remove(&id)),
                StreamInput::Accepted { .. } | StreamInput::Received(_) => {}
            }
        }
        self.forget_if_over(id);
        self.input(Input::Stream(id, input));
    }

    fn forget_if_over(&mut self, id: StreamId) {
        if self.lines.get(&id).is_some_and(|line| line.finished && line.peer_finished && line.unsent == 0) {
            self.lines.remove(&id);
        }
    }

    // ---- What comes out ------------------------------------------------------------------------------------

    fn drain(&mut self) {
        let (mut outputs, mut bytes) = (0, 0);
        while let Some(output) = self.subject.poll_output() {
            outputs += 1;
            bytes += self.output(&output);
            assert!(outputs <= MAX_OUTPUTS, "{outputs} outputs of one input");
            assert!(bytes <= MAX_OUTPUT_BYTES, "{bytes} bytes of outputs of one input");
        }
    }

    /// Takes one output; returns its bytes.
    fn output(&mut self, output: &Output) -> usize {
        match output {
            Output::Datagram { bytes, .. } => {
                assert!(bytes.len() <= MAX_DATAGRAM, "a datagram of {} bytes", bytes.len());
                self.seen.packets_out += 1;
                self.seen.bytes_out += bytes.len() as u64;
                self.note_pings(bytes);
                bytes.len()
            }
            Output::Open(id, _) => {
                self.seen.opened += 1;
                assert_eq!(id.0, 2 * self.seen.opened, "streams are opened in order");
                self.lines.insert(*id, Line::default());
                0
            }
            Output::Write(id, bytes) => {
                let line = self.line(*id);
                assert!(!line.finished, "written after the end");
                line.unsent += bytes.len();
                assert!(line.unsent <= WINDOW, "{} bytes handed over", line.unsent);
                bytes.len()
            }
            Output::Reading(id, _) => {
                self.line(*id);
                0
            }
            Output::Close(id, how) => {
                let line = self.line(*id);
                assert!(!std::mem::replace(&mut line.finished, true) || *how == How::Abort, "finished twice");
                if *how == How::Abort {
                    self.lines.remove(id);
                }
                self.forget_if_over(*id);
                0
            }
        }
    }

    fn line(&mut self, id: StreamId) -> &mut Line {
        self.lines.get_mut(&id).expect("a stream that is over is spoken of no more")
    }

    fn note_pings(&mut self, packet: &[u8]) {
        if self.pings.len() >= MAX_PINGS {
            self.pings.remove(0);
        }
        let security = Security { verify_incoming: false, ..self.security() };
        let pings = &mut self.pings;
        packet::open(&security, packet, &mut |leaf| {
            if let Ok((MessageType::Ping, body)) = leaf {
                pings.extend(Ping::decode(body).map(|ping| ping.seq));
            }
        });
    }

    // ---- The end -------------------------------------------------------------------------------------------

    /// With no more input, and every stream broken, the machine lets go of all that was under way, and does not
    /// spin.
    fn calm_down(&mut self) {
        let (mut second, mut wakes) = (self.now, 0);
        let end = self.now + Duration::from_secs(90);
        while let Some(deadline) = self.subject.next_deadline().filter(|deadline| *deadline <= end) {
            if deadline.since(second) >= Duration::from_secs(1) {
                (second, wakes) = (deadline, 0);
            }
            wakes += 1;
            assert!(wakes <= MAX_WAKES, "{wakes} wake-ups in a second");
            self.wake(1);
            while let Some(id) = self.lines.keys().next().copied() {
                self.stream(id, StreamInput::Failed(Fault::Refused));
            }
        }
        self.subject.check();
        self.compare_counters();
    }

    fn compare_counters(&self) {
        let (list, seen) = (self.subject.list(), &self.seen);
        let counters = list.counters();
        assert_eq!(counters.packets_in, seen.packets_in);
        assert_eq!((counters.packets_out, counters.bytes_out), (seen.packets_out, seen.bytes_out));
        assert_eq!(counters.streams_out, seen.opened);
        assert!(counters.streams_in <= seen.accepted);
        let gauges = list.gauges();
        assert_eq!((gauges.streams, gauges.relays), (0, 0), "{gauges:?}");
        assert_eq!((gauges.stream_bytes_in, gauges.stream_bytes_out), (0, 0), "{gauges:?}");
    }
}

fn seal(security: &Security, message: &[u8]) -> Vec<u8> {
    packet::seal(security, message, false, &mut networkdb_core::machine::Rng::new([8; 32])).to_vec()
}
