//! A scripted server, and the host around a client.

use std::{collections::BTreeMap, time::Duration};

use super::super::{Client, Config, Event, Reason};
use crate::{
    machine::{Endpoint, Fault, How, Input, Instant, Machine, Output, StreamId, StreamInput},
    syncproto::{
        Decoder, DecoderRestart, FROM_CLIENT, Kvs, Message, Revision, SerializedUpdate, ServerHello,
        SyncStatus, UpdateType, encode,
    },
    wire::snappy,
};

pub(super) const START: Instant = Instant::from_nanos(5_000_000_000);
pub(super) const AT: ([u8; 4], u16) = ([10, 0, 0, 1], 5473);

/// What a server writes, as bytes.
#[derive(Clone, Default)]
pub(super) struct Typha {
    pub(super) bytes: Vec<u8>,
    snappy: bool,
}

impl Typha {
    /// At the beginning of a connection.
    pub(super) fn new() -> Self {
        let mut typha = Self::default();
        typha.put(encode::definitions());
        typha
    }

    /// After today's hello.
    pub(super) fn greeted() -> Self {
        Self::new().say(&Message::ServerHello(hello()))
    }

    /// After hello and the switch to a compressed stream.
    pub(super) fn compressed() -> Self {
        Self::greeted().restart("snappy")
    }

    pub(super) fn say(mut self, message: &Message<'_>) -> Self {
        let mut plain = Vec::new();
        encode::message(&mut plain, message);
        self.put(&plain);
        self
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Sets these keys to these values; an empty value deletes.
    pub(super) fn kvs(self, pairs: &[(&str, &str)]) -> Self {
        let updates: Vec<SerializedUpdate<'_>> =
            pairs.iter().map(|(key, value)| update(key, value)).collect();
        self.say(&Message::Kvs(Kvs::from(&updates[..])))
    }

    pub(super) fn status(self, status: SyncStatus) -> Self {
        self.say(&Message::SyncStatus(status))
    }

    pub(super) fn in_sync(self) -> Self {
        self.status(SyncStatus::IN_SYNC)
    }

    pub(super) fn announce(self, algorithm: &str) -> Self {
        let compression_algorithm = algorithm.as_bytes();
        self.say(&Message::DecoderRestart(DecoderRestart { message: b"because", compression_algorithm }))
    }

    /// Announces another stream and begins it.
    pub(super) fn restart(self, algorithm: &str) -> Self {
        let mut typha = self.announce(algorithm);
        typha.snappy = algorithm == "snappy";
        if typha.snappy {
            typha.bytes.extend_from_slice(snappy::STREAM_IDENTIFIER);
        }
        typha.put(encode::definitions());
        typha
    }

    fn put(&mut self, plain: &[u8]) {
        if self.snappy {
            snappy::frame(plain, &mut self.bytes);
        } else {
            self.bytes.extend_from_slice(plain);
        }
    }
}

pub(super) fn hello() -> ServerHello<'static> {
    ServerHello {
        version: b"v3.33",
        syncer_type: b"felix",
        supports_node_resource_updates: true,
        server_conn_id: 77,
    }
}

pub(super) fn update<'a>(key: &'a str, value: &'a str) -> SerializedUpdate<'a> {
    let value = Some(value.as_bytes()).filter(|value| !value.is_empty());
    let update_type = if value.is_some() { UpdateType::NEW } else { UpdateType::DELETED };
    SerializedUpdate {
        key: key.as_bytes(),
        value,
        revision: Revision::Text(b"9"),
        update_type,
        ..SerializedUpdate::default()
    }
}

pub(super) fn config() -> Config {
    Config::new("node-1", vec![Endpoint::from(std::net::SocketAddr::from(AT))])
}

/// A client, its host and its user.
pub(super) struct Host {
    pub(super) client: Client,
    pub(super) now: Instant,
    /// The last stream dialled.
    pub(super) id: StreamId,
    pub(super) dialled: Vec<String>,
    /// The last stream is neither broken nor dropped.
    pub(super) open: bool,
    pub(super) reading: bool,
    /// Whether what is written leaves at once.
    pub(super) sends: bool,
    pub(super) unsent: usize,
    /// Whether events are taken as they come.
    pub(super) takes: bool,
    pub(super) events: Vec<Event>,
    /// What the client wrote on the last stream.
    pub(super) written: Vec<u8>,
    /// Every output, for comparison.
    pub(super) outputs: Vec<Output>,
}

impl Host {
    pub(super) fn new(config: Config) -> Self {
        let client = Client::new(config, [7; 32], START).unwrap();
        let mut host = Self {
            client,
            now: START,
            id: StreamId(0),
            dialled: Vec::new(),
            open: false,
            reading: true,
            sends: true,
            unsent: 0,
            takes: true,
            events: Vec::new(),
            written: Vec::new(),
            outputs: Vec::new(),
        };
        host.carry();
        host
    }

    /// Connected, with nothing said by the server.
    pub(super) fn up(config: Config) -> Self {
        let mut host = Self::new(config);
        host.opened();
        host
    }

