//! Keys and values served, watched and measured.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod agents;
#[path = "../../host/tests/certificates/mod.rs"]
mod certificates;

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
};

use agents::{Agent, Lines, PATIENCE, kill, networkdb, stderr, wait, write};
use certificates::Authority;
use serde_json::{Value, json};

/// A server on a free port; killed when dropped.
struct Server {
    child: Child,
    addr: String,
    log: mpsc::Receiver<String>,
}

impl Server {
    fn start(from: &str, more: &[&str]) -> Self {
        let mut command = networkdb();
        command.args(["sync", "serve", "--listen", "127.0.0.1:0", "--from", from]).args(more);
        Self::run(command)
    }

    fn run(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
        let stderr = BufReader::new(child.stderr.take().expect("its log"));
        let (sender, log) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // The test may have ended.
                let _ = sender.send(line);
            }
        });
        let server = Self { child, addr: String::new(), log };
        let started = server.logged("address=");
        let (_, addr) = started.split_once("address=").expect("its address");
        let addr = addr.split_whitespace().next().expect("its address").to_owned();
        server.at(addr)
    }

    fn at(mut self, addr: String) -> Self {
        self.addr = addr;
        self
    }

    /// The next line of the log that has `text`.
    fn logged(&self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no `{text}` is logged"));
            if line.contains(text) {
                return line;
            }
        }
    }

    fn watch(&self, more: &[&str]) -> Command {
        let mut command = networkdb();
        command.args(["--output", "json", "sync", "watch", &self.addr]).args(more);
        command
    }

    /// What a client is sent until it is in sync.
    fn snapshot(&self) -> Vec<Value> {
        let output = self.watch(&["--snapshot"]).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        lines(&output)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The updates among what was printed.
fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("one object a line"));
    lines.filter(|line: &Value| line.get("key").is_some()).collect()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

const LINES: &str = r#"{"key":"/calico/v1/Ready","value":"true","revision":"7"}
{"key":"/calico/v1/config/A","value":{"b": [1,  2]},"ttl":1.5}
{"key":"/calico/v1/config/B","value":{"base64":"AP8="}}
"#;

fn served() -> [Value; 3] {
    [
        json!({"key": "/calico/v1/Ready", "value": "true", "type": "new", "revision": "7"}),
        json!({"key": "/calico/v1/config/A", "value": "{\"b\": [1,  2]}", "type": "new", "ttl": 1.5}),
        json!({"key": "/calico/v1/config/B", "value": {"base64": "AP8="}, "type": "new"}),
    ]
}

#[test]
fn a_file_is_served_and_followed_as_it_grows() {
    let folder = folder();
    let file = write(&folder.path().join("kvs"), LINES.as_bytes());
    let server = Server::start(&file, &["--shards", "2"]);
    server.logged("in-sync");
    assert_eq!(server.snapshot(), served());

    let follower = Lines::start(server.watch(&[]));
    while follower.next() != json!({"status": "in-sync"}) {}
    let mut file = OpenOptions::new().append(true).open(file).expect("the file");
    let more = "{\"key\":\"/calico/v1/Ready\",\"value\":\"false\"}\nnonsense\n{\"key\":\"/calico/v1/config/A\",\"delete\":true}\n";
    file.write_all(more.as_bytes()).expect("written");
    assert_eq!(follower.next(), json!({"key": "/calico/v1/Ready", "value": "false", "type": "updated"}));
    assert_eq!(follower.next(), json!({"key": "/calico/v1/config/A", "delete": true, "type": "deleted"}));
    assert!(server.logged("is skipped").contains("kvs line 5"));
    file.write_all(b"{\"status\":\"resync\"}\n").expect("written");
    assert_eq!(follower.next(), json!({"status": "resync"}));
}

#[test]
fn what_is_watched_can_be_served_again() {
    let folder = folder();
    let file = write(&folder.path().join("kvs"), LINES.as_bytes());
    let first = Server::start(&file, &[]);
    first.logged("in-sync");
    let mut command = networkdb();
    command.args(["sync", "serve", "--listen", "127.0.0.1:0", "--from", "-"]);
    let mut watch = first.watch(&["--snapshot"]).stdout(Stdio::piped()).spawn().expect("the binary runs");
    command.stdin(watch.stdout.take().expect("its output"));
    let second = Server::run(command);
    assert_eq!(wait(&mut watch), Some(0));
    second.logged("in-sync");
    assert_eq!(second.snapshot(), served());
}

