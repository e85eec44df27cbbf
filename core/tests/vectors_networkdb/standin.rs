//! A node of ours in place of a recorded one: it gets the packets and streams that one received, at their times, is
//! told to do what that one was, and has to come to the same tables.
//!
//! What the capture does not tell:
//! - The clock of the lines a node printed is not that of the packets, and packets were noted with some delay: a line
//!   is placed by the [watch event](offset) printed soonest after its packet, and a call before the first packet that
//!   shows it was made.
//! - Values of local writes are not in the lines: they are taken from the node's own messages.
//! - What ours sends goes nowhere; pings are answered by nobody, so ours sends none, and learns of a node that was
//!   killed from the others. Queue lengths and counts of what was sent are not compared for the same reason.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use networkdb_core::{
    machine::{Endpoint, How, Input, Instant, Machine, Output, StreamId, StreamInput},
    memberlist::stream::{Decoder, StreamMessage},
    networkdb::{
        Config, EntryKey, NetworkDb, RowState, Snapshot, Standing,
        message::{BulkSync, CREATE, DELETE, Gossip, Kind, TableEvent, UPDATE, parts},
    },
};
use serde_json::Value;

use crate::{
    bytes,
    layers::security,
    recorded::base64,
    rules::{Keeper, Rule, Rules},
    text,
};

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compared {
    pub inputs: usize,
    pub calls: usize,
    pub states: usize,
    pub rows: usize,
}

/// A packet, or what a client said on a stream.
struct Frame {
    /// Microseconds since the first packet.
    at: i64,
    /// `None` for a client, whose port says nothing.
    from: Option<u64>,
    to: u64,
    raw: Vec<u8>,
    /// What the server answered.
    reply: Option<Vec<u8>>,
    /// The table events in it, with the sender of a bulk sync or state around them.
    events: Vec<Event>,
    sender: Option<String>,
    asks: bool,
}

#[derive(Clone, Debug)]
struct Event {
    kind: i32,
    owner: String,
    key: EntryKey,
    value: Vec<u8>,
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
                let state = networkdb_core::networkdb::message::PushPull::decode(data).unwrap();
                self.sender = Some(utf8(state.node));
            }
            Kind::NetworkEvent | Kind::NodeEvent => {}
        }
    }
}

