//! Docker's diagnostic paths: each recorded request gets the recorded reply.
//!
//! The recordings lie in `networkdb/` of the folder `NETWORKDB_VECTORS`, else `tests/vectors` of the workspace.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod agents;

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    time::Instant,
};

use agents::{Agent, PATIENCE, free_addr};
use serde_json::Value;

/// Where the second node listened when the replies were recorded.
const RECORDED_PEER: &str = "127.0.0.1:7947";
/// Up to here an error is the database's; the rest tells how the dial failed, in the words of each language.
const DIAL: &str = "could not join node to memberlist: ";

struct Exchange {
    request: String,
    body: String,
    content_type: String,
}

fn recordings() -> Vec<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let folder = std::env::var_os("NETWORKDB_VECTORS").map_or_else(default, PathBuf::from).join("networkdb");
    let files =
        fs::read_dir(&folder).expect("the vectors are there").map(|file| file.expect("a file").path());
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let found: Vec<_> = files.filter(|path| name(path).starts_with("diagnostic-")).collect();
    assert!(!found.is_empty(), "no recordings in {}", folder.display());
    found
}

fn exchanges(path: &Path) -> Vec<Exchange> {
    let text = fs::read_to_string(path).expect("a recording");
    let list: Vec<Value> = serde_json::from_str(&text).expect("a list");
    let field = |entry: &Value, name: &str| entry[name].as_str().expect("text").to_owned();
    list.iter()
        .map(|entry| Exchange {
            request: field(entry, "request"),
            body: field(entry, "body"),
            content_type: field(entry, "content_type"),
        })
        .collect()
}

/// Sends `GET …`; returns head and body.
fn send(addr: SocketAddr, request: &str) -> (String, String) {
    let stream = TcpStream::connect(addr).expect("the listener answers");
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    let head = format!("{request} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n");
    send_text(stream, &(head + "\r\n"))
}

fn send_text(mut stream: TcpStream, text: &str) -> (String, String) {
    stream.write_all(text.as_bytes()).expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
    (head.to_lowercase(), body.to_owned())
}

fn pair(flags: &[&str]) -> (Agent, Agent, SocketAddr) {
    let http = free_addr();
    let a = Agent::start("node-a", &[&["--http", &http.to_string()], flags].concat());
    let b = Agent::start("node-b", &["--network", "n1"]);
    (a, b, http)
}

#[test]
fn every_recorded_request_gets_the_recorded_reply() {
    for path in recordings() {
        let (_a, b, http) = pair(&["--http-allow-changes"]);
        let mut excepted = 0;
        for exchange in exchanges(&path) {
            if is_excepted(&path, &exchange) {
                excepted += 1;
                continue;
            }
            let request = exchange.request.replace(RECORDED_PEER, &b.addr.to_string());
            if request.contains("networkpeers?nid=n1") {
                wait_for(http, "GET /networkpeers?nid=n1", "total entries: 2");
            }
            let (head, body) = send(http, &request);
            assert!(head.starts_with("http/1.1 200"), "{request}: {head}");
            assert!(head.contains(&format!("content-type: {}", exchange.content_type)), "{request}: {head}");
            assert_eq!(
                stable(&request, &body),
                stable(&request, &exchange.body),
                "{}: {request}",
                path.display()
            );
        }
        assert!(excepted <= 3, "{}: {excepted} replies were not compared", path.display());
    }
}

/// What was recorded and is not ours: replies before Docker had started its database, and that 28.5.2 joins a network
/// twice.
fn is_excepted(path: &Path, exchange: &Exchange) -> bool {
    let Exchange { request, body, .. } = exchange;
    let not_started = body == "OK\n/stackdump\n/\n/help\n/ready\n"
        || body == "OK\n/\n/help\n/ready\n"
        || (request.contains("/joinnetwork") && body.starts_with("not implemented"));
    let joined_twice = path.to_string_lossy().contains("28.5.2") && request == "GET /joinnetwork?nid=n1&json";
    not_started || joined_twice
}

