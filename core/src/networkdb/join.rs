//! Joining a network: a few of its nodes are asked for their rows, and others as they become known.

use super::{
    Event,
    bulk_sync::Reason,
    network::CatchUp,
    tables::{Tables, Timer},
};
use crate::{Name, machine::Instant, memberlist::RequestId};

/// Nodes a join asks at one time.
const ASKED_AT_ONCE: usize = 3;

/// A join of a network that is not over.
#[derive(Debug)]
pub(super) struct JoinWait {
    pub(super) request: RequestId,
    untried: Vec<Name>,
    outstanding: usize,
}

impl Tables {
    /// Asks a few nodes of a network at once; the first that begins to answer ends the join.
    pub(super) fn sync_after_join(&mut self, now: Instant, network: &Name, request: RequestId) {
        let untried = self.draw_peers(network, usize::MAX);
        if let Some(own) = self.networks.own_mut(network) {
            own.catch_up = if untried.is_empty() { CatchUp::Alone } else { CatchUp::Done };
        }
        if untried.is_empty() {
            self.timers.set(Timer::CatchUp, now + self.config.gossip_interval);
        }
        self.joins.insert(network.clone(), JoinWait { request, untried, outstanding: 0 });
        self.ask_for_join(now, network);
    }

    fn ask_for_join(&mut self, now: Instant, network: &Name) {
        while let Some(join) = self.joins.get_mut(network).filter(|join| join.outstanding < ASKED_AT_ONCE) {
            let Some(peer) = join.untried.pop() else { break };
            join.outstanding += 1;
            let common = self.common_networks(&peer);
            if !self.start_sync(now, &peer, &common, Reason::Join(network.clone()))
                && let Some(join) = self.joins.get_mut(network)
            {
                join.outstanding -= 1;
            }
        }
        if self.joins.get(network).is_some_and(|join| join.outstanding == 0) {
            self.join_over(network, 0);
        }
    }

    /// One of the syncs of a join is over.
    pub(super) fn join_progress(&mut self, now: Instant, network: &Name, answered: bool) {
        let Some(join) = self.joins.get_mut(network) else { return };
        join.outstanding = join.outstanding.saturating_sub(1);
        if answered {
            self.join_over(network, 1);
        } else {
            self.ask_for_join(now, network);
        }
    }

    fn join_over(&mut self, network: &Name, synced: usize) {
        if let Some(own) = self.networks.own_mut(network) {
            own.in_sync = true;
        }
        self.end_join(network, synced);
    }

    /// Asks for the rows of networks that were joined before any other of their nodes was known.
    pub(super) fn catch_up(&mut self, now: Instant) {
        for network in self.networks.owns_of(&|own| own.catch_up != CatchUp::Done) {
            let Some(own) = self.networks.own(&network) else { continue };
            let next = match own.catch_up {
                CatchUp::Since(since) if now.since(since) >= self.config.catch_up_delay => {
                    let peers = self.draw_peers(&network, 2);
                    self.try_peers(now, network.clone(), peers);
                    CatchUp::Done
                }
                CatchUp::Alone if self.networks.peers(&network).len() > 1 => CatchUp::Since(now),
                other => other,
            };
            if let Some(own) = self.networks.own_mut(&network) {
                own.catch_up = next;
            }
        }
        if self.networks.owns().any(|(_, own)| own.catch_up != CatchUp::Done) {
            self.timers.set(Timer::CatchUp, now + self.config.gossip_interval);
        }
    }

    /// A join of a network is over; told once.
    pub(super) fn end_join(&mut self, network: &Name, synced: usize) {
        if let Some(join) = self.joins.remove(network) {
            let (request, network) = (join.request, network.clone());
            self.done.push_back(Event::NetworkJoined { request, network, synced });
        }
    }
}
