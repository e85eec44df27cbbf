//! The msgpack dialect of `hashicorp/go-msgpack`: an exact encoder and a lenient decoder.
//!
//! Written: the old msgpack spec, where strings and bytes share one family (fixstr, raw16, raw32). Integers are
//! as short as they can be; signed ones differ between two generations of the library ([`Dialect`]).
//! Read: whatever one of the two generations reads, save a nil key, a nil in place of a whole struct, and
//! unsigned numbers that wrap.

use std::borrow::Cow;

use super::{DecodeError, Reader};

/// How signed integers are written; both are read by every peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// As memberlist up to 0.5.2 writes them: positive ones like unsigned.
    #[default]
    Old,
    /// As memberlist from 0.5.3 on writes them: always signed.
    New,
}

/// Bytes or nil, which is not the same as no bytes on the wire.
pub type Raw<'a> = Option<Cow<'a, [u8]>>;

// ---- What a value starts with ----------------------------------------------------------------------------

/// The first bytes of a value, up to its payload or its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    /// A string of so many bytes.
    Text(usize),
    /// Bytes of the new msgpack spec.
    Bin(usize),
    Array(usize),
    Map(usize),
    /// A float or an extension: so many bytes of no interest.
    Opaque(usize),
}

impl Head {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut ahead = *reader;
        let head = Self::read_ahead(&mut ahead)?;
        *reader = ahead;
        Ok(head)
    }

    fn read_ahead(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let first = reader.u8()?;
        Ok(match first {
            0x00..=0x7f => Self::Unsigned(first.into()),
            0x80..=0x8f => Self::Map((first & 0x0f).into()),
            0x90..=0x9f => Self::Array((first & 0x0f).into()),
            0xa0..=0xbf => Self::Text((first & 0x1f).into()),
            0xc0 => Self::Nil,
            0xc1 => return Err(DecodeError::Malformed("reserved byte")),
            0xc2 => Self::Bool(false),
            0xc3 => Self::Bool(true),
            0xc4 => Self::Bin(reader.u8()?.into()),
            0xc5 => Self::Bin(reader.u16be()?.into()),
            0xc6 => Self::Bin(length(reader.u32be()?)?),
            0xc7 => Self::Opaque(usize::from(reader.u8()?) + 1),
            0xc8 => Self::Opaque(usize::from(reader.u16be()?) + 1),
            0xc9 => Self::Opaque(length(reader.u32be()?)?.saturating_add(1)),
            0xca => Self::Opaque(4),
            0xcb => Self::Opaque(8),
            0xcc => Self::Unsigned(reader.u8()?.into()),
            0xcd => Self::Unsigned(reader.u16be()?.into()),
            0xce => Self::Unsigned(reader.u32be()?.into()),
            0xcf => Self::Unsigned(reader.u64be()?),
            0xd0 => signed(i8::from_be_bytes(reader.array()?).into()),
            0xd1 => signed(i16::from_be_bytes(reader.array()?).into()),
            0xd2 => signed(i32::from_be_bytes(reader.array()?).into()),
            0xd3 => signed(i64::from_be_bytes(reader.array()?)),
            0xd4..=0xd8 => Self::Opaque((1 << (first - 0xd4)) + 1),
            0xd9 => Self::Text(reader.u8()?.into()),
            0xda => Self::Text(reader.u16be()?.into()),
            0xdb => Self::Text(length(reader.u32be()?)?),
            0xdc => Self::Array(reader.u16be()?.into()),
            0xdd => Self::Array(length(reader.u32be()?)?),
            0xde => Self::Map(reader.u16be()?.into()),
            0xdf => Self::Map(length(reader.u32be()?)?),
            0xe0..=0xff => Self::Negative(i64::from(first) - 0x100),
        })
    }

    /// Bytes of payload and number of values inside.
    fn contents(self) -> (usize, u64) {
        match self {
            Self::Text(len) | Self::Bin(len) | Self::Opaque(len) => (len, 0),
            Self::Array(count) => (0, count as u64),
            Self::Map(count) => (0, count as u64 * 2),
            Self::Nil | Self::Bool(_) | Self::Unsigned(_) | Self::Negative(_) => (0, 0),
        }
    }
}

fn length(len: u32) -> Result<usize, DecodeError> {
    usize::try_from(len).map_err(|_| DecodeError::Malformed("length"))
}

