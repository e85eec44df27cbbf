//! What is done at this node (sections 7, 8, 12), and what it sends (sections 6, 10).

use networkdb_core::networkdb::message::{Encode, Kind, NetworkEvent, TableEvent, wrap};
use serde_json::{Map, Value, json};

use super::{
    Attachment, Key, LEFT, List, Own, Peer, Queue, Row, TOMBSTONE,
    queue::{enough_copies, transmit_limit},
};
use crate::{rules::Rule, text};

/// An event as it goes into a queue.
fn table_event(kind: i32, key: &Key, row: &Row) -> Vec<u8> {
    let value = hex::decode(&row.value).unwrap();
    let (node, residual) = (row.owner.as_bytes(), row.reap as i32);
    let (network, table, key) = (key.0.as_bytes(), key.1.as_bytes(), key.2.as_bytes());
    let event = TableEvent { kind, time: row.time, node, network, table, key, value: &value, residual };
    wrap(Kind::TableEvent, &event.to_bytes())
}

fn key_of(step: &Value) -> Key {
    let part = |field| text(step, field).to_owned();
    (part("nid"), part("table"), part("key"))
}

impl Peer {
    /// Create, update or delete, by the number of its event.
    pub(super) fn write(&mut self, step: &Value, kind: i32) -> Result<(), String> {
        let key = key_of(step);
        let (old, (network, table, name)) = (self.rows.get(&key).cloned(), &key);
        let what = format!("in table {table} with network id {network} and key {name}");
        let live = old.as_ref().is_some_and(|row| !row.deleting && !self.hidden(&key, row));
        let there = if self.does(Rule::CreateOverTombstone) { live } else { old.is_some() };
        match kind {
            1 if there && !old.as_ref().is_some_and(|row| row.inherited) => {
                return Err(format!("cannot create entry {what}, already exists"));
            }
            2 if !there => return Err(format!("cannot update entry as the entry {what} does not exist")),
            3 if !live => {
                return Err(format!(
                    "cannot delete entry {table} with network id {network} and key {name} does not exist or is already being deleted"
                ));
            }
            _ => {}
        }
        self.table_clock += 1;
        let deleting = kind == 3;
        let value = if deleting {
            old.map_or_else(String::new, |row| row.value)
        } else {
            text(step, "arg_value_hex").into()
        };
        let reap = if deleting { TOMBSTONE } else { 0 };
        self.write_own(
            kind,
            &key,
            Row { owner: self.name.clone(), time: self.table_clock, value, reap, deleting, inherited: false },
        );
        Ok(())
    }

    pub(super) fn write_own(&mut self, kind: i32, key: &Key, row: Row) {
        let (bytes, time, later_stays) =
            (table_event(kind, key, &row), row.time, self.does(Rule::QueuedGivesWay));
        self.put_row(key, row);
        if let Some(own) = self.owns.get_mut(&key.0) {
            own.queue.push(Some(format!("{}/{}", key.1, key.2)), time, bytes, later_stays);
        }
    }

    pub(super) fn get(&self, step: &Value, answer: &mut Map<String, Value>) -> Result<(), String> {
        let key = key_of(step);
        let (network, table, name) = &key;
        answer.insert("value_hex".into(), "".into());
        let Some(row) = self.rows.get(&key) else {
            return Err(format!(
                "could not get entry in table {table} with network id {network} and key {name}"
            ));
        };
        let what = format!("entry in table {table} network id {network} and key {name}");
        if row.deleting {
            return Err(format!("{what} deleted and pending garbage collection"));
        }
        if self.hidden(&key, row) {
            return Err(format!("{what} is owned by a failed node and hidden until it returns"));
        }
        answer.insert("value_hex".into(), row.value.clone().into());
        Ok(())
    }

    // ---- Networks (section 7) --------------------------------------------------------------------------------

    pub(super) fn joined(&self, network: &str) -> bool {
        self.attached.get(&self.name).and_then(|own| own.get(network)).is_some_and(|at| !at.leaving)
    }

    pub(super) fn join_network(&mut self, network: &str) -> Result<(), String> {
        self.network_clock += 1;
        if self.joined(network) && self.does(Rule::JoinedTwiceRefused) {
            return Err(format!("networkdb: network {network} is already joined"));
        }
        let at = Attachment { time: self.network_clock, ..Attachment::default() };
        self.attached.entry(self.name.clone()).or_default().insert(network.into(), at);
        let queue = || Queue::new(self.rules.has(Rule::NumbersGrow));
        let fresh = Own { queue: queue(), relay: queue(), ..Own::default() };
        let keeps = self.does(Rule::RejoinKeepsQueues);
        let own = self.owns.entry(network.into()).or_insert_with(|| fresh.clone());
        *own = if keeps { own.clone() } else { Own { entries: own.entries, ..fresh } };
        // Nobody is there: syncs with them fail, and the network counts as synced.
        own.in_sync = true;
        self.add_member(network, &self.name.clone());
        self.announce_network(1, network);
        if self.does(Rule::SyncTicks) {
            let asked = |name: &&String| self.stands(name, List::Active) || self.stands(name, List::Failed);
            let peers = self.members.get(network).into_iter().flatten().filter(|name| **name != self.name);
            self.table_clock += peers.filter(asked).count() as u64;
        }
        Ok(())
    }

