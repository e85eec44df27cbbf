//! Tables over membership.

use networkdb_core::{
    machine::{Instant, Machine},
    memberlist::Memberlist,
    networkdb::{Config, EntryKey, Filter, Limits, NetworkDb, RowState, Stats, WatchId},
};

use super::{HERE, MEMORY, START, key, seeds, settings};
use crate::{
    host::{Host, Subject},
    memory::within,
    script::Script,
};

/// Networks, tables and keys of commands; those of the recorded clusters among them.
const NETWORKS: [&str; 3] = ["net-one", "net-two", ""];
const TABLES: [&str; 2] = ["endpoint_table", "overlay_peer_table"];
const ROWS: [&str; 4] = ["ep-1", "ep-a", "own-1", "own-2"];

/// Watchers at one time; the user's own affair, but all of them cost.
const WATCHERS: usize = 4;

/// Plays a schedule against a node with small limits.
pub fn run(data: &[u8]) {
    within(MEMORY, || {
        let mut script = Script::new(data);
        let config =
            Config { memberlist: settings(&mut script), limits: limits(), ..Config::new("", HERE.into()) };
        let db = NetworkDb::new(config, [1; 32], START).expect("the settings are good");
        let user = User { db, watches: Vec::new(), requests: 0, before: Stats::default() };
        Host::new(user, START).play(&mut script);
    });
}

/// Small enough that a schedule reaches them.
pub fn limits() -> Limits {
    Limits {
        nodes: 6,
        attachments: 8,
        rows: 12,
        row_bytes: 2048,
        relay_queue: 6,
        cluster_queue: 5,
        oversize_bytes: 4096,
        bulk_relay: 8,
        syncs: 3,
        events: 8,
        watch_queue: 4,
        depth: 4,
        stream_message: 64 << 10,
        push_pull: 512,
        clock_jump: 1 << 32,
    }
}

/// A node and what its user has asked.
struct User {
    db: NetworkDb,
    watches: Vec<WatchId>,
    requests: usize,
    before: Stats,
}

impl Machine for User {
    type Event = networkdb_core::networkdb::Event;

    fn handle(&mut self, now: Instant, input: networkdb_core::machine::Input<'_>) {
        self.db.handle(now, input);
    }

    fn poll_output(&mut self) -> Option<networkdb_core::machine::Output> {
        self.db.poll_output()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.db.poll_event()
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.db.next_deadline()
    }
}

impl Subject for User {
    fn command(&mut self, now: Instant, script: &mut Script<'_>) {
        match script.below(16) {
            0 => drop(self.asked().join(now, seeds(script))),
            1 => drop(self.asked().leave(now)),
            2 | 3 => drop(self.asked().join_network(now, network(script))),
            4 => drop(self.db.leave_network(now, network(script))),
            5 | 6 => drop(self.db.create_entry(now, &entry(script), script.block().to_vec().into())),
            7 => drop(self.db.update_entry(now, &entry(script), script.block().to_vec().into())),
            8 => drop(self.db.delete_entry(now, &entry(script))),
            9 => self.watch(script),
            10 => self.read_changes(),
            11 => drop(self.db.add_key(key(script))),
            12 => drop(self.db.use_key(key(script))),
            13 => drop(self.db.remove_key(key(script))),
            14 => self.look(),
            _ => while self.poll_event().is_some() {},
        }
    }

    fn check(&mut self) {
        super::membership::check(self.db.memberlist());
        let stats = self.db.stats();
        self.under_limits(&stats);
        self.only_growing(&stats);
        self.before = stats;
    }

    fn list(&self) -> &Memberlist {
        self.db.memberlist()
    }
}

impl User {
    /// The node, asked for something that ends in an event.
    fn asked(&mut self) -> &mut NetworkDb {
        self.requests += 1;
        &mut self.db
    }

    fn watch(&mut self, script: &mut Script<'_>) {
        if self.watches.len() >= WATCHERS {
            self.db.unwatch(self.watches.remove(0));
        }
        let filter = if script.below(2) == 0 { Filter::default() } else { Filter::network(network(script)) };
        self.watches.push(self.db.watch(filter));
    }

    fn read_changes(&mut self) {
        for watch in &self.watches {
            while self.db.next_change(*watch).is_some() {}
        }
    }

    /// Everything that can be asked without changing anything.
    fn look(&self) {
        let rows = self.db.rows(&Filter::default());
        assert_eq!(rows.len(), self.db.stats().rows);
        for row in &rows {
            let key = EntryKey::new(row.network.clone(), row.table.clone(), row.key.clone());
            assert_eq!(self.db.get_entry(&key).is_ok(), row.state == RowState::Live, "{row:?}");
        }
        drop((self.db.networks(), self.db.peers(b"net-one"), self.db.cluster_peers(), self.db.members()));
        drop(self.db.snapshot());
    }

    fn under_limits(&self, stats: &Stats) {
        let limits = limits();
        assert!(stats.active_nodes + stats.failed_nodes + stats.left_nodes <= limits.nodes, "{stats:?}");
        assert!(stats.attachments <= limits.attachments, "{stats:?}");
        let own = NETWORKS.len() * TABLES.len() * ROWS.len();
        assert!(stats.rows <= limits.rows + own && stats.tombstones <= stats.rows, "{stats:?}");
        assert!(stats.relay_queue <= stats.networks * limits.relay_queue, "{stats:?}");
        // Of the own networks none is dropped.
        assert!(stats.node_queue <= limits.cluster_queue, "{stats:?}");
        assert!(stats.network_queue <= limits.cluster_queue + NETWORKS.len(), "{stats:?}");
        assert!(stats.syncs <= limits.syncs && stats.unanswered <= limits.syncs, "{stats:?}");
        assert!(stats.events <= limits.events + self.requests, "{stats:?}");
        let members = limits.nodes;
        assert!(stats.watch_queue <= self.watches.len() * limits.watch_queue.max(members), "{stats:?}");
    }

    fn only_growing(&self, stats: &Stats) {
        let (now, before) = (&stats.counters, &self.before.counters);
        assert!(stats.network_clock >= self.before.network_clock, "{stats:?}");
        assert!(stats.table_clock >= self.before.table_clock, "{stats:?}");
        assert!(now.table_events >= before.table_events && now.malformed >= before.malformed);
        assert!(stats.keys >= 1 || self.before.keys == 0, "a node with keys does not lose its last one");
    }
}

fn network(script: &mut Script<'_>) -> &'static [u8] {
    script.one_of(&NETWORKS).as_bytes()
}

fn entry(script: &mut Script<'_>) -> EntryKey {
    EntryKey::new(script.one_of(&NETWORKS), script.one_of(&TABLES), script.one_of(&ROWS))
}