fn signed(value: i64) -> Head {
    u64::try_from(value).map_or(Head::Negative(value), Head::Unsigned)
}

/// Passes over one value of any kind, however deep.
pub fn skip(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let mut left: u64 = 1;
    while left > 0 {
        let (bytes, items) = Head::read(reader)?.contents();
        reader.take(bytes)?;
        left = (left - 1).saturating_add(items);
    }
    Ok(())
}

/// Finds the end of one value in bytes that arrive in pieces, looking at each byte once.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    left: u64,
    end: usize,
}

impl Default for Scan {
    fn default() -> Self {
        Self { left: 1, end: 0 }
    }
}

impl Scan {
    /// The length of the value at the start of `bytes`, or [`DecodeError::Ended`] until all of it is there.
    /// `bytes` may only have grown since the last call.
    pub fn value_len(&mut self, bytes: &[u8]) -> Result<usize, DecodeError> {
        while self.left > 0 {
            let rest = bytes.get(self.end..).ok_or(DecodeError::Ended)?;
            let mut reader = Reader::new(rest);
            let (payload, items) = Head::read(&mut reader)?.contents();
            let head = rest.len() - reader.rest().len();
            self.end = self.end.saturating_add(head).saturating_add(payload);
            self.left = (self.left - 1).saturating_add(items);
        }
        if self.end <= bytes.len() { Ok(self.end) } else { Err(DecodeError::Ended) }
    }
}

// ---- Structs -----------------------------------------------------------------------------------------------

/// A struct of the peer: a map from its field names, in bytewise order. Received also as an array.
pub trait Struct<'a>: Default {
    /// The field names in the order an array has them.
    const KEYS: &'static [&'static str];

    /// Reads the value of the field `key`, or passes over it.
    fn set(&mut self, key: &str, reader: &mut Reader<'a>) -> Result<(), DecodeError>;

    /// The fields that are written, in any order.
    fn fields(&self) -> Vec<(&'static str, &dyn Value<'a>)>;
}

/// Reads a struct. A field not there has its zero value; of a field that is there twice the last one counts.
pub fn read_struct<'a, S: Struct<'a>>(reader: &mut Reader<'a>) -> Result<S, DecodeError> {
    let mut value = S::default();
    read_fields(reader, S::KEYS, &mut |key, reader| value.set(key, reader))?;
    Ok(value)
}

/// One code for all structs.
fn read_fields<'a>(
    reader: &mut Reader<'a>,
    keys: &[&str],
    set: &mut dyn FnMut(&str, &mut Reader<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    match Head::read(reader)? {
        Head::Map(count) => {
            for _ in 0..count {
                let key = read_key(reader)?;
                set(std::str::from_utf8(&key).unwrap_or_default(), reader)?;
            }
        }
        Head::Array(count) => {
            let mut keys = keys.iter();
            for _ in 0..count {
                set(keys.next().unwrap_or(&""), reader)?;
            }
        }
        _ => return Err(DecodeError::Malformed("neither map nor array")),
    }
    Ok(())
}

/// Writes a struct as a map with its keys in bytewise order.
pub fn write_struct<'a>(value: &impl Struct<'a>, dialect: Dialect, out: &mut Vec<u8>) {
    write_fields(value.fields(), dialect, out);
}

fn write_fields(mut fields: Vec<(&str, &dyn Value<'_>)>, dialect: Dialect, out: &mut Vec<u8>) {
    fields.sort_unstable_by_key(|(key, _)| *key);
    // No message has more than 15 fields, the most a one-byte head can count.
    out.push(0x80 | u8::try_from(fields.len()).unwrap_or(0x0f));
    for (key, value) in fields {
        write_bytes(key.as_bytes(), out);
        value.write(dialect, out);
    }
}

fn read_key<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, DecodeError> {
    match Head::read(reader)? {
        Head::Text(len) | Head::Bin(len) => reader.take(len).map(Cow::Borrowed),
        _ => Err(DecodeError::Malformed("key")),
    }
}

// ---- Values of fields --------------------------------------------------------------------------------------

/// The value of a field.
pub trait Value<'a> {
    /// Reads one; nil is the zero value.
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError>
    where
        Self: Sized;

    /// Appends it to `out`.
    fn write(&self, dialect: Dialect, out: &mut Vec<u8>);

    /// Whether it is zero or empty, when some fields are not written.
    fn is_zero(&self) -> bool;
}