    /// Connected to a server that said this.
    pub(super) fn with(config: Config, typha: &Typha) -> Self {
        let mut host = Self::up(config);
        host.receive(&typha.bytes);
        host
    }

    pub(super) fn opened(&mut self) {
        self.stream(StreamInput::Opened { at: AT.into() });
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.stream(StreamInput::Received(bytes));
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        self.open = false;
        self.stream(StreamInput::Failed(fault));
    }

    pub(super) fn stream(&mut self, input: StreamInput<'_>) {
        self.client.handle(self.now, Input::Stream(self.id, input));
        self.carry();
    }

    pub(super) fn sent(&mut self, count: usize) {
        self.unsent -= count;
        self.stream(StreamInput::Sent(count));
    }

    pub(super) fn tick(&mut self) {
        self.client.handle(self.now, Input::Tick);
        self.carry();
    }

    /// Lets time pass, waking when the client wants.
    pub(super) fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(deadline) = self.client.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.tick();
        }
        self.now = end;
        self.tick();
    }

    /// Waits for the next dial and lets it work.
    pub(super) fn reconnect(&mut self) {
        let before = self.dialled.len();
        while self.dialled.len() == before {
            let deadline = self.client.next_deadline().expect("it tries again");
            self.wait(deadline.since(self.now));
        }
        self.opened();
    }

    /// Takes all events there are and what comes of that.
    pub(super) fn take_all(&mut self) {
        loop {
            let before = self.events.len();
            self.events.extend(std::iter::from_fn(|| self.client.poll_event()));
            if self.events.len() == before {
                return;
            }
            if self.client.next_deadline().is_some_and(|deadline| deadline <= self.now) {
                self.client.handle(self.now, Input::Tick);
            }
            self.carry_out();
        }
    }

    fn carry(&mut self) {
        self.carry_out();
        if self.takes {
            self.take_all();
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.client.poll_output() {
            self.outputs.push(output.clone());
            match output {
                Output::Open(id, endpoint) => {
                    assert!(!self.open, "one stream at a time");
                    (self.id, self.open, self.reading, self.unsent) = (id, true, true, 0);
                    self.written.clear();
                    self.dialled.push(endpoint.to_string());
                }
                Output::Write(id, bytes) => {
                    assert!(self.open && id == self.id, "written to a stream that is over");
                    self.written.extend_from_slice(&bytes);
                    self.unsent += bytes.len();
                    if self.sends {
                        let input = StreamInput::Sent(std::mem::take(&mut self.unsent));
                        self.client.handle(self.now, Input::Stream(id, input));
                    }
                }
                Output::Reading(id, on) => {
                    assert!(self.open && id == self.id && self.reading != on, "said for nothing");
                    self.reading = on;
                }
                Output::Close(id, how) => {
                    assert!(self.open && id == self.id && how == How::Abort);
                    self.open = false;
                }
                Output::Datagram { .. } => panic!("a client has no datagrams"),
            }
        }
    }

    /// What the client said on the last stream, as text.
    pub(super) fn said(&self) -> Vec<String> {
        let (mut decoder, mut rest, mut said) = (Decoder::new(FROM_CLIENT), &self.written[..], Vec::new());
        while !rest.is_empty() {
            let mut input = rest;
            said.extend(decoder.next(&mut input).unwrap().map(|message| format!("{message:?}")));
            rest = &rest[rest.len() - input.len()..];
        }
        said
    }

    pub(super) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }

    /// Forgets the updates that were taken.
    pub(super) fn clear_updates(&mut self) {
        self.events.retain(|event| !matches!(event, Event::Updates(_)));
    }

    pub(super) fn clear(&mut self) {
        self.events.clear();
    }

    /// Why the last connection ended.
    pub(super) fn reason(&self) -> Option<&Reason> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Unreached { reason, .. } | Event::Disconnected { reason } | Event::Finished { reason } => {
                Some(reason)
            }
            _ => None,
        })
    }

    /// The events in short.
    pub(super) fn story(&self) -> Vec<String> {
        self.events.iter().map(story).collect()
    }

    /// What a user holds who applies all updates.
    pub(super) fn applied(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut held = BTreeMap::new();
        for event in &self.events {
            let Event::Updates(updates) = event else { continue };
            for update in updates.iter() {
                match update.value {
                    Some(value) => drop(held.insert(update.key.to_vec(), value.to_vec())),
                    None => drop(held.remove(update.key)),
                }
            }
        }
        held
    }
}

fn story(event: &Event) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match event {
        Event::Connected(hello) => format!("connected {}", text(&hello.version)),
        Event::Status(status) => status.to_string(),
        Event::Unreached { endpoint, reason } => format!("unreached {endpoint}: {reason}"),
        Event::Disconnected { reason } => format!("disconnected: {reason}"),
        Event::Finished { reason } => format!("finished: {reason}"),
        Event::Updates(updates) => {
            let update = |update: SerializedUpdate<'_>| {
                let value = update.value.map_or_else(|| "-".to_owned(), text);
                format!("{}={value}:{}", text(update.key), update.update_type.0)
            };
            updates.iter().map(update).collect::<Vec<_>>().join(" ")
        }
    }
}
