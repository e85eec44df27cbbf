//! Messages and decoder: `messages*`, `decode*`, `agent-records*`.

use networkdb_core::{
    networkdb::message::{
        BulkSync, Encode, Gossip, Kind, NetworkEntry, NetworkEvent, NodeEvent, PushPull, TableEvent, parts,
        put_part, wrap,
    },
    wire::protobuf::{Malformed, Reader, put_value},
};
use serde_json::{Value, json};

use crate::{bytes, files, shape, text};

/// Decodes and writes again.
pub(crate) fn reencode(message: &str, bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    Ok(match message {
        "GossipMessage" => Gossip::decode(bytes)?.to_bytes(),
        "NodeEvent" => NodeEvent::decode(bytes)?.to_bytes(),
        "NetworkEvent" => NetworkEvent::decode(bytes)?.to_bytes(),
        "TableEvent" => TableEvent::decode(bytes)?.to_bytes(),
        "NetworkPushPull" => {
            let message = PushPull::decode(bytes)?;
            PushPull::write(message.time, message.node, message.entries())
        }
        "BulkSyncMessage" => {
            let message = BulkSync::decode(bytes)?;
            message.write(message.networks.iter())
        }
        "CompoundMessage" => {
            let mut out = Vec::new();
            parts(bytes)?.for_each(|part| put_part(&mut out, part));
            out
        }
        other => panic!("unknown message {other}"),
    })
}

/// The name of a message in the vectors.
fn message_name(kind: Kind) -> &'static str {
    match kind {
        Kind::NetworkEvent => "NetworkEvent",
        Kind::TableEvent => "TableEvent",
        Kind::PushPull => "NetworkPushPull",
        Kind::BulkSync => "BulkSyncMessage",
        Kind::Compound => "CompoundMessage",
        Kind::NodeEvent => "NodeEvent",
    }
}

/// A captured message and all inside it: its fields, and its bytes again. Returns how many messages there were.
pub(crate) fn check_gossip(recorded: &Value, bytes: &[u8]) -> usize {
    assert_eq!(hex::encode(bytes), text(recorded, "hex"));
    let gossip = Gossip::decode(bytes).unwrap();
    let kind = Kind::from_wire(gossip.kind).unwrap();
    let name = message_name(kind);
    assert_eq!(json!(gossip.kind), recorded["message_type"]);
    assert_eq!(wrap(kind, gossip.data), bytes, "encoded again");
    assert_eq!(reencode(name, gossip.data).unwrap(), gossip.data, "encoded again");
    let inside = match kind {
        Kind::BulkSync => {
            let payload = BulkSync::decode(gossip.data).unwrap().payload;
            check_gossip(&recorded["fields"]["payload"], payload)
        }
        Kind::Compound => {
            let (ours, theirs) = (parts(gossip.data).unwrap(), recorded["parts"].as_array().unwrap());
            let ours: Vec<_> = ours.collect();
            assert_eq!(ours.len(), theirs.len());
            return 1 + theirs
                .iter()
                .zip(ours)
                .map(|(theirs, ours)| check_gossip(theirs, ours))
                .sum::<usize>();
        }
        _ => 0,
    };
    let mut ours = fields(name, gossip.data);
    ours.as_object_mut().unwrap().remove("payload_hex");
    let mut theirs = recorded["fields"].clone();
    theirs.as_object_mut().unwrap().remove("payload");
    assert_eq!(captured(&ours), captured(&theirs));
    1 + inside
}

/// Fields as both show them: numbers as text, flags as numbers, what is zero left out.
fn captured(value: &Value) -> Value {
    let zero = [json!("0"), json!(""), json!([])];
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), captured(value)));
            Value::Object(fields.filter(|(_, value)| !zero.contains(value)).collect())
        }
        Value::Array(items) => items.iter().map(captured).collect(),
        Value::Bool(flag) => json!(u8::from(*flag).to_string()),
        Value::Number(number) => json!(number.to_string()),
        other => other.clone(),
    }
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn entry(entry: &NetworkEntry<'_>) -> Value {
    json!({"l_time": entry.time.to_string(), "leaving": entry.leaving, "network_id": utf8(entry.network), "node_name": utf8(entry.node)})
}