macro_rules! unsigned {
    ($($int:ty),*) => {$(
        impl<'a> Value<'a> for $int {
            fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                match Head::read(reader)? {
                    Head::Nil => Ok(0),
                    Head::Unsigned(value) => value.try_into().map_err(|_| DecodeError::Malformed("number too large")),
                    _ => Err(DecodeError::Malformed("not an unsigned number")),
                }
            }

            fn write(&self, _: Dialect, out: &mut Vec<u8>) {
                write_unsigned((*self).into(), out);
            }

            fn is_zero(&self) -> bool {
                *self == 0
            }
        }
    )*};
}

unsigned!(u8, u16, u32);

/// A Go `int`.
impl<'a> Value<'a> for i64 {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match Head::read(reader)? {
            Head::Nil => Ok(0),
            Head::Unsigned(value) => value.try_into().map_err(|_| DecodeError::Malformed("number too large")),
            Head::Negative(value) => Ok(value),
            _ => Err(DecodeError::Malformed("not a number")),
        }
    }

    fn write(&self, dialect: Dialect, out: &mut Vec<u8>) {
        match (u64::try_from(*self), dialect) {
            (Ok(value), Dialect::Old) => write_unsigned(value, out),
            _ => write_signed(*self, out),
        }
    }

    fn is_zero(&self) -> bool {
        *self == 0
    }
}

impl<'a> Value<'a> for bool {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        // Of the integers only the one-byte 0 and 1 will do.
        match reader.u8()? {
            0x00 | 0xc0 | 0xc2 => Ok(false),
            0x01 | 0xc3 => Ok(true),
            _ => Err(DecodeError::Malformed("not a boolean")),
        }
    }

    fn write(&self, _: Dialect, out: &mut Vec<u8>) {
        out.push(if *self { 0xc3 } else { 0xc2 });
    }

    fn is_zero(&self) -> bool {
        !*self
    }
}

/// A Go `string`, which need not be UTF-8.
impl<'a> Value<'a> for Cow<'a, [u8]> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Raw::read(reader)?.unwrap_or_default())
    }

    fn write(&self, _: Dialect, out: &mut Vec<u8>) {
        write_bytes(self, out);
    }

    fn is_zero(&self) -> bool {
        self.is_empty()
    }
}

/// A Go `[]byte`.
impl<'a> Value<'a> for Raw<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match Head::read(reader)? {
            Head::Nil => Ok(None),
            Head::Text(len) | Head::Bin(len) => Ok(Some(Cow::Borrowed(reader.take(len)?))),
            Head::Array(count) => {
                let bytes: Result<Vec<u8>, _> = (0..count).map(|_| u8::read(reader)).collect();
                Ok(Some(Cow::Owned(bytes?)))
            }
            _ => Err(DecodeError::Malformed("not bytes")),
        }
    }

    fn write(&self, _: Dialect, out: &mut Vec<u8>) {
        match self {
            Some(bytes) => write_bytes(bytes, out),
            None => out.push(0xc0),
        }
    }

    fn is_zero(&self) -> bool {
        self.as_ref().is_none_or(|bytes| bytes.is_empty())
    }
}

fn write_unsigned(value: u64, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let (tag, skip) = match value {
        0..=0x7f => return out.push(bytes[7]),
        0x80..=0xff => (0xcc, 7),
        0x100..=0xffff => (0xcd, 6),
        0x1_0000..=0xffff_ffff => (0xce, 4),
        _ => (0xcf, 0),
    };
    out.push(tag);
    out.extend(bytes.iter().skip(skip));
}

fn write_signed(value: i64, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let (tag, skip) = match value {
        -0x20..=0x7f => return out.push(bytes[7]),
        -0x80..-0x20 => (0xd0, 7),
        -0x8000..-0x80 | 0x80..=0x7fff => (0xd1, 6),
        -0x8000_0000..-0x8000 | 0x8000..=0x7fff_ffff => (0xd2, 4),
        _ => (0xd3, 0),
    };
    out.push(tag);
    out.extend(bytes.iter().skip(skip));
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let [a, b, c, d] = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    match bytes.len() {
        0..=0x1f => out.push(0xa0 | d),
        0x20..=0xffff => out.extend([0xda, c, d]),
        _ => out.extend([0xdb, a, b, c, d]),
    }
    out.extend(bytes);
}
