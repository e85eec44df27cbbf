//! Writes streams as Go writes them: types are defined when they are first met, also in the middle of a value.

use std::{collections::BTreeSet, fmt};

use super::{
    schema::{Schema, Shape, Type},
    types::Id,
    value::{Dynamic, Value},
    write,
};

/// Why a value cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// A value is not of its type.
    Mismatch,
    /// A struct has a field its type does not have.
    UnknownField(Box<[u8]>),
    /// An array does not have as many elements as its type.
    ArrayLength,
    /// An interface holds a type that is not registered.
    Unregistered(Box<[u8]>),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch => f.write_str("a value is not of its type"),
            Self::UnknownField(name) => write!(f, "no field {}", name.escape_ascii()),
            Self::ArrayLength => f.write_str("an array of the wrong length"),
            Self::Unregistered(name) => write!(f, "{} is not registered", name.escape_ascii()),
        }
    }
}

impl std::error::Error for EncodeError {}

/// Writes one stream.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    sent: BTreeSet<Id>,
}

impl Encoder {
    /// An encoder at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a value of the type `of` and the definitions it needs. After an error the stream cannot go on.
    pub fn encode(
        &mut self,
        schema: &mut Schema,
        of: Type,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let around = vec![std::mem::take(out)];
        let mut writer = Writer { sent: &mut self.sent, schema, around, inner: Vec::new() };
        let result = writer.outermost(of, value);
        *out = writer.around.pop().unwrap_or_default();
        result
    }
}

/// Writes one value.
struct Writer<'e> {
    sent: &'e mut BTreeSet<Id>,
    schema: &'e mut Schema,
    /// The stream, then what is begun around the innermost interface.
    around: Vec<Vec<u8>>,
    /// The message, or the value of the innermost interface. It goes into the one around it, led by its length, when
    /// it ends or a definition in it does.
    inner: Vec<u8>,
}

