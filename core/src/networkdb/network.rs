//! Who takes part in which network.

use std::time::Duration;

use super::{drain::Drains, oversize::Oversize, queue::EventQueue, rows::RowName};
use crate::{
    Name,
    machine::{Instant, Rhythm},
    map::Map,
};

/// A node takes part in a network, or has left it a while ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// Time of the newest event about it.
    pub time: u64,
    /// Whether the node has left.
    pub leaving: bool,
    /// How long it is remembered after that.
    pub reap: Duration,
}

/// How a network that was joined alone comes to the rows of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CatchUp {
    /// Nothing is missing.
    #[default]
    Done,
    /// No other node of the network is known.
    Alone,
    /// One is known since then.
    Since(Instant),
}

/// This node takes part in a network.
#[derive(Debug)]
pub(super) struct Own {
    /// As others see it.
    pub attachment: Attachment,
    /// Whether what arrives is relayed.
    pub in_sync: bool,
    /// Whether rows of others may be missing because none of them was known at the join.
    pub catch_up: CatchUp,
    /// Own events.
    pub queue: EventQueue<RowName>,
    /// Events of others.
    pub relay: EventQueue<RowName>,
    /// Events that fit no packet.
    pub oversize: Oversize,
    /// When they are sent.
    pub rhythm: Rhythm,
    /// By what streams, if they are many.
    pub drains: Drains,
    /// Rows and tombstones stored while attached.
    pub entries: i64,
    /// Events taken from the queues.
    pub sent: u64,
}

impl Own {
    fn new(rhythm: Rhythm) -> Self {
        Self {
            attachment: Attachment::default(),
            in_sync: false,
            catch_up: CatchUp::default(),
            queue: EventQueue::default(),
            relay: EventQueue::default(),
            oversize: Oversize::default(),
            rhythm,
            drains: Drains::default(),
            entries: 0,
            sent: 0,
        }
    }
}

/// The attachments of all nodes.
#[derive(Debug, Default)]
pub(super) struct Networks {
    own: Map<Name, Own>,
    others: Map<Name, Map<Name, Attachment>>,
    count: usize,
    peers: Map<Name, Vec<Name>>,
}

impl Networks {
    /// The name of a network, shared where it is known.
    pub(super) fn name(&self, network: &[u8]) -> Name {
        let own = self.own.get_key_value(network).map(|(name, _)| name);
        own.or_else(|| self.peers.get_key_value(network).map(|(name, _)| name))
            .cloned()
            .unwrap_or_else(|| network.into())
    }

    /// An own attachment.
    pub(super) fn own(&self, network: &[u8]) -> Option<&Own> {
        self.own.get(network)
    }

    /// An own attachment.
    pub(super) fn own_mut(&mut self, network: &[u8]) -> Option<&mut Own> {
        self.own.get_mut(network)
    }

    /// An own attachment, new if there is none.
    pub(super) fn own_or_new(&mut self, network: &Name, rhythm: Rhythm) -> &mut Own {
        self.own.get_or_insert_with(network, || Own::new(rhythm))
    }

    /// Own attachments, by name.
    pub(super) fn owns(&self) -> impl Iterator<Item = (&Name, &Own)> {
        self.own.iter()
    }

    /// The names of the own attachments that fit, in order.
    pub(super) fn owns_of(&self, fits: &dyn Fn(&Own) -> bool) -> Vec<Name> {
        self.own.keys_of(&|_, own| fits(own))
    }

    /// Own attachments, in no order that means anything.
    pub(super) fn owns_mut(&mut self) -> impl Iterator<Item = &mut Own> {
        self.own.values_mut()
    }

    /// Whether this node takes part in a network and is not leaving it.
    pub(super) fn joined(&self, network: &[u8]) -> bool {
        self.own(network).is_some_and(|own| !own.attachment.leaving)
    }

    /// An attachment of another node.
    pub(super) fn attachment(&self, node: &[u8], network: &[u8]) -> Option<&Attachment> {
        self.others.get(node)?.get(network)
    }

    /// An attachment of another node.
    pub(super) fn attachment_mut(&mut self, node: &[u8], network: &[u8]) -> Option<&mut Attachment> {
        self.others.get_mut(node)?.get_mut(network)
    }

    /// Notes an attachment of another node.
    pub(super) fn attach(&mut self, node: &Name, network: Name, attachment: Attachment) {
        let networks = self.others.get_or_insert_with(node, Map::default);
        self.count += usize::from(networks.insert(network, attachment).is_none());
    }

    /// Forgets all attachments of another node.
    pub(super) fn detach(&mut self, node: &[u8]) {
        self.count -= self.others.remove(node).map_or(0, |networks| networks.len());
    }

    /// The networks another node takes part in, in order.
    pub(super) fn joined_by(&self, node: &[u8]) -> Vec<Name> {
        let networks = self.others.get(node);
        networks.map(|networks| networks.keys_of(&|_, attachment| !attachment.leaving)).unwrap_or_default()
    }

    /// All attachments of other nodes, by node and network.
    pub(super) fn others(&self) -> impl Iterator<Item = (&Name, &Name, &Attachment)> {
        self.others
            .iter()
            .flat_map(|(node, networks)| networks.iter().map(move |(name, at)| (node, name, at)))
    }

    /// Attachments of other nodes.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The nodes that take part in a network, in the order they came.
    pub(super) fn peers(&self, network: &[u8]) -> &[Name] {
        self.peers.get(network).map_or(&[], Vec::as_slice)
    }

    /// The networks somebody takes part in, with their nodes.
    pub(super) fn all_peers(&self) -> impl Iterator<Item = (&Name, &Vec<Name>)> {
        self.peers.iter()
    }

    /// Adds a peer to the end unless it is there.
    pub(super) fn add_peer(&mut self, network: &Name, node: &Name) {
        let peers = self.peers.get_or_insert_with(network, Vec::new);
        if !peers.contains(node) {
            peers.push(node.clone());
        }
    }

    /// Removes a peer.
    pub(super) fn remove_peer(&mut self, network: &[u8], node: &[u8]) {
        let Some(peers) = self.peers.get_mut(network) else { return };
        peers.retain(|peer| peer.as_bytes() != node);
        if peers.is_empty() {
            self.peers.remove(network);
        }
    }

    /// Removes a peer from all networks.
    pub(super) fn remove_peer_everywhere(&mut self, node: &[u8]) {
        self.peers.retain(|_, peers| {
            peers.retain(|peer| peer.as_bytes() != node);
            !peers.is_empty()
        });
    }

    /// Ages attachments that were left and forgets those with no time left; returns the own ones forgotten.
    pub(super) fn age(&mut self, step: Duration) -> Vec<Name> {
        let over = |attachment: &mut Attachment| {
            let over = attachment.leaving && attachment.reap.is_zero();
            if attachment.leaving {
                attachment.reap = attachment.reap.saturating_sub(step);
            }
            over
        };
        let mut kept = 0;
        self.others.retain(|_, networks| {
            networks.retain(|_, attachment| !over(attachment));
            kept += networks.len();
            !networks.is_empty()
        });
        self.count = kept;
        let mut forgotten = Vec::new();
        self.own.retain(|name, own| {
            let over = over(&mut own.attachment);
            if over {
                forgotten.push(name.clone());
            }
            !over
        });
        forgotten
    }
}