/// What must be equal: everything but the order of lists, the length of a queue that drains as time passes, the path
/// that only 28.5.2 has, and the words for a failed dial.
fn stable(request: &str, body: &str) -> String {
    let body = body.split_once(DIAL).map_or(body, |(before, _)| before);
    if let Ok(mut json) = serde_json::from_str::<Value>(body) {
        let listed =
            ["/help", "peers", "/gettable", "/networkstats"].iter().any(|path| request.contains(path));
        if !listed {
            return body.to_owned();
        }
        sort(&mut json);
        return json.to_string();
    }
    let mut lines: Vec<_> = body.lines().map(without_number).collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn sort(reply: &mut Value) {
    let details = &mut reply["details"];
    if let Some(entries) = details.get_mut("entries").and_then(Value::as_array_mut) {
        entries.sort_by_key(Value::to_string);
    }
    if let Some(queue) = details.get_mut("QueueLen").filter(|queue| queue.as_i64() != Some(-1)) {
        *queue = "any".into();
    }
    if let Some(Value::String(info)) = details.get_mut("info") {
        let mut paths: Vec<_> = info.lines().filter(|path| *path != "/stackdump").collect();
        paths.sort_unstable();
        *info = paths.join("\n");
    }
}

fn without_number(line: &str) -> &str {
    let line = line.split_once(", qlen: ").map_or(line, |(before, _)| before);
    line.split_once(") ").map_or(line, |(_, rest)| rest)
}

fn wait_for(http: SocketAddr, request: &str, wanted: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, body) = send(http, request);
        if body.contains(wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "{request} stayed {body}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn without_the_flag_nothing_can_be_changed() {
    let (a, _b, http) = pair(&[]);
    for change in [
        "/join?members=127.0.0.1:1",
        "/joinnetwork?nid=n1",
        "/leavenetwork?nid=n1",
        "/createentry?tname=t&nid=n1&key=k&value=dg==",
        "/updateentry?tname=t&nid=n1&key=k&value=dg==",
        "/deleteentry?tname=t&nid=n1&key=k",
    ] {
        let (_, body) = send(http, &format!("GET {change}"));
        assert!(
            body.starts_with("FAIL\nError: ") && body.contains("--http-allow-changes"),
            "{change}: {body}"
        );
    }
    assert!(a.json(&["network", "list"]).is_empty());
}

#[test]
fn changes_come_by_forms_too_but_not_from_web_pages() {
    let (a, _b, http) = pair(&["--http-allow-changes"]);
    let post = |more: &str| {
        let form = "nid=posted";
        let head = "POST /joinnetwork HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        let kind =
            format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", form.len());
        send_text(TcpStream::connect(http).expect("it answers"), &format!("{head}{kind}{more}\r\n{form}")).1
    };
    let refused = post("Sec-Fetch-Site: cross-site\r\n");
    assert!(refused.starts_with("FAIL\nError: "), "{refused}");
    assert!(a.json(&["network", "list"]).is_empty());
    assert_eq!(post(""), "OK");
    assert_eq!(a.json(&["network", "list"]).len(), 1);
}

#[test]
fn only_hosts_that_are_this_machine_or_allowed_are_answered() {
    let (a, _b, http) = pair(&["--http-allow-changes", "--http-host", "node.example"]);
    let get = |host: &str, path: &str| {
        let stream = TcpStream::connect(http).expect("the listener answers");
        send_text(stream, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    };
    for path in ["/metrics", "/ready", "/joinnetwork?nid=n2"] {
        let (head, body) = get("rebound.example:8080", path);
        assert!(head.starts_with("http/1.1 403") && body.contains("--http-host"), "{path}: {head}");
    }
    assert!(a.json(&["network", "list"]).is_empty());
    for host in ["localhost", "127.0.0.1", "node.example"] {
        let (head, _) = get(host, "/ready");
        assert!(head.starts_with("http/1.1 200"), "{host}: {head}");
    }
}

#[test]
fn metrics_are_prometheus_text() {
    let (a, _b, http) = pair(&[]);
    a.ok(&["network", "join", "n\"1"]);
    a.ok(&["table", "put", "n\"1", "t", "k", "v"]);
    let (head, body) = send(http, "GET /metrics");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let mut families = 0;
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("name and kind");
            assert!(
                name.starts_with("networkdb_") && (kind == "counter") == name.ends_with("_total"),
                "{line}"
            );
            families += 1;
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').expect("name and value");
            assert!(name.starts_with("networkdb_") && value.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(families > 20, "{body}");
    assert!(body.contains("networkdb_network_peers{network=\"n\\\"1\"} 1"), "{body}");
    assert!(body.contains("networkdb_table_rows{network=\"n\\\"1\",table=\"t\"} 1"), "{body}");
    assert!(body.contains("networkdb_push_pull_margin_bytes 20971520"), "nothing was told yet: {body}");
}
