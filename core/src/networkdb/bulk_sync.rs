//! Bulk syncs: all rows of the common networks, in parts, asked for and answered. Source: `bulkSync` in
//! `cluster.go`.

use std::{collections::VecDeque, net::SocketAddr, ops::RangeInclusive};

use super::{
    Event, Warning,
    message::{
        BulkSync, CREATE, DELETE, Encode, JOIN, Kind, LEAVE, NetworkEvent, Repeated, TableEvent, put_part,
        wrap,
    },
    network::CatchUp,
    node::{Node, Standing},
    rows::{EntryKey, Stored},
    tables::{Context, Purpose, Tables, Timer, Todo},
    watch::Filter,
};
use crate::{Name, machine::Instant, map::Map, memberlist::MAX_NAME};

/// A bulk sync under way.
#[derive(Debug)]
pub(super) struct Sync {
    peer: Name,
    addr: SocketAddr,
    /// Any sync of the peer with a greater time ends the wait.
    time: u64,
    networks: Vec<Name>,
    /// The rows still to be sent.
    walk: Walk,
    reason: Reason,
    /// Time of the first part that came in answer; later parts have the same.
    answer: Option<u64>,
}

/// How far a bulk sync has come.
#[derive(Debug, Default)]
struct Walk {
    legs: VecDeque<Leg>,
    /// The last row sent of the first leg.
    behind: Option<EntryKey>,
    /// Whether the last part has been handed over.
    over: bool,
}

/// The rows of one network written in a span of time, but for those of one node.
#[derive(Debug)]
struct Leg {
    filter: Filter,
    times: RangeInclusive<u64>,
    but: Option<Name>,
}

impl Leg {
    fn has(&self, row: &Stored<'_>) -> bool {
        Some(row.entry.owner()) != self.but.as_ref() && self.times.contains(&row.entry.time())
    }
}

/// Why there is a bulk sync.
#[derive(Debug)]
pub(super) enum Reason {
    /// This node has joined a network.
    Join(Name),
    /// It is time: who to try in this network if this one cannot be reached.
    Periodic(Name, Vec<Name>),
    /// The node is back, or has missed something.
    Return,
    /// The peer asked, at this time of its clock.
    Answer(u64),
}

impl Sync {
    /// Whether an answer is waited for.
    fn asks(&self) -> bool {
        !matches!(self.reason, Reason::Answer(_))
    }

    /// Whether all is sent and nothing waited for. That of a join stays until its time is over, to know the
    /// further parts of its answer.
    fn is_over(&self) -> bool {
        self.walk.over
            && match self.reason {
                Reason::Answer(_) => true,
                Reason::Join(_) => false,
                Reason::Periodic(..) | Reason::Return => self.answer.is_some(),
            }
    }
}

/// The order in which rows are sent: to a peer that asks, first those written since, which it cannot have, be it the
/// owner that has lost them by a restart; then the others but for its own.
fn legs(networks: &[Name], peer: &Name, reason: &Reason) -> VecDeque<Leg> {
    let spans = match reason {
        Reason::Answer(time) if *time < u64::MAX => {
            vec![(*time + 1..=u64::MAX, None), (0..=*time, Some(peer.clone()))]
        }
        _ => vec![(0..=u64::MAX, None)],
    };
    let leg = |network: &Name, (times, but)| Leg { filter: Filter::network(network.clone()), times, but };
    spans
        .into_iter()
        .flat_map(|span| networks.iter().map(move |network| leg(network, span.clone())))
        .collect()
}

/// A bulk sync asked for by a node that is not yet known.
#[derive(Debug)]
pub(super) struct Question {
    since: Instant,
    /// The asker's table clock.
    time: u64,
    pub(super) asked: Vec<Name>,
}

impl Tables {
    /// Syncs with a node that was failed, or to which news could not be sent.
    pub(super) fn sync_after_return(&mut self, now: Instant, node: &Name) {
        let common = self.common_networks(node);
        self.start_sync(now, node, &common, Reason::Return);
    }

    /// For every network a random node; what one sync covers needs no other. The order is random too: a fixed one
    /// can keep two groups apart for ever.
    pub(super) fn sync_periodically(&mut self, now: Instant) {
        let mut networks = self.networks.owns_of(&|own| !own.attachment.leaving);
        self.rng.shuffle(&mut networks);
        let mut covered = Map::default();
        for network in networks {
            if covered.contains_key(&network) {
                continue;
            }
            let peers = self.draw_peers(&network, 2);
            for network in self.try_peers(now, network, peers) {
                covered.insert(network, ());
            }
        }
    }

