//! See `networkdb_fuzz::formats::gob`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| networkdb_fuzz::formats::gob::run(data));
