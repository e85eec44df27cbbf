//! The header is what the code says, the library exports what the header declares, and C and C++ take it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod built;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use built::{Program, Way};
use networkdb_embed::Code;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The header as the code has it now.
fn generated() -> String {
    let config = cbindgen::Config::from_file(folder().join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in [
        "../embed/src/code.rs",
        "../embed/src/event.rs",
        "../embed/src/settings.rs",
        "src/types.rs",
        "src/abi.rs",
    ] {
        builder = builder.with_src(folder().join(file));
    }
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    let mut header = String::from_utf8(header).unwrap();
    header = header.replace("NDB_STATUS_", "NDB_").replace("NDB_EVENT_KIND_", "NDB_EVENT_");
    for code in Code::ALL {
        let rust = format!("{code:?}");
        header = header.replace(&format!("`{rust}`"), &format!("`NDB_{}`", screaming(&rust)));
    }
    header
}

fn screaming(name: &str) -> String {
    let mut text = String::new();
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

#[test]
fn the_committed_header_is_what_the_code_says() {
    let path = folder().join("../include/networkdb.h");
    if std::env::var_os("NETWORKDB_WRITE_HEADER").is_some() {
        fs::write(&path, generated()).unwrap();
    }
    let same = fs::read_to_string(&path).is_ok_and(|committed| committed == generated());
    assert!(
        same,
        "include/networkdb.h is old: NETWORKDB_WRITE_HEADER=1 cargo test -p networkdb-ffi --test header"
    );
}

/// What the library exports.
fn exported() -> BTreeSet<String> {
    let symbols = Command::new("nm").args(["-D", "--defined-only"]).arg(built::shared()).output().unwrap();
    let symbols = built::succeeded(&symbols);
    symbols.lines().filter_map(|line| line.split(' ').next_back()).map(str::to_owned).collect()
}

#[test]
fn the_library_exports_what_the_header_declares_and_nothing_else() {
    let header = generated();
    let declared: BTreeSet<_> = header
        .lines()
        .filter(|line| !line.starts_with(' ') && !line.starts_with("typedef"))
        .filter_map(|line| line.split_once('(').map(|(before, _)| before))
        .filter_map(|before| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("ndb_"))
        .map(str::to_owned)
        .collect();
    assert!(declared.len() > 15, "{declared:?}");
    assert_eq!(exported(), declared);
}

#[test]
fn the_version_macros_are_the_crates_version() {
    let version = env!("CARGO_PKG_VERSION");
    let header = generated();
    for (part, macro_name) in version.split('.').zip(["MAJOR", "MINOR", "PATCH"]) {
        assert!(header.contains(&format!("#define NDB_VERSION_{macro_name} {part}\n")), "{macro_name}");
    }
    let soname = Command::new("readelf").arg("-d").arg(built::shared()).output().unwrap();
    let abi = networkdb::abi::NDB_ABI_VERSION >> 16;
    assert!(String::from_utf8_lossy(&soname.stdout).contains(&format!("libnetworkdb.so.{abi}]")));
}

#[test]
fn c_and_cpp_take_the_header_and_the_library_works() {
    for way in Way::ALL {
        let smoke = Program::build(&folder().join("tests/c/smoke.c"), way);
        let printed = built::succeeded(&smoke.command().output().unwrap());
        assert_eq!(printed, format!("{0} {0}\n", env!("CARGO_PKG_VERSION")), "{way:?}");
    }
    assert_eq!(built::pkg_config(&["--modversion"]).trim(), env!("CARGO_PKG_VERSION"));
}

/// The symbols of each release, added to when one is made; what a release had, the next of the same SONAME has.
#[test]
fn no_symbol_of_the_last_release_is_gone() {
    let released = fs::read_to_string(folder().join("abi/symbols")).unwrap();
    let exported = exported();
    let gone: Vec<_> = released.lines().filter(|name| !exported.contains(*name)).collect();
    assert!(!released.is_empty() && gone.is_empty(), "gone: {gone:?}");
}
