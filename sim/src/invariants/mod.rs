//! What must hold after every step. Each file holds one kind; all are incremental: they look at the node that ran.

mod caps;
mod clocks;
mod order;
mod rows;

use std::fmt;

use networkdb_core::{
    machine::Instant,
    networkdb::{Limits, NetworkDb, Stats},
};

use crate::{cluster::Node, faults::NodeId, process::Process, world::Sent};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one, in words.
    pub invariant: &'static str,
    /// Where.
    pub node: NodeId,
    /// What was found.
    pub found: String,
}

impl Violation {
    /// Of this invariant at this node.
    pub fn new(invariant: &'static str, node: NodeId, found: impl Into<String>) -> Self {
        Self { invariant, node, found: found.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "violated: {}; node {}: {}", self.invariant, self.node, self.found)
    }
}

impl std::error::Error for Violation {}

/// Why a node has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The network or the time.
    Network,
    /// Its user wrote a row.
    Write,
    /// Its user did something else.
    Command,
}

/// The state of all invariants of a cluster.
#[derive(Debug)]
pub(crate) struct Invariants {
    nodes: Vec<Seen>,
    history: rows::History,
    order: order::Order,
    limits: Limits,
    /// Some node could not read what another sent, for its keys.
    keys_differed: bool,
}

/// What was last seen of a node.
#[derive(Debug, Default)]
struct Seen {
    stats: Stats,
    rows: rows::SeenRows,
    incarnations: clocks::Incarnations,
    touched: u64,
}

impl Invariants {
    pub(crate) fn new(nodes: usize, limits: Limits) -> Self {
        let nodes = (0..nodes).map(|_| Seen::default()).collect();
        Self {
            nodes,
            history: rows::History::default(),
            order: order::Order::default(),
            limits,
            keys_differed: false,
        }
    }

    /// A node begins anew and knows nothing.
    pub(crate) fn started(&mut self, id: NodeId) {
        if let Some(seen) = self.nodes.get_mut(id) {
            *seen = Seen::default();
        }
        self.order.started(id);
    }

    pub(crate) fn keys_differed(&mut self) {
        self.keys_differed = true;
    }

    /// A node has run.
    pub(crate) fn after(
        &mut self,
        id: NodeId,
        db: &NetworkDb,
        node: &Node,
        process: &Process<NetworkDb>,
        (now, cause): (Instant, Cause),
    ) -> Result<(), Violation> {
        let Self { nodes, history, order, limits, keys_differed } = self;
        let Some(seen) = nodes.get_mut(id) else { return Ok(()) };
        let stats = db.stats();
        seen.touched += 1;
        caps::check(id, &stats, limits, process, *keys_differed)?;
        clocks::check(id, &seen.stats, &stats)?;
        if seen.touched.is_multiple_of(64) {
            seen.incarnations.check(id, db)?;
        }
        let anew = |stats: &Stats| stats.counters.conflicts + stats.counters.inherited;
        let may_write = cause != Cause::Network || anew(&stats) > anew(&seen.stats);
        if may_write || rows::may_differ(&seen.stats, &stats) {
            let reaped = stats.counters.reaped > seen.stats.counters.reaped;
            let check = rows::Check { id, db, node, now, may_write, reaped };
            let written = check.run(&mut seen.rows, history)?;
            if cause == Cause::Write {
                order.wrote(id, written);
            }
        }
        seen.stats = stats;
        Ok(())
    }

    /// Datagrams have left a node.
    pub(crate) fn sent(
        &mut self,
        id: NodeId,
        sent: &[Sent],
        db: &NetworkDb,
        node: &Node,
    ) -> Result<(), Violation> {
        let queued = self.nodes.get(id).map_or(0, |seen| seen.stats.own_queue);
        self.order.sent(id, sent, db, node, queued)
    }
}
