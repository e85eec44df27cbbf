//! Our server hears what the recorded client said and is fed what the recorded server had: it must say the same.

use std::{collections::BTreeMap, time::Duration};

use networkdb_core::{
    machine::{How, Input, Instant, Machine, Output, StreamId, StreamInput},
    syncproto::{
        SyncStatus,
        cache::Cache,
        server::{Config, Event, Reason, Server},
    },
};
use serde_json::{Value, json};

use super::{
    Replayed,
    differences::{Difference, Seen},
    recorded::{Capture, Listener, Said, Segment, Update, unix_time},
    same_messages,
};
use crate::{streams::Cut, support::same};

const STREAM: StreamId = StreamId(1);
/// What a server knows of.
const SYNCER_TYPES: [&str; 4] = ["felix", "bgp", "tunnel-ip-allocation", "node-status"];
/// The setting of all recorded servers.
const PING_INTERVAL: Duration = Duration::from_millis(700);
/// How late a recorded server may be, on a busy machine.
const LATE: Duration = Duration::from_millis(250);
/// Turns after which a server that should have come to rest has not.
const TURNS: usize = 10_000;

pub fn replay(capture: &Capture, cut: Cut, seen: &mut Seen) -> Result<Replayed, String> {
    let script = Script::of(capture, seen)?;
    let run = Run::new(capture, &script, !capture.is_old_server())?.through(capture, &script, cut)?;
    let refused = capture.server.said.is_empty();
    same("whether it refuses", &run.refused(), &refused)?;
    same("whether it closes", &run.closed.is_some(), &refused)?;
    let (pings, said): (Vec<_>, Vec<_>) = run.said.iter().partition(|(_, said)| said.is("MsgPing"));
    same_messages(said.iter().map(|(_, said)| said), &script.wanted)?;
    check_pings(capture, &run, &pings)?;
    seen.when(!refused && run.bytes != capture.server.bytes, Difference::DefinitionsFirst);
    if run.closed == Some(Reason::OldPolicyKeys) {
        let lenient = Run::new(capture, &script, false)?.through(capture, &script, cut)?;
        seen.when(lenient.closed.is_none() && !lenient.said.is_empty(), Difference::OldClientServed);
    }
    Ok(Replayed {
        callbacks: 0,
        messages: said.len(),
        updates: said.iter().map(|(_, said)| said.updates.len()).sum(),
        pings: pings.len(),
        ended: run.closed.map_or_else(String::new, |reason| reason.to_string()),
    })
}

/// What the recorded server had, and what ours is to say of it, pings left out.
struct Script {
    snapshot: Vec<Said>,
    status: u8,
    /// How many of the recorded messages are the hello, the snapshot and its status.
    opening: usize,
    wanted: Vec<Said>,
}

impl Script {
    fn of(capture: &Capture, seen: &mut Seen) -> Result<Self, String> {
        let said = &capture.server.said;
        let greets =
            |said: &&Said| said.is("MsgServerHello") || said.is("MsgDecoderRestart") && !is_end(said);
        let before = said.iter().take_while(greets).count();
        let kvs = said[before..].iter().take_while(|said| said.is("MsgKVs")).count();
        let after = before + kvs;
        let restarts = said[after..].iter().take_while(|said| is_end(said)).count();
        let first_status = said.get(after + restarts).filter(|said| said.is("MsgSyncStatus"));
        let status = first_status.map_or(Ok(0), status_of)?;
        let opening = after + restarts + usize::from(first_status.is_some());
        let snapshot = said[before..after].to_vec();
        let wanted = said.iter().filter(|said| !said.is("MsgPing")).cloned().collect();
        let mut script = Self { snapshot, status, opening, wanted };
        if capture.is_old_server() {
            script.as_today(capture, before..after, seen);
        }
        Ok(script)
    }

    /// What ours says where one of v3.2.5 was recorded.
    fn as_today(&mut self, capture: &Capture, snapshot: std::ops::Range<usize>, seen: &mut Seen) {
        let asked = capture.client_hello().field("SyncerType").clone();
        let hello = &mut self.wanted[0];
        hello.shown["msg"]["SyncerType"] = if asked == "" { "felix".into() } else { asked };
        hello.shown["msg"]["SupportsNodeResourceUpdates"] = true.into();
        hello.shown["msg"]["ServerConnID"] = "1".into();
        seen.when(true, Difference::HelloOfToday);
        if capture.client_hello().field("SupportsDecoderRestart") == true {
            let message = "enable compression: snappy;send binary snapshot";
            let fields = json!({ "Message": message, "CompressionAlgorithm": "snappy" });
            let shown = json!({ "type": "MsgDecoderRestart", "msg": fields });
            let restart = Said { end: hello.end, shown, updates: Vec::new() };
            self.wanted.truncate(1);
            self.wanted.push(restart);
            return seen.when(true, Difference::RestartForToday);
        }
        let before = self.wanted.clone();
        sort(&mut self.wanted[snapshot]);
        let moved = before.iter().zip(&self.wanted).any(|(before, after)| before.shown != after.shown);
        seen.when(moved, Difference::SnapshotSorted);
    }

