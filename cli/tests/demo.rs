//! The demo ends with equal tables.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod agents;

use agents::{networkdb, stderr};

#[test]
fn the_demo_ends_with_a_summary_and_equal_tables() {
    let output = networkdb().args(["demo", "--for", "3s"]).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    let last = text.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("summary: members 3/3/3") && last.ends_with("all nodes hold equal tables"),
        "{text}"
    );
    assert!(last.contains("p99 "), "{text}");
}
