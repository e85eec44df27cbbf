//! The state and the events, in the form of the vectors.

use serde_json::{Map, Value, json};

use super::{List, Peer};
use crate::rules::Rule;

impl Peer {
    /// What watchers got since the last call.
    pub(crate) fn watch_events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.events)
    }

    pub(crate) fn state(&self) -> Value {
        let nodes = |list| -> Vec<Value> {
            let there = self.nodes.iter().filter(|(_, node)| node.list == list);
            there
                .map(|(name, node)| json!({"name": name, "ltime": node.time, "reap_s": node.reap as f64}))
                .collect()
        };
        let rows: Map<_, _> = self
            .rows
            .iter()
            .map(|((network, table, key), row)| {
                (
                    format!("{table}/{network}/{key}"),
                    json!({"table": table, "nid": network, "key": key, "owner": row.owner,
                "ltime": row.time, "value": row.value, "deleting": row.deleting, "reap_s": row.reap as f64}),
                )
            })
            .collect();
        let members: Map<_, _> = self
            .members
            .iter()
            .filter(|(_, members)| !members.is_empty())
            .map(|(network, members)| (network.clone(), json!(members)))
            .collect();
        json!({"active_nodes": nodes(List::Active), "failed_nodes": nodes(List::Failed), "left_nodes": nodes(List::Left),
            "attachments": self.shown_attachments(), "entries": rows, "network_nodes": members,
            "network_clock": self.network_clock, "table_clock": self.table_clock,
            "network_broadcast_queue": self.network_queue.len(), "node_broadcast_queue": self.node_queue.len()})
    }

    fn shown_attachments(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        for (node, networks) in &self.attached {
            for (network, at) in networks {
                let mut fields = json!({"node": node, "nid": network, "ltime": at.time, "leaving": at.leaving,
                    "reap_s": at.reap.max(0) as f64});
                if let Some(own) = self.owns.get(network).filter(|_| *node == self.name) {
                    fields["entries"] = own.entries.into();
                    fields["in_sync"] = own.in_sync.into();
                    fields["queue_len"] = own.queue.len().into();
                    if self.does(Rule::TwoTableQueues) {
                        fields["relay_queue_len"] = own.relay.len().into();
                    }
                }
                shown.insert(format!("{node}/{network}"), fields);
            }
        }
        shown
    }
}
