//! Streams of other peers, and malformed ones: what both generations' decoders made of them.

use serde_json::Value;

use crate::{
    Report,
    shown::Generation,
    streams::{compare, decode_in_all_cuts, listed},
    support::{bytes, text},
};

/// Refused by Go because it misreads a nil it wants to skip.
const TAKEN_HERE: &str = "extra_field_slice_of_interfaces_with_nil";

pub fn check(file: &Value) -> Report {
    let mut report = Report::default();
    for case in file["cases"].as_array().unwrap() {
        for generation in Generation::ALL {
            let name = format!("{} {}", text(case, "name"), generation.name());
            report.check(&name, reaction(case, generation));
        }
    }
    report
}

fn reaction(case: &Value, generation: Generation) -> Result<(), String> {
    let old = &case["v3.2.5"];
    let wanted = match &case[generation.name()] {
        same if same == "same" => old,
        wanted => wanted,
    };
    let found = decode_in_all_cuts(&bytes(case, "hex").unwrap(), generation)?;
    if text(case, "name") == TAKEN_HERE {
        return if found.fault.is_none() && found.messages.len() == 2 {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        };
    }
    compare(&found, &listed(&wanted["messages"]), text(wanted, "end"))
}
