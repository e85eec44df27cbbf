//! The broadcast queue, driven as the real one was.

use std::collections::HashMap;

use bytes::Bytes;
use networkdb_core::memberlist::broadcast::{BroadcastId, BroadcastQueue, Budget, Overhead, transmit_limit};
use serde_json::Value;

use crate::support::{same, text};

pub fn retransmit_limit(vector: &Value) -> Result<(), String> {
    vector["decoded"].as_array().unwrap().iter().try_for_each(|row| {
        let number = |field: &str| row[field].as_u64().unwrap();
        let found = transmit_limit(number("mult") as u32, number("n") as usize);
        same(&row.to_string(), &u64::from(found), &number("limit"))
    })
}

pub fn queue(vector: &Value) -> Result<(), String> {
    let number = |field: &str| vector["config"][field].as_u64().unwrap();
    let limit = transmit_limit(number("retransmit_mult") as u32, number("nodes") as usize);
    let (mut queue, mut waiting) = (BroadcastQueue::default(), HashMap::new());
    for (at, step) in vector["decoded"].as_array().unwrap().iter().enumerate() {
        let returned = apply(&step["op"], limit, &mut queue, &mut waiting)?;
        same(&format!("step {at}, returned"), &returned, &texts(&step["returned"]))?;
        same(&format!("step {at}, waiting"), &(queue.len() as u64), &step["queued_after"].as_u64().unwrap())?;
        let finished = waiting.extract_if(|id: &BroadcastId, _| !queue.contains(*id));
        let mut finished: Vec<_> = finished.map(|(_, text)| text).collect();
        let mut wanted = texts(&step["finished"]);
        finished.sort();
        wanted.sort();
        same(&format!("step {at}, finished"), &finished, &wanted)?;
    }
    Ok(())
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().cloned().unwrap_or_default();
    list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Does one step; returns what was taken.
fn apply(
    op: &Value,
    transmit_limit: u32,
    queue: &mut BroadcastQueue<String>,
    waiting: &mut HashMap<BroadcastId, String>,
) -> Result<Vec<String>, String> {
    let number = |field: &str| op[field].as_u64().unwrap_or_default() as usize;
    let mut taken = Vec::new();
    match text(op, "do") {
        "queue" => {
            let (message, name) = (text(op, "msg").to_owned(), op["name"].as_str().map(str::to_owned));
            waiting.insert(queue.push(name, Bytes::from(message.clone())), message);
        }
        "get" => {
            let overhead = Overhead::Each(number("overhead"));
            queue.take(&Budget::new(number("limit"), overhead, transmit_limit), &mut taken);
        }
        "prune" => drop(queue.prune(number("retain"))),
        other => return Err(format!("unknown step {other}")),
    }
    Ok(taken.iter().map(|message| String::from_utf8_lossy(message).into_owned()).collect())
}
