//! What the fuzz targets do with their bytes. `formats` holds the decoders, `machines` the machines under a
//! schedule; README.md says what each one checks.

pub mod corpus;
pub mod formats;
pub mod host;
pub mod machines;
pub mod memory;
pub mod script;

/// A target: takes any bytes and panics on what must not be.
pub type Target = fn(&[u8]);

/// Every target by its name, that of its file in `fuzz_targets`.
pub const TARGETS: [(&str, Target); 13] = [
    ("messages", formats::messages::run),
    ("packets", formats::packets::run),
    ("streams", formats::streams::run),
    ("lzw", formats::lzw::run),
    ("snappy", formats::snappy::run),
    ("protobuf", formats::protobuf::run),
    ("gob", formats::gob::run),
    ("sync_messages", formats::gob::sync_messages),
    ("nesting", formats::nesting::run),
    ("membership", machines::membership::run),
    ("networkdb", machines::networkdb::run),
    ("sync_server", machines::sync_server::run),
    ("sync_client", machines::sync_client::run),
];
