//! What is done to a cluster, as plain data: faults, and what its users ask for.

use crate::network::Link;

/// A node by its place in the cluster. It keeps its place when it restarts under another name or address.
pub type NodeId = usize;

/// Networks are named by small numbers.
pub type NetworkId = u8;

/// Which nodes something concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Every node.
    All,
    /// One node.
    One(NodeId),
}

impl Whom {
    /// Whether it concerns a node.
    pub fn is(self, node: NodeId) -> bool {
        self == Self::All || self == Self::One(node)
    }
}

/// A step of a key rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStep {
    /// Install it for reading.
    Add,
    /// Seal with it.
    Use,
    /// Remove it.
    Remove,
}

/// What is written to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// A row that is not there, with a value of so many bytes.
    Create(usize),
    /// A new value of so many bytes.
    Update(usize),
    /// A tombstone.
    Delete,
}

/// One thing done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process ends without a word; with `vanish` its host is gone too.
    Crash {
        /// Who.
        node: NodeId,
        /// Nothing is reset and nothing refused.
        vanish: bool,
    },
    /// A process that is down starts with nothing but its settings.
    Restart {
        /// Who.
        node: NodeId,
        /// At a new address.
        moved: bool,
        /// Under a new name.
        renamed: bool,
    },
    /// A process stops for a while.
    Pause(NodeId),
    /// It goes on.
    Resume(NodeId),
    /// A clock jumps by so many milliseconds.
    Jump(NodeId, i64),
    /// A clock runs fast by so many millionths.
    Drift(NodeId, i32),
    /// These groups do not reach each other; nodes in none are not concerned.
    Partition(Vec<Vec<NodeId>>),
    /// Nothing passes from the first to the second.
    Cut(Vec<NodeId>, Vec<NodeId>),
    /// Everybody reaches everybody.
    Heal,
    /// Links from some to some others become so.
    Link(Whom, Whom, Link),
    /// All links are as at the start.
    Restore,
    /// A process reads so many bytes of streams in a second; 0: without bound.
    Reads(NodeId, u64),
    /// A user of a node takes no changes from its watch, or takes them again.
    Watches(NodeId, bool),
    /// A step of a key rotation, with the key of this number.
    Key(Whom, KeyStep, u8),
    /// A node joins a network.
    Join(NodeId, NetworkId),
    /// A node leaves a network.
    Leave(NodeId, NetworkId),
    /// A node says goodbye and stops.
    LeaveCluster(NodeId),
    /// A row is written at a node: network, number of the key.
    Write(NodeId, NetworkId, u8, Write),
}
