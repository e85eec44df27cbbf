//! Draining: a queue too long for packets goes by stream, to a few nodes at a time, in the form of a bulk sync
//! nobody asked for. A packet may be lost and is therefore repeated; what a stream has delivered need not be.

use std::{mem, time::Duration};

use bytes::Bytes;

use super::{
    message::{BulkSync, Gossip, Kind, Repeated, TableEvent, compound, part_overhead, wrap},
    tables::{Purpose, Tables, Todo},
};
use crate::{
    Name,
    machine::Instant,
    map::Map,
    memberlist::broadcast::{Budget, Overhead},
};

/// The streams a network is drained by.
#[derive(Debug, Default)]
pub(super) struct Drains {
    /// Nodes that are being sent to, and since when.
    busy: Map<Name, Instant>,
    /// Nodes that were busy, or could not be reached, when what nobody else would tell them was sent.
    missed: Map<Name, ()>,
    /// Since when a queue has been too long for packets, and how much of it was of own rows when last looked at.
    long: Option<(Instant, usize)>,
}

impl Drains {
    /// Whether a queue too long for packets is left to grow for now: the first rows go at once, but whoever goes on
    /// writing is done sooner if the others are sent afterwards. `patience` is the longest they wait. `own`: bytes of own
    /// rows in the queue.
    pub(super) fn wait(&mut self, now: Instant, own: usize, patience: Duration) -> bool {
        let (since, before) = self.long.get_or_insert((now, own));
        let grows = own > mem::replace(before, own);
        grows && now.since(*since) < patience
    }

    /// No queue is too long.
    pub(super) fn rest(&mut self) {
        self.long = None;
    }

    /// Whether a node has been busy for so long, or has missed something already.
    fn is_slow(&self, now: Instant, node: &Name, long: Duration) -> bool {
        self.missed.contains_key(node) || self.busy.get(node).is_some_and(|since| now.since(*since) >= long)
    }
}

impl Tables {
    /// Sends what was never sent to a few nodes that are not busy. Returns whether there were any.
    pub(super) fn drain(&mut self, now: Instant, network: &Name) -> bool {
        let (to, all) = self.drain_targets(now, network);
        if to.is_empty() {
            return false;
        }
        let transmits = self.table_limit(network);
        let weight = if all { transmits } else { self.drain_weight(network, to.len(), transmits) };
        let room = Budget::new(self.config.bulk_sync_part, Overhead::Of(part_overhead), transmits);
        let budget = Budget { below: 1, weight, ..room };
        let parts = self.take_parts(network, budget);
        if parts.is_empty() {
            return false;
        }
        let to = those_told_news(to, &parts);
        if let Some(own) = self.networks.own_mut(network) {
            for node in &to {
                own.drains.busy.insert(node.clone(), now);
            }
        }
        self.counters.drained += parts.len() as u64;
        if to.is_empty() {
            return true;
        }
        let message = self.unasked(network, &parts);
        let purpose = |node: &Name| Purpose::Drain(network.clone(), node.clone());
        let to = to.iter().filter_map(|node| Some((self.nodes.get(node)?.addr, purpose(node)))).collect();
        self.todo.push_back(Todo::Reliable(to, message.into()));
        true
    }

    /// Whom to send to now, and whether these are all there are. Where all can be told at once, the free ones wait for
    /// the busy ones: what a node misses costs a bulk sync of all rows. A slow node delays no other.
    fn drain_targets(&mut self, now: Instant, network: &Name) -> (Vec<Name>, bool) {
        let mut peers = self.draw_peers(network, usize::MAX);
        peers.retain(|node| self.nodes.is_active(node));
        let all = peers.len() <= self.config.gossip_nodes;
        let Some(own) = self.networks.own_mut(network) else { return (Vec::new(), all) };
        let (busy, mut free): (Vec<Name>, Vec<Name>) =
            peers.into_iter().partition(|node| own.drains.busy.contains_key(node));
        let long = self.config.gossip_interval;
        if all && busy.iter().any(|node| !own.drains.is_slow(now, node, long)) {
            return (Vec::new(), all);
        }
        if all && !free.is_empty() {
            for node in busy {
                own.drains.missed.insert(node, ());
            }
        }
        free.truncate(self.config.gossip_nodes);
        (free, all)
    }

    /// How many nodes are told what goes by stream. Told to `ln n + 4` random nodes by each who knows, news misses
    /// one of n nodes in fifty times; the next bulk sync finds it.
    pub(super) fn copies(&self, network: &[u8]) -> usize {
        let peers = self.networks.peers(network).len().max(1) as f64;
        libm::ceil(libm::log(peers) + 4.0) as usize
    }

    /// As how many transmissions a drain to `nodes` counts.
    fn drain_weight(&self, network: &Name, nodes: usize, transmits: u32) -> u32 {
        let rounds = self.copies(network).div_ceil(nodes.max(1)).max(1);
        transmits.div_ceil(u32::try_from(rounds).unwrap_or(u32::MAX)).max(1)
    }

    fn unasked(&mut self, network: &Name, parts: &[Bytes]) -> Vec<u8> {
        let payload = compound(parts);
        let time = self.table_clock.increment();
        let message = BulkSync {
            time,
            unsolicited: false,
            node: &self.name,
            networks: Repeated::default(),
            payload: &payload,
        };
        wrap(Kind::BulkSync, &message.write([network.as_bytes()].into_iter()))
    }

    /// A node has been sent its part, or could not be.
    pub(super) fn drained(&mut self, now: Instant, network: &Name, node: &Name, sent: bool) {
        let Some(own) = self.networks.own_mut(network) else { return };
        own.drains.busy.remove(node);
        if !sent {
            own.drains.missed.insert(node.clone(), ());
        }
        if own.unsent() > 0 {
            self.hurry(network);
        } else if own.drains.missed.remove(node).is_some() && sent {
            self.sync_after_return(now, node);
        }
    }
}

/// Those of `nodes` that do not own all these rows. Gossip about its own rows is no news to a node; what it has lost by
/// a restart it asks for in a bulk sync.
fn those_told_news(mut nodes: Vec<Name>, events: &[Bytes]) -> Vec<Name> {
    nodes.retain(|node| !events.iter().all(|event| is_owner(node, event)));
    nodes
}

/// Whether an event, in its envelope, is about a row of this node.
fn is_owner(node: &Name, event: &[u8]) -> bool {
    let event = Gossip::decode(event).and_then(|gossip| TableEvent::decode(gossip.data));
    event.is_ok_and(|event| event.node == node.as_bytes())
}
