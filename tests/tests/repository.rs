//! What the repository promises of itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What core must not use: sockets, threads, clocks, a runtime, the randomness of the system.
const FORBIDDEN: [&str; 9] = [
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "std::thread",
    "SystemTime",
    "std::time::Instant",
    "tokio",
    "getrandom",
    "unsafe",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn toml(path: &Path) -> toml::Table {
    read(path).parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a line takes `Instant` from `std::time` among others.
fn imports_instant_of_std(code: &str) -> bool {
    let names = code.split("time::{").nth(1).and_then(|rest| rest.split('}').next()).unwrap_or_default();
    names.split(',').any(|name| name.trim() == "Instant")
}

/// All Rust sources under a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn every_crate_of_the_workspace_is_named_in_architecture_md() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let workspace = toml(&root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().unwrap();
    assert!(!members.is_empty());
    for member in members {
        let manifest = toml(&root().join(member.as_str().unwrap()).join("Cargo.toml"));
        let name = manifest["package"]["name"].as_str().unwrap();
        assert!(text.contains(&format!("`{name}`")), "ARCHITECTURE.md does not name {name}");
    }
}

#[test]
fn core_uses_no_socket_no_thread_no_clock_and_no_runtime() {
    let files = sources(&root().join("core/src"));
    assert!(files.len() > 20, "the sources of core are found");
    for file in files {
        for (number, line) in (1..).zip(read(&file).lines()) {
            let code = line.split("//").next().unwrap();
            let times = imports_instant_of_std(code);
            let used = FORBIDDEN.iter().find(|word| code.contains(**word)).copied();
            let used = used.or(times.then_some("std::time::Instant"));
            assert_eq!(used, None, "{}:{number}: {line}", file.display());
        }
    }
}
