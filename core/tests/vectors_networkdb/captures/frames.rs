//! The packets and streams of a capture, and what they tell of local writes.

use networkdb_core::{
    memberlist::{
        message::MessageType,
        packet,
        stream::{Decoder, StreamMessage},
    },
    networkdb::{
        EntryKey,
        message::{BulkSync, DELETE, Gossip, Kind, PushPull, TableEvent, parts},
    },
};
use serde_json::Value;

use super::layers::security;
use crate::{bytes, recorded::base64, text};

/// A packet, or what a client said on a stream.
pub(super) struct Frame {
    /// Microseconds since the first packet.
    pub at: i64,
    /// `None` for a client, whose port says nothing.
    pub from: Option<u64>,
    pub to: u64,
    pub raw: Vec<u8>,
    /// What the server answered.
    pub reply: Option<Vec<u8>>,
    /// The table events in it, with the sender of a bulk sync or state around them.
    pub events: Vec<Event>,
    pub sender: Option<String>,
    pub asks: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub kind: i32,
    pub owner: String,
    pub key: EntryKey,
    pub value: Vec<u8>,
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Frame {
    fn note(&mut self, message: &[u8]) {
        let Gossip { kind, data } = Gossip::decode(message).unwrap();
        match Kind::from_wire(kind).unwrap() {
            Kind::Compound => parts(data).unwrap().for_each(|part| self.note(part)),
            Kind::TableEvent => {
                let event = TableEvent::decode(data).unwrap();
                let key = EntryKey::new(event.network, event.table, event.key);
                let (owner, value) = (utf8(event.node), event.value.to_vec());
                self.events.push(Event { kind: event.kind, owner, key, value });
            }
            Kind::BulkSync => {
                let sync = BulkSync::decode(data).unwrap();
                (self.sender, self.asks) = (Some(utf8(sync.node)), sync.unsolicited);
                self.note(sync.payload);
            }
            Kind::PushPull => {
                let state = PushPull::decode(data).unwrap();
                self.sender = Some(utf8(state.node));
            }
            Kind::NetworkEvent | Kind::NodeEvent => {}
        }
    }
}

/// All packets and streams.
pub(super) fn frames(file: &Value) -> Vec<Frame> {
    let security = security(file);
    let number = |value: &Value| value.as_i64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap());
    let frame = |at: &Value, from, to: &Value, raw| Frame {
        at: number(at),
        from,
        to: number(to) as u64,
        raw,
        reply: None,
        events: Vec::new(),
        sender: None,
        asks: false,
    };
    let mut found = Vec::new();
    for packet in file["udp"].as_array().unwrap() {
        let mut frame = frame(
            &packet["t_us"],
            packet["src_port"].as_u64(),
            &packet["dst_port"],
            bytes(packet, "raw_hex"),
        );
        let raw = frame.raw.clone();
        packet::open(&security, &raw, &mut |leaf| {
            if let Ok((MessageType::User, body)) = leaf {
                frame.note(body);
            }
        });
        found.push(frame);
    }
    for stream in file["tcp"].as_array().unwrap() {
        // Nobody listened.
        let Some(asked) = stream.get("client_to_server") else { continue };
        let mut frame = frame(&stream["t_us"], None, &stream["server_port"], bytes(asked, "raw_hex"));
        frame.reply = stream.get("server_to_client").map(|reply| bytes(reply, "raw_hex"));
        match Decoder::accepting().receive(&security, &frame.raw).unwrap().unwrap() {
            StreamMessage::User(message) => frame.note(&message),
            StreamMessage::PushPull(state) => frame.note(&state.user_state),
            _ => {}
        }
        found.push(frame);
    }
    found
}

/// By how much the clock of the lines is ahead: what a watcher got is printed right after its packet came.
pub(super) fn offset(file: &Value, frames: &[Frame]) -> i64 {
    let nodes = file["nodes"].as_object().unwrap().values();
    let mut found = Vec::new();
    for lines in nodes {
        let port = lines[0]["port"].as_u64().unwrap();
        for line in lines
            .as_array()
            .unwrap()
            .iter()
            .filter(|line| line["ev"] == "watch" && !text(line, "key").is_empty())
        {
            let value = base64(text(line, "value_b64"));
            let is = |event: &Event| {
                event.key.key.as_bytes() == text(line, "key").as_bytes() && event.value == value
            };
            let shows =
                |frame: &&Frame| frame.to == port && frame.events.iter().any(|e| e.kind != DELETE && is(e));
            let first = frames.iter().filter(shows).map(|frame| frame.at).min();
            if ["create", "update"].contains(&text(line, "op")) {
                found.extend(first.map(|first| line["t"].as_i64().unwrap() - first));
            }
        }
    }
    found.into_iter().min().expect("a watcher that got a row")
}
