//! Go's `encoding/gob`: self-describing streams of values.
//!
//! Source: `golang/go` `src/encoding/gob`.

pub mod time;
pub mod types;
pub mod write;

pub use time::Time;
pub use types::WireType;
