//! Typha's sync protocol over mutual TLS: each side looks for a name in the other's certificate.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use networkdb_core::machine::Fault;
use networkdb_host::{
    TlsSettings,
    sync::{SyncEnd, SyncServerConfig, follow},
};
use networkdb_tests::{
    each, eventually,
    sync::{
        Client, DEADLINE, GoClient, GoServer, IN_SYNC, Kvs, OurClient, OurServer, Server, certificates,
        client_config, contents, server_config,
    },
};

const FELIX: &str = "felix";

/// What one side shows, and the names it wants of the other.
#[derive(Clone, Copy, Debug)]
struct Side {
    shows: &'static str,
    cn: &'static str,
    uri: &'static str,
}

const SERVER: Side = Side { shows: "server", cn: "typha-client", uri: "" };
const CLIENT: Side = Side { shows: "client", cn: "typha-server", uri: "" };
const WRONG: &str = "somebody";

impl Side {
    fn flags(self, folder: &Path) -> Vec<String> {
        let file = |name: &str| folder.join(name).display().to_string();
        let peer = if self.shows == "server" { "client" } else { "server" };
        vec![
            format!("--cert={}", file(&format!("{}.crt", self.shows))),
            format!("--key={}", file(&format!("{}.key", self.shows))),
            format!("--ca={}", file("ca.crt")),
            format!("--{peer}-cn={}", self.cn),
            format!("--{peer}-uri-san={}", self.uri),
        ]
    }

    fn tls(self, folder: &Path) -> networkdb_host::Tls {
        let settings = TlsSettings {
            cert: Some(folder.join(format!("{}.crt", self.shows))),
            key: Some(folder.join(format!("{}.key", self.shows))),
            ca: Some(folder.join("ca.crt")),
            peer_cn: Some(self.cn.to_owned()),
            peer_uri_san: Some(self.uri.to_owned()),
            ..TlsSettings::default()
        };
        settings.load().unwrap().unwrap()
    }

    fn wants(self, cn: &'static str, uri: &'static str) -> Self {
        Self { cn, uri, ..self }
    }
}

/// Our server and a Go client, or a Go server and our client.
struct Pair {
    folder: tempfile::TempDir,
    generation: &'static str,
}

impl Pair {
    fn new(generation: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path());
        Self { folder, generation }
    }

    fn go_flags<'a>(&self, flags: &'a [String]) -> Vec<&'a str> {
        flags.iter().map(String::as_str).chain(["--generation", self.generation]).collect()
    }

    fn our_server(&self, side: Side) -> OurServer {
        let tls = Some(side.tls(self.folder.path()));
        OurServer::start(SyncServerConfig { tls, ..server_config(&[FELIX]) })
    }

    fn go_client(&self, server: &OurServer, side: Side) -> GoClient {
        let flags = side.flags(self.folder.path());
        GoClient::start(server.addr(), &[&self.go_flags(&flags)[..], &["--once"]].concat())
    }

    fn go_server(&self, side: Side) -> GoServer {
        GoServer::start(&self.go_flags(&side.flags(self.folder.path())))
    }

    fn our_client(&self, server: &GoServer, side: Side) -> OurClient {
        let config = follow::Config { accept_old_servers: true, ..client_config(server.addr()) };
        OurClient::secured(config, Some(side.tls(self.folder.path())))
    }
}

fn filled(server: &dyn Server) {
    server.publish(FELIX, &contents(300, "tls"));
    server.status(FELIX, IN_SYNC);
}

#[test]
fn either_name_suffices_both_ways_and_in_both_generations() {
    let names = [
        (SERVER, CLIENT),
        (SERVER.wants("", "spiffe://test/felix"), CLIENT.wants("", "spiffe://test/typha")),
        (SERVER.wants(WRONG, "spiffe://test/felix"), CLIENT.wants("typha-server", WRONG)),
    ];
    let cases = ["today", "3.2.5"].into_iter().flat_map(|generation| names.map(|(s, c)| (generation, s, c)));
    each(cases.collect(), |(generation, of_server, of_client)| {
        let pair = Pair::new(generation);
        let (ours, go) = (pair.our_server(of_server), pair.go_server(of_server));
        filled(&ours);
        filled(&go);
        let (of_go, of_ours) = (pair.go_client(&ours, of_client), pair.our_client(&go, of_client));
        let wanted = Kvs::of(&contents(300, "tls"));
        let wanted = if generation == "today" { wanted } else { wanted.without_v3_versions() };
        for client in [&of_go as &dyn Client, &of_ours] {
            client.in_sync();
            assert_eq!(client.state(), wanted.state());
        }
        assert_eq!(ours.stats().tls_refused, 0);
    });
}

/// Who is refused: a server, a client with another name, a client of another CA.
fn wrong() -> Vec<(&'static str, Side, Side)> {
    let wrong = [
        (SERVER, CLIENT.wants(WRONG, "")),
        (SERVER, CLIENT.wants("", WRONG)),
        (SERVER.wants(WRONG, ""), CLIENT),
        (SERVER.wants("", WRONG), CLIENT),
        (SERVER, Side { shows: "stranger", ..CLIENT }),
    ];
    ["today", "3.2.5"].into_iter().flat_map(|generation| wrong.map(|(s, c)| (generation, s, c))).collect()
}

#[test]
fn a_wrong_name_or_ca_is_refused_by_our_server_and_to_our_server() {
    each(wrong(), |(generation, of_server, of_client)| {
        let pair = Pair::new(generation);
        let server = pair.our_server(of_server);
        filled(&server);
        let client = pair.go_client(&server, of_client);
        let end = client.ended();
        assert_eq!((end["kvs"].as_u64(), end["statuses"].as_u64()), (Some(0), Some(0)), "{end}");
        let untrusted = |_, reason: &_| *reason == networkdb_host::sync::ServedEnd::Failed(Fault::Untrusted);
        server.ends_one("it is told that TLS was the reason", untrusted);
        assert!(server.stats().tls_refused > 0);
    });
}

#[test]
fn a_wrong_name_or_ca_is_refused_by_our_client_and_to_our_client() {
    each(wrong(), |(generation, of_server, of_client)| {
        let pair = Pair::new(generation);
        let server = pair.go_server(of_server);
        filled(&server);
        let client = pair.our_client(&server, of_client);
        let end = client.ends(0);
        let untrusted = [SyncEnd::Dial(Fault::Untrusted), SyncEnd::Broken(Fault::Untrusted)];
        assert!(untrusted.contains(&end), "{end:?}");
        assert_eq!(client.stats().kvs, 0);
    });
}

#[test]
fn who_does_not_speak_tls_does_not_disturb_those_who_do() {
    let pair = Pair::new("today");
    let server = pair.our_server(SERVER);
    filled(&server);
    let good = pair.go_client(&server, CLIENT);
    good.in_sync();
    let plain = GoClient::start(server.addr(), &["--once"]);
    assert_eq!(plain.ended()["kvs"], 0);
    eventually(DEADLINE, "it is counted", || {
        let refused = server.stats().tls_refused;
        if refused == 1 { Ok(()) } else { Err(refused) }
    });
    server.publish(FELIX, &[networkdb_tests::sync::Update::new(networkdb_tests::sync::LAST, "v")]);
    good.sees(networkdb_tests::sync::LAST);
}
