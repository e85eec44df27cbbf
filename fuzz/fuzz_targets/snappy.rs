//! See `networkdb_fuzz::formats::snappy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| networkdb_fuzz::formats::snappy::run(data));
