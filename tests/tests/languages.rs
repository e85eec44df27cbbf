//! The example programs of every language, in one cluster with Docker's nodes. `tests/languages` builds them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::PathBuf,
    process::{ChildStdin, Command},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use networkdb_tests::{
    Kind, Log, NETWORK, Peer, Process, Spec, eventually, free_addr,
    sync::{Client, GoClient, Kvs, Update},
};
use serde_json::json;

const LANGUAGES: [&str; 3] = ["c", "go", "python"];
const TABLE: &str = "endpoint_table";
const ENDPOINTS: usize = 20;
/// A lost row comes with the next bulk sync, every 30 s.
const DEADLINE: Duration = Duration::from_secs(90);

/// A running example.
struct Example {
    name: String,
    input: ChildStdin,
    /// What it has printed.
    lines: Arc<Mutex<Vec<String>>>,
    _process: Process,
}

impl Example {
    /// A node that joins the cluster of `seed`.
    fn node(language: &str, what: &str, seed: &Peer, more: &[&str]) -> Self {
        let name = format!("{language}-{what}");
        let (bind, seed) = (free_addr().to_string(), seed.addr().to_string());
        Self::start(name.clone(), &[&[&*name, &bind, &seed, NETWORK], more].concat())
    }

    fn start(name: String, args: &[&str]) -> Self {
        let folder = PathBuf::from(env::var_os("NETWORKDB_EXAMPLES").expect("run tests/languages"));
        let mut process = Process::start(Command::new(folder.join(&name)).args(args), &Log::default());
        let (input, output) = process.pipes();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let read = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                read.lock().unwrap().push(line);
            }
        });
        Self { name, input, lines, _process: process }
    }

    /// The rows among `wanted` of which it has printed nothing.
    fn misses<'a>(&self, wanted: &'a BTreeSet<String>) -> Vec<&'a String> {
        let lines = self.lines.lock().unwrap();
        wanted.iter().filter(|key| !lines.iter().any(|line| line.contains(key.as_str()))).collect()
    }
}

fn keys(peer: &Peer) -> BTreeSet<String> {
    let answer = peer.ask("list", json!({ "network": NETWORK, "table": TABLE }));
    answer["rows"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn nodes_in_c_go_and_python_share_a_table_with_dockers() {
    let peers = [Kind::Go28, Kind::Go2].map(|kind| Peer::start(Spec::new(kind, kind.word())));
    peers[1].join(&peers[0]);
    for peer in &peers {
        peer.ask("network_join", json!({ "network": NETWORK }));
    }
    let mut wanted = BTreeSet::new();
    let watchers = LANGUAGES.map(|language| Example::node(language, "watch", &peers[0], &[TABLE]));
    let mut managers = LANGUAGES.map(|language| Example::node(language, "publish", &peers[1], &[]));
    for manager in &mut managers {
        for endpoint in 0..ENDPOINTS {
            let key = format!("{}-{endpoint:02}", manager.name);
            writeln!(manager.input, "{key} 10.1.0.{endpoint}:80").unwrap();
            wanted.insert(key);
        }
        manager.input.flush().unwrap();
    }
    for peer in &peers {
        let key = format!("{}-row", peer.name());
        peer.ask("create", json!({ "network": NETWORK, "table": TABLE, "key": key, "value_hex": "31" }));
        wanted.insert(key);
    }
    for peer in &peers {
        eventually(DEADLINE, format_args!("{} holds all rows", peer.name()), || {
            let there = keys(peer);
            if there == wanted { Ok(()) } else { Err(there) }
        });
    }
    for watcher in &watchers {
        eventually(DEADLINE, format_args!("{} has seen all rows", watcher.name), || {
            let misses = watcher.misses(&wanted);
            if misses.is_empty() { Ok(()) } else { Err(format!("{misses:?}")) }
        });
    }
}

#[test]
fn servers_in_c_go_and_python_feed_gos_clients_of_both_generations() {
    let updates: Vec<Update> = (0..300)
        .map(|key| Update::new(format!("/calico/v1/config/some-{key:05}"), format!("value-{key}")))
        // None, as the Go client shows it.
        .map(|update| update.revision("<nil>"))
        .collect();
    for language in LANGUAGES {
        let addr = free_addr();
        let mut server = Example::start(format!("{language}-serve"), &[&addr.to_string()]);
        eventually(DEADLINE, format_args!("{} listens", server.name), || TcpStream::connect(addr).map(drop));
        for Update { key, value, .. } in &updates {
            writeln!(server.input, "{key} {}", value.as_deref().unwrap()).unwrap();
        }
        writeln!(server.input).unwrap();
        server.input.flush().unwrap();
        for generation in ["3.2.5", "today"] {
            let client = GoClient::start(addr, &["--generation", generation]);
            client.in_sync();
            assert_eq!(client.state(), Kvs::of(&updates).state(), "{} to {generation}", server.name);
        }
    }
}
