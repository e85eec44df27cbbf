//! The native part of the Python package `networkdb`: what its public part, in Python, is built upon.
//!
//! Calls come through uniffi. Steps, which carry every byte, do not: uniffi copies what it returns slowly. A [`NativeNode`] has
//! a number in the C ABI's table of nodes, whose `ndb_step_flat` this library exports too.
//!
//! | file | what |
//! |---|---|
//! | `node` | a node |
//! | `plain` | events, updates and errors as plain data |
//! | `stream` | the sync protocol's messages, as bytes and as plain data |
#![forbid(unsafe_code)]
#![allow(missing_docs, clippy::missing_errors_doc, reason = "the public part of the package is documented")]

mod node;
mod plain;
mod stream;

pub use node::{NativeNode, Publication, never, status_text, version};
pub use plain::{Failure, NativeEvent, NativeUpdate};
pub use stream::{NativeDecoder, NativeMessage, definitions, encode};

uniffi::setup_scaffolding!();
