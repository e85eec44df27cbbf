//! Bulk syncs: all rows of the common networks, in parts, asked for and answered. Source: `bulkSync` in
//! `cluster.go`.

use std::collections::BTreeSet;

use super::{
    Event, Warning,
    message::{
        BulkSync, CREATE, DELETE, Encode, JOIN, Kind, LEAVE, NetworkEvent, Repeated, TableEvent,
        part_overhead, put_part, wrap,
    },
    network::CatchUp,
    node::{Node, Standing},
    table::{Entry, EntryKey},
    tables::{Context, Purpose, Tables, Timer, Todo},
    watch::Filter,
};
use crate::{Name, machine::Instant, memberlist::RequestId};

/// A bulk sync under way.
#[derive(Debug)]
pub(super) struct Sync {
    peer: Name,
    /// Any sync of the peer with a greater time ends the wait.
    time: u64,
    /// Parts not yet handed over.
    unsent: usize,
    reason: Reason,
}

/// Why there is a bulk sync.
#[derive(Debug)]
enum Reason {
    /// This node has joined a network.
    Join(Name),
    /// It is time: who to try in this network if this one cannot be reached.
    Periodic(Name, Vec<Name>),
    /// The node is back.
    Return,
    /// The peer asked.
    Answer,
}

/// A join of a network that is not over.
#[derive(Debug)]
pub(super) struct JoinWait {
    /// Whom to tell, until told.
    pub(super) request: Option<RequestId>,
    outstanding: usize,
}

impl Tables {
    /// Syncs with all nodes of a network at once. The first answer ends the join.
    pub(super) fn sync_after_join(&mut self, now: Instant, network: &Name, request: RequestId) {
        let peers: Vec<Name> =
            self.networks.peers(network).iter().filter(|peer| **peer != self.name).cloned().collect();
        if let Some(own) = self.networks.own_mut(network) {
            own.catch_up = if peers.is_empty() { CatchUp::Alone } else { CatchUp::Done };
        }
        self.joins.insert(network.clone(), JoinWait { request: Some(request), outstanding: 1 + peers.len() });
        for peer in peers {
            let common = self.common_networks(&peer);
            if !self.start_sync(now, &peer, &common, Reason::Join(network.clone())) {
                self.join_progress(network, false);
            }
        }
        self.join_progress(network, false);
    }

    /// One of the syncs of a join is over.
    fn join_progress(&mut self, network: &Name, answered: bool) {
        let Some(join) = self.joins.get_mut(network) else { return };
        join.outstanding = join.outstanding.saturating_sub(1);
        if answered || join.outstanding == 0 {
            if let Some(own) = self.networks.own_mut(network) {
                own.in_sync = true;
            }
            self.end_join(network, usize::from(answered));
        }
    }

    /// Syncs with a node that was failed.
    pub(super) fn sync_after_return(&mut self, now: Instant, node: &Name) {
        let common = self.common_networks(node);
        self.start_sync(now, node, &common, Reason::Return);
    }

