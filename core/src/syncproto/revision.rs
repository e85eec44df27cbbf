//! Revisions of any type that Go registers by itself, or a message.

use std::{borrow::Cow, fmt::Write};

use super::{
    Message, Revision,
    parse::{Context, message},
    schema::Struct,
};
use crate::wire::gob::{
    Cursor, Fault,
    types::{Id, id},
};

/// A Go type of one number, text or the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Basic {
    Bool,
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uintptr,
    Float32,
    Float64,
    Complex64,
    Complex128,
    String,
}

/// A value of a [`Basic`] type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// `bool`.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// `float32` or `float64`.
    Float(f64),
    /// `complex64` or `complex128`.
    Complex(f64, f64),
    /// `string`.
    Text(&'a [u8]),
}

/// A revision that is not text. No Typha sends one; its clients take it.
#[derive(Clone, Debug, PartialEq)]
pub enum OtherRevision<'a> {
    /// A number or the like.
    Scalar(Basic, Scalar<'a>),
    /// `[]uint8`.
    Bytes(&'a [u8]),
    /// A slice of numbers or the like.
    Slice(Basic, Vec<Scalar<'a>>),
    /// A message of this protocol.
    Message(Message<'a>),
}

impl Basic {
    /// The type that is registered under `name`.
    fn of_name(name: &[u8]) -> Result<Self, Fault> {
        Ok(match name {
            b"bool" => Self::Bool,
            b"int" => Self::Int,
            b"int8" => Self::Int8,
            b"int16" => Self::Int16,
            b"int32" => Self::Int32,
            b"int64" => Self::Int64,
            b"uint" => Self::Uint,
            b"uint8" => Self::Uint8,
            b"uint16" => Self::Uint16,
            b"uint32" => Self::Uint32,
            b"uint64" => Self::Uint64,
            b"uintptr" => Self::Uintptr,
            b"float32" => Self::Float32,
            b"float64" => Self::Float64,
            b"complex64" => Self::Complex64,
            b"complex128" => Self::Complex128,
            b"string" => Self::String,
            _ => return Err(Fault::UnknownName),
        })
    }

    /// Its name in Go, under which it is registered.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint => "uint",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Uintptr => "uintptr",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Complex64 => "complex64",
            Self::Complex128 => "complex128",
            Self::String => "string",
        }
    }

    fn id(self) -> Id {
        match self {
            Self::Bool => id::BOOL,
            Self::Int | Self::Int8 | Self::Int16 | Self::Int32 | Self::Int64 => id::INT,
            Self::Uint | Self::Uint8 | Self::Uint16 | Self::Uint32 | Self::Uint64 | Self::Uintptr => id::UINT,
            Self::Float32 | Self::Float64 => id::FLOAT,
            Self::Complex64 | Self::Complex128 => id::COMPLEX,
            Self::String => id::STRING,
        }
    }

    fn bits(self) -> u32 {
        match self {
            Self::Int8 | Self::Uint8 => 8,
            Self::Int16 | Self::Uint16 => 16,
            Self::Int32 | Self::Uint32 | Self::Float32 | Self::Complex64 => 32,
            _ => 64,
        }
    }

    fn read<'a>(self, cursor: &mut Cursor<'a>) -> Result<Scalar<'a>, Fault> {
        let spare = 64 - self.bits();
        Ok(match self.id() {
            id::BOOL => Scalar::Bool(cursor.uint()? != 0),
            id::INT => Scalar::Int(cursor.int().and_then(|value| fits(value, value << spare >> spare))?),
            id::UINT => Scalar::Uint(cursor.uint().and_then(|value| fits(value, value << spare >> spare))?),
            id::FLOAT => Scalar::Float(self.read_float(cursor)?),
            id::COMPLEX => Scalar::Complex(self.read_float(cursor)?, self.read_float(cursor)?),
            _ => Scalar::Text(cursor.block()?),
        })
    }

    /// A float that must not be beyond the range of its type; infinity is not.
    fn read_float(self, cursor: &mut Cursor<'_>) -> Result<f64, Fault> {
        let value = cursor.float()?;
        let beyond = value.is_finite() && value.abs() > f64::from(f32::MAX);
        if self.bits() == 32 && beyond { Err(Fault::Range) } else { Ok(value) }
    }

    /// What `fmt %v` makes of a value.
    fn print(self, value: &Scalar<'_>, out: &mut Vec<u8>) {
        match *value {
            Scalar::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Scalar::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Scalar::Uint(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Scalar::Float(value) => out.extend_from_slice(self.print_float(value).as_bytes()),
            Scalar::Text(text) => out.extend_from_slice(text),
            Scalar::Complex(real, imaginary) => {
                let (real, mut imaginary) = (self.print_float(real), self.print_float(imaginary));
                if !imaginary.starts_with(['+', '-']) {
                    imaginary.insert(0, '+');
                }
                out.extend_from_slice(format!("({real}{imaginary}i)").as_bytes());
            }
        }
    }

    /// The shortest digits that read back to the same; with an exponent below 1e-4 and from 1e21 on.
    fn print_float(self, value: f64) -> String {
        let digits = match self.bits() {
            32 => format!("{:e}", value as f32),
            _ => format!("{value:e}"),
        };
        if value.is_nan() {
            return "NaN".to_owned();
        }
        if value.is_infinite() {
            return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
        }
        let (mantissa, exponent) = digits.split_once('e').unwrap_or((&digits, "0"));
        let exponent: i32 = exponent.parse().unwrap_or_default();
        if value != 0.0 && !(-4..21).contains(&exponent) {
            let mut text = mantissa.to_owned();
            // Writing to a string does not fail.
            let _ = write!(text, "e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
            return text;
        }
        if self.bits() == 32 { format!("{}", value as f32) } else { format!("{value}") }
    }
}

/// What a registered name stands for.
enum Form {
    Scalar(Basic),
    Bytes,
    Slice(Basic),
    Message(Struct),
}

impl Form {
    fn of_name(name: &[u8]) -> Result<Self, Fault> {
        if name == b"[]uint8" {
            return Ok(Self::Bytes);
        }
        if let Some(element) = name.strip_prefix(b"[]") {
            return Basic::of_name(element).map(Self::Slice);
        }
        Basic::of_name(name).map(Self::Scalar).or_else(|_| Struct::of_message(name).map(Self::Message))
    }
}

fn fits<T: PartialEq>(value: T, cut: T) -> Result<T, Fault> {
    if value == cut { Ok(value) } else { Err(Fault::Range) }
}

/// Reads a revision: an interface.
#[inline]
pub(super) fn read<'a>(
    cursor: &mut Cursor<'a>,
    context: &mut dyn Context<'a>,
    depth: usize,
) -> Result<Revision<'a>, Fault> {
    let name = cursor.interface_name()?;
    if name != b"string" {
        return read_other(name, cursor, context, depth);
    }
    let id = cursor.concrete(context)?;
    cursor.uint()?;
    wanted(id, id::STRING)?;
    cursor.singleton()?;
    cursor.block().map(Revision::Text)
}

