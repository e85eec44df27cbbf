//! The types a stream has defined so far.

use super::{
    read::{Cursor, Fault},
    types::{Field, Id, WireType, id},
};

/// What a stream may ask of its reader. Go's own limits are far higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the gob messages of one value, together. They are kept as they arrive, not on the word of a count.
    pub message: usize,
    /// Bytes of all definitions of the stream.
    pub definitions: usize,
    /// Types the stream defines.
    pub types: usize,
    /// Values within values.
    pub depth: usize,
    /// Elements and fields of one value that is read as a [`Value`](super::Value).
    pub values: usize,
}

impl Default for Limits {
    /// For peers one does not trust: 1 MiB a message, 64 KiB of definitions, 1,000 types, 256 levels, 65,536 values.
    fn default() -> Self {
        Self { message: 1 << 20, definitions: 64 << 10, types: 1000, depth: 256, values: 1 << 16 }
    }
}

/// Where a reader looks up types, and what it does with new ones.
pub(crate) trait Types {
    /// The type with this number.
    fn get(&self, id: Id) -> Option<&WireType>;

    /// Reads the definition of the type `id`.
    fn learn(&mut self, id: Id, cursor: &mut Cursor<'_>) -> Result<(), Fault>;

    /// What values may ask for.
    fn limits(&self) -> &Limits;

    /// The type of a field of the struct `id`.
    fn field(&self, id: Id, number: usize) -> Option<Id> {
        Some(self.get(id)?.fields.as_ref()?.get(number)?.id)
    }
}

/// The types of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// In the order they came, with the bytes of their definitions.
    types: Vec<(WireType, usize)>,
    /// Where they are in it, in the order of their numbers, which is that in which most streams define them.
    places: Vec<(Id, usize)>,
    bytes: usize,
    limits: Limits,
}

impl Known {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.types.len()
    }

    /// Forgets all but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.bytes -= self.types.drain(len..).map(|(_, bytes)| bytes).sum::<usize>();
            self.places.retain(|&(_, place)| place < len);
        }
    }

    /// Where the type is among the numbers, or where it would be.
    fn search(&self, id: Id) -> Result<usize, usize> {
        self.places.binary_search_by_key(&id, |&(id, _)| id)
    }

    fn place(&self, id: Id) -> Option<usize> {
        self.places.get(self.search(id).ok()?).map(|&(_, place)| place)
    }

    /// Checks that `open` and all types they are made of can be skipped, whether or not a value has come.
    pub(crate) fn check(&self, mut open: Vec<Id>) -> Result<(), Fault> {
        let mut types: Vec<_> = self.types.iter().map(|(described, _)| Some(described)).collect();
        while let Some(id) = open.pop() {
            if (id::BOOL..=id::INTERFACE).contains(&id) {
                continue;
            }
            let unseen = self.place(id).and_then(|place| types.get_mut(place));
            let Some(described) = unseen.ok_or(Fault::UndefinedType(id))?.take() else { continue };
            match described {
                WireType { array: Some((element, _)), .. } => open.push(*element),
                WireType { map: Some((key, element)), .. } => open.extend([*key, *element]),
                WireType { slice: Some(element), .. } => open.push(*element),
                WireType { fields: Some(fields), .. } => {
                    if fields.iter().any(|field| field.name.is_empty()) {
                        return Err(Fault::NoFieldName);
                    }
                    open.extend(fields.iter().map(|field| field.id));
                }
                opaque if opaque.is_opaque() => {}
                _ => return Err(Fault::NoKind(id)),
            }
        }
        Ok(())
    }
}

impl Types for Known {
    fn get(&self, id: Id) -> Option<&WireType> {
        self.types.get(self.place(id)?).map(|(described, _)| described)
    }

    fn learn(&mut self, id: Id, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        let Err(at) = self.search(id) else { return Err(Fault::DuplicateType(id)) };
        if id < id::FIRST_USER {
            return Err(Fault::DuplicateType(id));
        }
        if self.len() >= self.limits.types {
            return Err(Fault::TooManyTypes);
        }
        let budget = self.limits.definitions - self.bytes;
        let (described, bytes) = cursor.limited(budget, WireType::read)?.ok_or(Fault::TooManyTypes)?;
        self.bytes += bytes;
        self.places.insert(at, (id, self.len()));
        self.types.push((described, bytes));
        Ok(())
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Types that are all known: for reading once more what was read before.
#[derive(Clone, Copy)]
pub(crate) struct Fixed<'a>(pub(crate) &'a Known);

impl Types for Fixed<'_> {
    fn get(&self, id: Id) -> Option<&WireType> {
        self.0.get(id)
    }

    fn learn(&mut self, _: Id, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        WireType::read(cursor).map(drop)
    }

    fn limits(&self) -> &Limits {
        self.0.limits()
    }
}

impl WireType {
    /// Reads a description: the value of a `wireType`, whose own layout every stream knows.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let (mut described, mut last) = (Self::default(), -1);
        while let Some(kind) = cursor.field(&mut last, 7)? {
            match kind {
                0 => described.array = Some(described.read_kind(cursor, 3)?),
                1 => described.slice = Some(described.read_kind(cursor, 2)?.0),
                2 => described.read_struct(cursor)?,
                3 => {
                    let (key, element) = described.read_kind(cursor, 3)?;
                    described.map = Some((key, Id::try_from(element).map_err(|_| Fault::Range)?));
                }
                _ => {
                    described.read_kind(cursor, 1)?;
                    match kind {
                        4 => described.gob_encoder = true,
                        5 => described.binary_marshaler = true,
                        _ => described.text_marshaler = true,
                    }
                }
            }
        }
        Ok(described)
    }

    /// The description of a kind: the common part, then a type and a number.
    fn read_kind(&mut self, cursor: &mut Cursor<'_>, fields: usize) -> Result<(Id, i64), Fault> {
        let (mut element, mut second, mut last) = (0, 0, -1);
        while let Some(number) = cursor.field(&mut last, fields)? {
            match number {
                0 => self.read_common(cursor)?,
                1 => element = read_id(cursor)?,
                _ => second = cursor.int()?,
            }
        }
        Ok((element, second))
    }

    fn read_struct(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        let (mut fields, mut last) = (Vec::new(), -1);
        while let Some(number) = cursor.field(&mut last, 2)? {
            if number == 0 {
                self.read_common(cursor)?;
                continue;
            }
            for _ in 0..cursor.uint()? {
                cursor.element()?;
                fields.push(Field::read(cursor)?);
            }
        }
        self.fields = Some(fields.into());
        Ok(())
    }

    /// The name, and a number that nobody looks at.
    fn read_common(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        let mut last = -1;
        while let Some(number) = cursor.field(&mut last, 2)? {
            match number {
                0 => self.name = cursor.block()?.into(),
                _ => read_id(cursor).map(drop)?,
            }
        }
        Ok(())
    }
}

impl Field {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let (mut field, mut last) = (Self { name: [].into(), id: 0 }, -1);
        while let Some(number) = cursor.field(&mut last, 2)? {
            match number {
                0 => field.name = cursor.block()?.into(),
                _ => field.id = read_id(cursor)?,
            }
        }
        Ok(field)
    }
}

/// A type's number inside a definition, which must fit 32 bits.
fn read_id(cursor: &mut Cursor<'_>) -> Result<Id, Fault> {
    Id::try_from(cursor.int()?).map_err(|_| Fault::Range)
}
