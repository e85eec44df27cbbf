//! What is recorded: the name of each script and how it comes to be.

use std::{fs, path::Path, time::Duration};

use networkdb_embed::{EntryKey, EventKind, Kind, SerializedUpdate, Write};

use super::{Runner, record::Recorder};

const A: &str = "10.0.0.1:7946";
const B: &str = "10.0.0.2:7946";
const A6: &str = "[fd00::1]:7946";
const B6: &str = "[fd00::2]:7946";
const KEYS: &str = r#""0f0e0d0c0b0a09080706050403020100""#;

type Scene = fn() -> String;

pub const ALL: [(&str, Scene); 8] = [
    ("networkdb-rows", networkdb_rows),
    ("networkdb-bulk-sync", networkdb_bulk_sync),
    ("memberlist-comes-and-fails", memberlist_comes_and_fails),
    ("memberlist-messages", memberlist_messages),
    ("sync-server", sync_server),
    ("sync-server-snappy", sync_server_snappy),
    ("sync-client", sync_client),
    ("sync-client-captured", sync_client_captured),
];

fn member(name: &str, addr: &str, more: &str) -> String {
    format!(r#"{{"name":"{name}","advertise":"{addr}"{more}}}"#)
}

fn write(recorder: &mut Recorder, how: Write, [network, table, key]: [&str; 3], value: &[u8]) {
    let (node, now) = recorder.at(A);
    node.write(now, how, &EntryKey::new(network, table, key), value.to_vec().into()).unwrap();
}

fn networkdb_rows() -> String {
    let about =
        "A NetworkDB node joins another over sealed packets and streams, and both write rows of one network.";
    let keys = format!(r#","keys":[{KEYS}]"#);
    let mut recorder = Recorder::new(about, Kind::NetworkDb, B, &member("b", B, &keys));
    recorder.other(Kind::NetworkDb, A, &member("a", A, &keys));
    recorder.command_at(A, r#"{"op":"network_join","network":"web"}"#);
    recorder.line(r#"command {"op":"join","members":["10.0.0.1:7946"]}"#);
    recorder.until_kind(EventKind::Joined);
    recorder.line(r#"command {"op":"watch","network":"web"}"#);
    recorder.line(r#"command {"op":"network_join","network":"web"}"#);
    recorder.until_kind(EventKind::NetworkJoined);
    let alpha = ["web", "endpoints", "alpha"];
    write(&mut recorder, Write::Create, alpha, b"10.0.0.5:80");
    recorder.until_kind(EventKind::RowCreated);
    write(&mut recorder, Write::Update, alpha, b"");
    recorder.until_kind(EventKind::RowUpdated);
    recorder.line("write create web endpoints beta 31302e302e302e363a3830");
    recorder.line("write put web endpoints gamma -");
    recorder.line("write update web endpoints beta 31302e302e302e373a3830");
    recorder.pass(Duration::from_millis(50));
    write(&mut recorder, Write::Delete, alpha, b"");
    recorder.until_kind(EventKind::RowDeleted);
    recorder.line("write delete web endpoints gamma -");
    for question in ["members", "networks", "peers", "list", "digest"] {
        recorder.line(&format!(r#"command {{"op":"{question}"}}"#));
    }
    recorder.line(r#"command {"op":"leave"}"#);
    recorder.until_kind(EventKind::Left);
    recorder.end()
}

fn networkdb_bulk_sync() -> String {
    let about = "A NetworkDB node gets the rows there already by bulk sync, and loses sight of them with their owner.";
    let quick = r#","gossip":{"probe_interval_ms":500,"probe_timeout_ms":200}"#;
    let mut recorder = Recorder::new(about, Kind::NetworkDb, B, &member("b", B, quick));
    recorder.other(Kind::NetworkDb, A, &member("a", A, quick));
    for network in ["blue", "green"] {
        recorder.command_at(A, &format!(r#"{{"op":"network_join","network":"{network}"}}"#));
        for row in 0..12 {
            let value: Vec<u8> = (0..row * 40).map(|byte| (byte % 251) as u8).collect();
            write(&mut recorder, Write::Create, [network, "endpoints", &format!("row{row}")], &value);
        }
    }
    write(&mut recorder, Write::Create, ["blue", "services", "vip"], b"1");
    recorder.line(r#"command {"op":"join","members":["10.0.0.1:7946"]}"#);
    recorder.until_kind(EventKind::Joined);
    recorder.line(r#"command {"op":"watch","table":"endpoints"}"#);
    recorder.line(r#"command {"op":"watch","network":"blue","table":"services","own":true}"#);
    recorder.line(r#"command {"op":"network_join","network":"blue"}"#);
    recorder.until_kind(EventKind::NetworkJoined);
    recorder.line("write create blue services mine 32");
    recorder.line(r#"command {"op":"network_join","network":"green"}"#);
    recorder.until_kind(EventKind::NetworkJoined);
    recorder.pass(Duration::from_millis(50));
    recorder.line(r#"command {"op":"list","network":"green","table":"endpoints","limit":2}"#);
    recorder.line(r#"command {"op":"unwatch","watch":1}"#);
    recorder.line(r#"command {"op":"network_leave","network":"green"}"#);
    recorder.pass(Duration::from_millis(50));
    recorder.line("# The other node falls silent.");
    recorder.silence(A);
    recorder.until_kind(EventKind::NodeFailed);
    recorder.line(r#"command {"op":"list","network":"blue","table":"services"}"#);
    recorder.end()
}

fn memberlist_comes_and_fails() -> String {
    let about =
        "A member is joined by another, hears its new meta, probes it, suspects it and declares it dead.";
    let mut recorder =
        Recorder::new(about, Kind::Memberlist, A, &member("a", A, r#","profile":"local","meta_hex":"0a""#));
    recorder.other(Kind::Memberlist, B, &member("b", B, r#","profile":"local","meta_hex":"0b""#));
    recorder.command_at(B, r#"{"op":"join","members":["10.0.0.1:7946"]}"#);
    recorder.until(|event| event.kind == EventKind::MemberJoined && event.key == "b");
    recorder.command_at(B, r#"{"op":"meta","meta_hex":"0b0b"}"#);
    recorder.until_kind(EventKind::MemberUpdated);
    recorder.line(r#"command {"op":"members"}"#);
    recorder.pass(Duration::from_millis(2_500));
    recorder.line("# The other member falls silent.");
    recorder.silence(B);
    recorder.until_kind(EventKind::MemberGone);
    recorder.line(r#"command {"op":"snapshot"}"#);
    recorder.end()
}

fn memberlist_messages() -> String {
    let about = "Members speak over IPv6, with a label and a key; one of two seeds is not there; both leave.";
    let more = format!(r#","label":"blue","keys":[{KEYS}]"#);
    let mut recorder = Recorder::new(about, Kind::Memberlist, A6, &member("a", A6, &more));
    recorder.other(Kind::Memberlist, B6, &member("b", B6, &more));
    recorder
        .line(r#"command {"op":"join","members":["[fd00::2]:7946","nowhere.example:1","[fd00::9]:7946"]}"#);
    recorder.until_kind(EventKind::Joined);
    recorder.line(r#"command {"op":"send_best_effort","to":["b"],"message_hex":"6869"}"#);
    recorder.line(r#"command {"op":"send_reliable","to":"b","message_hex":"686f"}"#);
    recorder.until_kind(EventKind::Sent);
    recorder.command_at(B6, r#"{"op":"send_best_effort","to":["a"],"message_hex":"6265"}"#);
    recorder.until_kind(EventKind::Message);
    recorder.command_at(B6, r#"{"op":"send_reliable","to":"a","message_hex":"00"}"#);
    recorder.until_kind(EventKind::Message);
    recorder.line(r#"command {"op":"key_add","key_hex":"000102030405060708090a0b0c0d0e0f"}"#);
    recorder.line(r#"command {"op":"key_use","key_hex":"0f0e0d0c0b0a09080706050403020101"}"#);
    recorder.command_at(B6, r#"{"op":"leave"}"#);
    recorder.until_kind(EventKind::MemberGone);
    recorder.line(r#"command {"op":"leave"}"#);
    recorder.until_kind(EventKind::Spread);
    recorder.end()
}

fn sync_server() -> String {
    let about =
        "A sync server greets a plain client, sends it the snapshot and then what changes; the client goes.";
    let config = r#"{"syncer_types":["felix","bgp"],"version":"v","unix_origin_ns":1700000000000000000}"#;
    let mut recorder = Recorder::new(about, Kind::SyncServer, A, config);
    recorder.line("publish felix /calico/v1/config/LogSeverityFile 494e464f");
    recorder.line("publish felix /calico/v1/config/Empty -");
    recorder.line("publish bgp /calico/bgp/v1/host/h/ip 31");
    recorder.line("publish tunnels /k 31");
    recorder.line(r#"command {"op":"status","syncer_type":"felix","status":2}"#);
    let client = r#"{"hostname":"h","endpoints":["10.0.0.1:7946"],"snappy":false,"info":"i","version":"v1"}"#;
    recorder.other(Kind::SyncClient, B, client);
    recorder.until_kind(EventKind::ClientJoined);
    recorder.pass(Duration::from_millis(20));
    recorder.line("publish felix /calico/v1/config/LogSeverityFile 4445425547");
    recorder.pass(Duration::from_millis(20));
    recorder.line("publish felix /calico/v1/config/LogSeverityFile");
    recorder.pass(Duration::from_secs(11));
    recorder.line(r#"command {"op":"clients"}"#);
    recorder.command_at(B, r#"{"op":"stop"}"#);
    recorder.until_kind(EventKind::ClientClosed);
    recorder.end()
}

fn sync_server_snappy() -> String {
    let about = "A sync server and a client that takes snappy; the server ends the connection, then drains.";
    let config = r#"{"version":"v","unix_origin_ns":0,"max_batch_size":10}"#;
    let mut recorder = Recorder::new(about, Kind::SyncServer, A, config);
    for row in 0..25 {
        recorder.line(&format!(
            "publish felix /calico/v1/ipam/handle/{row} {}",
            hex::encode("value ".repeat(row))
        ));
    }
    recorder.line(r#"command {"op":"status","syncer_type":"felix","status":1}"#);
    recorder.other(Kind::SyncClient, B, r#"{"hostname":"h","version":"v1","endpoints":["10.0.0.1:7946"]}"#);
    recorder.until_kind(EventKind::ClientJoined);
    recorder.pass(Duration::from_millis(20));
    recorder.line(r#"command {"op":"status","syncer_type":"felix","status":2}"#);
    recorder.line("publish felix /calico/v1/ipam/handle/3");
    recorder.pass(Duration::from_millis(20));
    recorder.line(r#"command {"op":"disconnect","stream":1}"#);
    recorder.until_kind(EventKind::ClientClosed);
    recorder.until_kind(EventKind::ClientJoined);
    recorder.pass(Duration::from_millis(20));
    recorder.line(r#"command {"op":"drain","timeout_ms":100}"#);
    recorder.until_kind(EventKind::Drained);
    recorder.end()
}

fn publish(recorder: &mut Recorder, key: &str, value: Option<&str>) {
    let (server, now) = recorder.at(A);
    let update = SerializedUpdate {
        key: key.as_bytes(),
        value: value.map(str::as_bytes),
        v3_resource_version: b"12",
        ttl: 5_000_000_000,
        ..SerializedUpdate::default()
    };
    server.publish(now, "felix", [update]).1.unwrap();
}

fn sync_client() -> String {
    let about =
        "A sync client takes a snapshot in snappy and what changes, loses its server and asks it again.";
    let mut recorder = Recorder::new(
        about,
        Kind::SyncClient,
        B,
        r#"{"hostname":"h","version":"v1","endpoints":["10.0.0.1:7946"]}"#,
    );
    recorder.other(Kind::SyncServer, A, r#"{"version":"v","unix_origin_ns":0}"#);
    for (key, value) in [("/a", "1"), ("/b", ""), ("/c", "3")] {
        publish(&mut recorder, key, Some(value));
    }
    recorder.command_at(A, r#"{"op":"status","syncer_type":"felix","status":2}"#);
    recorder.until(|event| event.kind == EventKind::Status && event.number == 2);
    publish(&mut recorder, "/a", Some("2"));
    recorder.until_kind(EventKind::Update);
    publish(&mut recorder, "/a", None);
    recorder.until_kind(EventKind::Deletion);
    recorder
        .line("# The server ends the connection; what is gone when the client is back is told as deleted.");
    recorder.command_at(A, r#"{"op":"disconnect","stream":1}"#);
    publish(&mut recorder, "/c", None);
    recorder.until_kind(EventKind::Disconnected);
    recorder.until_kind(EventKind::Deletion);
    recorder.line(r#"command {"op":"stop"}"#);
    recorder.until_kind(EventKind::Finished);
    recorder.end()
}

/// What a Typha of 3.2.5 sent to a client, in pieces that cut its messages.
fn sync_client_captured() -> String {
    let capture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/typha/cap-v3.2.5-small-msgs.s2c.bin");
    let capture = fs::read(capture).unwrap();
    let mut script = Runner::default();
    for line in [
        "# A sync client as of 3.2.5 reads what a Typha of 3.2.5 sent, in pieces that cut its messages.",
        "",
        "seed 0000000000000000000000000000000000000000000000000000000000000000",
        "at 5",
        r#"node sync_client {"hostname":"h","version":"v1","endpoints":["10.0.0.1:5473"],"as_3_2_5":true,"accept_old_servers":true,"reconnect":false}"#,
        "tick",
        "step",
        "opened 2 10.0.0.1:5473",
        "step",
        "",
        "at 1000005",
    ] {
        script.line(line);
    }
    for piece in capture.chunks(701) {
        script.line(&format!("received 2 {}", hex::encode(piece)));
        script.line("step");
    }
    for line in ["", "at 2000005", "finished 2", "gone 2", "step"] {
        script.line(line);
    }
    script.text
}
