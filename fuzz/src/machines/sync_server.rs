//! The server of the sync protocol, its cache and its clients.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use networkdb_core::{
    machine::{Fault, Input, Instant, Machine, Output, StreamId, StreamInput},
    syncproto::{
        ClientHello, Decoder, FROM_SERVER, Message, Pong, SerializedUpdate, SyncStatus, UpdateType,
        cache::{Cache, Published},
        encode,
        server::{Config, Server},
    },
    wire::snappy::Unframer,
};

use super::{MEMORY, START};
use crate::{memory::within, script::Script};

/// Bytes that a stream may have handed over and not yet sent: the window and one piece.
const WINDOW: usize = (256 + 64) << 10;
/// Wake-ups at one moment.
const MAX_WAKES_AT_ONCE: usize = 2;
/// Wake-ups of one virtual second without any input.
const MAX_WAKES: usize = 100;
const MAX_ACCEPTED: usize = 6;
const KEYS: [&str; 6] = ["", "/a", "/b", "/c/d", "/c/e", "/f"];

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Plays a schedule against a server with small limits.
pub fn run(data: &[u8]) {
    within(MEMORY, || {
        let mut script = Script::new(data);
        let mut world = World::new(&mut script);
        while !script.is_over() {
            world.step(&mut script);
        }
        world.calm_down();
    });
}

/// What the other end of a connection makes of what it is sent.
struct Reader {
    decoder: Decoder,
    unframer: Option<Unframer>,
    unread: VecDeque<Bytes>,
    unread_bytes: usize,
    says_definitions: bool,
    /// It has said only what a client says.
    clean: bool,
    model: Model,
    status: u8,
    pings: usize,
    restarts: usize,
}

struct World {
    server: Server,
    cache: Cache,
    announced: Published,
    now: Instant,
    readers: BTreeMap<StreamId, Reader>,
    accepted: u64,
}

impl World {
    fn new(script: &mut Script<'_>) -> Self {
        let flags = script.byte();
        let on = |bit: u8| flags >> bit & 1 == 1;
        let config = Config {
            max_accepted: MAX_ACCEPTED,
            max_connections: if on(0) { 3 } else { usize::MAX },
            max_behind_bytes: if on(1) { 64 << 10 } else { 256 << 20 },
            max_message_size: if on(2) { 2 } else { 100 },
            max_binary_message_size: if on(3) { 3 } else { 1_000 },
            require_modern_policy_keys: on(4),
            conflate: if on(5) { vec!["felix".into()] } else { Vec::new() },
            max_fall_behind: Duration::from_secs(if on(6) { 1 } else { 300 }),
            new_client_grace_period: Duration::from_secs(if on(7) { 1 } else { 300 }),
            ..Config::default()
        };
        let cache = Cache::new(3);
        let announced = cache.published();
        let mut server = Server::new(config, [1; 32]);
        server.follow(START, "felix", announced.clone());
        Self { server, cache, announced, now: START, readers: BTreeMap::new(), accepted: 0 }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(16) {
            0 => self.wait(Duration::from_micros(1 << script.below(30))),
            1 => self.wake(),
            2 => drop(self.accept()),
            3 => self.join(script),
            4 | 5 => self.say(script),
            6 => self.on_one(script, |_| StreamInput::Finished),
            7 => self.on_one(script, |_| StreamInput::Failed(Fault::Reset)),
            8 => self.read_some(script),
            9 => self.read_all(),
            10..=12 => self.update(script),
            13 => drop(self.cache.publish(self.now)),
            14 => self.publish(),
            _ => self.command(script),
        }
        let stats = self.server.stats();
        assert!(stats.connections_active <= MAX_ACCEPTED && stats.connections_active == self.readers.len());
    }

    fn command(&mut self, script: &mut Script<'_>) {
        match script.below(8) {
            0 => self.server.drain(self.now, Duration::from_secs(script.below(9) as u64)),
            1 => self.server.set_max_connections(self.now, script.below(5)),
            2 => {
                let id = StreamId(script.byte().into());
                self.server.disconnect(self.now, id);
            }
            3 => while self.server.poll_event().is_some() {},
            _ => self.cache.status(SyncStatus(script.byte() % 4)),
        }
        self.settle();
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.server.handle(self.now, Input::Tick);
        self.settle();
    }

