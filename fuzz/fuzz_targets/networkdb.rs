//! See `networkdb_fuzz::machines::networkdb`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| networkdb_fuzz::machines::networkdb::run(data));
