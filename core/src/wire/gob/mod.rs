//! Go's `encoding/gob`: self-describing streams of values.
//!
//! Source: `golang/go` `src/encoding/gob`.

pub mod write;
