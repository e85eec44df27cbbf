//! Nodes that come, fail, return and leave. Source: `event_delegate.go`, `nodemgmt.go`.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;

use super::{
    Event,
    node::{Node, Standing},
    rows::{Held, RowState, nanos},
    tables::Tables,
    watch::{Change, Filter, NODE_TABLE},
};
use crate::{
    Name,
    machine::Instant,
    memberlist::{Member, State},
};

impl Tables {
    pub(super) fn member_joined(&mut self, now: Instant, member: &Member) {
        let Member { name, addr, meta, .. } = member;
        if *name == self.name {
            self.put_node(name.clone(), *addr, meta.clone());
            return;
        }
        self.tell_member(addr.ip(), true);
        self.tell(Event::Node { name: name.clone(), addr: *addr, standing: Standing::Active });
        if let Some(old @ (Standing::Failed | Standing::Left)) = self.nodes.standing(name) {
            self.node_returned(member, old);
        } else {
            self.retire_at(*addr);
            self.put_node(name.clone(), *addr, meta.clone());
        }
        self.answer_now(now, name);
    }

    fn put_node(&mut self, name: Name, addr: SocketAddr, meta: Bytes) {
        if self.nodes.len() >= self.config.limits.nodes && self.nodes.get(&name).is_none() {
            self.counters.nodes_dropped += 1;
            return;
        }
        let node = Node { addr, meta, time: 0, reap: Duration::ZERO, standing: Standing::Active };
        self.nodes.put(name, node);
    }

    /// A failed or left name is back: it keeps its time, and takes the address it is reached at now.
    fn node_returned(&mut self, member: &Member, old: Standing) {
        if let Some(node) = self.nodes.get_mut(&member.name) {
            node.reap = Duration::ZERO;
            node.addr = member.addr;
            node.meta = member.meta.clone();
        }
        self.nodes.set(&member.name, Standing::Active);
        if old != Standing::Failed {
            return;
        }
        for network in self.networks.joined_by(&member.name) {
            self.networks.add_peer(&network, &member.name);
        }
        self.turn(self.rows_of(None, &member.name), RowState::Live, 0);
    }

    /// Another name at this address is an older incarnation, unless it is alive.
    fn retire_at(&mut self, addr: SocketAddr) {
        let at = |standing| {
            self.nodes.with(standing).find(|(name, node)| node.addr == addr && **name != self.name)
        };
        let found = at(Standing::Failed).or_else(|| at(Standing::Left)).map(|(name, _)| name.clone());
        if let Some(name) = found {
            self.node_left(&name);
        }
    }

    pub(super) fn member_updated(&mut self, member: &Member) {
        if let Some(node) = self.nodes.get_mut(&member.name) {
            node.addr = member.addr;
            node.meta = member.meta.clone();
        }
    }

    pub(super) fn member_gone(&mut self, member: &Member) {
        let Member { name, addr, state, .. } = member;
        if *name == self.name {
            return;
        }
        let active = self.nodes.is_active(name);
        if active {
            self.nodes.set(name, Standing::Failed);
        }
        // A successor may have taken the address over; only its end counts.
        if !self.nodes.with(Standing::Active).any(|(_, node)| node.addr.ip() == addr.ip()) {
            self.tell_member(addr.ip(), false);
        }
        let standing = if *state == State::Left { Standing::Left } else { Standing::Failed };
        self.tell(Event::Node { name: name.clone(), addr: *addr, standing });
        if active {
            self.node_failed(name);
        }
    }

    /// A node does not answer: its rows are hidden, and its attachments remembered.
    fn node_failed(&mut self, name: &Name) {
        self.start_reap(name);
        self.networks.remove_peer_everywhere(name);
        self.turn(self.rows_of(None, name), RowState::Hidden, nanos(self.config.reap_entry));
    }

    /// Hides rows, or brings them back; tombstones stay what they are.
    fn turn(&mut self, rows: Vec<Held>, state: RowState, reap: i64) {
        for held in rows.iter().filter(|held| !held.entry.is_tombstone()) {
            self.put_and_tell(held.place(), &held.entry.turned(state, reap));
        }
    }

    /// The owner of rows takes part from now on: those that came before are there.
    pub(super) fn show_rows(&mut self, network: &Name, owner: &Name) {
        self.turn(self.rows.hidden_of(network, owner), RowState::Live, 0);
    }

    /// A node has said goodbye or was replaced: its rows go with it.
    pub(super) fn node_left(&mut self, name: &Name) {
        self.drop_rows(None, name);
        self.nodes.set(name, Standing::Left);
        self.start_reap(name);
        self.networks.remove_peer_everywhere(name);
        self.networks.detach(name);
    }

    fn start_reap(&mut self, name: &Name) {
        let reap = self.config.reap_node;
        if let Some(node) = self.nodes.get_mut(name).filter(|node| node.reap.is_zero()) {
            node.reap = reap;
        }
    }

    /// Removes all rows of a node, in one network or all; watchers learn of those they saw. Its tombstones stay their
    /// time: somebody cut off may still hold what it deleted.
    pub(super) fn drop_rows(&mut self, network: Option<&Name>, owner: &Name) {
        for held in self.rows_of(network, owner) {
            if !held.entry.is_tombstone() {
                self.remove_and_tell(held.place());
            }
        }
    }

    /// The rows of another node. Outside the networks it takes part in there are but hidden ones, and tombstones.
    fn rows_of(&self, network: Option<&Name>, owner: &Name) -> Vec<Held> {
        let all = || self.networks.joined_by(owner);
        let networks = network.map_or_else(all, |network| vec![network.clone()]);
        let mut rows = Vec::new();
        for network in networks {
            let filter = Filter::network(network);
            let found = self.rows.iter(&filter, None).filter(|stored| stored.entry.owner() == owner);
            rows.extend(found.map(|stored| stored.held()));
        }
        rows
    }

    fn tell_member(&mut self, ip: IpAddr, here: bool) {
        let change = member_change(ip, here);
        self.watchers.tell(&change, self.config.limits.watch_queue);
    }
}

/// A row of the table of members.
pub(super) fn member_change(ip: IpAddr, here: bool) -> Change {
    let value = Some(Bytes::from(format!("{{\"Addr\":\"{}\"}}", ip.to_canonical())));
    let (value, previous) = if here { (value, None) } else { (None, value) };
    Change { table: Name::from(NODE_TABLE), value, previous, ..Change::default() }
}