#[cold]
fn read_other<'a>(
    name: &'a [u8],
    cursor: &mut Cursor<'a>,
    context: &mut dyn Context<'a>,
    depth: usize,
) -> Result<Revision<'a>, Fault> {
    if name.is_empty() {
        return Ok(Revision::Nil);
    }
    let form = Form::of_name(name)?;
    let id = cursor.concrete(context)?;
    cursor.uint()?;
    let other = match form {
        Form::Scalar(basic) => {
            wanted(id, basic.id())?;
            cursor.singleton()?;
            OtherRevision::Scalar(basic, basic.read(cursor)?)
        }
        Form::Bytes => {
            wanted(id, id::BYTES)?;
            cursor.singleton()?;
            OtherRevision::Bytes(cursor.block()?)
        }
        Form::Slice(basic) => OtherRevision::Slice(basic, read_slice(basic, id, cursor, context)?),
        Form::Message(ours) => OtherRevision::Message(message(cursor, (ours, id), context, depth)?),
    };
    Ok(Revision::Other(Box::new(other)))
}

fn read_slice<'a>(
    basic: Basic,
    id: Id,
    cursor: &mut Cursor<'a>,
    context: &mut dyn Context<'a>,
) -> Result<Vec<Scalar<'a>>, Fault> {
    let described = context.get(id).ok_or(Fault::Mismatch)?;
    if described.is_opaque() || described.slice != Some(basic.id()) {
        return Err(Fault::Mismatch);
    }
    cursor.singleton()?;
    let count = cursor.uint()?;
    if count > context.limits().values as u64 {
        return Err(Fault::TooManyValues);
    }
    (0..count).map(|_| basic.read(cursor)).collect()
}

