//! Peers of Typha's sync protocol whose types are not today's, and streams that begin anew at any moment. Go's own
//! encoder makes them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use networkdb_core::{
    syncproto::{Message, SyncStatus},
    wire::gob::{self, Fault},
};
use networkdb_host::sync::{ServedEnd, SyncEnd, follow, serve};
use networkdb_tests::sync::{
    Client, Kvs, LAST, OurClient, OurServer, Script, Server, Update, Wire, client_config, encode,
};
use serde_json::{Value, json};

/// Peers who have the same messages, and how else they differ.
const KINDRED: [&str; 6] =
    ["", "extra-fields", "missing-fields", "reordered-fields", "renamed-types", "other-ids"];

static UPDATES: LazyLock<Vec<Update>> = LazyLock::new(|| {
    let config = |n: usize| {
        Update::new(format!("/calico/v1/config/{n}"), format!("value {n}")).revision(n.to_string())
    };
    (0..300).map(config).collect()
});

fn message(of: &str, fields: Value) -> Value {
    json!({ "type": of, "msg": fields })
}

fn server_hello() -> Value {
    let fields = json!({ "Version": "v9", "SyncerType": "felix", "SupportsNodeResourceUpdates": true });
    message("MsgServerHello", fields)
}

fn kvs(updates: &[Update]) -> Value {
    let kv = |update: &Update| {
        let value = STANDARD.encode(update.value.as_deref().unwrap());
        let revision = json!({ "go_type": "string", "value": update.revision });
        json!({ "Key": update.key, "Value": value, "Revision": revision, "UpdateType": update.update_type })
    };
    message("MsgKVs", json!({ "KVs": updates.iter().map(kv).collect::<Vec<_>>() }))
}

fn status(status: u8) -> Value {
    message("MsgSyncStatus", json!({ "SyncStatus": status }))
}

fn restart(algorithm: &str) -> Value {
    message("MsgDecoderRestart", json!({ "Message": "anew", "CompressionAlgorithm": algorithm }))
}

/// The stream of these messages, cut after each decoder restart.
fn parts(variant: &str, messages: &[Value]) -> Vec<Vec<u8>> {
    let is_restart = |message: &Value| message["type"] == "MsgDecoderRestart";
    let ends = messages.iter().enumerate().filter(|(_, message)| is_restart(message)).map(|(at, _)| at + 1);
    let whole = encode(variant, messages);
    let mut from = 0;
    let mut parts = Vec::new();
    // A stream's beginning does not depend on what follows.
    for to in ends.map(|end| encode(variant, &messages[..end]).len()).chain([whole.len()]).collect::<Vec<_>>()
    {
        parts.push(whole[from..to].to_vec());
        from = to;
    }
    parts
}

/// A client of ours that reads this, and accepts a server that does not say how new it is.
fn reads(parts: Vec<Vec<u8>>) -> OurClient {
    let script = Script::start(parts, false);
    OurClient::start(follow::Config { accept_old_servers: true, ..client_config(script.addr()) })
}

#[test]
fn servers_with_other_fields_orders_names_and_ids_are_understood() {
    for variant in KINDRED {
        let messages = [server_hello(), kvs(&UPDATES[..100]), status(1), kvs(&UPDATES[100..]), status(2)];
        let client = reads(parts(variant, &messages));
        client.in_sync();
        assert_eq!(client.state(), Kvs::of(&*UPDATES).state(), "{variant}");
        assert_eq!(client.told(|told| told.connected[0].version.clone()), b"v9", "{variant}");
    }
}

#[test]
fn a_stream_may_begin_anew_at_any_moment_plain_or_in_snappy() {
    for variant in ["", "extra-fields", "other-ids"] {
        let mut messages = vec![server_hello()];
        for (number, some) in UPDATES.chunks(60).enumerate() {
            messages.extend([kvs(some), restart(if number % 2 == 0 { "snappy" } else { "" })]);
        }
        messages.push(kvs(&[Update::new(LAST, "end").revision("1")]));
        messages.push(status(2));
        let client = reads(parts(variant, &messages));
        client.in_sync();
        assert_eq!(client.stats().restarts, 5, "{variant}");
        let all = UPDATES.iter().cloned().chain([Update::new(LAST, "end").revision("1")]).collect::<Vec<_>>();
        assert_eq!(client.state(), Kvs::of(&all).state(), "{variant}");
    }
}

#[test]
fn an_unknown_message_ends_the_connection_with_its_reason_and_what_came_before_stands() {
    let client = reads(parts("unknown-message", &[server_hello(), kvs(&UPDATES), status(2)]));
    let end = client.ends(0);
    assert!(matches!(&end, SyncEnd::Malformed(error) if error.fault == Fault::UnknownName), "{end:?}");
    assert_eq!(client.state(), Kvs::of(&*UPDATES).state());

    let server = OurServer::with(&UPDATES, serve::Config::default());
    let mut wire = Wire::connect(server.addr());
    let from = wire.addr();
    wire.send(&encode("unknown-message", &[client_hello("stranger")]));
    wire.is_ended();
    let unknown = |error: &gob::Error| error.fault == Fault::UnknownName;
    server.ends_one("the unknown message", |whose, reason| {
        whose == from && matches!(reason, ServedEnd::Malformed(error) if unknown(error))
    });
}

fn client_hello(hostname: &str) -> Value {
    message(
        "MsgClientHello",
        json!({ "Hostname": hostname, "Info": "i", "Version": "v9", "SyncerType": "felix" }),
    )
}

#[test]
fn clients_with_other_fields_orders_names_and_ids_are_served() {
    let server = OurServer::with(&UPDATES, serve::Config::default());
    let mut wires = Vec::new();
    for variant in KINDRED {
        let mut wire = Wire::connect(server.addr());
        let pong = message("MsgPong", json!({}));
        assert!(wire.send(&encode(variant, &[client_hello(&format!("node {variant}")), pong])));
        server.serves(&format!("node {variant}"));
        assert!(wire.hears(|message| *message == Message::SyncStatus(SyncStatus::IN_SYNC)), "{variant}");
        wires.push(wire);
    }
    server.has(wires.len());
}
