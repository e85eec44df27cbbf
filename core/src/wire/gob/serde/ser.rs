//! Rust values to those of gob. `None` is a nil pointer.

use ::serde::{Serialize, ser};

use super::{SerdeError, form, trace::GOB_ENCODER};
use crate::wire::gob::{Dynamic, Value};

type Made = Result<Option<Value>, SerdeError>;

pub(super) struct Serializer;

/// An element, which must not be nil.
fn element<T: Serialize + ?Sized>(value: &T) -> Result<Value, SerdeError> {
    value.serialize(Serializer)?.ok_or_else(|| SerdeError::Form("a nil pointer that is no field".to_owned()))
}

fn named(name: &str, value: Value) -> Value {
    Value::Interface(Some(Box::new(Dynamic { name: name.as_bytes().into(), value })))
}

macro_rules! scalars {
    ($($method:ident($type:ty) $variant:ident;)*) => {$(
        fn $method(self, value: $type) -> Made {
            Ok(Some(Value::$variant(value.into())))
        }
    )*};
}

impl ser::Serializer for Serializer {
    type Ok = Option<Value>;
    type Error = SerdeError;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = ser::Impossible<Option<Value>, SerdeError>;
    type SerializeMap = Map;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    scalars! {
        serialize_bool(bool) Bool;
        serialize_i8(i8) Int;
        serialize_i16(i16) Int;
        serialize_i32(i32) Int;
        serialize_i64(i64) Int;
        serialize_u8(u8) Uint;
        serialize_u16(u16) Uint;
        serialize_u32(u32) Uint;
        serialize_u64(u64) Uint;
        serialize_f32(f32) Float;
        serialize_f64(f64) Float;
        serialize_bytes(&[u8]) Bytes;
    }

    fn serialize_char(self, value: char) -> Made {
        Ok(Some(Value::Int(u32::from(value).into())))
    }

    fn serialize_str(self, value: &str) -> Made {
        Ok(Some(Value::String(value.as_bytes().to_vec())))
    }

    fn serialize_none(self) -> Made {
        Ok(None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Made {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Made {
        form("a unit has no form")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Made {
        Ok(Some(Value::Struct(Vec::new())))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Made {
        Ok(Some(named(variant, Value::Struct(Vec::new()))))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Made {
        let made = value.serialize(self)?;
        if !name.starts_with(GOB_ENCODER) {
            return Ok(made);
        }
        match made {
            Some(Value::Bytes(bytes)) if bytes.is_empty() => Ok(None),
            Some(Value::Bytes(bytes)) => Ok(Some(Value::Opaque(bytes))),
            _ => form("a GobEncoder is bytes"),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Made {
        Ok(Some(named(variant, element(value)?)))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List, SerdeError> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple(self, _: usize) -> Result<List, SerdeError> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List, SerdeError> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, SerdeError> {
        form("a variant of several values has no form")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Map, SerdeError> {
        Ok(Map { pairs: Vec::new(), key: None })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields, SerdeError> {
        Ok(Fields { fields: Vec::new(), variant: None })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields, SerdeError> {
        Ok(Fields { fields: Vec::new(), variant: Some(variant) })
    }
}

pub(super) struct List(Vec<Value>);

impl List {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        self.0.push(element(value)?);
        Ok(())
    }

    fn finish(self) -> Made {
        Ok(Some(Value::List(self.0)))
    }
}

macro_rules! lists {
    ($($trait:ident $method:ident;)*) => {$(
        impl ser::$trait for List {
            type Ok = Option<Value>;
            type Error = SerdeError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
                self.push(value)
            }

            fn end(self) -> Made {
                self.finish()
            }
        }
    )*};
}

lists! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
}

pub(super) struct Map {
    pairs: Vec<(Value, Value)>,
    key: Option<Value>,
}

impl ser::SerializeMap for Map {
    type Ok = Option<Value>;
    type Error = SerdeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerdeError> {
        self.key = Some(element(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerdeError> {
        let Some(key) = self.key.take() else { return form("a value without a key") };
        self.pairs.push((key, element(value)?));
        Ok(())
    }

    fn end(self) -> Made {
        Ok(Some(Value::Map(self.pairs)))
    }
}

pub(super) struct Fields {
    fields: Vec<(Box<[u8]>, Value)>,
    variant: Option<&'static str>,
}

impl Fields {
    fn push<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), SerdeError> {
        if let Some(value) = value.serialize(Serializer)? {
            self.fields.push((name.as_bytes().into(), value));
        }
        Ok(())
    }

    fn finish(self) -> Made {
        let value = Value::Struct(self.fields);
        Ok(Some(match self.variant {
            Some(variant) => named(variant, value),
            None => value,
        }))
    }
}

macro_rules! structs {
    ($($trait:ident;)*) => {$(
        impl ser::$trait for Fields {
            type Ok = Option<Value>;
            type Error = SerdeError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), SerdeError> {
                self.push(name, value)
            }

            fn end(self) -> Made {
                self.finish()
            }
        }
    )*};
}

structs! {
    SerializeStruct;
    SerializeStructVariant;
}
