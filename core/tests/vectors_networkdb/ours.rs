//! A node of ours, driven step by step and shown in the form of the vectors.

use std::collections::BTreeMap;

use networkdb_core::{
    machine::Instant,
    memberlist::{Delegate, Member, MemberEvent, Room, State},
    networkdb::{
        Change, ChangeKind, Config, EntryKey, Filter, Standing, Tables, WatchId,
        message::{Gossip, PushPull},
    },
};
use serde_json::{Map, Value, json};

use crate::{bytes, text};

const NOW: Instant = Instant::ORIGIN;

pub(crate) struct Node {
    tables: Tables,
    watches: [WatchId; 2],
}

impl Node {
    pub(crate) fn new(name: &str) -> Self {
        let mut config = Config::new(name, "192.0.2.1:7946".parse().unwrap());
        // The recorded node takes whatever time it is told.
        config.limits.clock_jump = u64::MAX;
        // As the peers have it.
        config.limits.bulk_relay = 500;
        let mut tables = Tables::new(config, [7; 32], NOW);
        tables.member(NOW, &MemberEvent::Joined(member(name, "192.0.2.1", 7946)));
        let watches = ["endpoint_table", "NodeTable"].map(|table| tables.watch(Filter::table(table)));
        Self { tables, watches }
    }

    /// Does a step; what it answers, in the form of the vectors.
    pub(crate) fn step(&mut self, step: &Value) -> Map<String, Value> {
        let mut answer = Map::new();
        let (tables, network) = (&mut self.tables, text(step, "nid").as_bytes());
        let key = EntryKey::new(network, text(step, "table"), text(step, "key"));
        let value = bytes(step, "arg_value_hex").into();
        let result = match text(step, "op") {
            "create" => tables.create_entry(&key, value).map_err(|error| error.to_string()),
            "update" => tables.update_entry(&key, value).map_err(|error| error.to_string()),
            "delete" => tables.delete_entry(&key).map_err(|error| error.to_string()),
            "get" => {
                let row = tables.get_entry(&key);
                let value = row.as_ref().map(|row| hex::encode(&row.value)).unwrap_or_default();
                answer.insert("value_hex".into(), value.into());
                row.map(drop).map_err(|error| error.to_string())
            }
            "join_network" => tables.join_network(NOW, network).map(drop).map_err(|error| error.to_string()),
            "leave_network" => tables.leave_network(network).map_err(|error| error.to_string()),
            _ => {
                self.other(step, &mut answer);
                Ok(())
            }
        };
        if let Err(error) = result {
            answer.insert("error".into(), error.into());
        }
        self.tables.refuse_all(NOW);
        answer
    }

    fn other(&mut self, step: &Value, answer: &mut Map<String, Value>) {
        let (tables, times) = (&mut self.tables, step["times"].as_u64().unwrap_or(1));
        let port = step["port"].as_u64().unwrap_or(7946) as u16;
        let member = || member(text(step, "node"), text(step, "ip"), port);
        let number = |field| step[field].as_u64().unwrap_or_default() as usize;
        match text(step, "op") {
            "memberlist_join" => tables.member(NOW, &MemberEvent::Joined(member())),
            "memberlist_leave" => tables.member(NOW, &MemberEvent::Gone(member())),
            "notify_msg" => tables.message(NOW, &bytes(step, "hex")),
            "merge_remote_state" => tables.merge_state(NOW, &bytes(step, "hex"), step["join"] == true),
            "local_state" => *answer = local_state(tables, step),
            "get_broadcasts" => {
                let mut taken = Vec::new();
                let room = Room { limit: number("limit"), overhead: number("overhead"), below: u32::MAX };
                tables.broadcasts(room, &mut taken);
                let taken: Vec<_> = taken.iter().map(hex::encode).collect();
                answer.insert("result_hex".into(), if taken.is_empty() { Value::Null } else { taken.into() });
            }
            "get_table_broadcasts" => self.take_queues(step, answer),
            "reap" => (0..times).for_each(|_| tables.reap(std::time::Duration::from_secs(5))),
            "reap_dead_nodes" => (0..times).for_each(|_| tables.reap_nodes()),
            "set_in_sync" => tables.set_in_sync(text(step, "nid").as_bytes(), step["value"] == true),
            op => panic!("unknown step {op}"),
        }
    }

    fn take_queues(&mut self, step: &Value, answer: &mut Map<String, Value>) {
        let number = |field| step[field].as_u64().unwrap_or_default() as usize;
        let network = text(step, "nid").as_bytes();
        let taken = self.tables.take_queues(network, number("overhead"), number("limit"));
        let [own, relay] = taken.map(|taken| taken.iter().map(hex::encode).collect::<Vec<_>>());
        answer.insert("own_hex".into(), own.into());
        answer.insert("relay_hex".into(), relay.into());
    }

