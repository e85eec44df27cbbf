//! Descriptions of types as they stand in a stream: `wireType` of `src/encoding/gob/type.go`.

use super::write;

/// Numbers of types. Those below [`FIRST_USER`] mean the same in every stream.
pub type Id = i32;

/// Types every stream knows.
pub mod id {
    use super::Id;

    /// `bool`.
    pub const BOOL: Id = 1;
    /// Every signed integer.
    pub const INT: Id = 2;
    /// Every unsigned integer.
    pub const UINT: Id = 3;
    /// `float32` and `float64`.
    pub const FLOAT: Id = 4;
    /// `[]byte`.
    pub const BYTES: Id = 5;
    /// `string`.
    pub const STRING: Id = 6;
    /// `complex64` and `complex128`.
    pub const COMPLEX: Id = 7;
    /// Every interface.
    pub const INTERFACE: Id = 8;
    /// The lowest number of a type that a stream defines.
    pub const FIRST_USER: Id = 64;
}

/// One field of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in Go.
    pub name: Box<[u8]>,
    /// Its type.
    pub id: Id,
}

/// A type a stream defines. Nothing keeps a sender from giving it several kinds at once, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WireType {
    /// Its name in Go; empty for most types without one. No decoder looks at it.
    pub name: Box<[u8]>,
    /// An array: its elements' type and their number.
    pub array: Option<(Id, i64)>,
    /// A slice: its elements' type.
    pub slice: Option<Id>,
    /// A struct: its fields in the order of their numbers.
    pub fields: Option<Box<[Field]>>,
    /// A map: the types of its keys and values.
    pub map: Option<(Id, Id)>,
    /// Bytes of its own `GobEncode`.
    pub gob_encoder: bool,
    /// Bytes of its own `MarshalBinary`.
    pub binary_marshaler: bool,
    /// Bytes of its own `MarshalText`.
    pub text_marshaler: bool,
}

impl WireType {
    /// Whether its values are bytes of its own making.
    pub fn is_opaque(&self) -> bool {
        self.gob_encoder || self.binary_marshaler || self.text_marshaler
    }

    /// A struct with fields of these names and types.
    pub fn structure(name: &str, fields: &[(&str, Id)]) -> Self {
        let field = |&(name, id): &(&str, Id)| Field { name: name.as_bytes().into(), id };
        Self {
            name: name.as_bytes().into(),
            fields: Some(fields.iter().map(field).collect()),
            ..Self::default()
        }
    }

    /// A slice of elements of this type.
    pub fn slice(name: &str, element: Id) -> Self {
        Self { name: name.as_bytes().into(), slice: Some(element), ..Self::default() }
    }

    /// A type that implements `GobEncoder`.
    pub fn gob_encoder(name: &str) -> Self {
        Self { name: name.as_bytes().into(), gob_encoder: true, ..Self::default() }
    }

    /// Appends the definition of this type under `id`: the number, negative, and the description.
    pub fn define(&self, id: Id, out: &mut Vec<u8>) {
        write::int(out, -i64::from(id));
        let mut kinds = write::Struct::new(out);
        if let Some((element, len)) = self.array {
            kinds.field(0);
            let mut array = self.common(id, kinds.out());
            array.int(1, element.into());
            array.int(2, len);
            array.end();
        }
        if let Some(element) = self.slice {
            kinds.field(1);
            let mut slice = self.common(id, kinds.out());
            slice.int(1, element.into());
            slice.end();
        }
        if let Some(fields) = &self.fields {
            kinds.field(2);
            self.define_fields(id, fields, kinds.out());
        }
        if let Some((key, element)) = self.map {
            kinds.field(3);
            let mut map = self.common(id, kinds.out());
            map.int(1, key.into());
            map.int(2, element.into());
            map.end();
        }
        for (number, is) in [(4, self.gob_encoder), (5, self.binary_marshaler), (6, self.text_marshaler)] {
            if is {
                kinds.field(number);
                self.common(id, kinds.out()).end();
            }
        }
        kinds.end();
    }

    fn define_fields(&self, id: Id, fields: &[Field], out: &mut Vec<u8>) {
        let mut structure = self.common(id, out);
        if !fields.is_empty() {
            structure.field(1);
            write::uint(structure.out(), fields.len() as u64);
        }
        for field in fields {
            let mut described = write::Struct::new(structure.out());
            described.bytes(0, &field.name);
            described.int(1, field.id.into());
            described.end();
        }
        structure.end();
    }

    /// Begins the description of one kind with the part they all have.
    fn common<'a>(&self, id: Id, out: &'a mut Vec<u8>) -> write::Struct<'a> {
        let mut kind = write::Struct::new(out);
        kind.field(0);
        let mut common = write::Struct::new(kind.out());
        common.bytes(0, &self.name);
        common.int(1, id.into());
        common.end();
        kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defined(described: &WireType) -> String {
        let mut out = Vec::new();
        described.define(64, &mut out);
        hex::encode(out)
    }

    #[test]
    fn definitions_have_the_bytes_go_writes() {
        let p = WireType::structure("P", &[("X", id::INT), ("S", id::STRING)]);
        assert_eq!(defined(&p), "7f0301010150 01ff8000 0102 010158010400 010153010c00 0000".replace(' ', ""));
        assert_eq!(defined(&WireType::slice("", id::INT)), "7f020102ff800001040000");
        let array = WireType { array: Some((id::STRING, 3)), ..WireType::default() };
        assert_eq!(defined(&array), "7f010102ff8000010c01060000");
        let map = WireType { map: Some((id::STRING, id::INT)), ..WireType::default() };
        assert_eq!(defined(&map), "7f040102ff8000010c01040000");
        assert_eq!(defined(&WireType::gob_encoder("Time")), "7f0501010454696d6501ff80000000");
        let none = WireType::structure("E", &[]);
        assert_eq!(defined(&none), "7f0301010145 01ff80000000".replace(' ', ""));
    }
}