    fn wake(&mut self) {
        let Some(deadline) = self.server.next_deadline() else { return };
        self.now = self.now.max(deadline);
        self.wait(Duration::ZERO);
    }

    fn settle(&mut self) {
        self.drain();
        for _ in 0..MAX_WAKES_AT_ONCE {
            if self.server.next_deadline().is_none_or(|deadline| deadline > self.now) {
                return;
            }
            self.server.handle(self.now, Input::Tick);
            self.drain();
        }
        panic!("the deadline stays at {:?}, and it is {:?}", self.server.next_deadline(), self.now);
    }

    // ---- What is published -----------------------------------------------------------------------------------

    fn update(&mut self, script: &mut Script<'_>) {
        let (key, of, value) = (script.one_of(&KEYS), script.below(4) as u8, script.block());
        let value = value.repeat(1 + script.below(4) * 40);
        let update = SerializedUpdate {
            key: key.as_bytes(),
            value: (of != UpdateType::DELETED.0).then_some(&value[..]),
            update_type: UpdateType(of),
            ..SerializedUpdate::default()
        };
        self.cache.update(&update).expect("not too long");
    }

    fn publish(&mut self) {
        self.cache.publish(self.now);
        self.announced = self.cache.published();
        self.server.follow(self.now, "felix", self.announced.clone());
        self.settle();
    }

    // ---- What clients say ------------------------------------------------------------------------------------

    fn accept(&mut self) -> StreamId {
        let id = StreamId(2 * self.accepted + 1);
        self.accepted += 1;
        let reader = Reader {
            decoder: Decoder::new(FROM_SERVER),
            unframer: None,
            unread: VecDeque::new(),
            unread_bytes: 0,
            says_definitions: true,
            clean: true,
            model: Model::new(),
            status: 0,
            pings: 0,
            restarts: 0,
        };
        self.readers.insert(id, reader);
        self.input(id, StreamInput::Accepted { from: ([10, 0, 0, 1], 1).into() });
        id
    }

    fn join(&mut self, script: &mut Script<'_>) {
        let (flags, id) = (script.byte(), self.accept());
        let restarts = flags & 1 == 1;
        let hello = ClientHello {
            syncer_type: if flags & 2 == 0 { b"" } else { b"felix" },
            supports_decoder_restart: restarts,
            compression_algorithms: if flags & 4 == 0 { vec![b"snappy"] } else { Vec::new() },
            supports_modern_policy_keys: flags & 8 == 0,
            ..ClientHello::default()
        };
        self.message(id, &Message::ClientHello(hello));
    }

    fn say(&mut self, script: &mut Script<'_>) {
        let Some(id) = self.pick(script) else { return };
        let what = script.below(5);
        if let Some(reader) = self.readers.get_mut(&id) {
            reader.clean &= what == 1;
        }
        match what {
            0 => self.message(id, &Message::Ack),
            1 => self.message(id, &Message::Pong(Pong::default())),
            2 => self.message(id, &Message::Nil),
            3 => self.input(id, StreamInput::Received(encode::definitions())),
            _ => self.input(id, StreamInput::Received(script.block())),
        }
    }

    fn message(&mut self, id: StreamId, message: &Message<'_>) {
        let Some(reader) = self.readers.get_mut(&id) else { return };
        let first = std::mem::take(&mut reader.says_definitions);
        let mut bytes = if first { encode::definitions().to_vec() } else { Vec::new() };
        encode::message(&mut bytes, message);
        self.input(id, StreamInput::Received(&bytes));
    }

    fn on_one(&mut self, script: &mut Script<'_>, make: fn(&Reader) -> StreamInput<'static>) {
        let Some(id) = self.pick(script) else { return };
        let input = make(&self.readers[&id]);
        self.input(id, input);
    }

    fn pick(&self, script: &mut Script<'_>) -> Option<StreamId> {
        let at = script.below(self.readers.len());
        self.readers.keys().nth(at).copied()
    }

    fn input(&mut self, id: StreamId, input: StreamInput<'_>) {
        self.server.handle(self.now, Input::Stream(id, input));
        self.settle();
    }

