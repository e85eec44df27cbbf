//! The examples, as programs of their own, beside nodes in this process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    future::Future,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, Command, Output, Stdio},
    time::Duration,
};

use futures::{Stream, StreamExt};
use networkdb_host::{
    Change, ChangeKind, EntryKey, Filter, Node, NodeConfig,
    sync::{
        Revision, SerializedUpdate, SyncClient, SyncClientConfig, SyncEvent, SyncServer, SyncServerConfig,
        SyncStatus, UpdateType, follow,
    },
};

const PROGRAMS: [(&str, &str); 5] = [
    ("watch", env!("CARGO_BIN_EXE_watch")),
    ("publish", env!("CARGO_BIN_EXE_publish")),
    ("codec", env!("CARGO_BIN_EXE_codec")),
    ("serve", env!("CARGO_BIN_EXE_serve")),
    ("follow", env!("CARGO_BIN_EXE_follow")),
];

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn command(name: &str, words: &[&str]) -> Command {
    let (_, path) = PROGRAMS.iter().find(|(other, _)| *other == name).unwrap();
    let mut command = Command::new(path);
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it made of such an input.
fn output(name: &str, words: &[&str], input: &[u8]) -> Output {
    let mut child = command(name, words).spawn().unwrap();
    // One that ends at once takes none.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// What it printed to a good end.
async fn printed(name: &'static str, words: Vec<String>, input: Vec<u8>) -> String {
    let words = move || output(name, &words.iter().map(String::as_str).collect::<Vec<_>>(), &input);
    let output = within(tokio::task::spawn_blocking(words)).await.unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Fails instead of waiting for ever.
async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("it comes in time")
}

/// An example that reads what it is told.
struct Running {
    child: Child,
    input: ChildStdin,
}

impl Running {
    fn start(name: &str, words: &[&str]) -> Self {
        let mut child = command(name, words).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        Self { child, input }
    }

    fn say(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).unwrap();
    }

    /// Ends its input, and returns what it complained of by its good end.
    async fn end(self) -> String {
        drop(self.input);
        let wait = tokio::task::spawn_blocking(|| self.child.wait_with_output().unwrap());
        let output = within(wait).await.unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    }
}

/// A node that the examples join, in the network `web`.
async fn seed() -> Node {
    let node = Node::start(NodeConfig::new("seed", loopback())).unwrap();
    node.join_network(b"web").await.unwrap();
    node
}

async fn next(changes: &mut (impl Stream<Item = Change> + Unpin)) -> (ChangeKind, String, Option<String>) {
    let change = within(changes.next()).await.unwrap();
    (change.kind(), text(&change.key), change.value.as_deref().map(text))
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_prints_the_rows_of_a_table() {
    let seed = seed().await;
    let key = EntryKey::new("web", "endpoint_table", "alpha");
    seed.create_entry(&key, "10.0.0.5:80").await.unwrap();
    let addr = seed.advertise().to_string();
    let words = ["r-1", "127.0.0.1:0", &addr, "web", "endpoint_table", "1"].map(str::to_owned);
    assert_eq!(printed("watch", words.to_vec(), Vec::new()).await, "created alpha = 10.0.0.5:80\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn publish_sets_endpoints_takes_them_away_and_says_goodbye() {
    let seed = seed().await;
    let mut changes = seed.watch(Filter::table("endpoint_table"));
    let addr = seed.advertise().to_string();
    let mut program = Running::start("publish", &["r-1", "127.0.0.1:0", &addr, "web"]);
    program.say("alpha 10.0.0.5:80\n");
    assert_eq!(next(&mut changes).await, (ChangeKind::Create, "alpha".into(), Some("10.0.0.5:80".into())));
    program.say("alpha\nnobody\n");
    assert_eq!(next(&mut changes).await, (ChangeKind::Delete, "alpha".into(), None));
    program.say("beta 10.0.0.6:80\n");
    assert_eq!(next(&mut changes).await, (ChangeKind::Create, "beta".into(), Some("10.0.0.6:80".into())));
    assert!(program.end().await.starts_with("nobody: "));
    assert_eq!(next(&mut changes).await, (ChangeKind::Delete, "beta".into(), None));
}

#[test]
fn codec_reads_what_it_writes_and_what_typha_sent() {
    let stream = output("codec", &["encode", "/a", "1", "/b", "two words"], &[]).stdout;
    let read = output("codec", &["decode"], &stream);
    assert_eq!(text(&read.stdout), "MsgServerHello\n/a = 1\n/b = two words\nstatus: in-sync\n");
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/typha");
    for (capture, line) in [
        ("cap-v3.2.5-small-msgs.s2c.bin", "value-alphas-38"),
        ("cap-head-snappy.s2c.bin", "\n/calico/v1/Ready = true\n"),
    ] {
        let read = output("codec", &["decode"], &fs::read(vectors.join(capture)).unwrap());
        assert!(read.status.success(), "{capture}: {}", text(&read.stderr));
        assert!(text(&read.stdout).contains(line), "{capture}");
    }
    assert!(!output("codec", &["decode"], &[0xff; 16]).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_publishes_what_it_reads() {
    let mut program = Running::start("serve", &["127.0.0.1:0"]);
    program.say("/k first\n/k two words\n/gone v\n/gone\n\n");
    let mut line = String::new();
    BufReader::new(program.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addr = line.strip_prefix("serving on ").unwrap().trim().parse().unwrap();
    let client = follow::Config::new("test", vec![addr]);
    let client = SyncClient::start(SyncClientConfig { client, tls: None }).await.unwrap();
    let mut state = std::collections::BTreeMap::new();
    loop {
        match within(client.event()).await.unwrap() {
            SyncEvent::Updates(updates) => state
                .extend(updates.iter().map(|update| (update.key.to_vec(), update.value.map(<[u8]>::to_vec)))),
            SyncEvent::Status(SyncStatus::IN_SYNC) => break,
            _ => {}
        }
    }
    state.retain(|_, value| value.is_some());
    assert_eq!(state.into_iter().collect::<Vec<_>>(), [(b"/k".to_vec(), Some(b"two words".to_vec()))]);
    assert!(program.end().await.contains("test came from 127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_prints_a_servers_keys_on_its_own_socket() {
    let config = SyncServerConfig { listen: loopback(), ..SyncServerConfig::default() };
    let server = SyncServer::start(config).unwrap();
    let publisher = server.cache("felix").unwrap();
    for (key, value) in [("/calico/v1/config/LogSeverityFile", "INFO"), ("/calico/v1/config/Other", "x")] {
        let update = SerializedUpdate {
            key: key.as_bytes(),
            value: Some(value.as_bytes()),
            revision: Revision::Text(b"1"),
            update_type: UpdateType::NEW,
            ..SerializedUpdate::default()
        };
        publisher.update(&update).await.unwrap();
    }
    publisher.status(SyncStatus::IN_SYNC).await.unwrap();
    let told = printed("follow", vec![server.local_addr().to_string()], Vec::new()).await;
    assert_eq!(told, "/calico/v1/config/LogSeverityFile = INFO\n/calico/v1/config/Other = x\n");
}

#[test]
fn an_example_is_short_and_says_how_it_is_used() {
    for (name, _) in PROGRAMS {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(name).with_extension("rs");
        assert!(fs::read_to_string(source).unwrap().lines().count() < 100, "{name}");
        let told = output(name, &[], &[]);
        assert!(!told.status.success() && text(&told.stderr).contains(&format!("usage: {name} ")), "{name}");
    }
}
