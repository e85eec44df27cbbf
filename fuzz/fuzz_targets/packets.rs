//! See `networkdb_fuzz::formats::packets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| networkdb_fuzz::formats::packets::run(data));
