//! Types of a program that writes, and the numbers they have in it.

use std::{collections::BTreeMap, sync::Arc};

use super::types::{Field, Id, WireType, id};

/// A type of a [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Type {
    Bool,
    Int,
    Uint,
    Float,
    Bytes,
    String,
    Complex,
    Interface,
    /// One that streams define; [`Schema::define`] gives it out.
    Defined(usize),
}

/// What a type that streams define is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A struct: names and types of its fields.
    Struct(Vec<(String, Type)>),
    /// An array: its elements and how many there are.
    Array(Type, i64),
    /// A slice: its elements. That of bytes is [`Type::Bytes`].
    Slice(Type),
    /// A map: its keys and values.
    Map(Type, Type),
    /// A `GobEncoder`.
    GobEncoder,
    /// A `BinaryMarshaler`.
    BinaryMarshaler,
}

#[derive(Clone, Debug)]
struct Definition {
    name: String,
    shape: Arc<Shape>,
    id: Option<Id>,
}

/// The types of a program. Like Go's, it numbers them for all its streams as they are first met.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    definitions: Vec<Definition>,
    registered: BTreeMap<Box<[u8]>, Type>,
    numbered: Id,
}

impl Schema {
    /// A schema without types.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a type under the name its definition shall carry: that of a named type; of an unnamed one that is a field
    /// its spelling in Go, with the last element of the package's path; else none.
    pub fn define(&mut self, name: &str, shape: Shape) -> Type {
        self.definitions.push(Definition { name: name.to_owned(), shape: Arc::new(shape), id: None });
        Type::Defined(self.definitions.len() - 1)
    }

    /// Gives a type another shape, as a type needs that refers to itself. It must not have been written before.
    pub fn redefine(&mut self, defined: Type, shape: Shape) {
        if let Some(definition) = self.definition_mut(defined) {
            definition.shape = Arc::new(shape);
        }
    }

    /// Allows values of a type in interfaces, under `name`: for `gob.Register` the package's whole path and the
    /// type's name.
    pub fn register(&mut self, name: &str, of: Type) {
        self.registered.insert(name.as_bytes().into(), of);
    }

    /// The type that is registered under `name`. Go's basic types always are, and slices of them once they are
    /// defined and registered here.
    pub(super) fn registered(&self, name: &[u8]) -> Option<Type> {
        Some(match name {
            b"bool" => Type::Bool,
            b"int" | b"int8" | b"int16" | b"int32" | b"int64" => Type::Int,
            b"uint" | b"uint8" | b"uint16" | b"uint32" | b"uint64" | b"uintptr" => Type::Uint,
            b"float32" | b"float64" => Type::Float,
            b"complex64" | b"complex128" => Type::Complex,
            b"string" => Type::String,
            b"[]uint8" => Type::Bytes,
            _ => return self.registered.get(name).copied(),
        })
    }

    pub(super) fn shape(&self, of: Type) -> Option<Arc<Shape>> {
        let Type::Defined(index) = of else { return None };
        self.definitions.get(index).map(|definition| Arc::clone(&definition.shape))
    }

    fn definition_mut(&mut self, of: Type) -> Option<&mut Definition> {
        let Type::Defined(index) = of else { return None };
        self.definitions.get_mut(index)
    }

    /// The number of a type; it and all it is made of are numbered if they are new. A struct comes before its fields,
    /// anything else after its elements.
    pub(super) fn number(&mut self, of: Type) -> Id {
        let index = match of {
            Type::Defined(index) => index,
            given => return given_id(given),
        };
        let Some(definition) = self.definitions.get(index) else { return 0 };
        if let Some(id) = definition.id {
            return id;
        }
        let shape = Arc::clone(&definition.shape);
        let first = matches!(*shape, Shape::Struct(_)).then(|| self.take_number(of));
        for element in shape.elements() {
            self.number(element);
        }
        // An element that refers back may have numbered this one.
        let numbered = self.definitions.get(index).and_then(|definition| definition.id);
        first.or(numbered).unwrap_or_else(|| self.take_number(of))
    }

    fn take_number(&mut self, of: Type) -> Id {
        let id = id::FIRST_USER.saturating_add(self.numbered);
        self.numbered += 1;
        if let Some(definition) = self.definition_mut(of) {
            definition.id = Some(id);
        }
        id
    }

    /// The definition of a type, all of whose numbers are given.
    pub(super) fn wire_type(&mut self, of: Type) -> WireType {
        let Some(definition) = self.definition_mut(of) else { return WireType::default() };
        let mut wire = WireType { name: definition.name.as_bytes().into(), ..WireType::default() };
        match &*Arc::clone(&definition.shape) {
            Shape::Struct(fields) => {
                let field = |(name, of): &(String, Type)| Field {
                    name: name.as_bytes().into(),
                    id: self.number(*of),
                };
                wire.fields = Some(fields.iter().map(field).collect());
            }
            Shape::Array(element, len) => wire.array = Some((self.number(*element), *len)),
            Shape::Slice(element) => wire.slice = Some(self.number(*element)),
            Shape::Map(key, element) => wire.map = Some((self.number(*key), self.number(*element))),
            Shape::GobEncoder => wire.gob_encoder = true,
            Shape::BinaryMarshaler => wire.binary_marshaler = true,
        }
        wire
    }
}

impl Shape {
    /// The types it is made of, in order.
    pub(super) fn elements(&self) -> Vec<Type> {
        match self {
            Self::Struct(fields) => fields.iter().map(|&(_, of)| of).collect(),
            Self::Array(element, _) | Self::Slice(element) => vec![*element],
            Self::Map(key, element) => vec![*key, *element],
            Self::GobEncoder | Self::BinaryMarshaler => Vec::new(),
        }
    }
}

fn given_id(of: Type) -> Id {
    match of {
        Type::Bool => id::BOOL,
        Type::Int => id::INT,
        Type::Uint => id::UINT,
        Type::Float => id::FLOAT,
        Type::Bytes => id::BYTES,
        Type::String => id::STRING,
        Type::Complex => id::COMPLEX,
        Type::Interface => id::INTERFACE,
        Type::Defined(_) => 0,
    }
}
