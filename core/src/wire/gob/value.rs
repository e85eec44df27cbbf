//! Values of any type, known only while the program runs.

use super::{
    known::Types,
    read::{Cursor, Fault},
    types::{Id, id},
};

/// A value as it stands in a stream, where the widths of numbers are not known, nor pointers.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A bool.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A float.
    Float(f64),
    /// A complex number: its real and its imaginary part.
    Complex(f64, f64),
    /// A byte slice.
    Bytes(Vec<u8>),
    /// A string, which need not be UTF-8.
    String(Vec<u8>),
    /// A slice or an array.
    List(Vec<Value>),
    /// A map, in the order of the stream.
    Map(Vec<(Value, Value)>),
    /// A struct: the fields that are sent, by name. One that is not there is zero, or a nil pointer or map.
    Struct(Vec<(Box<[u8]>, Value)>),
    /// An interface; `None` for nil.
    Interface(Option<Box<Dynamic>>),
    /// What a `GobEncoder` or `BinaryMarshaler` wrote of itself.
    Opaque(Vec<u8>),
}

/// What an interface holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Dynamic {
    /// The name its type is registered under.
    pub name: Box<[u8]>,
    /// The value itself.
    pub value: Value,
}

impl Value {
    /// The field of a struct, if it was sent.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let Self::Struct(fields) = self else { return None };
        fields.iter().find(|(known, _)| **known == *name.as_bytes()).map(|(_, value)| value)
    }

    /// An element of a byte slice.
    pub(super) fn byte(&self) -> Option<u8> {
        if let Self::Uint(value) = self { u8::try_from(*value).ok() } else { None }
    }
}

/// Reads a value of any type the stream knows.
pub(super) struct AnyValue<'t, T> {
    pub(super) types: &'t mut T,
    /// Elements and fields that may still come.
    pub(super) budget: usize,
}

impl<T: Types> AnyValue<'_, T> {
    /// A value at top level or in an interface: one that is no struct is led by a zero.
    pub(super) fn outer(&mut self, id: Id, cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Fault> {
        let described = self.types.get(id);
        if described.is_none_or(|described| described.fields.is_none()) {
            cursor.singleton()?;
        }
        self.inner(id, cursor, depth)
    }

    fn inner(&mut self, id: Id, cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Fault> {
        let depth = depth.checked_sub(1).ok_or(Fault::TooDeep)?;
        self.budget = self.budget.checked_sub(1).ok_or(Fault::TooManyValues)?;
        Ok(match id {
            id::BOOL => Value::Bool(cursor.uint()? != 0),
            id::INT => Value::Int(cursor.int()?),
            id::UINT => Value::Uint(cursor.uint()?),
            id::FLOAT => Value::Float(cursor.float()?),
            id::COMPLEX => Value::Complex(cursor.float()?, cursor.float()?),
            id::BYTES => Value::Bytes(cursor.block()?.to_vec()),
            id::STRING => Value::String(cursor.block()?.to_vec()),
            id::INTERFACE => self.interface(cursor, depth)?,
            _ => self.defined(id, cursor, depth)?,
        })
    }

    fn interface(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Fault> {
        let name = cursor.interface_name()?;
        if name.is_empty() {
            return Ok(Value::Interface(None));
        }
        let id = cursor.concrete(self.types)?;
        cursor.uint()?;
        let value = self.outer(id, cursor, depth)?;
        Ok(Value::Interface(Some(Box::new(Dynamic { name: name.into(), value }))))
    }

    fn defined(&mut self, id: Id, cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Fault> {
        let described = self.types.get(id).ok_or(Fault::UndefinedType(id))?;
        if let Some((element, len)) = described.array {
            let count = cursor.uint()?;
            let exact = i64::try_from(count) == Ok(len);
            return if exact { self.list(count, element, cursor, depth) } else { Err(Fault::ArrayLength) };
        }
        if let Some((key, element)) = described.map {
            return self.map((key, element), cursor, depth);
        }
        if let Some(element) = described.slice {
            let count = cursor.uint()?;
            return self.list(count, element, cursor, depth);
        }
        if let Some(fields) = &described.fields {
            let count = fields.len();
            return self.fields((id, count), cursor, depth);
        }
        if !described.is_opaque() {
            return Err(Fault::NoKind(id));
        }
        cursor.block().map(|bytes| Value::Opaque(bytes.to_vec()))
    }

    fn list(
        &mut self,
        count: u64,
        element: Id,
        cursor: &mut Cursor<'_>,
        depth: usize,
    ) -> Result<Value, Fault> {
        let mut list = Vec::new();
        for _ in 0..count {
            cursor.element()?;
            list.push(self.inner(element, cursor, depth)?);
        }
        Ok(Value::List(list))
    }

    fn map(
        &mut self,
        (key, element): (Id, Id),
        cursor: &mut Cursor<'_>,
        depth: usize,
    ) -> Result<Value, Fault> {
        let mut map = Vec::new();
        for _ in 0..cursor.uint()? {
            cursor.element()?;
            let key = self.inner(key, cursor, depth)?;
            map.push((key, self.inner(element, cursor, depth)?));
        }
        Ok(Value::Map(map))
    }

    fn fields(
        &mut self,
        (id, count): (Id, usize),
        cursor: &mut Cursor<'_>,
        depth: usize,
    ) -> Result<Value, Fault> {
        let (mut fields, mut last) = (Vec::new(), -1);
        while let Some(number) = cursor.field(&mut last, count)? {
            let described = self.types.get(id).and_then(|described| described.fields.as_ref());
            let field = described.and_then(|fields| fields.get(number)).ok_or(Fault::FieldNumber)?;
            let (name, id) = (field.name.clone(), field.id);
            fields.push((name, self.inner(id, cursor, depth)?));
        }
        Ok(Value::Struct(fields))
    }
}
