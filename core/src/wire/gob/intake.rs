//! Bytes in any cut, whole values out.
//!
//! A value is read where it lies if all of it lies in what was fed. Else it is gathered, and read once its last gob
//! message is there: which one that is shows only while it is read, so a value that turns out to go on is read again
//! from its beginning when more has come, and the definitions in it are forgotten until then.

use std::fmt;

use super::{
    known::{Known, Limits, Types},
    read::{Cursor, Fault, Frame},
    types::Id,
};

/// A buffer above this is given back after its value.
const KEEP: usize = 1 << 20;
/// Why a stream ended, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Error {
    /// What is wrong.
    pub fault: Fault,
    /// Bytes of the stream before what is wrong.
    pub offset: u64,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gob: {} at byte {}", self.fault, self.offset)
    }
}

impl std::error::Error for Error {}

/// Where the bytes of a value lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// In what was fed, after so many bytes.
    Fed(usize),
    /// In [`Intake::held`].
    Held,
}

/// Gathers the gob messages of one value at a time.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    known: Known,
    /// The beginning of a value, or one that was handed out.
    held: Vec<u8>,
    handed_out: bool,
    /// Bytes from the beginning of the value to where something can be said about it.
    wanted: usize,
    /// Bytes from the beginning of the value to the message that is awaited.
    parts: usize,
    /// How many types there were before the value; those that came with it are learnt anew when it is read again.
    before: usize,
    /// A definition came and no value yet.
    defining: bool,
    /// Bytes of the stream before the value.
    offset: u64,
    failed: Option<Error>,
}

/// What the bytes of a value, or of the beginning of one, turned out to be.
enum Step<R> {
    /// A definition of so many bytes.
    Definition(usize),
    /// A value of so many bytes.
    Value(R, usize),
    /// So many bytes are needed.
    Wanted(usize),
}

