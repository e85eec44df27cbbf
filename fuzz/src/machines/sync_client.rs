//! A client of the sync protocol: a server of any bytes, a user who takes events when it pleases, and a clock.

use std::{collections::BTreeSet, time::Duration};

use networkdb_core::{
    machine::{Endpoint, Fault, How, Input, Instant, Machine, Output, StreamId, StreamInput},
    syncproto::{
        DecoderRestart, Kvs, Message, SerializedUpdate, ServerHello, SyncStatus, UpdateType,
        client::{Client, Config, Event, Generation, Limits, Tracking},
        encode,
    },
    wire::{gob::Time, snappy},
};

use super::START;
use crate::{memory::within, script::Script};

/// Bytes one run may hold.
const MEMORY: usize = 64 << 20;
/// Bytes that a stream may have handed over and not yet sent: the window and one piece.
const WINDOW: usize = (256 + 64) << 10;
/// Outputs of one input.
const MAX_OUTPUTS: usize = 20_000;
/// Wake-ups at one moment.
const MAX_WAKES_AT_ONCE: usize = 4;
/// Wake-ups of the 90 s without any input: dials that are refused, with pauses that double.
const MAX_WAKES: usize = 60;
/// Limits a schedule can reach.
const LIMITS: Limits = Limits {
    keys: 20,
    key_bytes: 400,
    pending_bytes: 2_000,
    unread_bytes: 10_000,
    gob: networkdb_core::wire::gob::Limits { message: 20_000, ..networkdb_core::syncproto::FROM_SERVER },
};
/// What events may take beside the limit: those of one message, and the deletions of all keys.
const BEYOND: usize = 1 << 20;

/// Plays a schedule against a client.
pub fn run(data: &[u8]) {
    within(MEMORY, || {
        let mut script = Script::new(data);
        let client = Client::new(settings(&mut script), [1; 32], START).expect("the settings are good");
        Host::new(client).play(&mut script);
    });
}

fn settings(script: &mut Script<'_>) -> Config {
    let flags = script.byte();
    let on = |bit: u8| flags >> bit & 1 == 1;
    let at = Endpoint::from(std::net::SocketAddr::from(([10, 0, 0, 1], 5473)));
    let mut config = Config::new("node", vec![at, Endpoint::Name { host: "typha".into(), port: 1 }]);
    config.limits = LIMITS;
    config.generation = if on(0) { Generation::V3_2_5 } else { Generation::Today };
    config.accept_old_servers = on(1);
    config.decoder_restart = !on(2);
    config.tracking = if on(3) { Tracking::Keys } else { Tracking::Values };
    if on(4) {
        config.tracking = Tracking::None;
    }
    config.retry.reconnect = !on(5);
    config.retry.tries = on(6).then_some(3);
    config
}

/// The stream that is open, or being opened.
#[derive(Debug)]
struct Line {
    id: StreamId,
    opened: bool,
    finished: bool,
    reading: bool,
    unsent: usize,
}

struct Host {
    client: Client,
    now: Instant,
    line: Option<Line>,
    opened: u64,
    /// What the server writes is compressed.
    snappy: bool,
    /// The keys the user has.
    held: BTreeSet<Vec<u8>>,
    over: bool,
}

impl Host {
    fn new(client: Client) -> Self {
        let mut host = Self {
            client,
            now: START,
            line: None,
            opened: 0,
            snappy: false,
            held: BTreeSet::new(),
            over: false,
        };
        host.drain();
        host
    }

    fn play(&mut self, script: &mut Script<'_>) {
        while !script.is_over() {
            self.step(script);
            self.check();
        }
        self.calm_down();
    }

