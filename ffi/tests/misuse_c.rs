//! What a program in C can do wrong: also seen by `AddressSanitizer` and valgrind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod built;

use std::path::Path;

use built::{Program, Way};

#[test]
fn a_program_that_errs_is_told_and_loses_nothing() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/misuse.c");
    // A library as installed cannot be asked for a fault.
    let faults = std::env::var_os("NETWORKDB_PREFIX").is_none();
    for way in Way::ALL {
        let mut run = Program::build(&source, way).command();
        built::succeeded(&run.args(faults.then_some("fault")).output().unwrap());
    }
}
