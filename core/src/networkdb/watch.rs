//! Watches: changes in order, from the rows already there on, bounded.
//!
//! A watcher that begins or has lagged walks the rows behind a cursor as its user pulls. Changes behind the cursor
//! are met by the walk, those before it are queued: none is lost and none comes twice.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    entry::Entry,
    rows::{EntryKey, Place, Rows, Step, Stored},
};
use crate::{Name, map::Map};

/// The table in which members come and go.
pub const NODE_TABLE: &[u8] = b"NodeTable";

/// Which rows; `None` admits any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The network.
    pub network: Option<Name>,
    /// The table.
    pub table: Option<Name>,
    /// A watch tells also what this node writes itself, which Docker's does not.
    pub own: bool,
}

impl Filter {
    /// The rows of one network.
    pub fn network(network: impl Into<Name>) -> Self {
        Self { network: Some(network.into()), ..Self::default() }
    }

    /// The rows of one table in all networks.
    pub fn table(table: impl Into<Name>) -> Self {
        Self { table: Some(table.into()), ..Self::default() }
    }

    /// Whether it admits rows of this table.
    pub fn admits(&self, network: &[u8], table: &[u8]) -> bool {
        self.network.as_ref().is_none_or(|name| name.as_bytes() == network)
            && self.table.as_ref().is_none_or(|name| name.as_bytes() == table)
    }
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// It is there.
    Create,
    /// It has a new value, or the same one again.
    Update,
    /// It is gone.
    Delete,
    /// The watcher lagged behind: whatever it knew is void, and the rows that are there follow as creates.
    Resync,
}

/// One change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The network; empty for members.
    pub network: Name,
    /// The table.
    pub table: Name,
    /// The key; empty for members.
    pub key: Name,
    /// The value there is now.
    pub value: Option<Bytes>,
    /// The value there was.
    pub previous: Option<Bytes>,
}

impl Change {
    fn of(at: Place<'_>, before: Option<&Entry>, after: Option<&Entry>) -> Self {
        Self {
            network: at.network.into(),
            table: at.table.into(),
            key: at.key.into(),
            value: after.map(Entry::shared_value),
            previous: before.map(Entry::shared_value),
        }
    }

    /// What happened.
    pub fn kind(&self) -> ChangeKind {
        match (&self.value, &self.previous) {
            (Some(_), None) => ChangeKind::Create,
            (Some(_), Some(_)) => ChangeKind::Update,
            (None, Some(_)) => ChangeKind::Delete,
            (None, None) => ChangeKind::Resync,
        }
    }
}

/// Names a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(pub u64);

/// How far the walk over the rows has come.
#[derive(Debug)]
enum Walk {
    At(Option<EntryKey>),
    Done,
}

#[derive(Debug)]
struct Watcher {
    filter: Filter,
    queue: VecDeque<Change>,
    walk: Walk,
    lagged: bool,
}

impl Watcher {
    /// Whether the walk will meet this row.
    fn walks_over(&self, change: &Change) -> bool {
        let Walk::At(cursor) = &self.walk else { return false };
        let Some(cursor) = cursor else { return true };
        (&change.network, &change.table, &change.key) > (&cursor.network, &cursor.table, &cursor.key)
    }

    /// The next row that was there before the watch began.
    fn walk_on(&mut self, rows: &Rows, name: &Name) -> Option<Change> {
        let Walk::At(cursor) = &self.walk else { return None };
        let told = |entry: &Entry| entry.is_live() && (self.filter.own || !is_own(entry, name));
        let found = rows.iter(&self.filter, cursor.as_ref()).find(|stored| told(stored.entry));
        let Some(Stored { network, table, entry }) = found else {
            self.walk = Walk::Done;
            return None;
        };
        let (key, value) = (EntryKey::new(network.clone(), table.clone(), entry.key()), entry.shared_value());
        self.walk = Walk::At(Some(key.clone()));
        let EntryKey { network, table, key } = key;
        Some(Change { network, table, key, value: Some(value), previous: None })
    }

