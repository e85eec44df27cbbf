//! What others say of members, and what this node makes of it: alive, suspect, dead, and its own refutations.
//! Source: `hashicorp/memberlist` `state.go`.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

use bytes::Bytes;

use super::{
    Delegate, MAX_MEMBERS, Member, MemberEvent, Memberlist, Row, State, Suspicion, Timer, Topic, Versions,
    encoded,
    message::{Accusation, Alive},
    roster::Record,
    roster::is_gone,
};
use crate::{Name, machine::Instant};

/// Bytes of meta a member may have.
pub const MAX_META: usize = 512;

/// Bytes of a name. With a name and meta this long, news of a member still fits into a packet; the peer has no limit.
pub const MAX_NAME: usize = 512;

/// An alive claim that can be about a real node.
struct Claim {
    name: Name,
    addr: SocketAddr,
    versions: Option<Versions>,
}

impl Memberlist {
    /// Somebody, or this node at its start, says a node is alive.
    pub(super) fn alive(&mut self, now: Instant, alive: &Alive<'_>, start: bool, d: &mut dyn Delegate) {
        if self.leaving && *alive.node == *self.config.name {
            return;
        }
        let Some(claim) = self.check_alive(alive, d) else { return };
        let Some(moves) = self.admit(now, &claim, alive, d) else { return };
        let local = claim.name == self.config.name;
        let Some(record) = self.roster.get_mut(&claim.name) else { return };
        let known = record.member.incarnation;
        if (!local && !moves && alive.incarnation <= known) || (local && alive.incarnation < known) {
            return;
        }
        record.suspicion = None;
        self.timers.cancel(&Timer::Suspicion(claim.name.clone()));
        if local && !start {
            let same = alive.incarnation == known
                && record.member.meta == *alive.meta.as_deref().unwrap_or_default()
                && record.member.versions == claim.versions;
            if !same {
                self.refute(alive.incarnation);
            }
            return;
        }
        self.take_alive(now, alive, claim, d);
    }

    /// The checks that need no knowledge of the node.
    fn check_alive(&mut self, alive: &Alive<'_>, d: &mut dyn Delegate) -> Option<Claim> {
        let reason = match Self::malformed(alive) {
            Some(reason) => reason,
            None if !d.accepts_alive(alive) => "alive: refused by the delegate",
            None => {
                let vsn = alive.vsn.as_deref().unwrap_or_default();
                let addr = ip_from_bytes(alive.addr.as_deref().unwrap_or_default())?;
                return Some(Claim {
                    name: Name::from(&*alive.node),
                    addr: SocketAddr::new(addr, self.effective_port(alive.port)),
                    versions: Versions::from_bytes(vsn),
                });
            }
        };
        self.counters.drop(reason);
        None
    }

