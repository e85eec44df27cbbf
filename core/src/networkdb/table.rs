//! The rows: one ordered map by network, table and key.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    time::Duration,
};

use bytes::Bytes;

use super::watch::{Change, Filter};
use crate::Name;

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

    fn len(&self) -> usize {
        self.network.len() + self.table.len() + self.key.len()
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

/// What is stored of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The node that wrote it.
    pub owner: Name,
    /// The value.
    pub value: Bytes,
    /// When it was written, by the table clock.
    pub time: u64,
    /// Nanoseconds until it is forgotten. Peers may send what is below zero.
    pub reap: i64,
    /// Whether it is a tombstone.
    pub deleting: bool,
}

/// Nanoseconds in a second.
pub(super) const SECOND: i64 = 1_000_000_000;

/// A duration in nanoseconds.
pub(super) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl Entry {
    /// What is left, in whole seconds, as events carry it.
    pub(super) fn residual(&self) -> i32 {
        i32::try_from(self.reap / SECOND).unwrap_or(i32::MAX)
    }

    fn visible(&self, owner_failed: bool) -> Option<&Bytes> {
        (!self.deleting && !owner_failed).then_some(&self.value)
    }

    /// What it is to a reader.
    pub(super) fn state(&self, owner_failed: bool) -> RowState {
        match (self.deleting, owner_failed) {
            (true, _) => RowState::Deleted,
            (false, true) => RowState::Hidden,
            (false, false) => RowState::Live,
        }
    }

    /// With its name.
    pub(super) fn row(&self, key: &EntryKey, owner_failed: bool) -> Row {
        let EntryKey { network, table, key } = key.clone();
        let state = self.state(owner_failed);
        let left = u64::try_from(self.reap).ok().filter(|&left| left > 0 && state != RowState::Live);
        let (value, owner) = (self.value.clone(), self.owner.clone());
        Row { network, table, key, value, owner, time: self.time, state, reap: left.map(Duration::from_nanos) }
    }
}

/// Whether the owner counts as failed, before and after a change.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnerFailed {
    /// Of the row that was there.
    pub before: bool,
    /// Of the row that is there now.
    pub after: bool,
}

/// What [`Rows::apply`] did.
#[derive(Debug)]
pub(super) struct Applied {
    /// What a reader sees of it.
    pub change: Option<Change>,
    /// By how much the number of rows and tombstones grew.
    pub grew: i64,
}

type Table = BTreeMap<Name, Entry>;

/// All rows.
#[derive(Debug, Default)]
pub(super) struct Rows {
    networks: BTreeMap<Name, BTreeMap<Name, Table>>,
    len: usize,
    bytes: usize,
    tombstones: usize,
}

impl Rows {
    /// A row.
    pub(super) fn get(&self, network: &[u8], table: &[u8], key: &[u8]) -> Option<&Entry> {
        self.networks.get(network)?.get(table)?.get(key)
    }

    /// The name of a row, its parts shared with what is stored already.
    pub(super) fn name(&self, network: &[u8], table: &[u8], key: &[u8]) -> EntryKey {
        let tables = self.networks.get_key_value(network);
        let rows = tables.and_then(|(_, tables)| tables.get_key_value(table));
        let row = rows.and_then(|(_, rows)| rows.get_key_value(key));
        EntryKey {
            network: tables.map_or_else(|| network.into(), |(name, _)| name.clone()),
            table: rows.map_or_else(|| table.into(), |(name, _)| name.clone()),
            key: row.map_or_else(|| key.into(), |(name, _)| name.clone()),
        }
    }

    /// Stores, replaces or removes a row. The only way to change one: what a reader saw before is compared with
    /// what it sees after.
    pub(super) fn apply(&mut self, key: &EntryKey, next: Option<Entry>, owner_failed: OwnerFailed) -> Applied {
        let after = next.as_ref().and_then(|entry| entry.visible(owner_failed.after)).cloned();
        let grows = i64::from(next.is_some());
        let old = match next {
            Some(entry) => self.insert(key, entry),
            None => self.remove(key),
        };
        let before = old.as_ref().and_then(|entry| entry.visible(owner_failed.before)).cloned();
        let change = (before.is_some() || after.is_some()).then(|| Change {
            network: key.network.clone(),
            table: key.table.clone(),
            key: key.key.clone(),
            value: after,
            previous: before,
        });
        Applied { change, grew: grows - i64::from(old.is_some()) }
    }

