//! A row is created, and comes to all nodes.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    CREATES, NODES, SIZE,
    cluster::{self, table, table_with},
};
use crate::{
    Failure,
    node::Node,
    programs::{Kind, Programs},
    runs::Runs,
    table::Row,
};

pub(super) fn measure(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let spread = runs.each("spread", spread)?.map(|runs| runs.concat());
    Ok(vec![Row::new("one create until all nodes hold it", "ms", &spread, |time| time.as_secs_f64() * 1e3)])
}

fn spread(programs: &Programs, kind: Kind) -> Result<Vec<Duration>, Failure> {
    let nodes: Result<Vec<Node>, Failure> = (0..NODES).map(|i| cluster::node(programs, kind, i)).collect();
    let mut nodes = nodes?;
    cluster::meet(&mut nodes)?;
    for node in &mut nodes {
        node.ask("network_join", table())?;
    }
    for node in &mut nodes {
        node.until_count("peers", &table(), "peers", NODES)?;
        node.ask("watch", table())?;
    }
    let [writer, others @ ..] = nodes.as_mut_slice() else { return Err("no nodes".into()) };
    (0..CREATES).map(|i| create(writer, others, i)).collect()
}

fn create(writer: &mut Node, others: &mut [Node], i: u32) -> Result<Duration, Failure> {
    thread::sleep(pause(i));
    let key = format!("row-{i:06}");
    let row = table_with(json!({ "key": key, "value_hex": hex::encode(vec![i as u8; SIZE as usize]) }));
    let start = Instant::now();
    writer.ask("create", row)?;
    let mut last = start;
    for other in others {
        last = last.max(told(other, &key)?);
    }
    Ok(last - start)
}

/// When the node told of the row.
fn told(node: &mut Node, key: &str) -> Result<Instant, Failure> {
    loop {
        let event = node.event()?;
        if event.fields.get("key").and_then(Value::as_str) == Some(key) {
            return Ok(event.at);
        }
    }
}

/// 100 to 300 ms, so that creates meet all moments between two ticks of the gossip.
fn pause(i: u32) -> Duration {
    Duration::from_millis(100 + u64::from(i * 67 % 200))
}