/// The fields as the vectors show them, empty lists left out.
fn fields(message: &str, bytes: &[u8]) -> Value {
    match message {
        "NodeEvent" => {
            let e = NodeEvent::decode(bytes).unwrap();
            json!({"type": e.kind, "l_time": e.time.to_string(), "node_name": utf8(e.node)})
        }
        "NetworkEvent" => {
            let e = NetworkEvent::decode(bytes).unwrap();
            json!({"type": e.kind, "l_time": e.time.to_string(), "node_name": utf8(e.node), "network_id": utf8(e.network)})
        }
        "TableEvent" => {
            let e = TableEvent::decode(bytes).unwrap();
            json!({"type": e.kind, "l_time": e.time.to_string(), "node_name": utf8(e.node), "network_id": utf8(e.network),
                "table_name": utf8(e.table), "key": utf8(e.key), "value_hex": hex::encode(e.value), "residual_reap_time": e.residual})
        }
        "NetworkPushPull" => {
            let e = PushPull::decode(bytes).unwrap();
            json!({"l_time": e.time.to_string(), "node_name": utf8(e.node), "networks": e.entries().map(|e| entry(&e)).collect::<Vec<_>>()})
        }
        "BulkSyncMessage" => {
            let e = BulkSync::decode(bytes).unwrap();
            json!({"l_time": e.time.to_string(), "unsolicited": e.unsolicited, "node_name": utf8(e.node),
                "networks": e.networks.iter().map(utf8).collect::<Vec<_>>(), "payload_hex": hex::encode(e.payload)})
        }
        _ => json!({"parts_hex": parts(bytes).unwrap().map(hex::encode).collect::<Vec<_>>()}),
    }
}

/// Null and an empty list are equal.
fn normal(mut value: Value) -> Value {
    value
        .as_object_mut()
        .unwrap()
        .values_mut()
        .filter(|field| field.is_null())
        .for_each(|field| *field = json!([]));
    value
}

#[test]
fn messages() {
    let mut count = 0;
    for (_, file) in files(&["messages"]) {
        shape(&file, "module vectors");
        for vector in file["vectors"].as_array().unwrap() {
            shape(vector, "name type message fields payload_hex gossip_hex");
            let (name, message, payload) =
                (text(vector, "name"), text(vector, "message"), bytes(vector, "payload_hex"));
            let kind = Kind::from_wire(vector["type"].as_i64().unwrap() as i32).unwrap();
            assert_eq!(hex::encode(wrap(kind, &payload)), text(vector, "gossip_hex"), "{name}");
            let gossip = bytes(vector, "gossip_hex");
            assert_eq!(
                Gossip::decode(&gossip).unwrap(),
                Gossip { kind: kind as i32, data: &payload },
                "{name}"
            );
            assert_eq!(reencode(message, &payload).unwrap(), payload, "{name}");
            let mut ours = normal(fields(message, &payload));
            let theirs = normal(vector["fields"].clone());
            // What the vectors leave out has its zero value.
            let zero = [json!(0), json!("0"), json!(""), json!(false), json!([])];
            ours.as_object_mut()
                .unwrap()
                .retain(|field, value| theirs.get(field).is_some() || !zero.contains(value));
            assert_eq!(ours, theirs, "{name}");
            count += 1;
        }
    }
    println!("messages: {count} checked");
    assert!(count > 0);
}

#[test]
fn decoder() {
    let mut count = 0;
    for (_, file) in files(&["decode"]) {
        shape(&file, "module vectors");
        for vector in file["vectors"].as_array().unwrap() {
            shape(vector, "name message hex ok reencoded_hex? error?");
            let read = reencode(text(vector, "message"), &bytes(vector, "hex"));
            assert_eq!(read.is_ok(), vector["ok"].as_bool().unwrap(), "{}: {read:?}", text(vector, "name"));
            if let Ok(again) = read {
                assert_eq!(hex::encode(again), text(vector, "reencoded_hex"), "{}", text(vector, "name"));
            }
            count += 1;
        }
    }
    println!("decode: {count} checked");
    assert!(count > 0);
}

#[test]
fn records_of_the_agent_are_walked_without_loss() {
    let mut count = 0;
    for (_, file) in files(&["agent-records"]) {
        shape(&file, "module vectors");
        for vector in file["vectors"].as_array().unwrap() {
            shape(vector, "name message fields hex");
            let record = bytes(vector, "hex");
            let (mut reader, mut out) = (Reader::new(&record), Vec::new());
            while let Some((number, value)) = reader.field().unwrap() {
                put_value(&mut out, number, value);
            }
            assert_eq!(out, record, "{}", text(vector, "name"));
            count += 1;
        }
    }
    println!("agent-records: {count} checked");
    assert!(count > 0);
}
