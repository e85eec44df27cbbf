//! The table of nodes: a number for each, never used twice.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
};

use networkdb_embed::{Code, Node};

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
pub(crate) type Log = Box<dyn Fn(ndb_log_level, &str) + Send + Sync>;

/// A node and what the C side needs beside it.
pub(crate) struct Entry {
    pub(crate) node: Node,
    /// Of whoever steps.
    pub(crate) held: Mutex<Held>,
    pub(crate) wake: OnceLock<Arc<Descriptor>>,
    pub(crate) call: OnceLock<Arc<Descriptor>>,
    log: Option<Log>,
}

impl Entry {
    pub(crate) fn log(&self, level: ndb_log_level, text: &str) {
        if let Some(log) = &self.log {
            log(level, text);
        }
    }
}

/// Gives a node its number.
pub(crate) fn insert(node: Node, log: Option<Log>) -> ndb_node {
    let held = Mutex::new(Held::default());
    let entry = Entry { node, held, wake: OnceLock::new(), call: OnceLock::new(), log };
    let mut table = NODES.write().unwrap_or_else(PoisonError::into_inner);
    table.last += 1;
    let number = table.last;
    table.nodes.insert(number, Arc::new(entry));
    number
}

/// The node of this number. It lives on for as long as a call is in it.
pub(crate) fn find(number: ndb_node) -> Result<Arc<Entry>, Code> {
    NODES.read().unwrap_or_else(PoisonError::into_inner).nodes.get(&number).cloned().ok_or(Code::Closed)
}

/// Takes a node out: its number is no node any more.
pub(crate) fn remove(number: ndb_node) -> Result<Arc<Entry>, Code> {
    NODES.write().unwrap_or_else(PoisonError::into_inner).nodes.remove(&number).ok_or(Code::Closed)
}
