//! The nodes of the cluster: active, failed or left.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;

use crate::{Name, map::Map};

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It takes part.
    Active,
    /// It does not answer; its rows are hidden until it returns.
    Failed,
    /// It has said goodbye or was replaced.
    Left,
}

/// What is known of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it is reached.
    pub addr: SocketAddr,
    /// What it says of itself.
    pub meta: Bytes,
    /// Time of the last event of it that was taken.
    pub time: u64,
    /// How long a node that is gone is remembered.
    pub reap: Duration,
    /// Where it stands.
    pub standing: Standing,
}

impl Node {
    /// Whether it understands network events in a bulk sync.
    pub fn takes_networks(&self) -> bool {
        self.meta.first().is_some_and(|&level| level >= 1)
    }
}

/// All nodes, by name.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    by_name: Map<Name, Node>,
    active: usize,
    failed: usize,
}

impl Nodes {
    /// A node.
    pub(super) fn get(&self, name: &[u8]) -> Option<&Node> {
        self.by_name.get(name)
    }

    /// A node and its shared name.
    pub(super) fn entry(&self, name: &[u8]) -> Option<(&Name, &Node)> {
        self.by_name.get_key_value(name)
    }

    /// Notes a time, an address or a meta. The standing is not to be changed here.
    pub(super) fn get_mut(&mut self, name: &[u8]) -> Option<&mut Node> {
        self.by_name.get_mut(name)
    }

    /// Where a node stands.
    pub(super) fn standing(&self, name: &[u8]) -> Option<Standing> {
        self.get(name).map(|node| node.standing)
    }

    /// Whether a node is active.
    pub(super) fn is_active(&self, name: &[u8]) -> bool {
        self.standing(name) == Some(Standing::Active)
    }

    /// Puts a record, replacing an older one.
    pub(super) fn put(&mut self, name: Name, node: Node) {
        self.remove(&name);
        self.count(node.standing, true);
        self.by_name.insert(name, node);
    }

    /// Moves a node.
    pub(super) fn set(&mut self, name: &[u8], standing: Standing) {
        let Some(node) = self.by_name.get_mut(name) else { return };
        let old = std::mem::replace(&mut node.standing, standing);
        self.count(old, false);
        self.count(standing, true);
    }

    /// Forgets a node.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Node> {
        let node = self.by_name.remove(name)?;
        self.count(node.standing, false);
        Some(node)
    }

    /// All nodes, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, &Node)> {
        self.by_name.iter()
    }

    /// The nodes that stand so, by name.
    pub(super) fn with(&self, standing: Standing) -> impl Iterator<Item = (&Name, &Node)> {
        self.by_name.iter().filter(move |(_, node)| node.standing == standing)
    }

    /// The names of the nodes that fit, in order.
    pub(super) fn names_of(&self, fits: &dyn Fn(&Node) -> bool) -> Vec<Name> {
        self.by_name.keys_of(&|_, node| fits(node))
    }

    /// How many nodes are active, this one included.
    pub(super) fn active(&self) -> usize {
        self.active
    }

    /// How many nodes have failed.
    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    /// How many nodes are known.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Takes `step` off what is left to nodes that are gone, and forgets those with less.
    pub(super) fn age(&mut self, step: Duration) {
        for node in self.by_name.values_mut().filter(|node| node.standing != Standing::Active) {
            node.reap = node.reap.saturating_sub(step);
        }
        let is_over = |node: &Node| node.standing != Standing::Active && node.reap.is_zero();
        for name in self.names_of(&is_over) {
            self.remove(&name);
        }
    }

    fn count(&mut self, standing: Standing, up: bool) {
        let place = match standing {
            Standing::Active => &mut self.active,
            Standing::Failed => &mut self.failed,
            Standing::Left => return,
        };
        *place = if up { *place + 1 } else { place.saturating_sub(1) };
    }
}
