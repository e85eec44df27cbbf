//! The scenario scripts, which every language runs: their traces are those of the committed files, byte for byte.
//!
//! `UPDATE_SCRIPTS=1` records them anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod script;

use std::{
    fs,
    path::{Path, PathBuf},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios/steps")
}

fn scripts() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect()
}

/// Records what is recorded beside other nodes, and traces anew what is written by hand.
fn update() {
    for (name, scene) in script::scenes::ALL {
        fs::write(folder().join(name).with_extension("txt"), scene()).unwrap();
    }
    for path in scripts() {
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, script::run(&text)).unwrap();
    }
}

/// The first line that differs.
fn difference(committed: &str, traced: &str) -> String {
    let mut lines = committed.lines().zip(traced.lines()).enumerate();
    let first = lines.find(|(_, (one, other))| one != other);
    first.map_or("one is longer".to_owned(), |(at, (one, other))| format!("line {}:\n{one}\n{other}", at + 1))
}

#[test]
fn every_script_gives_the_committed_trace() {
    if std::env::var_os("UPDATE_SCRIPTS").is_some() {
        update();
    }
    let scripts = scripts();
    assert!(scripts.len() > script::scenes::ALL.len(), "{scripts:?}");
    for path in scripts {
        let committed = fs::read_to_string(&path).unwrap();
        let traced = script::run(&committed);
        assert!(committed == traced, "{}, {}", path.display(), difference(&committed, &traced));
    }
}
