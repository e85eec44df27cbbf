//! Figures, as plain data.

use serde::Serialize;

use crate::memberlist;

/// What happened so far. All only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Messages that could not be read.
    pub malformed: u64,
    /// Messages and events of a kind no peer sends.
    pub unknown_kind: u64,
    /// Messages whose time was too far ahead.
    pub clock_jumps: u64,
    /// Compounds nested too deep.
    pub too_deep: u64,
    /// Events about nodes this node does not know.
    pub unknown_node: u64,
    /// Table events taken.
    pub table_events: u64,
    /// Table events not newer than what is known.
    pub stale: u64,
    /// Own rows written anew: of two of one time the larger, and what is true where others hold a row of an
    /// earlier life.
    pub conflicts: u64,
    /// Own rows of an earlier life that others brought back.
    pub inherited: u64,
    /// Node records refused for [`super::Limits::nodes`].
    pub nodes_dropped: u64,
    /// Attachments refused for [`super::Limits::attachments`].
    pub attachments_dropped: u64,
    /// Rows refused for [`super::Limits::rows`] or [`super::Limits::row_bytes`].
    pub rows_dropped: u64,
    /// Events not relayed for [`super::Limits::relay_queue`] or [`super::Limits::bulk_relay`].
    pub relays_dropped: u64,
    /// Events about nodes and networks not relayed for [`super::Limits::cluster_queue`].
    pub cluster_dropped: u64,
    /// Attachments not told in a push/pull for [`super::Limits::push_pull`].
    pub push_pull_dropped: u64,
    /// Bulk syncs not sent for [`super::Limits::syncs`].
    pub syncs_dropped: u64,
    /// Bulk syncs sent, answers included.
    pub syncs_sent: u64,
    /// Bulk syncs received.
    pub syncs_received: u64,
    /// Bulk syncs that were not answered in time.
    pub syncs_timed_out: u64,
    /// Bulk syncs that could not be sent.
    pub syncs_failed: u64,
    /// Packets of table gossip.
    pub gossip_packets: u64,
    /// Events sent by stream because there were too many for packets.
    pub drained: u64,
    /// Events too long for a packet, sent by stream.
    pub oversize: u64,
    /// Tombstones and hidden rows forgotten.
    pub reaped: u64,
    /// News the user did not take.
    pub events_dropped: u64,
}

/// How things are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// What happened so far.
    pub counters: Counters,
    /// Active nodes, this one included.
    pub active_nodes: usize,
    /// Failed nodes.
    pub failed_nodes: usize,
    /// Nodes that left and are remembered.
    pub left_nodes: usize,
    /// Networks this node takes part in or is leaving.
    pub networks: usize,
    /// Attachments of other nodes.
    pub attachments: usize,
    /// Rows and tombstones.
    pub rows: usize,
    /// Tombstones.
    pub tombstones: usize,
    /// Bytes of names and values of all rows.
    pub row_bytes: usize,
    /// The network clock.
    pub network_clock: u64,
    /// The table clock.
    pub table_clock: u64,
    /// Network events queued.
    pub network_queue: usize,
    /// Node events queued.
    pub node_queue: usize,
    /// Own table events queued.
    pub own_queue: usize,
    /// Relayed table events queued.
    pub relay_queue: usize,
    /// Bulk syncs being sent or waited for.
    pub syncs: usize,
    /// Watchers.
    pub watchers: usize,
    /// Events the user has not taken.
    pub events: usize,
    /// Nodes whose question for a bulk sync waits for the news of them.
    pub unanswered: usize,
    /// Changes queued for watchers.
    pub watch_queue: usize,
    /// Times a watcher lagged behind and started over.
    pub watchers_lagged: u64,
    /// Keys installed.
    pub keys: usize,
    /// memberlist's health score; 0 is well.
    pub health: u32,
    /// What memberlist counts: packets, probes, and input dropped by reason.
    pub membership: memberlist::Counters,
    /// What memberlist holds.
    pub membership_gauges: memberlist::Gauges,
}
