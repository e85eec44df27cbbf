//! Streams written again, as Go writes them.

use networkdb_core::{
    syncproto::{Decoder, FROM_SERVER, Message, OtherRevision, Revision, Scalar, SerializedUpdate},
    wire::gob::{Dynamic, Encoder, Schema, Shape, Time, Type, Value},
};

use crate::shown::Generation;

const PACKAGE: &str = "github.com/projectcalico/typha/pkg/syncproto.";

/// Whether our encoder makes these very bytes of the messages in them. The streams are of one process.
pub fn same_bytes(streams: &[Vec<u8>], generation: Generation) -> Result<(), String> {
    let (mut schema, envelope) = types(generation);
    for (index, stream) in streams.iter().enumerate() {
        let (mut encoder, mut out) = (Encoder::new(), Vec::new());
        let (mut decoder, mut rest) = (Decoder::new(FROM_SERVER), &stream[..]);
        while let Some(message) = decoder.next(&mut rest).map_err(|error| error.to_string())? {
            let value = fields([("Message", interface(&message))]);
            let before = out.len();
            encoder.encode(&mut schema, envelope, &value, &mut out).map_err(|error| error.to_string())?;
            if out != stream[..out.len().min(stream.len())] {
                let wanted = &stream[before..out.len().min(stream.len())];
                let both =
                    format!("   found {}\n  wanted {}", hex::encode(&out[before..]), hex::encode(wanted));
                return Err(format!("stream {index} at {before}:\n{both}").chars().take(3000).collect());
            }
        }
        if out.len() != stream.len() {
            return Err(format!("stream {index}: {} bytes, not {}", out.len(), stream.len()));
        }
    }
    Ok(())
}

/// The types of a generation's program, and that of its envelope.
fn types(generation: Generation) -> (Schema, Type) {
    use Type::{Bool, Bytes, Int, Interface, String, Uint};
    let mut schema = Schema::new();
    let time = schema.define("Time", Shape::GobEncoder);
    let structure = |schema: &mut Schema, name: &str, fields: &[(&str, Type)], new: &[&str]| {
        let known = |name: &str| generation == Generation::Head || !new.contains(&name);
        let fields =
            fields.iter().filter(|(name, _)| known(name)).map(|&(name, of)| (name.to_owned(), of)).collect();
        let of = schema.define(name, Shape::Struct(fields));
        schema.register(&format!("{PACKAGE}{name}"), of);
        of
    };
    let envelope = structure(&mut schema, "Envelope", &[("Message", Interface)], &[]);
    let update = [
        ("Key", String),
        ("Value", Bytes),
        ("Revision", Interface),
        ("V3ResourceVersion", String),
        ("TTL", Int),
        ("UpdateType", Uint),
    ];
    let update = structure(&mut schema, "SerializedUpdate", &update, &["V3ResourceVersion"]);
    let updates = schema.define("[]syncproto.SerializedUpdate", Shape::Slice(update));
    structure(&mut schema, "MsgKVs", &[("KVs", updates)], &[]);
    let algorithms = schema.define("[]syncproto.CompressionAlgorithm", Shape::Slice(String));
    let hello = [
        ("Hostname", String),
        ("Info", String),
        ("Version", String),
        ("SyncerType", String),
        ("SupportsDecoderRestart", Bool),
        ("SupportedCompressionAlgorithms", algorithms),
        ("SupportsModernPolicyKeys", Bool),
        ("ClientConnID", Uint),
    ];
    structure(
        &mut schema,
        "MsgClientHello",
        &hello,
        &hello[3..].iter().map(|(name, _)| *name).collect::<Vec<_>>(),
    );
    let hello = [
        ("Version", String),
        ("SyncerType", String),
        ("SupportsNodeResourceUpdates", Bool),
        ("ServerConnID", Uint),
    ];
    structure(
        &mut schema,
        "MsgServerHello",
        &hello,
        &hello[1..].iter().map(|(name, _)| *name).collect::<Vec<_>>(),
    );
    structure(
        &mut schema,
        "MsgDecoderRestart",
        &[("Message", String), ("CompressionAlgorithm", String)],
        &[],
    );
    structure(&mut schema, "MsgACK", &[], &[]);
    structure(&mut schema, "MsgSyncStatus", &[("SyncStatus", Uint)], &[]);
    structure(&mut schema, "MsgPing", &[("Timestamp", time)], &[]);
    structure(&mut schema, "MsgPong", &[("PingTimestamp", time), ("PongTimestamp", time)], &[]);
    for (name, element) in [("[]string", String), ("[]int", Int), ("[]bool", Bool)] {
        let of = schema.define("", Shape::Slice(element));
        schema.register(name, of);
    }
    (schema, envelope)
}

