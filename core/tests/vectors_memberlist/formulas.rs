//! Tables of numbers.

use std::time::Duration;

use networkdb_core::memberlist::{Awareness, grace, push_pull_interval, suspicion_timeout};
use serde_json::Value;

use crate::support::same;

fn rows(vector: &Value) -> &Vec<Value> {
    vector["decoded"].as_array().unwrap()
}

fn nanos(row: &Value, field: &str) -> Duration {
    Duration::from_nanos(row[field].as_u64().unwrap())
}

pub fn awareness(vector: &Value) -> Result<(), String> {
    let table = &vector["decoded"];
    let mut awareness = Awareness::new(table["max"].as_u64().unwrap() as u32);
    let columns = |field: &str| table[field].as_array().unwrap().clone();
    for (i, delta) in columns("deltas").iter().enumerate() {
        awareness.apply(delta.as_i64().unwrap());
        same("score", &u64::from(awareness.score()), &columns("scores")[i].as_u64().unwrap())?;
        let scaled = format!("{}s", awareness.scale(Duration::from_secs(1)).as_secs());
        same("scaled", &scaled.as_str(), &columns("scaled_1s")[i].as_str().unwrap())?;
    }
    Ok(())
}

pub fn push_pull_scale(vector: &Value) -> Result<(), String> {
    rows(vector).iter().try_for_each(|row| {
        let found = push_pull_interval(nanos(row, "interval_ns"), row["n"].as_u64().unwrap() as usize);
        same(&row.to_string(), &found, &nanos(row, "scaled_ns"))
    })
}

pub fn suspicion_timeouts(vector: &Value) -> Result<(), String> {
    rows(vector).iter().try_for_each(|row| {
        let number = |field: &str| row[field].as_u64().unwrap();
        let found = suspicion_timeout(number("mult") as u32, number("n") as usize, nanos(row, "interval_ns"));
        same(&row.to_string(), &found, &nanos(row, "timeout_ns"))
    })
}

pub fn suspicion_remaining(vector: &Value) -> Result<(), String> {
    rows(vector).iter().try_for_each(|row| {
        let number = |field: &str| row[field].as_u64().unwrap() as u32;
        let whole = grace(number("confirmations"), number("k"), nanos(row, "min_ns"), nanos(row, "max_ns"));
        let found = whole.as_nanos() as i64 - row["elapsed_ns"].as_i64().unwrap();
        same(&row.to_string(), &found, &row["remaining_ns"].as_i64().unwrap())
    })
}
