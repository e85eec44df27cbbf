//! Nodes of the built-in host that speak the sync protocol over mutual TLS.
#![cfg(feature = "hosted")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../host/tests/certificates/mod.rs"]
mod certificates;

use std::time::Duration;

use certificates::Authority;
use networkdb_embed::{Code, Event, EventKind, Instant, Kind, Node, SerializedUpdate};

const NOW: Instant = Instant::ORIGIN;

/// The settings of the one called `name`, who wants the other side to be `peer`.
fn tls(authority: &Authority, name: &str, peer: &str) -> String {
    let file = |name: String| authority.file(name).display().to_string();
    let (key, cert, ca) = (file(format!("{name}.key")), file(format!("{name}.pem")), file("ca.pem".into()));
    format!("[tls]\nkey = '{key}'\ncert = '{cert}'\nca = '{ca}'\n{peer}\n")
}

fn running(kind: Kind, settings: &str) -> Node {
    let node = Node::create(kind, settings, [3; 32], NOW).unwrap();
    node.run().unwrap();
    node
}

fn client(server: &Node, tls: &str) -> Node {
    let addr = server.bound().unwrap();
    running(Kind::SyncClient, &format!("hostname = 'h'\nendpoints = ['{addr}']\ntries = 1\n{tls}"))
}

fn until(node: &Node, kind: EventKind) -> Event {
    loop {
        let event = node.wait_event(Duration::from_secs(60)).expect("it comes in time");
        if event.kind == kind {
            return event;
        }
    }
}

#[test]
fn a_server_and_a_client_know_each_other_by_name() {
    let authority = Authority::new("the CA");
    authority.issue("typha", None);
    authority.issue("felix", Some("spiffe://felix"));
    let uri = "peer_uri_san = 'spiffe://felix'";
    let settings = format!("bind = '127.0.0.1:0'\ntick_ms = 1\n{}", tls(&authority, "typha", uri));
    let server = running(Kind::SyncServer, &settings);
    let update = SerializedUpdate { key: b"/k", value: Some(b"v"), ..SerializedUpdate::default() };
    assert_eq!(server.publish(NOW, "felix", [update]), (1, Ok(())));

    let felix = client(&server, &tls(&authority, "felix", "peer_cn = 'typha'"));
    assert_eq!(until(&felix, EventKind::Update).value.as_deref(), Some(&b"v"[..]));
    assert_eq!(until(&server, EventKind::ClientJoined).key, "h");

    let wary = client(&server, &tls(&authority, "felix", "peer_cn = 'somebody'"));
    assert_eq!(until(&wary, EventKind::Finished).text, "cannot connect: not trusted");
    let stranger = client(&server, &tls(&authority, "typha", "peer_cn = 'typha'"));
    until(&stranger, EventKind::Finished);
    let warning = until(&server, EventKind::Warning);
    assert!(warning.addr.is_some() && warning.text.starts_with("TLS from 127.0.0.1:"), "{warning:?}");
    let plain = client(&server, "");
    until(&plain, EventKind::Finished);
}

#[test]
fn a_node_whose_settings_have_tls_is_not_driven_without_it() {
    let authority = Authority::new("the CA");
    authority.issue("felix", None);
    let tls = tls(&authority, "felix", "peer_cn = 'typha'");
    let settings = format!("hostname = 'h'\nendpoints = ['127.0.0.1:1']\n{tls}");
    let client = Node::create(Kind::SyncClient, &settings, [3; 32], NOW).unwrap();
    let mut outputs = Vec::new();
    assert_eq!(client.step(NOW, [], &mut outputs), Err(Code::Unsupported));
    assert!(outputs.is_empty(), "{outputs:?}");
}

#[test]
fn settings_of_tls_that_say_too_little_are_refused() {
    let authority = Authority::new("the CA");
    authority.issue("typha", None);
    let settings = |tls: &str| format!("bind = '127.0.0.1:0'\n{tls}");
    let refused = |tls: &str| {
        let error = Node::create(Kind::SyncServer, &settings(tls), [3; 32], NOW).unwrap_err();
        assert_eq!(error.code, Code::Config);
        error.text
    };
    assert_eq!(refused("[tls]"), "`tls` is empty");
    let nameless = refused(&tls(&authority, "typha", ""));
    assert_eq!(nameless, "TLS is not complete: also give the CN or URI SAN of the other side");
    assert!(refused("[tls]\nother = 1").contains("unknown field `tls.other`"));
    assert!(refused(&tls(&authority, "nobody", "peer_cn = 'x'")).contains("cannot read the TLS"));
}
