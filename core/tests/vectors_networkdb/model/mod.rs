//! What the specification says, run: a node as plain maps, slow and obvious, that keeps the [`Rules`] it is told.
//!
//! With the rules of a recorded peer it has to do what was recorded, with all of them what ours does. So wherever
//! ours differs from a peer, a named rule says so, and what ours does there is checked all the same.

mod local;
mod queue;
mod receive;
mod show;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use self::queue::Queue;
use crate::{
    bytes,
    rules::{Rule, Rules},
    text,
};

/// Seconds a tombstone, a left attachment and the record of a node that is gone are kept.
const TOMBSTONE: i64 = 1_800;
const LEFT: i64 = TOMBSTONE + 25;
const GONE: i64 = 86_400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Active,
    Failed,
    Left,
}

#[derive(Clone, Debug)]
struct Node {
    list: List,
    addr: (String, u64),
    time: u64,
    reap: i64,
}

#[derive(Clone, Debug, Default)]
struct Attachment {
    time: u64,
    leaving: bool,
    reap: i64,
}

/// What an own attachment has beyond [`Attachment`]. Without two queues, `queue` is the one.
#[derive(Clone, Debug, Default)]
struct Own {
    in_sync: bool,
    entries: i64,
    queue: Queue,
    relay: Queue,
}

/// Network, table, key.
type Key = (String, String, String);

#[derive(Clone, Debug)]
struct Row {
    owner: String,
    time: u64,
    /// In hex, which sorts as the bytes do.
    value: String,
    reap: i64,
    deleting: bool,
    /// Of this node, from an earlier life.
    inherited: bool,
}

/// A node.
pub(crate) struct Peer {
    rules: Rules,
    name: String,
    network_clock: u64,
    table_clock: u64,
    nodes: BTreeMap<String, Node>,
    /// By node and network, this node's own ones too.
    attached: BTreeMap<String, BTreeMap<String, Attachment>>,
    owns: BTreeMap<String, Own>,
    members: BTreeMap<String, Vec<String>>,
    rows: BTreeMap<Key, Row>,
    /// Seconds the reaper has counted.
    lifetime: i64,
    network_queue: Queue,
    node_queue: Queue,
    /// Time of the last own node event.
    announced: u64,
    /// Unknown nodes that asked for a bulk sync.
    unanswered: BTreeSet<String>,
    events: Vec<Value>,
}

impl Peer {
    pub(crate) fn new(name: &str, rules: Rules) -> Self {
        let queue = || Queue::new(rules.has(Rule::NumbersGrow));
        let mut peer = Self {
            rules,
            name: name.into(),
            network_clock: 0,
            table_clock: 0,
            nodes: BTreeMap::new(),
            attached: BTreeMap::new(),
            owns: BTreeMap::new(),
            members: BTreeMap::new(),
            rows: BTreeMap::new(),
            lifetime: 0,
            network_queue: queue(),
            node_queue: queue(),
            announced: 0,
            unanswered: BTreeSet::new(),
            events: Vec::new(),
        };
        peer.put_node(name, ("192.0.2.1".into(), 7946));
        peer
    }

    fn does(&self, rule: Rule) -> bool {
        self.rules.has(rule)
    }

    /// Does a step; what it answers.
    pub(crate) fn step(&mut self, step: &Value) -> Map<String, Value> {
        let number = |field| step[field].as_u64().unwrap_or_default() as usize;
        let (network, times) = (text(step, "nid"), step["times"].as_u64().unwrap_or(1));
        let addr = || (text(step, "ip").to_owned(), step["port"].as_u64().unwrap_or(7946));
        let mut answer = Map::new();
        let result = match text(step, "op") {
            "create" => self.write(step, 1),
            "update" => self.write(step, 2),
            "delete" => self.write(step, 3),
            "get" => self.get(step, &mut answer),
            "join_network" => self.join_network(network),
            "leave_network" => self.leave_network(network),
            op => {
                match op {
                    "memberlist_join" => self.member_joined(text(step, "node"), addr()),
                    "memberlist_leave" => self.member_gone(text(step, "node"), &addr().0),
                    "notify_msg" => self.message(&bytes(step, "hex"), false),
                    "merge_remote_state" => self.merge(&bytes(step, "hex")),
                    "local_state" => answer = self.local_state(step["join"] == true),
                    "get_broadcasts" => {
                        answer = self.take_broadcasts(number("overhead"), number("limit"));
                    }
                    "get_table_broadcasts" => {
                        answer = self.take_tables(network, number("overhead"), number("limit"));
                    }
                    "reap" => (0..times).for_each(|_| self.reap()),
                    "reap_dead_nodes" => (0..times).for_each(|_| self.reap_nodes()),
                    "set_in_sync" => {
                        if let Some(own) = self.owns.get_mut(network) {
                            own.in_sync = step["value"] == true;
                        }
                    }
                    op => panic!("unknown step {op}"),
                }
                Ok(())
            }
        };
        if let Err(error) = result {
            answer.insert("error".into(), error.into());
        }
        answer
    }

