//! Types with serde's `Serialize` and `Deserialize` as values of a gob stream.
//!
//! | Rust | Go |
//! |---|---|
//! | struct | struct of that name; a field that is not in the stream is zero |
//! | `Vec`, `[T; N]` | slice, array; `Vec<u8>` and `serde_bytes` are `[]byte` |
//! | map | map |
//! | `Option` | pointer; `None` is a nil pointer, which only a field may be |
//! | enum | interface; the variant's name is that of the registered type, its content the value |
//! | newtype | named type |
//! | [`Time`](super::Time); a newtype of bytes whose name begins with [`GOB_ENCODER`] | `GobEncoder` |
//! | `char` | `rune` |
//!
//! Go's `int`, `uint` are `i64`, `u64`; widths show only in the names of unnamed types, which nobody reads. Types
//! that contain themselves, and enums that serde does not tag by the variant's name, are refused.

mod de;
mod ser;
mod trace;

use std::fmt;

use ::serde::{Serialize, de::DeserializeOwned};

use super::{
    decoder::Decoder,
    encoder::{EncodeError, Encoder},
    intake::Error,
    known::Limits,
    schema::Schema,
    value::Value,
};

pub use trace::GOB_ENCODER;

/// Why a Rust value is not one of gob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SerdeError {
    /// A type or value that has no form in gob, or not the one that was found; says which.
    Form(String),
    /// It cannot be written.
    Encode(EncodeError),
    /// The stream cannot be read.
    Decode(Error),
}

impl fmt::Display for SerdeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(what) => write!(f, "gob: {what}"),
            Self::Encode(error) => error.fmt(f),
            Self::Decode(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SerdeError {}

impl ::serde::ser::Error for SerdeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Form(message.to_string())
    }
}

impl ::serde::de::Error for SerdeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Form(message.to_string())
    }
}

fn form<T>(what: &str) -> Result<T, SerdeError> {
    Err(SerdeError::Form(what.to_owned()))
}

/// A whole stream with these values, as a Go program writes it that has written nothing before. `package` is the last
/// element of the path of the types' package, which shows in the names of unnamed types.
pub fn to_stream<T: Serialize + DeserializeOwned>(
    package: &str,
    values: &[T],
) -> Result<Vec<u8>, SerdeError> {
    let mut schema = Schema::new();
    let of = schema.trace::<T>(package)?;
    let (mut encoder, mut out) = (Encoder::new(), Vec::new());
    for value in values {
        encoder.encode(&mut schema, of, &to_value(value)?, &mut out).map_err(SerdeError::Encode)?;
    }
    Ok(out)
}

/// All values of a whole stream.
pub fn from_stream<T: DeserializeOwned>(mut stream: &[u8], limits: Limits) -> Result<Vec<T>, SerdeError> {
    let (mut decoder, mut values) = (Decoder::new(limits), Vec::new());
    while let Some((_, value)) = decoder.next(&mut stream).map_err(SerdeError::Decode)? {
        values.push(from_value(value)?);
    }
    decoder.finish().map_err(SerdeError::Decode)?;
    Ok(values)
}

/// A Rust value as one of gob, for a type that [`Schema::trace`] gives.
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, SerdeError> {
    value.serialize(ser::Serializer)?.ok_or_else(|| SerdeError::Form("a nil pointer at top level".to_owned()))
}

/// A value of gob as a Rust one. Fields that are not there are zero.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, SerdeError> {
    T::deserialize(de::Present(value))
}
