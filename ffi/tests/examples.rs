//! The C examples, against nodes of the built-in host in this process.
#![cfg(feature = "hosted")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod built;

use std::{path::Path, process::Output, time::Duration};

use bytes::Bytes;
use networkdb_embed::{
    Code, EntryKey, EventKind, Instant, Kind, Node, Revision, SerializedUpdate, UpdateType, Write,
};

const NOW: Instant = Instant::ORIGIN;

fn hosted(kind: Kind, config: &str) -> (Node, std::net::SocketAddr) {
    let node = Node::create(kind, config, [3; 32], NOW).unwrap();
    node.run().unwrap();
    let bound = node.bound().unwrap();
    (node, bound)
}

fn run(example: &str, arguments: &[&str]) -> Output {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/c").join(example);
    let mut program = built::program(&["cc", "-std=c99", "-xc"], &source, built::Link::Shared);
    program.args(arguments).output().unwrap()
}

/// What it printed.
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_hosted_node_in_c_joins_and_watches_a_table() {
    let (node, seed) = hosted(Kind::NetworkDb, "name = 'seed'\nbind = '127.0.0.1:0'");
    node.command(NOW, r#"{"op":"network_join","network":"web"}"#).unwrap();
    let key = EntryKey::new("web", "endpoints", "alpha");
    node.write(NOW, Write::Create, &key, Bytes::from_static(b"10.0.0.5:80")).unwrap();
    let output = run("watch.c", &["c-1", "127.0.0.1:0", &seed.to_string(), "web", "endpoints", "1"]);
    assert_eq!(printed(&output), "created alpha = 10.0.0.5:80\n");
    let came = loop {
        let event = node.wait_event(Duration::from_secs(20)).expect("the other node is seen");
        if event.kind == EventKind::PeerJoined && event.key == "c-1" {
            break event;
        }
    };
    assert_eq!(came.network, "web");
}

#[test]
fn a_step_loop_in_c_follows_a_hosted_server() {
    let (server, addr) = hosted(Kind::SyncServer, "bind = '127.0.0.1:0'");
    let update = SerializedUpdate {
        key: b"/calico/v1/config/LogSeverityFile",
        value: Some(b"INFO"),
        revision: Revision::Text(b"1"),
        v3_resource_version: b"",
        ttl: 0,
        update_type: UpdateType::NEW,
    };
    assert_eq!(server.publish(NOW, "felix", [update]), (1, Ok(())));
    server.command(NOW, r#"{"op":"status","syncer_type":"felix","status":2}"#).unwrap();
    let output = run("follow.c", &[&addr.ip().to_string(), &addr.port().to_string()]);
    assert_eq!(printed(&output), "/calico/v1/config/LogSeverityFile = INFO\n");
}

#[test]
fn a_hosted_node_cannot_be_stepped_and_ends_when_it_is_closed() {
    let (node, addr) = hosted(Kind::Memberlist, "name = 'm'\nbind = '127.0.0.1:0'");
    assert_eq!(node.step(NOW, [], &mut Vec::new()), Err(Code::Busy));
    assert_eq!(node.run().unwrap_err().code, Code::Busy);
    let taken = Node::create(Kind::Memberlist, &format!("name = 'n'\nbind = '{addr}'"), [3; 32], NOW);
    assert_eq!(taken.unwrap_err().code, Code::System);
    node.close();
    assert!(std::net::TcpListener::bind(addr).is_ok(), "its port is free");
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
