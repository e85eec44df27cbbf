//! Streams, read in pieces of many sizes and built again layer by layer.

use networkdb_core::memberlist::{
    Dialect, Security,
    packet::{LABEL, compress},
    stream::{Decoder, StreamError, StreamMessage, push_pull, user_message},
};
use serde_json::Value;

use crate::{
    dialect, messages, security,
    support::{bytes, same, text},
};

pub fn captured_stream(vector: &Value) -> Result<(), String> {
    let (security, dialect) = (security(vector), dialect(vector));
    let wire = bytes(vector, "bytes_hex").unwrap();
    direction(&security, dialect, &vector["decoded"], &wire, Decoder::accepting)?;
    let reply = bytes(&vector["extra"], "reply_hex").unwrap();
    direction(&security, dialect, &vector["extra"]["reply_decoded"], &reply, Decoder::dialled)
}

fn direction(
    security: &Security,
    dialect: Dialect,
    layer: &Value,
    wire: &[u8],
    decoder: fn() -> Decoder,
) -> Result<(), String> {
    if text(layer, "layer") == "empty" {
        same("no bytes", &wire.len(), &0)?;
        return same("read", &read(security, decoder(), wire, 1), &Err(StreamError::Ended));
    }
    let message = read(security, decoder(), wire, wire.len());
    for piece in [1, 2, 3, 7, 64] {
        same(&format!("in pieces of {piece}"), &read(security, decoder(), wire, piece), &message)?;
    }
    let cut = read(security, decoder(), &wire[..wire.len() - 1], wire.len());
    same("without the last byte", &cut, &Err(StreamError::Ended))?;
    let message = message.map_err(|error| error.to_string())?;
    same("built again", &build(layer, &message, security, dialect)?, &wire.to_vec())
}

fn read(
    security: &Security,
    mut decoder: Decoder,
    wire: &[u8],
    piece: usize,
) -> Result<StreamMessage, StreamError> {
    for bytes in wire.chunks(piece) {
        if let Some(message) = decoder.receive(security, bytes)? {
            return Ok(message);
        }
    }
    decoder.finish()?;
    Err(StreamError::Ended)
}

/// A layer and all it holds, with `message` innermost.
fn build(
    layer: &Value,
    message: &StreamMessage,
    security: &Security,
    dialect: Dialect,
) -> Result<Vec<u8>, String> {
    let inner = || build(&layer["inner"], message, security, dialect);
    Ok(match text(layer, "layer") {
        "label" => {
            let label = text(layer, "label").as_bytes();
            [&[LABEL, label.len() as u8], label, inner()?.as_slice()].concat()
        }
        "encrypt" => {
            let nonce = bytes(layer, "nonce_hex").unwrap().try_into().unwrap();
            let len = (layer["length"].as_u64().unwrap() as u32).to_be_bytes();
            let header = [&[10], len.as_slice()].concat();
            let aad = [header.as_slice(), &security.label].concat();
            same("authenticated", &aad, &bytes(layer, "aad_hex").unwrap())?;
            let sealed = security.keyring.seal(security.seal_version(), &inner()?, &aad, nonce).unwrap();
            [header, sealed].concat()
        }
        "compress" => compress(&inner()?),
        "message" => encode(layer, message, dialect)?,
        other => return Err(format!("unknown layer {other}")),
    })
}

/// The message as bytes, and whether it is the one the vector shows.
fn encode(layer: &Value, message: &StreamMessage, dialect: Dialect) -> Result<Vec<u8>, String> {
    let fields = |name: &str, fields: &Value, encoded: &[u8]| messages::again(name, fields, encoded, dialect);
    let mut out = Vec::new();
    match message {
        StreamMessage::Ping(ping) => {
            ping.encode(&mut out);
            fields("ping", &layer["fields"], &out[1..])
        }
        StreamMessage::Ack(ack) => {
            ack.encode(&mut out);
            fields("ack", &layer["fields"], &out[1..])
        }
        StreamMessage::User(payload) => {
            same("payload", &Some(payload.to_vec()), &bytes(layer, "payload_hex"))?;
            Ok(user_message(payload, dialect))
        }
        StreamMessage::PushPull(found) => {
            same("user state", &Some(found.user_state.to_vec()), &bytes(layer, "user_state_hex"))?;
            same("join", &Some(found.join), &layer["header"]["Join"].as_bool())?;
            let nodes = layer["nodes"].as_array().unwrap();
            same("rows", &found.rows.len(), &nodes.len())?;
            for (row, node) in found.rows.iter().zip(nodes) {
                let mut bytes = Vec::new();
                row.encode(&mut bytes);
                fields("push_node_state", node, &bytes)?;
            }
            Ok(push_pull(found.join, &found.rows, &found.user_state, dialect))
        }
        StreamMessage::Error(error) => Err(format!("an error: {error}")),
    }
}
