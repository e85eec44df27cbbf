//! The pieces every value is read from.

use std::fmt;

use super::{
    known::Types,
    time::BadTime,
    types::{Id, id},
};

/// Longest registered name of an interface's type that Go takes.
const MAX_NAME: usize = 1024;

/// Messages in which one value goes on, those apart that only define a type. As many are seen to be wanted only when
/// the value is read, and so it is read again for each; Go begins one for each type first met in an interface.
const MAX_PARTS: u32 = 64;

/// What is wrong with a stream. The first fault ends it: nothing after it can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Not wrong yet: the value goes on in a gob message that has not arrived.
    Unfinished,
    /// The stream ends inside a message, inside a value, or after a definition.
    Ended,
    /// A gob message without bytes.
    EmptyMessage,
    /// A gob message, or those of one value together, above the limit.
    TooLong,
    /// A value spread over more gob messages than any encoder makes of it.
    TooManyParts,
    /// A value ends before all of it is there.
    Truncated,
    /// An unsigned integer of more than 8 bytes.
    Integer,
    /// A number that does not fit the field it is for.
    Range,
    /// A type that is not defined.
    UndefinedType(Id),
    /// A type is defined twice, or one that is given.
    DuplicateType(Id),
    /// A definition without a kind.
    NoKind(Id),
    /// More types, or more bytes of definitions, than the limit.
    TooManyTypes,
    /// Bytes after a definition.
    ExtraData,
    /// A field without a name.
    NoFieldName,
    /// A field number the struct does not have.
    FieldNumber,
    /// A field or value of another kind than is wanted.
    Mismatch,
    /// A struct none of whose fields is known.
    NoFieldsMatched,
    /// A value that is no struct is not led by a zero.
    Singleton,
    /// A number of elements that is not that of the array.
    ArrayLength,
    /// Values within values beyond the limit.
    TooDeep,
    /// More elements than the limit.
    TooManyValues,
    /// A name of an interface's type that is too long.
    LongName,
    /// A name that nobody registered.
    UnknownName,
    /// Bytes that are no time.
    Time(BadTime),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unfinished => "a value goes on in a message that has not arrived",
            Self::Ended => "the stream ends inside a message or value",
            Self::EmptyMessage => "an empty message",
            Self::TooLong => "a message above the limit",
            Self::TooManyParts => "a value in too many messages",
            Self::Truncated => "a value ends too early",
            Self::Integer => "an integer of more than 8 bytes",
            Self::Range => "a number out of range",
            Self::UndefinedType(id) => return write!(f, "type {id} is not defined"),
            Self::DuplicateType(id) => return write!(f, "type {id} is defined twice"),
            Self::NoKind(id) => return write!(f, "type {id} is of no kind"),
            Self::TooManyTypes => "too many types",
            Self::ExtraData => "data after a definition",
            Self::NoFieldName => "a field without a name",
            Self::FieldNumber => "a field number out of bounds",
            Self::Mismatch => "a value of the wrong kind",
            Self::NoFieldsMatched => "a struct without any known field",
            Self::Singleton => "no zero before a value that is no struct",
            Self::ArrayLength => "an array of the wrong length",
            Self::TooDeep => "values nested too deep",
            Self::TooManyValues => "too many elements",
            Self::LongName => "a type's name is too long",
            Self::UnknownName => "a type's name is not registered",
            Self::Time(bad) => return bad.fmt(f),
        })
    }
}

impl From<BadTime> for Fault {
    fn from(bad: BadTime) -> Self {
        Self::Time(bad)
    }
}

/// Reads values from one gob message and, where a value goes on, from those behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    /// What is left of the message.
    rest: &'a [u8],
    /// What follows the message in the stream.
    more: &'a [u8],
    /// Messages in which the value went on.
    parts: u32,
}

/// What the first bytes of a message say about it.
pub(super) enum Frame {
    /// So many bytes are needed to know more.
    Wanted(usize),
    /// The message begins after so many bytes and has so many.
    Known { head: usize, len: usize },
}

