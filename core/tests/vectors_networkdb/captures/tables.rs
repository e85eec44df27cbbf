//! What a node has come to, ours and the recorded one.

use std::collections::BTreeMap;

use networkdb_core::networkdb::{EntryKey, RowState, Snapshot, Standing};
use serde_json::Value;

use crate::{
    recorded::base64,
    rules::{Keeper, Rule, Rules},
    text,
};

/// The entry a line or a row is about.
pub(super) fn key(line: &Value) -> EntryKey {
    EntryKey::new(text(line, "nid"), text(line, "table"), text(line, "key"))
}

/// What a node has come to.
#[derive(Debug, PartialEq)]
pub(super) struct Tables {
    /// Owner, time, value, deleting.
    pub rows: BTreeMap<EntryKey, (String, u64, String, bool)>,
    nodes: BTreeMap<String, (Standing, u64)>,
    attachments: BTreeMap<(String, String), (u64, bool)>,
    members: BTreeMap<String, Vec<String>>,
    network_clock: u64,
    table_clock: u64,
}

impl Tables {
    /// The peer does not tick its table clock for a bulk sync, and ours does: what ours counts may be ahead by one for
    /// each it has sent.
    pub(super) fn without_ticks(mut self, theirs: &Self, name: &str, syncs: u64) -> Self {
        let ahead = |ours: &mut u64, theirs: u64| {
            if (theirs..=theirs + syncs).contains(ours) {
                *ours = theirs;
            }
        };
        ahead(&mut self.table_clock, theirs.table_clock);
        for (key, (owner, time, ..)) in &mut self.rows {
            if let Some((_, theirs, ..)) = theirs.rows.get(key).filter(|_| owner == name) {
                ahead(time, *theirs);
            }
        }
        self
    }
}

/// What is left to tombstones and hidden rows: two reapers, each at its own moment of every 5 s.
pub(super) fn check_reap(ours: &Snapshot, state: &Value) {
    for row in state["entries"].as_array().into_iter().flatten() {
        let is = key(row);
        let ours = ours
            .rows
            .iter()
            .find(|row| (&row.network, &row.table, &row.key) == (&is.network, &is.table, &is.key));
        let left = ours.and_then(|row| row.reap).map_or(0.0, |left| left.as_secs_f64());
        assert!((left - row["reap_s"].as_f64().unwrap()).abs() <= 10.0, "{row}: ours has {left} s left");
    }
}

/// Ours, without what the peer does not keep.
pub(super) fn shown(ours: &Snapshot, peer: Keeper) -> Tables {
    let keeps = Rules::of(peer).has(Rule::FailedHidden);
    let standing: BTreeMap<_, _> =
        ours.nodes.iter().map(|(name, node)| (name.clone(), node.standing)).collect();
    let rows = ours.rows.iter().filter(|row| keeps || row.state != RowState::Hidden);
    let attachments =
        ours.attachments.iter().filter(|at| keeps || standing.get(&at.node) != Some(&Standing::Failed));
    Tables {
        rows: rows
            .map(|row| {
                let key = EntryKey::new(row.network.clone(), row.table.clone(), row.key.clone());
                let deleted = row.state == RowState::Deleted;
                (key, (row.owner.to_string(), row.time, hex::encode(&row.value), deleted))
            })
            .collect(),
        nodes: ours.nodes.iter().map(|(name, node)| (name.to_string(), (node.standing, node.time))).collect(),
        attachments: attachments
            .map(|at| {
                ((at.node.to_string(), at.network.to_string()), (at.attachment.time, at.attachment.leaving))
            })
            .collect(),
        members: ours
            .peers
            .iter()
            .map(|(network, peers)| (network.to_string(), peers.iter().map(ToString::to_string).collect()))
            .collect(),
        network_clock: ours.stats.network_clock,
        table_clock: ours.stats.table_clock,
    }
}

pub(super) fn recorded(state: &Value) -> Tables {
    let list = |field: &str| state[field].as_array().cloned().unwrap_or_default();
    let name = |item: &Value, field| text(item, field).to_owned();
    let time = |item: &Value| item["ltime"].as_u64().unwrap();
    let mut nodes = BTreeMap::new();
    for (field, standing) in [
        ("active_nodes", Standing::Active),
        ("failed_nodes", Standing::Failed),
        ("left_nodes", Standing::Left),
    ] {
        nodes.extend(list(field).iter().map(|node| (name(node, "name"), (standing, time(node)))));
    }
    let row = |row: &Value| {
        let value = hex::encode(base64(text(row, "value_b64")));
        (key(row), (name(row, "owner"), time(row), value, row["deleting"] == true))
    };
    let attachment = |at: &Value| ((name(at, "node"), name(at, "nid")), (time(at), at["leaving"] == true));
    let members = |(network, names): (&String, &Value)| {
        let names = names.as_array().into_iter().flatten();
        (network.clone(), names.map(|name| name.as_str().unwrap().to_owned()).collect())
    };
    Tables {
        rows: list("entries").iter().map(row).collect(),
        nodes,
        attachments: list("attachments").iter().map(attachment).collect(),
        members: state["network_nodes"].as_object().unwrap().iter().map(members).collect(),
        network_clock: state["network_clock"].as_u64().unwrap(),
        table_clock: state["table_clock"].as_u64().unwrap(),
    }
}
