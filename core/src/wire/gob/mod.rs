//! Go's `encoding/gob`: self-describing streams of values.
//!
//! Source: `golang/go` `src/encoding/gob`.

mod decoder;
mod encoder;
mod intake;
mod known;
mod read;
mod schema;
mod serde;
pub mod time;
pub mod types;
mod value;
pub mod write;

pub use decoder::Decoder;
pub use encoder::{EncodeError, Encoder};
pub use intake::Error;
pub use known::Limits;
pub use read::Fault;
pub use schema::{Schema, Shape, Type};
pub use serde::{GOB_ENCODER, SerdeError, from_stream, from_value, to_stream, to_value};
pub use time::Time;
pub use types::WireType;
pub use value::{Dynamic, Value};

pub(crate) use intake::{Intake, Place};
pub(crate) use known::{Fixed, Known, Types};
pub(crate) use read::Cursor;