    pub(super) fn leave_network(&mut self, network: &str) -> Result<(), String> {
        self.network_clock += 1;
        self.announce_network(2, network);
        self.remove_member(network, &self.name.clone());
        self.bury_rows(network);
        let time = self.network_clock;
        let Some(own) = self.attached.get_mut(&self.name) else {
            let own = if self.does(Rule::OwnAttachmentsApart) { "network" } else { "self node for network" };
            return Err(format!("could not find {own} {network} while trying to leave"));
        };
        let Some(at) = own.get_mut(network) else {
            return Err(format!("could not find network {network} while trying to leave"));
        };
        *at = Attachment { time, leaving: true, reap: LEFT };
        Ok(())
    }

    /// Own rows become tombstones, those of others go.
    fn bury_rows(&mut self, network: &str) {
        let rows: Vec<_> = self.rows.clone().into_iter().filter(|(key, _)| key.0 == network).collect();
        for (key, row) in rows {
            if !row.deleting && !self.hidden(&key, &row) {
                self.tell(&key, "delete", &row.value, &row.value);
            }
            if row.owner != self.name {
                self.remove_row(&key);
            } else if !row.deleting {
                let mut time = row.time + 1;
                if self.does(Rule::LeaveTicks) {
                    self.table_clock += 1;
                    time = self.table_clock;
                }
                self.rows.insert(key, Row { time, reap: TOMBSTONE, deleting: true, inherited: false, ..row });
            }
        }
    }

    pub(super) fn announce_network(&mut self, kind: i32, network: &str) {
        let (time, node) = (self.network_clock, self.name.as_bytes());
        let event = NetworkEvent { kind, time, node, network: network.as_bytes() };
        let bytes = wrap(Kind::NetworkEvent, &event.to_bytes());
        let later_stays = self.does(Rule::QueuedGivesWay);
        self.network_queue.push(Some(format!("{network}/{}", self.name)), time, bytes, later_stays);
    }

    pub(super) fn add_member(&mut self, network: &str, node: &str) {
        let members = self.members.entry(network.into()).or_default();
        if !members.iter().any(|member| member == node) {
            members.push(node.into());
        }
    }

    pub(super) fn remove_member(&mut self, network: &str, node: &str) {
        if let Some(members) = self.members.get_mut(network) {
            members.retain(|member| member != node);
        }
    }

    // ---- What is sent ----------------------------------------------------------------------------------------

    pub(super) fn local_state(&mut self, join: bool) -> Map<String, Value> {
        if join {
            self.network_clock += 1;
            let own = self.attached.get_mut(&self.name).into_iter().flatten();
            own.for_each(|(_, at)| at.time = self.network_clock);
        }
        let entry = |node: &str, network: &str, at: &Attachment| json!({"l_time": at.time, "leaving": at.leaving, "network_id": network, "node_name": node});
        let all = self.attached.iter();
        let all = all
            .flat_map(|(node, networks)| networks.iter().map(move |(network, at)| entry(node, network, at)));
        let mut entries: Vec<Value> = all.collect();
        entries.sort_by_key(Value::to_string);
        let answer = json!({"result_l_time": self.network_clock, "result_node_name": self.name, "result_type": 3,
            "result_networks_unordered": entries});
        answer.as_object().unwrap().clone()
    }

    pub(super) fn take_broadcasts(&mut self, overhead: usize, limit: usize) -> Map<String, Value> {
        let nodes = self.nodes.values().filter(|node| node.list == List::Active).count();
        let times = if self.does(Rule::EnoughCopies) { enough_copies(nodes) } else { transmit_limit(nodes) };
        let mut taken = Vec::new();
        let used = self.network_queue.take(overhead, limit, times, &mut taken);
        let rest = if self.does(Rule::OneLimit) { limit.saturating_sub(used) } else { limit };
        self.node_queue.take(overhead, rest, times, &mut taken);
        let taken = if taken.is_empty() { Value::Null } else { taken.into() };
        Map::from_iter([("result_hex".into(), taken)])
    }

    pub(super) fn take_tables(&mut self, network: &str, overhead: usize, limit: usize) -> Map<String, Value> {
        let times = transmit_limit(self.members.get(network).map_or(0, Vec::len));
        let [mut taken, mut relayed] = [Vec::new(), Vec::new()];
        if let Some(own) = self.owns.get_mut(network) {
            own.queue.take(overhead, limit, times, &mut taken);
            own.relay.take(overhead, limit, times, &mut relayed);
        }
        Map::from_iter([("own_hex".into(), taken.into()), ("relay_hex".into(), relayed.into())])
    }
}
