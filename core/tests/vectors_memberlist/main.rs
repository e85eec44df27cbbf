//! The memberlist vectors: what the real library wrote and read, and what this one makes of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::cast_possible_truncation)]
#![allow(missing_docs, unreachable_pub)]

mod formulas;
mod hostile;
mod messages;
mod node;
mod packets;
mod queue;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod transitions;

use bytes::Bytes;
use networkdb_core::memberlist::{Dialect, Keyring, Security};
use serde_json::Value;
use support::Checked;

#[test]
fn vectors() {
    support::run("memberlist", check);
}

fn check(vector: &Value) -> Checked {
    match support::text(vector, "kind") {
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
        "transition" => transitions::transition(vector)?,
        "verify_protocol" => transitions::verify_protocol(vector)?,
        "hostile_packet" => hostile::packet(vector)?,
        "hostile_stream" => hostile::stream(vector)?,
        "formula" => formula(vector)?,
        kind => return Err(format!("unknown kind {kind}")),
    }
    Ok(())
}

fn formula(vector: &Value) -> Checked {
    match support::text(vector, "name").split('/').nth(1).unwrap_or_default() {
        "awareness" => formulas::awareness(vector)?,
        "push_pull_scale" => formulas::push_pull_scale(vector)?,
        "suspicion_timeout" => formulas::suspicion_timeouts(vector)?,
        "suspicion_remaining" => formulas::suspicion_remaining(vector)?,
        "retransmit_limit" => queue::retransmit_limit(vector)?,
        "sealed_length" => packets::sealed_length(vector)?,
        name => return Err(format!("unknown formula {name}")),
    }
    Ok(())
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
        compress_up_to: usize::MAX,
        protocol_version: config["protocol_version"].as_u64().unwrap_or(2) as u8,
    }
}
