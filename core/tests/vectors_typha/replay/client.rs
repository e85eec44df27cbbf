//! Our client hears what the recorded server said: its user must be told the same, and it must answer the same.

use std::collections::BTreeSet;

use networkdb_core::{
    machine::{How, Input, Instant, Machine, Output, StreamId, StreamInput},
    syncproto::{
        client::{Client, Config, Event, Generation, Reason, Tracking},
        key,
    },
};

use super::{
    Replayed,
    differences::{Difference, Seen},
    recorded::{Capture, Listener, Said, Update},
    same_messages,
    view::{self, Callback, Row},
};
use crate::{streams::Cut, support::same};

pub fn replay(capture: &Capture, cut: Cut, tracking: Tracking, seen: &mut Seen) -> Result<Replayed, String> {
    let run = Run::new(capture, tracking)?.through(capture, cut)?;
    let callbacks = run.callbacks(capture, seen)?;
    let all = tracking != Tracking::Values;
    let wanted = if all { capture.view.clone() } else { remembered(&capture.view, seen) };
    for (number, (found, wanted)) in callbacks.iter().zip(&wanted).enumerate() {
        same(&format!("callback {number}"), found, wanted)?;
    }
    same("number of callbacks", &callbacks.len(), &wanted.len())?;
    if all {
        run.values_arrive(capture)?;
    }
    same_messages(run.said.iter().map(|(_, said)| said), &capture.client.said)?;
    run.answers_in_place(capture, cut)?;
    seen.when(run.bytes != capture.client.bytes, Difference::DefinitionsFirst);
    Ok(Replayed {
        callbacks: callbacks.len(),
        updates: callbacks.iter().map(|callback| rows(callback).len()).sum(),
        messages: run.said.len(),
        pings: run.said.iter().filter(|(_, said)| said.is("MsgPong")).count(),
        ended: run.reason().map_or_else(String::new, ToString::to_string),
    })
}

fn rows(callback: &Callback) -> &[Row] {
    if let Callback::Updates(rows) = callback { rows } else { &[] }
}

/// What a user is told whose keys and values are remembered.
fn remembered(view: &[Callback], seen: &mut Seen) -> Vec<Callback> {
    let mut held = BTreeSet::new();
    let mut is_news = |row: &Row| {
        let changes = if row.value.is_some() { held.insert(row.key.clone()) } else { held.remove(&row.key) };
        seen.when(row.value.is_none() && !changes, Difference::UnknownDeletionUntold);
        row.value.is_some() || changes
    };
    let mut told = view.to_vec();
    for callback in &mut told {
        if let Callback::Updates(rows) = callback {
            rows.retain(&mut is_news);
        }
    }
    told.retain(|callback| !matches!(callback, Callback::Updates(rows) if rows.is_empty()));
    told
}

/// A client on its way through a capture.
struct Run {
    client: Client,
    stream: StreamId,
    listener: Listener,
    /// Bytes of the server it has been given.
    fed: usize,
    bytes: Vec<u8>,
    /// Its messages, each with how much it had been given.
    said: Vec<(usize, Said)>,
    events: Vec<Event>,
}

fn config(capture: &Capture, tracking: Tracking) -> Config {
    let hello = capture.client_hello();
    let text = |field: &str| hello.field(field).as_str().unwrap_or_default().to_owned();
    let mut config = Config::new(text("Hostname"), vec!["10.0.0.1:5473".parse().unwrap()]);
    config.info = text("Info");
    config.version = text("Version");
    config.syncer_type = text("SyncerType");
    config.generation = if capture.is_old_client() { Generation::V3_2_5 } else { Generation::Today };
    config.decoder_restart = hello.field("SupportsDecoderRestart") == true;
    config.snappy = hello.field("SupportedCompressionAlgorithms").is_array();
    config.tracking = tracking;
    config.retry.reconnect = false;
    config
}

impl Run {
    fn new(capture: &Capture, tracking: Tracking) -> Result<Self, String> {
        let start = Instant::ORIGIN;
        let mut client = Client::new(config(capture, tracking), [7; 32], start).map_err(|e| e.to_string())?;
        let Some(Output::Open(stream, _)) = client.poll_output() else { return Err("no dial".into()) };
        let listener = Listener::default();
        let (bytes, said, events) = (Vec::new(), Vec::new(), Vec::new());
        let mut run = Self { client, stream, listener, fed: 0, bytes, said, events };
        run.input(start, StreamInput::Opened { at: ([10, 0, 0, 1], 5473).into() })?;
        Ok(run)
    }

