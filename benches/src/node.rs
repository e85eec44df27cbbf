//! A node in a process of its own, spoken to in lines of JSON. The Go peers and the agent know the same words.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use networkdb_benches::usage::Usage;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Failure,
    programs::{Kind, Programs},
};

/// Whatever takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(180);
/// Time between two looks at something.
const PAUSE: Duration = Duration::from_millis(1);

/// The number of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId(u64);

/// Something the node has told, and when it was read.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) at: Instant,
    pub(crate) fields: Value,
}

/// A running node; killed when dropped.
pub(crate) struct Node {
    pub(crate) addr: SocketAddr,
    process: Process,
    requests: Box<dyn Write>,
    replies: Receiver<Event>,
    early: HashMap<u64, Event>,
    events: Receiver<Event>,
    last: u64,
}

impl Node {
    /// Starts a node on a free port of loopback; returns when it takes commands.
    pub(crate) fn start(programs: &Programs, kind: Kind, name: &str) -> Result<Self, Failure> {
        let addr = free_addr()?;
        let mut command = Command::new(programs.path(kind));
        let process = match kind {
            Kind::Ours => start_agent(&mut command, name, addr),
            Kind::Older | Kind::Newer => start_peer(&mut command, name, addr),
        }?;
        let mut node = Self::of(process, addr, kind == Kind::Ours)?;
        node.ask("members", json!({}))?;
        Ok(node)
    }

    /// Starts a program that takes requests on its standard input. It is to listen on a free port of loopback, or as
    /// a client to connect to `addr`; `command` makes it so.
    pub(crate) fn speaking(
        addr: Option<SocketAddr>,
        command: impl FnOnce(SocketAddr) -> Command,
    ) -> Result<Self, Failure> {
        let addr = addr.map_or_else(free_addr, Ok)?;
        Self::of(Process::spawn(&mut command(addr), tempfile::tempdir()?)?, addr, false)
    }

    fn of(mut process: Process, addr: SocketAddr, is_agent: bool) -> Result<Self, Failure> {
        let (requests, lines) = connect(&mut process, is_agent).map_err(|error| process.explain(error))?;
        let (to_replies, replies) = mpsc::channel();
        let (to_events, events) = mpsc::channel();
        thread::spawn(move || sort(lines, &to_replies, &to_events));
        Ok(Self { addr, process, requests, replies, early: HashMap::new(), events, last: 0 })
    }

    /// Asks and waits for the answer, which must be good.
    pub(crate) fn ask(&mut self, op: &str, arguments: Value) -> Result<Value, Failure> {
        let id = self.send(op, arguments)?;
        self.reply(id)
    }

    /// Sends a request, the answer to which is fetched by [`Self::reply`].
    pub(crate) fn send(&mut self, op: &str, mut arguments: Value) -> Result<RequestId, Failure> {
        self.last += 1;
        if let Value::Object(fields) = &mut arguments {
            fields.insert("id".to_owned(), self.last.into());
            fields.insert("op".to_owned(), op.into());
        }
        self.requests.write_all(format!("{arguments}\n").as_bytes())?;
        Ok(RequestId(self.last))
    }

    /// Waits for the answer to a request, which must be good.
    pub(crate) fn reply(&mut self, id: RequestId) -> Result<Value, Failure> {
        self.reply_and_time(id).map(|(reply, _)| reply)
    }

    /// As [`Self::reply`], and when it came.
    pub(crate) fn reply_and_time(&mut self, id: RequestId) -> Result<(Value, Instant), Failure> {
        let Event { at, fields } = self.any_reply(id)?;
        if is_ok(&fields) { Ok((fields, at)) } else { Err(self.process.explain(fields.to_string().into())) }
    }

    /// Asks for something that may not be there yet.
    pub(crate) fn has(&mut self, op: &str, arguments: Value) -> Result<bool, Failure> {
        let id = self.send(op, arguments)?;
        Ok(is_ok(&self.any_reply(id)?.fields))
    }

    /// Waits until the list in an answer has as many items.
    pub(crate) fn until_count(
        &mut self,
        op: &str,
        arguments: &Value,
        list: &str,
        count: usize,
    ) -> Result<(), Failure> {
        wait_for(&format!("{count} {list}"), || {
            let reply = self.ask(op, arguments.clone())?;
            Ok(reply
                .get(list)
                .and_then(Value::as_array)
                .is_some_and(|items| items.len() == count)
                .then_some(()))
        })
    }

    /// Waits for the next event.
    pub(crate) fn event(&mut self) -> Result<Event, Failure> {
        let event = self.events.recv_timeout(PATIENCE);
        event.map_err(|error| self.process.explain(silence("an event", error)))
    }

