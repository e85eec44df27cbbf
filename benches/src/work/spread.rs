//! A row is created, and comes to all nodes.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    CREATES, SIZE, SPREADS,
    cluster::{self, table, table_with},
};
use crate::{
    Failure,
    node::Node,
    programs::{Kind, Programs},
    runs::Runs,
    table::Row,
};

/// Until all that was said about the joining is over.
const SETTLING: Duration = Duration::from_secs(2);

pub(super) fn measure(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for count in SPREADS {
        let work = format!("one create until {count} nodes hold it");
        let spread =
            runs.each(&work, |programs, kind| spread(programs, kind, count))?.map(|runs| runs.concat());
        rows.push(Row::new(work, "ms", &spread, |time| time.as_secs_f64() * 1e3));
    }
    Ok(rows)
}

fn spread(programs: &Programs, kind: Kind, count: usize) -> Result<Vec<Duration>, Failure> {
    let mut nodes = cluster::assembled(programs, &vec![kind; count])?;
    for node in &mut nodes {
        node.ask("watch", table())?;
    }
    thread::sleep(SETTLING);
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
