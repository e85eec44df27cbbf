//! One step, however its outputs are shown.

use std::{
    ffi::c_void,
    sync::{MutexGuard, TryLockError},
};

use networkdb_embed::{Code, Instant, Output};

use crate::{
    abi::NDB_NEVER,
    guard::on,
    held::Held,
    nodes::Entry,
    types::{ndb_addr, ndb_input, ndb_node, ndb_output, ndb_output_kind, ndb_transport},
};

/// What every step is given.
pub(crate) struct Given<'a> {
    pub(crate) now: Instant,
    pub(crate) inputs: Result<&'a [ndb_input], Code>,
    pub(crate) arena: Result<&'a [u8], Code>,
    pub(crate) deadline_ns: Option<&'a mut u64>,
}

impl Given<'_> {
    /// Steps a node. Its outputs are kept by `keep` and then shown at `place`.
    pub(crate) fn step<P>(
        self,
        node: ndb_node,
        keep: fn(&mut Held, Vec<Output>),
        place: Result<P, Code>,
        show: impl FnOnce(&Held, P),
    ) -> Code {
        on(node, |entry| {
            let (place, deadline_ns) = (place?, self.deadline_ns.ok_or(Code::Invalid)?);
            let mut held = exclusive(entry)?;
            let inputs = held.inputs(self.inputs?, self.arena?)?;
            let mut outputs = Vec::new();
            let deadline = entry.node.step(self.now, inputs, &mut outputs)?;
            *deadline_ns = deadline.map_or(NDB_NEVER, Instant::as_nanos);
            keep(&mut held, outputs);
            show(&held, place);
            Ok(())
        })
    }
}

fn exclusive(entry: &Entry) -> Result<MutexGuard<'_, Held>, Code> {
    entry.held.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Code::Busy,
        TryLockError::Poisoned(_) => Code::Poisoned,
    })
}

/// A transport of which nothing is missing.
pub(crate) struct Carrier {
    user: *mut c_void,
    send: extern "C" fn(*mut c_void, *const ndb_addr, *const u8, usize),
    open: extern "C" fn(*mut c_void, u64, *const ndb_addr, *const u8, usize),
    write: extern "C" fn(*mut c_void, u64, u64, *const u8, usize),
    reading: extern "C" fn(*mut c_void, u64, u64, u32),
    close: extern "C" fn(*mut c_void, u64, u64, u32),
}

impl Carrier {
    pub(crate) fn new(given: &ndb_transport) -> Result<Self, Code> {
        let ndb_transport { user, send, open, write, reading, close, .. } = *given;
        let whole =
            || Some(Self { user, send: send?, open: open?, write: write?, reading: reading?, close: close? });
        whole().ok_or(Code::Invalid)
    }

    pub(crate) fn carry(&self, output: &ndb_output) {
        use ndb_output_kind as kind;
        let ndb_output { kind, code, stream, user, data, len, addr, .. } = *output;
        let len = usize::try_from(len).unwrap_or_default();
        if kind == kind::NDB_OUTPUT_DATAGRAM as u16 {
            (self.send)(self.user, &raw const addr, data, len);
        } else if kind == kind::NDB_OUTPUT_OPEN as u16 {
            (self.open)(self.user, stream, &raw const addr, data, len);
        } else if kind == kind::NDB_OUTPUT_WRITE as u16 {
            (self.write)(self.user, stream, user, data, len);
        } else if kind == kind::NDB_OUTPUT_READING as u16 {
            (self.reading)(self.user, stream, user, code.into());
        } else {
            (self.close)(self.user, stream, user, code.into());
        }
    }
}