    fn insert(&mut self, key: &EntryKey, entry: Entry) -> Option<Entry> {
        let tables = self.networks.entry(key.network.clone()).or_default();
        let rows = tables.entry(key.table.clone()).or_default();
        self.bytes += entry.value.len();
        self.tombstones += usize::from(entry.deleting);
        let old = rows.insert(key.key.clone(), entry);
        match &old {
            Some(old) => self.uncount(old),
            None => {
                self.len += 1;
                self.bytes += key.len();
            }
        }
        old
    }

    fn remove(&mut self, key: &EntryKey) -> Option<Entry> {
        let tables = self.networks.get_mut(&key.network)?;
        let rows = tables.get_mut(&key.table)?;
        let old = rows.remove(&key.key)?;
        if rows.is_empty() {
            tables.remove(&key.table);
        }
        if tables.is_empty() {
            self.networks.remove(&key.network);
        }
        self.len -= 1;
        self.bytes -= key.len();
        self.uncount(&old);
        Some(old)
    }

    fn uncount(&mut self, old: &Entry) {
        self.bytes -= old.value.len();
        self.tombstones -= usize::from(old.deleting);
    }

    /// The rows a filter admits, in order.
    pub(super) fn iter<'a>(&'a self, filter: &Filter) -> impl Iterator<Item = (EntryKey, &'a Entry)> + use<'a> {
        let filter = filter.clone();
        let mut cursor = None;
        std::iter::from_fn(move || {
            let (key, entry) = self.after(&filter, cursor.as_ref())?;
            cursor = Some(key.clone());
            Some((key, entry))
        })
    }

    /// The first row a filter admits behind `cursor`.
    pub(super) fn after(&self, filter: &Filter, cursor: Option<&EntryKey>) -> Option<(EntryKey, &Entry)> {
        let Some(at) = cursor else { return self.first_from(filter, None) };
        let tables = self.networks.get_key_value(&at.network);
        let rows = tables.and_then(|(network, tables)| Some((network, tables.get_key_value(&at.table)?)));
        if let Some((network, (table, rows))) = rows
            && let Some((key, entry)) = rows.range::<[u8], _>((Excluded(at.key.as_bytes()), Unbounded)).next()
        {
            let (network, table, key) = (network.clone(), table.clone(), key.clone());
            return Some((EntryKey { network, table, key }, entry));
        }
        if let Some((network, tables)) = tables
            && filter.table.is_none()
            && let Some((table, rows)) = tables.range::<[u8], _>((Excluded(at.table.as_bytes()), Unbounded)).next()
        {
            return first_of(network, table, rows);
        }
        if filter.network.is_none() { self.first_from(filter, Some(&at.network)) } else { None }
    }

    fn first_from(&self, filter: &Filter, behind: Option<&Name>) -> Option<(EntryKey, &Entry)> {
        if let Some(network) = &filter.network {
            let (network, tables) = self.networks.get_key_value(network)?;
            return first_in(network, tables, filter);
        }
        let from = behind.map_or(Unbounded, |name| Excluded(name.as_bytes()));
        self.networks
            .range::<[u8], _>((from, Unbounded))
            .find_map(|(network, tables)| first_in(network, tables, filter))
    }

    /// Calls `each` for every row of every network, to age it.
    pub(super) fn for_each_mut(&mut self, mut each: impl FnMut(&Name, &Name, &Name, &mut Entry)) {
        for (network, tables) in &mut self.networks {
            for (table, rows) in tables {
                rows.iter_mut().for_each(|(key, entry)| each(network, table, key, entry));
            }
        }
    }

    /// Rows and tombstones.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
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
        self.networks.get(network).map_or(0, |tables| tables.values().map(BTreeMap::len).sum())
    }
}

fn first_in<'a>(network: &Name, tables: &'a BTreeMap<Name, Table>, filter: &Filter) -> Option<(EntryKey, &'a Entry)> {
    let (table, rows) = match &filter.table {
        Some(table) => tables.get_key_value(table)?,
        None => tables.iter().next()?,
    };
    first_of(network, table, rows)
}

fn first_of<'a>(network: &Name, table: &Name, rows: &'a Table) -> Option<(EntryKey, &'a Entry)> {
    let (key, entry) = rows.iter().next()?;
    Some((EntryKey { network: network.clone(), table: table.clone(), key: key.clone() }, entry))
}
