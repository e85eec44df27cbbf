//! Streams of any values.

use super::{
    intake::{Error, Intake},
    known::{Known, Limits, Types},
    read::{Cursor, Fault},
    types::{Id, WireType},
    value::{AnyValue, Value},
};

/// Reads one stream of values of any type.
#[derive(Debug)]
pub struct Decoder {
    intake: Intake,
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub fn new(limits: Limits) -> Self {
        Self { intake: Intake::new(limits) }
    }

    /// The next value, with the number of its type. It takes from the front of `input` what it needs and leaves the
    /// rest; `None` when all is taken and the value is not whole yet.
    ///
    /// An error ends the stream: it is given again at each further call.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<(Id, Value)>, Error> {
        let value =
            self.intake.next(input, |known, id, cursor| read(known, id, cursor).map(|value| (id, value)))?;
        Ok(value.map(|(value, _)| value))
    }

    /// What the stream has said of a type.
    pub fn wire_type(&self, id: Id) -> Option<&WireType> {
        self.intake.known().get(id)
    }

    /// Bytes kept of a value that is not whole yet.
    pub fn pending(&self) -> usize {
        self.intake.pending()
    }

    /// Whether the stream may end here: an error if it does so inside a value or in want of one.
    pub fn finish(&self) -> Result<(), Error> {
        self.intake.finish()
    }
}

fn read(known: &mut Known, id: Id, cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
    known.check(vec![id])?;
    let limits = *known.limits();
    AnyValue { types: known, budget: limits.values }.outer(id, cursor, limits.depth)
}
