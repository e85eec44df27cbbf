//! The rows: by network, table and key, and by when they are to be forgotten.
//!
//! Tables, reads and watchers share an [`Entry`]. A row of 11 bytes of key and 64 of value takes about 170 bytes.

use std::{
    collections::BTreeSet,
    hash::{Hash, Hasher},
    ops::Bound::{Excluded, Included, Unbounded},
    time::Duration,
};

use super::{
    entry::{Draft, Entry},
    watch::Filter,
};
use crate::{Name, map::Map};
use bytes::Bytes;

/// Names a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey {
    /// The network.
    pub network: Name,
    /// The table.
    pub table: Name,
    /// The key.
    pub key: Name,
}

impl EntryKey {
    /// From its parts.
    pub fn new(network: impl Into<Name>, table: impl Into<Name>, key: impl Into<Name>) -> Self {
        Self { network: network.into(), table: table.into(), key: key.into() }
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place { network: &self.network, table: &self.table, key: &self.key }
    }
}

/// What a row is to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowState {
    /// It can be read.
    Live,
    /// Its owner has failed; it is back when the owner is.
    Hidden,
    /// A tombstone.
    Deleted,
}

/// A row as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The network.
    pub network: Name,
    /// The table.
    pub table: Name,
    /// The key.
    pub key: Name,
    /// The value; of a tombstone the last one.
    pub value: Bytes,
    /// The node that wrote it.
    pub owner: Name,
    /// When it was written, by the table clock.
    pub time: u64,
    /// What it is to a reader.
    pub state: RowState,
    /// What is left until it is forgotten, if that is to happen.
    pub reap: Option<Duration>,
}

impl Row {
    /// What names it.
    pub fn entry_key(&self) -> EntryKey {
        EntryKey::new(self.network.clone(), self.table.clone(), self.key.clone())
    }
}

/// Nanoseconds in a second.
pub(super) const SECOND: i64 = 1_000_000_000;

/// A duration in nanoseconds.
pub(super) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Where a row is or would be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub network: &'a [u8],
    pub table: &'a [u8],
    pub key: &'a [u8],
}

/// A row and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'a> {
    pub network: &'a Name,
    pub table: &'a Name,
    pub entry: &'a Entry,
}

impl Stored<'_> {
    pub(super) fn entry_key(&self) -> EntryKey {
        EntryKey::new(self.network.clone(), self.table.clone(), self.entry.key())
    }

    /// The same, kept while the tables change.
    pub(super) fn held(&self) -> Held {
        Held { network: self.network.clone(), table: self.table.clone(), entry: self.entry.clone() }
    }
}

/// A row and where it was.
#[derive(Debug)]
pub(super) struct Held {
    pub network: Name,
    pub table: Name,
    pub entry: Entry,
}

impl Held {
    pub(super) fn place(&self) -> Place<'_> {
        Place { network: &self.network, table: &self.table, key: self.entry.key() }
    }
}

/// What an event of one network is about: a table, and a row of its key. No bytes are copied for that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowName {
    table: Name,
    row: Entry,
}

impl Hash for RowName {
    /// Rows of several tables seldom have the same key.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.row.hash(state);
    }
}

/// What became of a row.
#[derive(Debug)]
pub(super) struct Step {
    pub table: Name,
    pub before: Option<Entry>,
    pub after: Option<Entry>,
}

impl Step {
    /// Names the row, if it is there.
    pub(super) fn name(&self) -> Option<RowName> {
        Some(RowName { table: self.table.clone(), row: self.after.clone()? })
    }

    /// By how much the number of rows and tombstones grew.
    pub(super) fn grew(&self) -> i64 {
        i64::from(self.after.is_some()) - i64::from(self.before.is_some())
    }

    /// What a reader saw before and sees now; `None` if nothing, both times.
    pub(super) fn seen(&self) -> Option<(Option<&Entry>, Option<&Entry>)> {
        let live = |entry: &Option<Entry>| entry.as_ref().is_some_and(Entry::is_live);
        let before = self.before.as_ref().filter(|_| live(&self.before));
        let after = self.after.as_ref().filter(|_| live(&self.after));
        (before.is_some() || after.is_some()).then_some((before, after))
    }
}

