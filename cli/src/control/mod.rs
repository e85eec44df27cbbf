//! The agent's side of its Unix socket: connections, each with several requests under way.

mod line;
mod ops;

use std::sync::Arc;

use serde_json::Value;
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Notify, mpsc},
    task::JoinSet,
};

use crate::{
    keylog::KeyLog,
    protocol::{LINE, Op, Request, reply},
};
use networkdb_host::Node;

/// Lines a slow client may be behind; then whoever writes them waits.
const LINES: usize = 64;
/// Requests of one connection under way at once.
const REQUESTS: usize = 64;
/// Connections at once.
const CONNECTIONS: usize = 256;

/// The agent, as its connections see it.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) node: Node,
    pub(crate) key_log: KeyLog,
    /// Told when a client has made the node leave.
    pub(crate) left: Arc<Notify>,
}

/// A line for the client.
pub(super) enum Line {
    Text(String),
    /// The agent ends once this line is out.
    Last(String),
}

/// Serves clients until dropped.
pub(crate) async fn serve(listener: &UnixListener, agent: Agent) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => { connections.spawn(Connection::serve(stream, agent.clone())); }
                Err(error) => {
                    tracing::warn!("a client could not be accepted: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

struct Connection {
    agent: Agent,
    lines: mpsc::Sender<Line>,
    requests: JoinSet<()>,
    watches: JoinSet<()>,
}

impl Connection {
    async fn serve(stream: UnixStream, agent: Agent) {
        let (read, write) = stream.into_split();
        let (lines, outgoing) = mpsc::channel(LINES);
        let left = Arc::clone(&agent.left);
        let connection = Self { agent, lines, requests: JoinSet::new(), watches: JoinSet::new() };
        tokio::join!(connection.read(read), write_lines(write, outgoing, left));
    }

    /// Takes requests until the client has said all, and waits until all are answered.
    async fn read(mut self, read: OwnedReadHalf) {
        let mut read = BufReader::new(read);
        let mut buffer = Vec::new();
        loop {
            tokio::select! {
                next = line::read(&mut read, &mut buffer), if self.requests.len() < REQUESTS => {
                    match next {
                        Ok(true) => self.take(&buffer).await,
                        Ok(false) => break,
                        Err(line::TooLong) => {
                            let error = format!("a line is at most {LINE} bytes");
                            self.say(reply(Value::Null, Err(error))).await;
                            break;
                        }
                    }
                    buffer.clear();
                }
                Some(_) = self.requests.join_next() => {}
                () = self.lines.closed() => return,
            }
        }
        while self.requests.join_next().await.is_some() {}
    }

    async fn take(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        let Request { id, op } = Request::read(line);
        match op {
            Ok(Op::Watch(watch)) => {
                // The reply comes before the first change, and no change between them is missed.
                let mark = watch.mark;
                let changes = ops::watch(&self.agent.node, watch);
                self.say(reply(id, Ok(crate::protocol::nothing()))).await;
                self.watches.spawn(ops::tell_changes(changes, mark, self.lines.clone()));
            }
            Ok(op) if ops::waits(&op) => {
                let (agent, lines) = (self.agent.clone(), self.lines.clone());
                self.requests.spawn(async move {
                    let last = matches!(op, Op::Leave);
                    let text = reply(id, ops::run(&agent, op).await);
                    // The client may have gone.
                    let _ = lines.send(if last { Line::Last(text) } else { Line::Text(text) }).await;
                });
            }
            Ok(op) => {
                let result = ops::run(&self.agent, op).await;
                self.say(reply(id, result)).await;
            }
            Err(error) => self.say(reply(id, Err(error))).await,
        }
    }

    async fn say(&self, line: String) {
        // The client may have gone.
        let _ = self.lines.send(Line::Text(line)).await;
    }
}

async fn write_lines(mut write: OwnedWriteHalf, mut lines: mpsc::Receiver<Line>, left: Arc<Notify>) {
    while let Some(line) = lines.recv().await {
        let (mut text, last) = match line {
            Line::Text(text) => (text, false),
            Line::Last(text) => (text, true),
        };
        text.push('\n');
        let written = write.write_all(text.as_bytes()).await;
        if last {
            left.notify_one();
        }
        if written.is_err() {
            return;
        }
    }
}