    // ---- Nodes (section 5) -----------------------------------------------------------------------------------

    fn put_node(&mut self, name: &str, addr: (String, u64)) {
        self.nodes.insert(name.into(), Node { list: List::Active, addr, time: 0, reap: 0 });
    }

    fn stands(&self, name: &str, list: List) -> bool {
        self.nodes.get(name).is_some_and(|node| node.list == list)
    }

    fn member_joined(&mut self, name: &str, addr: (String, u64)) {
        let itself = name == self.name && self.does(Rule::SelfIgnored);
        if !itself {
            self.tell_member("create", &addr.0);
        }
        let was = self.nodes.get(name).map(|node| node.list);
        if !itself && matches!(was, Some(List::Failed | List::Left)) {
            self.node_returned(name, addr);
        } else {
            if !itself {
                self.retire(name, &addr);
            }
            self.put_node(name, addr);
        }
        if self.unanswered.remove(name) {
            self.table_clock += 1;
        }
    }

    fn node_returned(&mut self, name: &str, addr: (String, u64)) {
        let refreshed = self.does(Rule::AddressRefreshed);
        let Some(node) = self.nodes.get_mut(name) else { return };
        let was = std::mem::replace(&mut node.list, List::Active);
        node.reap = 0;
        if refreshed {
            node.addr = addr;
        }
        if was == List::Left || !self.does(Rule::FailedHidden) {
            return;
        }
        let attached = self.attached.get(name).cloned().unwrap_or_default();
        for (network, _) in attached.into_iter().filter(|(_, at)| !at.leaving) {
            self.add_member(&network, name);
        }
        for (key, row) in self.rows_of(None, name) {
            if !row.deleting {
                self.tell(&key, "create", &row.value, "");
                self.rows.insert(key, Row { reap: 0, ..row });
            }
        }
    }

    /// Another name at the same address is an older incarnation.
    fn retire(&mut self, name: &str, addr: &(String, u64)) {
        let lists: &[List] = if self.does(Rule::ActiveNotRetired) {
            &[List::Failed, List::Left]
        } else {
            &[List::Active, List::Failed, List::Left]
        };
        let at = |list: &List| {
            let mut there = self.nodes.iter().filter(|(_, node)| node.list == *list && node.addr == *addr);
            there.find(|(other, _)| *other != name).map(|(other, _)| other.clone())
        };
        let found = lists.iter().find_map(at);
        if let Some(other) = found.filter(|other| *other != self.name || !self.does(Rule::SelfIgnored)) {
            self.gone(&other, List::Left);
        }
    }

    fn member_gone(&mut self, name: &str, ip: &str) {
        if name == self.name && self.does(Rule::SelfIgnored) {
            return;
        }
        let successor =
            |(other, node): (&String, &Node)| other != name && node.list == List::Active && node.addr.0 == ip;
        if !(self.does(Rule::SuccessorNotTold) && self.nodes.iter().any(successor)) {
            self.tell_member("delete", ip);
        }
        if self.stands(name, List::Active) {
            self.gone(name, List::Failed);
        }
    }

    /// To `failed` or `left`.
    fn gone(&mut self, name: &str, to: List) {
        let Some(node) = self.nodes.get_mut(name).filter(|node| node.list != to) else { return };
        let was = std::mem::replace(&mut node.list, to);
        if node.reap == 0 {
            node.reap = GONE;
        }
        self.members.values_mut().for_each(|members| members.retain(|member| member != name));
        let hides = self.does(Rule::FailedHidden);
        let rows = self.rows_of(None, name);
        if to == List::Left || !hides {
            self.detach(name);
        }
        for (key, row) in rows {
            if !(row.deleting || was == List::Failed && hides) {
                self.tell(&key, "delete", &row.value, &row.value);
            }
            if to == List::Left || !hides {
                self.drop_row(&key, &row);
            } else if !row.deleting {
                self.rows.insert(key, Row { reap: TOMBSTONE, ..row });
            }
        }
    }

    fn detach(&mut self, name: &str) {
        if name != self.name {
            self.attached.remove(name);
        } else if !self.does(Rule::OwnAttachmentsApart) {
            self.attached.remove(name);
            self.owns.clear();
        }
    }

