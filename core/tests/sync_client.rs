//! What the real servers sent, given to a client: its user is told what the real one's was, and the server gets the same
//! answers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs, unreachable_pub)]

#[allow(dead_code)]
mod support;

use std::fs;

use networkdb_core::{
    machine::{Endpoint, Input, Instant, Machine, Output, StreamId, StreamInput},
    syncproto::{
        Decoder, FROM_CLIENT, Message, Revision, SerializedUpdate,
        client::{Client, Config, Event, Generation, Reason, Tracking},
    },
};
use serde_json::Value;

const NOW: Instant = Instant::from_nanos(1_000_000_000);

/// A client that received one direction of a capture and then the end of the connection.
struct Played {
    told: Vec<String>,
    reason: Reason,
    answers: Vec<String>,
}

fn config() -> Config {
    let at = std::net::SocketAddr::from(([10, 0, 0, 1], 5473));
    let mut config = Config::new("node", vec![Endpoint::from(at)]);
    config.tracking = Tracking::None;
    config.retry.reconnect = false;
    config
}

fn play(name: &str, config: Config) -> Played {
    let bytes = fs::read(support::folder("typha").join(format!("{name}.s2c.bin"))).unwrap();
    let (mut client, id) = (Client::new(config, [3; 32], NOW).unwrap(), StreamId(2));
    client.handle(NOW, Input::Stream(id, StreamInput::Opened { at: ([10, 0, 0, 1], 5473).into() }));
    let (mut told, mut reason, mut written) = (Vec::new(), None, Vec::new());
    // Pieces as they come from a network, and the end.
    for piece in bytes.chunks(1448).map(Some).chain([None]) {
        let input = piece.map_or(StreamInput::Finished, StreamInput::Received);
        client.handle(NOW, Input::Stream(id, input));
        while let Some(output) = client.poll_output() {
            if let Output::Write(_, bytes) = output {
                written.extend_from_slice(&bytes);
                client.handle(NOW, Input::Stream(id, StreamInput::Sent(bytes.len())));
            }
        }
        while let Some(event) = client.poll_event() {
            match event {
                Event::Updates(updates) => told.extend(updates.iter().map(|update| update_line(&update))),
                Event::Status(status) => told.push(format!("status {}", status.0)),
                Event::Finished { reason: last } => reason = Some(last),
                _ => {}
            }
        }
    }
    Played { told, reason: reason.unwrap(), answers: answers(&written) }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn update_line(update: &SerializedUpdate<'_>) -> String {
    let Revision::Text(revision) = update.revision else { panic!("servers send text") };
    let (key, revision, v3) = (text(update.key), text(revision), text(update.v3_resource_version));
    let some = update.value.is_some();
    format!("{key} {revision:?} {v3:?} {} {} {some}", update.ttl, update.update_type.0)
}

/// What a client wrote after its hello.
fn answers(mut written: &[u8]) -> Vec<String> {
    let (mut decoder, mut said) = (Decoder::new(FROM_CLIENT), Vec::new());
    while !written.is_empty() {
        let mut rest = written;
        said.extend(decoder.next(&mut rest).unwrap().map(|message| match message {
            Message::ClientHello(_) => "hello".to_owned(),
            Message::Ack => "ack".to_owned(),
            Message::Pong(pong) => format!("pong {}", hex::encode(pong.ping_timestamp.as_bytes())),
            other => panic!("{other:?}"),
        }));
        written = &written[written.len() - rest.len()..];
    }
    said
}

/// What was to be told and answered, from what the capture holds.
fn wanted(name: &str, first_status: bool) -> (Vec<String>, Vec<String>) {
    let file = support::folder("typha").join(format!("{name}.s2c.json"));
    let file: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let mut told: Vec<String> = first_status.then(|| "status 1".to_owned()).into_iter().collect();
    let mut answers = vec!["hello".to_owned()];
    for message in file["messages"].as_array().unwrap() {
        let content = &message["message"]["msg"];
        match message["message"]["type"].as_str().unwrap() {
            "MsgKVs" => told.extend(content["KVs"].as_array().unwrap().iter().map(wanted_line)),
            "MsgSyncStatus" => told.push(format!("status {}", content["SyncStatus"])),
            "MsgPing" => {
                answers.push(format!("pong {}", content["Timestamp"]["marshal_hex"].as_str().unwrap()));
            }
            "MsgDecoderRestart" => answers.push("ack".to_owned()),
            _ => {}
        }
    }
    (told, answers)
}

fn wanted_line(kv: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (key, revision, v3) =
        (text(&kv["Key"]), text(&kv["Revision"]["value"]), text(&kv["V3ResourceVersion"]));
    let some = kv["Value"].is_string();
    format!("{key} {revision:?} {v3:?} {} {} {some}", kv["TTL"], kv["UpdateType"])
}

#[test]
fn users_are_told_what_the_real_servers_sent_and_servers_get_their_answers() {
    let old = || Config { generation: Generation::V3_2_5, ..config() };
    let cases = [
        ("cap-v3.2.5", old(), 240),
        ("cap-v3.2.5-small-msgs", old(), 40),
        ("cap-head-plain", Config { decoder_restart: false, ..config() }, 240),
        ("cap-head-snappy", config(), 240),
        ("cap-head-bulk-snappy", config(), 1517),
        ("cap-head-empty-bgp", Config { syncer_type: "bgp".into(), ..config() }, 1),
        ("cap-v3.2.5-server-head-client", Config { accept_old_servers: true, ..config() }, 20),
    ];
    for (name, config, least) in cases {
        let (told, answers) = wanted(name, config.generation == Generation::Today);
        let played = play(name, config);
        assert!(told.len() >= least, "{name}: {}", told.len());
        assert_eq!(played.told, told, "{name}");
        assert_eq!(played.answers, answers, "{name}");
        assert_eq!(played.reason, Reason::Closed, "{name}");
    }
}

#[test]
fn a_client_of_today_leaves_a_server_of_v3_2_5() {
    let played = play("cap-v3.2.5-server-head-client", config());
    assert!(matches!(played.reason, Reason::OldServer { .. }), "{}", played.reason);
    assert_eq!(played.told, ["status 1"]);
}

#[test]
fn servers_that_refuse_say_nothing() {
    for name in ["cap-head-unknown-syncer", "cap-head-server-v3.2.5-client"] {
        let played = play(name, config());
        assert_eq!((played.reason, played.told), (Reason::Closed, vec!["status 1".to_owned()]), "{name}");
    }
}
