//! Every form of every command against real agents.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod agents;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    process::Stdio,
};

use agents::{Agent, Lines, networkdb, stderr, wait, write};
use serde_json::{Value, json};

const KEY_A: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_B: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfefff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

fn alone() -> Agent {
    Agent::start("alone", &[])
}

#[test]
fn rows_are_put_read_listed_and_deleted() {
    let agent = alone();
    agent.ok(&["network", "join", "net"]);
    agent.ok(&["table", "put", "net", "t", "text", "first"]);
    agent.ok(&["table", "put", "net", "t", "text", "second"]);
    agent.ok(&["table", "put", "net", "t", "raw", "hex:00ff"]);
    let file = write(&agent.folder().join("value"), b"of a file");
    agent.ok(&["table", "put", "net", "t", "file", &format!("@{file}")]);
    let rows = agent.json(&["table", "list", "net", "t"]);
    let shown: Vec<_> = rows.iter().map(|row| (&row["key"], &row["value"], &row["value_hex"])).collect();
    let (text, none) = (json!("second"), Value::Null);
    let expected = [
        (&json!("file"), &json!("of a file"), &none),
        (&json!("raw"), &none, &json!("00ff")),
        (&json!("text"), &text, &none),
    ];
    assert_eq!(shown, expected);
    let row = &agent.json(&["table", "get", "net", "t", "text"])[0];
    for (name, value) in [("network", "net"), ("table", "t"), ("owner", "alone"), ("state", "live")] {
        assert_eq!(row[name], value, "{row}");
    }
    assert!(row["time"].as_u64().is_some_and(|time| time > 0), "{row}");
    agent.ok(&["table", "delete", "net", "t", "text"]);
    let error = agent.fails(1, &["table", "delete", "net", "t", "text"]);
    assert!(error.contains("does not exist or is already being deleted"), "{error}");
    agent.fails(1, &["table", "get", "net", "t", "text"]);
    assert_eq!(agent.json(&["table", "list", "net", "t"]).len(), 2);
    let all = agent.json(&["table", "list", "net", "t", "--all"]);
    assert_eq!(all.iter().filter(|row| row["state"] == "deleted").count(), 1);
}

#[test]
fn lists_come_as_tables_for_people() {
    let agent = alone();
    agent.ok(&["network", "join", "net"]);
    agent.ok(&["table", "put", "net", "t", "k", "v"]);
    let table = agent.ok(&["table", "list", "net", "t"]);
    let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NETWORK", "TABLE", "KEY", "VALUE", "OWNER", "TIME", "STATE"]);
    assert_eq!(lines[1][..5], ["net", "t", "k", "v", "alone"]);
    assert!(agent.ok(&["member", "list"]).lines().nth(1).is_some_and(|line| line.starts_with("alone")));
}

#[test]
fn networks_are_joined_listed_and_left() {
    let agent = alone();
    agent.ok(&["network", "join", "net"]);
    let networks = agent.json(&["network", "list"]);
    assert_eq!(networks.len(), 1);
    assert_eq!((&networks[0]["network"], &networks[0]["state"]), (&json!("net"), &json!("joined")));
    let peers = agent.json(&["network", "peers", "net"]);
    assert_eq!(peers, [json!({"name": "alone", "addr": "127.0.0.1"})]);
    agent.ok(&["network", "leave", "net"]);
    let error = agent.fails(1, &["network", "leave", "nowhere"]);
    assert!(error.contains("could not find network nowhere"), "{error}");
    assert!(agent.json(&["network", "peers", "net"]).is_empty());
}

#[test]
fn keys_are_added_used_and_removed_and_never_shown() {
    let agent = Agent::start("keyed", &["--key", KEY_A]);
    agent.ok(&["key", "add", KEY_B]);
    agent.ok(&["key", "use", KEY_B]);
    agent.ok(&["key", "remove", KEY_A]);
    for wrong in ["5ec4e7", "not hex at all"] {
        let error = agent.fails(2, &["key", "add", wrong]);
        assert!(!error.contains(wrong), "{error}");
    }
    agent.fails(1, &["key", "remove", KEY_B]);
    agent.signal("TERM");
    let (code, log) = agent.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains(KEY_A) && !log.contains(KEY_B), "{log}");
}

