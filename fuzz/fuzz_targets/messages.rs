//! See `networkdb_fuzz::formats::messages`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| networkdb_fuzz::formats::messages::run(data));