    fn malformed(alive: &Alive<'_>) -> Option<&'static str> {
        let vsn = alive.vsn.as_deref().unwrap_or_default();
        if alive.node.is_empty() {
            Some("alive: empty name")
        } else if alive.node.len() > MAX_NAME {
            Some("alive: name over 512 bytes")
        } else if ip_from_bytes(alive.addr.as_deref().unwrap_or_default()).is_none() {
            Some("alive: address is not 4 or 16 bytes")
        } else if alive.meta.as_deref().unwrap_or_default().len() > MAX_META {
            Some("alive: meta over 512 bytes")
        } else if (1..6).contains(&vsn.len()) {
            Some("alive: versions cut short")
        } else if let [min, max, ..] = *vsn
            && (min == 0 || max == 0 || min > max)
        {
            Some("alive: impossible versions")
        } else {
            None
        }
    }

    /// Makes sure the node is known and may have this address; whether it comes back under a new one.
    fn admit(
        &mut self,
        now: Instant,
        claim: &Claim,
        alive: &Alive<'_>,
        d: &mut dyn Delegate,
    ) -> Option<bool> {
        let known = self.roster.get(&claim.name).map(|record| &record.member);
        if known.is_some_and(|member| member.addr == claim.addr) {
            return Some(false);
        }
        if !self.is_allowed(claim.addr.ip()) {
            self.counters.drop("alive: address outside the allow list");
            return None;
        }
        let claimed = Member {
            name: claim.name.clone(),
            addr: claim.addr,
            meta: Bytes::new(),
            versions: None,
            incarnation: 0,
            state: State::Dead,
            since: now.before(self.config.gossip_to_the_dead_time),
        };
        let Some(member) = known else {
            if self.roster.len() >= MAX_MEMBERS {
                self.counters.drop("alive: too many members");
                return None;
            }
            self.roster.insert(claimed, &mut self.rng);
            return Some(false);
        };
        let reclaim = self.config.dead_node_reclaim_time;
        let dead_long = !reclaim.is_zero() && now.since(member.since) > reclaim;
        if member.state == State::Left || (member.state == State::Dead && dead_long) {
            return Some(true);
        }
        let meta = Bytes::copy_from_slice(alive.meta.as_deref().unwrap_or_default());
        let other = Member { meta, incarnation: alive.incarnation, state: State::Alive, ..claimed };
        d.conflict(member, &other);
        self.counters.drop("alive: name in use at another address");
        None
    }

    fn take_alive(&mut self, now: Instant, alive: &Alive<'_>, claim: Claim, d: &mut dyn Delegate) {
        let spread = Alive { port: claim.addr.port(), ..alive.clone() };
        self.queue(Topic::Node(claim.name.clone()), |out| spread.encode(out));
        let Some(Record { member, .. }) = self.roster.get_mut(&claim.name) else { return };
        let meta = alive.meta.as_deref().unwrap_or_default();
        let (before, meta_changed) = (member.state, member.meta != *meta);
        member.versions = claim.versions.or(member.versions);
        member.incarnation = alive.incarnation;
        member.addr = claim.addr;
        if meta_changed {
            member.meta = Bytes::copy_from_slice(meta);
        }
        if before != State::Alive {
            member.state = State::Alive;
            member.since = now;
        }
        let member = member.clone();
        if is_gone(before) {
            self.found(&member.name);
            d.member(now, &MemberEvent::Joined(member));
        } else if meta_changed {
            d.member(now, &MemberEvent::Updated(member));
        }
    }

    /// Somebody, perhaps this node, got no answer from a node.
    pub(super) fn suspect(&mut self, now: Instant, suspect: &Accusation<'_>) {
        let Some(record) = self.roster.get_mut(&suspect.node) else { return };
        if suspect.incarnation < record.member.incarnation {
            return;
        }
        let (name, from) = (record.member.name.clone(), Name::from(&*suspect.from));
        if let Some(suspicion) = &mut record.suspicion {
            if suspicion.confirm(&from) {
                self.timers.set(Timer::Suspicion(name.clone()), suspicion.deadline());
                self.queue(Topic::Node(name), |out| suspect.encode_suspect(out));
            }
            return;
        }
        if record.member.state != State::Alive {
            return;
        }
        if name == self.config.name {
            return self.refute(suspect.incarnation);
        }
        let nodes = self.roster.len();
        let suspicion = Suspicion::new(now, from, &self.config, nodes);
        self.timers.set(Timer::Suspicion(name.clone()), suspicion.deadline());
        if let Some(record) = self.roster.get_mut(&name) {
            record.member.incarnation = suspect.incarnation;
            record.member.state = State::Suspect;
            record.member.since = now;
            record.suspicion = Some(suspicion);
        }
        self.queue(Topic::Node(name), |out| suspect.encode_suspect(out));
    }

    /// A suspect's grace period is over.
    pub(super) fn suspicion_over(&mut self, now: Instant, name: &Name, d: &mut dyn Delegate) {
        let Some(record) = self.roster.get(name) else { return };
        if record.member.state != State::Suspect {
            return;
        }
        let dead = Accusation {
            incarnation: record.member.incarnation,
            node: Cow::Owned(name.to_vec()),
            from: Cow::Owned(self.config.name.to_vec()),
        };
        self.dead(now, &dead, d);
    }

    /// Somebody says a node is dead, or the node itself says it leaves.
    pub(super) fn dead(&mut self, now: Instant, dead: &Accusation<'_>, d: &mut dyn Delegate) {
        let Some(record) = self.roster.get_mut(&dead.node) else { return };
        if dead.incarnation < record.member.incarnation {
            return;
        }
        let name = record.member.name.clone();
        record.suspicion = None;
        self.timers.cancel(&Timer::Suspicion(name.clone()));
        if is_gone(record.member.state) {
            return;
        }
        if name == self.config.name && !self.leaving {
            return self.refute(dead.incarnation);
        }
        record.member.incarnation = dead.incarnation;
        record.member.state = if dead.from == dead.node { State::Left } else { State::Dead };
        record.member.since = now;
        let member = record.member.clone();
        self.found(&name);
        self.lost(now, &name);
        self.queue(Topic::Node(name), |out| dead.encode_dead(out));
        d.member(now, &MemberEvent::Gone(member));
    }

    /// Answers a false claim about this node with a higher incarnation.
    pub(super) fn refute(&mut self, accused: u32) {
        if accused == u32::MAX {
            self.counters.drop("accusation at the highest incarnation: only a new name helps");
        }
        self.counters.refutations += 1;
        self.awareness.apply(1);
        self.raise_incarnation(accused);
        let name = self.config.name.clone();
        let Some(record) = self.roster.get_mut(&name) else { return };
        record.member.incarnation = self.incarnation;
        let alive = encoded(|out| own_alive(&record.member).encode(out));
        self.broadcasts.push(Some(Topic::Refutation), alive);
        self.hurry_gossip();
    }

    /// Moves the own incarnation past `seen`. It never wraps.
    pub(super) fn raise_incarnation(&mut self, seen: u32) {
        self.incarnation = self.incarnation.max(seen).saturating_add(1);
    }

    /// One row of a push/pull.
    pub(super) fn merge_row(&mut self, now: Instant, row: &Row<'_>, d: &mut dyn Delegate) {
        let accusation = |from: &[u8]| Accusation {
            incarnation: row.incarnation,
            node: row.name.clone(),
            from: Cow::Owned(from.to_vec()),
        };
        match row.state {
            0 => {
                let alive = Alive {
                    incarnation: row.incarnation,
                    node: row.name.clone(),
                    addr: row.addr.clone(),
                    port: row.port,
                    meta: row.meta.clone(),
                    vsn: row.vsn.clone(),
                };
                self.alive(now, &alive, false, d);
            }
            // A peer's belief that a node is dead only makes it suspect here: it may still refute.
            1 | 2 => self.suspect(now, &accusation(&self.config.name.clone())),
            3 => self.dead(now, &accusation(&row.name), d),
            _ => self.counters.drop("push/pull: unknown state"),
        }
    }

    /// Port 0 and version 1 clusters mean the port all share.
    pub(super) fn effective_port(&self, port: u16) -> u16 {
        if port == 0 || self.config.protocol_version == 1 { self.config.bind_port } else { port }
    }

    pub(super) fn is_allowed(&self, addr: IpAddr) -> bool {
        self.config.allowed.is_empty() || self.config.allowed.iter().any(|range| range.contains(addr))
    }

    pub(super) fn queue(&mut self, topic: Topic, encode: impl FnOnce(&mut Vec<u8>)) -> super::BroadcastId {
        self.hurry_gossip();
        self.broadcasts.push(Some(topic), encoded(encode))
    }
}

/// What a node says of itself.
pub(super) fn own_alive(member: &Member) -> Alive<'_> {
    Alive {
        incarnation: member.incarnation,
        node: Cow::Borrowed(&member.name),
        addr: Some(Cow::Owned(ip_bytes(member.addr.ip()))),
        port: member.addr.port(),
        meta: Some(Cow::Borrowed(&member.meta)),
        vsn: member.versions.map(|versions| Cow::Owned(versions.to_bytes().to_vec())),
    }
}

/// An address on the wire: 4 or 16 bytes.
pub(super) fn ip_bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// An address from the wire; the two forms of one address stay apart.
pub(super) fn ip_from_bytes(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(octets.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}