    /// What the watchers got since the last call.
    pub(crate) fn watch_events(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        for id in self.watches {
            while let Some(change) = self.tables.next_change(id) {
                events.push(event(&change));
            }
        }
        events
    }

    pub(crate) fn state(&self) -> Value {
        let state = self.tables.snapshot();
        let nodes = |standing| -> Vec<Value> {
            let stand = state.nodes.iter().filter(|(_, node)| node.standing == standing);
            stand.map(|(name, node)| json!({"name": name.to_string(), "ltime": node.time, "reap_s": seconds(node.reap.as_nanos() as i64)})).collect()
        };
        let attachments: BTreeMap<_, _> = state.attachments.iter().map(|at| {
            let mut shown = json!({"node": at.node.to_string(), "nid": at.network.to_string(), "ltime": at.attachment.time,
                "leaving": at.attachment.leaving, "reap_s": seconds(at.attachment.reap.as_nanos() as i64)});
            if let Some(own) = state.networks.iter().find(|own| own.name == at.network && at.node == state.name) {
                shown["entries"] = own.entries.into();
                shown["in_sync"] = own.in_sync.into();
                shown["queue_len"] = own.own_queue.into();
                shown["relay_queue_len"] = own.relay_queue.into();
            }
            (format!("{}/{}", at.node, at.network), shown)
        }).collect();
        let rows: BTreeMap<_, _> = state.rows.iter().map(|row| {
            let key = EntryKey::new(row.network.clone(), row.table.clone(), row.key.clone());
            (format!("{}/{}/{}", row.table, row.network, row.key), json!({"table": row.table.to_string(), "nid": row.network.to_string(),
                "key": row.key.to_string(), "owner": row.owner.to_string(), "ltime": row.time, "value": hex::encode(&row.value),
                "deleting": row.state == networkdb_core::networkdb::RowState::Deleted, "reap_s": seconds(self.tables.stored_reap(&key).unwrap())}))
        }).collect();
        let peers: BTreeMap<_, Vec<_>> = state
            .peers
            .iter()
            .map(|(network, peers)| (network.to_string(), peers.iter().map(ToString::to_string).collect()))
            .collect();
        json!({"active_nodes": nodes(Standing::Active), "failed_nodes": nodes(Standing::Failed), "left_nodes": nodes(Standing::Left),
            "attachments": attachments, "entries": rows, "network_nodes": peers,
            "network_clock": state.stats.network_clock, "table_clock": state.stats.table_clock,
            "network_broadcast_queue": state.stats.network_queue, "node_broadcast_queue": state.stats.node_queue})
    }
}

fn event(change: &Change) -> Value {
    let hex = |value: &Option<bytes::Bytes>| hex::encode(value.clone().unwrap_or_default());
    let op = match change.kind() {
        ChangeKind::Create => "create",
        ChangeKind::Update => "update",
        ChangeKind::Delete => "delete",
        ChangeKind::Resync => "resync",
    };
    let (network, table, key) = (&change.network, &change.table, &change.key);
    let mut event = json!({"op": op, "nid": network.to_string(), "table": table.to_string(), "key": key.to_string(),
        "value_hex": hex(&change.value)});
    if op != "create" {
        event["prev_hex"] = hex(&change.previous).into();
    }
    event
}

fn seconds(nanos: i64) -> Value {
    ((nanos as f64 / 1e8).round() / 10.0).into()
}

fn member(name: &str, ip: &str, port: u16) -> Member {
    Member {
        name: name.into(),
        addr: (ip.parse::<std::net::IpAddr>().unwrap(), port).into(),
        meta: bytes::Bytes::new(),
        versions: None,
        incarnation: 1,
        state: State::Alive,
        since: NOW,
    }
}

fn local_state(tables: &mut Tables, step: &Value) -> Map<String, Value> {
    let state = tables.local_state(NOW, step["join"] == true);
    let gossip = Gossip::decode(&state).unwrap();
    let message = PushPull::decode(gossip.data).unwrap();
    let mut networks: Vec<_> = message.entries().map(|entry| json!({"l_time": entry.time, "leaving": entry.leaving,
        "network_id": String::from_utf8_lossy(entry.network), "node_name": String::from_utf8_lossy(entry.node)})).collect();
    networks.sort_by_key(Value::to_string);
    let answer = json!({"result_l_time": message.time, "result_node_name": String::from_utf8_lossy(message.node),
        "result_type": gossip.kind, "result_networks_unordered": networks});
    answer.as_object().unwrap().clone()
}