fn frames(file: &Value) -> Vec<Frame> {
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
        networkdb_core::memberlist::packet::open(&security, &raw, &mut |leaf| {
            if let Ok((networkdb_core::memberlist::message::MessageType::User, body)) = leaf {
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
fn offset(file: &Value, frames: &[Frame]) -> i64 {
    let nodes = file["nodes"].as_object().unwrap().values();
    let mut found = Vec::new();
    for lines in nodes {
        let port = lines[0]["port"].as_u64().unwrap();
        for line in
            lines.as_array().unwrap().iter().filter(|line| line["ev"] == "watch" && text(line, "key") != "")
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
    found.into_iter().min().unwrap()
}

/// What happens to the node.
enum Happening<'a> {
    Frame(&'a Frame),
    /// It joined by this stream.
    Join(&'a Frame),
    Call(&'a Value),
    State(&'a Value),
}

struct StandIn<'a> {
    name: String,
    port: u64,
    db: NetworkDb,
    frames: &'a [Frame],
    /// Streams of ours that will get this reply.
    replies: BTreeMap<StreamId, Vec<u8>>,
    /// The reply to the join under way.
    awaited: Option<(SocketAddr, Vec<u8>)>,
    accepted: u64,
}

fn instant(at: i64) -> Instant {
    // The lines begin some seconds before the packets.
    Instant::ORIGIN + Duration::from_micros((at + 60_000_000) as u64)
}

fn addr(port: u64) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port as u16))
}

impl<'a> StandIn<'a> {
    fn new(file: &Value, ready: &Value, frames: &'a [Frame], start: i64) -> Self {
        let (name, port) = (text(ready, "node_id").to_owned(), ready["port"].as_u64().unwrap());
        let mut config = Config::new(name.as_str(), addr(port));
        config.memberlist.bind_port = port as u16;
        config.memberlist.keyring = security(file).keyring;
        config.memberlist.probe_interval = Duration::ZERO;
        config.memberlist.push_pull_interval = Duration::ZERO;
        (config.reconnect_interval, config.rejoin_interval) = (Duration::ZERO, Duration::ZERO);
        if Keeper::of_module(text(ready, "module")) == Keeper::First {
            config.meta = bytes::Bytes::new();
        }
        let db = NetworkDb::new(config, [3; 32], instant(start)).unwrap();
        Self { name, port, db, frames, replies: BTreeMap::new(), awaited: None, accepted: 1 }
    }

    /// All that happens until the last state it printed, in order.
    fn happenings(&self, lines: &'a [Value], offset: i64) -> Vec<(i64, Happening<'a>)> {
        let mut all = Vec::new();
        for frame in self.frames {
            if frame.to == self.port {
                all.push((frame.at, Happening::Frame(frame)));
            } else if frame.sender.as_ref() == Some(&self.name) && frame.reply.is_some() {
                all.push((frame.at, Happening::Join(frame)));
            }
        }
        let mut earliest = i64::MIN;
        for line in lines.iter().filter(|line| line["ev"] == "reply") {
            let at = line["t"].as_i64().unwrap() - offset;
            match text(line, "cmd") {
                "state" => all.push((at, Happening::State(line))),
                "create" | "update" | "delete" | "join-network" | "leave-network" => {
                    earliest = at.min(self.shown_at(line)).max(earliest);
                    all.push((earliest, Happening::Call(line)));
                }
                // Joins are placed by their streams; the others only look.
                "join" | "watch" | "peers" | "dump" | "walk" => {}
                cmd => panic!("unknown line {cmd}"),
            }
        }
        all.sort_by_key(|(at, _)| *at);
        let last = all.iter().rposition(|(_, what)| matches!(what, Happening::State(_)));
        all.truncate(last.map_or(0, |last| last + 1));
        all
    }

    /// Just before the first packet that shows that a call was made.
    fn shown_at(&self, line: &Value) -> i64 {
        let written =
            |frame: &&Frame| frame.from == Some(self.port) && self.written_in(line, frame).is_some();
        let synced = |frame: &&Frame| frame.asks && frame.sender.as_ref() == Some(&self.name);
        let first = |shows: &dyn Fn(&&Frame) -> bool| {
            self.frames.iter().filter(shows).map(|frame| frame.at - 1).min()
        };
        let shown = match text(line, "cmd") {
            "join-network" => first(&synced),
            "leave-network" => None,
            _ => first(&written),
        };
        shown.unwrap_or(i64::MAX)
    }

    fn written_in<'f>(&self, line: &Value, frame: &'f Frame) -> Option<&'f Event> {
        let kind = match text(line, "cmd") {
            "create" => CREATE,
            "update" => UPDATE,
            _ => DELETE,
        };
        frame
            .events
            .iter()
            .find(|event| event.kind == kind && event.owner == self.name && event.key == key(line))
    }

    fn call(&mut self, at: i64, line: &Value) {
        let (now, network, key) = (instant(at), text(line, "nid").as_bytes(), key(line));
        let value = || {
            let event = self.frames.iter().find_map(|frame| self.written_in(line, frame));
            event.unwrap_or_else(|| panic!("no packet has the value of {line}")).value.clone().into()
        };
        match text(line, "cmd") {
            "create" => self.db.create_entry(now, &key, value()).unwrap(),
            "update" => self.db.update_entry(now, &key, value()).unwrap(),
            "delete" => self.db.delete_entry(now, &key).unwrap(),
            "join-network" => drop(self.db.join_network(now, network).unwrap()),
            _ => self.db.leave_network(now, network).unwrap(),
        }
        self.settle(now);
    }

    fn feed(&mut self, now: Instant, id: StreamId, input: StreamInput<'_>) {
        self.db.handle(now, Input::Stream(id, input));
    }

    fn frame(&mut self, at: i64, frame: &Frame) {
        let now = instant(at);
        if let Some(from) = frame.from {
            self.db.handle(now, Input::Datagram { from: addr(from), bytes: &frame.raw });
        } else {
            self.accepted += 2;
            let id = StreamId(self.accepted);
            self.feed(now, id, StreamInput::Accepted { from: addr(50_000) });
            self.feed(now, id, StreamInput::Received(&frame.raw));
            self.feed(now, id, StreamInput::Finished);
        }
        self.settle(now);
    }

    fn join(&mut self, at: i64, frame: &Frame) {
        let to = addr(frame.to);
        self.awaited = frame.reply.clone().map(|reply| (to, reply));
        self.db.join(instant(at), vec![Endpoint::Addr(to)]);
        self.settle(instant(at));
    }

    /// Lets time pass.
    fn run(&mut self, until: i64) {
        while let Some(due) = self.db.next_deadline().filter(|due| *due <= instant(until)) {
            self.db.handle(due, Input::Tick);
            self.settle(due);
        }
    }

    /// Whoever is dialled takes everything; one has an answer.
    fn settle(&mut self, now: Instant) {
        while let Some(output) = self.db.poll_output() {
            match output {
                Output::Open(id, Endpoint::Addr(to)) => {
                    if let Some((_, reply)) = self.awaited.take_if(|(at, _)| *at == to) {
                        self.replies.insert(id, reply);
                    }
                    self.feed(now, id, StreamInput::Opened { at: to });
                }
                Output::Write(id, bytes) => {
                    self.feed(now, id, StreamInput::Sent(bytes.len()));
                    if let Some(reply) = self.replies.remove(&id) {
                        self.feed(now, id, StreamInput::Received(&reply));
                    }
                }
                Output::Close(id, How::Finish) => self.feed(now, id, StreamInput::Finished),
                _ => {}
            }
        }
        while self.db.poll_event().is_some() {}
    }
}

fn key(line: &Value) -> EntryKey {
    EntryKey::new(text(line, "nid"), text(line, "table"), text(line, "key"))
}

/// Replays all nodes that printed a state.
pub(crate) fn replay(name: &str, file: &Value) -> Compared {
    let frames = frames(file);
    let (offset, mut compared) = (offset(file, &frames), Compared::default());
    for lines in file["nodes"].as_object().unwrap().values().map(|lines| lines.as_array().unwrap()) {
        let start = lines[0]["t"].as_i64().unwrap() - offset;
        let peer = Keeper::of_module(text(&lines[0], "module"));
        let mut node = StandIn::new(file, &lines[0], &frames, start);
        for (at, what) in node.happenings(lines, offset) {
            node.run(at);
            match what {
                Happening::Frame(frame) => node.frame(at, frame),
                Happening::Join(frame) => node.join(at, frame),
                Happening::Call(line) => node.call(at, line),
                Happening::State(line) => {
                    let ours = shown(&node.db.snapshot(), peer);
                    let theirs = recorded(&line["state"]);
                    assert_eq!(ours, theirs, "{name} {}", node.name);
                    compared.states += 1;
                    compared.rows += theirs.rows.len();
                    continue;
                }
            }
            compared.inputs += usize::from(!matches!(what, Happening::Call(_)));
            compared.calls += usize::from(matches!(what, Happening::Call(_)));
        }
    }
    compared
}

/// What a node has come to.
#[derive(Debug, PartialEq)]
struct Tables {
    /// Owner, time, value, deleting.
    rows: BTreeMap<EntryKey, (String, u64, String, bool)>,
    nodes: BTreeMap<String, (Standing, u64)>,
    attachments: BTreeMap<(String, String), (u64, bool)>,
    members: BTreeMap<String, BTreeSet<String>>,
}

/// Ours, without what the peer does not keep.
fn shown(ours: &Snapshot, peer: Keeper) -> Tables {
    let keeps = Rules::of(peer).has(Rule::FailedHidden);
    let standing: BTreeMap<_, _> =
        ours.nodes.iter().map(|(name, node)| (name.clone(), node.standing)).collect();
    let rows = ours.rows.iter().filter(|row| keeps || row.state != RowState::Hidden);
    let attachments =
        ours.attachments.iter().filter(|at| keeps || standing.get(&at.node) != Some(&Standing::Failed));
    Tables {
        rows: rows
            .map(|row| {
                let key = EntryKey::new(row.network.clone(), row.table.clone(), row.key.clone());
                let deleted = row.state == RowState::Deleted;
                (key, (row.owner.to_string(), row.time, hex::encode(&row.value), deleted))
            })
            .collect(),
        nodes: ours.nodes.iter().map(|(name, node)| (name.to_string(), (node.standing, node.time))).collect(),
        attachments: attachments
            .map(|at| {
                ((at.node.to_string(), at.network.to_string()), (at.attachment.time, at.attachment.leaving))
            })
            .collect(),
        members: ours
            .peers
            .iter()
            .map(|(network, peers)| (network.to_string(), peers.iter().map(ToString::to_string).collect()))
            .collect(),
    }
}

fn recorded(state: &Value) -> Tables {
    let list = |field: &str| state[field].as_array().cloned().unwrap_or_default();
    let name = |item: &Value, field| text(item, field).to_owned();
    let time = |item: &Value| item["ltime"].as_u64().unwrap();
    let mut nodes = BTreeMap::new();
    for (field, standing) in [
        ("active_nodes", Standing::Active),
        ("failed_nodes", Standing::Failed),
        ("left_nodes", Standing::Left),
    ] {
        nodes.extend(list(field).iter().map(|node| (name(node, "name"), (standing, time(node)))));
    }
    let row = |row: &Value| {
        let value = hex::encode(base64(text(row, "value_b64")));
        (key(row), (name(row, "owner"), time(row), value, row["deleting"] == true))
    };
    let attachment = |at: &Value| ((name(at, "node"), name(at, "nid")), (time(at), at["leaving"] == true));
    let members = |(network, names): (&String, &Value)| {
        let names = names.as_array().into_iter().flatten();
        (network.clone(), names.map(|name| name.as_str().unwrap().to_owned()).collect())
    };
    Tables {
        rows: list("entries").iter().map(row).collect(),
        nodes,
        attachments: list("attachments").iter().map(attachment).collect(),
        members: state["network_nodes"].as_object().unwrap().iter().map(members).collect(),
    }
}
