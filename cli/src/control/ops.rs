//! What each operation does.

use std::time::Instant;

use futures::{FutureExt, Stream, StreamExt};
use networkdb_core::{
    Name,
    networkdb::{Change, EntryKey, Filter, RowState},
};
use networkdb_host::Node;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Agent, Line};
use crate::{
    digest::{self, TableSum},
    input, metrics,
    protocol::{self, Key, Op, Table, Watch, Write, nothing},
    row,
};

/// The mark in a watch.
const CAUGHT_UP: &str = r#"{"event":"caught_up"}"#;

type Outcome = Result<Value, String>;

/// Whether the operation may take long, and later ones may overtake it.
pub(super) fn waits(op: &Op) -> bool {
    matches!(op, Op::Join { .. } | Op::Leave | Op::NetworkJoin { .. } | Op::Load(_))
}

/// Does it, and says what came of it.
pub(super) async fn run(agent: &Agent, op: Op) -> Outcome {
    let node = &agent.node;
    match op {
        Op::Join { members } => join(node, &members).await,
        Op::Leave => done(node.leave().await),
        Op::NetworkJoin { network } => node
            .join_network(network.as_bytes())
            .await
            .map(|synced| json!({ "synced": synced }))
            .map_err(text),
        Op::NetworkLeave { network } => done(node.leave_network(network.as_bytes()).await),
        Op::Create(write) => {
            let (key, value) = entry(write)?;
            done(node.create_entry(&key, value).await)
        }
        Op::Update(write) => {
            let (key, value) = entry(write)?;
            done(node.update_entry(&key, value).await)
        }
        Op::Put(write) => {
            let (key, value) = entry(write)?;
            done(node.put_entry(&key, value).await)
        }
        Op::Delete(key) => done(node.delete_entry(&entry_key(key)).await),
        Op::Get(key) => node.get_entry(&entry_key(key)).await.map(|found| row::row(&found)).map_err(text),
        Op::Load(load) => self::load(node, &load).await,
        Op::KeyAdd { key_hex } => {
            let key = key(&key_hex)?;
            let added = done(node.add_key(key.as_bytes()));
            if added.is_ok() {
                agent.key_log.append(&key);
            }
            added
        }
        Op::KeyUse { key_hex } => done(node.use_key(key(&key_hex)?.as_bytes())),
        Op::KeyRemove { key_hex } => done(node.remove_key(key(&key_hex)?.as_bytes())),
        // Watches are begun by their connection.
        Op::Watch(_) => Ok(nothing()),
        question => Ok(answer(node, &question)),
    }
}

/// Questions: nothing is changed by them.
fn answer(node: &Node, question: &Op) -> Value {
    match question {
        Op::Members => json!({ "members": node.members().iter().map(row::member).collect::<Vec<_>>() }),
        Op::Networks => json!({ "networks": node.networks().iter().map(row::network).collect::<Vec<_>>() }),
        Op::Peers { network } => peers(node, network),
        Op::List { of, all } => list(node, of, *all),
        Op::Digest(of) => {
            let TableSum { count, sha256, digest } = digest::table_sum(node, &of.network, &of.table);
            json!({ "count": count, "sha256": sha256, "digest": digest::hex(digest) })
        }
        Op::Stats => Value::Object(metrics::values(node).into_iter().collect()),
        _ => nothing(),
    }
}

/// A watch that has begun.
pub(super) fn watch(node: &Node, watch: Watch) -> impl Stream<Item = Change> + Send + Unpin + use<> {
    let name = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Name::from);
    node.watch(Filter { network: name(watch.network), table: name(watch.table), own: watch.own })
}

/// Tells changes for as long as somebody listens. A slow listener holds the watch up, which bounds what it keeps.
/// With a `mark` it says once that none was waiting: those already there have all been told.
pub(super) async fn tell_changes(
    mut changes: impl Stream<Item = Change> + Unpin,
    mut mark: bool,
    lines: mpsc::Sender<Line>,
) {
    loop {
        let change = if let Some(change) = changes.next().now_or_never() {
            change
        } else {
            if std::mem::take(&mut mark) && lines.send(Line::Text(CAUGHT_UP.to_owned())).await.is_err() {
                return;
            }
            changes.next().await
        };
        let Some(change) = change else { return };
        if lines.send(Line::Text(row::change(&change).to_string())).await.is_err() {
            return;
        }
    }
}

async fn join(node: &Node, members: &[String]) -> Outcome {
    let seeds = members.iter().map(|text| input::parse_endpoint(text)).collect::<Result<Vec<_>, _>>()?;
    let report = node.join(seeds).await.map_err(text)?;
    let reached: Vec<_> = report.reached.iter().map(ToString::to_string).collect();
    let failed: Vec<_> = report
        .failed
        .iter()
        .map(|(at, why)| json!({ "member": at.to_string(), "error": why.to_string() }))
        .collect();
    Ok(json!({ "reached": reached, "failed": failed }))
}

async fn load(node: &Node, load: &protocol::Load) -> Outcome {
    let begun = Instant::now();
    digest::load(node, load).await.map_err(text)?;
    let elapsed = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(json!({ "count": load.count, "elapsed_ms": elapsed }))
}

fn peers(node: &Node, network: &str) -> Value {
    let peers = node.peers(network.as_bytes());
    let addrs: serde_json::Map<_, _> = peers
        .iter()
        .map(|peer| (peer.name.to_string(), peer.addr.map_or(Value::Null, |addr| addr.to_string().into())))
        .collect();
    json!({ "peers": peers.iter().map(|peer| peer.name.to_string()).collect::<Vec<_>>(), "addrs": addrs })
}

fn list(node: &Node, of: &Table, all: bool) -> Value {
    let rows = node.rows(&digest::filter(&of.network, &of.table));
    let shown = rows.iter().filter(|row| all || row.state == RowState::Live).map(row::row);
    json!({ "rows": shown.collect::<Vec<_>>() })
}

fn entry(write: Write) -> Result<(EntryKey, Vec<u8>), String> {
    let value = hex::decode(&write.value_hex).map_err(|error| format!("value_hex is not hex: {error}"))?;
    Ok((entry_key(write.key), value))
}

fn entry_key(key: Key) -> EntryKey {
    EntryKey::new(key.network, key.table, key.key)
}

fn key(text: &str) -> Result<input::Key, String> {
    text.parse()
}

fn done<E: std::fmt::Display>(result: Result<(), E>) -> Outcome {
    result.map(|()| nothing()).map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
