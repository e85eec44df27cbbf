//! Messages as the vectors show them.

use base64::{Engine, prelude::BASE64_STANDARD};
use networkdb_core::{
    syncproto::{Message, OtherRevision, Revision, Scalar, SerializedUpdate},
    wire::gob::Time,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Whose structs the message is read into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// v3.2.5.
    Old,
    /// Today's.
    Head,
}

impl Generation {
    pub const ALL: [Self; 2] = [Self::Old, Self::Head];

    pub fn name(self) -> &'static str {
        match self {
            Self::Old => "v3.2.5",
            Self::Head => "head",
        }
    }

    pub fn of_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|generation| generation.name() == name).unwrap()
    }

    /// Whether it has registered the message.
    pub fn knows(self, message: &Value) -> bool {
        self == Self::Head || !matches!(message["type"].as_str(), Some("MsgDecoderRestart" | "MsgACK"))
    }
}

/// Fields v3.2.5 does not have.
const NEW: &[&str] = &[
    "SyncerType",
    "SupportsDecoderRestart",
    "SupportedCompressionAlgorithms",
    "SupportsModernPolicyKeys",
    "ClientConnID",
    "SupportsNodeResourceUpdates",
    "ServerConnID",
    "V3ResourceVersion",
];

/// A message with the fields this generation has.
pub fn message(message: &Message<'_>, generation: Generation) -> Value {
    let (name, mut fields) = match message {
        Message::Nil => return json!({ "type": null }),
        Message::ClientHello(hello) => {
            let algorithms: Vec<_> = hello.compression_algorithms.iter().map(|name| text(name)).collect();
            let algorithms = if algorithms.is_empty() { Value::Null } else { algorithms.into() };
            let fields = json!({
                "Hostname": text(hello.hostname), "Info": text(hello.info), "Version": text(hello.version),
                "SyncerType": text(hello.syncer_type), "SupportsDecoderRestart": hello.supports_decoder_restart,
                "SupportedCompressionAlgorithms": algorithms,
                "SupportsModernPolicyKeys": hello.supports_modern_policy_keys,
                "ClientConnID": hello.client_conn_id.to_string(),
            });
            ("MsgClientHello", fields)
        }
        Message::ServerHello(hello) => {
            let fields = json!({
                "Version": text(hello.version), "SyncerType": text(hello.syncer_type),
                "SupportsNodeResourceUpdates": hello.supports_node_resource_updates,
                "ServerConnID": hello.server_conn_id.to_string(),
            });
            ("MsgServerHello", fields)
        }
        Message::DecoderRestart(restart) => {
            let algorithm = text(restart.compression_algorithm);
            let fields = json!({ "Message": text(restart.message), "CompressionAlgorithm": algorithm });
            ("MsgDecoderRestart", fields)
        }
        Message::Ack => ("MsgACK", json!({})),
        Message::SyncStatus(status) => ("MsgSyncStatus", json!({ "SyncStatus": status.0 })),
        Message::Ping(timestamp) => ("MsgPing", json!({ "Timestamp": time(timestamp) })),
        Message::Pong(pong) => {
            let fields = json!({
                "PingTimestamp": time(&pong.ping_timestamp), "PongTimestamp": time(&pong.pong_timestamp)
            });
            ("MsgPong", fields)
        }
        Message::Kvs(updates) => {
            let updates: Vec<_> = updates.iter().map(|one| update(&one, generation)).collect();
            let updates = if updates.is_empty() { Value::Null } else { updates.into() };
            ("MsgKVs", json!({ "KVs": updates }))
        }
    };
    known_to(generation, fields.as_object_mut().unwrap());
    json!({ "type": name, "msg": fields })
}

fn known_to(generation: Generation, fields: &mut Map<String, Value>) {
    if generation == Generation::Old {
        fields.retain(|name, _| !NEW.contains(&name.as_str()));
    }
}

fn update(update: &SerializedUpdate<'_>, generation: Generation) -> Value {
    let mut fields = Map::new();
    fields.insert("Key".into(), text(update.key).into());
    fields.insert("Revision".into(), revision(&update.revision, generation));
    fields.insert("TTL".into(), update.ttl.into());
    fields.insert("UpdateType".into(), update.update_type.0.into());
    fields.insert("V3ResourceVersion".into(), text(update.v3_resource_version).into());
    fields.insert("Value".into(), update.value.map(|value| BASE64_STANDARD.encode(value)).into());
    known_to(generation, &mut fields);
    fields.into()
}

