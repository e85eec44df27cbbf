//! A node of ours in place of a recorded one: it gets the packets and streams that one received, at their times, is
//! told to do what that one was, and has to come to the same tables.
//!
//! What the capture does not tell:
//! - The clock of the lines a node printed is not that of the packets, and packets were noted with some delay: a line
//!   is placed by the [watch event](offset) printed soonest after its packet, and a call before the first packet that
//!   shows it was made.
//! - Values of local writes are not in the lines: they are taken from the node's own messages.
//! - What ours sends goes nowhere, but for its pings, which are answered for a node as long as that is heard of later
//!   in the capture. Queue lengths and counts of what was sent are not compared for the same reason.
//! - A node that was killed printed no state: nothing is replayed for it.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use networkdb_core::{
    machine::{Endpoint, How, Input, Instant, Machine, Output, Rng, StreamId, StreamInput},
    memberlist::{
        Security,
        message::{Ack, MessageType, Ping},
        packet,
    },
    networkdb::{
        ChangeKind, Config, Filter, NetworkDb, WatchId,
        message::{CREATE, DELETE, UPDATE},
    },
};
use serde_json::{Value, json};

use super::{
    frames::{Event, Frame, frames, offset},
    layers::security,
    tables::{check_reap, key, recorded, shown},
};
use crate::{
    recorded::base64,
    rules::{Keeper, Rule, Rules},
    text,
};

