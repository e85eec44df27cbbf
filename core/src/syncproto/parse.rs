//! Messages from the bytes of a value.
//!
//! Each value is read twice: once to the end, learning its types, so that it is handed out whole or not at all; then
//! piece by piece as its user asks.

use std::sync::Arc;

use super::{
    ClientHello, DecoderRestart, Kvs, Message, Pong, SerializedUpdate, ServerHello, SyncStatus, UpdateType,
    plan::{Op, Plan, Plans},
    revision,
    schema::{Holds, Struct},
};
use crate::wire::gob::{Cursor, Fault, Fixed, Known, Limits, Time, Types, WireType, types::Id};

/// More compressions than anybody offers.
const MAX_ALGORITHMS: u64 = 64;

/// What reading needs beside the bytes: the types of the stream and the plans made of them.
pub(super) trait Context<'a>: Types {
    /// The plan for a value of the type `id` at top level or in an interface.
    fn plan(&mut self, id: Id, ours: Struct) -> Result<Arc<Plan>, Fault>;

    /// What stands for `elements`, which are all read.
    fn kvs(&mut self, elements: Elements<'a>) -> Kvs<'a>;
}

/// Updates as they lie in a message.
#[derive(Clone)]
pub(super) struct Elements<'a> {
    /// Stands before the first.
    pub(super) cursor: Cursor<'a>,
    pub(super) count: usize,
    pub(super) plan: Arc<Plan>,
    /// Values that may lie in one another below them.
    pub(super) depth: usize,
}

/// Where the elements lie of the message that was read: [`Elements`] without their bytes.
pub(super) struct Found {
    pub(super) mark: (usize, usize),
    pub(super) count: usize,
    pub(super) plan: Arc<Plan>,
    pub(super) depth: usize,
}

/// Reads for the first time.
pub(super) struct First<'t> {
    pub(super) known: &'t mut Known,
    pub(super) plans: &'t mut Plans,
    /// The last elements read; those of an outer message come after those of an inner.
    pub(super) elements: Option<Found>,
}

impl Types for First<'_> {
    fn get(&self, id: Id) -> Option<&WireType> {
        self.known.get(id)
    }

    fn learn(&mut self, id: Id, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        self.known.learn(id, cursor)
    }

    fn limits(&self) -> &Limits {
        self.known.limits()
    }
}

impl<'a> Context<'a> for First<'_> {
    fn plan(&mut self, id: Id, ours: Struct) -> Result<Arc<Plan>, Fault> {
        self.plans.make(self.known, id, ours)
    }

    fn kvs(&mut self, elements: Elements<'a>) -> Kvs<'a> {
        let Elements { cursor, count, plan, depth } = elements;
        self.elements = Some(Found { mark: cursor.mark(), count, plan, depth });
        Kvs::default()
    }
}

/// Reads what was read before.
#[derive(Clone, Copy)]
pub(super) struct Again<'a> {
    pub(super) known: &'a Known,
    pub(super) plans: &'a Plans,
}

impl Types for Again<'_> {
    fn get(&self, id: Id) -> Option<&WireType> {
        self.known.get(id)
    }

    fn learn(&mut self, id: Id, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        Fixed(self.known).learn(id, cursor)
    }

    fn limits(&self) -> &Limits {
        self.known.limits()
    }
}

impl<'a> Context<'a> for Again<'a> {
    fn plan(&mut self, id: Id, ours: Struct) -> Result<Arc<Plan>, Fault> {
        self.plans.made(id, ours)
    }

    fn kvs(&mut self, elements: Elements<'a>) -> Kvs<'a> {
        Kvs::read(elements, *self)
    }
}

/// Reads the fields of a struct: `take` those we have, by our number and the number of their elements' plan.
#[inline]
fn fields<'a>(
    cursor: &mut Cursor<'a>,
    plan: &Plan,
    context: &mut dyn Context<'a>,
    mut take: impl FnMut(u8, u32, &mut Cursor<'a>, &mut dyn Context<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut last = -1;
    while let Some(number) = cursor.field(&mut last, plan.ops.len())? {
        match plan.ops.get(number) {
            Some(&Op::Take(ours, elements)) => take(ours, elements, cursor, context)?,
            Some(&Op::Skip(id)) => {
                let depth = context.limits().depth;
                cursor.skip(id, context, depth)?;
            }
            None => return Err(Fault::FieldNumber),
        }
    }
    Ok(())
}

/// What an `Envelope` holds: which message, of which type of the stream, and the cursor before its fields. The cursor
/// given is moved behind the value.
pub(super) fn envelope<'a>(
    cursor: &mut Cursor<'a>,
    id: Id,
    context: &mut First<'_>,
) -> Result<Option<(Struct, Id, Cursor<'a>)>, Fault> {
    let plan = Context::plan(context, id, Struct::Envelope)?;
    let mut found = None;
    fields(cursor, &plan, context, |_, _, cursor, context| {
        let name = cursor.interface_name()?;
        found = None;
        if name.is_empty() {
            return Ok(());
        }
        let ours = Struct::of_message(name)?;
        let id = cursor.concrete(context)?;
        cursor.uint()?;
        found = Some((ours, id, *cursor));
        let depth = context.limits().depth;
        message(cursor, (ours, id), context, depth).map(drop)
    })?;
    Ok(found)
}

