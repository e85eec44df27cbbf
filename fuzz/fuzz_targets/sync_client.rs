//! See `networkdb_fuzz::machines::sync_client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| networkdb_fuzz::machines::sync_client::run(data));