impl Frame {
    /// Reads the count before a message, which must not exceed `limit` bytes with it.
    pub(super) fn read(bytes: &[u8], limit: usize) -> Result<Self, Fault> {
        let head = match bytes.first() {
            None => return Ok(Self::Wanted(1)),
            Some(&first) if first < 0x80 => 1,
            Some(&first) => 1 + usize::from(first.wrapping_neg()),
        };
        if head > 9 {
            return Err(Fault::Integer);
        }
        let Some(rest) = bytes.get(..head) else { return Ok(Self::Wanted(head)) };
        let len = Cursor::of(rest).uint()?;
        match usize::try_from(len) {
            Ok(0) => Err(Fault::EmptyMessage),
            Ok(len) if len <= limit.saturating_sub(head) => Ok(Self::Known { head, len }),
            _ => Err(Fault::TooLong),
        }
    }

    /// Bytes from the count to the end of the message, as far as is known.
    pub(super) fn total(&self) -> usize {
        match *self {
            Self::Wanted(wanted) => wanted,
            Self::Known { head, len } => head + len,
        }
    }
}

impl<'a> Cursor<'a> {
    /// A reader of the message that begins at the start of `bytes` with its count.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut cursor = Self { rest: &[], more: bytes, parts: 0 };
        cursor.next_message()?;
        Ok(cursor)
    }

    /// A reader of values without the count before them.
    pub(crate) fn of(rest: &'a [u8]) -> Self {
        Self { rest, more: &[], parts: 0 }
    }

    /// What is left of the message.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Drops what is left of the message and goes on with the next.
    pub(super) fn next_message(&mut self) -> Result<(), Fault> {
        let Frame::Known { head, len } = Frame::read(self.more, usize::MAX)? else {
            return Err(Fault::Unfinished);
        };
        let message = self.more.get(head..).ok_or(Fault::Unfinished)?;
        (self.rest, self.more) = message.split_at_checked(len).ok_or(Fault::Unfinished)?;
        Ok(())
    }

    /// Whether the message is at its end.
    #[inline]
    pub(crate) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// What follows this message.
    pub(crate) fn more(&self) -> &'a [u8] {
        self.more
    }

    /// Bytes to the end of all there is.
    pub(crate) fn left(&self) -> usize {
        self.rest.len() + self.more.len()
    }

    /// What is left of the message, and what follows it: where to go on with [`Cursor::at`].
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.rest.len(), self.more.len())
    }

    /// The place in `bytes`, those the cursor read, that [`Cursor::mark`] gave.
    pub(crate) fn at(bytes: &'a [u8], (rest, more): (usize, usize)) -> Self {
        let (bytes, more) = bytes.split_at_checked(bytes.len().saturating_sub(more)).unwrap_or_default();
        let rest = bytes.get(bytes.len().saturating_sub(rest)..).unwrap_or_default();
        Self { rest, more, parts: 0 }
    }

    /// An unsigned integer.
    #[inline]
    pub(crate) fn uint(&mut self) -> Result<u64, Fault> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(byte.into())
            }
            _ => self.long_uint(),
        }
    }

    #[inline]
    fn long_uint(&mut self) -> Result<u64, Fault> {
        let (&first, rest) = self.rest.split_first().ok_or(Fault::Truncated)?;
        let len = usize::from(first.wrapping_neg());
        // Lengths of values: nearly all have one byte or two.
        if let (1, Some((&[value], rest))) = (len, rest.split_first_chunk()) {
            self.rest = rest;
            return Ok(value.into());
        }
        if let (2, Some((value, rest))) = (len, rest.split_first_chunk()) {
            self.rest = rest;
            return Ok(u16::from_be_bytes(*value).into());
        }
        self.longest_uint(len, rest)
    }

    #[cold]
    fn longest_uint(&mut self, len: usize, rest: &'a [u8]) -> Result<u64, Fault> {
        if len > 8 {
            return Err(Fault::Integer);
        }
        let (bytes, rest) = rest.split_at_checked(len).ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// A signed integer.
    #[inline]
    pub(crate) fn int(&mut self) -> Result<i64, Fault> {
        let value = self.uint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A number of an enumeration or byte.
    #[inline]
    pub(crate) fn uint8(&mut self) -> Result<u8, Fault> {
        u8::try_from(self.uint()?).map_err(|_| Fault::Range)
    }

    /// The number of a type, where Go keeps 32 bits.
    pub(crate) fn id(&mut self) -> Result<Id, Fault> {
        self.int().map(|id| id as Id)
    }

    /// A string, or bytes.
    #[inline]
    pub(crate) fn block(&mut self) -> Result<&'a [u8], Fault> {
        let len = self.uint()?;
        let len = usize::try_from(len).map_err(|_| Fault::Truncated)?;
        let (block, rest) = self.rest.split_at_checked(len).ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(block)
    }

    /// A double.
    pub(crate) fn float(&mut self) -> Result<f64, Fault> {
        self.uint().map(|bits| f64::from_bits(bits.swap_bytes()))
    }

    /// Before an element: there must be bytes for it, so that no count makes work that no bytes pay for.
    #[inline]
    pub(crate) fn element(&self) -> Result<(), Fault> {
        if self.at_end() { Err(Fault::Truncated) } else { Ok(()) }
    }

    /// The number of the struct's next field after `last`, of `count`; `None` at the end of the struct. It begins
    /// with `last` -1. A message's end is the end of all structs.
    #[inline]
    pub(crate) fn field(&mut self, last: &mut isize, count: usize) -> Result<Option<usize>, Fault> {
        if self.at_end() {
            return Ok(None);
        }
        let delta = self.uint()?;
        if delta == 0 {
            return Ok(None);
        }
        if delta > count as u64 {
            return Err(Fault::FieldNumber);
        }
        *last += delta as isize;
        match usize::try_from(*last) {
            Ok(number) if number < count => Ok(Some(number)),
            _ => Err(Fault::FieldNumber),
        }
    }

    /// The zero before a value that is no struct.
    pub(crate) fn singleton(&mut self) -> Result<(), Fault> {
        if self.uint()? == 0 { Ok(()) } else { Err(Fault::Singleton) }
    }

    /// The name before an interface's value; empty for nil, after which nothing follows.
    #[inline]
    pub(crate) fn interface_name(&mut self) -> Result<&'a [u8], Fault> {
        let name = self.block()?;
        if name.len() > MAX_NAME { Err(Fault::LongName) } else { Ok(name) }
    }

    /// What follows the name: definitions, which may go on in the next messages, and the number of the value's type.
    /// A count follows, which only those may trust who skip.
    #[inline]
    pub(crate) fn concrete(&mut self, types: &mut dyn Types) -> Result<Id, Fault> {
        loop {
            let begins = self.at_end();
            if begins {
                self.next_message()?;
            }
            let id = self.id()?;
            if id < 0 {
                types.learn(id.wrapping_neg(), self)?;
                if self.at_end() {
                    continue;
                }
            }
            if begins {
                self.count_part()?;
            }
            if id >= 0 {
                return Ok(id);
            }
            self.uint()?;
        }
    }

    fn count_part(&mut self) -> Result<(), Fault> {
        self.parts += 1;
        if self.parts > MAX_PARTS { Err(Fault::TooManyParts) } else { Ok(()) }
    }

    /// Reads something that may have `budget` bytes, and says how many it had; `None` if it is longer.
    pub(super) fn limited<T>(
        &mut self,
        budget: usize,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Fault>,
    ) -> Result<Option<(T, usize)>, Fault> {
        let (within, beyond) = self.rest.split_at_checked(budget).unwrap_or((self.rest, &[]));
        let mut part = Cursor { rest: within, ..*self };
        let value = read(&mut part)?;
        if part.at_end() && !beyond.is_empty() {
            return Ok(None);
        }
        let len = within.len() - part.rest.len();
        self.rest = self.rest.get(len..).unwrap_or_default();
        Ok(Some((value, len)))
    }

    /// Passes over a value of the type `id`.
    pub(crate) fn skip(&mut self, id: Id, types: &mut dyn Types, depth: usize) -> Result<(), Fault> {
        let depth = depth.checked_sub(1).ok_or(Fault::TooDeep)?;
        match id {
            id::BOOL | id::INT | id::UINT | id::FLOAT => self.uint().map(drop),
            id::COMPLEX => self.uint().and_then(|_| self.uint()).map(drop),
            id::BYTES | id::STRING => self.block().map(drop),
            id::INTERFACE => self.skip_interface(types),
            _ => self.skip_user(id, types, depth),
        }
    }

    /// The value is tossed by its count, unread. Go goes on after the name of a nil, which it misreads.
    fn skip_interface(&mut self, types: &mut dyn Types) -> Result<(), Fault> {
        if self.block()?.is_empty() {
            return Ok(());
        }
        self.concrete(types)?;
        self.block().map(drop)
    }

    fn skip_user(&mut self, id: Id, types: &mut dyn Types, depth: usize) -> Result<(), Fault> {
        let described = types.get(id).ok_or(Fault::UndefinedType(id))?;
        if let Some((element, len)) = described.array {
            let count = self.uint()?;
            if i64::try_from(count) != Ok(len) {
                return Err(Fault::ArrayLength);
            }
            return self.skip_elements(count, element, types, depth);
        }
        if let Some((key, element)) = described.map {
            for _ in 0..self.uint()? {
                self.element()?;
                self.skip(key, types, depth)?;
                self.skip(element, types, depth)?;
            }
            return Ok(());
        }
        if let Some(element) = described.slice {
            let count = self.uint()?;
            return self.skip_elements(count, element, types, depth);
        }
        if let Some(fields) = &described.fields {
            let (mut last, count) = (-1, fields.len());
            while let Some(number) = self.field(&mut last, count)? {
                let field = types.field(id, number).ok_or(Fault::FieldNumber)?;
                self.skip(field, types, depth)?;
            }
            return Ok(());
        }
        if described.is_opaque() { self.block().map(drop) } else { Err(Fault::NoKind(id)) }
    }

    fn skip_elements(
        &mut self,
        count: u64,
        element: Id,
        types: &mut dyn Types,
        depth: usize,
    ) -> Result<(), Fault> {
        for _ in 0..count {
            self.element()?;
            self.skip(element, types, depth)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_in_any_length_up_to_eight_bytes() {
        for (bytes, value) in [
            (&[0x7f][..], 127),
            (&[0xff, 0x80], 128),
            (&[0xfe, 1, 0], 256),
            (&[0xfd, 0, 1, 0], 256),
            (&[0xf8, 255, 255, 255, 255, 255, 255, 255, 255], u64::MAX),
        ] {
            assert_eq!(Cursor::of(bytes).uint(), Ok(value));
        }
        assert_eq!(Cursor::of(&[0xf7, 0, 0, 0, 0, 0, 0, 0, 0, 1]).uint(), Err(Fault::Integer));
        assert_eq!(Cursor::of(&[0xfe, 1]).uint(), Err(Fault::Truncated));
        assert_eq!(Cursor::of(&[0x80]).uint(), Err(Fault::Integer));
        assert_eq!(Cursor::of(&[0x0e]).int(), Ok(7));
        assert_eq!(Cursor::of(&[0x01]).int(), Ok(-1));
        assert_eq!(Cursor::of(&[0xfe, 1, 1]).int(), Ok(-129));
        assert_eq!(Cursor::of(&[0xfe, 0x31, 0x40]).float(), Ok(17.0));
    }

    #[test]
    fn the_number_of_a_field_stays_in_the_struct() {
        let mut last = -1;
        let mut bytes = Cursor::of(&[1, 2, 0]);
        assert_eq!(bytes.field(&mut last, 3), Ok(Some(0)));
        assert_eq!(bytes.field(&mut last, 3), Ok(Some(2)));
        assert_eq!(bytes.field(&mut last, 3), Ok(None));
        for beyond in [&[4][..], &[0xf8, 255, 255, 255, 255, 255, 255, 255, 255]] {
            assert_eq!(Cursor::of(beyond).field(&mut -1, 3), Err(Fault::FieldNumber));
        }
        assert_eq!(Cursor::of(&[1]).field(&mut 2, 3), Err(Fault::FieldNumber));
    }
}
