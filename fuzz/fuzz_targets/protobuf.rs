//! See `networkdb_fuzz::formats::protobuf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| networkdb_fuzz::formats::protobuf::run(data));
