//! What goes on without being asked: forgetting what is over, and finding the cluster again.

use std::{net::SocketAddr, time::Duration};

use super::{
    Event,
    message::JOIN,
    node::{Node, Standing},
    rows::{Held, nanos},
    tables::{After, Purpose, Tables, Timer, Todo},
    watch::Filter,
};
use crate::{
    Name,
    machine::{Endpoint, Instant},
    memberlist::JoinReport,
};

/// How far the pause between tries of failed nodes grows: sixteenfold.
const MAX_DOUBLINGS: u32 = 4;
/// The first wait before a bootstrap is tried again; doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);

impl Tables {
    pub(super) fn start_timers(&mut self, now: Instant) {
        let config = &self.config;
        for (timer, interval) in [
            (Timer::BulkSync, config.bulk_sync_interval),
            (Timer::Reap, config.reap_interval),
            (Timer::ReapNodes, config.reap_node_interval),
            (Timer::Reconnect, config.reconnect_interval),
            (Timer::Rejoin, config.rejoin_interval),
        ] {
            if !interval.is_zero() {
                self.timers.set(timer, now + interval + self.rng.duration(interval));
            }
        }
    }

    /// Does what is due.
    pub(super) fn handle_due(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            if let Some(again) = self.act(now, timer).filter(|_| !self.leaving) {
                self.timers.set(timer, now + again);
            }
        }
    }

    /// Returns when to do it again, if it does not say so by itself.
    fn act(&mut self, now: Instant, timer: Timer) -> Option<Duration> {
        match timer {
            Timer::Gossip => self.gossip_tables(now),
            Timer::CatchUp => self.catch_up(now),
            Timer::Askers => self.look_for_askers(),
            Timer::Goodbye(request) => self.todo.push_back(Todo::Leave(Purpose::Leave(request))),
            Timer::Sync(id) => self.sync_timed_out(now, id),
            // Whoever handles an input looks at these next.
            Timer::NodeEvents => {}
            Timer::BulkSync => {
                self.sync_periodically(now);
                return Some(self.config.bulk_sync_interval);
            }
            Timer::Reap => {
                let step = now.since(self.last_reap).max(self.config.reap_interval);
                self.last_reap = now;
                self.reap(step);
                return Some(self.config.reap_interval);
            }
            Timer::ReapNodes => {
                self.reap_nodes();
                return Some(self.config.reap_node_interval);
            }
            Timer::Reconnect => {
                self.reconnect();
                return Some(self.reconnect_pause());
            }
            Timer::Rejoin => {
                self.check_bootstrap();
                return Some(self.config.rejoin_interval);
            }
        }
        None
    }

    /// Ages tombstones and hidden rows, then attachments that were left.
    #[doc(hidden)]
    pub fn reap(&mut self, step: Duration) {
        let over = self.rows.age(nanos(step));
        self.counters.reaped += over.len() as u64;
        for held in over {
            self.remove_and_tell(held.place());
        }
        for network in self.networks.age(step) {
            self.forget_network(&network);
        }
    }

    /// Rows of a network this node has forgotten go, but for those it wrote itself.
    fn forget_network(&mut self, network: &Name) {
        let filter = Filter::network(network.clone());
        let rows = self.rows.iter(&filter, None);
        let foreign = rows.filter(|row| *row.entry.owner() != self.name || row.entry.is_tombstone());
        let foreign: Vec<Held> = foreign.map(|row| row.held()).collect();
        for held in foreign {
            self.remove_and_tell(held.place());
        }
    }

    /// Forgets nodes that have been gone for long, and all that is left of them.
    #[doc(hidden)]
    pub fn reap_nodes(&mut self) {
        let step = self.config.reap_node_interval;
        let over = |node: &Node| node.standing == Standing::Failed && node.reap <= step;
        for name in self.nodes.names_of(&over) {
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
        if report.reached.is_empty() {
            self.reconnects_failed = self.reconnects_failed.saturating_add(1);
        } else {
            self.reconnects_failed = 0;
            self.announce(now, JOIN, After::Sync(node));
        }
    }

    /// How long until a failed node is tried again: doubled with each that did not answer, and never in step with
    /// others.
    pub(super) fn reconnect_pause(&mut self) -> Duration {
        let doublings = self.reconnects_failed.min(MAX_DOUBLINGS);
        let pause = self.config.reconnect_interval * 2u32.pow(doublings);
        if doublings == 0 { pause } else { pause / 2 + self.rng.duration(pause) }
    }

    /// A node has gone: it is tried soon, and if it was the last one, so are the bootstrap addresses.
    pub(super) fn seek(&mut self, now: Instant) {
        if self.leaving {
            return;
        }
        self.reconnects_failed = 0;
        if self.nodes.active() <= 1 {
            self.timers.set(Timer::Rejoin, now);
        }
    }

    /// Takes new bootstrap addresses; one without a port gets the one this node is bound to.
    pub(super) fn set_bootstrap(&mut self, mut seeds: Vec<Endpoint>) {
        let bound = self.config.port();
        for seed in &mut seeds {
            match seed {
                Endpoint::Addr(addr) if addr.port() == 0 => addr.set_port(bound),
                Endpoint::Name { port, .. } if *port == 0 => *port = bound,
                _ => {}
            }
        }
        self.bootstrap.seeds = seeds;
        self.bootstrap.reached.clear();
        self.bootstrap.failures = 0;
    }

    /// Joins the bootstrap addresses unless one of them belongs to an active member.
    pub(super) fn check_bootstrap(&mut self) {
        if self.leaving {
            return;
        }
        let alone = self.nodes.active() <= 1 && self.nodes.failed() + self.bootstrap.seeds.len() > 0;
        if alone && !self.bootstrap.alone {
            self.tell(Event::Alone);
        }
        self.bootstrap.alone = alone;
        if self.bootstrap.trying || self.bootstrap.seeds.is_empty() {
            return;
        }
        let own = canonical(SocketAddr::new(self.config.memberlist.advertise.ip(), self.config.port()));
        let seeds = self.bootstrap.seeds.iter();
        let seeds: Vec<Endpoint> = seeds.filter(|seed| addr_of(seed) != Some(own)).cloned().collect();
        let told: Vec<SocketAddr> = seeds.iter().filter_map(addr_of).collect();
        let others = self.nodes.with(Standing::Active).filter(|(name, _)| **name != self.name);
        let found = others
            .map(|(_, node)| canonical(node.addr))
            .any(|addr| told.contains(&addr) || self.bootstrap.reached.contains(&addr));
        if found || seeds.is_empty() {
            self.bootstrap.failures = 0;
            return;
        }
        self.bootstrap.trying = true;
        self.todo.push_back(Todo::Join(seeds, Purpose::Bootstrap));
    }

    pub(super) fn bootstrapped(&mut self, now: Instant, report: &JoinReport) {
        self.bootstrap.trying = false;
        if report.reached.is_empty() {
            self.retry_bootstrap(now);
        } else {
            self.bootstrap.failures = 0;
            self.bootstrap.reached.clone_from(&report.reached);
            self.announce(now, JOIN, After::Nothing);
        }
    }

    /// Nobody was reached: the bootstrap addresses are tried again, each time after twice the wait.
    pub(super) fn retry_bootstrap(&mut self, now: Instant) {
        let wait = FIRST_RETRY * 2u32.pow(self.bootstrap.failures.min(10));
        self.bootstrap.failures = self.bootstrap.failures.saturating_add(1);
        let wait = wait.min(self.config.rejoin_interval);
        self.timers.set(Timer::Rejoin, now + wait / 2 + self.rng.duration(wait));
    }
}

/// The address of a seed; a name has none before it is dialled.
fn addr_of(seed: &Endpoint) -> Option<SocketAddr> {
    let Endpoint::Addr(addr) = seed else { return None };
    Some(canonical(*addr))
}

/// An IPv4 address in the clothes of IPv6 is the same address.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}
