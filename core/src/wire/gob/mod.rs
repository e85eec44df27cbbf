//! Go's `encoding/gob`: self-describing streams of values.
//!
//! Source: `golang/go` `src/encoding/gob`.

mod intake;
mod known;
mod read;
pub mod time;
pub mod types;
pub mod write;

pub use intake::Error;
pub use known::Limits;
pub use read::Fault;
pub use time::Time;
pub use types::WireType;

pub(crate) use intake::{Intake, Place};
pub(crate) use known::{Fixed, Known, Types};
pub(crate) use read::Cursor;
