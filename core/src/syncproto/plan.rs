//! How a peer's structs are read into ours: by name, decided once for each type a stream defines.

use std::sync::Arc;

use litemap::LiteMap;

use super::schema::{Holds, Struct};
use crate::wire::gob::{
    Fault, Known, Types, WireType,
    types::{Id, id},
};

/// What to do with a field of the peer's struct.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    /// It is our field of this number; if it holds updates, they are read by the plan of the second number.
    Take(u8, u32),
    /// We have none of that name; it is of this type.
    Skip(Id),
}

/// How a struct of one type of the stream is read into one of ours.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// By field number of the stream.
    pub(super) ops: Box<[Op]>,
    /// How elements are read.
    pub(super) elements: Vec<Arc<Plan>>,
}

impl Plan {
    /// Compares the type `id` of the stream with `ours`, down to the last type it is made of.
    fn compile(known: &Known, id: Id, ours: Struct) -> Result<Self, Fault> {
        let described = known.get(id).ok_or(Fault::UndefinedType(id))?;
        let fields = described.fields.as_ref().ok_or(Fault::Mismatch)?;
        let (mut plan, mut skipped, mut ops) = (Self::default(), Vec::new(), Vec::new());
        for field in fields {
            if field.name.is_empty() {
                return Err(Fault::NoFieldName);
            }
            let named = ours.fields().iter().zip(0..).find(|((name, _), _)| name.as_bytes() == &*field.name);
            if let Some((&(_, holds), number)) = named {
                ops.push(Op::Take(number, plan.matches(known, field.id, holds)?));
            } else {
                skipped.push(field.id);
                ops.push(Op::Skip(field.id));
            }
        }
        known.check(skipped)?;
        plan.ops = ops.into();
        Ok(plan)
    }

    /// Whether a type of the stream is the kind our field holds.
    fn matches(&mut self, known: &Known, id: Id, holds: Holds) -> Result<u32, Fault> {
        let described = known.get(id);
        let plain = described.is_none_or(|described| !described.is_opaque());
        let element = described.and_then(|described| described.slice);
        let matches = match holds {
            Holds::Bool => id == id::BOOL,
            Holds::Int => id == id::INT,
            Holds::Uint | Holds::Byte => id == id::UINT,
            Holds::Bytes => id == id::BYTES,
            Holds::Text => id == id::STRING,
            Holds::Interface => id == id::INTERFACE,
            Holds::Texts => plain && element == Some(id::STRING),
            Holds::Time => described.is_some_and(is_time),
            Holds::Updates => plain && element.is_some_and(|element| is_plain(known, element)),
        };
        match element {
            _ if !matches => Err(Fault::Mismatch),
            Some(element) if matches!(holds, Holds::Updates) => {
                self.elements.push(Arc::new(Self::compile(known, element, Struct::Update)?));
                Ok(self.elements.len() as u32 - 1)
            }
            _ => Ok(0),
        }
    }

    /// Whether a value at top level or in an interface may be read so: a struct with fields must have one of ours, if
    /// ours has any.
    fn has_match(&self, ours: Struct) -> bool {
        let taken = self.ops.iter().any(|op| matches!(op, Op::Take(..)));
        taken || self.ops.is_empty() || ours.fields().is_empty()
    }
}

fn is_time(described: &WireType) -> bool {
    described.gob_encoder && !described.binary_marshaler && !described.text_marshaler
}

fn is_plain(known: &Known, id: Id) -> bool {
    known.get(id).is_some_and(|described| !described.is_opaque())
}

/// The plans of one stream.
#[derive(Debug, Default)]
pub(super) struct Plans {
    plans: LiteMap<(Struct, Id), Arc<Plan>>,
}

impl Plans {
    /// The plan by which a value of the type `id` at top level or in an interface is read, made at its first use.
    pub(super) fn make(&mut self, known: &Known, id: Id, ours: Struct) -> Result<Arc<Plan>, Fault> {
        if let Some(plan) = self.plans.get(&(ours, id)) {
            return Ok(Arc::clone(plan));
        }
        let plan = Plan::compile(known, id, ours)?;
        if !plan.has_match(ours) {
            return Err(Fault::NoFieldsMatched);
        }
        let plan = Arc::new(plan);
        self.plans.insert((ours, id), Arc::clone(&plan));
        Ok(plan)
    }

    /// A plan that was made.
    pub(super) fn made(&self, id: Id, ours: Struct) -> Result<Arc<Plan>, Fault> {
        self.plans.get(&(ours, id)).map(Arc::clone).ok_or(Fault::UndefinedType(id))
    }
}
