//! The table of nodes: a number for each, never used twice. Open to bindings in Rust that share nodes with the C functions.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
};

use networkdb_embed::{Code, Node, Signal};

use crate::{
    descriptor::Descriptor,
    held::Held,
    types::{ndb_log_level, ndb_node},
};

static NODES: RwLock<Table> = RwLock::new(Table { last: 0, nodes: BTreeMap::new() });

struct Table {
    last: ndb_node,
    nodes: BTreeMap<ndb_node, Arc<Entry>>,
}

/// Takes a line of the log.
pub type Log = Box<dyn Fn(ndb_log_level, &str) + Send + Sync>;

/// A node and what the C side needs beside it.
pub struct Entry {
    /// The node.
    pub node: Node,
    /// Of whoever steps.
    pub(crate) held: Mutex<Held>,
    pub(crate) wake: OnceLock<Arc<Descriptor>>,
    pub(crate) call: OnceLock<Arc<Descriptor>>,
    log: Option<Log>,
}

impl Entry {
    /// See `ndb_wake_fd`.
    pub fn wake_fd(&self) -> Result<i32, Code> {
        descriptor(&self.wake, |signal| self.node.set_wake(signal))
    }

    /// See `ndb_event_fd`.
    pub fn event_fd(&self) -> Result<i32, Code> {
        descriptor(&self.call, |signal| self.node.set_call(signal))
    }

    pub(crate) fn log(&self, level: ndb_log_level, text: &str) {
        if let Some(log) = &self.log {
            log(level, text);
        }
    }
}

/// Gives a node its number.
pub fn insert(node: Node, log: Option<Log>) -> ndb_node {
    let held = Mutex::new(Held::default());
    let entry = Entry { node, held, wake: OnceLock::new(), call: OnceLock::new(), log };
    let mut table = NODES.write().unwrap_or_else(PoisonError::into_inner);
    table.last += 1;
    let number = table.last;
    table.nodes.insert(number, Arc::new(entry));
    number
}

/// The node of this number. It lives on for as long as a call is in it.
pub fn find(number: ndb_node) -> Result<Arc<Entry>, Code> {
    NODES.read().unwrap_or_else(PoisonError::into_inner).nodes.get(&number).cloned().ok_or(Code::Closed)
}

/// Takes a node out: its number is no node any more.
pub fn remove(number: ndb_node) -> Result<Arc<Entry>, Code> {
    NODES.write().unwrap_or_else(PoisonError::into_inner).nodes.remove(&number).ok_or(Code::Closed)
}

fn descriptor(
    place: &OnceLock<Arc<Descriptor>>,
    install: impl FnOnce(Arc<dyn Signal>) -> Result<(), Code>,
) -> Result<i32, Code> {
    if let Some(known) = place.get() {
        return Ok(known.number());
    }
    let made = Arc::new(Descriptor::new()?);
    // Of two threads that ask first at once, both get the one that was put in.
    let kept = place.get_or_init(|| Arc::clone(&made));
    if Arc::ptr_eq(kept, &made) {
        install(made)?;
    }
    Ok(kept.number())
}
