//! Schedules done by clusters of Go nodes.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
    thread,
};

use super::schedule::{Outcome, Schedule};
use crate::{kind::GO_PEERS, ports::spawn};

/// Does schedules, several at once. Outcomes by seed.
///
/// # Panics
/// When the program fails.
pub fn run_all(schedules: &[Schedule]) -> BTreeMap<u64, Outcome> {
    let lines: String = schedules.iter().map(line).collect();
    let mut program = Command::new(GO_PEERS.join("differential"));
    let mut child = spawn(program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let writer = thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("a child can be waited for");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the Go program failed: {errors}");
    writer.join().expect("writing does not panic").expect("the Go program reads all");
    let outcomes = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Outcome>();
    outcomes.map(|outcome| outcome.expect("an outcome")).map(|outcome| (outcome.seed, outcome)).collect()
}

fn line(schedule: &Schedule) -> String {
    let mut line = serde_json::to_string(schedule).expect("plain data");
    line.push('\n');
    line
}
