//! The table of nodes: a number for each, never used twice. Open to bindings in Rust that share nodes with the C functions.

use std::{
    cell::RefCell,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use litemap::LiteMap;
use networkdb_embed::{Code, Node, Signal};

use crate::{
    descriptor::Descriptor,
    held::Held,
    types::{ndb_log_level, ndb_node},
};

static NODES: RwLock<Table> = RwLock::new(Table { last: 0, nodes: LiteMap::new_vec() });

/// Nodes up to this number are those of the process that this one was forked off.
static INHERITED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The table, while this thread forks.
    static FORKING: RefCell<Option<RwLockWriteGuard<'static, Table>>> = const { RefCell::new(None) };
}

struct Table {
    last: ndb_node,
    nodes: LiteMap<ndb_node, Arc<Entry>>,
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

fn table() -> RwLockWriteGuard<'static, Table> {
    NODES.write().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a node its number.
pub fn insert(node: Node, log: Option<Log>) -> ndb_node {
    crate::abi::watch_forks();
    let held = Mutex::new(Held::default());
    let entry = Entry { node, held, wake: OnceLock::new(), call: OnceLock::new(), log };
    let mut table = table();
    table.last += 1;
    let number = table.last;
    table.nodes.insert(number, Arc::new(entry));
    number
}

/// The node of this number. It lives on for as long as a call is in it.
pub fn find(number: ndb_node) -> Result<Arc<Entry>, Code> {
    own(number)?;
    NODES.read().unwrap_or_else(PoisonError::into_inner).nodes.get(&number).cloned().ok_or(Code::Closed)
}

/// Takes a node out: its number is no node any more.
pub fn remove(number: ndb_node) -> Result<Arc<Entry>, Code> {
    own(number)?;
    table().nodes.remove(&number).ok_or(Code::Closed)
}

/// A node of this process. Those of its parent may be locked by threads that are not here.
fn own(number: ndb_node) -> Result<(), Code> {
    if number <= INHERITED.load(Ordering::Relaxed) { Err(Code::Closed) } else { Ok(()) }
}

// The table is held across a fork, so that the child does not get it in the midst of a change.

pub(crate) extern "C" fn before_fork() {
    FORKING.set(Some(table()));
}

pub(crate) extern "C" fn after_fork() {
    FORKING.set(None);
}

pub(crate) extern "C" fn after_fork_in_child() {
    if let Some(table) = FORKING.take() {
        INHERITED.store(table.last, Ordering::Relaxed);
    }
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
