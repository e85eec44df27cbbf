//! Encodings that more than one protocol is made of.

pub mod protobuf;
