//! Table gossip: what changed goes to a few nodes of the network, at once and again. Source: `gossip` in
//! `cluster.go`; the rounds are ours, see [`crate::machine::Rhythm`].

use bytes::Bytes;

use super::{
    message::{compound, part_overhead},
    network::Own,
    tables::{Tables, Timer, Todo},
};
use crate::{
    Name,
    machine::{Instant, Pace},
    memberlist::{
        LEAST_COST,
        broadcast::{Budget, Overhead, transmit_limit},
    },
};

/// Whether an event of `len` bytes fits a packet that has `room` for parts.
pub(super) fn fits(len: usize, room: usize) -> bool {
    len + part_overhead(len) <= room
}

impl Own {
    /// When the next round of this network is due, if anything waits.
    fn due(&self, pace: &Pace) -> Option<Instant> {
        let least = [self.queue.least_sent(), self.relay.least_sent()].into_iter().flatten().min();
        let oversize = (!self.oversize.is_empty()).then_some(0);
        least.into_iter().chain(oversize).min().map(|rounds| self.rhythm.due(rounds, pace))
    }

    /// Bytes of events never sent.
    pub(super) fn unsent(&self) -> usize {
        self.queue.unsent() + self.relay.unsent()
    }
}

impl Tables {
    /// Something new waits in the queues of a network.
    pub(super) fn hurry(&mut self, network: &[u8]) {
        let pace = self.pace;
        let Some(own) = self.networks.own_mut(network) else { return };
        own.rhythm.hurry();
        let Some(due) = own.due(&pace) else { return };
        self.timers.hasten(Timer::Gossip, due);
    }

    /// A round for each own network that is due, those being left too.
    pub(super) fn gossip_tables(&mut self, now: Instant) {
        let due = |own: &Own| own.due(&self.pace).is_some_and(|at| at <= now);
        for network in self.networks.owns_of(&due) {
            let sent = self.round(now, &network);
            if let Some(own) = self.networks.own_mut(&network) {
                own.rhythm.done(now, sent);
            }
        }
        if let Some(next) = self.networks.owns().filter_map(|(_, own)| own.due(&self.pace)).min() {
            self.timers.set(Timer::Gossip, next);
        }
    }

    /// Returns whether anything left a queue.
    fn round(&mut self, now: Instant, network: &Name) -> bool {
        let oversize = self.send_oversize(network);
        let peers = self.networks.peers(network).len();
        let Some(own) = self.networks.own_mut(network) else { return false };
        if peers < 2 {
            // Nobody is there to be told, and who comes asks for all.
            own.queue.clear();
            own.relay.clear();
            return true;
        }
        let unsent = own.unsent();
        if unsent >= self.config.drain_from {
            let waits = own.drains.wait(now, own.queue.unsent(), self.config.gossip_interval);
            return waits || self.drain(now, network) | oversize;
        }
        own.drains.rest();
        // While there is something new only that is sent: what was sent before keeps its pauses.
        let (waiting, below) =
            if unsent > 0 { (unsent, 1) } else { (own.queue.bytes() + own.relay.bytes(), u32::MAX) };
        let packets = waiting.div_ceil(self.packet_room.max(1)).clamp(1, self.config.gossip_packets.max(1));
        (0..packets).map(|_| self.send_packet(now, network, below)).fold(oversize, |any, sent| any | sent)
    }

    /// One packet, the same to a few nodes.
    fn send_packet(&mut self, now: Instant, network: &Name, below: u32) -> bool {
        let transmits = self.table_limit(network);
        let budget =
            Budget { below, ..Budget::new(self.packet_room, Overhead::Of(part_overhead), transmits) };
        let parts = self.take_parts(network, budget);
        if parts.is_empty() {
            return false;
        }
        let packet = compound(&parts);
        let mut to = self.draw_peers(network, self.config.gossip_nodes);
        to.retain(|node| self.nodes.is_active(node));
        self.counters.gossip_packets += to.len() as u64;
        self.pace.spend(now, to.len() as u64 * LEAST_COST.max(packet.len() as u64));
        self.todo.push_back(Todo::BestEffort(to, packet));
        true
    }

    /// Own events first, relayed ones fill what is left.
    pub(super) fn take_parts(&mut self, network: &[u8], budget: Budget) -> Vec<Bytes> {
        let mut parts = Vec::new();
        let Some(own) = self.networks.own_mut(network) else { return parts };
        let used = own.queue.take(&budget, &mut parts);
        let left = Budget { limit: budget.limit.saturating_sub(used), ..budget };
        own.relay.take(&left, &mut parts);
        own.sent += parts.len() as u64;
        parts
    }

    /// How often an event is sent in a network.
    pub(super) fn table_limit(&self, network: &[u8]) -> u32 {
        transmit_limit(self.config.memberlist.retransmit_mult, self.networks.peers(network).len())
    }

    /// Some of the nodes of a network, this one not among them.
    pub(super) fn draw_peers(&mut self, network: &[u8], count: usize) -> Vec<Name> {
        let peers = self.networks.peers(network).iter();
        let mut peers: Vec<Name> = peers.filter(|peer| **peer != self.name).cloned().collect();
        self.rng.choose(&mut peers, count).to_vec()
    }

    /// Takes from both queues of a network as the vectors do: each with the whole limit.
    #[doc(hidden)]
    pub fn take_queues(&mut self, network: &[u8], overhead: usize, limit: usize) -> [Vec<Bytes>; 2] {
        let budget = Budget::new(limit, Overhead::Each(overhead), self.table_limit(network));
        let mut taken = [Vec::new(), Vec::new()];
        if let Some(own) = self.networks.own_mut(network) {
            let [queue, relay] = &mut taken;
            own.queue.take(&budget, queue);
            own.relay.take(&budget, relay);
        }
        taken
    }
}
