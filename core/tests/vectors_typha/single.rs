//! Streams a fresh process of one generation wrote.

use serde_json::Value;

use crate::{
    Report, go, read,
    shown::Generation,
    streams::{compare, decode_in_all_cuts, listed},
    support::{bytes, text},
};

pub fn check(file: &Value) -> Report {
    let (mut report, generation) = (Report::default(), Generation::of_name(text(file, "version")));
    for case in file["cases"].as_array().unwrap() {
        report.check(text(case, "name"), single(case, generation));
    }
    report
}

fn single(case: &Value, generation: Generation) -> Result<(), String> {
    // What Go cannot encode has no bytes to compare with; neither has our message.
    if !case["encode_error"].is_null() {
        let none = case["messages"].as_array().unwrap().is_empty() && case["hex"].is_null();
        return if none { Ok(()) } else { Err("an error with bytes".to_owned()) };
    }
    let stream = bytes(case, "hex").unwrap_or_else(|| read(text(case, "file")));
    let found = decode_in_all_cuts(&stream, generation)?;
    compare(&found, &listed(&case["messages"]), text(case, "decode_end"))?;
    go::same_bytes(&[stream], generation)
}