#[test]
fn keys_are_written_to_the_file_that_the_environment_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys");
    let file = path.to_str().expect("text");
    let agent = Agent::start_with("logged", &["--key", KEY_A], &[("NETWORKDBKEYLOGFILE", file)]);
    agent.ok(&["key", "add", KEY_B]);
    assert_eq!(fs::read_to_string(&path).expect("the file"), format!("{KEY_A}\n{KEY_B}\n"));
    let mode = |path| fs::metadata(path).expect("the file").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    drop(agent);
    Agent::start_with("again", &["--key", KEY_A], &[("NETWORKDBKEYLOGFILE", file)]);
    assert_eq!(fs::read_to_string(&path).expect("the file").lines().count(), 3, "it is appended to");
}

#[test]
fn a_node_without_keys_takes_none() {
    let agent = alone();
    let error = agent.fails(1, &["key", "add", KEY_A]);
    assert!(error.contains("without encryption"), "{error}");
}

/// Two agents in one cluster and one network; what one writes, watches on the other tell.
fn pair() -> (Agent, Agent) {
    let a = Agent::start("node-a", &["--key", KEY_A]);
    let b = Agent::start("node-b", &["--key", KEY_A, "--join", &a.addr.to_string()]);
    for node in [&a, &b] {
        node.until(&["member", "list"], |members| members.len() == 2);
        node.ok(&["network", "join", "net"]);
    }
    for node in [&a, &b] {
        node.until(&["network", "peers", "net"], |peers| peers.len() == 2);
    }
    (a, b)
}

#[test]
fn two_agents_share_rows_and_a_watch_tells_of_them() {
    let (a, b) = pair();
    a.ok(&["table", "put", "net", "t", "old", "1"]);
    b.until(&["table", "list", "net", "t"], |rows| rows.len() == 1);
    let watch = Lines::start(b.command(&["--output", "json", "watch", "--network", "net", "--table", "t"]));
    let first = watch.next();
    assert_eq!(
        (&first["kind"], &first["key"], &first["value"]),
        (&json!("create"), &json!("old"), &json!("1"))
    );
    a.ok(&["table", "put", "net", "t", "new", "hex:ff"]);
    let second = watch.next();
    assert_eq!((&second["kind"], &second["value_hex"]), (&json!("create"), &json!("ff")));
    a.ok(&["table", "put", "net", "t", "old", "2"]);
    let third = watch.next();
    assert_eq!(
        (&third["kind"], &third["value"], &third["prev"]),
        (&json!("update"), &json!("2"), &json!("1"))
    );
    a.ok(&["table", "delete", "net", "t", "old"]);
    assert_eq!(watch.next()["kind"], "delete");
    let digest = |node: &Agent| node.json(&["table", "digest", "net", "t"])[0].clone();
    assert_eq!(digest(&a), digest(&b));
    let in_stats = |node: &Agent| node.json(&["stats"])[0]["digest: net/t"].clone();
    assert_eq!((in_stats(&a), in_stats(&b)), (digest(&a)["digest"].clone(), digest(&b)["digest"].clone()));
    b.ok(&["table", "put", "net", "t", "new", "hex:ff"]);
    let other = b.json(&["table", "digest", "net", "t"])[0].clone();
    a.until(&["table", "digest", "net", "t"], |now| now[0]["digest"] == other["digest"]);
    b.ok(&["leave"]);
    let (code, log) = b.wait();
    assert_eq!(code, Some(0), "{log}");
    let left = |members: &[Value]| {
        members.iter().all(|member| member["name"] == "node-a" || member["state"] == "left")
    };
    a.until(&["member", "list"], left);
}

#[test]
fn another_key_keeps_a_node_out_and_harms_nobody() {
    let (a, b) = pair();
    let stranger = Agent::start("stranger", &["--key", KEY_B]);
    stranger.fails(1, &["member", "join", &a.addr.to_string()]);
    assert_eq!(stranger.json(&["member", "list"]).len(), 1);
    let refused = &a.json(&["stats"])[0]["undecryptable: 127.0.0.1"];
    assert!(refused.as_u64().is_some_and(|count| count > 0), "{refused}");
    a.ok(&["table", "put", "net", "t", "k", "v"]);
    b.until(&["table", "list", "net", "t"], |rows| rows.len() == 1);
    assert_eq!(a.json(&["member", "list"]).len(), 2);
}

