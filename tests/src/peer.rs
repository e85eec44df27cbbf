//! One node: start, ask, kill, start again.

use std::{
    net::SocketAddr, os::unix::net::UnixStream, path::PathBuf, process::ExitStatus, thread, time::Duration,
};

use serde_json::{Value, json};

use crate::{
    Kind,
    cluster::{NETWORK, TABLE},
    lines::Lines,
    ports::free_addr,
    process::{Log, Process},
    rows::Table,
    wait::eventually,
};

/// How long a node may take to answer. Some wait for others first.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a node may take to start.
const START: Duration = Duration::from_secs(20);
/// Lines of a log that are shown when a test fails.
const SHOWN: usize = 150;

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Which program.
    pub kind: Kind,
    /// The name of the node.
    pub name: String,
    /// Where it is bound, and reached.
    pub addr: SocketAddr,
    /// Its keys in hex, the first one primary.
    pub keys: Vec<String>,
    /// Further flags of this program.
    pub flags: Vec<String>,
}

impl Spec {
    /// A node at a free address, without keys.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), addr: free_addr(), keys: Vec::new(), flags: Vec::new() }
    }

    /// With these keys.
    #[must_use]
    pub fn keys(mut self, keys: &[String]) -> Self {
        self.keys = keys.to_vec();
        self
    }

    /// With these flags too.
    #[must_use]
    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(ToString::to_string));
        self
    }

    fn socket(&self) -> PathBuf {
        std::env::temp_dir().join(format!("networkdb-{}-{}.sock", std::process::id(), self.addr.port()))
    }

    /// Starts the program; what it says goes to `log`.
    pub(crate) fn spawn(&self, log: &Log) -> Process {
        let mut command = self.kind.command(&self.name, self.addr, &self.keys, &self.socket());
        Process::start(command.args(&self.flags), log)
    }

    /// Starts the program, which is to refuse; returns how it ended and what it said.
    pub fn refused(&self) -> (ExitStatus, String) {
        let log = Log::default();
        let status = self.spawn(&log).wait(START);
        eventually(START, "it says why", || {
            log.lines(|lines| if lines.is_empty() { Err("silent") } else { Ok(()) })
        });
        (status, log.lines(|lines| lines.join("\n")))
    }
}

/// A node, running or killed. When its test fails, it shows its log.
#[derive(Debug)]
pub struct Peer {
    /// What it is started with.
    pub spec: Spec,
    running: Option<(Process, Lines)>,
    log: Log,
}

impl Peer {
    /// Starts a node and waits until it is ready.
    pub fn start(spec: Spec) -> Self {
        let mut peer = Self { spec, running: None, log: Log::default() };
        peer.restart();
        peer
    }

