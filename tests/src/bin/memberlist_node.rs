//! A node of our memberlist alone, driven like the Go ones: the flags and lines of `peers/README.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::HashMap,
    io::{self, Write},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use networkdb_core::{
    Name,
    machine::Instant,
    memberlist::{Config, Delegate, Event, Keyring, Member, MemberEvent, Membership, Outcome, RequestId},
};
use networkdb_host::{Host, Shared, Sockets};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::oneshot,
};

/// How long a leave or an update may take to spread.
const SPREAD: Duration = Duration::from_secs(5);

type List = Membership<Meta>;

/// What this node says of itself.
struct Meta(Bytes);

impl Delegate for Meta {
    fn meta(&self) -> Bytes {
        self.0.clone()
    }
}

/// The flags, each with its values.
struct Flags(HashMap<String, Vec<String>>);

impl Flags {
    fn read() -> Self {
        let mut flags: HashMap<String, Vec<String>> = HashMap::new();
        let mut arguments = std::env::args().skip(1);
        while let Some(flag) = arguments.next() {
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => (flag, arguments.next().expect("each flag has a value")),
            };
            flags.entry(name.trim_start_matches('-').to_owned()).or_default().push(value);
        }
        Self(flags)
    }

    fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    fn one(&self, name: &str) -> &str {
        self.all(name).last().map_or("", String::as_str)
    }

    fn config(&self) -> Config {
        let addr: SocketAddr = self.one("addr").parse().expect("-addr IP:PORT");
        let name = Name::from(self.one("name"));
        let keys: Vec<_> = self.all("key").iter().map(|key| unhex(key)).collect();
        let mut config =
            if self.one("preset") == "local" { Config::local(name, addr) } else { Config::lan(name, addr) };
        config.keyring = Keyring::new(&keys).expect("keys of 16, 24 or 32 bytes");
        config.label = Bytes::copy_from_slice(self.one("label").as_bytes());
        config.compression = self.one("compress") != "false";
        config
    }
}

/// The node, as requests see it.
#[derive(Clone)]
struct Node {
    shared: Arc<Shared<List>>,
    waiting: Arc<Mutex<Waiting>>,
}

/// Requests that wait for their end. An end may come before its request is noted.
#[derive(Default)]
struct Waiting {
    ended: HashMap<RequestId, Outcome>,
    callers: HashMap<RequestId, oneshot::Sender<Outcome>>,
}

#[tokio::main]
async fn main() -> Result<(), io::Error> {
    let flags = Flags::read();
    let config = flags.config();
    let (name, addr) = (flags.one("name").to_owned(), config.advertise);
    let sockets = Sockets::bind(addr).map_err(io::Error::other)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the system has random bytes");
    let meta = Meta(unhex(flags.one("meta")).into());
    let host = Host::start(sockets, |now| List::new(config, seed, now, meta).map_err(io::Error::other))?;
    let node = Node { shared: Arc::clone(host.shared()), waiting: Arc::default() };
    say(&json!({ "event": "ready", "name": name, "addr": addr.to_string() }));
    tokio::spawn(node.clone().tell());
    node.obey().await;
    Ok(())
}

impl Node {
    /// Tells what happens.
    async fn tell(self) {
        while let Some(event) = self.shared.event().await {
            match event {
                Event::Member(event) => say(&told(&event)),
                Event::Message(bytes) => {
                    say(&json!({ "event": "message", "payload_hex": hex::encode(bytes) }));
                }
                Event::Done(request, outcome) => self.end(request, outcome),
                other => eprintln!("{other:?}"),
            }
        }
    }

    fn end(&self, request: RequestId, outcome: Outcome) {
        let mut waiting = self.waiting.lock().unwrap();
        match waiting.callers.remove(&request) {
            // The caller never goes away before.
            Some(caller) => drop(caller.send(outcome)),
            None => drop(waiting.ended.insert(request, outcome)),
        }
    }

    /// Starts what takes time, and waits for its end.
    async fn end_of(&self, start: impl FnOnce(&mut List, Instant) -> RequestId) -> Outcome {
        let request = self.shared.with(start);
        let answer = {
            let mut waiting = self.waiting.lock().unwrap();
            if let Some(outcome) = waiting.ended.remove(&request) {
                return outcome;
            }
            let (caller, answer) = oneshot::channel();
            waiting.callers.insert(request, caller);
            answer
        };
        answer.await.expect("each request ends")
    }