/// How much was replayed and compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compared {
    pub inputs: usize,
    pub calls: usize,
    pub states: usize,
    pub rows: usize,
    pub changes: usize,
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
    security: Security,
    frames: &'a [Frame],
    /// Streams of ours that will get this reply.
    replies: BTreeMap<StreamId, Vec<u8>>,
    /// The reply to the join under way.
    awaited: Option<(SocketAddr, Vec<u8>)>,
    accepted: u64,
    watch: Option<WatchId>,
    changes: Vec<Value>,
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
        let security = security(file);
        config.memberlist.keyring = security.keyring.clone();
        config.memberlist.push_pull_interval = Duration::ZERO;
        (config.reconnect_interval, config.rejoin_interval) = (Duration::ZERO, Duration::ZERO);
        if Keeper::of_module(text(ready, "module")) == Keeper::First {
            config.meta = bytes::Bytes::new();
        }
        let db = NetworkDb::new(config, [3; 32], instant(start)).unwrap();
        Self {
            name,
            port,
            db,
            security,
            frames,
            replies: BTreeMap::new(),
            awaited: None,
            accepted: 1,
            watch: None,
            changes: Vec::new(),
        }
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
        for line in lines {
            match text(line, "ev") {
                "reply" => assert_eq!(line["ok"], true, "{line}"),
                "ready" | "watch" | "closed" => continue,
                kind => panic!("unknown line {kind}"),
            }
            let at = line["t"].as_i64().unwrap() - offset;
            match text(line, "cmd") {
                "state" => all.push((at, Happening::State(line))),
                "create" | "update" | "delete" | "join-network" | "leave-network" | "watch" => {
                    earliest = at.min(self.shown_at(line)).max(earliest);
                    all.push((earliest, Happening::Call(line)));
                }
                // Joins are placed by their streams; the others only look.
                "join" | "peers" | "dump" | "walk" => {}
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
            "leave-network" | "watch" => None,
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
            let exact = self.frames.iter().find_map(|frame| self.written_in(line, frame));
            // What was never gossiped goes out as a create in a bulk sync.
            let own = |event: &&Event| event.owner == self.name && event.key == key;
            let event = exact.or_else(|| self.frames.iter().flat_map(|frame| &frame.events).find(own));
            event.unwrap_or_else(|| panic!("no packet has the value of {line}")).value.clone().into()
        };
        match text(line, "cmd") {
            "create" => self.db.create_entry(now, &key, value()).unwrap(),
            "update" => self.db.update_entry(now, &key, value()).unwrap(),
            "delete" => self.db.delete_entry(now, &key).unwrap(),
            "watch" => {
                assert_eq!(
                    (text(line, "nid"), text(line, "table")),
                    ("-", "-"),
                    "only watches of everything"
                );
                self.watch = Some(self.db.watch(Filter::default()));
            }
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

    /// The tables against those the node printed.
    fn check(&self, line: &Value, peer: Keeper, compared: &mut Compared) {
        let (ours, theirs) = (self.db.snapshot(), recorded(&line["state"]));
        let mut tables = shown(&ours, peer);
        if !Rules::of(peer).has(Rule::SyncTicks) {
            tables = tables.without_ticks(&theirs, &self.name, ours.stats.counters.syncs_sent);
        }
        assert_eq!(tables, theirs, "{}", self.name);
        check_reap(&ours, &line["state"]);
        compared.states += 1;
        compared.rows += theirs.rows.len();
    }

    /// Watchers read at once.
    fn read_changes(&mut self) {
        while let Some(change) = self.watch.and_then(|id| self.db.next_change(id)) {
            let op = match change.kind() {
                ChangeKind::Create => "create",
                ChangeKind::Update => "update",
                ChangeKind::Delete => "delete",
                ChangeKind::Resync => "resync",
            };
            let value = change.value.map(hex::encode);
            let key = [&change.network, &change.table, &change.key].map(ToString::to_string);
            self.changes.push(json!([key, op, value]));
        }
    }

    /// What watchers got until `line`, against what the node printed.
    fn check_changes(&self, lines: &[Value], line: &Value, compared: &mut Compared) {
        let before = lines.iter().take_while(|other| *other != line).filter(|other| other["ev"] == "watch");
        let mut printed: Vec<Value> = before.filter_map(printed_change).collect();
        let mut ours = self.changes.clone();
        // The order is fixed in each table, not between tables.
        printed.sort_by_key(|change| change[0][1].to_string());
        ours.sort_by_key(|change| change[0][1].to_string());
        assert_eq!(ours, printed, "{}", self.name);
        compared.changes += printed.len();
    }

    /// Lets time pass.
    fn run(&mut self, until: i64) {
        while let Some(due) = self.db.next_deadline().filter(|due| *due <= instant(until)) {
            self.db.handle(due, Input::Tick);
            self.settle(due);
        }
    }

    fn answer_pings(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let heard_later = |frame: &Frame| frame.from == Some(from.port().into()) && instant(frame.at) >= now;
        if !self.frames.iter().any(heard_later) {
            return;
        }
        let mut acks = Vec::new();
        packet::open(&self.security, bytes, &mut |leaf| {
            if let Ok((MessageType::Ping, body)) = leaf {
                let mut ack = Vec::new();
                Ack { seq: Ping::decode(body).unwrap().seq, payload: None }.encode(&mut ack);
                acks.push(packet::seal(&self.security, &ack, false, &mut Rng::new([1; 32])));
            }
        });
        for ack in acks {
            self.db.handle(now, Input::Datagram { from, bytes: &ack });
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
                Output::Datagram { to, bytes } => self.answer_pings(now, to, &bytes),
                Output::Close(id, How::Finish) => self.feed(now, id, StreamInput::Finished),
                _ => {}
            }
        }
        while self.db.poll_event().is_some() {}
        self.read_changes();
    }
}

/// A line of a watcher as ours is shown: what a delete carries differs between the generations. All nodes of a
/// capture have one address, so by [`Rule::SuccessorNotTold`] ours never tells that it is gone.
fn printed_change(line: &Value) -> Option<Value> {
    let op = text(line, "op");
    if (text(line, "table"), op) == ("NodeTable", "delete") {
        return None;
    }
    let value = (op != "delete").then(|| hex::encode(base64(text(line, "value_b64"))));
    Some(json!([[text(line, "nid"), text(line, "table"), text(line, "key")], op, value]))
}

/// Replays all nodes that printed a state.
pub(crate) fn replay(file: &Value) -> Compared {
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
                    node.check(line, peer, &mut compared);
                    node.check_changes(lines, line, &mut compared);
                    continue;
                }
            }
            compared.inputs += usize::from(!matches!(what, Happening::Call(_)));
            compared.calls += usize::from(matches!(what, Happening::Call(_)));
        }
    }
    compared
}
