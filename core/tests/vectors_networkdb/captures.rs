//! Traffic of real nodes: `capture*`. Every message in it is read, written again, and taken by a node of ours.

use std::collections::BTreeMap;

use networkdb_core::{
    machine::Instant,
    memberlist::Delegate,
    networkdb::{
        Config, Filter, Tables,
        message::{BulkSync, Gossip, Kind, parts, wrap},
    },
};
use serde_json::Value;

use crate::{files, formats::reencode, text};

/// All `NetworkDB` messages in a recorded packet or stream, in order.
fn messages<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| messages(item, into)),
        Value::Object(fields) => {
            if let Some(message) = fields.get("networkdb") {
                into.push(message);
            }
            fields
                .iter()
                .filter(|(name, _)| *name != "networkdb")
                .for_each(|(_, field)| messages(field, into));
        }
        _ => {}
    }
}

/// Reads and writes a message and all inside it; returns how many there were.
fn check(bytes: &[u8], at: &str) -> usize {
    let gossip = Gossip::decode(bytes).unwrap();
    let kind = Kind::from_wire(gossip.kind).unwrap();
    assert_eq!(wrap(kind, gossip.data), bytes, "{at}");
    let name = match kind {
        Kind::NetworkEvent => "NetworkEvent",
        Kind::TableEvent => "TableEvent",
        Kind::PushPull => "NetworkPushPull",
        Kind::BulkSync => "BulkSyncMessage",
        Kind::Compound => "CompoundMessage",
        Kind::NodeEvent => "NodeEvent",
    };
    assert_eq!(reencode(name, gossip.data).unwrap(), gossip.data, "{at}");
    match kind {
        Kind::BulkSync => 1 + check(BulkSync::decode(gossip.data).unwrap().payload, at),
        Kind::Compound => 1 + parts(gossip.data).unwrap().map(|part| check(part, at)).sum::<usize>(),
        _ => 1,
    }
}

#[test]
fn every_message_comes_back() {
    let mut counts = BTreeMap::new();
    for (name, file) in files(&["capture"]) {
        let mut found = Vec::new();
        messages(&file["udp"], &mut found);
        messages(&file["tcp"], &mut found);
        for message in found {
            let bytes = hex::decode(text(message, "hex")).unwrap();
            *counts.entry(name.clone()).or_insert(0) += check(&bytes, &name);
            let mut tables = Tables::new(
                Config::new("observer", "192.0.2.1:7946".parse().unwrap()),
                [0; 32],
                Instant::ORIGIN,
            );
            let _ = tables.join_network(Instant::ORIGIN, b"net-one");
            tables.message(Instant::ORIGIN, &bytes);
            tables.merge_state(Instant::ORIGIN, &bytes, true);
            assert!(tables.rows(&Filter::default()).is_empty(), "rows of nobody");
        }
    }
    println!("messages in captures: {counts:?}");
    assert!(counts.values().all(|&count| count > 0) && !counts.is_empty());
}
