//! Table gossip: what changed goes to a few nodes of the network, round by round. Source: `gossip` in `cluster.go`.

use bytes::Bytes;

use super::{
    message::{Kind, part_overhead, put_part, wrap},
    tables::{Purpose, Tables, Todo},
};
use crate::{
    Name,
    memberlist::broadcast::{Budget, transmit_limit},
};

/// Whether an event of `len` bytes fits a packet that has `room` for parts.
pub(super) fn fits(len: usize, room: usize) -> bool {
    len + part_overhead(len) <= room
}

impl Tables {
    /// One round for every own network, those being left too.
    pub(super) fn gossip_tables(&mut self) {
        let waiting = self.networks.owns().filter(|(_, own)| {
            !(own.queue.is_empty() && own.relay.is_empty() && own.oversize.is_empty())
        });
        let networks: Vec<Name> = waiting.map(|(network, _)| network.clone()).collect();
        for network in networks {
            self.send_oversize(&network);
            let queued = self.networks.own(&network).map_or(0, |own| own.queue.bytes() + own.relay.bytes());
            let packets = queued.div_ceil(self.packet_room.max(1)).clamp(1, self.config.gossip_packets.max(1));
            for _ in 0..packets {
                self.send_packet(&network);
            }
        }
    }

    /// One packet, the same to a few nodes. Own events first, relayed ones fill what is left.
    fn send_packet(&mut self, network: &Name) {
        let limit = self.packet_room;
        let parts = self.take_parts(network, limit);
        if parts.is_empty() {
            return;
        }
        let mut compound = Vec::with_capacity(limit);
        parts.iter().for_each(|part| put_part(&mut compound, part));
        let packet = wrap(Kind::Compound, &compound);
        for node in self.draw_peers(network, self.config.gossip_nodes) {
            if self.nodes.is_active(&node) {
                self.counters.gossip_packets += 1;
                self.todo.push_back(Todo::BestEffort(node, packet.clone()));
            }
        }
    }

    fn take_parts(&mut self, network: &Name, limit: usize) -> Vec<Bytes> {
        let transmits = self.table_limit(network);
        let mut parts = Vec::new();
        let Some(own) = self.networks.own_mut(network) else { return parts };
        let used = own.queue.take(Budget { limit, overhead: part_overhead }, transmits, &mut parts);
        own.relay.take(Budget { limit: limit - used.min(limit), overhead: part_overhead }, transmits, &mut parts);
        own.sent += parts.len() as u64;
        parts
    }

    fn table_limit(&self, network: &[u8]) -> u32 {
        transmit_limit(self.config.memberlist.retransmit_mult, self.networks.peers(network).len())
    }

    /// What fits no packet goes by stream, and from there on by the streams of those it reaches.
    fn send_oversize(&mut self, network: &Name) {
        let Some(own) = self.networks.own_mut(network) else { return };
        for (_, bytes) in std::mem::take(&mut own.oversize) {
            self.counters.oversize += 1;
            for node in self.draw_peers(network, self.config.gossip_nodes) {
                if let Some(node) = self.nodes.get(&node) {
                    self.todo.push_back(Todo::Reliable(node.addr, bytes.clone(), Purpose::Oversize));
                }
            }
        }
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
        let transmits = self.table_limit(network);
        let mut taken = [Vec::new(), Vec::new()];
        if let Some(own) = self.networks.own_mut(network) {
            let [queue, relay] = &mut taken;
            own.queue.take(super::tables::flat(limit, overhead), transmits, queue);
            own.relay.take(super::tables::flat(limit, overhead), transmits, relay);
        }
        taken
    }
}
