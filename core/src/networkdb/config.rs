//! What a `NetworkDB` can be told. The defaults are the peer's own (`networkdb.go`, `cluster.go`).

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;

use crate::{Name, memberlist};

/// The port taken where none is given.
pub const DEFAULT_PORT: u16 = 7946;

/// The settings of a `NetworkDB`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The membership below. Its name is the name of this node.
    pub memberlist: memberlist::Config,
    /// What memberlist carries for us: the first byte is the feature level others read.
    pub meta: Bytes,
    /// The longest time between rounds of table gossip while there is something to tell: what is new is told at
    /// once and repeated after shorter pauses first.
    pub gossip_interval: Duration,
    /// Members of a network told in one round.
    pub gossip_nodes: usize,
    /// Packets a network may fill in one round.
    pub gossip_packets: usize,
    /// Bytes a second spent on table gossip by packets, averaged over some moments; 0 counts as 1. A packet counts as
    /// 1 KiB at least.
    pub gossip_rate: u64,
    /// Bytes of news in one network from which on it goes by streams.
    pub drain_from: usize,
    /// Time between bulk syncs.
    pub bulk_sync_interval: Duration,
    /// How long an answer to a bulk sync is waited for.
    pub bulk_sync_timeout: Duration,
    /// Bytes of one part of a bulk sync.
    pub bulk_sync_part: usize,
    /// How long a network joined alone waits, once another of its nodes is known, before it asks for the rows. A
    /// node that has just joined asks by itself, and the oldest peers confuse two syncs at a time.
    pub catch_up_delay: Duration,
    /// How long the news of a node that asks for a bulk sync is waited for before a member is asked for its state.
    pub asker_delay: Duration,
    /// Time between looks at tombstones and at networks that were left.
    pub reap_interval: Duration,
    /// How long a tombstone lives.
    pub reap_entry: Duration,
    /// How long a network that was left is remembered.
    pub reap_network: Duration,
    /// Time between looks at nodes that are gone.
    pub reap_node_interval: Duration,
    /// How long a node that is gone is remembered.
    pub reap_node: Duration,
    /// Time between tries to reach a failed node.
    pub reconnect_interval: Duration,
    /// Time between looks whether a bootstrap address is part of the cluster.
    pub rejoin_interval: Duration,
    /// How long an own node event is waited for.
    pub node_event_timeout: Duration,
    /// How long memberlist is given to say goodbye.
    pub leave_timeout: Duration,
    /// What others may make this node keep.
    pub limits: Limits,
}

/// What others, or a reader that does not read, may make this node keep. What is beyond is dropped and counted.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Nodes known: active, failed and left.
    pub nodes: usize,
    /// Attachments of other nodes to networks.
    pub attachments: usize,
    /// Rows of other nodes.
    pub rows: usize,
    /// Bytes of names and values of all rows.
    pub row_bytes: usize,
    /// Events of other nodes queued in one network.
    pub relay_queue: usize,
    /// Bytes of events too long for packets: of others that wait to be passed on, and of all that are on their way.
    pub oversize_bytes: usize,
    /// Events queued of nodes, and as many of networks.
    pub cluster_queue: usize,
    /// Relayed messages above which what came by a bulk sync is not relayed.
    pub bulk_relay: usize,
    /// Bulk syncs being sent or waited for.
    pub syncs: usize,
    /// Events the user has not taken.
    pub events: usize,
    /// Changes a watcher has not taken; beyond them it starts over.
    pub watch_queue: usize,
    /// Compounds inside compounds.
    pub depth: usize,
    /// Bytes of a message on a stream; a row that cannot be sent so is refused.
    pub stream_message: usize,
    /// Bytes of the state sent in a push/pull.
    pub push_pull: usize,
    /// How far a received time may be ahead of a clock.
    pub clock_jump: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            nodes: 65_536,
            attachments: 1 << 20,
            rows: 4 << 20,
            row_bytes: 1 << 30,
            relay_queue: 65_536,
            oversize_bytes: 64 << 20,
            cluster_queue: 65_536,
            bulk_relay: 65_536,
            syncs: 4_096,
            events: 4_096,
            watch_queue: 16_384,
            depth: 16,
            stream_message: (20 << 20) - (64 << 10),
            push_pull: 16 << 20,
            clock_jump: 1 << 32,
        }
    }
}

impl Config {
    /// The peer's defaults for a node of this name, reached by others at `advertise`.
    pub fn new(name: impl Into<Name>, advertise: SocketAddr) -> Self {
        let reap_entry = Duration::from_secs(1_800);
        Self {
            // Failed nodes are tried one layer up.
            memberlist: memberlist::Config {
                reconnect_interval: Duration::ZERO,
                ..memberlist::Config::lan(name, advertise)
            },
            meta: Bytes::from_static(&[1]),
            gossip_interval: Duration::from_millis(200),
            gossip_nodes: 3,
            gossip_packets: 8,
            gossip_rate: 256 << 10,
            drain_from: 32 << 10,
            bulk_sync_interval: Duration::from_secs(30),
            bulk_sync_timeout: Duration::from_secs(30),
            bulk_sync_part: 1 << 20,
            catch_up_delay: Duration::from_secs(1),
            asker_delay: Duration::from_secs(1),
            reap_interval: Duration::from_secs(5),
            reap_entry,
            reap_network: reap_entry + Duration::from_secs(25),
            reap_node_interval: Duration::from_secs(7_200),
            reap_node: Duration::from_secs(86_400),
            reconnect_interval: Duration::from_secs(1),
            rejoin_interval: Duration::from_secs(60),
            node_event_timeout: Duration::from_secs(5),
            leave_timeout: Duration::from_secs(1),
            limits: Limits::default(),
        }
    }

    /// The port this node is bound to, the default where it says none.
    pub fn port(&self) -> u16 {
        if self.memberlist.bind_port == 0 { DEFAULT_PORT } else { self.memberlist.bind_port }
    }
}
