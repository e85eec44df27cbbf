//! Starting an agent: what may be wrong, and what is said then.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod agents;

use std::{
    net::Ipv6Addr,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    process::Stdio,
};

use agents::{Agent, free_addr, networkdb, stderr, wait, write};

/// Runs an agent that must not start; returns its exit code and error.
fn refused(args: &[&str]) -> (Option<i32>, String) {
    refused_with(args, &[])
}

/// The same with variables of the environment.
fn refused_with(args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = networkdb();
    command.arg("agent").args(args).envs(variables.iter().copied());
    if !args.contains(&"--socket") {
        command.arg("--socket").arg(folder.path().join("agent.sock"));
    }
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("runs");
    wait(&mut child);
    let output = child.wait_with_output().expect("its output");
    (output.status.code(), stderr(&output))
}

#[test]
fn a_wrong_line_of_the_configuration_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent.toml");
    let cases = [
        ("name = \"a\"\nbnid = \"127.0.0.1:0\"\n", "line 2, `bnid`"),
        ("name = \"a\"\nbind = \"nowhere\"\n", "line 2, `bind`"),
        ("\n\nkeys = [\"5ec4e7\"]\n", "line 3, `keys`"),
        ("name = \n", "line 1"),
    ];
    for (text, wanted) in cases {
        let path = write(&path, text.as_bytes());
        let (code, error) = refused(&["--config", &path]);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains(&path) && error.contains(wanted) && !error.contains("5ec4e7"), "{error}");
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(&folder.path().join("agent.toml"), b"name = \"of-the-file\"\nnetworks = [\"net\"]\n");
    let agent = Agent::start("of-the-flag", &["--config", &path]);
    agent.until(&["member", "list"], |members| members.iter().all(|member| member["name"] == "of-the-flag"));
    agent.until(&["network", "list"], |networks| networks.len() == 1);
}

#[test]
fn a_wrong_key_is_refused_and_not_repeated() {
    for wrong in ["5ec4e7", "zz0102030405060708090a0b0c0d0e0f"] {
        let (code, error) = refused(&["--name", "a", "--bind", "127.0.0.1:0", "--key", wrong]);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains("key") && !error.contains(wrong), "{error}");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let agent = Agent::start("first", &[]);
    let (code, error) = refused(&["--name", "second", "--bind", &agent.addr.to_string()]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("port in use") && error.contains(&agent.addr.to_string()), "{error}");
}

#[test]
fn a_socket_in_use_is_left_alone_and_a_stale_one_replaced() {
    let agent = Agent::start("first", &[]);
    let socket = agent.socket.to_str().expect("text").to_owned();
    let (code, error) = refused(&["--name", "second", "--bind", "127.0.0.1:0", "--socket", &socket]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("socket in use"), "{error}");
    agent.ok(&["member", "list"]);

    let folder = tempfile::tempdir().expect("a folder");
    let stale = folder.path().join("stale.sock");
    drop(UnixListener::bind(&stale).expect("bound"));
    let stale = stale.to_str().expect("text");
    let mut command = networkdb();
    command.args(["agent", "--name", "third", "--bind", "127.0.0.1:0", "--socket", stale]);
    let mut child = command.stderr(Stdio::null()).spawn().expect("runs");
    let deadline = std::time::Instant::now() + agents::PATIENCE;
    let answers = || networkdb().args(["--socket", stale, "leave"]).output().expect("runs").status.success();
    while !answers() {
        assert!(std::time::Instant::now() < deadline, "no agent on the socket that was stale");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(wait(&mut child), Some(0));

    let file = write(&folder.path().join("file"), b"precious");
    let (code, error) = refused(&["--name", "fourth", "--bind", "127.0.0.1:0", "--socket", &file]);
    assert_eq!(code, Some(1), "{error}");
    assert_eq!(std::fs::read(&file).ok().as_deref(), Some(&b"precious"[..]));
}

#[test]
fn http_on_all_addresses_needs_a_word_more() {
    let addr = format!("0.0.0.0:{}", free_addr().port());
    let (code, error) = refused(&["--name", "a", "--bind", "127.0.0.1:0", "--http", &addr]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("--http-allow-remote"), "{error}");
}

#[test]
fn keys_are_not_written_where_others_can_read_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(&folder.path().join("keys"), b"");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    let key = "000102030405060708090a0b0c0d0e0f";
    let args = ["--name", "a", "--bind", "127.0.0.1:0", "--key", key];
    let (code, error) = refused_with(&args, &[("NETWORKDBKEYLOGFILE", &file)]);
    assert_eq!(code, Some(1), "{error}");
    assert!(
        error.contains("NETWORKDBKEYLOGFILE") && error.contains(&file) && error.contains("0600"),
        "{error}"
    );
    assert_eq!(std::fs::read(&file).expect("the file"), b"");
}

#[test]
fn agents_join_over_ipv6() {
    let start = |name, more: &[&str]| Agent::start_at(Ipv6Addr::LOCALHOST.into(), name, more, &[]);
    let a = start("a", &["--network", "net"]);
    let at = a.addr.to_string();
    assert!(at.starts_with("[::1]:"), "{at}");
    let b = start("b", &["--join", &at, "--network", "net"]);
    for agent in [&a, &b] {
        agent.until(&["member", "list"], |members| {
            members.len() == 2 && members.iter().any(|member| member["addr"] == at.as_str())
        });
        agent.until(&["network", "peers", "net"], |peers| {
            peers.len() == 2 && peers.iter().all(|peer| peer["addr"] == "::1")
        });
    }
    a.ok(&["table", "put", "net", "t", "k", "v"]);
    b.until(&["table", "list", "net", "t"], |rows| rows.len() == 1);
}

#[test]
fn a_first_join_that_fails_is_a_warning() {
    let nobody = free_addr().to_string();
    let agent = Agent::start("lonely", &["--join", &nobody]);
    agent.ok(&["network", "join", "net"]);
    agent.signal("TERM");
    let (code, log) = agent.wait();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn a_name_in_use_takes_nothing_from_its_owner() {
    let owner = Agent::start("same", &[]);
    let other = Agent::start("other", &["--join", &owner.addr.to_string()]);
    other.until(&["member", "list"], |members| members.len() == 2);
    let second = Agent::start("same", &[]);
    // Whether it is told at the join or later, the name stays with its owner.
    let _ = second.run(&["member", "join", &other.addr.to_string()]);
    let own = owner.addr.to_string();
    let kept = |members: &[serde_json::Value]| {
        members.iter().any(|member| member["addr"] == own.as_str() && member["state"] == "alive")
    };
    for agent in [&owner, &other] {
        agent.until(&["member", "list"], kept);
    }
}
