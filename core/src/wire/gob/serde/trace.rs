//! The gob type of a Rust type, found by having it deserialize itself from nothing in particular: so also empty slices
//! and nil pointers tell their elements' types, and types come in the order of the fields.

use std::collections::BTreeMap;

use ::serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
        Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::{SerdeError, form};
use crate::wire::gob::{Schema, Shape, Type};

/// What the name of a newtype struct around bytes begins with that is a `GobEncoder` in Go; its name there follows.
pub const GOB_ENCODER: &str = "$gob.GobEncoder.";

/// Types within types beyond which one is taken to contain itself.
const MAX_DEPTH: usize = 64;

impl Schema {
    /// Adds the type of `T`, all it is made of, and registers the variants of its enums. `package` is the last
    /// element of the path of the types' package.
    pub fn trace<T: DeserializeOwned>(&mut self, package: &str) -> Result<Type, SerdeError> {
        let mut tracer = Tracer {
            schema: self,
            package,
            spelled: BTreeMap::new(),
            enums: BTreeMap::new(),
            depth: 0,
            is_field: false,
            newtype: None,
            found: None,
        };
        loop {
            T::deserialize(&mut tracer)?;
            let of = tracer.take()?.of;
            if tracer.enums.values().all(|(next, count)| next >= count) {
                return Ok(of);
            }
        }
    }
}

/// A type that was traced.
#[derive(Clone, Debug)]
struct Traced {
    of: Type,
    /// Its name in Go.
    spelling: String,
}

struct Tracer<'s> {
    schema: &'s mut Schema,
    package: &'s str,
    /// Types by their name in Go.
    spelled: BTreeMap<String, Type>,
    /// For each enum which variant is to be traced next, and how many there are.
    enums: BTreeMap<&'static str, (usize, usize)>,
    depth: usize,
    /// What is traced is a field: then an unnamed type is defined under its spelling.
    is_field: bool,
    /// The newtype around what is traced.
    newtype: Option<&'static str>,
    found: Option<Traced>,
}

impl Tracer<'_> {
    fn take(&mut self) -> Result<Traced, SerdeError> {
        self.found.take().ok_or_else(|| SerdeError::Form("a type that reads nothing".to_owned()))
    }

    fn found(&mut self, of: Type, spelling: &str) {
        self.found = Some(Traced { of, spelling: spelling.to_owned() });
    }

    /// Traces something inside of what is traced.
    fn inside<'de, S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
        is_field: bool,
    ) -> Result<(S::Value, Traced), SerdeError> {
        if self.depth == MAX_DEPTH {
            return form("a type that contains itself");
        }
        let outer = (self.is_field, self.newtype.take());
        (self.is_field, self.depth) = (is_field, self.depth + 1);
        let value = seed.deserialize(&mut *self)?;
        ((self.is_field, self.newtype), self.depth) = (outer, self.depth - 1);
        Ok((value, self.take()?))
    }

    /// Ends with a type without a name, or that of the newtype around it.
    fn unnamed(&mut self, spelling: String, shape: Shape) -> Result<(), SerdeError> {
        let (name, spelling) = match self.newtype.take() {
            Some(name) => (name.to_owned(), format!("{}.{name}", self.package)),
            None if self.is_field => (spelling.clone(), spelling),
            None => (String::new(), spelling),
        };
        self.define(&name, spelling, shape)
    }

    fn define(&mut self, name: &str, spelling: String, shape: Shape) -> Result<(), SerdeError> {
        let of = match self.spelled.get(&spelling) {
            Some(&known) if self.schema.shape(known).as_deref() != Some(&shape) => {
                return Err(SerdeError::Form(format!("two types of the name {spelling}")));
            }
            Some(&known) => known,
            None => self.schema.define(name, shape),
        };
        self.spelled.insert(spelling.clone(), of);
        self.found = Some(Traced { of, spelling });
        Ok(())
    }

    fn structure<'de, V: Visitor<'de>>(
        &mut self,
        name: &str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.newtype = None;
        let mut fields = Fields { tracer: self, names: names.iter(), name: "", traced: Vec::new() };
        let value = visitor.visit_map(&mut fields)?;
        let shape = Shape::Struct(fields.traced);
        let spelling = format!("{}.{name}", self.package);
        self.define(name, spelling, shape)?;
        Ok(value)
    }

    /// Traces `len` elements, all of one type.
    fn elements<'de, V: Visitor<'de>>(
        &mut self,
        len: usize,
        visitor: V,
    ) -> Result<(V::Value, Option<Traced>), SerdeError> {
        let newtype = self.newtype;
        let mut elements = Elements { tracer: self, left: len, traced: None };
        let value = visitor.visit_seq(&mut elements)?;
        let traced = elements.traced;
        self.newtype = newtype;
        Ok((value, traced))
    }
}

