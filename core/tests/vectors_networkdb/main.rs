//! The vectors of Docker's `NetworkDB`, replayed against ours.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod captures;
mod formats;
mod model;
mod ours;
mod random;
mod recorded;
mod rules;
mod scenarios;

use std::{fs, path::PathBuf};

use serde_json::Value;

/// The files of the vectors whose name begins so.
fn files(prefixes: &[&str]) -> Vec<(String, Value)> {
    let mut found: Vec<_> =
        all().into_iter().filter(|(name, _)| prefixes.iter().any(|p| name.starts_with(p))).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
        .into_iter()
        .map(|(name, path)| (name, serde_json::from_slice(&fs::read(path).unwrap()).unwrap()))
        .collect()
}

fn all() -> Vec<(String, PathBuf)> {
    let root = std::env::var_os("NETWORKDB_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors"), PathBuf::from);
    let folder = root.join("networkdb");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn bytes(value: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(value, field)).unwrap()
}

/// An object has these fields and no others; those with a `?` may be missing.
pub(crate) fn shape(value: &Value, fields: &str) {
    let known = |name: &String| fields.split(' ').any(|field| field.trim_end_matches('?') == name);
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    let unknown: Vec<_> = object.keys().filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "unknown fields {unknown:?}");
    for field in fields.split(' ').filter(|field| !field.ends_with('?')) {
        assert!(object.contains_key(field), "no field {field}");
    }
}

#[test]
fn every_file_is_of_a_known_kind() {
    let mut elsewhere = 0;
    for (name, _) in all() {
        let known =
            ["README.md", "messages", "decode", "agent-records", "scenarios", "capture", "diagnostic-"];
        assert!(known.iter().any(|kind| name.starts_with(kind)), "unknown kind of vectors: {name}");
        elsewhere += usize::from(name.starts_with("diagnostic-"));
    }
    println!("{elsewhere} diagnostic files are checked by the tests of the command that serves them");
}
