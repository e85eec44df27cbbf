//! The header is what the code says, the library exports what the header declares, and C and C++ take it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod built;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

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

#[test]
fn the_library_exports_what_the_header_declares_and_nothing_else() {
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(built::shared()).output().unwrap();
    assert!(output.status.success());
    let symbols = String::from_utf8(output.stdout).unwrap();
    let exported: BTreeSet<_> = symbols.lines().filter_map(|line| line.split(' ').next_back()).collect();
    let header = generated();
    let declared: BTreeSet<_> = header
        .lines()
        .filter(|line| !line.starts_with(' ') && !line.starts_with("typedef"))
        .filter_map(|line| line.split_once('(').map(|(before, _)| before))
        .filter_map(|before| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("ndb_"))
        .collect();
    assert!(declared.len() > 15, "{declared:?}");
    assert_eq!(exported, declared);
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
    let smoke = folder().join("tests/c/smoke.c");
    for language in [&["cc", "-std=c99", "-xc"][..], &["c++", "-std=c++17", "-xc++"]] {
        for library in [built::Link::Shared, built::Link::Static] {
            let output = built::program(language, &smoke, library).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{language:?}: {text}");
        }
    }
}

#[test]
fn what_is_installed_is_found_by_pkg_config() {
    let place = tempfile::tempdir().unwrap();
    let prefix = place.path().join("usr");
    let installed = Command::new(folder().join("install"))
        .arg(built::shared().parent().unwrap())
        .arg(&prefix)
        .output()
        .unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let script = r#"
        set -e
        cc -Wall -Werror "$1" -o "$2" $(pkg-config --cflags --libs networkdb)
        LD_LIBRARY_PATH=$(pkg-config --variable=libdir networkdb) "$2"
        test "$(pkg-config --modversion networkdb)" = "$3"
    "#;
    let output = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(folder().join("tests/c/smoke.c"))
        .arg(place.path().join("smoke"))
        .arg(env!("CARGO_PKG_VERSION"))
        .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
