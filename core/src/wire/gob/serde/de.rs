//! Values of gob to Rust ones.

use ::serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, IntoDeserializer, VariantAccess, Visitor,
        value::{MapDeserializer, SeqDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};

use super::{SerdeError, form, trace::GOB_ENCODER};
use crate::wire::gob::{Dynamic, Value};

/// A value that was sent.
pub(super) struct Present(pub(super) Value);

/// One that was not: zero.
#[derive(Clone, Copy)]
struct Absent;

/// A field, sent or not.
enum Field {
    Present(Value),
    Absent,
}

impl<'de> IntoDeserializer<'de, SerdeError> for Present {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The kind must be the one that is wanted: gob does not convert.
macro_rules! exactly {
    ($($method:ident $variant:ident $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
            match self.0 {
                Value::$variant(value) => visitor.$visit(value),
                _ => mismatch(),
            }
        }
    )*};
}

fn mismatch<T>() -> Result<T, SerdeError> {
    form("a value of another kind than is wanted")
}

fn utf8(bytes: Vec<u8>) -> Result<String, SerdeError> {
    String::from_utf8(bytes).map_err(|_| SerdeError::Form("a string that is not UTF-8".to_owned()))
}

impl<'de> Deserializer<'de> for Present {
    type Error = SerdeError;

