//! Connections between the real programs.

use serde_json::Value;

use crate::{
    Report, go, read,
    shown::Generation,
    streams::{Outcome, compare, decode_in_all_cuts},
};

pub fn check(name: &str, file: &Value) -> Report {
    let mut report = Report::default();
    report.check(name, capture(name, file, sender(name)));
    report
}

/// Who wrote: the server of `cap-SERVER-CLIENT.s2c`, the client of `.c2s`, or both of `cap-BOTH-…`.
fn sender(name: &str) -> Generation {
    let from_server = name.ends_with(".s2c");
    match name.split('.').collect::<Vec<_>>().join(".").as_str() {
        mixed if mixed.starts_with("cap-head-server-v3.2.5-client") && !from_server => Generation::Old,
        mixed if mixed.starts_with("cap-v3.2.5-server-head-client") && !from_server => Generation::Head,
        old if old.starts_with("cap-v3.2.5") => Generation::Old,
        _ => Generation::Head,
    }
}

fn capture(name: &str, file: &Value, generation: Generation) -> Result<(), String> {
    let raw = read(&format!("{name}.bin"));
    let mut plain = Vec::new();
    for (index, stream) in file["streams"].as_array().unwrap().iter().enumerate() {
        let [start, end, len] =
            ["raw_start", "raw_end", "plain_len"].map(|field| stream[field].as_u64().unwrap() as usize);
        let bytes = match stream["compression"].as_str() {
            Some("snappy") => unframe(&raw[start..end]),
            Some("") => raw[start..end].to_vec(),
            other => return Err(format!("unknown compression {other:?}")),
        };
        if bytes.len() != len {
            return Err(format!("stream {index} has {} bytes, not {len}", bytes.len()));
        }
        let found = decode_in_all_cuts(&bytes, generation)?;
        compare_stream(&found, index, file).map_err(|error| format!("stream {index}: {error}"))?;
        plain.push(bytes);
    }
    go::same_bytes(&plain, generation)
}

fn compare_stream(found: &Outcome, index: usize, file: &Value) -> Result<(), String> {
    let messages = file["messages"].as_array().unwrap().iter();
    let messages = messages.filter(|message| message["stream"] == index);
    let wanted: Vec<_> =
        messages.map(|listed| (listed["end"].as_u64().map(|end| end as usize), &listed["message"])).collect();
    compare(found, &wanted, file["error"].as_str().unwrap())
}

/// The content of a snappy stream.
fn unframe(mut framed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while let Some((&[kind, a, b, c], rest)) = framed.split_first_chunk() {
        let (chunk, rest) = rest.split_at(u32::from_le_bytes([a, b, c, 0]) as usize);
        framed = rest;
        match kind {
            0xff => assert_eq!(chunk, b"sNaPpY"),
            0 => plain.extend(snap::raw::Decoder::new().decompress_vec(&chunk[4..]).unwrap()),
            1 => plain.extend(&chunk[4..]),
            _ => panic!("chunk of type {kind}"),
        }
    }
    assert!(framed.is_empty());
    plain
}
