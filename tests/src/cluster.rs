//! Several nodes in one network, and what must hold for all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::json;

use crate::{
    Kind,
    peer::{Peer, Spec},
    rows::{Rows, Table, difference, pattern},
    wait::eventually,
};

/// The network of all nodes.
pub const NETWORK: &str = "blue";
/// The table that is written to.
pub const TABLE: &str = "endpoints";

/// How long nodes may take to agree. A failed node is found after some 5 to 30 seconds, a lost row by the next bulk
/// sync, every 30 seconds.
const AGREE: Duration = Duration::from_secs(90);

/// Nodes that know one another, and the rows they have written. Nodes are called by their position.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes, those that were killed or have left included.
    pub peers: Vec<Peer>,
    keys: Vec<String>,
    rows: Rows,
    /// Those that have left the network.
    outside: BTreeSet<usize>,
    /// How often each node was killed or sent away.
    ends: Vec<usize>,
    /// How often one node had cause to see another go: who saw, and who went.
    ends_seen: BTreeMap<(usize, usize), usize>,
}

impl Cluster {
    /// Starts these nodes under `keys`; returns once all are in the network and see each other there.
    pub fn start(kinds: &[Kind], keys: &[String]) -> Self {
        let mut cluster = Self {
            peers: Vec::new(),
            keys: keys.to_vec(),
            rows: Rows::default(),
            outside: BTreeSet::new(),
            ends: Vec::new(),
            ends_seen: BTreeMap::new(),
        };
        for kind in kinds {
            cluster.add(*kind);
        }
        cluster.assembled();
        cluster
    }

    /// Starts one more node and brings it in.
    pub fn add(&mut self, kind: Kind) -> usize {
        let at = self.peers.len();
        let name = format!("{}-{at}", kind.word());
        self.peers.push(Peer::start(Spec::new(kind, name).keys(&self.keys)));
        self.ends.push(0);
        self.bring_in(at);
        at
    }

    /// Joins a node to the others, and to the network.
    fn bring_in(&self, at: usize) {
        let peer = &self.peers[at];
        if let Some(other) = self.running().find(|other| *other != at) {
            peer.join(&self.peers[other]);
        }
        // Go nodes never answer a bulk sync of a node they have not heard of; ours do once they have.
        for asked in self.running().map(|other| &self.peers[other]).filter(|other| other.kind().is_go()) {
            eventually(AGREE, format_args!("{} sees {}", asked.name(), peer.name()), || {
                let alive = asked.alive();
                if alive.iter().any(|name| name == peer.name()) { Ok(()) } else { Err(alive) }
            });
        }
        peer.ask("network_join", json!({ "network": NETWORK }));
    }

    /// Creates or updates (`op`) a row on a node.
    pub fn write(&mut self, at: usize, op: &str, key: &str, value: &str) {
        self.peers[at].write(op, key, value);
        self.rows.put(key, value.as_bytes(), at, self.ends[at]);
    }

    /// Deletes a row on a node.
    pub fn delete(&mut self, at: usize, key: &str) {
        self.peers[at].delete(key);
        self.rows.delete(key);
    }

    /// Creates `count` rows on each node of the network, named by `step`, the node and a number.
    pub fn write_on_all(&mut self, step: impl std::fmt::Display, count: usize) {
        for at in self.inside() {
            for row in 0..count {
                let value = format!("row {row} of {} at {step}", self.peers[at].name());
                self.write(at, "create", &format!("{step}-{at}-{row}"), &value);
            }
        }
    }

    /// Creates many rows on a node, `size` bytes each.
    pub fn load(&mut self, at: usize, count: u32, size: u32) {
        self.peers[at].load("row-", count, size);
        for row in 0..count {
            self.rows.put(&format!("row-{row:06}"), &pattern(row, size), at, self.ends[at]);
        }
    }

    /// A node leaves the network and stays in the cluster.
    pub fn leave_network(&mut self, at: usize) {
        self.peers[at].ask("network_leave", json!({ "network": NETWORK }));
        self.outside.insert(at);
        self.rows.leave(at);
    }

    /// Kills a node.
    pub fn kill(&mut self, at: usize) {
        self.peers[at].kill();
        self.ended(at);
    }

    /// Sends a node away by its command.
    pub fn send_away(&mut self, at: usize) {
        self.peers[at].leave();
        self.ended(at);
        self.rows.leave(at);
    }