    /// Queues a change; one to a row the walk will meet only if it is to come `ahead` of it. `false`: the queue was full.
    fn push(&mut self, change: &Change, limit: usize, ahead: bool) -> bool {
        if self.lagged || !self.filter.admits(&change.network, &change.table) {
            return true;
        }
        let member = change.table.as_bytes() == NODE_TABLE && change.network.is_empty();
        if !member && !ahead && self.walks_over(change) {
            return true;
        }
        if self.queue.len() >= limit {
            self.queue.clear();
            self.lagged = true;
            return false;
        }
        self.queue.push_back(change.clone());
        true
    }
}

/// Whether a row was written by this node in this life: its user knows of it without a watch.
fn is_own(entry: &Entry, name: &Name) -> bool {
    entry.owner() == name && !entry.is_inherited()
}

/// All watchers.
#[derive(Debug)]
pub(super) struct Watchers {
    /// This node's.
    name: Name,
    by_id: Map<WatchId, Watcher>,
    last: u64,
    /// Times a watcher lagged behind.
    pub lagged: u64,
}

impl Watchers {
    pub(super) fn new(name: Name) -> Self {
        Self { name, by_id: Map::default(), last: 0, lagged: 0 }
    }

    /// Starts a watch with the rows already there.
    pub(super) fn add(&mut self, filter: Filter) -> WatchId {
        self.last += 1;
        let id = WatchId(self.last);
        let watcher = Watcher { filter, queue: VecDeque::new(), walk: Walk::At(None), lagged: false };
        self.by_id.insert(id, watcher);
        id
    }

    /// Ends a watch.
    pub(super) fn remove(&mut self, id: WatchId) {
        self.by_id.remove(&id);
    }

    /// Tells all watchers what became of a row, if a reader sees it.
    pub(super) fn publish(&mut self, at: Place<'_>, step: &Step, limit: usize) {
        if self.by_id.is_empty() {
            return;
        }
        if let Some((before, after)) = step.seen() {
            // The walk meets only what is there, and without own rows a watcher never hears that one is not.
            let lost = after.is_none() && before.is_some_and(|before| is_own(before, &self.name));
            self.tell_some(&Change::of(at, before, after), limit, |filter| (true, lost && !filter.own));
        }
    }

    /// Tells those watchers what became of a row who want to know what this node does itself.
    pub(super) fn publish_own(&mut self, at: Place<'_>, step: &Step, limit: usize) {
        if self.by_id.values().any(|watcher| watcher.filter.own)
            && let Some((before, after)) = step.seen()
        {
            self.tell_some(&Change::of(at, before, after), limit, |filter| (filter.own, false));
        }
    }

    /// Tells all watchers; one whose queue is full starts over.
    pub(super) fn tell(&mut self, change: &Change, limit: usize) {
        self.tell_some(change, limit, |_| (true, false));
    }

    /// `how` says of a filter whether its watcher is told, and whether ahead of its walk.
    fn tell_some(&mut self, change: &Change, limit: usize, how: impl Fn(&Filter) -> (bool, bool)) {
        for watcher in self.by_id.values_mut() {
            let (told, ahead) = how(&watcher.filter);
            if told && !watcher.push(change, limit, ahead) {
                self.lagged += 1;
            }
        }
    }

    /// The next change for a watcher. `members` gives the values of the active ones.
    pub(super) fn next(
        &mut self,
        id: WatchId,
        rows: &Rows,
        members: impl Fn() -> Vec<Change>,
    ) -> Option<Change> {
        let watcher = self.by_id.get_mut(&id)?;
        if std::mem::take(&mut watcher.lagged) {
            watcher.walk = Walk::At(None);
            watcher.queue.clear();
            let filter = &watcher.filter;
            watcher
                .queue
                .extend(members().into_iter().filter(|change| filter.admits(&change.network, &change.table)));
            return Some(Change::default());
        }
        watcher.queue.pop_front().or_else(|| watcher.walk_on(rows, &self.name))
    }

    /// Watchers.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Changes waiting in all of them.
    pub(super) fn queued(&self) -> usize {
        self.by_id.values().map(|watcher| watcher.queue.len()).sum()
    }
}
