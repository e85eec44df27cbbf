//! A real node for vectors to act on, and what it did as the vectors show it.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bytes::Bytes;
use networkdb_core::{
    machine::{Input, Instant, Output, StreamId, StreamInput},
    memberlist::{Config, Delegate, Member, MemberEvent, Memberlist},
};
use serde_json::{Value, json};

use crate::support::same;

/// When nodes start, and when the input of a vector comes: late enough for a state that is a minute old.
pub const START: Instant = Instant::from_nanos(3_600_000_000_000);
pub const NOW: Instant = Instant::from_nanos(3_720_000_000_000);

const HOUR: Duration = Duration::from_secs(3600);

/// A delegate that notes what it is told.
#[derive(Default)]
pub struct Recorder {
    meta: Bytes,
    state: Bytes,
    pub events: Vec<Value>,
    pub messages: Vec<String>,
    pub merged: Vec<Value>,
    pub rejected: usize,
}

impl Delegate for Recorder {
    fn meta(&self) -> Bytes {
        self.meta.clone()
    }

    fn message(&mut self, _now: Instant, bytes: &[u8]) {
        self.messages.push(hex::encode(bytes));
    }

    fn local_state(&mut self, _now: Instant, _join: bool) -> Bytes {
        self.state.clone()
    }

    fn merge_state(&mut self, _now: Instant, bytes: &[u8], join: bool) {
        self.merged.push(json!({"join": join, "user_state_hex": hex::encode(bytes)}));
    }

    fn member(&mut self, _now: Instant, event: &MemberEvent) {
        let kind = match event {
            MemberEvent::Joined(_) => "join",
            MemberEvent::Updated(_) => "update",
            MemberEvent::Gone(_) => "leave",
        };
        let Member { name, addr, meta, .. } = event.member();
        let (name, addr) = (name.to_string(), addr.to_string());
        self.events.push(json!({"event": kind, "node": name, "addr": addr, "meta_hex": hex::encode(meta)}));
    }

    fn conflict(&mut self, existing: &Member, other: &Member) {
        let (name, existing, other) =
            (existing.name.to_string(), existing.addr.to_string(), other.addr.to_string());
        self.events.push(json!({"event": "conflict", "node": name, "existing": existing, "other": other}));
    }

    fn rejected(&mut self, _now: Instant, _from: SocketAddr, _reason: &str) {
        self.rejected += 1;
    }
}

/// A node and its delegate.
pub struct Node {
    pub list: Memberlist,
    pub seen: Recorder,
}

impl Node {
    /// A node with an empty queue and nothing told yet, whose tickers stand still.
    pub fn new(mut config: Config, meta: &[u8], state: &[u8]) -> Self {
        // News would leave at once: only what is answered is to be seen.
        (config.probe_interval, config.gossip_interval) = (HOUR, Duration::ZERO);
        config.push_pull_interval = HOUR;
        let mut seen = Recorder {
            meta: Bytes::copy_from_slice(meta),
            state: Bytes::copy_from_slice(state),
            ..Recorder::default()
        };
        let list = Memberlist::new(config, [7; 32], START, &mut seen).unwrap();
        let mut node = Self { list, seen };
        node.forget();
        node
    }

    /// Drops what has happened so far.
    pub fn forget(&mut self) {
        self.list.clear_broadcasts();
        self.seen.events.clear();
        while self.list.poll_output().is_some() {}
    }

    pub fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.list.handle(NOW, Input::Datagram { from, bytes }, &mut self.seen);
    }

    /// A whole stream of a dialler, closed for writing at its end; returns what comes back.
    pub fn stream(&mut self, from: SocketAddr, bytes: &[u8]) -> Vec<u8> {
        let id = StreamId(1);
        for input in [StreamInput::Accepted { from }, StreamInput::Received(bytes), StreamInput::Finished] {
            self.list.handle(NOW, Input::Stream(id, input), &mut self.seen);
        }
        let mut reply = Vec::new();
        while let Some(output) = self.list.poll_output() {
            if let Output::Write(stream, bytes) = output {
                assert_eq!(stream, id);
                reply.extend(bytes);
            }
        }
        reply
    }

    /// The members as the vectors show them, by name.
    fn members(&self) -> BTreeMap<String, Value> {
        self.list.members().map(|member| (member.name.to_string(), show(member))).collect()
    }

    pub fn same_members(&self, wanted: &Value) -> Result<(), String> {
        let wanted = wanted.as_object().unwrap();
        let wanted = wanted.iter().map(|(name, member)| (name.clone(), normal(member))).collect();
        same("members", &self.members(), &wanted)
    }

    pub fn same_member(&self, name: &str, wanted: &Value) -> Result<(), String> {
        let found = self.members().remove(name).unwrap_or_default();
        same("member", &found, &normal(wanted))
    }

    /// The queue in its order, compared as messages.
    pub fn same_broadcasts(&self, wanted: &Value) -> Result<(), String> {
        let found: Vec<String> = self.list.broadcasts().iter().map(hex::encode).collect();
        let wanted = wanted.as_array().unwrap().iter();
        let wanted: Vec<String> = wanted
            .map(|message| {
                format!(
                    "{:02x}{}",
                    message["type_id"].as_u64().unwrap(),
                    message["msgpack_hex"].as_str().unwrap()
                )
            })
            .collect();
        same("broadcasts", &found, &wanted)
    }

    pub fn same_events(&self, wanted: &Value) -> Result<(), String> {
        let wanted: Vec<Value> = wanted.as_array().unwrap().clone();
        same("events", &self.seen.events, &wanted)
    }
}

fn show(member: &Member) -> Value {
    let addr = match member.addr.ip() {
        std::net::IpAddr::V4(ip) => hex::encode(ip.octets()),
        std::net::IpAddr::V6(ip) => hex::encode(ip.octets()),
    };
    json!({
        "Addr_hex": addr,
        "Incarnation": member.incarnation,
        "Meta_hex": hex::encode(&member.meta),
        "Port": member.addr.port(),
        "State": member.state as u8,
        "Vsn": member.versions.unwrap_or_default().to_bytes(),
    })
}

/// No versions and versions of zero are shown alike.
fn normal(member: &Value) -> Value {
    let mut member = member.clone();
    if member["Vsn"].as_array().is_some_and(Vec::is_empty) {
        member["Vsn"] = json!([0, 0, 0, 0, 0, 0]);
    }
    member
}