    /// Starts it, again, with the same settings.
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "{} runs", self.name());
        let mut process = self.spec.spawn(&self.log);
        let lines =
            if self.spec.kind == Kind::Ours { self.connect(&mut process) } else { self.attach(&mut process) };
        self.running = Some((process, lines));
    }

    /// Talks over stdin and stdout.
    fn attach(&self, process: &mut Process) -> Lines {
        let (stdin, stdout) = process.pipes();
        let lines = Lines::new(stdout, stdin);
        let ready = lines.event(START, |event| event["event"] == "ready");
        assert!(ready.is_some(), "{} is not ready: {}", self.name(), self.tail());
        lines
    }

    /// Talks over the agent's socket; its stdout is read only to keep it empty.
    fn connect(&self, process: &mut Process) -> Lines {
        let (_, mut stdout) = process.pipes();
        thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        let mut stream = None;
        eventually(START, format_args!("{} is ready", self.name()), || {
            assert!(process.ended().is_none(), "{} ended: {}", self.name(), self.tail());
            UnixStream::connect(self.spec.socket()).map(|connected| stream = Some(connected))
        });
        let stream = stream.expect("connected");
        Lines::new(stream.try_clone().expect("a socket can be cloned"), stream)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Where it is reached.
    pub fn addr(&self) -> SocketAddr {
        self.spec.addr
    }

    /// Its program.
    pub fn kind(&self) -> Kind {
        self.spec.kind
    }

    /// Whether it has been started and neither killed nor sent away.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    fn lines(&self) -> &Lines {
        &self.running.as_ref().unwrap_or_else(|| panic!("{} does not run", self.name())).1
    }

    /// Asks; the answer may be a refusal.
    pub fn try_ask(&self, op: &str, mut fields: Value) -> Result<Value, String> {
        fields["op"] = op.into();
        self.lines().request(ANSWER, fields)
    }

    /// Asks for what is not refused.
    pub fn ask(&self, op: &str, fields: Value) -> Value {
        let shown = fields.to_string();
        self.try_ask(op, fields).unwrap_or_else(|error| panic!("{}: {op} {shown:.200}: {error}", self.name()))
    }

    /// Joins the cluster of another node.
    pub fn join(&self, other: &Peer) {
        self.ask("join", json!({ "members": [other.addr().to_string()] }));
    }

    /// Creates, updates (`op`) a row of the usual table.
    pub fn write(&self, op: &str, key: &str, value: &str) {
        self.ask(
            op,
            json!({ "network": NETWORK, "table": TABLE, "key": key, "value_hex": hex::encode(value) }),
        );
    }

    /// Deletes a row of the usual table.
    pub fn delete(&self, key: &str) {
        self.ask("delete", json!({ "network": NETWORK, "table": TABLE, "key": key }));
    }

    /// Writes many rows to the usual table.
    pub fn load(&self, prefix: &str, count: u32, size: u32) {
        let rows =
            json!({ "network": NETWORK, "table": TABLE, "prefix": prefix, "count": count, "size": size });
        self.ask("load", rows);
    }

    /// Number and checksum of the live rows of the usual table.
    pub fn digest(&self) -> (u64, String) {
        let answer = self.ask("digest", json!({ "network": NETWORK, "table": TABLE }));
        (answer["count"].as_u64().expect("a count"), answer["sha256"].to_string())
    }

    /// The live rows of the usual table.
    pub fn rows(&self) -> Table {
        let answer = self.ask("list", json!({ "network": NETWORK, "table": TABLE }));
        let rows = answer["rows"].as_array().expect("rows").iter();
        rows.map(|row| (text(&row["key"]), (text(&row["value_hex"]), text(&row["owner"])))).collect()
    }

    /// Names of the members that are alive, as this node sees them, sorted.
    pub fn alive(&self) -> Vec<String> {
        let answer = self.ask("members", json!({}));
        let gone = |member: &&Value| matches!(member["state"].as_str(), Some("dead" | "left"));
        let members = answer["members"].as_array().expect("members").iter();
        sorted(members.filter(|member| !gone(member)).map(|member| text(&member["name"])))
    }

    /// Names of the nodes in a network, sorted.
    pub fn network_peers(&self, network: &str) -> Vec<String> {
        let answer = self.ask("peers", json!({ "network": network }));
        sorted(answer["peers"].as_array().into_iter().flatten().map(text))
    }

    /// Waits for an event like this.
    pub fn expect_event(&self, what: &str, like: impl Fn(&Value) -> bool) -> Value {
        self.lines()
            .event(ANSWER, like)
            .unwrap_or_else(|| panic!("{} does not tell: {what}; it told {:?}", self.name(), self.events()))
    }

    /// All events since it was started.
    pub fn events(&self) -> Vec<Value> {
        self.lines().events()
    }

    /// SIGKILL: it tells nobody.
    pub fn kill(&mut self) {
        let (process, _) = self.running.take().expect("it runs");
        process.kill();
    }

    /// Told to leave, it says goodbye to the cluster and ends with status 0.
    pub fn leave(&mut self) {
        self.ask("leave", json!({}));
        self.ends();
    }

    /// SIGTERM: it says goodbye to the cluster and ends with status 0.
    pub fn terminate(&mut self) {
        self.running.as_ref().expect("it runs").0.terminate();
        self.ends();
    }

    fn ends(&mut self) {
        let (mut process, _) = self.running.take().expect("it runs");
        let status = process.wait(ANSWER);
        assert!(status.success(), "{} ended with {status}", self.name());
    }

    /// Lines of its log like this, of all its lives.
    pub fn log_like(&self, like: impl Fn(&str) -> bool) -> Vec<String> {
        self.log.lines(|lines| lines.iter().filter(|line| like(line)).cloned().collect())
    }

    fn tail(&self) -> String {
        self.log.lines(|lines| lines[lines.len().saturating_sub(SHOWN)..].join("\n"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.running.take());
        // Our agent removes its socket, unless it was killed.
        let _ = std::fs::remove_file(self.spec.socket());
        if thread::panicking() {
            eprintln!("=== {} ({:?}) at {}\n{}", self.name(), self.kind(), self.addr(), self.tail());
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}
