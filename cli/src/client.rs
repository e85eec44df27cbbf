//! The client's side of the agent's socket.

use std::{io, path::Path, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use crate::{
    failure::Failure,
    protocol::{Op, Request},
};

/// The longest time an agent may take to answer: joins and leaves have deadlines far below.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest line an agent may send: a whole table is one.
const REPLY: u64 = 1 << 30;

/// A connection to the agent.
#[derive(Debug)]
pub(crate) struct Client {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    last: u64,
}

impl Client {
    /// Connects to the agent at `socket`.
    pub(crate) async fn connect(socket: &Path) -> Result<Self, Failure> {
        let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(socket, &error))?;
        let (read, write) = stream.into_split();
        Ok(Self { read: BufReader::new(read), write, last: 0 })
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&mut self, op: &Op) -> Result<Value, Failure> {
        self.last += 1;
        let id = self.last;
        let mut line = Request::write(id, op).map_err(|error| Failure::usage(error.to_string()))?;
        line.push('\n');
        self.write.write_all(line.as_bytes()).await.map_err(|error| gone(&error))?;
        let answer = timeout(PATIENCE, self.answer(id)).await;
        let late =
            |_| Failure::Unreachable(format!("the agent gave no answer in {} seconds", PATIENCE.as_secs()));
        answer.map_err(late)?
    }

    /// The next line; `None` when the agent has ended.
    pub(crate) async fn line(&mut self) -> Result<Option<Value>, Failure> {
        let mut line = Vec::new();
        let count =
            (&mut self.read).take(REPLY).read_until(b'\n', &mut line).await.map_err(|error| gone(&error))?;
        if count == 0 {
            return Ok(None);
        }
        let wrong =
            |error| Failure::Unreachable(format!("what answers is no agent of this version: {error}"));
        serde_json::from_slice(&line).map(Some).map_err(wrong)
    }

    async fn answer(&mut self, id: u64) -> Result<Value, Failure> {
        loop {
            let Some(line) = self.line().await? else {
                return Err(Failure::Unreachable("the agent ended before it answered".to_owned()));
            };
            if line.get("id").and_then(Value::as_u64) != Some(id) {
                continue;
            }
            if line.get("ok").and_then(Value::as_bool) == Some(true) {
                return Ok(line);
            }
            let reason = line.get("error").and_then(Value::as_str).unwrap_or("the agent refused");
            return Err(Failure::agent(reason));
        }
    }
}

fn unreachable(socket: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "it belongs to another user",
        _ => "start one with `networkdb agent`, or name its socket with --socket",
    };
    Failure::Unreachable(format!("no agent answers on {}: {error}; {hint}", socket.display()))
}

fn gone(error: &io::Error) -> Failure {
    Failure::Unreachable(format!("the connection to the agent broke: {error}"))
}