fn revision(revision: &Revision<'_>, generation: Generation) -> Value {
    let other = match revision {
        Revision::Nil => return Value::Null,
        Revision::Text(value) => {
            return shown(text(&revision.text()), "string", ("value", text(value).into()));
        }
        Revision::Other(other) => other,
    };
    let printed = text(&revision.text());
    match &**other {
        OtherRevision::Bytes([]) => Value::Null,
        OtherRevision::Bytes(bytes) => BASE64_STANDARD.encode(bytes).into(),
        OtherRevision::Slice(basic, values) => {
            let values: Vec<Value> = values.iter().map(scalar).collect();
            shown(printed, &format!("[]{}", basic.name()), ("value", values.into()))
        }
        OtherRevision::Scalar(basic, value) => match (basic.name(), value) {
            ("uint64", _) => printed.into(),
            ("int" | "int64" | "uint" | "uintptr", _) => {
                shown(printed.clone(), basic.name(), ("value_decimal", printed.into()))
            }
            (name, Scalar::Float(float)) => {
                let mut found = shown(printed.clone(), name, ("value_text", printed.into()));
                if name == "float64" {
                    found["bits"] = format!("{:016x}", float.to_bits()).into();
                }
                found
            }
            (name, Scalar::Complex(..)) => shown(printed.clone(), name, ("value_text", printed.into())),
            (name, value) => shown(printed, name, ("value", scalar(value))),
        },
        OtherRevision::Message(inner) => {
            let inner = message(inner, generation);
            let name = format!("syncproto.{}", inner["type"].as_str().unwrap());
            // Our text is that of today's client; the other one has a single field to print.
            let version = || format!("{{{}}}", inner["msg"]["Version"].as_str().unwrap());
            let printed = if generation == Generation::Old { version() } else { printed };
            shown(printed, &name, ("value", inner["msg"].clone()))
        }
    }
}

fn shown(printed: String, go_type: &str, (field, value): (&str, Value)) -> Value {
    json!({ "as_client_revision_string": printed, "go_type": go_type, field: value })
}

fn scalar(value: &Scalar<'_>) -> Value {
    match value {
        Scalar::Bool(value) => (*value).into(),
        Scalar::Int(value) => (*value).into(),
        Scalar::Uint(value) => (*value).into(),
        Scalar::Text(value) => text(value).into(),
        other => panic!("{other:?} in a list"),
    }
}

fn time(time: &Time) -> Value {
    if time.is_zero() {
        return Value::Null;
    }
    json!({
        "marshal_hex": hex::encode(time.as_bytes()), "nsec": time.nanos(), "unix_sec": time.unix_seconds(),
        "zone_offset_sec": time.zone_offset(),
    })
}

/// Strings as JSON has them: U+FFFD for each byte that is not UTF-8.
fn text(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|_| out.push('\u{fffd}'));
    }
    out
}

/// Whether a message is as the vectors have it. Of times only what a reader sees is compared where Go would write
/// other bytes than it read, and nothing where its nanoseconds are beyond a second.
pub fn same(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) if wanted.contains_key("marshal_hex") => {
            same_time(found, wanted)
        }
        (Value::Object(found), Value::Object(wanted)) if wanted.contains_key("Value_text_len") => {
            let fields = |all: &Map<String, Value>| {
                let mut fields = all.clone();
                fields.retain(|name, _| !name.starts_with("Value"));
                Value::from(fields)
            };
            let value = found["Value"].as_str().unwrap_or_default();
            same(&fields(found), &fields(wanted))
                && wanted["Value_text_len"] == value.len()
                && wanted["Value_sha256_of_text"] == hex::encode(Sha256::digest(value))
        }
        (Value::Object(found), Value::Object(wanted)) => {
            found.len() == wanted.len()
                && found
                    .iter()
                    .all(|(name, found)| wanted.get(name).is_some_and(|wanted| same(found, wanted)))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| same(found, wanted))
        }
        // Numbers of a message inside a revision are no strings.
        (Value::String(found), Value::Number(wanted)) => *found == wanted.to_string(),
        _ => found == wanted,
    }
}

fn same_time(found: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    let bytes = found["marshal_hex"].as_str().unwrap();
    if u32::from_str_radix(&bytes[18..26], 16).unwrap() >= 1 << 30 {
        return true;
    }
    let rewritten = bytes.starts_with("02") && found["zone_offset_sec"].as_i64() < Some(0);
    found.iter().all(|(name, found)| *found == wanted[name] || rewritten && name == "marshal_hex")
}
