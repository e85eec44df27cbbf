//! A node joins a network whose rows are already there.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    ROWS, SIZE,
    cluster::{self, table, table_with},
};
use crate::{
    Failure,
    node::{Node, wait_for},
    programs::{Kind, Programs},
    runs::Runs,
    table::Row,
};

struct LateJoin {
    time: Duration,
    processor: Duration,
    /// By which the joiner has grown.
    joiner_memory: u64,
    /// By which the writer grew before.
    writer_memory: u64,
}

/// The state of things at one moment.
struct Moment {
    at: Instant,
    processor: Duration,
    joiner_memory: u64,
}

impl Moment {
    fn now(writer: &Node, joiner: &Node) -> Result<Self, Failure> {
        let at = Instant::now();
        let (writer, joiner) = (writer.usage()?, joiner.usage()?);
        Ok(Self { at, processor: writer.processor + joiner.processor, joiner_memory: joiner.memory })
    }
}

pub(super) fn measure(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let joins = runs.each("late-join", late_join)?;
    let per_row = |bytes: u64| bytes as f64 / f64::from(ROWS);
    Ok(vec![
        Row::new("late joiner holds all rows", "ms", &joins, |join| join.time.as_secs_f64() * 1e3),
        Row::new("CPU of a late join, all nodes", "s", &joins, |join| join.processor.as_secs_f64()),
        Row::new("memory per row, late joiner", "bytes", &joins, |join| per_row(join.joiner_memory)),
        Row::new("memory per row, writer with its queue", "bytes", &joins, |join| {
            per_row(join.writer_memory)
        }),
    ])
}

fn late_join(programs: &Programs, kind: Kind) -> Result<LateJoin, Failure> {
    let mut writer = cluster::node(programs, kind, 0)?;
    let writer_memory = load(&mut writer)?;
    let wanted = digest(&mut writer)?;
    // The joiner is told of the writer's network as it joins the cluster; gossip might tell it too late.
    let mut nodes = [writer, cluster::node(programs, kind, 1)?];
    cluster::meet(&mut nodes)?;
    let [writer, mut joiner] = nodes;
    let before = Moment::now(&writer, &joiner)?;
    let request = joiner.send("network_join", table())?;
    let after = wait_for("equal tables", || {
        if !joiner.has("get", last_row())? {
            return Ok(None);
        }
        // Parts of a sync may come in any order, so only the digest tells; the time it takes counts for all alike.
        let equal = digest(&mut joiner)? == wanted;
        equal.then(|| Moment::now(&writer, &joiner)).transpose()
    })?;
    joiner.reply(request)?;
    Ok(LateJoin {
        time: after.at - before.at,
        processor: after.processor.saturating_sub(before.processor),
        joiner_memory: after.joiner_memory.saturating_sub(before.joiner_memory),
        writer_memory,
    })
}

/// Writes all rows; returns the bytes the node has grown by.
fn load(writer: &mut Node) -> Result<u64, Failure> {
    writer.ask("network_join", table())?;
    let before = writer.usage()?.memory;
    writer.ask("load", table_with(json!({ "prefix": "row-", "count": ROWS, "size": SIZE })))?;
    Ok(writer.usage()?.memory.saturating_sub(before))
}

fn last_row() -> Value {
    table_with(json!({ "key": format!("row-{:06}", ROWS - 1) }))
}

fn digest(node: &mut Node) -> Result<Value, Failure> {
    let reply = node.ask("digest", table())?;
    let digest = json!([reply.get("count"), reply.get("sha256")]);
    Ok(digest)
}