    fn reap_nodes(&mut self) {
        let over: Vec<(String, List)> = self
            .nodes
            .iter_mut()
            .filter(|(_, node)| node.list != List::Active)
            .filter_map(|(name, node)| {
                let over = node.reap <= 7_200;
                node.reap -= 7_200;
                over.then(|| (name.clone(), node.list))
            })
            .collect();
        for (name, list) in over {
            if list == List::Failed && self.does(Rule::FailedHidden) {
                self.rows_of(None, &name).iter().for_each(|(key, row)| self.drop_row(key, row));
                self.attached.remove(&name);
            }
            self.nodes.remove(&name);
        }
    }

    // ---- Rows ------------------------------------------------------------------------------------------------

    fn rows_of(&self, network: Option<&str>, owner: &str) -> Vec<(Key, Row)> {
        let anywhere = |of: &str| !self.does(Rule::SuccessorsTaken) || self.takes_part(owner, of);
        let rows = self.rows.iter().filter(|(key, row)| {
            row.owner == owner && network.map_or_else(|| anywhere(&key.0), |name| key.0 == name)
        });
        rows.map(|(key, row)| (key.clone(), row.clone())).collect()
    }

    fn hidden(&self, key: &Key, row: &Row) -> bool {
        let foreign = self.does(Rule::SuccessorsTaken) && row.owner != self.name;
        let apart = foreign && !self.takes_part(&row.owner, &key.0);
        self.does(Rule::FailedHidden) && !row.deleting && (apart || self.stands(&row.owner, List::Failed))
    }

    /// A row goes with its owner.
    fn drop_row(&mut self, key: &Key, row: &Row) {
        if !(row.deleting && self.does(Rule::TombstonesStay)) {
            self.remove_row(key);
        }
    }

    fn put_row(&mut self, key: &Key, row: Row) {
        if self.rows.insert(key.clone(), row).is_none()
            && let Some(own) = self.owns.get_mut(&key.0)
        {
            own.entries += 1;
        }
    }

    fn remove_row(&mut self, key: &Key) {
        if self.rows.remove(key).is_some()
            && let Some(own) = self.owns.get_mut(&key.0)
        {
            own.entries -= 1;
        }
    }

    /// The reaper of tombstones and networks, once.
    fn reap(&mut self) {
        self.lifetime += 5;
        for (key, row) in self.rows.clone() {
            if !(row.deleting || self.hidden(&key, &row)) {
                continue;
            }
            if !(self.owns.contains_key(&key.0) || self.does(Rule::OrphansReaped)) {
                continue;
            }
            if row.reap > 6 {
                self.rows.insert(key, Row { reap: row.reap - 5, ..row });
            } else {
                self.remove_row(&key);
            }
        }
        for networks in self.attached.values_mut() {
            networks.retain(|_, at| !at.leaving || at.reap > 0);
            networks.values_mut().filter(|at| at.leaving).for_each(|at| at.reap -= 5);
        }
        let own = self.attached.get(&self.name).cloned().unwrap_or_default();
        let forgotten: Vec<String> =
            self.owns.keys().filter(|network| !own.contains_key(*network)).cloned().collect();
        for network in forgotten {
            self.owns.remove(&network);
            self.forget_rows(&network);
        }
    }

    /// A network is forgotten, and with it what nobody would ever reap.
    fn forget_rows(&mut self, network: &str) {
        if !self.does(Rule::OrphansReaped) {
            return;
        }
        for (key, row) in self.rows.clone() {
            if key.0 != network || (row.owner == self.name && !row.deleting) {
                continue;
            }
            if !row.deleting && !self.hidden(&key, &row) {
                self.tell(&key, "delete", &row.value, &row.value);
            }
            self.rows.remove(&key);
        }
    }

    // ---- Watchers (section 13) -------------------------------------------------------------------------------

    fn tell_member(&mut self, op: &str, ip: &str) {
        let value = hex::encode(format!("{{\"Addr\":\"{ip}\"}}"));
        self.tell(&(String::new(), "NodeTable".into(), String::new()), op, &value, &value);
    }

    fn tell(&mut self, (network, table, key): &Key, op: &str, value: &str, prev: &str) {
        if !["endpoint_table", "NodeTable"].contains(&table.as_str()) {
            return;
        }
        let by_state = self.does(Rule::EventsByState);
        let value = if by_state && op == "delete" { "" } else { value };
        let mut event = json!({"op": op, "nid": network, "table": table, "key": key, "value_hex": value});
        if by_state && op != "create" {
            event["prev_hex"] = prev.into();
        }
        self.events.push(event);
    }
}
