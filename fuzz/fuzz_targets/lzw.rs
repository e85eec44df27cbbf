//! See `networkdb_fuzz::formats::lzw`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| networkdb_fuzz::formats::lzw::run(data));
