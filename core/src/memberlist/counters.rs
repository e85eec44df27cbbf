//! What a memberlist counts.

use std::collections::BTreeMap;

/// Counts since the start; they only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets received.
    pub packets_in: u64,
    /// Bytes of packets received.
    pub bytes_in: u64,
    /// Packets sent.
    pub packets_out: u64,
    /// Bytes of packets sent.
    pub bytes_out: u64,
    /// Streams accepted.
    pub streams_in: u64,
    /// Streams opened.
    pub streams_out: u64,
    /// Probes answered.
    pub probes_answered: u64,
    /// Probes that ended in a suspicion.
    pub probes_failed: u64,
    /// Accusations of this node it refuted.
    pub refutations: u64,
    /// Input dropped, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// Counts one dropped input.
    pub fn drop(&mut self, reason: &'static str) {
        *self.dropped.entry(reason).or_default() += 1;
    }
}
