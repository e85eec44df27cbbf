//! Several nodes in one network, and what must hold for all of them.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;

use crate::{
    Kind,
    peer::{Peer, Spec},
    wait::eventually,
};

/// The network of all nodes.
pub const NETWORK: &str = "blue";
/// The table most is written to.
pub const TABLE: &str = "endpoints";

/// How long nodes may take to agree. A failed node is found after some 5 to 30 seconds, a lost row by the next bulk
/// sync, every 30 seconds.
const AGREE: Duration = Duration::from_secs(90);

/// What Docker logs when a peer does not answer a bulk sync.
const TIMED_OUT: &str = "Bulk sync to node";

/// The table in which members come and go.
const MEMBERS: &str = "NodeTable";

/// Nodes that know one another. Peers are called by their position.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes, those that were killed or have left included.
    pub peers: Vec<Peer>,
    keys: Vec<String>,
    /// Names that were killed or sent away at some time.
    gone: BTreeSet<String>,
}

impl Cluster {
    /// Starts these nodes under `keys`; returns once all are in the network and see each other there.
    pub fn start(kinds: &[Kind], keys: &[String]) -> Self {
        let mut cluster = Self { peers: Vec::new(), keys: keys.to_vec(), gone: BTreeSet::new() };
        for kind in kinds {
            cluster.add(*kind);
        }
        cluster.assembled();
        cluster
    }

    /// Starts one more node and brings it in.
    pub fn add(&mut self, kind: Kind) -> usize {
        let at = self.add_outside(kind);
        self.bring_in(at);
        at
    }

    /// Starts one more node, in no cluster yet.
    pub fn add_outside(&mut self, kind: Kind) -> usize {
        let name = format!("{}-{}", kind.word(), self.peers.len());
        self.peers.push(Peer::start(Spec::new(kind, name).keys(&self.keys)));
        let at = self.peers.len() - 1;
        if kind == Kind::Ours {
            // For what `check` asks.
            self.peers[at].ask("watch", json!({ "network": "", "table": MEMBERS }));
        }
        at
    }

    /// Joins a node to the others, and to the network.
    pub fn bring_in(&self, at: usize) {
        let peer = &self.peers[at];
        if let Some(other) = self.running().find(|other| other.name() != peer.name()) {
            peer.join(other);
        }
        peer.ask("network_join", json!({ "network": NETWORK }));
    }

    /// Kills a node.
    pub fn kill(&mut self, at: usize) {
        self.gone.insert(self.peers[at].name().to_owned());
        self.peers[at].kill();
    }

    /// Sends a node away.
    pub fn send_away(&mut self, at: usize) {
        self.gone.insert(self.peers[at].name().to_owned());
        self.peers[at].leave();
    }

    /// Starts a killed node again: same name, same address, no rows.
    pub fn bring_back(&mut self, at: usize) {
        self.peers[at].restart();
        self.bring_in(at);
    }

    /// The nodes that run.
    pub fn running(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|peer| peer.is_running())
    }

    /// Waits until each node sees exactly the running ones, in the cluster and in the network.
    pub fn assembled(&self) {
        let mut names: Vec<_> = self.running().map(|peer| peer.name().to_owned()).collect();
        names.sort();
        for peer in self.running() {
            eventually(AGREE, format_args!("{} sees {names:?} alive and in {NETWORK}", peer.name()), || {
                let seen = (peer.alive(), peer.network_peers(NETWORK));
                if seen.0 == names && seen.1 == names { Ok(()) } else { Err(seen) }
            });
        }
    }

    /// Waits until all running nodes have the same rows, `count` of them.
    pub fn agrees_on(&self, count: u64) {
        let running: Vec<_> = (0..self.peers.len()).filter(|at| self.peers[*at].is_running()).collect();
        self.agree_on(&running, count);
    }

    /// Waits until these nodes have the same rows, `count` of them.
    pub fn agree_on(&self, these: &[usize], count: u64) {
        eventually(AGREE, format_args!("{these:?} have the same {count} rows"), || {
            let digest = |at: &usize| (self.peers[*at].name(), self.peers[*at].digest());
            let digests: Vec<_> = these.iter().map(digest).collect();
            let agreed = digests.iter().all(|(_, digest)| digest.0 == count && *digest == digests[0].1);
            if agreed { Ok(()) } else { Err(format!("{digests:?}")) }
        });
    }

    /// What must hold at the end of each test: no node was declared dead that was not, no bulk sync timed out.
    pub fn check(&self) {
        self.ours_saw_nobody_go();
        for peer in self.running() {
            let alive = peer.alive();
            let missing: Vec<_> =
                self.running().map(Peer::name).filter(|name| !alive.iter().any(|a| a == name)).collect();
            assert!(missing.is_empty(), "{} misses {missing:?}", peer.name());
        }
        for peer in self.peers.iter().filter(|peer| peer.kind().is_go()) {
            let slow = peer.log_with(TIMED_OUT);
            let slow: Vec<_> = slow.iter().filter(|line| line.contains("timed out")).collect();
            assert!(slow.is_empty(), "{}: {slow:?}", peer.name());
            let false_deaths: Vec<_> = peer
                .log_with("left gossip cluster")
                .into_iter()
                .filter(|line| !self.names_one_gone(line))
                .collect();
            assert!(false_deaths.is_empty(), "{}: {false_deaths:?}", peer.name());
        }
    }

    /// Ours tell of a member that goes; while none has gone for good reason they must not.
    fn ours_saw_nobody_go(&self) {
        for peer in self.running().filter(|peer| peer.kind() == Kind::Ours && self.gone.is_empty()) {
            let events = peer.events();
            let gone: Vec<_> = events.iter().filter(|event| event["kind"] == "delete").collect();
            assert!(gone.is_empty() && !events.is_empty(), "{} saw {gone:?} of {events:?}", peer.name());
        }
    }

    /// Whether a line of a log, `Node NAME/IP, left gossip cluster`, names a node that was killed or sent away.
    fn names_one_gone(&self, line: &str) -> bool {
        self.gone.iter().any(|name| line.contains(&format!("Node {name}/")))
    }
}
