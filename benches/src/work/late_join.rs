//! A node joins a network whose rows are already there.

use std::time::{Duration, Instant};

use super::{
    FLOODS,
    cluster::{self, table},
};
use crate::{
    Failure,
    programs::{Kind, Programs},
    runs::Runs,
    table::Row,
};

struct LateJoin {
    /// Until the call returned.
    call: Duration,
    /// Until all rows were there.
    time: Duration,
    processor: Duration,
    /// By which the joiner has grown.
    joiner_memory: u64,
    /// By which the writer grew before.
    writer_memory: u64,
}

pub(super) fn measure(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for count in FLOODS {
        let joins = runs
            .each(&format!("late join, {count} rows"), |programs, kind| late_join(programs, kind, count))?;
        let what = |what: &str| format!("late join, {count} rows: {what}");
        let per_row = |bytes: u64| bytes as f64 / f64::from(count);
        rows.push(Row::new(what("until all are there"), "ms", &joins, |join| join.time.as_secs_f64() * 1e3));
        rows.push(Row::new(what("until the call returns"), "ms", &joins, |join| {
            join.call.as_secs_f64() * 1e3
        }));
        rows.push(Row::new(what("CPU of both nodes"), "s", &joins, |join| join.processor.as_secs_f64()));
        rows.push(Row::new(what("memory per row, joiner"), "bytes", &joins, |join| {
            per_row(join.joiner_memory)
        }));
        rows.push(Row::new(what("memory per row, writer"), "bytes", &joins, |join| {
            per_row(join.writer_memory)
        }));
    }
    Ok(rows)
}

fn late_join(programs: &Programs, kind: Kind, rows: u32) -> Result<LateJoin, Failure> {
    let mut writer = cluster::node(programs, kind, 0)?;
    writer.ask("network_join", table())?;
    let empty = writer.usage()?.memory;
    cluster::load(&mut writer, rows)?;
    let writer_memory = writer.usage()?.memory.saturating_sub(empty);
    let wanted = cluster::digest(&mut writer)?;
    // The joiner is told of the writer's network as it joins the cluster; gossip might tell it too late.
    let mut nodes = vec![writer, cluster::node(programs, kind, 1)?];
    cluster::meet(&mut nodes)?;
    let processor = super::flood::processor(&nodes)?;
    let [_, joiner] = nodes.as_mut_slice() else { return Err("no joiner".into()) };
    let empty = joiner.usage()?.memory;
    let start = Instant::now();
    let request = joiner.send("network_join", table())?;
    cluster::until_equal(joiner, rows, &wanted)?;
    let time = start.elapsed();
    let (_, returned) = joiner.reply_and_time(request)?;
    let call = returned.saturating_duration_since(start);
    let joiner_memory = joiner.usage()?.memory.saturating_sub(empty);
    let processor = super::flood::processor(&nodes)?.saturating_sub(processor);
    Ok(LateJoin { call, time, processor, joiner_memory, writer_memory })
}
