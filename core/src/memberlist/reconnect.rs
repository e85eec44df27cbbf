//! Finding lost members again: one of them, or a seed, is tried until it answers.
//!
//! The peer has no such thing: there a node that was cut off for longer than it is gossiped to stays away until
//! somebody joins it again.

use std::{net::SocketAddr, time::Duration};

use super::{Memberlist, State, Timer, talk::Role};
use crate::{
    Name,
    machine::{Endpoint, Instant},
    map::Map,
};

/// Lost members remembered at one time; further ones are found by those who find these.
const MAX_LOST: usize = 1024;
/// How long they are remembered.
const REMEMBERED: Duration = Duration::from_secs(86_400);
/// How far the pause between tries grows: 64 times.
const MAX_DOUBLINGS: u32 = 6;

/// Whom to look for.
#[derive(Debug, Default)]
pub(super) struct Lost {
    members: Map<Name, (SocketAddr, Instant)>,
    /// Addresses of the last join: for who has lost everybody.
    pub(super) seeds: Vec<Endpoint>,
    /// Tries in a row that reached nobody.
    failures: u32,
}

impl Memberlist {
    /// A member is dead. If it was cut off, it will want to be found.
    pub(super) fn lost(&mut self, now: Instant, name: &Name) {
        let Some(record) = self.roster.get(name).filter(|record| record.member.state == State::Dead) else {
            return;
        };
        if self.config.reconnect_interval.is_zero() || self.leaving {
            return;
        }
        self.lost.members.retain(|_, (_, since)| now.since(*since) < REMEMBERED);
        if self.lost.members.len() < MAX_LOST {
            self.lost.members.insert(name.clone(), (record.member.addr, now));
        }
        self.lost.failures = 0;
        self.await_reconnect(now);
    }

    /// A member is alive, or has said goodbye.
    pub(super) fn found(&mut self, name: &[u8]) {
        self.lost.members.remove(name);
    }

    fn await_reconnect(&mut self, now: Instant) {
        let pause = self.config.reconnect_interval * 2u32.pow(self.lost.failures.min(MAX_DOUBLINGS));
        let pause = pause / 2 + self.rng.duration(pause);
        self.timers.set(Timer::Reconnect, now + pause);
    }

    /// Tries one lost member, or a seed if there is nobody else.
    pub(super) fn reconnect(&mut self, now: Instant) {
        if self.lost.members.is_empty() || self.leaving {
            return;
        }
        let members = self.lost.members.iter().map(|(_, (addr, _))| Endpoint::Addr(*addr));
        let local = &self.config.name;
        let alone =
            !self.roster.members().any(|member| member.name != *local && member.state == State::Alive);
        let seeds = self.lost.seeds.iter().filter(|_| alone).cloned();
        let mut all: Vec<Endpoint> = members.chain(seeds).collect();
        for to in self.rng.choose(&mut all, 1).to_vec() {
            let deadline = now + self.config.stream_timeout;
            self.dial(to.clone(), Role::Sync { join: None, to }, deadline);
        }
        self.lost.failures = self.lost.failures.saturating_add(1);
        self.await_reconnect(now);
    }
}
