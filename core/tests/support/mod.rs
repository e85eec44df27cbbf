//! Vectors of the real programs: where they lie and how they are run through.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;

/// What a check of one vector says: why it failed.
pub type Checked = Result<(), String>;

/// The folder `name` of the vectors: under `NETWORKDB_VECTORS` if set, else in this repository.
pub fn folder(name: &str) -> PathBuf {
    let root = std::env::var_os("NETWORKDB_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors"), PathBuf::from);
    root.join(name)
}

/// All vectors of all `*.json` files in a folder, sorted by file.
pub fn load(name: &str) -> Vec<Value> {
    let folder = folder(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let read = |file: &PathBuf| -> Vec<Value> { serde_json::from_slice(&fs::read(file).unwrap()).unwrap() };
    files.iter().flat_map(read).collect()
}

/// Runs `check` over all vectors of a folder, prints how many of each kind were checked, and fails if one failed.
pub fn run(name: &str, check: impl Fn(&Value) -> Checked) {
    let (mut counts, mut failures) = (BTreeMap::<&str, [usize; 2]>::new(), Vec::new());
    let vectors = load(name);
    assert!(!vectors.is_empty(), "no vectors in {}", folder(name).display());
    for vector in &vectors {
        let result = check(vector);
        counts.entry(text(vector, "kind")).or_default()[usize::from(result.is_err())] += 1;
        if let Err(error) = result {
            failures.push(format!("{} {}: {error}", text(vector, "library"), text(vector, "name")));
        }
    }
    println!("{:32} passed failed", "kind");
    for (kind, [passed, failed]) in counts {
        println!("{kind:32} {passed:6} {failed:6}");
    }
    println!("{} vectors of {name} checked", vectors.len());
    let shown = failures.len().min(20);
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures[..shown].join("\n"));
}

/// A text field, empty if it is not there.
pub fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

/// A field of bytes in hex, `None` for null or a field that is not there.
pub fn bytes(value: &Value, field: &str) -> Option<Vec<u8>> {
    value[field].as_str().map(|text| hex::decode(text).unwrap())
}

/// `Ok` if the two are equal.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let short = |value: &T| format!("{value:02x?}").chars().take(600).collect::<String>();
    Err(format!("{what}:\n   found {}\n  wanted {}", short(found), short(expected)))
}