impl Intake {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { known: Known::new(limits), ..Self::default() }
    }

    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    pub(crate) fn held(&self) -> &[u8] {
        &self.held
    }

    pub(crate) fn limits(&self) -> &Limits {
        self.known.limits()
    }

    /// A fault of the value that was handed out.
    pub(crate) fn error(&self, fault: Fault) -> Error {
        Error { fault, offset: self.offset }
    }

    /// Bytes kept for a value that has not come whole.
    pub(crate) fn pending(&self) -> usize {
        if self.handed_out { 0 } else { self.held.len() }
    }

    /// Whether the stream may end here: nothing is begun.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        match self.failed {
            Some(error) => Err(error),
            None if self.pending() > 0 || self.defining => {
                Err(Error { fault: Fault::Ended, offset: self.offset + self.pending() as u64 })
            }
            None => Ok(()),
        }
    }

    /// Takes bytes from the front of `input` until a value is whole, and has `read` read it, a cursor standing
    /// behind the number of its type. `None` when all is taken.
    pub(crate) fn next<R>(
        &mut self,
        input: &mut &[u8],
        mut read: impl FnMut(&mut Known, Id, &mut Cursor<'_>) -> Result<R, Fault>,
    ) -> Result<Option<(R, Place)>, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.handed_out {
            self.begin_next(self.held.len());
        }
        let all = input.len();
        loop {
            let fed = self.held.is_empty();
            if !fed && !self.gather(input) {
                return Ok(None);
            }
            if fed && input.is_empty() {
                return Ok(None);
            }
            let held = std::mem::take(&mut self.held);
            let bytes = if fed { *input } else { &held };
            let step = self.step(bytes, &mut read);
            self.held = held;
            match step? {
                Step::Definition(len) if fed => self.pass(input, len),
                Step::Definition(len) => self.begin_next(len),
                Step::Value(value, len) if fed => {
                    let place = Place::Fed(all - input.len());
                    self.pass(input, len);
                    self.defining = false;
                    return Ok(Some((value, place)));
                }
                Step::Value(value, _) => {
                    (self.handed_out, self.defining) = (true, false);
                    return Ok(Some((value, Place::Held)));
                }
                Step::Wanted(wanted) => {
                    self.wanted = wanted;
                    if fed {
                        // What was fed beyond this value cannot be: all of it was looked at.
                        self.held.extend_from_slice(input);
                        *input = &[];
                    }
                }
            }
        }
    }

    /// Moves bytes from `input` to those held; whether as many are there as are wanted.
    fn gather(&mut self, input: &mut &[u8]) -> bool {
        let missing = self.wanted.saturating_sub(self.held.len());
        let (taken, rest) = input.split_at_checked(missing).unwrap_or((input, &[]));
        self.held.extend_from_slice(taken);
        *input = rest;
        self.held.len() >= self.wanted
    }

    fn pass(&mut self, input: &mut &[u8], len: usize) {
        *input = input.get(len..).unwrap_or_default();
        self.begin_next(len);
    }

    /// Forgets the value of `len` bytes that is over.
    fn begin_next(&mut self, len: usize) {
        self.offset += len as u64;
        self.held.clear();
        if self.held.capacity() > KEEP {
            self.held = Vec::new();
        }
        (self.handed_out, self.wanted, self.parts) = (false, 0, 0);
    }

    /// Looks at the bytes of a value from its beginning.
    fn step<R>(
        &mut self,
        bytes: &[u8],
        read: &mut impl FnMut(&mut Known, Id, &mut Cursor<'_>) -> Result<R, Fault>,
    ) -> Result<Step<R>, Error> {
        let mut at = self.parts;
        let result = self.await_parts(bytes, &mut at).and_then(|wanted| match wanted {
            Some(wanted) => Ok(Step::Wanted(wanted)),
            None => self.read(bytes, &mut at, read),
        });
        result.map_err(|fault| {
            let error = Error { fault, offset: self.offset + at as u64 };
            self.failed = Some(error);
            error
        })
    }

    /// Whether the message awaited is there, and is not one that only defines a type and leaves the value unfinished.
    fn await_parts(&mut self, bytes: &[u8], at: &mut usize) -> Result<Option<usize>, Fault> {
        loop {
            let part = bytes.get(self.parts..).unwrap_or_default();
            let frame = Frame::read(part, self.known.limits().message.saturating_sub(self.parts))?;
            let total = frame.total();
            if matches!(frame, Frame::Wanted(_)) || part.len() < total {
                return Ok(Some(self.parts + total));
            }
            if self.parts == 0 || !defines(part, &mut self.known) {
                return Ok(None);
            }
            self.parts += total;
            *at = self.parts;
        }
    }

    fn read<R>(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        read: &mut impl FnMut(&mut Known, Id, &mut Cursor<'_>) -> Result<R, Fault>,
    ) -> Result<Step<R>, Fault> {
        if self.parts == 0 {
            self.before = self.known.len();
        }
        self.known.truncate(self.before);
        let mut cursor = Cursor::new(bytes)?;
        let id = cursor.id()?;
        let result = if id < 0 {
            self.known
                .learn(id.wrapping_neg(), &mut cursor)
                .and_then(|()| if cursor.at_end() { Ok(None) } else { Err(Fault::ExtraData) })
        } else {
            read(&mut self.known, id, &mut cursor).map(Some)
        };
        let used = bytes.len() - cursor.more().len();
        if used > self.known.limits().message {
            return Err(Fault::TooLong);
        }
        match result {
            Ok(None) => {
                self.defining = true;
                Ok(Step::Definition(used))
            }
            Ok(Some(value)) => Ok(Step::Value(value, used)),
            Err(Fault::Unfinished) => {
                self.parts = used;
                let limit = self.known.limits().message.saturating_sub(used);
                Ok(Step::Wanted(used + Frame::read(cursor.more(), limit)?.total()))
            }
            Err(fault) => {
                *at = bytes.len() - cursor.left();
                Err(fault)
            }
        }
    }
}

/// Whether a message holds a definition, which is learnt, and nothing else. If in doubt it does not: then the value is
/// read, and what is wrong shows in its place.
fn defines(message: &[u8], known: &mut Known) -> bool {
    let defines = |mut cursor: Cursor<'_>| {
        let id = cursor.id()?.wrapping_neg();
        known.learn(id, &mut cursor)?;
        Ok::<_, Fault>(cursor.at_end())
    };
    Cursor::new(message).and_then(defines).unwrap_or_default()
}
