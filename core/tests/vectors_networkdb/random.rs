//! Random steps: the model with all rules and ours do the same, whatever comes. This reaches what no recorded
//! scenario does, and holds the model to account where it is trusted most.

use networkdb_core::{
    machine::Rng,
    networkdb::message::{
        BulkSync, Encode, Kind, NetworkEntry, NetworkEvent, NodeEvent, PushPull, Repeated, TableEvent,
        put_part, wrap,
    },
};
use serde_json::{Value, json};

use crate::{
    rules::{self, Keeper, Rule, Rules},
    scenarios::{differences, done, modelled},
};

const RUNS: u64 = 250;
const STEPS: usize = 120;
const SELF: &str = "self0";
const NODES: [&str; 5] = ["node-a", "node-b", "node-c", "node-d", SELF];

/// Draws steps that have a chance to meet.
struct Dice(Rng);

impl Dice {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(Rng::new(bytes))
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.0.below(choices.len())]
    }

    /// Mostly another node.
    fn node(&mut self) -> &'static str {
        let others = &NODES[..4];
        if self.0.below(20) == 0 { SELF } else { self.of(others) }
    }

    fn network(&mut self) -> &'static str {
        self.of(&["net-one", "net-one", "net-two"])
    }

    fn time(&mut self) -> u64 {
        if self.0.below(200) == 0 { u64::MAX } else { self.0.below(60) as u64 }
    }

    fn event(&mut self) -> Vec<u8> {
        let (node, network, time) = (self.node().as_bytes(), self.network().as_bytes(), self.time());
        match self.0.below(8) {
            0 => {
                let kind = self.of(&[0, 1, 1, 2, 3]);
                wrap(Kind::NodeEvent, &NodeEvent { kind, time, node }.to_bytes())
            }
            1 | 2 => {
                let kind = self.of(&[0, 1, 1, 1, 1, 1, 2, 3]);
                wrap(Kind::NetworkEvent, &NetworkEvent { kind, time, node, network }.to_bytes())
            }
            _ => {
                let kind = self.of(&[0, 1, 1, 1, 2, 2, 3, 3, 7]);
                let (table, key) = (self.of(&["endpoint_table", "other"]), self.of(&["k1", "k2", "k3"]));
                let (value, residual) =
                    (self.of(&["", "one", "two"]), self.of(&[0, 0, 0, -3, 7, 300, 301, 1800]));
                let (table, key, value) = (table.as_bytes(), key.as_bytes(), value.as_bytes());
                let event = TableEvent { kind, time, node, network, table, key, value, residual };
                wrap(Kind::TableEvent, &event.to_bytes())
            }
        }
    }

    fn compound(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..self.0.below(6) {
            let part = if self.0.below(40) == 0 { self.sync() } else { self.event() };
            put_part(&mut out, &part);
        }
        wrap(Kind::Compound, &out)
    }

    fn sync(&mut self) -> Vec<u8> {
        let (payload, network) = (self.compound(), self.network());
        let (time, node, unsolicited) = (self.time(), self.node().as_bytes(), self.of(&[true, false]));
        let sync = BulkSync { time, unsolicited, node, networks: Repeated::default(), payload: &payload };
        wrap(Kind::BulkSync, &sync.write([network.as_bytes()].into_iter()))
    }

    fn message(&mut self) -> Vec<u8> {
        match self.0.below(6) {
            0 => self.compound(),
            1 => self.sync(),
            _ => self.event(),
        }
    }

    fn state(&mut self) -> Vec<u8> {
        let mut entries = Vec::new();
        for _ in 0..self.0.below(4) {
            let (network, node, leaving) =
                (self.network().as_bytes(), self.node().as_bytes(), self.of(&[true, false, false]));
            entries.push(NetworkEntry { network, time: self.time(), node, leaving });
        }
        let (time, node) = (self.time(), self.node());
        let kind = self.of(&[Kind::PushPull, Kind::PushPull, Kind::TableEvent]);
        wrap(kind, &PushPull::write(time, node.as_bytes(), entries.into_iter()))
    }

    fn step(&mut self) -> Value {
        let (nid, node, often) = (self.network(), self.node(), self.0.below(3) == 0);
        let ip = self.of(&["192.0.2.11", "192.0.2.12", "192.0.2.13"]);
        let (port, yes) = (self.of(&[7946, 7947]), self.of(&[true, false]));
        let limit = self.of(&[40, 90, 300, 1300]);
        match self.0.below(32) {
            0..=2 => json!({"op": "memberlist_join", "node": node, "ip": ip, "port": port}),
            3 => json!({"op": "memberlist_leave", "node": node, "ip": ip}),
            4 => json!({"op": "merge_remote_state", "hex": hex::encode(self.state()), "join": yes}),
            5 => json!({"op": "join_network", "nid": nid}),
            6..=9 => self.write(nid),
            10 => json!({"op": "get_broadcasts", "overhead": 3, "limit": limit}),
            11 => json!({"op": "get_table_broadcasts", "nid": nid, "overhead": 4, "limit": limit}),
            12 => json!({"op": "reap", "times": self.of(&[1, 1, 1, 59, 300, 366])}),
            13 if often => json!({"op": "leave_network", "nid": nid}),
            14 if often => json!({"op": "reap_dead_nodes", "times": self.of(&[1, 11])}),
            15 if often => json!({"op": "set_in_sync", "nid": nid, "value": yes}),
            16 if often => json!({"op": "local_state", "join": yes}),
            _ => json!({"op": "notify_msg", "hex": hex::encode(self.message())}),
        }
    }

    fn write(&mut self, nid: &str) -> Value {
        let (op, table) =
            (self.of(&["create", "update", "delete", "get"]), self.of(&["endpoint_table", "other"]));
        let (key, value) = (self.of(&["k1", "k2", "k3"]), self.of(&["", "6f6e65", "74776f"]));
        json!({"op": op, "nid": nid, "table": table, "key": key, "arg_value_hex": value})
    }
}

