//! The C examples, against nodes of the built-in host in this process.
#![cfg(feature = "hosted")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod built;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write as _},
    path::Path,
    process::Stdio,
    time::Duration,
};

use built::{Program, Way};
use bytes::Bytes;
use networkdb_embed::{
    Code, EntryKey, Event, EventKind, Instant, Kind, Node, Revision, SerializedUpdate, UpdateType, Write,
};

const NOW: Instant = Instant::ORIGIN;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn hosted(kind: Kind, config: &str) -> (Node, std::net::SocketAddr) {
    let node = Node::create(kind, config, [3; 32], NOW).unwrap();
    node.run().unwrap();
    let bound = node.bound().unwrap();
    (node, bound)
}

fn build(example: &str, way: Way) -> Program {
    Program::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/c").join(example), way)
}

/// What it printed to the end.
fn run(program: &Program, arguments: &[&str]) -> String {
    built::succeeded(&program.command().args(arguments).output().unwrap())
}

/// Runs a program on such an input.
fn run_on(program: &Program, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut run = program.command();
    let mut child = run.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    output.stdout
}

/// Waits for such an event.
fn until(node: &Node, what: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = node.wait_event(PATIENCE).expect("it comes in time");
        if what(&event) {
            return event;
        }
    }
}

/// A NetworkDB node that takes part in the network `web`, and its address.
fn seed() -> (Node, String) {
    let (node, addr) = hosted(Kind::NetworkDb, "name = 'seed'\nbind = '127.0.0.1:0'");
    node.command(NOW, r#"{"op":"network_join","network":"web"}"#).unwrap();
    (node, addr.to_string())
}

#[test]
fn a_hosted_node_in_c_joins_and_watches_a_table() {
    for way in Way::ALL {
        let (node, seed) = seed();
        let key = EntryKey::new("web", "endpoints", "alpha");
        node.write(NOW, Write::Create, &key, Bytes::from_static(b"10.0.0.5:80")).unwrap();
        let watch = build("watch.c", way);
        let printed = run(&watch, &["c-1", "127.0.0.1:0", &seed, "web", "endpoints", "1"]);
        assert_eq!(printed, "created alpha = 10.0.0.5:80\n", "{way:?}");
        let came = until(&node, |event| event.kind == EventKind::PeerJoined && event.key == "c-1");
        assert_eq!(came.network, "web");
    }
}

#[test]
fn a_manager_in_c_publishes_endpoints_and_says_goodbye() {
    for way in Way::ALL {
        let (node, seed) = seed();
        node.command(NOW, r#"{"op":"watch","table":"endpoint_table"}"#).unwrap();
        let mut run = build("publish.c", way).command();
        let mut child = run.args(["c-1", "127.0.0.1:0", &seed, "web"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"alpha 10.0.0.5:80\nbeta 10.0.0.6:80\nalpha 10.0.0.7:80\nbeta\n").unwrap();
        until(&node, |event| event.key == "alpha" && event.value.as_deref() == Some(b"10.0.0.7:80"));
        drop(input);
        assert!(child.wait().unwrap().success(), "{way:?}");
        until(&node, |event| event.kind == EventKind::NodeLeft && event.key == "c-1");
    }
}

fn update(key: &'static str, value: &'static str) -> SerializedUpdate<'static> {
    SerializedUpdate {
        key: key.as_bytes(),
        value: Some(value.as_bytes()),
        revision: Revision::Text(b"1"),
        update_type: UpdateType::NEW,
        ..SerializedUpdate::default()
    }
}

#[test]
fn a_step_loop_in_c_on_its_own_sockets_follows_a_server() {
    for way in Way::ALL {
        let (server, addr) = hosted(Kind::SyncServer, "bind = '127.0.0.1:0'");
        assert_eq!(server.publish(NOW, "felix", [update("/calico/v1/config/LogSeverityFile", "INFO")]).0, 1);
        server.command(NOW, r#"{"op":"status","syncer_type":"felix","status":2}"#).unwrap();
        let printed = run(&build("follow.c", way), &[&addr.ip().to_string(), &addr.port().to_string()]);
        assert_eq!(printed, "/calico/v1/config/LogSeverityFile = INFO\n", "{way:?}");
    }
}

#[test]
fn the_codec_in_c_reads_what_it_writes_and_what_typha_sent() {
    let captured = fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/vectors/typha/cap-v3.2.5-small-msgs.s2c.bin"
    ));
    let captured = captured.unwrap();
    for way in Way::ALL {
        let codec = build("codec.c", way);
        let stream = run_on(&codec, &["encode", "/a", "1", "/b", "2"], &[]);
        let read = String::from_utf8(run_on(&codec, &["decode"], &stream)).unwrap();
        assert_eq!(read, "/a = 1\n/b = 2\nstatus: 2\n");
        let read = String::from_utf8(run_on(&codec, &["decode"], &captured)).unwrap();
        assert!(read.starts_with("server_hello: ") && read.contains(" = value-alphas-38\n"), "{read}");
    }
}

#[test]
fn a_server_in_c_serves_what_it_reads_and_drains() {
    for way in Way::ALL {
        let program = build("serve.c", way);
        let mut run = program.command();
        let child = run.arg("127.0.0.1:0").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"/a 1\n/b two words\n/a\n\n").unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let (_, rest) = line.split_once("\"bound\":\"").unwrap();
        let settings = format!("hostname = 'c'\nendpoints = ['{}']", rest.split('"').next().unwrap());
        let client = Node::create(Kind::SyncClient, &settings, [4; 32], NOW).unwrap();
        client.run().unwrap();
        let told = until(&client, |event| event.kind == EventKind::Update && event.key == "/b");
        assert_eq!(told.value.as_deref(), Some(&b"two words"[..]), "{way:?}");
        until(&client, |event| event.kind == EventKind::Status && event.number == 2);
        drop(input);
        line.clear();
        output.read_to_string(&mut line).unwrap();
        assert!(line.starts_with("c came\nstream 1 ended: "), "{line}");
        assert!(child.wait().unwrap().success(), "{way:?}");
    }
}

#[test]
fn a_hosted_node_cannot_be_stepped_and_ends_when_it_is_closed() {
    let (node, addr) = hosted(Kind::Memberlist, "name = 'm'\nbind = '127.0.0.1:0'");
    assert_eq!(node.step(NOW, [], &mut Vec::new()), Err(Code::Busy));
    assert_eq!(node.run().unwrap_err().code, Code::Busy);
    let taken = Node::create(Kind::Memberlist, &format!("name = 'n'\nbind = '{addr}'"), [3; 32], NOW);
    assert_eq!(taken.unwrap_err().code, Code::System);
    node.close();
    // A child which another test starts has copies of all sockets until it executes its program.
    let end = std::time::Instant::now() + PATIENCE;
    while let Err(error) = std::net::TcpListener::bind(addr) {
        assert!(std::time::Instant::now() < end, "its port is not free: {error}");
        std::thread::yield_now();
    }
}

#[test]
fn a_fault_of_a_hosted_node_is_told_to_its_user() {
    let (node, _) = hosted(Kind::NetworkDb, "name = 'p'\nbind = '127.0.0.1:0'");
    let asked =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| node.command(NOW, r#"{"op":"panic"}"#)));
    assert!(asked.is_err());
    assert_eq!(node.next_event(), Err(Code::Poisoned));
    node.close();
}
