//! One node driven step by step, beside what the real one did: `scenarios*`.

use std::collections::{BTreeMap, BTreeSet};

use networkdb_core::{
    machine::Instant,
    memberlist::{Delegate, Member, MemberEvent, Room, State},
    networkdb::{
        Change, ChangeKind, Config, EntryKey, Filter, Standing, Tables, WatchId,
        message::{Gossip, PushPull},
    },
};
use serde_json::{Map, Value, json};

use crate::{bytes, deviations, files, text};

const NOW: Instant = Instant::ORIGIN;

struct Node {
    tables: Tables,
    watches: [WatchId; 2],
    /// The first generation has one queue and tells values in another way.
    old: bool,
}

impl Node {
    fn new(name: &str, old: bool) -> Self {
        let mut config = Config::new(name, "192.0.2.1:7946".parse().unwrap());
        // As the peers have it.
        config.limits.bulk_relay = 500;
        // The recorded node takes whatever time it is told.
        config.limits.clock_jump = u64::MAX;
        let mut tables = Tables::new(config, [7; 32], NOW);
        tables.member(NOW, &MemberEvent::Joined(member(name, "192.0.2.1", 7946)));
        let watches = ["endpoint_table", "NodeTable"].map(|table| tables.watch(Filter::table(table)));
        Self { tables, watches, old }
    }

    /// Does a step; what it answers, in the form of the vectors.
    fn step(&mut self, step: &Value) -> Map<String, Value> {
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
        if self.old {
            let mut both = [own, relay].concat();
            both.sort_by_key(|hex| std::cmp::Reverse(hex.len()));
            answer.insert("own_hex".into(), both.into());
        } else {
            answer.insert("own_hex".into(), own.into());
            answer.insert("relay_hex".into(), relay.into());
        }
    }

    /// What the watchers got, in an order of its own.
    fn watch_events(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        for id in self.watches {
            while let Some(change) = self.tables.next_change(id) {
                events.push(self.event(&change));
            }
        }
        events.sort_by_key(Value::to_string);
        events
    }

    fn event(&self, change: &Change) -> Value {
        let hex = |value: &Option<bytes::Bytes>| hex::encode(value.clone().unwrap_or_default());
        let op = match change.kind() {
            ChangeKind::Create => "create",
            ChangeKind::Update => "update",
            ChangeKind::Delete => "delete",
            ChangeKind::Resync => "resync",
        };
        let mut event = json!({"op": op, "nid": change.network.to_string(), "table": change.table.to_string(), "key": change.key.to_string()});
        if !(self.old && op == "delete") {
            event["value_hex"] = hex(&change.value).into();
        }
        if !self.old && op != "create" {
            event["prev_hex"] = hex(&change.previous).into();
        }
        event
    }

    fn state(&self) -> Value {
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
                shown["queue_len"] = (own.own_queue + if self.old { own.relay_queue } else { 0 }).into();
                if !self.old {
                    shown["relay_queue_len"] = own.relay_queue.into();
                }
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

/// The recorded state in the form of [`Node::state`].
fn recorded_state(state: &Value) -> Value {
    let mut state = state.clone();
    for list in ["active_nodes", "failed_nodes", "left_nodes"] {
        for node in state[list].as_array_mut().into_iter().flatten() {
            node["reap_s"] = node["reap_s"].as_f64().unwrap().into();
        }
    }
    let keyed = |list: &Value, key: &dyn Fn(&Value) -> String| -> Value {
        let fix = |item: &Value| {
            let mut item = item.clone();
            item["reap_s"] = item["reap_s"].as_f64().unwrap().into();
            if let Some(value) = item.as_object_mut().unwrap().remove("value_b64") {
                item["value"] = hex::encode(base64(value.as_str().unwrap())).into();
            }
            (key(&item), item)
        };
        list.as_array()
            .into_iter()
            .flatten()
            .map(fix)
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect::<Map<_, _>>()
            .into()
    };
    state["attachments"] =
        keyed(&state["attachments"], &|item| format!("{}/{}", text(item, "node"), text(item, "nid")));
    state["entries"] = keyed(&state["entries"], &|item| {
        format!("{}/{}/{}", text(item, "table"), text(item, "nid"), text(item, "key"))
    });
    state["network_nodes"]
        .as_object_mut()
        .unwrap()
        .retain(|_, peers| peers.as_array().is_some_and(|peers| !peers.is_empty()));
    state
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|&d| d == c)
    };
    let mut out = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        let digits: Vec<usize> = chunk.iter().filter_map(|&c| digit(c)).collect();
        let bits =
            digits.iter().fold(0u32, |bits, &digit| bits << 6 | digit as u32) << (6 * (4 - digits.len()));
        out.extend_from_slice(&bits.to_be_bytes()[1..digits.len()]);
    }
    out
}

