//! What there is to see: plain data for users, diagnostics and viewers.

use std::{net::IpAddr, time::Duration};

use super::{
    Attachment, Node, Row, Stats,
    message::LEAVE,
    node::Standing,
    shown,
    tables::{After, Tables},
    watch::Filter,
};
use crate::{Name, machine::Instant, memberlist::RequestId};

/// A node of a network or of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: Name,
    /// Where it is reached; `None` if it is not active.
    pub addr: Option<IpAddr>,
}

/// A network of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInfo {
    /// Its name.
    pub name: Name,
    /// Whether this node is leaving it.
    pub leaving: bool,
    /// The nodes that take part, this one included.
    pub peers: usize,
    /// Rows and tombstones as the peers count them: those stored while attached.
    pub entries: i64,
    /// Rows and tombstones there are.
    pub rows: usize,
    /// Own events queued.
    pub own_queue: usize,
    /// Relayed events queued.
    pub relay_queue: usize,
    /// Whether its rows have been synced once.
    pub in_sync: bool,
    /// Events sent so far.
    pub sent: u64,
}

/// An attachment and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The node.
    pub node: Name,
    /// The network.
    pub network: Name,
    /// The attachment.
    pub attachment: Attachment,
}

/// All state of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// This node.
    pub name: Name,
    /// The nodes, by name.
    pub nodes: Vec<(Name, Node)>,
    /// The networks of this node, by name.
    pub networks: Vec<NetworkInfo>,
    /// The attachments, own ones first.
    pub attachments: Vec<Attached>,
    /// The nodes of each network, in the order they came.
    pub peers: Vec<(Name, Vec<Name>)>,
    /// The rows, by network, table and key.
    pub rows: Vec<Row>,
    /// Figures.
    pub stats: Stats,
}

impl Tables {
    /// The own networks, by name.
    pub fn networks(&self) -> Vec<NetworkInfo> {
        let info = |(name, own): (&Name, &super::network::Own)| NetworkInfo {
            name: name.clone(),
            leaving: own.attachment.leaving,
            peers: self.networks.peers(name).len(),
            entries: own.entries,
            rows: self.rows.len_of(name),
            own_queue: own.queue.len() + own.oversize.len(),
            relay_queue: own.relay.len(),
            in_sync: own.in_sync,
            sent: own.sent,
        };
        self.networks.owns().map(info).collect()
    }

    /// The nodes of a network, in the order they came.
    pub fn peers(&self, network: &[u8]) -> Vec<Peer> {
        self.networks.peers(network).iter().map(|name| self.peer(name)).collect()
    }

    /// The active nodes, by name.
    pub fn cluster_peers(&self) -> Vec<Peer> {
        self.nodes.with(Standing::Active).map(|(name, _)| self.peer(name)).collect()
    }

    fn peer(&self, name: &Name) -> Peer {
        let active = self.nodes.get(name).filter(|node| node.standing == Standing::Active);
        Peer { name: name.clone(), addr: active.map(|node| shown(node.addr)) }
    }

    /// Figures, but for those of the membership.
    pub fn stats(&self) -> Stats {
        let owns = || self.networks.owns().map(|(_, own)| own);
        Stats {
            counters: self.counters,
            active_nodes: self.nodes.active(),
            failed_nodes: self.nodes.failed(),
            left_nodes: self.nodes.len() - self.nodes.active() - self.nodes.failed(),
            networks: owns().count(),
            attachments: self.networks.count(),
            rows: self.rows.len(),
            tombstones: self.rows.tombstones(),
            row_bytes: self.rows.bytes(),
            network_clock: self.network_clock.time(),
            table_clock: self.table_clock.time(),
            network_queue: self.network_queue.len(),
            node_queue: self.node_queue.len(),
            own_queue: owns().map(|own| own.queue.len() + own.oversize.len()).sum(),
            relay_queue: owns().map(|own| own.relay.len()).sum(),
            syncs: self.syncs.len(),
            watchers: self.watchers.len(),
            events: self.news.len(),
            unanswered: self.unanswered.len(),
            watch_queue: self.watchers.queued(),
            watchers_lagged: self.watchers.lagged,
            ..Stats::default()
        }
    }

    /// All state.
    pub fn snapshot(&self) -> Snapshot {
        let own = self.networks.owns().map(|(network, own)| (&self.name, network, &own.attachment));
        let attached = |(node, network, attachment): (&Name, &Name, &Attachment)| Attached {
            node: node.clone(),
            network: network.clone(),
            attachment: *attachment,
        };
        Snapshot {
            name: self.name.clone(),
            nodes: self.nodes.iter().map(|(name, node)| (name.clone(), node.clone())).collect(),
            networks: self.networks(),
            attachments: own.chain(self.networks.others()).map(attached).collect(),
            peers: self.networks.all_peers().map(|(name, peers)| (name.clone(), peers.clone())).collect(),
            rows: self.rows(&Filter::default()),
            stats: self.stats(),
        }
    }

    /// Says goodbye: the others are told, then the membership leaves.
    pub(super) fn leave(&mut self, now: Instant) -> RequestId {
        let request = self.next_request();
        self.leaving = true;
        self.announce(now, LEAVE, After::Leave(request));
        request
    }

    pub(super) fn leave_timeout(&self) -> Duration {
        self.config.leave_timeout
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }
}
