//! What belongs to the caller from then on: buffers and events.

use std::ptr::{null, null_mut};

use bytes::Bytes;
use networkdb_embed::Event;

use crate::{
    held::addr,
    types::{ndb_addr, ndb_buffer, ndb_event, ndb_slice},
};

/// A buffer that owns nothing.
pub(crate) const EMPTY: ndb_buffer = ndb_buffer { data: null(), len: 0, owner: null_mut() };

pub(crate) fn view(bytes: &[u8]) -> ndb_slice {
    ndb_slice { data: bytes.as_ptr(), len: bytes.len() }
}

fn maybe(bytes: Option<&Bytes>) -> ndb_slice {
    bytes.map_or(ndb_slice { data: null(), len: 0 }, |bytes| view(bytes))
}

/// Gives bytes to the caller, if there is a place for them, and returns `after`.
pub(crate) fn give<R>(buffer: Option<&mut ndb_buffer>, bytes: Bytes, after: R) -> R {
    if let Some(buffer) = buffer {
        let (data, len) = (bytes.as_ptr(), bytes.len());
        *buffer = ndb_buffer { data, len, owner: Box::into_raw(Box::new(bytes)).cast() };
    }
    after
}

/// An event and what its slices point to.
#[repr(C)]
pub(crate) struct Owned {
    shown: ndb_event,
    event: Event,
}

impl Owned {
    /// Whoever is given it frees it with `ndb_event_free`.
    pub(crate) fn give(event: Event) -> *mut ndb_event {
        let shown = ndb_event {
            kind: event.kind as u16,
            reserved: 0,
            code: event.code as i32,
            id: event.id,
            number: event.number,
            detail: event.detail,
            reserved2: 0,
            addr: event.addr.map_or_else(ndb_addr::default, addr),
            network: view(&event.network),
            table: view(&event.table),
            key: view(&event.key),
            value: maybe(event.value.as_ref()),
            previous: maybe(event.previous.as_ref()),
            revision: view(&event.revision),
            version: view(&event.version),
            text: view(event.text.as_bytes()),
        };
        // The bytes of an event lie elsewhere and do not move with it.
        Box::into_raw(Box::new(Self { shown, event })).cast()
    }
}

/// The answer of a command that failed.
pub(crate) fn error_json(text: &str) -> String {
    let mut json = String::from("{\"error\":\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            control if control < ' ' => json.push(' '),
            other => json.push(other),
        }
    }
    json.push_str("\"}");
    json
}
