//! What a memberlist counts.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Serialize;

/// Addresses that [`Undecryptable`] tells apart.
pub const MAX_UNDECRYPTABLE: usize = 1024;

/// Counts since the start; they only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
    /// Input that no key of this node opens: whoever sends it has missed a rotation, or is a stranger.
    pub undecryptable: Undecryptable,
}

impl Counters {
    /// Counts one dropped input.
    pub fn drop(&mut self, reason: &'static str) {
        *self.dropped.entry(reason).or_default() += 1;
    }
}

/// Packets and streams that no key opens, by the address they came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Undecryptable {
    /// By address, at most [`MAX_UNDECRYPTABLE`] of them.
    pub by_peer: BTreeMap<IpAddr, u64>,
    /// Those of addresses that had to give way.
    pub others: u64,
}

impl Undecryptable {
    /// Counts one. The address with the fewest gives way to a new one: forged addresses displace each other, and
    /// not a peer that keeps on sending.
    pub fn count(&mut self, from: IpAddr) {
        let from = from.to_canonical();
        if self.by_peer.len() >= MAX_UNDECRYPTABLE && !self.by_peer.contains_key(&from) {
            let fewest = self.by_peer.iter().min_by_key(|(_, count)| **count).map(|(peer, _)| *peer);
            self.others += fewest.and_then(|peer| self.by_peer.remove(&peer)).unwrap_or_default();
        }
        *self.by_peer.entry(from).or_default() += 1;
    }
}

/// What is held at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Gauges {
    /// Members known, this node and those gone included; at most [`super::MAX_MEMBERS`].
    pub members: usize,
    /// Broadcasts queued: one a member at most, and one of this node's own.
    pub broadcasts: usize,
    /// Streams that others opened; at most [`super::MAX_ACCEPTED`].
    pub streams: usize,
    /// Bytes held of streams whose message is not complete; beyond [`super::MAX_INBOUND`] none brings more.
    pub stream_bytes_in: usize,
    /// Bytes not yet sent on streams; beyond [`super::MAX_OUTBOUND`] no further push/pull is answered.
    pub stream_bytes_out: usize,
    /// Pings sent for others and not yet answered; at most [`super::MAX_RELAYS`].
    pub relays: usize,
    /// Bytes on the wire of the state last sent in a push/pull. Sealed, peers take [`super::stream::MAX_SEALED`].
    pub state_bytes: usize,
}