    /// The most updates of a message, as far as they can be told from a plain snapshot.
    fn max_message_size(&self) -> usize {
        let default = Config::default().max_message_size;
        if self.snapshot.len() > 1 { self.snapshot[0].updates.len() } else { default }
    }
}

/// A restart that ends a snapshot.
fn is_end(said: &Said) -> bool {
    said.is("MsgDecoderRestart") && said.field("Message") == "End of compressed snapshot."
}

fn status_of(said: &Said) -> Result<u8, String> {
    said.field("SyncStatus").as_u64().and_then(|status| status.try_into().ok()).ok_or("no status".into())
}

/// Sorts updates by key over several messages, which keep their lengths.
fn sort(messages: &mut [Said]) {
    let updates = |said: &Said| said.shown["msg"]["KVs"].as_array().cloned().unwrap_or_default();
    let mut all: Vec<Value> = messages.iter().flat_map(updates).collect();
    all.sort_by(|a, b| a["Key"].as_str().cmp(&b["Key"].as_str()));
    for message in messages {
        let rest = all.split_off(message.updates.len());
        message.shown["msg"]["KVs"] = std::mem::replace(&mut all, rest).into();
    }
}

/// Pings come from the time on at which the client has all it asked for, each an interval and up to a tenth after the
/// one before.
fn check_pings(capture: &Capture, run: &Run, pings: &[&(Instant, Said)]) -> Result<(), String> {
    let recorded: Vec<Instant> = capture.pings().map(|(at, _)| at).collect();
    let ours: Vec<Instant> = pings.iter().map(|(at, _)| *at).collect();
    let from = capture.asked_last();
    for (whose, times, late) in [("our", &ours, Duration::ZERO), ("recorded", &recorded, LATE)] {
        let longest = PING_INTERVAL * 11 / 10 + late;
        let mut last = from;
        for at in times {
            let gap = at.since(last);
            if gap + late < PING_INTERVAL || gap > longest {
                return Err(format!("{whose} ping after {gap:?}"));
            }
            last = *at;
        }
        if run.now.since(last) > longest {
            return Err(format!("no {whose} ping after {last:?}"));
        }
    }
    for (at, ping) in pings {
        let time = capture.unix_origin() + Duration::from_nanos(at.as_nanos());
        let found = unix_time(ping.field("Timestamp"));
        same("time in a ping", &found, &Some(time))?;
    }
    Ok(())
}

/// A server on its way through a capture.
struct Run {
    server: Server,
    caches: BTreeMap<&'static str, Cache>,
    /// The cache of the client's syncer type, if there is such a one.
    feed: Option<&'static str>,
    /// What is in it.
    held: BTreeMap<Vec<u8>, Update>,
    listener: Listener,
    now: Instant,
    bytes: Vec<u8>,
    said: Vec<(Instant, Said)>,
    closed: Option<Reason>,
}

fn config(capture: &Capture, script: &Script, require_modern_policy_keys: bool) -> Config {
    let hello = capture.server.said.first();
    Config {
        version: hello.map_or("", |hello| hello.field("Version").as_str().unwrap()).into(),
        unix_origin: capture.unix_origin(),
        max_message_size: script.max_message_size(),
        ping_interval: PING_INTERVAL,
        require_modern_policy_keys,
        ..Config::default()
    }
}

impl Run {
    fn new(capture: &Capture, script: &Script, require_modern: bool) -> Result<Self, String> {
        let asked = capture.client_hello().field("SyncerType").as_str().unwrap();
        let asked = if asked.is_empty() { "felix" } else { asked };
        let mut run = Self {
            server: Server::new(config(capture, script, require_modern), [5; 32]),
            caches: SYNCER_TYPES.map(|syncer_type| (syncer_type, Cache::default())).into(),
            feed: SYNCER_TYPES.into_iter().find(|known| *known == asked),
            held: BTreeMap::new(),
            listener: Listener::default(),
            now: Instant::ORIGIN,
            bytes: Vec::new(),
            said: Vec::new(),
            closed: None,
        };
        for (syncer_type, cache) in &run.caches {
            run.server.follow(run.now, syncer_type, cache.published());
        }
        for said in &script.snapshot {
            run.updates(&said.updates);
        }
        run.status(script.status)?;
        run.input(StreamInput::Accepted { from: ([10, 0, 0, 2], 40000).into() })?;
        Ok(run)
    }

