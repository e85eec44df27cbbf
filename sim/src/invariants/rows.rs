//! Rows: every version was written by its owner, none comes back, none is outside its network, and what a watch told
//! is what there is.

use std::collections::BTreeMap;

use bytes::Bytes;
use networkdb_core::{
    Name,
    machine::Instant,
    networkdb::{EntryKey, Filter, NetworkDb, Row, RowState, Stats},
};

use super::Violation;
use crate::{cluster::Node, faults::NodeId, settings::network_name};

/// A version of a row, as its owner wrote it.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    owner: Name,
    time: u64,
    deleted: bool,
    value: Bytes,
    /// When, by the true time.
    written: Instant,
}

impl Version {
    fn is(&self, row: &Row) -> bool {
        let deleted = row.state == RowState::Deleted;
        (self.time, self.deleted) == (row.time, deleted) && self.owner == row.owner && self.value == row.value
    }
}

/// Everything that was ever written.
#[derive(Debug, Default)]
pub(super) struct History(BTreeMap<EntryKey, Vec<Version>>);

impl History {
    fn note(&mut self, row: &Row, now: Instant) {
        self.0.entry(key_of(row)).or_default().push(Version {
            owner: row.owner.clone(),
            time: row.time,
            deleted: row.state == RowState::Deleted,
            value: row.value.clone(),
            written: now,
        });
    }

    /// When this version was written, if it was.
    fn written(&self, row: &Row) -> Option<Instant> {
        let versions = self.0.get(&key_of(row))?;
        versions.iter().rev().find(|version| version.is(row)).map(|version| version.written)
    }
}

/// The rows of a node when they were last looked at.
#[derive(Debug, Default)]
pub(super) struct SeenRows {
    rows: Vec<Row>,
    /// Tombstones that were forgotten after their time, by key.
    reaped: BTreeMap<EntryKey, Row>,
}

/// Whether the rows may be others than before.
pub(super) fn may_differ(before: &Stats, after: &Stats) -> bool {
    let of = |stats: &Stats| {
        let counters = &stats.counters;
        let nodes = (stats.active_nodes, stats.failed_nodes, stats.left_nodes);
        let rows = (stats.rows, stats.tombstones, stats.row_bytes, stats.networks);
        (counters.table_events, counters.reaped, nodes, rows)
    };
    of(before) != of(after)
}

/// One look at the rows of a node.
pub(super) struct Check<'a> {
    pub(super) id: NodeId,
    pub(super) db: &'a NetworkDb,
    pub(super) node: &'a Node,
    pub(super) now: Instant,
    /// The node may have written by itself or for its user.
    pub(super) may_write: bool,
    /// The node has forgotten what was over.
    pub(super) reaped: bool,
}

impl Check<'_> {
    /// Looks, and returns what the node has written.
    pub(super) fn run(&self, seen: &mut SeenRows, history: &mut History) -> Result<Vec<Row>, Violation> {
        let rows = self.db.rows(&Filter::default());
        let (mut written, mut old) = (Vec::new(), std::mem::take(&mut seen.rows).into_iter().peekable());
        for row in &rows {
            while old.peek().is_some_and(|old| place(old) < place(row)) {
                old.next().into_iter().for_each(|gone| self.forgotten(seen, &gone));
            }
            let before = old.next_if(|old| place(old) == place(row));
            if before.as_ref().is_none_or(|before| !same(before, row)) {
                self.changed(before.as_ref(), row, seen, history, &mut written)?;
            }
        }
        old.for_each(|gone| self.forgotten(seen, &gone));
        self.networks(&rows)?;
        self.watched(&rows)?;
        seen.rows = rows;
        Ok(written)
    }

    fn changed(
        &self,
        before: Option<&Row>,
        row: &Row,
        seen: &SeenRows,
        history: &mut History,
        written: &mut Vec<Row>,
    ) -> Result<(), Violation> {
        if before.is_some_and(|before| row.time < before.time && !self.went_with_owner(before)) {
            return self.violated("Lamport times never go back", row);
        }
        let own = *row.owner == *self.node.name.as_bytes();
        if own && self.may_write {
            history.note(row, self.now);
            written.push(row.clone());
        }
        let Some(since) = history.written(row) else {
            let deleted = row.state == RowState::Deleted;
            let what =
                if deleted { "only the owner writes tombstones" } else { "only the owner writes a row" };
            return self.violated(what, row);
        };
        // Nobody can forbid a row that was written later, by a clock that was behind.
        let tombstone = seen.reaped.get(&key_of(row)).filter(|tombstone| tombstone.time >= row.time);
        let older = tombstone.and_then(|tombstone| history.written(tombstone)).is_some_and(|at| since < at);
        if older && row.state != RowState::Deleted {
            return self.violated("no row comes back after its reap time", row);
        }
        Ok(())
    }

    /// A live row goes when its owner leaves, and an older one may take its place in the same step.
    fn went_with_owner(&self, row: &Row) -> bool {
        let takes_part = || self.db.peers(&row.network).iter().any(|peer| peer.name == row.owner);
        row.state != RowState::Deleted && !takes_part()
    }

    fn forgotten(&self, seen: &mut SeenRows, gone: &Row) {
        if self.reaped && gone.state == RowState::Deleted {
            seen.reaped.insert(key_of(gone), gone.clone());
        }
    }

    fn networks(&self, rows: &[Row]) -> Result<(), Violation> {
        let joined: Vec<String> = self.node.joined.iter().map(|network| network_name(*network)).collect();
        let outside = |row: &&Row| {
            *row.owner != *self.node.name.as_bytes()
                && !joined.iter().any(|network| network.as_bytes() == &*row.network)
        };
        match rows.iter().find(outside) {
            Some(row) => self.violated("no row is held outside its network", row),
            None => Ok(()),
        }
    }

    fn watched(&self, rows: &[Row]) -> Result<(), Violation> {
        if !self.node.is_watching() {
            return Ok(());
        }
        let mut live = rows.iter().filter(|row| row.state == RowState::Live);
        let mut told = self.node.replica.iter();
        loop {
            let (there, watched) = (live.next(), told.next());
            let equal = match (there, watched) {
                (None, None) => return Ok(()),
                (Some(row), Some((key, value))) => {
                    (&key.network, &key.table, &key.key) == place(row) && *value == row.value
                }
                _ => false,
            };
            if !equal {
                let found = format!("there is {}, it told {}", shown(there), told_of(watched));
                return Err(Violation::new("a watch equals a replay of the state", self.id, found));
            }
        }
    }

    fn violated<T>(&self, invariant: &'static str, row: &Row) -> Result<T, Violation> {
        Err(Violation::new(invariant, self.id, shown(Some(row))))
    }
}

fn same(a: &Row, b: &Row) -> bool {
    (a.time, a.state) == (b.time, b.state) && a.owner == b.owner
}

fn place(row: &Row) -> (&Name, &Name, &Name) {
    (&row.network, &row.table, &row.key)
}

fn key_of(row: &Row) -> EntryKey {
    EntryKey { network: row.network.clone(), table: row.table.clone(), key: row.key.clone() }
}

fn shown(row: Option<&Row>) -> String {
    let Some(row) = row else { return "nothing".into() };
    let Row { network, key, owner, time, state, .. } = row;
    format!("{network}/{key} of {owner} at {time}, {state:?}")
}

fn told_of(told: Option<(&EntryKey, &Bytes)>) -> String {
    told.map_or("nothing".into(), |(key, value)| {
        format!("{}/{} {}", key.network, key.key, String::from_utf8_lossy(value).trim_end_matches('.'))
    })
}