    /// Gives it the whole capture. Who ended the connection is not recorded; servers that did so had said nothing.
    fn through(mut self, capture: &Capture, cut: Cut) -> Result<Self, String> {
        let mut now = Instant::ORIGIN;
        for segment in capture.segments.iter().filter(|segment| !segment.of_client) {
            now = Instant::from_nanos(segment.at);
            self.pass(now)?;
            for (end, piece) in capture.server.pieces(segment.range.clone(), cut) {
                self.fed = end;
                self.input(now, StreamInput::Received(piece))?;
            }
        }
        if capture.server.said.is_empty() && capture.view.contains(&Callback::Finished) {
            self.input(now, StreamInput::Finished)?;
        }
        Ok(self)
    }

    /// Lets time pass.
    fn pass(&mut self, now: Instant) -> Result<(), String> {
        while let Some(due) = self.client.next_deadline().filter(|due| *due <= now) {
            self.client.handle(due, Input::Tick);
            self.drain(due)?;
        }
        Ok(())
    }

    fn input(&mut self, now: Instant, input: StreamInput<'_>) -> Result<(), String> {
        self.client.handle(now, Input::Stream(self.stream, input));
        self.drain(now)
    }

    /// What it writes leaves at once.
    fn drain(&mut self, now: Instant) -> Result<(), String> {
        self.events.extend(std::iter::from_fn(|| self.client.poll_event()));
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Write(id, bytes) if id == self.stream => {
                    self.bytes.extend_from_slice(&bytes);
                    let said = self.listener.hear(&bytes)?;
                    self.said.extend(said.into_iter().map(|said| (self.fed, said)));
                    self.client.handle(now, Input::Stream(id, StreamInput::Sent(bytes.len())));
                }
                Output::Close(id, How::Abort) if id == self.stream => {}
                other => return Err(format!("the client wants {other:?}")),
            }
        }
        Ok(())
    }

    fn callbacks(&self, capture: &Capture, seen: &mut Seen) -> Result<Vec<Callback>, String> {
        let parser = if capture.is_old_client() { key::Generation::V3_2_5 } else { key::Generation::Today };
        let mut callbacks = Vec::new();
        for event in &self.events {
            let callback = view::of_event(event, parser)?;
            seen.when(callback.is_none(), Difference::ConnectionTold);
            callbacks.extend(callback);
        }
        Ok(callbacks)
    }

    /// The user is given the very updates of each message; the view does not show their values.
    fn values_arrive(&self, capture: &Capture) -> Result<(), String> {
        let told = self.events.iter().filter_map(|event| match event {
            Event::Updates(updates) => Some(updates),
            _ => None,
        });
        let sent = capture.server.said.iter().filter(|said| said.is("MsgKVs"));
        for (number, (told, sent)) in told.zip(sent).enumerate() {
            let told: Vec<Update> = told.iter().map(|update| Update::new(&update)).collect();
            same(&format!("updates {number}"), &told, &sent.updates)?;
        }
        Ok(())
    }

    /// Each answer comes with the last byte of what it answers, and so no later than that of the real client.
    fn answers_in_place(&self, capture: &Capture, cut: Cut) -> Result<(), String> {
        let asks = |said: &&Said| said.is("MsgDecoderRestart") || said.is("MsgPing");
        let asked = capture.server.said.iter().filter(asks).map(|said| said.end);
        let fed_for = |end: usize| {
            let segment = capture.segments.iter().find(|s| !s.of_client && s.range.contains(&(end - 1)))?;
            let mut pieces = capture.server.pieces(segment.range.clone(), cut);
            pieces.find_map(|(fed, _)| (fed >= end).then_some(fed))
        };
        let wanted: Vec<Option<usize>> = std::iter::once(Some(0)).chain(asked.map(fed_for)).collect();
        for (number, (fed, _)) in self.said.iter().enumerate() {
            same(&format!("bytes before message {number}"), &Some(Some(*fed)), &wanted.get(number).copied())?;
        }
        for segment in capture.segments.iter().filter(|segment| segment.of_client) {
            for (number, _) in capture.client.said_in(&segment.range) {
                if self.said[number].0 > segment.other {
                    return Err(format!("message {number} comes later than the real client's"));
                }
            }
        }
        Ok(())
    }

    fn reason(&self) -> Option<&Reason> {
        match self.events.last() {
            Some(Event::Finished { reason }) => Some(reason),
            _ => None,
        }
    }
}