fn interface(message: &Message<'_>) -> Value {
    let (name, value) = match message {
        Message::Nil => return Value::Interface(None),
        Message::ClientHello(hello) => {
            let algorithms = hello.compression_algorithms.iter().map(|name| text(name)).collect();
            let value = fields([
                ("Hostname", text(hello.hostname)),
                ("Info", text(hello.info)),
                ("Version", text(hello.version)),
                ("SyncerType", text(hello.syncer_type)),
                ("SupportsDecoderRestart", Value::Bool(hello.supports_decoder_restart)),
                ("SupportedCompressionAlgorithms", Value::List(algorithms)),
                ("SupportsModernPolicyKeys", Value::Bool(hello.supports_modern_policy_keys)),
                ("ClientConnID", Value::Uint(hello.client_conn_id)),
            ]);
            ("MsgClientHello", value)
        }
        Message::ServerHello(hello) => {
            let value = fields([
                ("Version", text(hello.version)),
                ("SyncerType", text(hello.syncer_type)),
                ("SupportsNodeResourceUpdates", Value::Bool(hello.supports_node_resource_updates)),
                ("ServerConnID", Value::Uint(hello.server_conn_id)),
            ]);
            ("MsgServerHello", value)
        }
        Message::DecoderRestart(restart) => {
            let algorithm = text(restart.compression_algorithm);
            (
                "MsgDecoderRestart",
                fields([("Message", text(restart.message)), ("CompressionAlgorithm", algorithm)]),
            )
        }
        Message::Ack => ("MsgACK", fields([])),
        Message::SyncStatus(status) => {
            ("MsgSyncStatus", fields([("SyncStatus", Value::Uint(status.0.into()))]))
        }
        Message::Ping(at) => ("MsgPing", fields([("Timestamp", time(at))])),
        Message::Pong(pong) => {
            let both = [
                ("PingTimestamp", time(&pong.ping_timestamp)),
                ("PongTimestamp", time(&pong.pong_timestamp)),
            ];
            ("MsgPong", fields(both))
        }
        Message::Kvs(updates) => {
            let updates = updates.iter().map(|one| update(&one)).collect();
            ("MsgKVs", fields([("KVs", Value::List(updates))]))
        }
    };
    dynamic(&format!("{PACKAGE}{name}"), value)
}

fn update(update: &SerializedUpdate<'_>) -> Value {
    fields([
        ("Key", text(update.key)),
        ("Value", Value::Bytes(update.value.unwrap_or_default().to_vec())),
        ("Revision", revision(&update.revision)),
        ("V3ResourceVersion", text(update.v3_resource_version)),
        ("TTL", Value::Int(update.ttl)),
        ("UpdateType", Value::Uint(update.update_type.0.into())),
    ])
}

fn revision(revision: &Revision<'_>) -> Value {
    match revision {
        Revision::Nil => Value::Interface(None),
        Revision::Text(value) => dynamic("string", text(value)),
        Revision::Other(other) => match &**other {
            OtherRevision::Bytes(bytes) => dynamic("[]uint8", Value::Bytes(bytes.to_vec())),
            OtherRevision::Scalar(basic, value) => dynamic(basic.name(), scalar(value)),
            OtherRevision::Slice(basic, values) => {
                dynamic(&format!("[]{}", basic.name()), Value::List(values.iter().map(scalar).collect()))
            }
            OtherRevision::Message(message) => interface(message),
        },
    }
}

fn scalar(value: &Scalar<'_>) -> Value {
    match *value {
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Int(value) => Value::Int(value),
        Scalar::Uint(value) => Value::Uint(value),
        Scalar::Float(value) => Value::Float(value),
        Scalar::Complex(real, imaginary) => Value::Complex(real, imaginary),
        Scalar::Text(value) => text(value),
    }
}

fn dynamic(name: &str, value: Value) -> Value {
    Value::Interface(Some(Box::new(Dynamic { name: name.as_bytes().into(), value })))
}

/// Fields that are there: no zero time, and none that only the other generation has.
fn fields<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let sent = fields.into_iter().filter(|(_, value)| !is_nothing(value));
    Value::Struct(sent.map(|(name, value)| (name.as_bytes().into(), value)).collect())
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Opaque(bytes) | Value::String(bytes) => bytes.is_empty(),
        Value::Bool(value) => !value,
        Value::Uint(value) => *value == 0,
        Value::List(values) => values.is_empty(),
        _ => false,
    }
}

fn text(bytes: &[u8]) -> Value {
    Value::String(bytes.to_vec())
}

fn time(time: &Time) -> Value {
    Value::Opaque(time.as_bytes().to_vec())
}
