//! Streams cut short and with one byte changed.

use serde_json::Value;

use crate::{
    Report,
    shown::Generation,
    streams::{Outcome, compare, decode_in_all_cuts},
    support::{bytes, text},
};

pub fn check(file: &Value) -> Report {
    let (mut report, generation) = (Report::default(), Generation::of_name(text(file, "version")));
    for base in file["bases"].as_array().unwrap() {
        let whole = bytes(base, "hex").unwrap();
        let read = decode_in_all_cuts(&whole, generation).unwrap();
        for cut in base["truncations_[length,messages,end]"].as_array().unwrap() {
            let name = format!("{} cut {cut}", text(base, "base"));
            report.check(&name, truncated(&whole, cut, &read, generation));
        }
        for change in base["byte_changes"].as_array().unwrap() {
            let name = format!("{} at {}: {}", text(base, "base"), change["offset"], change["value"]);
            report.check(&name, changed(&whole, change, &read, generation));
        }
    }
    report
}

fn truncated(whole: &[u8], cut: &Value, read: &Outcome, generation: Generation) -> Result<(), String> {
    let [len, count] = [0, 1].map(|index| cut[index].as_u64().unwrap() as usize);
    let found = decode_in_all_cuts(&whole[..len], generation)?;
    let wanted: Vec<_> =
        read.messages.iter().take(count).map(|(end, message)| (Some(*end), message)).collect();
    compare(&found, &wanted, cut[2].as_str().unwrap())
}

fn changed(whole: &[u8], change: &Value, read: &Outcome, generation: Generation) -> Result<(), String> {
    let mut bytes = whole.to_vec();
    bytes[change["offset"].as_u64().unwrap() as usize] = change["value"].as_u64().unwrap() as u8;
    let found = decode_in_all_cuts(&bytes, generation)?;
    let wanted: Vec<_> = match &change["messages"] {
        Value::Array(messages) => messages.iter().map(|message| (None, message)).collect(),
        unchanged if unchanged == "unchanged" => {
            read.messages.iter().map(|(_, message)| (None, message)).collect()
        }
        other => return Err(format!("unknown messages {other}")),
    };
    compare(&found, &wanted, text(change, "end"))
}