#[test]
fn a_loaded_table_has_the_digest_of_its_pattern() {
    let agent = alone();
    agent.ok(&["network", "join", "net"]);
    agent.ok(&["table", "load", "net", "t", "--count", "300", "--size", "10", "--prefix", "r"]);
    let digest = &agent.json(&["table", "digest", "net", "t"])[0];
    assert_eq!(digest["count"], 300);
    let row = &agent.json(&["table", "get", "net", "t", "r000009"])[0];
    assert_eq!(row["value"], "\u{17}\u{18}\u{19}\u{1a}\u{1b}\u{1c}\u{1d}\u{1e}\u{1f} ");
}

#[test]
fn a_watch_ends_quietly_when_nobody_reads_it() {
    let (a, b) = pair();
    let mut watch =
        b.command(&["watch"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    drop(watch.stdout.take());
    // It notices at the first change it prints.
    a.ok(&["table", "put", "net", "t", "k", "v"]);
    assert_eq!(wait(&mut watch), Some(0));
    let mut text = String::new();
    watch.stderr.take().expect("its errors").read_to_string(&mut text).expect("text");
    assert_eq!(text, "");
}

#[test]
fn a_watch_ends_at_ctrl_c() {
    let (a, b) = pair();
    let mut watch = Lines::start(b.command(&["--output", "json", "watch"]));
    a.ok(&["table", "put", "net", "t", "k", "v"]);
    assert_eq!(watch.next()["kind"], "create");
    agents::kill("INT", watch.child.id());
    assert_eq!(wait(&mut watch.child), Some(0));
}

#[test]
fn a_ctrl_c_while_a_watch_prints_is_not_lost() {
    let (a, b) = pair();
    let mut watch = b.command(&["--output", "json", "watch"]).stdout(Stdio::piped()).spawn().expect("runs");
    let mut stdout = BufReader::new(watch.stdout.take().expect("its output"));
    a.ok(&["table", "put", "net", "t", "k", "v"]);
    stdout.read_line(&mut String::new()).expect("the first change");
    // More than a pipe takes: it hangs in a line until somebody reads on.
    a.ok(&["table", "load", "net", "t", "--count", "2000", "--size", "500", "--prefix", "r"]);
    b.until(&["table", "digest", "net", "t"], |digest| digest[0]["count"] == 2001);
    agents::kill("INT", watch.id());
    let rest = std::thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
    assert_eq!(wait(&mut watch), Some(0));
    rest.join().expect("read").expect("what was on the way");
}

#[test]
fn the_socket_is_for_its_owner_only_and_goes_with_the_agent() {
    let agent = alone();
    let mode = fs::metadata(&agent.socket).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let socket = agent.socket.clone();
    agent.signal("INT");
    let (code, log) = agent.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("agent started") && log.contains("alone"), "{log}");
    assert!(!socket.exists());
}

#[test]
fn several_requests_run_at_once_on_one_connection_and_bad_lines_are_answered() {
    let agent = alone();
    let mut stream = UnixStream::connect(&agent.socket).expect("the agent answers");
    let lines = [
        r#"{"id":1,"op":"network_join","network":"net"}"#,
        "nonsense",
        r#"{"id":"two","op":"no such thing"}"#,
        r#"{"id":3,"op":"key_add","key_hex":5}"#,
        r#"{"id":4,"op":"members"}"#,
    ];
    stream.write_all((lines.join("\n") + "\n").as_bytes()).expect("written");
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    let replies: Vec<Value> = BufReader::new(stream)
        .lines()
        .map(|line| serde_json::from_str(&line.expect("text")).expect("an object"))
        .collect();
    let reply = |id: Value| replies.iter().find(|reply| reply["id"] == id).cloned().unwrap_or_default();
    assert_eq!(reply(json!(1))["ok"], true);
    assert_eq!(reply(Value::Null)["ok"], false);
    assert!(reply(json!("two"))["error"].as_str().is_some_and(|error| error.contains("no such thing")));
    assert_eq!(reply(json!(3))["ok"], false);
    assert_eq!(reply(json!(4))["members"][0]["name"], "alone");
}

#[test]
fn without_an_agent_the_exit_code_is_three() {
    let folder = tempfile::tempdir().expect("a folder");
    let nobody = folder.path().join("nobody.sock");
    let output = networkdb().arg("--socket").arg(&nobody).args(["member", "list"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("networkdb agent"), "{}", stderr(&output));
}

#[test]
fn a_wrong_command_is_a_usage_error() {
    for args in [&["table", "get", "net"][..], &["no-such-command"], &["agent", "--bind", "nowhere"]] {
        let output = networkdb().args(args).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}