fn steps(seed: u64) -> Vec<Value> {
    let mut dice = Dice::new(seed);
    let mut steps = vec![json!({"op": "join_network", "nid": "net-one"})];
    for (place, node) in NODES[..4].iter().enumerate() {
        steps.push(
            json!({"op": "memberlist_join", "node": node, "ip": format!("192.0.2.1{place}"), "port": 7946}),
        );
        let event = NetworkEvent { kind: 1, time: 1, node: node.as_bytes(), network: b"net-one" };
        let message = wrap(Kind::NetworkEvent, &event.to_bytes());
        steps.push(json!({"op": "notify_msg", "hex": hex::encode(message)}));
    }
    steps.extend((0..STEPS).map(|_| dice.step()));
    steps
}

#[test]
fn ours_and_the_model_agree_on_random_steps() {
    for seed in 0..RUNS {
        let steps = steps(seed);
        let (model, ours) = (modelled(SELF, &steps, Rules::of(Keeper::Ours)), done(SELF, &steps));
        for (place, (model, ours)) in model.iter().zip(&ours).enumerate() {
            let found = differences(model, ours);
            assert!(found.is_empty(), "seed {seed} step {place} {}:\n{}", steps[place], found.join("\n"));
        }
    }
    println!("random steps: {} checked", RUNS * STEPS as u64);
}

#[test]
fn random_steps_meet_every_rule() {
    let all = Rules::of(Keeper::Ours);
    // With news of this node ignored, own attachments are never dropped anyway.
    let met = |rule| rule != Rule::OwnAttachmentsApart;
    for entry in rules::ALL.iter().filter(|entry| met(entry.rule)) {
        let matters = |seed| {
            let steps = steps(seed);
            modelled(SELF, &steps, all) != modelled(SELF, &steps, all.toggled(entry.rule))
        };
        assert!((0..RUNS).any(matters), "never met: {:?}", entry.rule);
    }
}
