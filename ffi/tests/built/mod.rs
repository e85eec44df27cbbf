//! The libraries beside this test, and programs built with them.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// How a program is linked.
#[derive(Clone, Copy)]
pub enum Link {
    Shared,
    Static,
}

/// Where cargo has put the libraries this test was built with.
fn folder() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

pub fn shared() -> PathBuf {
    folder().join("libnetworkdb.so")
}

/// A program, built without a warning and ready to run.
pub fn program(compiler: &[&str], source: &Path, link: Link) -> Command {
    let place = tempfile::tempdir().unwrap().keep();
    let program = place.join("program");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (name, arguments) = compiler.split_first().unwrap();
    let mut build = Command::new(name);
    build.args(arguments).args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]);
    build.arg("-I").arg(root.join("include")).arg(source).args(["-xnone", "-o"]).arg(&program);
    match link {
        Link::Shared => {
            std::os::unix::fs::symlink(shared(), place.join("libnetworkdb.so.0")).unwrap();
            build.arg(shared());
        }
        Link::Static => {
            build.arg(folder().join("libnetworkdb.a"));
            build.args(["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"]);
        }
    }
    let output = build.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut run = Command::new(program);
    run.env("LD_LIBRARY_PATH", place);
    run
}
