//! Packets on their way out: broadcasts ride along, gossip rounds carry the rest.
//! Source: `hashicorp/memberlist` `net.go`, `state.go` (gossip), `broadcast.go`.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    Delegate, Memberlist, State, Timer,
    broadcast::{Budget, transmit_limit},
    canonical,
    message::MessageType,
    packet::{self, PART_OVERHEAD, USER_OVERHEAD},
};
use crate::machine::Instant;

/// From this protocol version on a node understands checksums.
const CRC_FROM: u8 = 5;

impl Memberlist {
    /// Sends one message as it is.
    pub(super) fn send(&mut self, to: SocketAddr, message: &[u8], crc: bool) {
        let bytes = packet::seal(&self.security, message, crc, &mut self.rng);
        self.counters.packets_out += 1;
        self.counters.bytes_out += bytes.len() as u64;
        self.out.datagram(canonical(to), bytes);
    }

    /// Sends one message with as many broadcasts as fit beside it.
    pub(super) fn send_with_broadcasts(&mut self, to: SocketAddr, message: Vec<u8>, d: &mut impl Delegate) {
        let limit = self.security.piggyback_budget(self.config.packet_size, message.len());
        let mut parts = vec![Bytes::from(message)];
        self.take_broadcasts(limit, &mut parts, d);
        self.send_parts(to, &parts, false);
    }

    /// Sends messages as one packet each 255 of them.
    pub(super) fn send_parts(&mut self, to: SocketAddr, parts: &[Bytes], crc: bool) {
        if let [message] = parts {
            return self.send(to, message, crc);
        }
        for compound in packet::compound(parts) {
            self.send(to, &compound, crc);
        }
    }

    /// Tells a few random members what waits in the queues.
    pub(super) fn gossip(&mut self, now: Instant, d: &mut impl Delegate) {
        self.timers.set(Timer::Gossip, now + self.config.gossip_interval);
        let to_the_dead = self.config.gossip_to_the_dead_time;
        let local = self.config.name.clone();
        let chosen = self.roster.choose(self.config.gossip_nodes, &mut self.rng, |member| {
            member.name != local
                && match member.state {
                    State::Alive | State::Suspect => true,
                    State::Dead => now.since(member.since) <= to_the_dead,
                    State::Left => false,
                }
        });
        let limit = self.security.gossip_budget(self.config.packet_size);
        for name in chosen {
            let mut parts = Vec::new();
            self.take_broadcasts(limit, &mut parts, d);
            if parts.is_empty() {
                return;
            }
            let Some(record) = self.roster.get(&name) else { continue };
            let (addr, crc) = (record.member.addr, self.understands_crc(&name));
            self.send_parts(addr, &parts, crc);
        }
    }

    /// Whether a member has told that it reads checksums.
    pub(super) fn understands_crc(&self, name: &[u8]) -> bool {
        let versions = self.roster.get(name).and_then(|record| record.member.versions);
        versions.is_some_and(|versions| versions.protocol_max >= CRC_FROM)
    }

    /// Membership first; the layer above gets the room that is left.
    fn take_broadcasts(&mut self, limit: usize, parts: &mut Vec<Bytes>, d: &mut impl Delegate) {
        let budget = Budget { limit, overhead: |_| PART_OVERHEAD };
        let times = transmit_limit(self.config.retransmit_mult, self.roster.len());
        let used = self.broadcasts.take(budget, times, parts);
        let overhead = PART_OVERHEAD + USER_OVERHEAD;
        let left = limit.saturating_sub(used);
        if left <= overhead {
            return;
        }
        let mut user = Vec::new();
        d.broadcasts(overhead, left, &mut user);
        parts.extend(user.iter().map(|message| user_message(message)));
    }
}

/// A user message as it goes into a packet.
pub(super) fn user_message(bytes: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(1 + bytes.len());
    message.put_u8(MessageType::User as u8);
    message.put_slice(bytes);
    message.freeze()
}