/// A message of this type of the stream.
pub(super) fn message<'a>(
    cursor: &mut Cursor<'a>,
    (ours, id): (Struct, Id),
    context: &mut dyn Context<'a>,
    depth: usize,
) -> Result<Message<'a>, Fault> {
    let depth = depth.checked_sub(1).ok_or(Fault::TooDeep)?;
    let plan = context.plan(id, ours)?;
    if ours == Struct::Kvs {
        return kvs(cursor, &plan, context, depth).map(Message::Kvs);
    }
    let values = Values::read(cursor, &plan, ours, context)?;
    Ok(match ours {
        Struct::ClientHello => Message::ClientHello(ClientHello {
            hostname: values.block(0),
            info: values.block(1),
            version: values.block(2),
            syncer_type: values.block(3),
            supports_decoder_restart: values.number(4) != 0,
            supports_modern_policy_keys: values.number(6) != 0,
            client_conn_id: values.number(7),
            compression_algorithms: values.texts,
        }),
        Struct::ServerHello => Message::ServerHello(ServerHello {
            version: values.block(0),
            syncer_type: values.block(1),
            supports_node_resource_updates: values.number(2) != 0,
            server_conn_id: values.number(3),
        }),
        Struct::DecoderRestart => Message::DecoderRestart(DecoderRestart {
            message: values.block(0),
            compression_algorithm: values.block(1),
        }),
        Struct::SyncStatus => Message::SyncStatus(SyncStatus(values.number(0) as u8)),
        Struct::Ping => Message::Ping(values.time(0)),
        Struct::Pong => {
            Message::Pong(Pong { ping_timestamp: values.time(0), pong_timestamp: values.time(1) })
        }
        Struct::Ack => Message::Ack,
        // Those are no messages.
        Struct::Envelope | Struct::Kvs | Struct::Update => return Err(Fault::UnknownName),
    })
}

/// What a message holds that has no updates, by our numbers of its fields.
#[derive(Default)]
struct Values<'a> {
    fields: [Value<'a>; Struct::ClientHello.fields().len()],
    texts: Vec<&'a [u8]>,
}

/// What a field holds.
#[derive(Clone, Copy, Default)]
enum Value<'a> {
    /// It was not sent: it is zero.
    #[default]
    Zero,
    Block(&'a [u8]),
    Number(u64),
    Time(Time),
}

impl<'a> Values<'a> {
    fn read(
        cursor: &mut Cursor<'a>,
        plan: &Plan,
        ours: Struct,
        context: &mut dyn Context<'a>,
    ) -> Result<Self, Fault> {
        let mut values = Self::default();
        fields(cursor, plan, context, |number, _, cursor, _| {
            let number = usize::from(number);
            let known = ours.fields().get(number).zip(values.fields.get_mut(number));
            let ((_, holds), value) = known.ok_or(Fault::FieldNumber)?;
            *value = match holds {
                Holds::Bool | Holds::Uint => Value::Number(cursor.uint()?),
                Holds::Byte => Value::Number(cursor.uint8()?.into()),
                Holds::Bytes | Holds::Text => Value::Block(cursor.block()?),
                Holds::Time => Value::Time(Time::from_bytes(cursor.block()?)?),
                Holds::Texts => {
                    values.texts = algorithms(cursor)?;
                    Value::Zero
                }
                // Only envelopes and updates have those.
                Holds::Int | Holds::Interface | Holds::Updates => return Err(Fault::Mismatch),
            };
            Ok(())
        })?;
        Ok(values)
    }

    fn field(&self, number: usize) -> Value<'a> {
        self.fields.get(number).copied().unwrap_or_default()
    }

    fn block(&self, number: usize) -> &'a [u8] {
        if let Value::Block(block) = self.field(number) { block } else { &[] }
    }

    fn number(&self, number: usize) -> u64 {
        if let Value::Number(value) = self.field(number) { value } else { 0 }
    }

    fn time(&self, number: usize) -> Time {
        if let Value::Time(time) = self.field(number) { time } else { Time::default() }
    }
}

fn algorithms<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<&'a [u8]>, Fault> {
    let count = cursor.uint()?;
    if count > MAX_ALGORITHMS {
        return Err(Fault::TooManyValues);
    }
    (0..count).map(|_| cursor.block()).collect()
}

fn kvs<'a>(
    cursor: &mut Cursor<'a>,
    plan: &Plan,
    context: &mut dyn Context<'a>,
    depth: usize,
) -> Result<Kvs<'a>, Fault> {
    let mut kvs = Kvs::default();
    fields(cursor, plan, context, |_, number, cursor, context| {
        let count = usize::try_from(cursor.uint()?).map_err(|_| Fault::Truncated)?;
        let plan = plan.elements.get(number as usize).ok_or(Fault::Mismatch)?;
        let elements = Elements { cursor: *cursor, count, plan: Arc::clone(plan), depth };
        for _ in 0..count {
            cursor.element()?;
            update(cursor, plan, context, depth)?;
        }
        kvs = context.kvs(elements);
        Ok(())
    })?;
    Ok(kvs)
}

/// One element of a `MsgKVs`.
#[inline]
pub(super) fn update<'a>(
    cursor: &mut Cursor<'a>,
    plan: &Plan,
    context: &mut dyn Context<'a>,
    depth: usize,
) -> Result<SerializedUpdate<'a>, Fault> {
    let mut update = SerializedUpdate::default();
    fields(cursor, plan, context, |ours, _, cursor, context| {
        match ours {
            0 => update.key = cursor.block()?,
            1 => update.value = Some(cursor.block()?).filter(|value| !value.is_empty()),
            2 => update.revision = revision::read(cursor, context, depth)?,
            3 => update.v3_resource_version = cursor.block()?,
            4 => update.ttl = cursor.int()?,
            _ => update.update_type = UpdateType(cursor.uint8()?),
        }
        Ok(())
    })?;
    Ok(update)
}
