//! A schedule and its outcome. `tests/peers/differential/schedule.go` says the same in Go.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

/// What is done to a cluster.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Schedule {
    /// What it was drawn from.
    pub seed: u64,
    /// How long each round lasts.
    pub lasts_ms: Vec<u64>,
    /// The networks there are.
    pub networks: Vec<String>,
    /// The tables there are.
    pub tables: Vec<String>,
    /// The calls.
    pub rounds: Vec<Vec<Step>>,
    /// For each round, the rows that several nodes have written at once, with what they wrote.
    #[serde(skip)]
    pub contended: Vec<BTreeMap<RowId, BTreeSet<String>>>,
}

/// Names a row: network, table and key with a slash between.
pub(super) type RowId = String;

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// A node is started and joins the others.
    Start,
    /// A node leaves the cluster and ends.
    Leave,
    /// Nothing reaches a node, and nothing from it anybody.
    Cut,
    /// That ends.
    Mend,
    /// A node joins a network.
    NetworkJoin,
    /// A node leaves a network.
    NetworkLeave,
    /// A row is created.
    Create,
    /// A row is updated.
    Update,
    /// A row is deleted.
    Delete,
    /// A row is read.
    Get,
}

impl Op {
    /// Whether the call takes time. Those that do come last in a round.
    pub(super) fn waits(self) -> bool {
        matches!(self, Self::Start | Self::Leave | Self::NetworkJoin)
    }
}

/// A call by the user of the node at a place.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Which.
    pub op: Op,
    /// Where: each place has an address.
    pub place: usize,
    /// The name of the node there.
    pub name: String,
    /// Places of the nodes to join.
    pub seeds: Vec<usize>,
    /// The network.
    pub network: String,
    /// The table.
    pub table: String,
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { op, place, name, seeds, network, table, key, value } = self;
        match op {
            Op::Start => write!(f, "start {name} at {place}, joining {seeds:?}"),
            Op::Leave => write!(f, "{name} leaves"),
            Op::Cut => write!(f, "{name} is cut off"),
            Op::Mend => write!(f, "{name} is reached again"),
            Op::NetworkJoin => write!(f, "{name} joins {network}"),
            Op::NetworkLeave => write!(f, "{name} leaves {network}"),
            Op::Create => write!(f, "{name} creates {network}/{table}/{key} = {value}"),
            Op::Update => write!(f, "{name} updates {network}/{table}/{key} = {value}"),
            Op::Delete => write!(f, "{name} deletes {network}/{table}/{key}"),
            Op::Get => write!(f, "{name} gets {network}/{table}/{key}"),
        }
    }
}

/// What came of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Outcome {
    /// Of which.
    pub seed: u64,
    /// After each round.
    pub rounds: Vec<Round>,
}

/// What came of a round.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Round {
    /// For each call the text of its error, or `= ` and what was read, or nothing.
    pub results: Vec<String>,
    /// What each node shows, by name.
    pub nodes: BTreeMap<String, View>,
}

/// What a node shows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct View {
    /// The active nodes.
    pub members: Vec<String>,
    /// The nodes of each network.
    pub peers: BTreeMap<String, Vec<String>>,
    /// The rows a reader sees.
    pub rows: BTreeMap<RowId, Row>,
    /// What a watcher was told since the last round.
    pub changes: Vec<Change>,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// Its value.
    pub value: String,
    /// Who wrote it last.
    pub owner: String,
}

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Change {
    /// The row.
    pub row: RowId,
    /// The value now.
    pub value: Option<String>,
    /// The value before.
    pub prev: Option<String>,
}
