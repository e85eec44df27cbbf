//! See `networkdb_fuzz::formats::streams`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| networkdb_fuzz::formats::streams::run(data));
