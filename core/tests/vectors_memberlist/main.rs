//! The memberlist vectors: what the real library wrote and read, and what this one makes of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod messages;
mod packets;
mod queue;
mod streams;
#[path = "../support/mod.rs"]
mod support;

use bytes::Bytes;
use networkdb_core::memberlist::{Dialect, Keyring, Security};
use serde_json::Value;
use support::{Checked, Outcome};

/// Kinds that need more than formats and queue.
const NOT_YET: &[&str] = &["transition", "verify_protocol", "hostile_packet", "hostile_stream"];

/// The same for formulas.
const FORMULAS_NOT_YET: &[&str] =
    &["awareness", "push_pull_scale", "suspicion_remaining", "suspicion_timeout"];

#[test]
fn vectors() {
    support::run("memberlist", check);
}

fn check(vector: &Value) -> Checked {
    match support::text(vector, "kind") {
        kind if NOT_YET.contains(&kind) => return Ok(Outcome::NotYet),
        kind if kind.starts_with("message_") => messages::message(&kind["message_".len()..], vector)?,
        kind if kind.starts_with("msgpack_decode_") => {
            messages::msgpack_decode(&kind["msgpack_decode_".len()..], vector)?;
        }
        "compress_envelope" => packets::compress_envelope(vector)?,
        "compound" | "packet" | "captured_packet" => packets::packet(vector)?,
        "compound_split" => packets::compound_split(vector)?,
        "sealed_packet" => packets::sealed_packet(vector)?,
        "keyring" => packets::keyring(vector)?,
        "captured_stream" => streams::captured_stream(vector)?,
        "queue" => queue::queue(vector)?,
        "formula" => return formula(vector),
        kind => return Err(format!("unknown kind {kind}")),
    }
    Ok(Outcome::Checked)
}

fn formula(vector: &Value) -> Checked {
    match support::text(vector, "name").split('/').nth(1).unwrap_or_default() {
        name if FORMULAS_NOT_YET.contains(&name) => return Ok(Outcome::NotYet),
        "retransmit_limit" => queue::retransmit_limit(vector)?,
        "sealed_length" => packets::sealed_length(vector)?,
        name => return Err(format!("unknown formula {name}")),
    }
    Ok(Outcome::Checked)
}

/// The dialect of the library that made a vector.
fn dialect(vector: &Value) -> Dialect {
    if support::text(vector, "library") == "v0.4.0" { Dialect::Old } else { Dialect::New }
}

/// The settings a vector was made with.
fn security(vector: &Value) -> Security {
    let config = &vector["config"];
    let keys = config["keys_hex"].as_array().cloned().unwrap_or_default();
    let keys: Vec<Vec<u8>> = keys.iter().map(|key| hex::decode(key.as_str().unwrap()).unwrap()).collect();
    Security {
        label: Bytes::copy_from_slice(support::text(config, "label").as_bytes()),
        skip_inbound_label_check: false,
        keyring: Keyring::new(&keys).unwrap(),
        verify_incoming: config["gossip_verify_incoming"].as_bool().unwrap_or(true),
        verify_outgoing: true,
        compression: config["compression"].as_bool().unwrap_or_default(),
        protocol_version: config["protocol_version"].as_u64().unwrap_or(2) as u8,
    }
}