    /// Syncs with the first of `peers` that can be tried; returns the networks this covers.
    pub(super) fn try_peers(&mut self, now: Instant, network: Name, mut peers: Vec<Name>) -> Vec<Name> {
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
    pub(super) fn common_networks(&self, peer: &[u8]) -> Vec<Name> {
        let mut theirs = self.networks.joined_by(peer);
        theirs.retain(|network| self.networks.own(network).is_some());
        theirs
    }

    /// Begins a bulk sync. `false`: the node is unknown, or too many are under way.
    pub(super) fn start_sync(
        &mut self,
        now: Instant,
        peer: &Name,
        networks: &[Name],
        reason: Reason,
    ) -> bool {
        let standing = self.nodes.standing(peer);
        if !matches!(standing, Some(Standing::Active | Standing::Failed)) {
            return false;
        }
        let Some(node) = self.nodes.get(peer) else { return false };
        if self.syncs.len() >= self.config.limits.syncs {
            self.counters.syncs_dropped += 1;
            return false;
        }
        let (addr, time) = (node.addr, self.table_clock.increment());
        self.last_sync += 1;
        let id = self.last_sync;
        let walk = Walk { legs: legs(networks, peer, &reason), ..Walk::default() };
        let sync =
            Sync { peer: peer.clone(), addr, time, networks: networks.to_vec(), walk, reason, answer: None };
        self.counters.syncs_sent += 1;
        self.syncs.insert(id, sync);
        self.send_part(now, id);
        true
    }

    /// Sends the next part; the one after it follows when this one has been handed over.
    fn send_part(&mut self, now: Instant, id: u64) {
        let Some(mut sync) = self.syncs.remove(&id) else { return };
        let payload = self.next_part(&mut sync);
        let message = BulkSync {
            time: sync.time,
            unsolicited: sync.asks() && sync.walk.over,
            node: &self.name,
            networks: Repeated::default(),
            payload: &payload,
        };
        let bytes = wrap(Kind::BulkSync, &message.write(sync.networks.iter().map(Name::as_bytes)));
        self.todo.push_back(Todo::Reliable(vec![(sync.addr, Purpose::Sync(id))], bytes.into()));
        self.syncs.insert(id, sync);
        self.timers.set(Timer::Sync(id), now + self.config.bulk_sync_timeout);
    }

    /// The payload of the next part. Parts may be taken in any order, so each begins with the network events, for
    /// those nodes that take them.
    fn next_part(&self, sync: &mut Sync) -> Vec<u8> {
        let mut part = Vec::new();
        if self.nodes.get(&sync.peer).is_some_and(Node::takes_networks) {
            for network in &sync.networks {
                self.put_attachments(network, &sync.peer, &mut part);
            }
        }
        let full = part.len() + self.config.bulk_sync_part;
        while let Some(leg) = sync.walk.legs.front() {
            let behind = sync.walk.behind.take();
            sync.walk.behind = self.fill(leg, behind, full, &mut part);
            if sync.walk.behind.is_some() {
                return wrap(Kind::Compound, &part);
            }
            sync.walk.legs.pop_front();
        }
        sync.walk.over = true;
        wrap(Kind::Compound, &part)
    }

    /// Appends rows of a leg, at least one, until there are no more; or returns the last one before `part` is full.
    fn fill(&self, leg: &Leg, behind: Option<EntryKey>, full: usize, part: &mut Vec<u8>) -> Option<EntryKey> {
        let rows = self.rows.iter(&leg.filter, behind.as_ref());
        let mut last: Option<Stored<'_>> = None;
        for row in rows.filter(|row| leg.has(row)) {
            let event = self.event_of(row);
            if part.len() + event.part_len() > full
                && let Some(last) = last
            {
                return Some(last.entry_key());
            }
            event.put_part(part);
            last = Some(row);
        }
        None
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

    /// Takes a bulk sync: who waited for it, what is in it, and the answer, if one is asked for.
    pub(super) fn bulk_sync(&mut self, now: Instant, sync: &BulkSync<'_>, context: Context) {
        if sync.node == self.name.as_bytes() || (sync.time > 0 && !self.witness_table(sync.time)) {
            return;
        }
        self.counters.syncs_received += 1;
        let of_peer = |wait: &Sync| wait.peer.as_bytes() == sync.node && wait.asks() && wait.time < sync.time;
        // What was drained is not all there is.
        let whole = sync.unsolicited || self.syncs.values().any(of_peer);
        let known = self.resolve(now, sync.node, sync.time);
        self.receive(now, sync.payload, Context { bulk: true, known, depth: context.depth + 1 });
        for network in sync.networks.iter().filter(|_| whole) {
            if let Some(own) = self.networks.own_mut(network) {
                own.catch_up = CatchUp::Done;
            }
        }
        if !sync.unsolicited {
            return;
        }
        let mut asked = Map::default();
        for network in sync.networks.iter().take(self.config.limits.attachments) {
            asked.insert(self.networks.name(network), ());
        }
        let asked = asked.keys_of(&|_, ()| true);
        match self.nodes.entry(sync.node).map(|(name, _)| name.clone()) {
            Some(peer) => drop(self.start_sync(now, &peer, &asked, Reason::Answer(sync.time))),
            None => {
                self.answer_later(
                    now,
                    Name::from(sync.node),
                    Question { since: now, time: sync.time, asked },
                );
            }
        }
    }

    /// A node can ask before the news of it has come: its answer waits for that news.
    fn answer_later(&mut self, now: Instant, peer: Name, mut question: Question) {
        let oldest = now.before(self.config.bulk_sync_timeout);
        self.unanswered.retain(|_, question| question.since >= oldest);
        if self.unanswered.len() >= self.config.limits.syncs || peer.len() > MAX_NAME {
            self.counters.syncs_dropped += 1;
            return;
        }
        // Who is not known yet is not to fill the memory with names.
        question.asked.retain(|network| self.networks.own(network).is_some());
        self.unanswered.insert(peer, question);
        self.timers.hasten(Timer::Askers, now + self.config.asker_delay);
    }

    /// Gossip can miss a node. Whoever is asked by one it still has not heard of gets the news from another member.
    pub(super) fn look_for_askers(&mut self) {
        if !self.unanswered.is_empty() {
            self.todo.push_back(Todo::PushPull);
        }
    }

    /// The news of a node has come.
    pub(super) fn answer_now(&mut self, now: Instant, peer: &Name) {
        let Some(Question { since, time, asked }) = self.unanswered.remove(peer) else { return };
        if now.since(since) <= self.config.bulk_sync_timeout {
            self.start_sync(now, peer, &asked, Reason::Answer(time));
        }
    }

    /// Ends the waits for `peer` that began before `time`. Whether this is part of the answer to a join: such rows
    /// are known to all others.
    fn resolve(&mut self, now: Instant, peer: &[u8], time: u64) -> bool {
        let of_peer = self.syncs.keys_of(&|_, sync| sync.peer.as_bytes() == peer && sync.asks());
        let mut joins = Vec::new();
        let mut part_of_join = false;
        for id in &of_peer {
            let Some(sync) = self.syncs.get_mut(id).filter(|sync| sync.time < time) else { continue };
            let first = sync.answer.is_none();
            let answer = *sync.answer.get_or_insert(time);
            if let Reason::Join(network) = &sync.reason
                && answer == time
            {
                part_of_join = true;
                joins.extend(first.then(|| network.clone()));
            }
        }
        for network in joins {
            self.join_progress(now, &network, true);
        }
        for id in of_peer {
            if self.syncs.get(&id).is_some_and(Sync::is_over) {
                self.end_sync(id);
            }
        }
        part_of_join
    }

    fn end_sync(&mut self, id: u64) -> Option<Sync> {
        self.timers.cancel(&Timer::Sync(id));
        self.syncs.remove(&id)
    }

    /// A part was handed over, or could not be.
    pub(super) fn part_sent(&mut self, now: Instant, id: u64, sent: bool) {
        let Some(sync) = self.syncs.get(&id) else { return };
        if sent {
            if !sync.walk.over {
                self.send_part(now, id);
            } else if sync.is_over() {
                self.end_sync(id);
            }
            return;
        }
        self.counters.syncs_failed += 1;
        match self.end_sync(id).map(|sync| sync.reason) {
            Some(Reason::Join(network)) => self.join_progress(now, &network, false),
            Some(Reason::Periodic(network, others)) => drop(self.try_peers(now, network, others)),
            _ => {}
        }
    }

    /// Nobody answered in time. What the peer sends later is taken all the same.
    pub(super) fn sync_timed_out(&mut self, now: Instant, id: u64) {
        let Some(sync) = self.end_sync(id).filter(|sync| sync.answer.is_none()) else { return };
        self.counters.syncs_timed_out += 1;
        self.tell(Event::Warning(Warning::BulkSyncTimedOut(sync.peer)));
        if let Reason::Join(network) = sync.reason {
            self.join_progress(now, &network, false);
        }
    }

    /// A row as a bulk sync carries it: never as an update.
    fn event_of<'a>(&self, stored: Stored<'a>) -> TableEvent<'a> {
        let Stored { network, table, entry } = stored;
        TableEvent {
            kind: if entry.is_tombstone() { DELETE } else { CREATE },
            time: entry.time(),
            node: entry.owner(),
            network,
            table,
            key: entry.key(),
            value: entry.value(),
            residual: self.rows.residual(entry),
        }
    }
}
