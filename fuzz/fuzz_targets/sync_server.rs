//! See `networkdb_fuzz::machines::sync_server`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| networkdb_fuzz::machines::sync_server::run(data));
