//! Encodings that more than one protocol is made of.

pub mod gob;
pub mod lzw;
pub mod msgpack;
pub mod protobuf;
mod reader;
pub mod snappy;

pub use reader::{DecodeError, Reader};
