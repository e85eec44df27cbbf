//! How a simulated cluster is set up.

use std::{net::SocketAddr, time::Duration};

use networkdb_core::{
    memberlist::Keyring,
    networkdb::{Config, Limits},
};

use crate::{faults::NodeId, network::Link};

/// Nodes whose addresses all others are told at their start.
pub(crate) const BOOTSTRAP: usize = 3;

/// How a cluster is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Decides everything left to chance.
    pub seed: u64,
    /// Nodes.
    pub nodes: usize,
    /// Networks that all nodes join at their start, numbered from 0.
    pub networks: u8,
    /// Whether they have a key: number 0.
    pub keys: bool,
    /// How the network is where no fault changes it.
    pub link: Link,
    /// Time from one start to the next.
    pub stagger: Duration,
    /// How long a tombstone lives.
    pub tombstone: Duration,
    /// Time between bulk syncs.
    pub bulk_sync: Duration,
    /// Whether what is sent may be compressed.
    pub compression: bool,
    /// A guard of every node is removed, so that a test can see that a run finds it. Not part of a scenario's text.
    #[doc(hidden)]
    pub planted_bug: bool,
    /// Changes kept for a watcher that takes none.
    pub watch_queue: usize,
}

impl Default for Settings {
    /// Five nodes in one network, with the timers of the real peers.
    fn default() -> Self {
        Self {
            seed: 1,
            nodes: 5,
            networks: 1,
            keys: false,
            link: Link::default(),
            stagger: Duration::from_millis(100),
            tombstone: Duration::from_secs(1_800),
            bulk_sync: Duration::from_secs(30),
            compression: true,
            planted_bug: false,
            watch_queue: 16_384,
        }
    }
}

impl Settings {
    /// What others may make a node keep.
    pub(crate) fn limits(&self) -> Limits {
        Limits { watch_queue: self.watch_queue, ..Limits::default() }
    }

    /// What a node of this name at this address is told.
    pub(crate) fn config(&self, name: &str, addr: SocketAddr, keyring: Keyring) -> Config {
        let mut config = Config::new(name, addr);
        config.memberlist.keyring = keyring;
        config.memberlist.compression = self.compression;
        config.reap_entry = self.tombstone;
        config.reap_network = self.tombstone + Duration::from_secs(25);
        config.bulk_sync_interval = self.bulk_sync;
        config.limits = self.limits();
        config
    }
}

/// Where a node is, after so many moves.
pub(crate) fn addr_of(node: NodeId, moves: u8) -> SocketAddr {
    let [.., high, low] = (node as u32 + 1).to_be_bytes();
    SocketAddr::from(([10, moves, high, low], 7946))
}

/// The key of a number.
pub(crate) fn key(number: u8) -> [u8; 32] {
    [number.wrapping_add(1); 32]
}

/// The name of a network.
pub(crate) fn network_name(number: u8) -> String {
    format!("net{number}")
}
