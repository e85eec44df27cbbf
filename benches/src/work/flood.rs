//! One node writes many rows as fast as it can, and they come to all.

use std::time::{Duration, Instant};

use super::{FLOODS, cluster};
use crate::{Failure, node::Node, programs::Kind, runs::Runs, table::Row};

/// Nodes that are to hold the rows, the writer included.
const NODES: usize = 3;

struct Flood {
    writing: Duration,
    /// Until all nodes hold all rows.
    all: Duration,
    processor: Duration,
}

pub(super) fn measure(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for count in FLOODS {
        let floods = runs.each(&format!("{count} rows"), |programs, kind| {
            flood(cluster::assembled(programs, &[kind; NODES])?, count)
        })?;
        let what = |what: &str| format!("{count} rows, 3 nodes: {what}");
        rows.push(Row::new(what("until all hold them"), "s", &floods, |flood| flood.all.as_secs_f64()));
        rows.push(Row::new(what("of which writing"), "s", &floods, |flood| flood.writing.as_secs_f64()));
        rows.push(Row::new(what("CPU of all nodes"), "s", &floods, |flood| flood.processor.as_secs_f64()));
    }
    Ok(rows)
}

/// A node of the kind among two of ours, one of which writes; for ours, all three are.
pub(super) fn mixed(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let [count, ..] = FLOODS;
    let floods = runs.each("mixed", |programs, kind| {
        flood(cluster::assembled(programs, &[Kind::Ours, kind, Kind::Ours])?, count)
    })?;
    let what = format!("{count} rows written on ours, one of 3 nodes is this");
    Ok(vec![Row::new(what, "s", &floods, |flood| flood.all.as_secs_f64())])
}

fn flood(mut nodes: Vec<Node>, count: u32) -> Result<Flood, Failure> {
    let before = processor(&nodes)?;
    let start = Instant::now();
    let [writer, others @ ..] = nodes.as_mut_slice() else { return Err("no nodes".into()) };
    let writing = cluster::load(writer, count)?;
    let wanted = cluster::digest(writer)?;
    others.iter_mut().try_for_each(|other| cluster::until_equal(other, count, &wanted))?;
    Ok(Flood { writing, all: start.elapsed(), processor: processor(&nodes)?.saturating_sub(before) })
}

pub(super) fn processor(nodes: &[Node]) -> Result<Duration, Failure> {
    nodes.iter().map(|node| Ok(node.usage()?.processor)).sum()
}
