//! What a server has counted. Names are those of Typha's metrics without the prefix `typha_`.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

/// Counters and gauges of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Connections accepted, those refused at once included.
    pub connections_accepted: u64,
    /// Connections dropped to rebalance or to drain.
    pub connections_dropped: u64,
    /// Connections there are.
    pub connections_active: usize,
    /// Ended connections by [`Reason::name`](super::Reason::name).
    pub closed: BTreeMap<&'static str, u64>,
    /// Events that nobody took and that were left out.
    pub events_dropped: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes handed over to the host.
    pub bytes_out: u64,
    /// By syncer type.
    pub syncers: BTreeMap<Box<str>, SyncerStats>,
}

/// Counters and gauges of one syncer type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SyncerStats {
    /// Connections whose snapshot is sent.
    pub connections_streaming: usize,
    /// Connections that were behind for too long and went on in their grace period.
    pub connections_grace_used: u64,
    /// Snapshots begun for new clients.
    pub snapshots_generated: u64,
    /// Clients that were given a snapshot which others had been given.
    pub snapshots_reused: u64,
    /// Bytes of the snapshot last sent, as encoded.
    pub snapshot_raw_bytes: u64,
    /// The same as sent.
    pub snapshot_compressed_bytes: u64,
    /// From the beginning of a snapshot until it is handed over.
    pub client_snapshot_send: Summary,
    /// From the publication of a crumb until it is handed over.
    pub client_latency: Summary,
    /// From the first byte handed over until the host has sent all there was.
    pub client_write_latency: Summary,
    /// How long a client without anything to send waited for a crumb.
    pub next_breadcrumb_latency: Summary,
    /// From a ping to its pong.
    pub ping_latency: Summary,
    /// Messages with updates that were sent.
    pub messages: u64,
    /// Updates in them: `kvs_per_msg` is the quotient.
    pub kvs: u64,
    /// Crumbs, or some joined, that a client took when it was behind.
    pub breadcrumb_non_block: u64,
    /// Crumbs that a client had waited for.
    pub breadcrumb_block: u64,
    /// The newest crumb that clients may have.
    pub breadcrumb_seq_number: u64,
    /// Updates that were left out for a client because newer ones of the same key followed.
    pub conflated: u64,
}

/// How often something was measured, and the sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How often.
    pub count: u64,
    /// All of it.
    pub sum: Duration,
}

impl Stats {
    /// Takes in those of another server that has a part of the connections.
    pub fn merge(&mut self, other: &Self) {
        self.connections_accepted += other.connections_accepted;
        self.connections_dropped += other.connections_dropped;
        self.connections_active += other.connections_active;
        self.events_dropped += other.events_dropped;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        for (reason, count) in &other.closed {
            *self.closed.entry(reason).or_default() += count;
        }
        for (syncer_type, stats) in &other.syncers {
            self.syncers.entry(syncer_type.clone()).or_default().merge(stats);
        }
    }
}

impl SyncerStats {
    fn merge(&mut self, other: &Self) {
        self.connections_streaming += other.connections_streaming;
        self.connections_grace_used += other.connections_grace_used;
        self.snapshots_generated += other.snapshots_generated;
        self.snapshots_reused += other.snapshots_reused;
        self.snapshot_raw_bytes = self.snapshot_raw_bytes.max(other.snapshot_raw_bytes);
        self.snapshot_compressed_bytes = self.snapshot_compressed_bytes.max(other.snapshot_compressed_bytes);
        self.client_snapshot_send.merge(other.client_snapshot_send);
        self.client_latency.merge(other.client_latency);
        self.client_write_latency.merge(other.client_write_latency);
        self.next_breadcrumb_latency.merge(other.next_breadcrumb_latency);
        self.ping_latency.merge(other.ping_latency);
        self.messages += other.messages;
        self.kvs += other.kvs;
        self.breadcrumb_non_block += other.breadcrumb_non_block;
        self.breadcrumb_block += other.breadcrumb_block;
        self.breadcrumb_seq_number = self.breadcrumb_seq_number.max(other.breadcrumb_seq_number);
        self.conflated += other.conflated;
    }
}

impl Summary {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
    }

    pub(super) fn add(&mut self, measured: Duration) {
        self.count += 1;
        self.sum = self.sum.saturating_add(measured);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_what_is_known_of_the_whole_does_not() {
        let part = |connections, sequence| {
            let syncer = SyncerStats { kvs: 7, breadcrumb_seq_number: sequence, ..SyncerStats::default() };
            Stats {
                connections_active: connections,
                closed: [("finished", 1)].into(),
                syncers: [("felix".into(), syncer)].into(),
                ..Stats::default()
            }
        };
        let mut all = part(2, 5);
        all.merge(&part(3, 4));
        let felix = &all.syncers["felix"];
        assert_eq!((all.connections_active, all.closed["finished"]), (5, 2));
        assert_eq!((felix.kvs, felix.breadcrumb_seq_number), (14, 5));
    }
}
