//! Packets on their way out: broadcasts ride along, gossip rounds carry the rest.
//! Source: `hashicorp/memberlist` `net.go`, `state.go` (gossip), `broadcast.go`.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    Delegate, Memberlist, Room, State, Timer,
    broadcast::{Budget, Overhead, copies},
    canonical,
    message::MessageType,
    packet::{self, PART_OVERHEAD, USER_OVERHEAD},
};
use crate::{Name, machine::Instant};

/// From this protocol version on a node understands checksums.
const CRC_FROM: u8 = 5;

/// What a packet costs at least, in bytes of the pace: a short one is nearly as much work as a long one.
pub(crate) const LEAST_COST: u64 = 1024;

impl Memberlist {
    /// Sends one message as it is.
    pub(super) fn send(&mut self, to: SocketAddr, message: &[u8], crc: bool) {
        self.send_to_all(&[to], message, crc);
    }

    /// Sends one message as it is to each of these: sealed once, for the bytes are the same.
    pub(super) fn send_to_all(&mut self, to: &[SocketAddr], message: &[u8], crc: bool) {
        if to.is_empty() {
            return;
        }
        let bytes = packet::seal(&self.security, message, crc, &mut self.rng);
        for to in to {
            self.counters.packets_out += 1;
            self.counters.bytes_out += bytes.len() as u64;
            self.out.datagram(canonical(*to), bytes.clone());
        }
    }

    /// Sends one message with as many broadcasts as fit beside it.
    pub(super) fn send_with_broadcasts(&mut self, to: SocketAddr, message: Vec<u8>, d: &mut dyn Delegate) {
        let limit = self.security.piggyback_budget(self.config.packet_size, message.len());
        let mut parts = vec![Bytes::from(message)];
        self.take_broadcasts(limit, u32::MAX, &mut parts, d);
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

    /// There is something new to tell, here or above: the next round comes at once, or as soon as the pace allows.
    pub fn hurry_gossip(&mut self) {
        self.rhythm.hurry();
        if !self.config.gossip_interval.is_zero() {
            self.timers.hasten(Timer::Gossip, self.rhythm.due(0, &self.pace));
        }
    }

    /// Tells a few random members what waits in the queues. While there is something new, each is told only that:
    /// what was told before keeps its pauses.
    pub(super) fn gossip(&mut self, now: Instant, d: &mut dyn Delegate) {
        let chosen = self.gossip_targets(now);
        let copies = u32::try_from(chosen.len().max(1)).unwrap_or(u32::MAX);
        let below = if self.least_sent(d) < Some(copies) { copies } else { u32::MAX };
        let limit = self.security.gossip_budget(self.config.packet_size);
        let mut sent = false;
        for name in chosen {
            let mut parts = Vec::new();
            self.take_broadcasts(limit, below, &mut parts, d);
            let Some(record) = self.roster.get(&name).filter(|_| !parts.is_empty()) else { continue };
            let (addr, crc) = (record.member.addr, self.understands_crc(&name));
            let before = self.counters.bytes_out;
            self.send_parts(addr, &parts, crc);
            self.pace.spend(now, (self.counters.bytes_out - before).max(LEAST_COST));
            sent = true;
        }
        self.rhythm.done(now, sent);
        if let Some(times) = self.least_sent(d) {
            self.timers.set(Timer::Gossip, self.rhythm.due(times / copies, &self.pace));
        }
    }

    fn gossip_targets(&mut self, now: Instant) -> Vec<Name> {
        let to_the_dead = self.config.gossip_to_the_dead_time;
        let local = self.config.name.clone();
        self.roster.choose(self.config.gossip_nodes, &mut self.rng, &|member| {
            member.name != local
                && match member.state {
                    State::Alive | State::Suspect => true,
                    State::Dead => now.since(member.since) <= to_the_dead,
                    State::Left => false,
                }
        })
    }

    /// If news waits: how often that has been sent which was sent least.
    fn least_sent(&self, d: &dyn Delegate) -> Option<u32> {
        [self.broadcasts.least_sent(), d.least_sent()].into_iter().flatten().min()
    }

    /// Whether a member has told that it reads checksums.
    pub(super) fn understands_crc(&self, name: &[u8]) -> bool {
        let versions = self.roster.get(name).and_then(|record| record.member.versions);
        versions.is_some_and(|versions| versions.protocol_max >= CRC_FROM)
    }

    /// Membership first; the layer above gets the room that is left.
    fn take_broadcasts(&mut self, limit: usize, below: u32, parts: &mut Vec<Bytes>, d: &mut dyn Delegate) {
        let times = copies(self.config.retransmit_mult, self.roster.len(), self.config.gossip_nodes);
        let budget = Budget { below, ..Budget::new(limit, Overhead::Each(PART_OVERHEAD), times) };
        let used = self.broadcasts.take(&budget, parts);
        let room = Room { limit: limit.saturating_sub(used), overhead: PART_OVERHEAD + USER_OVERHEAD, below };
        if room.limit <= room.overhead {
            return;
        }
        let mut user = Vec::new();
        d.broadcasts(room, &mut user);
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
