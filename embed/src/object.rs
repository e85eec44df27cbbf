//! What a machine brings to the handle.

use std::net::SocketAddr;

use bytes::Bytes;
use networkdb_core::{
    machine::{Input, Instant, Output},
    networkdb::EntryKey,
    syncproto::SerializedUpdate,
};
use serde_json::Value;

use crate::{
    Code, Error, Event,
    fields::{Fields, unknown_name},
    json::Answer,
};

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
    fn command(&mut self, now: Instant, request: Request, answer: &mut Answer) -> Result<(), Error>;

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

/// The commands of a machine: their names, and how each is read.
pub(crate) type Commands<C> = &'static [(&'static str, fn(&mut Fields) -> C)];

/// A request: `{"op":"name",…}`.
pub(crate) struct Request {
    pub(crate) op: String,
    fields: Fields,
}

impl Request {
    pub(crate) fn open(text: &str) -> Result<Self, Error> {
        let found = serde_json::from_str(text)
            .map_err(|error| Error::new(Code::Request, format_args!("not JSON: {error}")))?;
        let Value::Object(fields) = found else { return Err(wrong("not an object".to_owned())) };
        let mut fields = Fields::new(fields);
        let op = fields.need("op", Fields::text);
        fields.checked().map_err(wrong)?;
        Ok(Self { op, fields })
    }

    /// It as one of these commands.
    pub(crate) fn read<C>(mut self, commands: Commands<C>) -> Result<C, Error> {
        let Some((_, read)) = commands.iter().find(|(name, _)| *name == self.op) else {
            let names = commands.iter().map(|(name, _)| *name);
            return Err(self.unknown(&mut names.chain(["info"])));
        };
        let command = read(&mut self.fields);
        self.fields.end().map_err(wrong)?;
        Ok(command)
    }

    fn unknown(&self, known: &mut dyn Iterator<Item = &str>) -> Error {
        wrong(unknown_name(&format!("command `{}`", self.op), known))
    }
}

fn wrong(reason: String) -> Error {
    Error::new(Code::Request, format_args!("wrong request: {reason}"))
}