type Table = BTreeSet<Entry>;

/// All rows.
#[derive(Debug, Default)]
pub(super) struct Rows {
    networks: Map<Name, Map<Name, Table>>,
    /// Tombstones and hidden rows, by the age at which they are forgotten.
    ending: BTreeSet<(i64, Name, Name, Entry)>,
    /// Nanoseconds all rows have aged.
    age: i64,
    len: usize,
    bytes: usize,
    tombstones: usize,
}

impl Rows {
    /// A row.
    pub(super) fn get(&self, at: Place<'_>) -> Option<&Entry> {
        self.networks.get(at.network)?.get(at.table)?.get(at.key)
    }

    /// Nanoseconds a row has left, as [`Draft::reap`] has them.
    pub(super) fn reap(&self, entry: &Entry) -> i64 {
        if entry.is_live() { entry.end() } else { entry.end().saturating_sub(self.age) }
    }

    /// What a row has left, in whole seconds, as events carry it.
    pub(super) fn residual(&self, entry: &Entry) -> i32 {
        i32::try_from(self.reap(entry) / SECOND).unwrap_or(i32::MAX)
    }

    /// A row as its readers get it.
    pub(super) fn row(&self, stored: Stored<'_>) -> Row {
        let EntryKey { network, table, key } = stored.entry_key();
        let entry = stored.entry;
        let left = u64::try_from(self.reap(entry)).ok().filter(|&left| left > 0 && !entry.is_live());
        Row {
            network,
            table,
            key,
            value: entry.shared_value(),
            owner: entry.owner().clone(),
            time: entry.time(),
            state: entry.state(),
            reap: left.map(Duration::from_nanos),
        }
    }

    /// Stores or replaces a row.
    pub(super) fn put(&mut self, at: Place<'_>, draft: &Draft<'_>) -> Step {
        let entry = self.entry(at, draft);
        let (network, table) = self.names(at);
        let before = self.table(&network, &table).replace(entry.clone());
        self.replaced(network, table, before, entry)
    }

    /// The same, unless there is a row that `stays`. A row that is new is looked for only once.
    pub(super) fn create(
        &mut self,
        at: Place<'_>,
        draft: &Draft<'_>,
        stays: impl Fn(&Entry) -> bool,
    ) -> Option<Step> {
        let entry = self.entry(at, draft);
        let (network, table) = self.names(at);
        let rows = self.table(&network, &table);
        let before = if rows.insert(entry.clone()) {
            None
        } else if rows.get(at.key).is_some_and(stays) {
            return None;
        } else {
            rows.replace(entry.clone())
        };
        Some(self.replaced(network, table, before, entry))
    }

    fn entry(&self, at: Place<'_>, draft: &Draft<'_>) -> Entry {
        let lives = draft.state == RowState::Live;
        Entry::new(at.key, draft, if lives { draft.reap } else { draft.reap.saturating_add(self.age) })
    }

    fn table(&mut self, network: &Name, table: &Name) -> &mut Table {
        self.networks.get_or_insert_with(network, Map::default).get_or_insert_with(table, Table::new)
    }

    fn replaced(&mut self, network: Name, table: Name, before: Option<Entry>, entry: Entry) -> Step {
        if let Some(old) = &before {
            self.uncount(old, &network, &table);
        }
        self.count(&entry, network, table.clone());
        Step { table, before, after: Some(entry) }
    }

    /// Removes a row.
    pub(super) fn remove(&mut self, at: Place<'_>) -> Option<Step> {
        let (network, table) = self.names(at);
        let tables = self.networks.get_mut(at.network)?;
        let rows = tables.get_mut(at.table)?;
        let old = rows.take(at.key)?;
        if rows.is_empty() {
            tables.remove(at.table);
        }
        if tables.is_empty() {
            self.networks.remove(at.network);
        }
        self.uncount(&old, &network, &table);
        Some(Step { table, before: Some(old), after: None })
    }