impl Writer<'_> {
    fn outermost(&mut self, of: Type, value: &Value) -> Result<(), EncodeError> {
        let id = self.schema.number(of);
        self.define(of);
        write::int(&mut self.inner, id.into());
        self.outer(of, value)?;
        self.cut();
        Ok(())
    }

    /// Moves the innermost buffer into the one around it.
    fn cut(&mut self) {
        if let Some(around) = self.around.last_mut() {
            write::bytes(around, &self.inner);
            self.inner.clear();
        }
    }

    /// Defines a type and those it is made of, in the order Go does, unless the stream has them.
    fn define(&mut self, of: Type) {
        let Some(shape) = self.schema.shape(of) else { return };
        let id = self.schema.number(of);
        if !self.sent.insert(id) {
            return;
        }
        self.schema.wire_type(of).define(id, &mut self.inner);
        self.cut();
        for element in shape.elements() {
            self.define(element);
        }
    }

    /// A value at top level or in an interface: one that is no struct is led by a zero.
    fn outer(&mut self, of: Type, value: &Value) -> Result<(), EncodeError> {
        if !matches!(self.schema.shape(of).as_deref(), Some(Shape::Struct(_))) {
            self.inner.push(0);
        }
        self.value(of, value)
    }

    fn value(&mut self, of: Type, value: &Value) -> Result<(), EncodeError> {
        match (of, value) {
            (Type::Bool, Value::Bool(value)) => write::uint(&mut self.inner, (*value).into()),
            (Type::Int, Value::Int(value)) => write::int(&mut self.inner, *value),
            (Type::Uint, Value::Uint(value)) => write::uint(&mut self.inner, *value),
            (Type::Float, Value::Float(value)) => write::float(&mut self.inner, *value),
            (Type::Complex, Value::Complex(real, imaginary)) => {
                write::float(&mut self.inner, *real);
                write::float(&mut self.inner, *imaginary);
            }
            (Type::Bytes, Value::Bytes(bytes)) | (Type::String, Value::String(bytes)) => {
                write::bytes(&mut self.inner, bytes);
            }
            (Type::Bytes, Value::List(bytes)) => {
                let bytes: Option<Vec<u8>> = bytes.iter().map(Value::byte).collect();
                write::bytes(&mut self.inner, &bytes.ok_or(EncodeError::Mismatch)?);
            }
            (Type::Interface, Value::Interface(None)) => self.inner.push(0),
            (Type::Interface, Value::Interface(Some(dynamic))) => self.interface(dynamic)?,
            (Type::Defined(_), _) => self.defined(of, value)?,
            _ => return Err(EncodeError::Mismatch),
        }
        Ok(())
    }

    fn interface(&mut self, dynamic: &Dynamic) -> Result<(), EncodeError> {
        let name = &dynamic.name;
        let of = self.schema.registered(name).ok_or_else(|| EncodeError::Unregistered(name.clone()))?;
        write::bytes(&mut self.inner, name);
        let id = self.schema.number(of);
        self.define(of);
        write::int(&mut self.inner, id.into());
        self.around.push(std::mem::take(&mut self.inner));
        let result = self.outer(of, &dynamic.value);
        self.cut();
        self.inner = self.around.pop().unwrap_or_default();
        result
    }

    fn defined(&mut self, of: Type, value: &Value) -> Result<(), EncodeError> {
        let shape = self.schema.shape(of).ok_or(EncodeError::Mismatch)?;
        match (&*shape, value) {
            (Shape::Struct(fields), Value::Struct(values)) => self.fields(fields, values),
            (Shape::Array(_, len), Value::List(values)) if values.len() as i64 != *len => {
                Err(EncodeError::ArrayLength)
            }
            (Shape::Array(element, _) | Shape::Slice(element), Value::List(values)) => {
                write::uint(&mut self.inner, values.len() as u64);
                values.iter().try_for_each(|value| self.value(*element, value))
            }
            (Shape::Map(key, element), Value::Map(pairs)) => {
                write::uint(&mut self.inner, pairs.len() as u64);
                pairs.iter().try_for_each(|(one, other)| {
                    self.value(*key, one)?;
                    self.value(*element, other)
                })
            }
            (Shape::GobEncoder | Shape::BinaryMarshaler, Value::Opaque(bytes)) => {
                write::bytes(&mut self.inner, bytes);
                Ok(())
            }
            _ => Err(EncodeError::Mismatch),
        }
    }

    fn fields(
        &mut self,
        fields: &[(String, Type)],
        values: &[(Box<[u8]>, Value)],
    ) -> Result<(), EncodeError> {
        let known = |name: &[u8]| fields.iter().any(|(field, _)| field.as_bytes() == name);
        if let Some((name, _)) = values.iter().find(|(name, _)| !known(name)) {
            return Err(EncodeError::UnknownField(name.clone()));
        }
        let mut last = -1;
        for (number, (name, of)) in (0i64..).zip(fields) {
            let value = values.iter().find(|(field, _)| **field == *name.as_bytes()).map(|(_, value)| value);
            let Some(value) = value.filter(|value| self.is_sent(*of, value)) else { continue };
            write::uint(&mut self.inner, (number - last) as u64);
            last = number;
            self.value(*of, value)?;
        }
        self.inner.push(0);
        Ok(())
    }

    /// Whether a field with this value is sent: not if it is zero, but for structs, arrays and maps.
    fn is_sent(&self, of: Type, value: &Value) -> bool {
        match value {
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Uint(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Value::Bytes(bytes) | Value::String(bytes) => !bytes.is_empty(),
            Value::List(values) => {
                !values.is_empty() || matches!(self.schema.shape(of).as_deref(), Some(Shape::Array(..)))
            }
            Value::Interface(dynamic) => dynamic.is_some(),
            Value::Map(_) | Value::Struct(_) | Value::Opaque(_) => true,
        }
    }
}
