//! The Go peer: servers, clients, encoder, certificates.

use std::{
    io::Write,
    net::SocketAddr,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
};

use serde_json::{Value, json};

use super::{Client, DEADLINE, IN_SYNC, Server, Update};
use crate::{
    kind::GO_PEERS,
    lines::Lines,
    ports::spawn,
    process::{Log, Process},
};

/// A running Go program.
#[derive(Debug)]
struct Program {
    process: Process,
    lines: Lines,
    log: Log,
}

impl Program {
    fn start(command: &str, flags: &[&str]) -> Self {
        let log = Log::default();
        let mut process = Process::start(Command::new(GO_PEERS.join("gob")).arg(command).args(flags), &log);
        let (stdin, stdout) = process.pipes();
        Self { process, lines: Lines::new(stdout, stdin), log }
    }

    fn event(&self, what: &str, like: impl Fn(&Value) -> bool) -> Value {
        let found = self.lines.event(DEADLINE, |event| event["event"] == what && like(event));
        found.unwrap_or_else(|| {
            let told = self.lines.events();
            let last: Vec<_> =
                told.iter().rev().filter(|event| event["event"] != "updates").take(9).collect();
            panic!("no such `{what}`: {last:?} {:?}", self.log.lines(|lines| lines.clone()))
        })
    }

    fn ask(&self, fields: Value) -> Value {
        self.lines.request(DEADLINE, fields).expect("the peer takes it")
    }
}

/// A Go server.
#[derive(Debug)]
pub struct GoServer {
    program: Program,
    addr: SocketAddr,
}

impl GoServer {
    /// Starts one; it listens when this returns.
    pub fn start(flags: &[&str]) -> Self {
        let program = Program::start("server", flags);
        let addr = program.event("ready", |_| true)["addr"].as_str().expect("an address").parse();
        Self { addr: addr.expect("an address"), program }
    }

    /// Waits until a connection ends for a reason with this text.
    pub fn ends_one(&self, reason: &str) {
        self.program
            .event("gone", |event| event["reason"].as_str().is_some_and(|text| text.contains(reason)));
    }

    /// Gives an order.
    pub fn order(&self, fields: Value) -> Value {
        self.program.ask(fields)
    }

    /// Connections there are.
    pub fn connections(&self) -> u64 {
        self.order(json!({ "report": true }))["connections"].as_u64().expect("a number")
    }

    /// SIGTERM: it drops its connections and ends.
    pub fn terminate(&self) {
        self.program.process.terminate();
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        self.program.process.wait(DEADLINE)
    }

    /// SIGKILL.
    pub fn kill(self) {
        self.program.process.kill();
    }
}

impl Server for GoServer {
    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn publish(&self, syncer: &str, updates: &[Update]) {
        let updates: Vec<_> = updates.iter().map(Update::json).collect();
        self.program.ask(json!({ "syncer": syncer, "updates": updates }));
    }

    fn status(&self, syncer: &str, status: u8) {
        self.program.ask(json!({ "syncer": syncer, "status": status }));
    }
}

/// A Go client, or many of them in one process.
#[derive(Debug)]
pub struct GoClient {
    program: Program,
}

impl GoClient {
    /// Starts it.
    pub fn start(at: SocketAddr, flags: &[&str]) -> Self {
        let addr = format!("--addr={at}");
        Self { program: Program::start("client", &[&[&*addr], flags].concat()) }
    }

    /// Waits until a connection was lost and another is begun; the reason.
    pub fn restarted(&self) -> String {
        self.program.event("restarted", |_| true)["reason"].as_str().expect("a text").to_owned()
    }

    /// Tells it to stop, and returns what its (first) client says at the end.
    pub fn stop(&self) -> Value {
        self.program.ask(json!({ "report": true, "stop": true }));
        self.ended()
    }

    /// What its (first) client says at the end, which comes without being told.
    pub fn ended(&self) -> Value {
        self.program.event("end", |_| true)
    }

    /// The last words of all clients, once all have ended.
    pub fn all_ended(&self, count: usize) -> Vec<Value> {
        self.program.event("total", |total| total["clients"] == count);
        self.program.lines.events().into_iter().filter(|event| event["event"] == "end").collect()
    }

    /// The sum of its clients.
    pub fn total(&self) -> Value {
        self.program.ask(json!({ "report": true }))
    }

    /// Waits for the answer to so many pings on one connection.
    pub fn answers_pings(&self, count: u64) {
        self.program.event("ping", |event| event["pings"].as_u64() >= Some(count));
    }
}

impl Client for GoClient {
    fn in_sync(&self) {
        self.program.event("status", |event| event["status"] == IN_SYNC && event["local"].is_null());
    }

    fn sees(&self, key: &str) -> Update {
        let of =
            |event: &Value| event["updates"].as_array()?.iter().rfind(|update| update["key"] == key).cloned();
        self.program.event("updates", |event| of(event).is_some());
        let update = self.program.lines.events().iter().rev().find_map(of).expect("just seen");
        let text = |name: &str| update[name].as_str().unwrap_or_default().to_owned();
        Update {
            key: key.to_owned(),
            value: None,
            revision: text("revision"),
            v3_version: text("v3_version"),
            ttl: update["ttl"].as_i64().expect("a number"),
            update_type: u8::try_from(update["type"].as_u64().expect("a number")).expect("a byte"),
        }
    }

    fn state(&self) -> (usize, String) {
        let end = self.stop();
        let digest = end["digest"].as_str().expect("it keeps a state").to_owned();
        (usize::try_from(end["rows"].as_u64().expect("a number")).expect("small"), digest)
    }
}

/// The stream Go's encoder makes of these messages, one of `gob encode`'s variants.
pub fn encode(variant: &str, messages: &[Value]) -> Vec<u8> {
    let mut command = Command::new(GO_PEERS.join("gob"));
    command.arg("encode").args(["--variant", variant]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = spawn(&mut command);
    let mut stdin = child.stdin.take().expect("piped");
    let lines = messages.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    // In a thread of its own: the output may fill its pipe before the input is read.
    let writing = thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && writing.join().expect("no panic").is_ok(), "{messages:?}");
    output.stdout
}

/// Writes certificates of one CA for both sides, and of a stranger, into a folder.
pub fn certificates(folder: &Path) {
    let status = spawn(Command::new(GO_PEERS.join("gob")).arg("certs").arg(folder)).wait();
    assert!(status.expect("it ends").success());
}