    /// What the process has used so far.
    pub(crate) fn usage(&self) -> Result<Usage, Failure> {
        Usage::of(self.process.child.id())
    }

    fn any_reply(&mut self, RequestId(id): RequestId) -> Result<Event, Failure> {
        loop {
            if let Some(reply) = self.early.remove(&id) {
                return Ok(reply);
            }
            let reply = self.replies.recv_timeout(PATIENCE);
            let reply = reply.map_err(|error| self.process.explain(silence("an answer", error)))?;
            let of = reply.fields.get("id").and_then(Value::as_u64);
            self.early.insert(of.ok_or_else(|| format!("whose reply is {}?", reply.fields))?, reply);
        }
    }
}

/// Looks again and again until there is something.
pub(crate) fn wait_for<T>(
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(found) = look()? {
            return Ok(found);
        }
        // What takes long is looked at more seldom: the look costs the node something too.
        thread::sleep(PAUSE.max(start.elapsed() / 50));
    }
    Err(format!("no {what} within {} s", PATIENCE.as_secs()).into())
}

struct Process {
    child: Child,
    /// Its log, and the socket of an agent.
    folder: TempDir,
}

impl Process {
    fn spawn(command: &mut Command, folder: TempDir) -> Result<Self, Failure> {
        let log = fs::File::create(folder.path().join("log"))?;
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn();
        let child = spawned.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        Ok(Self { child, folder })
    }

    /// The error and the end of the log.
    fn explain(&self, error: Failure) -> Failure {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(10).collect();
        let end: Vec<&str> = lines.into_iter().rev().collect();
        format!("{error}; the node's last words:\n{}", end.join("\n")).into()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start_agent(command: &mut Command, name: &str, addr: SocketAddr) -> Result<Process, Failure> {
    let folder = tempfile::tempdir()?;
    for (setting, _) in std::env::vars_os() {
        if setting.to_string_lossy().starts_with("NETWORKDB_") {
            command.env_remove(setting);
        }
    }
    command.args(["agent", "--name", name, "--bind", &addr.to_string(), "--socket"]).arg(socket(&folder));
    Process::spawn(command, folder)
}

fn start_peer(command: &mut Command, name: &str, addr: SocketAddr) -> Result<Process, Failure> {
    // Docker's own level; the peers' default tells more than a daemon would.
    command.args(["-name", name, "-addr", &addr.to_string(), "-log", "info"]);
    Process::spawn(command, tempfile::tempdir()?)
}

type Lines = Box<dyn Read + Send>;

fn connect(process: &mut Process, is_agent: bool) -> Result<(Box<dyn Write>, Lines), Failure> {
    if is_agent {
        let stream = wait_for("control socket", || {
            if let Some(status) = process.child.try_wait()? {
                return Err(format!("the agent has ended: {status}").into());
            }
            Ok(UnixStream::connect(socket(&process.folder)).ok())
        })?;
        return Ok((Box::new(stream.try_clone()?), Box::new(stream)));
    }
    let requests = process.child.stdin.take().ok_or("no way to speak to the peer")?;
    let lines = process.child.stdout.take().ok_or("no way to hear the peer")?;
    Ok((Box::new(requests), Box::new(lines)))
}

fn socket(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("agent.sock")
}

/// Replies have an id, events none. Ends with the process, or when nobody listens.
fn sort(lines: Lines, replies: &Sender<Event>, events: &Sender<Event>) {
    for line in BufReader::new(lines).lines().map_while(Result::ok) {
        let at = Instant::now();
        let Ok(fields) = serde_json::from_str::<Value>(&line) else { return };
        let heard = match fields.get("id") {
            Some(_) => replies.send(Event { at, fields }).is_ok(),
            None => events.send(Event { at, fields }).is_ok(),
        };
        if !heard {
            return;
        }
    }
}

fn is_ok(reply: &Value) -> bool {
    reply.get("ok").and_then(Value::as_bool) == Some(true)
}

fn silence(what: &str, error: RecvTimeoutError) -> Failure {
    match error {
        RecvTimeoutError::Timeout => format!("no {what} within {} s", PATIENCE.as_secs()).into(),
        RecvTimeoutError::Disconnected => "the node has ended".into(),
    }
}

/// A port of loopback free for UDP and TCP.
fn free_addr() -> Result<SocketAddr, Failure> {
    wait_for("free port", || {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = tcp.local_addr()?;
        Ok(UdpSocket::bind(addr).ok().map(|_| addr))
    })
}