macro_rules! scalars {
    ($($method:ident $visit:ident($zero:expr) $of:ident $spelling:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
            self.found(Type::$of, $spelling);
            visitor.$visit($zero)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Tracer<'_> {
    type Error = SerdeError;

    scalars! {
        deserialize_bool visit_bool(false) Bool "bool";
        deserialize_i8 visit_i8(0) Int "int8";
        deserialize_i16 visit_i16(0) Int "int16";
        deserialize_i32 visit_i32(0) Int "int32";
        deserialize_i64 visit_i64(0) Int "int";
        deserialize_u8 visit_u8(0) Uint "uint8";
        deserialize_u16 visit_u16(0) Uint "uint16";
        deserialize_u32 visit_u32(0) Uint "uint32";
        deserialize_u64 visit_u64(0) Uint "uint";
        deserialize_f32 visit_f32(0.0) Float "float32";
        deserialize_f64 visit_f64(0.0) Float "float64";
        deserialize_char visit_char('\0') Int "int32";
        deserialize_str visit_str("") String "string";
        deserialize_string visit_str("") String "string";
        deserialize_bytes visit_bytes(&[]) Bytes "[]uint8";
        deserialize_byte_buf visit_bytes(&[]) Bytes "[]uint8";
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, SerdeError> {
        form("a type that does not say its kind")
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        let Some(encoder) = name.strip_prefix(GOB_ENCODER) else {
            self.newtype = Some(name);
            let value = visitor.visit_newtype_struct(&mut *self);
            self.newtype = None;
            return value;
        };
        let value = visitor.visit_newtype_struct(&mut *self)?;
        let spelling = format!("{}.{encoder}", encoder.to_lowercase());
        self.define(encoder, spelling, Shape::GobEncoder)?;
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        let (value, element) = self.elements(1, visitor)?;
        match element {
            Some(element) if element.spelling == "uint8" => self.found(Type::Bytes, "[]uint8"),
            Some(element) => self.unnamed(format!("[]{}", element.spelling), Shape::Slice(element.of))?,
            None => return form("a sequence that reads no element"),
        }
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, SerdeError> {
        let (value, element) = self.elements(len, visitor)?;
        let Some(element) = element else { return form("an array without elements") };
        self.unnamed(format!("[{len}]{}", element.spelling), Shape::Array(element.of, len as i64))?;
        Ok(value)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.newtype = Some(name);
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerdeError> {
        let newtype = self.newtype;
        let mut pair = Pair { tracer: self, key: None, element: None };
        let value = visitor.visit_map(&mut pair)?;
        let (key, element) = (pair.key, pair.element);
        self.newtype = newtype;
        let (Some(key), Some(element)) = (key, element) else { return form("a map that reads no pair") };
        let spelling = format!("map[{}]{}", key.spelling, element.spelling);
        self.unnamed(spelling, Shape::Map(key.of, element.of))?;
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.structure(name, fields, visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        self.define(name, format!("{}.{name}", self.package), Shape::Struct(Vec::new()))?;
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        let (next, _) = self.enums.entry(name).or_insert((0, variants.len()));
        let variant = variants.get(*next).or(variants.first()).copied();
        *next += 1;
        let Some(variant) = variant else { return form("an enum without variants") };
        let value = visitor.visit_enum(Variant { tracer: &mut *self, name: variant })?;
        self.found(Type::Interface, "interface {}");
        Ok(value)
    }

    forward_to_deserialize_any! {
        i128 u128 unit identifier ignored_any
    }
}

/// The elements of a sequence.
struct Elements<'t, 's> {
    tracer: &'t mut Tracer<'s>,
    left: usize,
    traced: Option<Traced>,
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, '_> {
    type Error = SerdeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, SerdeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let (value, traced) = self.tracer.inside(seed, false)?;
        if self.traced.as_ref().is_some_and(|before| before.of != traced.of) {
            return form("a tuple of several types");
        }
        self.traced = Some(traced);
        Ok(Some(value))
    }
}

/// The one pair of a map.
struct Pair<'t, 's> {
    tracer: &'t mut Tracer<'s>,
    key: Option<Traced>,
    element: Option<Traced>,
}

impl<'de> MapAccess<'de> for &mut Pair<'_, '_> {
    type Error = SerdeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, SerdeError> {
        if self.key.is_some() {
            return Ok(None);
        }
        let (value, traced) = self.tracer.inside(seed, false)?;
        self.key = Some(traced);
        Ok(Some(value))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, SerdeError> {
        let (value, traced) = self.tracer.inside(seed, false)?;
        self.element = Some(traced);
        Ok(value)
    }
}

/// The fields of a struct.
struct Fields<'t, 's> {
    tracer: &'t mut Tracer<'s>,
    names: std::slice::Iter<'static, &'static str>,
    name: &'static str,
    traced: Vec<(String, Type)>,
}

impl<'de> MapAccess<'de> for &mut Fields<'_, '_> {
    type Error = SerdeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, SerdeError> {
        let Some(name) = self.names.next() else { return Ok(None) };
        self.name = name;
        let name: StrDeserializer<'_, SerdeError> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, SerdeError> {
        let (value, traced) = self.tracer.inside(seed, true)?;
        self.traced.push((self.name.to_owned(), traced.of));
        Ok(value)
    }
}

/// One variant of an enum.
struct Variant<'t, 's> {
    tracer: &'t mut Tracer<'s>,
    name: &'static str,
}

impl Variant<'_, '_> {
    /// Registers what was traced as the content of this variant.
    fn register(self) -> Result<(), SerdeError> {
        let traced = self.tracer.take()?;
        self.tracer.schema.register(self.name, traced.of);
        Ok(())
    }

    /// The name of the type that is registered.
    fn type_name(&self) -> &'static str {
        self.name.rsplit(['.', '/']).next().unwrap_or(self.name)
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, '_> {
    type Error = SerdeError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), SerdeError> {
        let name: StrDeserializer<'_, SerdeError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = SerdeError;

    fn unit_variant(self) -> Result<(), SerdeError> {
        let name = self.type_name();
        self.tracer.define(name, format!("{}.{name}", self.tracer.package), Shape::Struct(Vec::new()))?;
        self.register()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, SerdeError> {
        let (value, traced) = self.tracer.inside(seed, false)?;
        self.tracer.found = Some(traced);
        self.register()?;
        Ok(value)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, SerdeError> {
        form("a variant of several values has no form")
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SerdeError> {
        let name = self.type_name();
        let value = self.tracer.structure(name, fields, visitor)?;
        self.register()?;
        Ok(value)
    }
}
