//! The scenario scripts through the C library: the traces are the committed ones.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod built;

use std::{fs, path::Path};

use built::{Program, Way};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn every_script_gives_the_committed_trace() {
    for way in Way::ALL {
        let runner = Program::build(&root().join("ffi/tests/c/scripts.c"), way);
        let scripts: Vec<_> = fs::read_dir(root().join("tests/scenarios/steps"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "txt"))
            .collect();
        assert!(!scripts.is_empty());
        for path in scripts {
            let traced = built::succeeded(&runner.command().arg(&path).output().unwrap());
            let committed = fs::read_to_string(&path).unwrap();
            let first = committed.lines().zip(traced.lines()).find(|(one, other)| one != other);
            assert!(committed == traced, "{way:?}, {}: {first:?}", path.display());
        }
    }
}