    fn through(mut self, capture: &Capture, script: &Script, cut: Cut) -> Result<Self, String> {
        for segment in &capture.segments {
            self.pass(Instant::from_nanos(segment.at))?;
            if segment.of_client {
                self.hear(capture, segment, cut)?;
            } else {
                self.publish_news(capture, script, segment)?;
            }
        }
        let said = self.said.len();
        let again: Vec<Update> = self.held.values().map(Update::again).collect();
        self.updates(&again);
        self.publish()?;
        same("messages after all was published again", &self.said.len(), &said)?;
        Ok(self)
    }

    /// Takes what the client said. What it acknowledges must be the last it was sent.
    fn hear(&mut self, capture: &Capture, segment: &Segment, cut: Cut) -> Result<(), String> {
        let acknowledges = capture.client.said_in(&segment.range).any(|(_, said)| said.is("MsgACK"));
        let last = self.said.last().filter(|(_, said)| said.end == self.bytes.len());
        if acknowledges && !last.is_some_and(|(_, said)| said.is("MsgDecoderRestart")) {
            return Err("a restart was not waited for".into());
        }
        for (_, piece) in capture.client.pieces(segment.range.clone(), cut) {
            self.input(StreamInput::Received(piece))?;
        }
        Ok(())
    }

    /// Publishes what the recorded server told of in this segment; ours must then have told as much.
    fn publish_news(&mut self, capture: &Capture, script: &Script, segment: &Segment) -> Result<(), String> {
        let news = capture.server.said_in(&segment.range).filter(|(number, _)| *number >= script.opening);
        for (_, said) in news.filter(|(_, said)| !said.is("MsgPing")) {
            if said.is("MsgKVs") {
                self.publish()?;
                self.updates(&said.updates);
            } else {
                self.status(status_of(said)?)?;
            }
        }
        self.publish()?;
        let wanted = script.wanted.iter().filter(|said| said.end <= segment.range.end).count();
        let said = self.said.iter().filter(|(_, said)| !said.is("MsgPing")).count();
        let late = wanted.saturating_sub(said);
        same(&format!("messages that are late at {:?}", self.now), &late, &0)
    }

    fn updates(&mut self, updates: &[Update]) {
        let Some(cache) = self.feed.and_then(|feed| self.caches.get_mut(feed)) else { return };
        for update in updates {
            cache.update(&update.serialized()).unwrap();
            if update.value.is_some() {
                self.held.insert(update.key.clone(), update.clone());
            } else {
                self.held.remove(&update.key);
            }
        }
    }

    fn status(&mut self, status: u8) -> Result<(), String> {
        if let Some(cache) = self.feed.and_then(|feed| self.caches.get_mut(feed)) {
            cache.status(SyncStatus(status));
        }
        self.publish()
    }

    fn publish(&mut self) -> Result<(), String> {
        let Some(feed) = self.feed else { return Ok(()) };
        let published = self.caches.get_mut(feed).and_then(|cache| cache.publish(self.now));
        if let Some(published) = published {
            self.server.follow(self.now, feed, published);
        }
        self.settle()
    }

    /// Lets time pass.
    fn pass(&mut self, now: Instant) -> Result<(), String> {
        let mut turns = 0;
        while let Some(due) = self.server.next_deadline().filter(|due| *due <= now) {
            turns += 1;
            if turns > TURNS {
                return Err(format!("the server does not rest before {now:?}"));
            }
            self.now = due;
            self.server.handle(due, Input::Tick);
            self.drain()?;
        }
        self.now = now;
        Ok(())
    }

    fn input(&mut self, input: StreamInput<'_>) -> Result<(), String> {
        self.server.handle(self.now, Input::Stream(STREAM, input));
        self.settle()
    }

    /// Takes what it puts out, and lets it have its turns.
    fn settle(&mut self) -> Result<(), String> {
        self.drain()?;
        self.pass(self.now)
    }

    /// What it writes leaves at once.
    fn drain(&mut self) -> Result<(), String> {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Write(STREAM, bytes) => {
                    self.bytes.extend_from_slice(&bytes);
                    let said = self.listener.hear(&bytes)?;
                    self.said.extend(said.into_iter().map(|said| (self.now, said)));
                    self.server.handle(self.now, Input::Stream(STREAM, StreamInput::Sent(bytes.len())));
                }
                Output::Close(STREAM, How::Abort) => {}
                other => return Err(format!("the server wants {other:?}")),
            }
        }
        while let Some(event) = self.server.poll_event() {
            if let Event::Closed { reason, .. } = event {
                self.closed = Some(reason);
            }
        }
        Ok(())
    }

    /// Whether it closed the connection without a byte, for one of the reasons upstream has for that.
    fn refused(&self) -> bool {
        let reason = matches!(self.closed, Some(Reason::UnknownSyncerType | Reason::OldPolicyKeys));
        reason && self.bytes.is_empty()
    }
}