    /// Asks for the rows of networks that were joined before any other of their nodes was known.
    pub(super) fn catch_up(&mut self, now: Instant) {
        let behind = self.networks.owns().filter(|(_, own)| own.catch_up != CatchUp::Done);
        let behind: Vec<(Name, CatchUp)> =
            behind.map(|(network, own)| (network.clone(), own.catch_up)).collect();
        for (network, state) in behind {
            let next = match state {
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
    }

    /// For every network a random node; what one sync covers needs no other. The order is random too: a fixed one
    /// can keep two groups apart for ever.
    pub(super) fn sync_periodically(&mut self, now: Instant) {
        let joined = self.networks.owns().filter(|(_, own)| !own.attachment.leaving);
        let mut networks: Vec<Name> = joined.map(|(network, _)| network.clone()).collect();
        self.rng.shuffle(&mut networks);
        let mut covered = BTreeSet::new();
        for network in networks {
            if covered.contains(&network) {
                continue;
            }
            let peers = self.draw_peers(&network, 2);
            covered.extend(self.try_peers(now, network, peers));
        }
    }

    /// Syncs with the first of `peers` that can be tried; returns the networks this covers.
    fn try_peers(&mut self, now: Instant, network: Name, mut peers: Vec<Name>) -> Vec<Name> {
        while !peers.is_empty() {
            let peer = peers.remove(0);
            let common = self.common_networks(&peer);
            if self.start_sync(now, &peer, &common, Reason::Periodic(network.clone(), peers.clone())) {
                return common;
            }
        }
        Vec::new()
    }

    /// The networks of this node, those being left too, that a node takes part in.
    fn common_networks(&self, peer: &[u8]) -> Vec<Name> {
        let theirs = self.networks.of(peer).filter(|(_, attachment)| !attachment.leaving);
        theirs
            .filter(|(network, _)| self.networks.own(network).is_some())
            .map(|(network, _)| network.clone())
            .collect()
    }

    /// Sends a bulk sync. `false`: the node is unknown, or too many are under way.
    fn start_sync(&mut self, now: Instant, peer: &Name, networks: &[Name], reason: Reason) -> bool {
        let standing = self.nodes.standing(peer);
        if !matches!(standing, Some(Standing::Active | Standing::Failed)) {
            return false;
        }
        let Some(node) = self.nodes.get(peer).cloned() else { return false };
        if self.syncs.len() >= self.config.limits.syncs {
            self.counters.syncs_dropped += 1;
            return false;
        }
        let time = self.table_clock.increment();
        let asks = !matches!(reason, Reason::Answer);
        let parts = self.parts_for(peer, &node, networks);
        self.last_sync += 1;
        let id = self.last_sync;
        let unsent = parts.len();
        for (place, payload) in parts.into_iter().enumerate() {
            let unsolicited = asks && place + 1 == unsent;
            let message = BulkSync {
                time,
                unsolicited,
                node: &self.name,
                networks: Repeated::default(),
                payload: &payload,
            };
            let bytes = wrap(Kind::BulkSync, &message.write(networks.iter().map(Name::as_bytes)));
            self.todo.push_back(Todo::Reliable(node.addr, bytes.into(), Purpose::Sync(id)));
        }
        self.counters.syncs_sent += 1;
        self.syncs.insert(id, Sync { peer: peer.clone(), time, unsent, reason });
        self.timers.set(Timer::Sync(id), now + self.config.bulk_sync_timeout);
        true
    }

    /// The payloads of a bulk sync. Parts may be taken in any order, so each begins with the network events, for
    /// those nodes that take them.
    fn parts_for(&self, peer: &Name, node: &Node, networks: &[Name]) -> Vec<Vec<u8>> {
        let mut head = Vec::new();
        if node.takes_networks() {
            for network in networks {
                self.put_attachments(network, peer, &mut head);
            }
        }
        let (mut parts, mut part, mut event) = (Vec::new(), head.clone(), Vec::new());
        for network in networks {
            for (key, entry) in self.rows.iter(&Filter::network(network.clone())) {
                event.clear();
                table_event(&key, entry).encode(&mut event);
                let message = wrap(Kind::TableEvent, &event);
                let full =
                    part.len() + message.len() + part_overhead(message.len()) > self.config.bulk_sync_part;
                if full && part.len() > head.len() {
                    parts.push(wrap(Kind::Compound, &std::mem::replace(&mut part, head.clone())));
                }
                put_part(&mut part, &message);
            }
        }
        parts.push(wrap(Kind::Compound, &part));
        parts
    }

    fn put_attachments(&self, network: &Name, peer: &Name, out: &mut Vec<u8>) {
        let own = self.networks.own(network).map(|own| (&self.name, &own.attachment));
        let others = self.networks.others().filter(|(node, at, _)| *at == network && *node != peer);
        for (node, attachment) in
            own.into_iter().chain(others.map(|(node, _, attachment)| (node, attachment)))
        {
            let kind = if attachment.leaving { LEAVE } else { JOIN };
            let event = NetworkEvent { kind, time: attachment.time, node, network };
            put_part(out, &wrap(Kind::NetworkEvent, &event.to_bytes()));
        }
    }

    /// Takes a bulk sync: first what is in it, then who waited for it, then the answer.
    pub(super) fn bulk_sync(&mut self, now: Instant, sync: &BulkSync<'_>, context: Context) {
        if sync.node == self.name.as_bytes() || (sync.time > 0 && !self.witness_table(sync.time)) {
            return;
        }
        self.counters.syncs_received += 1;
        self.receive(now, sync.payload, Context { bulk: true, depth: context.depth + 1 });
        self.resolve(sync.node, sync.time);
        for network in sync.networks.iter() {
            if let Some(own) = self.networks.own_mut(network) {
                own.catch_up = CatchUp::Done;
            }
        }
        if !sync.unsolicited {
            return;
        }
        let asked: BTreeSet<&[u8]> = sync.networks.iter().take(self.config.limits.attachments).collect();
        let asked: Vec<Name> = asked.into_iter().map(|network| self.networks.name(network)).collect();
        match self.nodes.entry(sync.node).map(|(name, _)| name.clone()) {
            Some(peer) => drop(self.start_sync(now, &peer, &asked, Reason::Answer)),
            None => self.answer_later(now, Name::from(sync.node), asked),
        }
    }

    /// A node can ask before the news of it has come: its answer waits for that news.
    fn answer_later(&mut self, now: Instant, peer: Name, asked: Vec<Name>) {
        let oldest = now.before(self.config.bulk_sync_timeout);
        self.unanswered.retain(|_, (since, _)| *since >= oldest);
        if self.unanswered.len() >= self.config.limits.syncs {
            self.counters.syncs_dropped += 1;
            return;
        }
        self.unanswered.insert(peer, (now, asked));
        if self.timers.get(&Timer::Askers).is_none() {
            self.timers.set(Timer::Askers, now + self.config.asker_delay);
        }
    }

    /// Gossip can miss a node. Whoever is asked by one it still has not heard of gets the news from another member.
    pub(super) fn look_for_askers(&mut self) {
        if !self.unanswered.is_empty() {
            self.todo.push_back(Todo::PushPull);
        }
    }

    /// The news of a node has come.
    pub(super) fn answer_now(&mut self, now: Instant, peer: &Name) {
        let Some((since, asked)) = self.unanswered.remove(peer) else { return };
        if now.since(since) <= self.config.bulk_sync_timeout {
            self.start_sync(now, peer, &asked, Reason::Answer);
        }
    }

    /// Ends the waits for `peer` that began before `time`.
    fn resolve(&mut self, peer: &[u8], time: u64) {
        let over = self.syncs.iter().filter(|(_, sync)| sync.peer.as_bytes() == peer && sync.time < time);
        let asked = over.filter(|(_, sync)| !matches!(sync.reason, Reason::Answer));
        let over: Vec<u64> = asked.map(|(id, _)| *id).collect();
        for id in over {
            if let Some(Reason::Join(network)) = self.end_sync(id).map(|sync| sync.reason) {
                self.join_progress(&network, true);
            }
        }
    }

    fn end_sync(&mut self, id: u64) -> Option<Sync> {
        self.timers.cancel(&Timer::Sync(id));
        self.syncs.remove(&id)
    }

    /// A part was handed over, or could not be.
    pub(super) fn part_sent(&mut self, now: Instant, id: u64, sent: bool) {
        let Some(sync) = self.syncs.get_mut(&id) else { return };
        sync.unsent = sync.unsent.saturating_sub(1);
        if sent {
            if sync.unsent == 0 && matches!(sync.reason, Reason::Answer) {
                self.end_sync(id);
            }
            return;
        }
        self.counters.syncs_failed += 1;
        match self.end_sync(id).map(|sync| sync.reason) {
            Some(Reason::Join(network)) => self.join_progress(&network, false),
            Some(Reason::Periodic(network, others)) => drop(self.try_peers(now, network, others)),
            _ => {}
        }
    }

    /// Nobody answered in time. What the peer sends later is taken all the same.
    pub(super) fn sync_timed_out(&mut self, id: u64) {
        let Some(sync) = self.end_sync(id) else { return };
        self.counters.syncs_timed_out += 1;
        self.tell(Event::Warning(Warning::BulkSyncTimedOut(sync.peer)));
        if let Reason::Join(network) = sync.reason {
            self.join_progress(&network, false);
        }
    }
}

/// A row as a bulk sync carries it: never as an update.
fn table_event<'a>(key: &'a EntryKey, entry: &'a Entry) -> TableEvent<'a> {
    TableEvent {
        kind: if entry.deleting { DELETE } else { CREATE },
        time: entry.time,
        node: &entry.owner,
        network: &key.network,
        table: &key.table,
        key: &key.key,
        value: &entry.value,
        residual: entry.residual(),
    }
}