    /// The names of a network and a table, shared with what is stored already.
    pub(super) fn names(&self, at: Place<'_>) -> (Name, Name) {
        let tables = self.networks.get_key_value(at.network);
        let rows = tables.and_then(|(_, tables)| tables.get_key_value(at.table));
        (
            tables.map_or_else(|| at.network.into(), |(name, _)| name.clone()),
            rows.map_or_else(|| at.table.into(), |(name, _)| name.clone()),
        )
    }

    fn count(&mut self, entry: &Entry, network: Name, table: Name) {
        self.len += 1;
        self.bytes += network.len() + table.len() + entry.len();
        self.tombstones += usize::from(entry.is_tombstone());
        if !entry.is_live() {
            self.ending.insert((entry.end(), network, table, entry.clone()));
        }
    }

    fn uncount(&mut self, entry: &Entry, network: &Name, table: &Name) {
        self.len -= 1;
        self.bytes -= network.len() + table.len() + entry.len();
        self.tombstones -= usize::from(entry.is_tombstone());
        if !entry.is_live() {
            self.ending.remove(&(entry.end(), network.clone(), table.clone(), entry.clone()));
        }
    }

    /// The rows a filter admits, in order; only those behind a key, if one is given.
    pub(super) fn iter<'a>(
        &'a self,
        filter: &'a Filter,
        behind: Option<&'a EntryKey>,
    ) -> impl Iterator<Item = Stored<'a>> {
        named(&self.networks, filter.network.as_ref(), behind.map(|key| &key.network)).flat_map(
            move |(network, tables)| {
                let behind = behind.filter(|key| key.network == *network);
                named(tables, filter.table.as_ref(), behind.map(|key| &key.table)).flat_map(
                    move |(table, rows)| {
                        let behind = behind.filter(|key| key.table == *table);
                        let from = behind.map_or(Unbounded, |key| Excluded(key.key.as_bytes()));
                        let rows = rows.range::<[u8], _>((from, Unbounded));
                        rows.map(move |entry| Stored { network, table, entry })
                    },
                )
            },
        )
    }

    /// Lets all rows age; returns those whose time is over, for the caller to remove. One second before their end
    /// they are: what others are told is then one second or more.
    pub(super) fn age(&mut self, step: i64) -> Vec<Held> {
        let end = self.age.saturating_add(step).saturating_add(SECOND);
        self.age = self.age.saturating_add(step);
        let over = self.ending.iter().take_while(|(at, ..)| *at <= end);
        over.map(|(_, network, table, entry)| Stored { network, table, entry }.held()).collect()
    }

    /// The hidden rows of an owner in a network.
    pub(super) fn hidden_of(&self, network: &Name, owner: &Name) -> Vec<Held> {
        let hidden = |entry: &Entry| !entry.is_tombstone() && entry.owner() == owner;
        let found = self.ending.iter().filter(|(_, of, _, entry)| of == network && hidden(entry));
        found.map(|(_, network, table, entry)| Stored { network, table, entry }.held()).collect()
    }

    /// Nanoseconds for which there have been rows here: how long this node lives.
    pub(super) fn lifetime(&self) -> i64 {
        self.age
    }

    /// Rows and tombstones.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of all names and values.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Tombstones.
    pub(super) fn tombstones(&self) -> usize {
        self.tombstones
    }

    /// Rows and tombstones of a network.
    pub(super) fn len_of(&self, network: &[u8]) -> usize {
        self.networks.get(network).map_or(0, |tables| tables.values().map(BTreeSet::len).sum())
    }
}

/// The one that is wanted, or all of them from `from` on.
fn named<'a, V>(
    all: &'a Map<Name, V>,
    wanted: Option<&'a Name>,
    from: Option<&'a Name>,
) -> impl Iterator<Item = (&'a Name, &'a V)> + use<'a, V> {
    let bounds = match (wanted, from) {
        (Some(name), Some(from)) if name < from => (Excluded(name.as_bytes()), Included(name.as_bytes())),
        (Some(name), _) => (Included(name.as_bytes()), Included(name.as_bytes())),
        (None, Some(name)) => (Included(name.as_bytes()), Unbounded),
        (None, None) => (Unbounded, Unbounded),
    };
    all.range::<[u8]>(bounds)
}
