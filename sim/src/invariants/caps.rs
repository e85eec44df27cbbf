//! No decoder error between our own nodes, and everything under its cap.

use networkdb_core::networkdb::{Limits, NetworkDb, Stats};

use super::Violation;
use crate::{faults::NodeId, process::Process};

/// What memberlist drops though nobody sent anything wrong.
const HARMLESS: [&str; 6] = [
    "alive: name in use at another address",
    "indirect ping: too many at once",
    "ping for another node",
    "probe: answered by stream, but not by packet",
    "push/pull: failed",
    "stream: ended too early",
];

/// What it drops when keys differ.
const KEYS: [&str; 3] = ["packet: no key opens it", "stream: no key opens it", "stream: not sealed"];

/// Outputs a step may not exceed: a machine that asks to be woken in the past this often does so for ever.
const SPINS: u64 = 1_000;

pub(super) fn check(
    id: NodeId,
    stats: &Stats,
    limits: &Limits,
    process: &Process<NetworkDb>,
    keys_differed: bool,
) -> Result<(), Violation> {
    decoders(id, stats, keys_differed)?;
    for (what, len, cap) in [
        ("own network events", stats.network_queue, limits.cluster_queue),
        ("own node events", stats.node_queue, limits.cluster_queue),
        ("relayed rows", stats.relay_queue, limits.relay_queue.saturating_mul(stats.networks)),
        ("rows", stats.rows, limits.rows),
        ("bytes of rows", stats.row_bytes, limits.row_bytes),
        ("attachments", stats.attachments, limits.attachments),
        ("bulk syncs", stats.syncs, limits.syncs),
        ("changes to watch", stats.watch_queue, limits.watch_queue.saturating_mul(stats.watchers)),
        ("nodes", stats.active_nodes + stats.failed_nodes + stats.left_nodes, limits.nodes),
    ] {
        if len > cap {
            return Err(Violation::new(
                "everything is under its cap",
                id,
                format!("{what}: {len} above {cap}"),
            ));
        }
    }
    if process.spins() > SPINS {
        return Err(Violation::new("a machine that was woken has nothing due", id, "it asks again at once"));
    }
    Ok(())
}

fn decoders(id: NodeId, stats: &Stats, keys_differed: bool) -> Result<(), Violation> {
    let violated = |what: String| Err(Violation::new("nobody sends what another cannot read", id, what));
    let counters = &stats.counters;
    for (what, count) in [
        ("malformed", counters.malformed),
        ("of unknown kind", counters.unknown_kind),
        ("nested too deep", counters.too_deep),
        ("far ahead in time", counters.clock_jumps),
    ] {
        if count > 0 {
            return violated(format!("{count} messages {what}"));
        }
    }
    let harmless = |reason: &str| HARMLESS.contains(&reason) || (keys_differed && KEYS.contains(&reason));
    match stats.membership.dropped.keys().find(|reason| !harmless(reason)) {
        Some(reason) => violated((*reason).to_owned()),
        None => Ok(()),
    }
}
