//! Nodes of every kind, driven by steps in virtual time, as a host in another language drives them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod wire;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use networkdb_core::{
    syncproto::{DecoderRestart, Message, SyncStatus, encode},
    wire::snappy,
};
use networkdb_embed::{
    Code, EntryKey, EventKind, Instant, Kind, Node, Output, Revision, SerializedUpdate, Signal, UpdateType,
    Write,
};
use wire::Wire;

const KEY: &str = "0f0e0d0c0b0a09080706050403020100";

fn addr(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 7946))
}

fn database(name: &str, last: u8) -> String {
    format!(r#"{{"name":"{name}","advertise":"{}","keys":["{KEY}"]}}"#, addr(last))
}

fn alone() -> Node {
    Node::create(Kind::NetworkDb, &database("a", 1), [1; 32], Instant::from_nanos(1)).unwrap()
}

/// Two NetworkDB nodes that have joined each other and the network `web`.
fn two() -> Wire {
    let mut wire = Wire::new();
    wire.add(addr(1), Kind::NetworkDb, &database("a", 1));
    // The same settings in the other form.
    let toml = format!("name = \"b\"\nadvertise = \"{}\"\nkeys = [\"{KEY}\"]\n", addr(2));
    wire.add(addr(2), Kind::NetworkDb, &toml);
    let join = wire.command(addr(2), r#"{"op":"join","members":["10.0.0.1:7946"]}"#);
    let joined = wire.until_kind(addr(2), EventKind::Joined);
    assert_eq!((joined.code, joined.number, joined.id), (Code::Ok, 1, join["request"].as_u64().unwrap()));
    for node in [addr(1), addr(2)] {
        wire.command(node, r#"{"op":"network_join","network":"web"}"#);
        wire.until_kind(node, EventKind::NetworkJoined);
    }
    wire
}

#[test]
fn rows_of_one_node_are_read_and_watched_at_the_other() {
    let mut wire = two();
    let watch = wire.command(addr(2), r#"{"op":"watch","network":"web"}"#)["watch"].as_u64().unwrap();
    let key = EntryKey::new("web", "t", "alpha");
    let write = |wire: &Wire, how, value: &'static [u8]| {
        wire.node(addr(1)).write(wire.now, how, &key, bytes::Bytes::from_static(value)).unwrap();
    };
    write(&wire, Write::Create, b"1");
    let row = wire.until_kind(addr(2), EventKind::RowCreated);
    assert_eq!((&row.key[..], row.value.as_deref(), row.id), (&b"alpha"[..], Some(&b"1"[..]), watch));
    assert_eq!(wire.node(addr(2)).read(&key).unwrap(), "1");
    write(&wire, Write::Update, b"2");
    let row = wire.until_kind(addr(2), EventKind::RowUpdated);
    assert_eq!((row.value.as_deref(), row.previous.as_deref()), (Some(&b"2"[..]), Some(&b"1"[..])));
    write(&wire, Write::Delete, b"");
    wire.until_kind(addr(2), EventKind::RowDeleted);
    assert_eq!(wire.node(addr(2)).read(&key), Err(Code::Deleted));
}

#[test]
fn a_paused_watch_tells_nothing_and_then_all() {
    let node = alone();
    let ask = |request: &str| node.command(Instant::from_nanos(1), request).unwrap();
    let put = |key: &str| {
        let key = EntryKey::new("web", "t", key);
        node.write(Instant::from_nanos(1), Write::Put, &key, bytes::Bytes::from_static(b"v")).unwrap();
    };
    ask(r#"{"op":"network_join","network":"web"}"#);
    ask(r#"{"op":"watch","own":true}"#);
    ask(r#"{"op":"watch_pause","watch":1,"paused":true}"#);
    let told = || -> Vec<_> { std::iter::from_fn(|| node.next_event().unwrap()).collect() };
    told();
    put("a");
    put("b");
    assert_eq!(told(), []);
    ask(r#"{"op":"watch_pause","watch":1,"paused":false}"#);
    let keys: Vec<_> = told().into_iter().map(|event| event.key).collect();
    assert_eq!(keys, ["a", "b"]);
    let error = node.command(Instant::from_nanos(1), r#"{"op":"watch_pause","watch":2,"paused":true}"#);
    assert_eq!(error.unwrap_err().code, Code::Missing);
}

#[test]
fn a_list_goes_on_behind_a_row_whose_name_is_no_text() {
    let node = alone();
    let ask = |request: serde_json::Value| -> serde_json::Value {
        serde_json::from_str(&node.command(Instant::from_nanos(1), &request.to_string()).unwrap()).unwrap()
    };
    ask(serde_json::json!({ "op": "network_join", "network": "web" }));
    for key in [&b"a\xff"[..], b"b\xff", b"c\xff"] {
        let key = EntryKey::new("web", "t", key);
        node.write(Instant::from_nanos(1), Write::Put, &key, bytes::Bytes::new()).unwrap();
    }
    let first = ask(serde_json::json!({ "op": "list", "limit": 1 }));
    let row = &first["rows"][0];
    assert_eq!(row["key_hex"], "61ff");
    let next = ask(serde_json::json!({ "op": "list", "limit": 1, "behind": row }));
    assert_eq!(next["rows"][0]["key_hex"], "62ff");
}

#[test]
fn what_nodes_hold_is_told_as_json() {
    let mut wire = two();
    let key = EntryKey::new("web", "t", "alpha");
    wire.node(addr(1)).write(wire.now, Write::Put, &key, "v".into()).unwrap();
    wire.command(addr(2), r#"{"op":"watch"}"#);
    wire.until_kind(addr(2), EventKind::RowCreated);
    let names = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&wire.command(addr(2), r#"{"op":"members"}"#)["members"]), ["a", "b"]);
    assert_eq!(names(&wire.command(addr(1), r#"{"op":"peers","network":"web"}"#)["peers"]).len(), 2);
    assert_eq!(names(&wire.command(addr(1), r#"{"op":"networks"}"#)["networks"]), ["web"]);
    let rows = wire.command(addr(2), r#"{"op":"list","network":"web","table":"t"}"#);
    assert_eq!((&rows["rows"][0]["key"], &rows["rows"][0]["owner"]), (&"alpha".into(), &"a".into()));
    let digest = |last| wire.command(addr(last), r#"{"op":"digest"}"#);
    assert_eq!(digest(1)["digests"][0]["rows"], 1);
    assert_eq!(digest(1), digest(2), "nodes that agree show it");
    let snapshot = wire.command(addr(2), r#"{"op":"snapshot"}"#);
    assert_eq!((&snapshot["name"], &snapshot["stats"]["active_nodes"]), (&"b".into(), &2.into()));
    assert!(!snapshot.to_string().contains(KEY));
}

#[test]
fn a_member_sees_another_come_speak_and_go() {
    let mut wire = Wire::new();
    for (name, last) in [("a", 1), ("b", 2)] {
        let config = format!("name = \"{name}\"\nadvertise = \"{}\"\nmeta_hex = \"0102\"", addr(last));
        wire.add(addr(last), Kind::Memberlist, &config);
    }
    wire.command(addr(1), r#"{"op":"join","members":["10.0.0.2:7946","nowhere.example:1"]}"#);
    let joined = wire.until_kind(addr(1), EventKind::Joined);
    assert_eq!((joined.code, joined.number), (Code::Ok, 1));
    assert!(joined.text.starts_with("nowhere.example:1: "), "{}", joined.text);
    let came = wire.until(addr(1), |event| event.kind == EventKind::MemberJoined && event.key == "b");
    assert_eq!((came.addr, came.value.as_deref()), (Some(addr(2)), Some(&[1, 2][..])));
    wire.command(addr(2), r#"{"op":"send_reliable","to":"a","message_hex":"6869"}"#);
    assert_eq!(wire.until_kind(addr(1), EventKind::Message).value.unwrap(), "hi");
    wire.command(addr(2), r#"{"op":"leave"}"#);
    assert_eq!(wire.until_kind(addr(2), EventKind::Spread).code, Code::Ok);
    let gone = wire.until_kind(addr(1), EventKind::MemberGone);
    assert_eq!((&gone.key[..], gone.number), (&b"b"[..], 3));
}

#[test]
fn a_sync_client_has_what_the_server_publishes() {
    let mut wire = Wire::new();
    wire.add(addr(1), Kind::SyncServer, r#"{"syncer_types":["felix"],"unix_origin_ns":0}"#);
    wire.add(addr(2), Kind::SyncClient, r#"{"hostname":"h","endpoints":["10.0.0.1:7946"]}"#);
    let update = |key: &'static str, value: Option<&'static str>| SerializedUpdate {
        key: key.as_bytes(),
        value: value.map(str::as_bytes),
        revision: Revision::Text(b"7"),
        ..SerializedUpdate::default()
    };
    let server = wire.node(addr(1));
    let key = "/calico/v1/config/LogSeverityFile";
    let published = server.publish(wire.now, "felix", [update(key, Some("INFO"))]);
    assert_eq!(published, (1, Ok(())));
    assert_eq!(server.publish(wire.now, "bgp", [update("/k", None)]), (0, Err(Code::Missing)));
    wire.command(addr(1), r#"{"op":"status","syncer_type":"felix","status":2}"#);
    let client = wire.until_kind(addr(1), EventKind::ClientJoined);
    assert_eq!((&client.key[..], &client.table[..], client.addr), (&b"h"[..], &b"felix"[..], Some(addr(2))));
    let told = wire.until_kind(addr(2), EventKind::Update);
    assert_eq!((&told.key[..], told.value.as_deref()), (key.as_bytes(), Some(&b"INFO"[..])));
    assert_eq!((&told.revision[..], told.detail), (&b"7"[..], 1));
    wire.until(addr(2), |event| event.kind == EventKind::Status && event.number == 2);
    assert_eq!(wire.node(addr(1)).publish(wire.now, "felix", [update(key, None)]), (1, Ok(())));
    assert_eq!(wire.until_kind(addr(2), EventKind::Deletion).key, key);
    assert_eq!(wire.command(addr(1), r#"{"op":"clients"}"#)["clients"][0]["hostname"], "h");
    wire.command(addr(2), r#"{"op":"stop"}"#);
    wire.until_kind(addr(2), EventKind::Finished);
    wire.until_kind(addr(1), EventKind::ClientClosed);
}

#[test]
fn a_syncer_type_named_twice_has_one_cache() {
    let settings = r#"{"syncer_types":["bgp","bgp"],"unix_origin_ns":0}"#;
    let server = Node::create(Kind::SyncServer, settings, [0; 32], Instant::ORIGIN).unwrap();
    let stats = server.command(Instant::ORIGIN, r#"{"op":"stats"}"#).unwrap();
    let (caches, _) = stats.split_once(r#""server""#).unwrap();
    assert_eq!(caches.matches(r#""bgp""#).count(), 1, "{stats}");
}

#[test]
fn updates_that_come_one_by_one_are_gathered_after_a_publication() {
    let config = r#"{"tick_ms":5,"max_batch_size":3,"unix_origin_ns":0}"#;
    let server = Node::create(Kind::SyncServer, config, [1; 32], Instant::ORIGIN).unwrap();
    let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
    let deadline = |ms| server.step(at(ms), [], &mut Vec::new()).unwrap();
    let publish = |ms, keys: &[&'static str]| {
        let update = |key: &&'static str| SerializedUpdate {
            key: key.as_bytes(),
            value: Some(b"v"),
            ..SerializedUpdate::default()
        };
        assert_eq!(server.publish(at(ms), "felix", keys.iter().map(update)).1, Ok(()));
    };
    let crumbs = || {
        let stats = server.command(at(0), r#"{"op":"stats"}"#).unwrap();
        serde_json::from_str::<serde_json::Value>(&stats).unwrap()["caches"]["felix"]["breadcrumb_seq_number"]
            .as_u64()
    };
    let before = crumbs().unwrap();
    let since = || crumbs().unwrap() - before;
    publish(100, &["/a"]);
    assert_eq!(since(), 1, "the first at once");
    publish(101, &["/b"]);
    publish(102, &["/c"]);
    assert_eq!((since(), deadline(104)), (1, Some(at(105))));
    assert_eq!((deadline(105), since()), (None, 2));
    publish(106, &["/d", "/e", "/f"]);
    assert_eq!(since(), 3, "a whole batch does not wait");
}

#[test]
fn a_codec_reads_what_it_writes() {
    let config = format!(r#"{{"keys":["{KEY}"],"label":"l"}}"#);
    let codec = Node::create(Kind::Codec, &config, [1; 32], Instant::ORIGIN).unwrap();
    let ask = |request: &str| -> serde_json::Value {
        serde_json::from_str(&codec.command(Instant::ORIGIN, request).unwrap()).unwrap()
    };
    let sealed = ask(r#"{"op":"seal_packet","message_hex":"080102","crc":true}"#);
    let packet = sealed["packet_hex"].as_str().unwrap();
    let opened = ask(&format!(r#"{{"op":"open_packet","packet_hex":"{packet}"}}"#));
    assert_eq!(opened["messages"][0], serde_json::json!({ "type": "user", "body_hex": "0102" }));
    let stream =
        ask(r#"{"op":"sync_encode","updates":[{"key":"/k","value":"v","revision":"7"}],"status":2}"#);
    let stream = stream["stream_hex"].as_str().unwrap();
    let read = ask(&format!(r#"{{"op":"sync_decode","stream_hex":"{stream}"}}"#));
    assert_eq!(read["messages"][0]["updates"][0]["key"], "/k");
    assert_eq!((&read["messages"][1]["status"], &read["rest"]), (&2.into(), &0.into()));
    let error = codec.command(Instant::ORIGIN, r#"{"op":"networkdb","message_hex":"ff"}"#).unwrap_err();
    assert_eq!(error.code, Code::Malformed);
}

#[test]
fn a_codec_follows_a_stream_through_a_restart_wherever_it_is_cut() {
    let message = |stream: &mut Vec<u8>, message: &Message<'_>| {
        let mut plain = encode::definitions().to_vec();
        encode::message(&mut plain, message);
        stream.extend(plain);
    };
    let (mut stream, mut plain) = (Vec::new(), Vec::new());
    message(
        &mut stream,
        &Message::DecoderRestart(DecoderRestart { message: b"", compression_algorithm: b"snappy" }),
    );
    message(&mut plain, &Message::SyncStatus(SyncStatus(2)));
    stream.extend_from_slice(snappy::STREAM_IDENTIFIER);
    let plain_chunks = plain.chunks(100);
    plain_chunks.for_each(|chunk| snappy::frame(chunk, &mut stream));

    for cut in [1, 7, stream.len()] {
        let codec = Node::create(Kind::Codec, "", [1; 32], Instant::ORIGIN).unwrap();
        let feed = |bytes: &[u8]| codec.sync_decode(bytes, false).map_err(|error| error.code);
        stream.chunks(cut).for_each(|piece| feed(piece).unwrap());
        let told: Vec<_> = std::iter::from_fn(|| codec.next_event().unwrap()).collect();
        let kinds: Vec<_> = told.iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [EventKind::DecoderRestart, EventKind::Status], "cut at {cut}");
        assert_eq!((&told[0].key[..], told[1].number), (&b"snappy"[..], 2));
        assert_eq!(feed(b"no chunk of any kind"), Err(Code::Malformed));
        assert_eq!(feed(&[]), Err(Code::Malformed), "the stream is over");
    }
}

#[test]
fn a_codec_tells_what_it_reads_byte_for_byte() {
    let value = [0, 0xff, b'"'];
    let updates = [
        SerializedUpdate {
            key: b"/k\xff",
            value: Some(&value),
            revision: Revision::Text(b"7"),
            v3_resource_version: b"12",
            ttl: 5,
            update_type: UpdateType::NEW,
        },
        SerializedUpdate { key: b"/gone", update_type: UpdateType::DELETED, ..SerializedUpdate::default() },
    ];
    let codec = Node::create(Kind::Codec, "", [1; 32], Instant::ORIGIN).unwrap();
    codec.sync_decode(&networkdb_embed::sync_stream(&updates, Some(1)), false).unwrap();
    let told: Vec<_> = std::iter::from_fn(|| codec.next_event().unwrap()).collect();
    let [counted, new, gone, status] = &told[..] else { panic!("{told:?}") };
    assert_eq!((counted.kind, counted.number), (EventKind::Updates, 2));
    assert_eq!(
        (new.kind, &new.key[..], new.value.as_deref()),
        (EventKind::Update, &b"/k\xff"[..], Some(&value[..]))
    );
    assert_eq!((&new.revision[..], &new.version[..], new.number, new.detail), (&b"7"[..], &b"12"[..], 5, 1));
    assert_eq!((gone.kind, &gone.key[..], gone.value.as_deref()), (EventKind::Deletion, &b"/gone"[..], None));
    assert_eq!((status.kind, status.number), (EventKind::Status, 1));
    assert_eq!(alone().sync_decode(&[], false).unwrap_err().code, Code::Unsupported);
}

#[test]
fn a_wrong_setting_or_request_is_named_and_a_key_is_not_repeated() {
    let error = |kind, text: &str| Node::create(kind, text, [0; 32], Instant::ORIGIN).unwrap_err();
    assert_eq!(error(Kind::NetworkDb, "{}").code, Code::Config);
    assert!(error(Kind::NetworkDb, "name = \"a\"\nnmae = 1").text.starts_with("unknown field `nmae`"));
    assert!(error(Kind::NetworkDb, "name = \"a\"\nkeys = 5ec4e7").text.starts_with("line 2: "));
    for keys in ["\"5ec4e7\"", "[\"5ec4e7\"]", "[5]", "[[\"5ec4e7\"]]"] {
        for text in [format!("keys = {keys}"), format!("{{\"keys\":{keys}}}")] {
            let error = error(Kind::NetworkDb, &text);
            assert!(error.text.contains("`keys`") && !error.text.contains("5ec4e7"), "{error}");
        }
    }
    assert_eq!(error(Kind::SyncClient, "{}").code, Code::Config);
    let node = alone();
    let wrong = |request: &str| node.command(Instant::ORIGIN, request).unwrap_err();
    assert_eq!(wrong("nonsense").code, Code::Request);
    assert_eq!(wrong(r#"{"op":"fly"}"#).code, Code::Request);
    let error = wrong(r#"{"op":"key_add","key_hex":["5ec4e7"]}"#);
    assert!(error.code == Code::Request && !error.text.contains("5ec4e7"), "{error}");
    assert_eq!(wrong(r#"{"op":"key_add","key_hex":"5ec4e7"}"#).code, Code::Key);
    assert_eq!(node.publish(Instant::ORIGIN, "felix", []), (0, Err(Code::Unsupported)));
}

#[derive(Default)]
struct Counted {
    raised: AtomicUsize,
    cleared: AtomicUsize,
}

impl Signal for Counted {
    fn raise(&self) {
        self.raised.fetch_add(1, Ordering::SeqCst);
    }
    fn clear(&self) {
        self.cleared.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn what_a_node_has_to_tell_at_its_creation_waits_at_once() {
    let config = r#"{"name":"a","advertise":"10.0.0.1:7946"}"#;
    let node = Node::create(Kind::Memberlist, config, [1; 32], Instant::from_nanos(1)).unwrap();
    assert_eq!(node.next_event().unwrap().map(|event| event.kind), Some(EventKind::MemberJoined));
}

#[test]
fn the_host_is_woken_once_until_its_next_step() {
    let node = alone();
    let wake = Arc::new(Counted::default());
    let mut outputs = Vec::new();
    node.set_wake(wake.clone()).unwrap();
    assert_eq!(wake.raised.load(Ordering::SeqCst), 1, "the first step is due");
    node.step(Instant::from_nanos(2), [], &mut outputs).unwrap();
    let join = r#"{"op":"join","members":["10.0.0.9:1"]}"#;
    for _ in 0..3 {
        node.command(Instant::from_nanos(3), join).unwrap();
    }
    assert_eq!(wake.raised.load(Ordering::SeqCst), 2);
    node.step(Instant::from_nanos(4), [], &mut outputs).unwrap();
    assert!(outputs.iter().any(|output| matches!(output, Output::Open(..))), "{outputs:?}");
    assert_eq!(wake.cleared.load(Ordering::SeqCst), 2);
    node.command(Instant::from_nanos(5), r#"{"op":"stats"}"#).unwrap();
    assert_eq!(wake.raised.load(Ordering::SeqCst), 2, "a question leaves no work");
}

#[test]
fn the_user_is_called_while_an_event_waits() {
    let node = alone();
    let call = Arc::new(Counted::default());
    node.set_call(call.clone()).unwrap();
    while node.next_event().unwrap().is_some() {}
    let before = call.raised.load(Ordering::SeqCst);
    node.command(Instant::from_nanos(2), r#"{"op":"network_join","network":"web"}"#).unwrap();
    assert_eq!(call.raised.load(Ordering::SeqCst), before + 1);
    let cleared = call.cleared.load(Ordering::SeqCst);
    assert!(node.next_event().unwrap().is_some());
    while node.next_event().unwrap().is_some() {}
    assert!(call.cleared.load(Ordering::SeqCst) > cleared);
}

#[test]
fn a_wait_ends_with_an_event_or_the_close_or_the_time() {
    let node = alone();
    while node.next_event().unwrap().is_some() {}
    assert_eq!(node.wait_event(Duration::from_millis(1)), Err(Code::Empty));
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| node.wait_event(Duration::MAX));
        node.command(Instant::from_nanos(2), r#"{"op":"network_join","network":"web"}"#).unwrap();
        assert!(waits.join().unwrap().is_ok());
        while node.next_event().unwrap().is_some() {}
        let waits = scope.spawn(|| node.wait_event(Duration::MAX));
        node.close();
        assert_eq!(waits.join().unwrap(), Err(Code::Closed));
    });
    assert_eq!(node.next_event(), Err(Code::Closed));
}

#[test]
fn two_steps_at_once_are_refused() {
    let node = alone();
    // The inputs of a step are asked for inside of it.
    let mut inner = None;
    let inputs = std::iter::from_fn(|| {
        inner.get_or_insert_with(|| {
            std::thread::scope(|scope| {
                let second = || node.step(Instant::from_nanos(2), [], &mut Vec::new());
                scope.spawn(second).join().unwrap()
            })
        });
        None
    });
    node.step(Instant::from_nanos(2), inputs, &mut Vec::new()).unwrap();
    assert_eq!(inner, Some(Err(Code::Busy)));
    assert!(node.step(Instant::from_nanos(3), [], &mut Vec::new()).is_ok());
}

#[test]
fn pages_go_on_behind_a_key_that_is_no_text() {
    let node = alone();
    node.command(Instant::from_nanos(2), r#"{"op":"network_join","network":"web"}"#).unwrap();
    let odd = EntryKey::new("web", "t", &b"\xff/\xfe"[..]);
    node.write(Instant::from_nanos(2), Write::Create, &odd, "v".into()).unwrap();
    let page = |behind: &str| {
        let request = format!(r#"{{"op":"list","limit":1{behind}}}"#);
        node.command(Instant::from_nanos(2), &request).unwrap()
    };
    assert!(page("").contains("\"key_hex\":\"ff2ffe\""));
    let behind = r#","behind":{"network":"web","table":"t","key":"?","key_hex":"ff2ffe"}"#;
    assert_eq!(page(behind), r#"{"rows":[]}"#);
}

/// Counts nothing; only whether it is kept.
struct Kept;

impl Signal for Kept {
    fn raise(&self) {}
    fn clear(&self) {}
}

#[test]
fn a_closed_node_keeps_no_signal() {
    let (node, signal) = (alone(), Arc::new(Kept));
    node.set_call(signal.clone()).unwrap();
    node.set_wake(signal.clone()).unwrap();
    node.close();
    assert_eq!(Arc::strong_count(&signal), 1);
}