#[test]
fn tables_for_people_and_ends_that_say_why() {
    let folder = folder();
    let file = write(&folder.path().join("kvs"), LINES.as_bytes());
    let mut server = Server::start(&file, &["--syncer", "felix,bgp", "--drain", "100ms"]);
    server.logged("in-sync");
    let watch = |more: &[&str]| {
        networkdb().args(["sync", "watch", &server.addr]).args(more).output().expect("the binary runs")
    };
    let output = watch(&["--snapshot", "--syncer", "bgp"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("new /calico/v1/Ready true\n") && text.ends_with("in-sync\n"), "{text}");
    assert!(stderr(&output).contains("in sync after"), "{}", stderr(&output));
    let output = watch(&["--syncer", "nothing"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the server closed the connection"), "{}", stderr(&output));
    server.logged("unknown syncer type");
    kill("TERM", server.child.id());
    assert_eq!(wait(&mut server.child), Some(0));
    let output = watch(&[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("connection refused"), "{}", stderr(&output));
}

#[test]
fn over_tls_only_the_right_names_are_let_in() {
    let authority = Authority::new("the CA");
    for name in ["typha", "felix"] {
        authority.issue(name, None);
    }
    let options = |name: &str, peer: &str| -> Vec<String> {
        let file = |name: String| authority.file(name).to_str().expect("a path in text").to_owned();
        let files = [
            ("--tls-key", file(format!("{name}.key"))),
            ("--tls-cert", file(format!("{name}.pem"))),
            ("--tls-ca", file("ca.pem".to_owned())),
            ("--tls-peer-cn", peer.to_owned()),
        ];
        files.into_iter().flat_map(|(option, value)| [option.to_owned(), value]).collect()
    };
    let folder = folder();
    let file = write(&folder.path().join("kvs"), LINES.as_bytes());
    let ours = options("typha", "felix");
    let server = Server::start(&file, &ours.iter().map(String::as_str).collect::<Vec<_>>());
    server.logged("in-sync");
    let watch =
        |options: &[String]| server.watch(&["--snapshot"]).args(options).output().expect("the binary runs");
    let output = watch(&options("felix", "typha"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(lines(&output), served());

    let output = watch(&options("felix", "somebody"));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("it has CN `typha` and no URI SAN; wanted is CN `somebody`"),
        "{}",
        stderr(&output)
    );
    let output = watch(&options("typha", "typha"));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the other side refuses us"), "{}", stderr(&output));
    server.logged("wanted is CN `felix`");

    let output = watch(&options("felix", "typha")[..4]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("also give the CA and the CN or URI SAN"), "{}", stderr(&output));
}

#[test]
fn rows_of_an_agent_are_served_under_a_prefix() {
    let (owner, agent) = (Agent::start("owner", &[]), Agent::start("agent", &[]));
    agent.ok(&["member", "join", &owner.addr.to_string()]);
    for each in [&owner, &agent] {
        each.ok(&["network", "join", "net"]);
    }
    owner.ok(&["table", "put", "net", "t", "a/b", "first"]);
    agent.until(&["table", "list", "net", "t"], |rows| rows.len() == 1);
    let mut command = agent.command(&["sync", "serve", "--listen", "127.0.0.1:0", "--from", "agent"]);
    command.args(["--network", "net"]);
    let server = Server::run(command);
    server.logged("in-sync");
    let key = "/networkdb/net/t/a%2fb";
    assert_eq!(server.snapshot(), [json!({"key": key, "value": "first", "type": "new"})]);
    let follower = Lines::start(server.watch(&[]));
    while follower.next() != json!({"status": "in-sync"}) {}
    owner.ok(&["table", "put", "net", "t", "a/b", "second"]);
    assert_eq!(follower.next(), json!({"key": key, "value": "second", "type": "updated"}));
    owner.ok(&["table", "delete", "net", "t", "a/b"]);
    assert_eq!(follower.next(), json!({"key": key, "delete": true, "type": "deleted"}));
    agent.ok(&["table", "put", "net", "t", "own", "third"]);
    assert_eq!(follower.next(), json!({"key": "/networkdb/net/t/own", "value": "third", "type": "new"}));
}

#[test]
fn a_server_is_measured() {
    let folder = folder();
    let file = write(&folder.path().join("kvs"), LINES.as_bytes());
    let server = Server::start(&file, &[]);
    server.logged("in-sync");
    for (more, wanted) in [(vec![], "20 connected, 0 ended"), (vec!["--decode"], "20 in sync")] {
        let mut command = networkdb();
        command.args(["sync", "bench", &server.addr, "--clients", "20", "--for", "2s"]).args(more);
        let output = command.output().expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(text.contains(wanted) && text.contains("in 2."), "{text}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address");
    let output = networkdb()
        .args(["sync", "bench", &nobody.to_string(), "--for", "100ms"])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn wrong_sources_are_named() {
    let output = networkdb()
        .args(["sync", "serve", "--listen", "127.0.0.1:0", "--from", "/no/such/file"])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("/no/such/file: No such file"), "{}", stderr(&output));
    let output = networkdb()
        .args(["--socket", "/no/such/socket", "sync", "serve", "--listen", "127.0.0.1:0", "--from", "agent"])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("its address").to_string();
    let folder = folder();
    let file = folder.path().join("kvs");
    fs::write(&file, LINES).expect("written");
    let output = networkdb()
        .args(["sync", "serve", "--listen", &addr, "--from"])
        .arg(file)
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&format!("port in use: TCP {addr}")), "{}", stderr(&output));
}