    /// Does what stdin says, until it closes.
    async fn obey(&self) {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let node = self.clone();
            tokio::spawn(async move {
                let request: Value = serde_json::from_str(&line).expect("a request is JSON");
                let mut reply = match node.run(&request).await {
                    Ok(fields) => fields,
                    Err(error) => json!({ "error": error }),
                };
                reply["ok"] = reply.get("error").is_none().into();
                reply["id"] = request["id"].clone();
                say(&reply);
            });
        }
    }

    async fn run(&self, request: &Value) -> Result<Value, String> {
        match text(request, "op") {
            "join" => self.join(request).await,
            "leave" => spread(self.end_of(|list, now| list.leave(now, SPREAD)).await),
            "update_meta" => {
                let meta = unhex(text(request, "meta_hex")).into();
                let update = |list: &mut List, now| {
                    list.delegate_mut().0 = meta;
                    list.update(now, SPREAD)
                };
                spread(self.end_of(update).await)
            }
            "send" => self.send(request).await,
            "members" => {
                let members: Vec<_> = self.shared.read(|list| list.list().members().map(member).collect());
                Ok(json!({ "members": members }))
            }
            "stats" => {
                Ok(json!({ "dropped": self.shared.read(|list| list.list().counters().dropped.clone()) }))
            }
            op => self.change_keys(op, &unhex(text(request, "key_hex"))),
        }
    }

    async fn join(&self, request: &Value) -> Result<Value, String> {
        let seeds: Vec<SocketAddr> = request["members"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|seed| seed.as_str().unwrap().parse().unwrap())
            .collect();
        let seeds = seeds.into_iter().map(Into::into).collect();
        match self.end_of(|list, now| list.join(now, seeds)).await {
            Outcome::Joined(report) if !report.reached.is_empty() => {
                Ok(json!({ "reached": report.reached.len() }))
            }
            other => Err(format!("{other:?}")),
        }
    }

    async fn send(&self, request: &Value) -> Result<Value, String> {
        let (to, payload) = (Name::from(text(request, "to")), unhex(text(request, "payload_hex")));
        if request["reliable"] == true {
            let addr = self.shared.read(|list| list.list().member(&to).map(|member| member.addr));
            let addr = addr.ok_or("no such member")?;
            match self.end_of(|list, now| list.list_mut().send_reliable(now, addr, &payload)).await {
                Outcome::Sent(Ok(())) => Ok(json!({})),
                other => Err(format!("{other:?}")),
            }
        } else {
            let known = self.shared.with(|list, _| list.list_mut().send_best_effort(&[to], &payload)) == 1;
            known.then(|| json!({})).ok_or_else(|| "no such member".to_owned())
        }
    }

    fn change_keys(&self, op: &str, key: &[u8]) -> Result<Value, String> {
        let done = self.shared.with(|list, _| match op {
            "key_add" => Some(list.list_mut().add_key(key)),
            "key_use" => Some(list.list_mut().use_key(key)),
            "key_remove" => Some(list.list_mut().remove_key(key)),
            _ => None,
        });
        done.ok_or_else(|| format!("unknown op {op}"))?.map(|()| json!({})).map_err(|error| error.to_string())
    }
}

fn spread(outcome: Outcome) -> Result<Value, String> {
    match outcome {
        Outcome::Spread(true) => Ok(json!({})),
        other => Err(format!("{other:?}")),
    }
}

fn member(member: &Member) -> Value {
    json!({
        "name": member.name.to_string(),
        "addr": member.addr.to_string(),
        "state": member.state.to_string(),
        "incarnation": member.incarnation,
        "meta_hex": hex::encode(&member.meta),
    })
}

fn told(event: &MemberEvent) -> Value {
    let (kind, who) = match event {
        MemberEvent::Joined(who) => ("join", who),
        MemberEvent::Gone(who) => ("leave", who),
        MemberEvent::Updated(who) => ("update", who),
    };
    let mut line = member(who);
    line["event"] = "member".into();
    line["kind"] = kind.into();
    line
}

fn text<'a>(request: &'a Value, field: &str) -> &'a str {
    request[field].as_str().unwrap_or_default()
}

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).expect("bytes are hex")
}

fn say(line: &Value) {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).expect("somebody reads");
}
