//! Servers and clients in processes of their own.

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    Failure,
    node::{Node, wait_for},
    programs::{Kind, Programs, finish},
};

/// How a snapshot is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Snappy,
}

/// A server with its keys and values in it; `kind` is whose.
pub(super) fn server(programs: &Programs, kind: Kind, kvs: u32) -> Result<Node, Failure> {
    let mut server = Node::speaking(None, |addr| {
        let mut command = match kind {
            Kind::Ours => Command::new(programs.own()),
            Kind::Older | Kind::Newer => Command::new(programs.gob()),
        };
        match kind {
            Kind::Ours => command.arg("sync-server"),
            Kind::Older => command.args(["server", "--quiet", "--generation", "3.2.5"]),
            Kind::Newer => command.args(["server", "--quiet", "--generation", "today"]),
        };
        command.args(["--listen", &addr.to_string(), "--kvs", &kvs.to_string()]);
        command
    })?;
    server.event()?;
    Ok(server)
}

/// A server's snapshot, as a client found it.
#[derive(Debug)]
pub(super) struct Probe {
    /// As far as all of its updates.
    bytes: u64,
    /// Of the keys and values.
    pub(super) digest: Value,
}

/// Reads the snapshot of this very server: in snappy its length is not the same for each.
pub(super) fn probe(programs: &Programs, server: &Node, kind: Kind, form: Form) -> Result<Probe, Failure> {
    let mut client = client(programs, server.addr, kind, form);
    let told = finish(client.args(["--quiet", "--once", "--until-synced"]).stdin(Stdio::null()))?;
    let line = told.lines().next().ok_or("the client told nothing")?;
    let end: Value = serde_json::from_str(line)?;
    let bytes = match form {
        Form::Plain => figure(&end, "bytes")?,
        Form::Snappy => figure(&end, "restart_bytes")?,
    };
    let digest = end.get("digest").cloned().ok_or("the client holds nothing")?;
    // The numbers of connections are not all of one length, and the status is not of the snapshot.
    Ok(Probe { bytes: bytes as u64 - 64, digest })
}

/// Clients which take all they are sent and do nothing with it. Without a probe a pause tells them that they have the
/// snapshot.
pub(super) fn draining(
    programs: &Programs,
    server: &Node,
    kind: Kind,
    (form, probe): (Form, Option<&Probe>),
    count: usize,
) -> Result<Node, Failure> {
    Node::speaking(Some(server.addr), |addr| {
        let mut command = client(programs, addr, kind, form);
        command.args(["--drain", "--quiet", "--clients", &count.to_string(), "--read-timeout", "120s"]);
        match probe {
            Some(probe) => command.args(["--until-bytes", &probe.bytes.to_string()]),
            None => command.args(["--quiet-after", "1s"]),
        };
        command
    })
}

/// Clients which decode what they are sent and tell of it.
pub(super) fn telling(programs: &Programs, server: &Node, kind: Kind, count: usize) -> Result<Node, Failure> {
    Node::speaking(Some(server.addr), |addr| {
        let mut command = client(programs, addr, kind, default_form(kind));
        command.args(["--clients", &count.to_string(), "--state=false"]);
        command
    })
}

/// A client which decodes what it is sent and counts it.
pub(super) fn counting(programs: &Programs, server: &Node, kind: Kind) -> Result<Node, Failure> {
    Node::speaking(Some(server.addr), |addr| {
        let mut command = client(programs, addr, kind, default_form(kind));
        command.args(["--quiet", "--state=false"]);
        command
    })
}

/// How clients of this kind's time are sent the snapshot.
pub(super) fn default_form(kind: Kind) -> Form {
    if kind == Kind::Older { Form::Plain } else { Form::Snappy }
}

/// Waits until all clients have their snapshot; returns how long the last took.
pub(super) fn until_drained(clients: &mut Node, count: usize) -> Result<Duration, Failure> {
    wait_for("snapshots", || {
        let told = total(clients)?;
        if figure(&told, "synced")? < count as f64 {
            return Ok(None);
        }
        Ok(Some(Duration::from_secs_f64(figure(&told, "last_synced_ms")? / 1e3)))
    })
}

/// What the clients have counted.
pub(super) fn total(clients: &mut Node) -> Result<Value, Failure> {
    clients.ask("report", json!({ "report": true }))
}

pub(super) fn figure(told: &Value, name: &str) -> Result<f64, Failure> {
    told.get(name).and_then(Value::as_f64).ok_or_else(|| format!("{name} is missing in {told}").into())
}

fn client(programs: &Programs, addr: SocketAddr, kind: Kind, form: Form) -> Command {
    let mut command = Command::new(programs.gob());
    let generation = if kind == Kind::Older { "3.2.5" } else { "today" };
    command.args(["client", "--generation", generation, "--addr", &addr.to_string()]);
    if form == Form::Plain {
        command.arg("--restart=false");
    }
    command
}
