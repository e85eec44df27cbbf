//! All keys of a snapshot, in order: a tree of three levels that shares with its copies what has not changed since.

use std::sync::Arc;

use super::{body, leaf::Leaf};

/// Leaves of a node.
const MAX_LEAVES: usize = 128;

/// A key and the body it is to have from now on; none takes it away.
pub(super) type Change<'a> = (&'a [u8], Option<&'a [u8]>);

type Node = Arc<Vec<Arc<Leaf>>>;

/// All keys and values of a moment. A copy costs nothing and keeps what it was copied from.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    root: Arc<Vec<Node>>,
    len: usize,
    bytes: usize,
}

impl Snapshot {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of all keys and values as they are encoded.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// All elements in the order of their keys, each as [`encode::element`](crate::syncproto::encode::element) wrote
    /// it, with the type [`UpdateType::NEW`](crate::syncproto::UpdateType::NEW).
    pub fn elements(&self) -> impl Iterator<Item = &[u8]> {
        self.root.iter().flat_map(|node| node.iter()).flat_map(|leaf| leaf.bodies())
    }

    /// The element of a key.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let node = self.root.get(self.node_of(key))?;
        node.get(leaf_of(node, key))?.get(key)
    }

    /// The leaf at this place, or the first of the next node.
    pub(super) fn leaf(&self, node: usize, leaf: usize) -> Option<&Arc<Leaf>> {
        self.root.get(node)?.get(leaf)
    }

    /// Applies changes in the order of their keys, each key once. A leaf is built anew once, however many of its keys
    /// change.
    pub(super) fn apply(&mut self, mut changes: &[Change<'_>]) {
        while let Some((first, _)) = changes.first() {
            let at = self.node_of(first);
            let count = before(changes, self.root.get(at + 1).and_then(|node| node.first()));
            let (here, rest) = changes.split_at(count);
            self.apply_to_node(at, here);
            changes = rest;
        }
    }

    fn apply_to_node(&mut self, at: usize, changes: &[Change<'_>]) {
        let root = Arc::make_mut(&mut self.root);
        if root.is_empty() {
            root.push(Node::default());
        }
        let Some(node) = root.get_mut(at) else { return };
        let leaves = Arc::make_mut(node);
        let gone = size(leaves);
        apply_to_leaves(leaves, changes);
        let come = size(leaves);
        self.len = self.len + come.0 - gone.0;
        self.bytes = self.bytes + come.1 - gone.1;
        balance(root, at);
    }

    fn node_of(&self, key: &[u8]) -> usize {
        let after =
            self.root.partition_point(|node| node.first().is_some_and(|leaf| leaf.first_key() <= key));
        after.saturating_sub(1)
    }
}

fn leaf_of(leaves: &[Arc<Leaf>], key: &[u8]) -> usize {
    leaves.partition_point(|leaf| leaf.first_key() <= key).saturating_sub(1)
}

/// How many of `changes` lie before the keys of `next`.
fn before(changes: &[Change<'_>], next: Option<&Arc<Leaf>>) -> usize {
    next.map_or(changes.len(), |next| changes.partition_point(|(key, _)| *key < next.first_key()))
}

fn size(leaves: &[Arc<Leaf>]) -> (usize, usize) {
    leaves.iter().fold((0, 0), |(len, bytes), leaf| (len + leaf.len(), bytes + leaf.bytes()))
}

fn apply_to_leaves(leaves: &mut Vec<Arc<Leaf>>, mut changes: &[Change<'_>]) {
    while let Some((first, _)) = changes.first() {
        let at = leaf_of(leaves, first);
        let (mut end, mut bodies) = (at, Vec::new());
        // What has become small takes its neighbour in.
        while end == at || (end < leaves.len() && Leaf::is_small(&bodies)) {
            let (here, rest) = changes.split_at(before(changes, leaves.get(end + 1)));
            merge(leaves.get(end), here, &mut bodies);
            (end, changes) = (end + 1, rest);
        }
        let new = Leaf::cut(&bodies);
        leaves.splice(at..end.min(leaves.len()), new);
    }
}

/// Appends the bodies of a leaf after these changes.
fn merge<'a>(leaf: Option<&'a Arc<Leaf>>, changes: &[Change<'a>], bodies: &mut Vec<&'a [u8]>) {
    let mut old = leaf.into_iter().flat_map(|leaf| leaf.bodies()).peekable();
    for (key, new) in changes {
        while let Some(body) = old.next_if(|body| body::key(body) < *key) {
            bodies.push(body);
        }
        old.next_if(|body| body::key(body) == *key);
        bodies.extend(new);
    }
    bodies.extend(old);
}

/// Splits the node, drops it if it is empty, or joins it with the next one.
fn balance(root: &mut Vec<Node>, at: usize) {
    let Some(len) = root.get(at).map(|node| node.len()) else { return };
    let next = root.get(at + 1).map_or(MAX_LEAVES, |node| node.len());
    if len == 0 {
        root.remove(at);
    } else if len > MAX_LEAVES {
        let node = root.remove(at);
        let share = len.div_ceil(len.div_ceil(MAX_LEAVES / 2));
        root.splice(at..at, node.chunks(share).map(|leaves| Arc::new(leaves.to_vec())));
    } else if len + next <= MAX_LEAVES / 2 {
        let next = root.remove(at + 1);
        if let Some(node) = root.get_mut(at) {
            Arc::make_mut(node).extend(next.iter().cloned());
        }
    }
}
