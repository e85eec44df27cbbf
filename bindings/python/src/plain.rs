//! Plain data that goes to and from Python.

use std::fmt;

use networkdb_embed::{Code, Error, Event, Revision, SerializedUpdate, UpdateType};

/// How a call failed.
#[derive(Debug, uniffi::Error)]
pub enum Failure {
    /// A status of the C ABI, and why.
    Status { code: i32, text: String },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Status { text, .. } = self;
        f.write_str(text)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(Error { code, text }: Error) -> Self {
        Self::Status { code: code as i32, text }
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Error::from(code).into()
    }
}

/// An event, as in the C header.
#[derive(uniffi::Record)]
pub struct NativeEvent {
    pub kind: u16,
    pub code: i32,
    pub id: u64,
    pub number: u64,
    pub detail: u32,
    pub addr: Option<String>,
    pub network: Vec<u8>,
    pub table: Vec<u8>,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    pub previous: Option<Vec<u8>>,
    pub revision: Vec<u8>,
    pub version: Vec<u8>,
    pub text: String,
}

impl From<Event> for NativeEvent {
    fn from(event: Event) -> Self {
        Self {
            kind: event.kind as u16,
            code: event.code as i32,
            id: event.id,
            number: event.number,
            detail: event.detail,
            addr: event.addr.map(|addr| addr.to_string()),
            network: event.network.into(),
            table: event.table.into(),
            key: event.key.into(),
            value: event.value.map(Vec::from),
            previous: event.previous.map(Vec::from),
            revision: event.revision.into(),
            version: event.version.into(),
            text: event.text,
        }
    }
}

/// A key and value of the sync protocol.
#[derive(uniffi::Record)]
pub struct NativeUpdate {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    pub revision: Option<Vec<u8>>,
    pub version: Vec<u8>,
    pub ttl_ns: i64,
    pub update_type: u8,
}

impl NativeUpdate {
    pub(crate) fn serialized(&self) -> SerializedUpdate<'_> {
        SerializedUpdate {
            key: &self.key,
            value: self.value.as_deref(),
            revision: self.revision.as_deref().map_or(Revision::Nil, Revision::Text),
            v3_resource_version: &self.version,
            ttl: self.ttl_ns,
            update_type: UpdateType(self.update_type),
        }
    }
}

impl From<&SerializedUpdate<'_>> for NativeUpdate {
    fn from(update: &SerializedUpdate<'_>) -> Self {
        Self {
            key: update.key.to_vec(),
            value: update.value.map(Vec::from),
            revision: (update.revision != Revision::Nil).then(|| update.revision.text().into_owned()),
            version: update.v3_resource_version.to_vec(),
            ttl_ns: update.ttl,
            update_type: update.update_type.0,
        }
    }
}
