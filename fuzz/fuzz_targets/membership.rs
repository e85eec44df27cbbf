//! See `networkdb_fuzz::machines::membership`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| networkdb_fuzz::machines::membership::run(data));