    // ---- What clients are sent -------------------------------------------------------------------------------

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Write(id, bytes) => {
                    let reader =
                        self.readers.get_mut(&id).expect("a stream that is over is spoken of no more");
                    reader.unread_bytes += bytes.len();
                    assert!(reader.unread_bytes <= WINDOW, "{} bytes handed over", reader.unread_bytes);
                    reader.unread.push_back(bytes);
                }
                Output::Close(id, _) => {
                    self.readers.remove(&id).expect("a stream ends once");
                }
                other => panic!("a server does not want {other:?}"),
            }
        }
    }

    fn read_some(&mut self, script: &mut Script<'_>) {
        let Some(id) = self.pick(script) else { return };
        for _ in 0..script.byte() {
            if !self.read(id) {
                return;
            }
        }
    }

    fn read_all(&mut self) {
        let ids: Vec<StreamId> = self.readers.keys().copied().collect();
        while ids.iter().filter(|id| self.read(**id)).count() > 0 {}
    }

    /// A client reads a piece, and answers; whether there was one.
    fn read(&mut self, id: StreamId) -> bool {
        let Some(reader) = self.readers.get_mut(&id) else { return false };
        let Some(piece) = reader.unread.pop_front() else { return false };
        reader.unread_bytes -= piece.len();
        reader.take(&piece);
        let (pings, restarts) = (std::mem::take(&mut reader.pings), std::mem::take(&mut reader.restarts));
        self.input(id, StreamInput::Sent(piece.len()));
        (0..restarts).for_each(|_| self.message(id, &Message::Ack));
        (0..pings).for_each(|_| self.message(id, &Message::Pong(Pong::default())));
        true
    }

    // ---- The end ---------------------------------------------------------------------------------------------

    /// Who has joined and reads all there is holds what was announced; then all is let go of.
    fn calm_down(&mut self) {
        self.publish();
        self.read_all();
        for client in self.server.clients() {
            let reader = &self.readers[&client.stream];
            if !reader.clean {
                continue;
            }
            assert_eq!(reader.model.len(), self.announced.snapshot.len());
            assert!(reader.model.keys().all(|key| self.announced.snapshot.get(key).is_some()));
            assert_eq!(reader.status, self.announced.crumb.status().0);
        }
        let (mut second, mut wakes) = (self.now, 0);
        while let Some(deadline) = self.server.next_deadline() {
            if deadline.since(second) >= Duration::from_secs(1) {
                (second, wakes) = (deadline, 0);
            }
            wakes += 1;
            assert!(wakes <= MAX_WAKES, "{wakes} wake-ups in a second");
            self.wake();
        }
        assert!(self.readers.is_empty(), "nobody answers, so nobody is left");
        let stats = self.server.stats();
        assert!(stats.syncers.values().all(|syncer| syncer.connections_streaming == 0));
    }
}

impl Reader {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Some(unframer) = &mut self.unframer else {
                self.next(&mut bytes);
                continue;
            };
            let mut plain = Vec::new();
            unframer.next(&mut bytes, &mut plain).expect("chunks");
            let mut plain = &plain[..];
            while !plain.is_empty() {
                self.next(&mut plain);
            }
        }
    }

    /// Reads one message.
    fn next(&mut self, bytes: &mut &[u8]) {
        let mut rest = *bytes;
        let message = self.decoder.next(&mut rest).expect("messages");
        let left = rest.len();
        let mut restart = false;
        match message {
            Some(Message::Kvs(kvs)) => {
                for update in kvs.iter() {
                    self.model.remove(update.key);
                    // What has an empty value and is not deleted cannot be told from what is.
                    if update.value.is_some() || update.update_type != UpdateType::DELETED {
                        self.model.insert(update.key.to_vec(), update.value.unwrap_or_default().to_vec());
                    }
                }
            }
            Some(Message::SyncStatus(status)) => self.status = status.0,
            Some(Message::Ping(_)) => self.pings += 1,
            Some(Message::DecoderRestart(_)) => restart = true,
            Some(Message::ServerHello(_)) | None => {}
            Some(other) => panic!("a server does not say {other:?}"),
        }
        *bytes = &bytes[bytes.len() - left..];
        if restart {
            assert!(bytes.is_empty() || self.unframer.is_none());
            (self.decoder, self.unframer) = (Decoder::new(FROM_SERVER), Some(Unframer::default()));
            self.restarts += 1;
        }
    }
}