fn wanted(id: Id, wanted: Id) -> Result<(), Fault> {
    match id {
        _ if id == wanted => Ok(()),
        0 => Err(Fault::UndefinedType(id)),
        _ => Err(Fault::Mismatch),
    }
}

impl OtherRevision<'_> {
    /// The text Go's client makes of it. Of messages only those without times and updates are printed as Go does.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Scalar(basic, value) => basic.print(value, &mut out),
            Self::Bytes(bytes) => {
                list(&mut out, bytes.iter(), |out, byte| out.extend_from_slice(byte.to_string().as_bytes()));
            }
            Self::Slice(basic, values) => list(&mut out, values.iter(), |out, value| basic.print(value, out)),
            Self::Message(message) => print_message(message, &mut out),
        }
        out
    }
}

impl<'a> Revision<'a> {
    /// The text Go's client makes of it, with `fmt %v`.
    pub fn text(&self) -> Cow<'a, [u8]> {
        match self {
            Self::Nil => Cow::Borrowed(b"<nil>"),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Other(other) => Cow::Owned(other.text()),
        }
    }
}

/// `[a b]`.
fn list<T>(out: &mut Vec<u8>, items: impl Iterator<Item = T>, mut print: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (number, item) in items.enumerate() {
        if number > 0 {
            out.push(b' ');
        }
        print(out, item);
    }
    out.push(b']');
}

/// `{a b}`.
fn print_message(message: &Message<'_>, out: &mut Vec<u8>) {
    let fields: Vec<Cow<'_, [u8]>> = match message {
        Message::ClientHello(hello) => {
            let mut algorithms = Vec::new();
            list(&mut algorithms, hello.compression_algorithms.iter(), |out, name| {
                out.extend_from_slice(name);
            });
            vec![
                hello.hostname.into(),
                hello.info.into(),
                hello.version.into(),
                hello.syncer_type.into(),
                hello.supports_decoder_restart.to_string().into_bytes().into(),
                algorithms.into(),
                hello.supports_modern_policy_keys.to_string().into_bytes().into(),
                hello.client_conn_id.to_string().into_bytes().into(),
            ]
        }
        Message::ServerHello(hello) => vec![
            hello.version.into(),
            hello.syncer_type.into(),
            hello.supports_node_resource_updates.to_string().into_bytes().into(),
            hello.server_conn_id.to_string().into_bytes().into(),
        ],
        Message::DecoderRestart(restart) => {
            vec![restart.message.into(), restart.compression_algorithm.into()]
        }
        Message::SyncStatus(status) => vec![status.to_string().into_bytes().into()],
        Message::Ack | Message::Nil => Vec::new(),
        Message::Ping(time) => vec![format!("{time:?}").into_bytes().into()],
        Message::Pong(pong) => vec![format!("{pong:?}").into_bytes().into()],
        Message::Kvs(updates) => vec![format!("{} updates", updates.len()).into_bytes().into()],
    };
    out.push(b'{');
    out.extend_from_slice(&fields.join(&b' '));
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_printed_as_go_prints_them() {
        for (value, text) in [
            (17.0, "17"),
            (0.0, "0"),
            (-0.0, "-0"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(Basic::Float64.print_float(value), text);
        }
        assert_eq!(Basic::Float32.print_float(f64::from(0.1_f32)), "0.1");
        let mut out = Vec::new();
        Basic::Complex128.print(&Scalar::Complex(1.0, -3.5), &mut out);
        assert_eq!(out, b"(1-3.5i)");
    }
}
