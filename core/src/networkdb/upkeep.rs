//! What goes on without being asked: forgetting what is over, and finding the cluster again.

use std::{net::SocketAddr, time::Duration};

use super::{
    Event,
    message::JOIN,
    node::Standing,
    table::{EntryKey, OwnerFailed, SECOND, nanos},
    tables::{After, Purpose, Tables, Timer, Todo},
    watch::Filter,
};
use crate::{
    Name,
    machine::{Endpoint, Instant},
    memberlist::JoinReport,
};

/// The first wait before a bootstrap is tried again; doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);

impl Tables {
    /// Ages tombstones and hidden rows, then attachments that were left.
    #[doc(hidden)]
    pub fn reap(&mut self, step: Duration) {
        let (step_nanos, nodes) = (nanos(step), &self.nodes);
        let mut over = Vec::new();
        self.rows.for_each_mut(|network, table, key, entry| {
            if !entry.deleting && !nodes.is_failed(&entry.owner) {
                return;
            }
            // The extra second keeps what others are told at one second or more.
            if entry.reap > step_nanos.saturating_add(SECOND) {
                entry.reap -= step_nanos;
            } else {
                over.push(EntryKey::new(network.clone(), table.clone(), key.clone()));
            }
        });
        self.counters.reaped += over.len() as u64;
        for key in over {
            self.apply(&key, None, OwnerFailed { before: true, after: true });
        }
        for network in self.networks.age(step) {
            self.forget_network(&network);
        }
    }

    /// Rows of a network this node has forgotten go, but for those it wrote itself.
    fn forget_network(&mut self, network: &Name) {
        let rows = self.rows.iter(&Filter::network(network.clone()));
        let foreign = rows.filter(|(_, entry)| entry.owner != self.name || entry.deleting);
        let keys: Vec<EntryKey> = foreign.map(|(key, _)| key).collect();
        for key in keys {
            self.apply_and_tell(&key, None, OwnerFailed::default());
        }
    }

    /// Forgets nodes that have been gone for long, and all that is left of them.
    #[doc(hidden)]
    pub fn reap_nodes(&mut self) {
        let step = self.config.reap_node_interval;
        let over: Vec<Name> = self.nodes.iter()
            .filter(|(_, node)| node.standing == Standing::Failed && node.reap <= step)
            .map(|(name, _)| name.clone())
            .collect();
        for name in over {
            self.drop_rows(None, &name);
            self.networks.detach(&name);
        }
        self.nodes.age(step);
    }

    /// Tries one failed node.
    pub(super) fn reconnect(&mut self) {
        if self.nodes.failed() == 0 || self.reconnecting || self.leaving {
            return;
        }
        let place = self.rng.below(self.nodes.failed());
        let drawn = self.nodes.with(Standing::Failed).nth(place);
        let Some((name, addr)) = drawn.map(|(name, node)| (name.clone(), node.addr)) else { return };
        self.reconnecting = true;
        self.todo.push_back(Todo::Join(vec![addr.into()], Purpose::Reconnect(name)));
    }

    pub(super) fn reconnected(&mut self, now: Instant, node: Name, report: &JoinReport) {
        self.reconnecting = false;
        if !report.reached.is_empty() {
            self.announce(now, JOIN, After::Sync(node));
        }
    }

    /// Takes new bootstrap addresses.
    pub(super) fn set_bootstrap(&mut self, seeds: Vec<Endpoint>) {
        self.bootstrap.seeds = seeds;
        self.bootstrap.reached.clear();
        self.bootstrap.failures = 0;
    }

    /// Joins the bootstrap addresses unless one of them belongs to an active member.
    pub(super) fn check_bootstrap(&mut self) {
        if self.leaving || self.bootstrap.trying || self.bootstrap.seeds.is_empty() {
            return;
        }
        let port = self.config.port();
        let own = SocketAddr::new(self.config.memberlist.advertise.ip(), port);
        let told: Vec<SocketAddr> = self.bootstrap.seeds.iter().filter_map(|seed| addr_of(seed, port)).collect();
        let others = self.nodes.with(Standing::Active).filter(|(name, _)| **name != self.name);
        let found = others.map(|(_, node)| node.addr).any(|addr| {
            told.iter().chain(&self.bootstrap.reached).any(|seed| *seed == addr)
        });
        let seeds: Vec<Endpoint> =
            self.bootstrap.seeds.iter().filter(|seed| addr_of(seed, port) != Some(own)).cloned().collect();
        if found || seeds.is_empty() {
            self.bootstrap.failures = 0;
            return;
        }
        if self.nodes.active() <= 1 {
            self.tell(Event::Alone);
        }
        self.bootstrap.trying = true;
        self.todo.push_back(Todo::Join(seeds, Purpose::Bootstrap));
    }

    pub(super) fn bootstrapped(&mut self, now: Instant, report: &JoinReport) {
        self.bootstrap.trying = false;
        if !report.reached.is_empty() {
            self.bootstrap.failures = 0;
            self.bootstrap.reached.clone_from(&report.reached);
            self.announce(now, JOIN, After::Nothing);
            return;
        }
        let wait = FIRST_RETRY * 2u32.pow(self.bootstrap.failures.min(10));
        self.bootstrap.failures = self.bootstrap.failures.saturating_add(1);
        let wait = wait.min(self.config.rejoin_interval);
        self.timers.set(Timer::Rejoin, now + wait / 2 + self.rng.duration(wait));
    }
}

/// The address of a seed, the port filled in; a name has none before it is dialled.
fn addr_of(seed: &Endpoint, port: u16) -> Option<SocketAddr> {
    let Endpoint::Addr(addr) = seed else { return None };
    let port = if addr.port() == 0 { port } else { addr.port() };
    Some(SocketAddr::new(addr.ip(), port))
}