    /// Sends a node of ours away by SIGTERM.
    pub fn terminate(&mut self, at: usize) {
        self.peers[at].terminate();
        self.ended(at);
        self.rows.leave(at);
    }

    fn ended(&mut self, at: usize) {
        self.ends[at] += 1;
        for other in self.running().collect::<Vec<_>>() {
            *self.ends_seen.entry((other, at)).or_default() += 1;
        }
    }

    /// Starts a killed node again: same name, same address, no rows.
    pub fn bring_back(&mut self, at: usize) {
        self.peers[at].restart();
        self.bring_in(at);
    }

    fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.peers.len()).filter(|at| self.peers[*at].is_running())
    }

    /// The nodes that run and are in the network.
    fn inside(&self) -> Vec<usize> {
        self.running().filter(|at| !self.outside.contains(at)).collect()
    }

    fn names(&self, these: impl Iterator<Item = usize>) -> Vec<String> {
        let mut names: Vec<_> = these.map(|at| self.peers[at].name().to_owned()).collect();
        names.sort();
        names
    }

    /// Waits until each node sees exactly those that run in the cluster, and those in the network there.
    pub fn assembled(&self) {
        let (all, inside) = (self.names(self.running()), self.names(self.inside().into_iter()));
        for peer in self.running().map(|at| &self.peers[at]) {
            eventually(AGREE, format_args!("{} sees {all:?} alive", peer.name()), || {
                let seen = peer.alive();
                if seen == all { Ok(()) } else { Err(seen) }
            });
        }
        for peer in self.inside().into_iter().map(|at| &self.peers[at]) {
            eventually(AGREE, format_args!("{} sees {inside:?} in {NETWORK}", peer.name()), || {
                let seen = peer.network_peers(NETWORK);
                if seen == inside { Ok(()) } else { Err(seen) }
            });
        }
    }

    /// Waits until all nodes of the network hold the rows they must: keys, values and owners.
    pub fn agrees(&self) {
        for at in self.inside() {
            let wanted = self.wanted(at);
            eventually(AGREE, format_args!("{} holds all rows", self.peers[at].name()), || {
                // Cheaper than many rows, as long as some are missing.
                let count = self.peers[at].digest().0;
                if count == wanted.len() as u64 {
                    self.right(at, &wanted)
                } else {
                    Err(format!("{count} rows, {} wanted", wanted.len()))
                }
            });
        }
    }

    /// What a node must hold.
    fn wanted(&self, at: usize) -> Table {
        let owner = |owner: usize| self.peers[owner].is_running().then(|| self.peers[owner].name());
        let forgets = self.peers[at].kind() != Kind::Ours;
        self.rows.held_by(at, forgets.then_some(self.ends[at]), owner)
    }

    fn right(&self, at: usize, wanted: &Table) -> Result<(), String> {
        difference(&self.peers[at].rows(), wanted).map_or(Ok(()), Err)
    }

    /// Those of the running nodes, by position, that saw this one fail.
    pub fn saw_fail(&self, at: usize) -> Vec<usize> {
        let gone = self.peers[at].name();
        let saw = |peer: &Peer| !peer.log_like(|line| peer.kind().tells_of_a_failure(line, gone)).is_empty();
        self.running().filter(|other| saw(&self.peers[*other])).collect()
    }

    /// What must hold at the end of each test: the tables are right now, no node was seen to go but those that did,
    /// no bulk sync timed out.
    pub fn check(&self) {
        for at in self.inside() {
            let right = self.right(at, &self.wanted(at));
            assert_eq!(right, Ok(()), "{}", self.peers[at].name());
        }
        for (at, peer) in self.peers.iter().enumerate() {
            let slow = peer.log_like(|line| peer.kind().tells_of_a_slow_sync(line));
            assert!(slow.is_empty(), "{}: {slow:?}", peer.name());
            for (other, gone) in self.peers.iter().enumerate().filter(|(other, _)| *other != at) {
                let seen = peer.log_like(|line| peer.kind().tells_of_the_end(line, gone.name()));
                let caused = self.ends_seen.get(&(at, other)).copied().unwrap_or(0);
                assert_eq!(seen.len(), caused, "{} saw {} go: {seen:?}", peer.name(), gone.name());
            }
        }
    }
}