    exactly! {
        deserialize_bool Bool visit_bool;
        deserialize_i8 Int visit_i64;
        deserialize_i16 Int visit_i64;
        deserialize_i32 Int visit_i64;
        deserialize_i64 Int visit_i64;
        deserialize_u8 Uint visit_u64;
        deserialize_u16 Uint visit_u64;
        deserialize_u32 Uint visit_u64;
        deserialize_u64 Uint visit_u64;
        deserialize_f32 Float visit_f64;
        deserialize_f64 Float visit_f64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.0 {
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Int(value) => visitor.visit_i64(value),
            Value::Uint(value) => visitor.visit_u64(value),
            Value::Float(value) => visitor.visit_f64(value),
            Value::Complex(..) => form("a complex number has no form"),
            Value::Bytes(bytes) | Value::Opaque(bytes) => visitor.visit_byte_buf(bytes),
            Value::String(bytes) => visitor.visit_string(utf8(bytes)?),
            Value::List(values) => visitor.visit_seq(SeqDeserializer::new(values.into_iter().map(Present))),
            Value::Map(pairs) => {
                let pairs = pairs.into_iter().map(|(key, value)| (Present(key), Present(value)));
                visitor.visit_map(MapDeserializer::new(pairs))
            }
            Value::Struct(fields) => {
                let fields = fields.into_iter().map(|(name, value)| Ok((utf8(name.into())?, Present(value))));
                let fields: Vec<_> = fields.collect::<Result<_, SerdeError>>()?;
                visitor.visit_map(MapDeserializer::new(fields.into_iter()))
            }
            Value::Interface(None) => visitor.visit_none(),
            Value::Interface(Some(dynamic)) => visitor.visit_enum(Chosen(*dynamic)),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        let Value::Int(value) = self.0 else { return mismatch() };
        match u32::try_from(value).ok().and_then(char::from_u32) {
            Some(value) => visitor.visit_char(value),
            None => form("a rune that is no character"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.0 {
            Value::String(bytes) => visitor.visit_string(utf8(bytes)?),
            _ => mismatch(),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.0 {
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            _ => mismatch(),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.0 {
            Value::Bytes(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.into_iter())),
            Value::List(_) => self.deserialize_any(visitor),
            _ => mismatch(),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        match self.0 {
            Value::Interface(None) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        match self.0 {
            Value::Opaque(bytes) if name.starts_with(GOB_ENCODER) => {
                visitor.visit_newtype_struct(Present(Value::Bytes(bytes)))
            }
            _ if name.starts_with(GOB_ENCODER) => mismatch(),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        match self.0 {
            Value::Struct(fields) => visitor.visit_map(all_fields(names, fields)),
            _ => mismatch(),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        match self.0 {
            Value::Struct(_) => visitor.visit_unit(),
            _ => mismatch(),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        match self.0 {
            Value::Interface(Some(dynamic)) => visitor.visit_enum(Chosen(*dynamic)),
            _ => mismatch(),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 unit tuple tuple_struct map identifier ignored_any
    }
}

type Fields = MapDeserializer<'static, std::vec::IntoIter<(&'static str, Field)>, SerdeError>;

/// The fields a struct has, as far as they were sent; of one that was sent twice the last counts. Others are dropped.
fn all_fields(names: &'static [&'static str], mut sent: Vec<(Box<[u8]>, Value)>) -> Fields {
    let mut field = |name: &'static str| {
        let place = sent.iter().rposition(|(sent, _)| **sent == *name.as_bytes());
        place.map_or(Field::Absent, |place| Field::Present(sent.swap_remove(place).1))
    };
    let fields: Vec<_> = names.iter().map(|&name| (name, field(name))).collect();
    MapDeserializer::new(fields.into_iter())
}

/// The value of an interface and the name of its type.
struct Chosen(Dynamic);

impl<'de> EnumAccess<'de> for Chosen {
    type Error = SerdeError;
    type Variant = Present;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Present), SerdeError> {
        let name: StringDeserializer<SerdeError> = utf8(self.0.name.into())?.into_deserializer();
        Ok((seed.deserialize(name)?, Present(self.0.value)))
    }
}

impl<'de> VariantAccess<'de> for Present {
    type Error = SerdeError;

    fn unit_variant(self) -> Result<(), SerdeError> {
        if matches!(self.0, Value::Struct(_)) { Ok(()) } else { mismatch() }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, SerdeError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, SerdeError> {
        form("a variant of several values has no form")
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.deserialize_struct("", fields, visitor)
    }
}

/// Both kinds of fields to the method of the same name.
macro_rules! either {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, SerdeError> {
            match self {
                Self::Present(value) => Present(value).$method($($argument,)* visitor),
                Self::Absent => Absent.$method($($argument,)* visitor),
            }
        }
    )*};
}

impl<'de> IntoDeserializer<'de, SerdeError> for Field {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Field {
    type Error = SerdeError;

    either! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }
}

macro_rules! zero {
    ($($method:ident $visit:ident($zero:expr);)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
            visitor.$visit($zero)
        }
    )*};
}

impl<'de> IntoDeserializer<'de, SerdeError> for Absent {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Absent {
    type Error = SerdeError;

    zero! {
        deserialize_bool visit_bool(false);
        deserialize_i8 visit_i8(0);
        deserialize_i16 visit_i16(0);
        deserialize_i32 visit_i32(0);
        deserialize_i64 visit_i64(0);
        deserialize_u8 visit_u8(0);
        deserialize_u16 visit_u16(0);
        deserialize_u32 visit_u32(0);
        deserialize_u64 visit_u64(0);
        deserialize_f32 visit_f32(0.0);
        deserialize_f64 visit_f64(0.0);
        deserialize_char visit_char('\0');
        deserialize_str visit_str("");
        deserialize_string visit_str("");
        deserialize_bytes visit_bytes(&[]);
        deserialize_byte_buf visit_bytes(&[]);
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, SerdeError> {
        form("a field that is not there has no kind")
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<Self>()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, SerdeError> {
        visitor.visit_seq(SeqDeserializer::new(std::iter::repeat_n(self, len)))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        visitor.visit_map(MapDeserializer::new(std::iter::empty::<(Self, Self)>()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        visitor.visit_map(all_fields(fields, Vec::new()))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, SerdeError> {
        form("an enum for a nil interface: make it an Option")
    }

    forward_to_deserialize_any! {
        i128 u128 unit identifier ignored_any
    }
}
