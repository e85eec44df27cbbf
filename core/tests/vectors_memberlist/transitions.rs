//! One claim applied to a node in a known state; version checks of a push/pull.

use std::{borrow::Cow, net::SocketAddr, time::Duration};

use networkdb_core::memberlist::{
    Config, Row,
    message::{Accusation, Alive},
    testing::Step,
};
use serde_json::{Value, json};

use crate::{
    messages::Shown,
    node::{NOW, Node, START},
    support::{same, text},
};

pub fn transition(vector: &Value) -> Result<(), String> {
    let mut node = node(vector);
    let steps = &vector["decoded"];
    let reclaim_old = text(vector, "name").contains("reclaim_dead_old");
    let before = if reclaim_old { NOW.before(Duration::from_secs(60)) } else { NOW };
    for message in steps["setup"].as_array().unwrap() {
        node.list.apply(before, &step(message)?, &mut node.seen);
    }
    let subject = text(steps, "subject");
    if !steps["before"].is_null() {
        node.same_member(subject, &steps["before"])?;
    }
    node.forget();
    if text(vector, "name").contains("_leaving") {
        node.list.set_leaving();
    }
    same("health before", &u64::from(node.list.health()), &steps["health_before"].as_u64().unwrap())?;
    node.list.apply(NOW, &step(&steps["input"])?, &mut node.seen);
    match &steps["after"] {
        Value::Null => same("member", &node.list.member(subject.as_bytes()), &None)?,
        after => node.same_member(subject, after)?,
    }
    node.same_events(&steps["events"])?;
    node.same_broadcasts(&steps["broadcasts"])?;
    let timers: Vec<String> = node.list.suspicions().iter().map(ToString::to_string).collect();
    same("suspicion timers", &json!(timers), &steps["suspicion_timers"])?;
    same("health after", &u64::from(node.list.health()), &steps["health_after"].as_u64().unwrap())
}

/// The local node and its fillers.
fn node(vector: &Value) -> Node {
    let settings = &vector["config"];
    let addr: SocketAddr = text(settings, "local_addr").parse().unwrap();
    let mut config = Config::lan(text(settings, "local_node"), addr);
    config.suspicion_mult = settings["suspicion_mult"].as_u64().unwrap() as u32;
    if text(settings, "dead_node_reclaim_time") == "1s" {
        config.dead_node_reclaim_time = Duration::from_secs(1);
    }
    if text(vector, "name").contains("cidr_") {
        config.allowed = vec!["10.0.0.0/8".parse().unwrap()];
    }
    let meta = hex::decode(text(settings, "local_meta_hex")).unwrap();
    let mut node = Node::new(config, &meta, &[]);
    for i in 0..settings["filler_alive_nodes"].as_u64().unwrap() {
        let filler = Alive {
            incarnation: 1,
            node: Cow::Owned(format!("filler{i}").into_bytes()),
            addr: Some(Cow::Owned(vec![10, 7, 200, i as u8])),
            port: 7946,
            meta: None,
            vsn: Some(Cow::Borrowed(&[1, 5, 2, 0, 0, 0])),
        };
        node.list.apply(START, &Step::Alive(filler), &mut node.seen);
    }
    node
}

fn step(message: &Value) -> Result<Step<'static>, String> {
    let mut fields = message["fields"].clone();
    // An empty field here is nil.
    for key in ["Addr_hex", "Meta_hex", "Vsn_hex"] {
        if fields[key] == "" {
            fields[key] = Value::Null;
        }
    }
    Ok(match text(message, "kind") {
        "alive" => Step::Alive(Alive::from_json(&fields)),
        "suspect" => Step::Suspect(Accusation::from_json(&fields)),
        "dead" => Step::Dead(Accusation::from_json(&fields)),
        "push_pull_state" => {
            fields["Name"] = fields["Node"].clone();
            Step::Row(Row::from_json(&fields))
        }
        kind => return Err(format!("unknown step {kind}")),
    })
}

pub fn verify_protocol(vector: &Value) -> Result<(), String> {
    let addr = "10.0.0.1:7946".parse().unwrap();
    let node = Node::new(Config::lan("local", addr), &[], &[]);
    let rows: Vec<Row<'_>> = vector["decoded"]["remote"].as_array().unwrap().iter().map(row).collect();
    same("accepted", &node.list.verify(&rows).is_ok(), &vector["extra"]["accepted"].as_bool().unwrap())
}

fn row(shown: &Value) -> Row<'static> {
    let vsn = shown["Vsn"].as_array().cloned().unwrap_or_default();
    let vsn: Vec<u8> = vsn.iter().map(|byte| byte.as_u64().unwrap() as u8).collect();
    let mut fields = shown.clone();
    fields["Vsn_hex"] = if vsn.is_empty() { Value::Null } else { hex::encode(vsn).into() };
    Row::from_json(&fields)
}
