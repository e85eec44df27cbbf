//! Encodings that more than one protocol is made of.

pub mod gob;
pub mod lzw;
pub mod msgpack;
pub mod protobuf;
mod reader;

pub use reader::{DecodeError, Reader};