    /// One line of the schedule.
    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(14) {
            0 => {
                self.now = self.now + Duration::from_micros(1 << script.below(28));
                self.input(Input::Tick);
            }
            1 => self.wake(1 + script.below(8)),
            2 => self.open(),
            3 => self.receive(script.block()),
            4 | 5 => self.say(script),
            6 => self.greet(),
            7 => self.restart(script),
            8 => self.on_line(|line| Some(StreamInput::Sent(line.unsent.div_ceil(2)))),
            9 => self.take(script.below(64)),
            10 => self.fail(),
            11 => self.on_line(|line| (line.opened && !line.finished).then_some(StreamInput::Finished)),
            12 => {
                self.client.set_endpoints(vec![Endpoint::Name { host: "other".into(), port: 2 }]);
            }
            _ => {
                if script.byte() == 0xee {
                    self.client.stop(self.now);
                    self.drain();
                }
            }
        }
    }

    fn wake(&mut self, times: usize) {
        for _ in 0..times {
            let Some(deadline) = self.client.next_deadline() else { return };
            self.now = self.now.max(deadline);
            self.input(Input::Tick);
        }
    }

    fn input(&mut self, input: Input<'_>) {
        self.client.handle(self.now, input);
        self.drain();
        for _ in 0..MAX_WAKES_AT_ONCE {
            if self.client.next_deadline().is_none_or(|deadline| deadline > self.now) {
                return;
            }
            self.client.handle(self.now, Input::Tick);
            self.drain();
        }
        panic!("the deadline stays at {:?}, and it is {:?}", self.client.next_deadline(), self.now);
    }

    // ---- What goes in --------------------------------------------------------------------------------------

    fn on_line(&mut self, make: impl FnOnce(&Line) -> Option<StreamInput<'static>>) {
        let Some(line) = &mut self.line else { return };
        let Some(input) = make(line) else { return };
        match input {
            StreamInput::Sent(count) => line.unsent -= count,
            StreamInput::Opened { .. } => line.opened = true,
            StreamInput::Finished => line.finished = true,
            _ => {}
        }
        let id = line.id;
        self.input(Input::Stream(id, input));
    }

    fn open(&mut self) {
        self.snappy = false;
        self.on_line(|line| {
            (!line.opened).then_some(StreamInput::Opened { at: ([10, 0, 0, 1], 5473).into() })
        });
    }

    fn fail(&mut self) {
        let Some(line) = self.line.take() else { return };
        self.input(Input::Stream(line.id, StreamInput::Failed(Fault::Reset)));
    }

    fn receive(&mut self, bytes: &[u8]) {
        if let Some(line) = self.line.as_ref().filter(|line| line.opened && !line.finished) {
            self.input(Input::Stream(line.id, StreamInput::Received(bytes)));
        }
    }

    fn put(&mut self, plain: &[u8]) {
        let mut framed = Vec::new();
        if self.snappy {
            snappy::frame(plain, &mut framed);
        }
        let bytes = if self.snappy { framed } else { plain.to_vec() };
        self.receive(&bytes);
    }

    fn message(&mut self, message: &Message<'_>) {
        let mut plain = Vec::new();
        encode::message(&mut plain, message);
        self.put(&plain);
    }

    fn greet(&mut self) {
        self.open();
        self.receive(encode::definitions());
        let hello = ServerHello { supports_node_resource_updates: true, ..ServerHello::default() };
        self.message(&Message::ServerHello(hello));
    }

    fn restart(&mut self, script: &mut Script<'_>) {
        let algorithm = script.one_of(&[&b"snappy"[..], b"", b"zstd"]);
        self.message(&Message::DecoderRestart(DecoderRestart {
            message: b"",
            compression_algorithm: algorithm,
        }));
        if algorithm == b"zstd" {
            return;
        }
        self.snappy = algorithm == b"snappy";
        if self.snappy {
            self.receive(snappy::STREAM_IDENTIFIER);
        }
        self.put(encode::definitions());
    }

    /// A message as a server sends it.
    fn say(&mut self, script: &mut Script<'_>) {
        match script.below(8) {
            0 => self.message(&Message::SyncStatus(SyncStatus(script.byte()))),
            1 => self.message(&Message::Ping(Time::from_unix(script.byte().into(), 0))),
            2 => self.message(&Message::SyncStatus(SyncStatus::IN_SYNC)),
            3 => self.message(&Message::Nil),
            _ => self.kvs(script),
        }
    }

    fn kvs(&mut self, script: &mut Script<'_>) {
        let value = vec![b'v'; 1 + script.below(64)];
        let keys: Vec<[u8; 2]> = (0..script.below(20)).map(|_| [b'/', script.byte() % 32]).collect();
        let updates: Vec<SerializedUpdate<'_>> = keys
            .iter()
            .map(|key| SerializedUpdate {
                key,
                value: (script.below(4) > 0).then_some(&value[..]),
                update_type: UpdateType(script.byte() % 4),
                ..SerializedUpdate::default()
            })
            .collect();
        self.message(&Message::Kvs(Kvs::from(&updates[..])));
    }

    // ---- What comes out ------------------------------------------------------------------------------------

    fn drain(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.client.poll_output() {
            outputs += 1;
            assert!(outputs <= MAX_OUTPUTS, "{outputs} outputs of one input");
            self.output(&output);
        }
    }

    fn output(&mut self, output: &Output) {
        match output {
            Output::Open(id, _) => {
                self.opened += 1;
                assert_eq!(id.0, 2 * self.opened, "streams are opened in order");
                assert!(self.line.is_none(), "one at a time");
                let id = *id;
                self.line = Some(Line { id, opened: false, finished: false, reading: true, unsent: 0 });
            }
            Output::Write(id, bytes) => {
                let line = self.line(*id);
                line.unsent += bytes.len();
                assert!(line.opened && line.unsent <= WINDOW, "{} bytes handed over", line.unsent);
            }
            Output::Reading(id, on) => {
                let line = self.line(*id);
                assert_ne!(std::mem::replace(&mut line.reading, *on), *on, "said for nothing");
            }
            Output::Close(id, how) => {
                assert_eq!(*how, How::Abort);
                self.line(*id);
                self.line = None;
            }
            Output::Datagram { .. } => panic!("a client has no datagrams"),
        }
    }

    fn line(&mut self, id: StreamId) -> &mut Line {
        self.line.as_mut().filter(|line| line.id == id).expect("a stream that is over is spoken of no more")
    }

    /// Takes so many events. Each update says what it does to what the user has.
    fn take(&mut self, count: usize) {
        for _ in 0..count {
            let Some(event) = self.client.poll_event() else { return };
            assert!(!self.over, "nothing comes after the end");
            match event {
                Event::Updates(updates) => updates.iter().for_each(|update| self.apply(&update)),
                Event::Finished { .. } => self.over = true,
                _ => {}
            }
        }
    }

    fn apply(&mut self, update: &SerializedUpdate<'_>) {
        let was = self.held.contains(update.key);
        if update.value.is_some() {
            self.held.insert(update.key.to_vec());
        } else {
            self.held.remove(update.key);
        }
        let tracking = self.client.config().tracking;
        if tracking == Tracking::None {
            return;
        }
        assert!(tracking == Tracking::Keys || was || update.value.is_some(), "deleted what was not there");
        if update.value.is_some() {
            let wrong = if was { UpdateType::NEW } else { UpdateType::UPDATED };
            assert_ne!(update.update_type, wrong);
        }
    }

    fn check(&self) {
        let stats = self.client.stats();
        assert!(stats.known_keys <= LIMITS.keys && stats.known_bytes <= LIMITS.key_bytes, "{stats:?}");
        assert!(stats.pending_bytes <= LIMITS.pending_bytes + BEYOND, "{stats:?}");
        assert!(stats.unread_bytes <= LIMITS.unread_bytes, "{stats:?}");
    }

    /// With every dial refused and no more input, the client does not spin, and its user has what it says.
    fn calm_down(&mut self) {
        let (end, mut wakes) = (self.now + Duration::from_secs(90), 0);
        self.fail();
        self.take(usize::MAX);
        while let Some(deadline) = self.client.next_deadline().filter(|deadline| *deadline <= end) {
            wakes += 1;
            assert!(wakes <= MAX_WAKES, "{wakes} wake-ups in 90 s");
            self.now = self.now.max(deadline);
            self.input(Input::Tick);
            self.fail();
            self.take(usize::MAX);
        }
        if self.client.config().tracking != Tracking::None && !self.client.is_finished() {
            assert_eq!(self.held.len(), self.client.stats().known_keys);
        }
    }
}