/// What was recorded of a step, in the form of [`Node::step`].
fn recorded_answer(step: &Value, old: bool) -> Map<String, Value> {
    let mut answer: Map<String, Value> = step.as_object().unwrap().clone();
    let shown = [
        "error",
        "value_hex",
        "result_hex",
        "own_hex",
        "relay_hex",
        "result_l_time",
        "result_node_name",
        "result_type",
        "result_networks_unordered",
    ];
    answer.retain(|field, _| shown.contains(&field.as_str()));
    if text(step, "op") == "local_state" {
        answer.remove("result_hex");
        let mut networks: Vec<Value> =
            step["result_networks_unordered"].as_array().cloned().unwrap_or_default();
        for network in &mut networks {
            for (field, default) in [("leaving", json!(false)), ("l_time", json!(0))] {
                if network.get(field).is_none() {
                    network[field] = default;
                }
            }
        }
        networks.sort_by_key(Value::to_string);
        answer.insert("result_networks_unordered".into(), networks.into());
    }
    if old {
        answer.remove("relay_hex");
    }
    for list in ["own_hex", "relay_hex"] {
        if answer.get(list).is_some_and(Value::is_null) {
            answer.insert(list.into(), json!([]));
        }
    }
    answer
}

fn recorded_events(step: &Value, old: bool) -> Vec<Value> {
    let mut events = step["watch_events"].as_array().cloned().unwrap_or_default();
    for event in &mut events {
        if old && event["op"] == "delete" {
            event.as_object_mut().unwrap().remove("value_hex");
        }
        if !old && event["op"] == "delete" && event.get("value_hex").is_none() {
            event["value_hex"] = "".into();
        }
    }
    events.sort_by_key(Value::to_string);
    events
}

/// All parts in which two values differ, with both: `entries` and `attachments` one by one.
fn differences(ours: &Value, theirs: &Value) -> Vec<(String, String)> {
    let empty = Map::new();
    let fields =
        |value: &Value| -> BTreeSet<String> { value.as_object().unwrap_or(&empty).keys().cloned().collect() };
    let mut found = Vec::new();
    for name in fields(ours).union(&fields(theirs)) {
        let (ours, theirs) = (&ours[name], &theirs[name]);
        if ours == theirs {
            continue;
        }
        if name == "entries" || name == "attachments" {
            let inner = differences_flat(ours, theirs);
            found.extend(inner.into_iter().map(|(key, what)| (format!("{name}/{key}"), what)));
        } else {
            found.push((name.clone(), format!("ours {ours}\n      theirs {theirs}")));
        }
    }
    found
}

fn differences_flat(ours: &Value, theirs: &Value) -> Vec<(String, String)> {
    let empty = Map::new();
    let fields =
        |value: &Value| -> BTreeSet<String> { value.as_object().unwrap_or(&empty).keys().cloned().collect() };
    let names = fields(ours);
    let names =
        names.union(&fields(theirs)).filter(|name| ours[*name] != theirs[*name]).cloned().collect::<Vec<_>>();
    names
        .into_iter()
        .map(|name| (name.clone(), format!("ours {}\n      theirs {}", ours[&name], theirs[&name])))
        .collect()
}

#[test]
fn replay() {
    let (mut steps, mut partly, mut failures) = (BTreeMap::<String, usize>::new(), 0, Vec::new());
    let mut used = vec![false; deviations::ALL.len()];
    let files = files(&["scenarios"]);
    for (file, content) in &files {
        let old = text(content, "module").contains("docker/docker");
        for scenario in content["scenarios"].as_array().unwrap() {
            let name = text(scenario, "name");
            let mut node = Node::new(text(scenario, "self"), old);
            for (place, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
                let answer = node.step(step);
                let mut ours = node.state();
                ours["answer"] = answer.into();
                ours["watch_events"] = node.watch_events().into();
                let mut theirs = recorded_state(&step["state"]);
                theirs["answer"] = recorded_answer(step, old).into();
                theirs["watch_events"] = recorded_events(step, old).into();
                let mut found = differences(&ours, &theirs);
                for (deviation, used) in deviations::ALL.iter().zip(&mut used) {
                    if file.contains(deviation.file)
                        && name == deviation.scenario
                        && deviation.steps.contains(&place)
                    {
                        let before = found.len();
                        found.retain(|(part, _)| {
                            !(deviation.parts.is_empty()
                                || deviation.parts.iter().any(|known| part.starts_with(known)))
                        });
                        *used |= found.len() < before;
                        partly += usize::from(found.len() < before);
                    }
                }
                failures.extend(
                    found
                        .into_iter()
                        .map(|(part, what)| format!("{file} {name} {place} {part}:\n      {what}")),
                );
                *steps.entry(file.clone()).or_default() += 1;
            }
        }
    }
    println!("steps replayed: {steps:?}; with a deviation: {partly}");
    for (deviation, used) in deviations::ALL.iter().zip(used) {
        let there = files.iter().any(|(file, _)| file.contains(deviation.file));
        assert!(
            used || !there,
            "no longer differs: {} {} {:?}: {}",
            deviation.file,
            deviation.scenario,
            deviation.steps,
            deviation.reason
        );
    }
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n"));
}
