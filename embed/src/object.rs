//! What a machine brings to the handle.

use std::{fmt, net::SocketAddr};

use bytes::Bytes;
use networkdb_core::{
    machine::{Input, Instant, Output},
    networkdb::EntryKey,
    syncproto::SerializedUpdate,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Code, Error, Event};

/// How a row is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// It must not be there.
    Create,
    /// It must be there.
    Update,
    /// Whether it is there or not.
    Put,
    /// It goes.
    Delete,
}

/// A machine behind plain data. What a machine does not have answers `Unsupported`.
pub(crate) trait Object: Send {
    /// See [`networkdb_core::machine::Machine::handle`].
    fn handle(&mut self, now: Instant, input: Input<'_>);

    /// See [`networkdb_core::machine::Machine::poll_output`].
    fn poll_output(&mut self) -> Option<Output>;

    /// See [`networkdb_core::machine::Machine::next_deadline`].
    fn next_deadline(&self) -> Option<Instant>;

    /// The next event, flat. May free room and so cause outputs.
    fn next_event(&mut self) -> Option<Event>;

    /// Does what a request asks for, and answers.
    fn command(&mut self, now: Instant, request: Value) -> Result<Value, Error>;

    /// Writes a row.
    fn write(&mut self, _now: Instant, _how: Write, _key: &EntryKey, _value: Bytes) -> Result<(), Code> {
        Err(Code::Unsupported)
    }

    /// The value of a live row.
    fn read(&self, _key: &EntryKey) -> Result<Bytes, Code> {
        Err(Code::Unsupported)
    }

    /// Publishes updates for the clients of a syncer type; says how many were taken, and why not all.
    fn publish(
        &mut self,
        _now: Instant,
        _syncer_type: &str,
        _updates: &mut dyn Iterator<Item = SerializedUpdate<'_>>,
    ) -> (usize, Result<(), Code>) {
        (0, Err(Code::Unsupported))
    }

    /// Takes the next bytes of a stream of the sync protocol, whose messages become events.
    fn sync_decode(&mut self, _bytes: &[u8], _from_client: bool) -> Result<(), Error> {
        Err(Code::Unsupported.into())
    }

    /// Where others reach it, if it says so.
    fn advertised(&self) -> Option<SocketAddr> {
        None
    }
}

/// A request, `{"op":"name",…}`, as this machine's commands.
pub(crate) fn parse<C: DeserializeOwned>(request: Value) -> Result<C, Error> {
    // Errors of serde may repeat a field's text; a key must not come back.
    let secret = request.get("key_hex").is_some();
    let wrong = |error: &dyn fmt::Display| {
        if secret {
            Error::new(Code::Request, "wrong request: `key_hex` is a text of hex digits")
        } else {
            Error::new(Code::Request, format_args!("wrong request: {error}"))
        }
    };
    let Value::Object(mut fields) = request else { return Err(wrong(&"not an object")) };
    let Some(Value::String(op)) = fields.remove("op") else { return Err(wrong(&"`op` is missing")) };
    // The form of an enum that serde reads without a copy of all fields.
    let mut tagged = Map::new();
    tagged.insert(op, Value::Object(fields));
    serde_json::from_value(Value::Object(tagged)).map_err(|error| wrong(&error))
}
