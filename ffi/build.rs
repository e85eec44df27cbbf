//! Names the shared library as the dynamic linker is to look for it: the number is that of the ABI.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libnetworkdb.so.0");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
