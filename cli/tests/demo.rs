//! The demo ends with equal tables, when its time is over and when it is told to.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod agents;

use std::{
    io::{BufRead, BufReader, Read},
    process::{Output, Stdio},
};

use agents::{kill, networkdb, stderr, wait};

/// What it prints if it ends well: with status 0 and a summary of equal tables.
fn summary(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(output));
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("summary: members ") && last.ends_with("all nodes hold equal tables"), "{text}");
    last.to_owned()
}

/// Runs the demo until a line like this, then presses ctrl-c.
fn interrupted_at(like: &str) -> Output {
    let mut command = networkdb();
    let mut child = command.arg("demo").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
    let mut text = String::new();
    while !text.contains(like) {
        assert_ne!(stdout.read_line(&mut text).expect("text"), 0, "no line like {like:?}: {text}");
    }
    kill("INT", child.id());
    wait(&mut child);
    // Ends only when no process holds the other side any more.
    stdout.read_to_string(&mut text).expect("text");
    let output = child.wait_with_output().expect("its end");
    Output { stdout: text.into_bytes(), ..output }
}

#[test]
fn the_demo_ends_with_a_summary_and_equal_tables() {
    let output = networkdb().args(["demo", "--for", "3s"]).output().expect("runs");
    let last = summary(&output);
    assert!(last.contains("members 3/3/3") && last.contains("p99 "), "{last}");
}

#[test]
fn the_demo_ends_with_a_summary_at_ctrl_c() {
    let last = summary(&interrupted_at("members 3/3/3"));
    assert!(last.contains("members 3/3/3"), "{last}");
}

#[test]
fn a_ctrl_c_before_the_nodes_run_is_not_lost() {
    summary(&interrupted_at("ctrl-c ends the demo"));
}
