//! A cluster in which nothing happens.

use std::{fs, thread, time::Duration};

use super::{cluster, flood::processor};
use crate::{
    Failure,
    programs::{Kind, Programs},
    runs::Runs,
    table::Row,
};

const NODES: usize = 30;
/// Until all that was said about the joining is over.
const SETTLING: Duration = Duration::from_secs(10);
/// How long it is looked at: two bulk syncs and two push/pulls.
const TIME: Duration = Duration::from_secs(60);

/// What one node uses in a second.
struct Idle {
    processor: Duration,
    bytes: f64,
    packets: f64,
}

pub(super) fn measure(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let once = Runs { count: 1, ..*runs };
    let alike = once.each("idle", |programs, kind| idle(programs, &[kind; NODES]))?;
    let mixed = once.each("idle, mixed", |programs, kind| {
        let kinds: Vec<Kind> = [Kind::Ours, kind].into_iter().cycle().take(NODES).collect();
        idle(programs, &kinds)
    })?;
    Ok(vec![
        Row::new("idle, 30 nodes, of each: CPU", "%", &alike, |idle| idle.processor.as_secs_f64() * 100.0),
        Row::new("idle, 30 nodes, of each: sent", "bytes/s", &alike, |idle| idle.bytes),
        Row::new("idle, 30 nodes, of each: sent", "packets/s", &alike, |idle| idle.packets),
        Row::new("idle, 15 of ours and 15 of these, of each: sent", "packets/s", &mixed, |idle| idle.packets),
    ])
}

fn idle(programs: &Programs, kinds: &[Kind]) -> Result<Idle, Failure> {
    let nodes = cluster::assembled(programs, kinds)?;
    thread::sleep(SETTLING);
    let before = (processor(&nodes)?, loopback()?);
    thread::sleep(TIME);
    let after = (processor(&nodes)?, loopback()?);
    let per_node = |figure: u64| figure as f64 / NODES as f64 / TIME.as_secs_f64();
    Ok(Idle {
        processor: (after.0.saturating_sub(before.0)) / NODES as u32 / TIME.as_secs() as u32,
        bytes: per_node(after.1.0 - before.1.0),
        packets: per_node(after.1.1 - before.1.1),
    })
}

/// Bytes and packets that have gone over loopback, headers and streams included.
fn loopback() -> Result<(u64, u64), Failure> {
    let counted = fs::read_to_string("/proc/net/dev")?;
    let line =
        counted.lines().find_map(|line| line.trim().strip_prefix("lo:")).ok_or("there is no loopback")?;
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    match numbers.as_slice() {
        [bytes, packets, ..] => Ok((*bytes, *packets)),
        _ => Err("the kernel does not count what goes over loopback".into()),
    }
}
