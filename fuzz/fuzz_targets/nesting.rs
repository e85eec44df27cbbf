//! See `networkdb_fuzz::formats::nesting`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| networkdb_fuzz::formats::nesting::run(data));
