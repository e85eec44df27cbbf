//! What the user of this node writes and reads. Source: `networkdb.go`.

use bytes::Bytes;

use super::{
    EntryError, Event, NetworkError,
    message::{CREATE, DELETE, Encode, JOIN, Kind, LEAVE, TableEvent, UPDATE, wrap},
    network::Attachment,
    table::{Entry, EntryKey, OwnerFailed, Row, RowState, nanos},
    tables::Tables,
    watch::{Change, Filter, WatchId},
};
use crate::{Name, machine::Instant, memberlist::RequestId};

/// What else a message around a row needs: envelopes, network names and times of a bulk sync.
const AROUND_ROW: usize = 512;

impl Tables {
    /// Writes a row that is not there.
    pub fn create_entry(&mut self, key: &EntryKey, value: Bytes) -> Result<(), EntryError> {
        if self.state_of(key) == Some(RowState::Live) {
            return Err(EntryError::Exists(key.clone()));
        }
        self.write(key, value, CREATE)
    }

    /// Writes a row that is there.
    pub fn update_entry(&mut self, key: &EntryKey, value: Bytes) -> Result<(), EntryError> {
        if self.state_of(key) != Some(RowState::Live) {
            return Err(EntryError::Absent(key.clone()));
        }
        self.write(key, value, UPDATE)
    }

    /// Makes a row a tombstone.
    pub fn delete_entry(&mut self, key: &EntryKey) -> Result<(), EntryError> {
        if self.state_of(key) != Some(RowState::Live) {
            return Err(EntryError::Missing(key.clone()));
        }
        let value = self.entry(key).map(|entry| entry.value.clone()).unwrap_or_default();
        self.write(key, value, DELETE)
    }

    /// Reads a row.
    pub fn get_entry(&self, key: &EntryKey) -> Result<Row, EntryError> {
        let entry = self.entry(key).ok_or_else(|| EntryError::NotFound(key.clone()))?;
        let failed = self.nodes.is_failed(&entry.owner);
        match entry.state(failed) {
            RowState::Live => Ok(entry.row(key, failed)),
            RowState::Hidden => Err(EntryError::Hidden(key.clone())),
            RowState::Deleted => Err(EntryError::Deleted(key.clone())),
        }
    }

    /// Rows, live and not, by network, table and key.
    pub fn rows(&self, filter: &Filter) -> Vec<Row> {
        let rows = self.rows.iter(filter);
        rows.map(|(key, entry)| entry.row(&key, self.nodes.is_failed(&entry.owner))).collect()
    }

    fn entry(&self, key: &EntryKey) -> Option<&Entry> {
        self.rows.get(&key.network, &key.table, &key.key)
    }

    fn state_of(&self, key: &EntryKey) -> Option<RowState> {
        self.entry(key).map(|entry| entry.state(self.nodes.is_failed(&entry.owner)))
    }

    fn write(&mut self, key: &EntryKey, value: Bytes, kind: i32) -> Result<(), EntryError> {
        let key = self.rows.name(&key.network, &key.table, &key.key);
        let limit = self.config.limits.stream_message;
        let size = self.event(&key, &value, u64::MAX, kind, 0).max_len() + key.network.len() + AROUND_ROW;
        if size > limit {
            return Err(EntryError::TooLarge { size, limit });
        }
        let deleting = kind == DELETE;
        let reap = if deleting { nanos(self.config.reap_entry) } else { 0 };
        let time = self.table_clock.increment();
        self.store_own(&key, Entry { owner: self.name.clone(), value, time, reap, deleting }, kind);
        Ok(())
    }

    fn event<'a>(&'a self, key: &'a EntryKey, value: &'a [u8], time: u64, kind: i32, residual: i32) -> TableEvent<'a> {
        let EntryKey { network, table, key } = key;
        TableEvent { kind, time, node: &self.name, network, table, key, value, residual }
    }

    /// Stores an own row and queues its event. Watchers are not told what this node does itself.
    pub(super) fn store_own(&mut self, key: &EntryKey, entry: Entry, kind: i32) {
        let time = entry.time;
        let event = self.event(key, &entry.value, time, kind, entry.residual()).to_bytes();
        let before = self.entry(key).is_some_and(|old| self.nodes.is_failed(&old.owner));
        self.apply(key, Some(entry), OwnerFailed { before, after: false });
        let room = self.packet_room;
        let Some(own) = self.networks.own_mut(&key.network) else { return };
        let (bytes, row): (Bytes, _) = (wrap(Kind::TableEvent, &event).into(), (key.table.clone(), key.key.clone()));
        if super::gossip::fits(bytes.len(), room) {
            own.oversize.remove(&row);
            own.queue.push(row, time, bytes);
        } else {
            own.oversize.insert(row, bytes);
        }
    }

    /// Takes part in a network. Own state first, then the news, then a bulk sync with all its nodes at once.
    pub fn join_network(&mut self, now: Instant, network: &[u8]) -> Result<RequestId, NetworkError> {
        let size = 64 + self.name.len() + network.len();
        if size > self.packet_room {
            return Err(NetworkError::TooLarge { size, limit: self.packet_room });
        }
        let time = self.network_clock.increment();
        let network = self.networks.name(network);
        if self.networks.joined(&network) {
            return Err(NetworkError::AlreadyJoined(network));
        }
        let own = self.networks.own_or_new(network.clone());
        own.attachment = Attachment { time, ..Attachment::default() };
        own.in_sync = false;
        self.networks.add_peer(&network, &self.name);
        self.announce_network(JOIN, time, &network);
        let request = self.next_request();
        self.sync_after_join(now, &network, request);
        Ok(request)
    }

    /// Leaves a network: own rows become tombstones here, those of others go.
    pub fn leave_network(&mut self, network: &[u8]) -> Result<(), NetworkError> {
        let time = self.network_clock.increment();
        let network = self.networks.name(network);
        self.networks.remove_peer(&network, &self.name);
        self.bury_rows(&network);
        self.end_join(&network, 0);
        let reap = self.config.reap_network;
        let own = self.networks.own_mut(&network);
        let joined = own.is_some();
        if let Some(own) = own {
            own.attachment = Attachment { time, leaving: true, reap };
        }
        self.announce_network(LEAVE, time, &network);
        if joined { Ok(()) } else { Err(NetworkError::NotJoined(network)) }
    }

    fn bury_rows(&mut self, network: &Name) {
        let rows: Vec<_> = self.rows.iter(&Filter::network(network.clone())).map(|(key, entry)| (key, entry.clone())).collect();
        for (key, entry) in rows {
            let before = self.nodes.is_failed(&entry.owner);
            let next = if entry.owner != self.name {
                None
            } else if entry.deleting {
                continue;
            } else {
                let (time, reap) = (self.table_clock.increment(), nanos(self.config.reap_entry));
                Some(Entry { time, reap, deleting: true, ..entry })
            };
            self.apply_and_tell(&key, next, OwnerFailed { before, after: false });
        }
    }

    /// Starts a watch: first the rows of others already there, then every change by others.
    pub fn watch(&mut self, filter: Filter) -> WatchId {
        self.watchers.add(filter)
    }

    /// Ends a watch.
    pub fn unwatch(&mut self, id: WatchId) {
        self.watchers.remove(id);
    }

    /// The next change for a watcher.
    pub fn next_change(&mut self, id: WatchId) -> Option<Change> {
        let Self { watchers, rows, nodes, name, .. } = self;
        let members = || {
            let others = nodes.with(super::Standing::Active).filter(|(node, _)| *node != name);
            others.map(|(_, node)| super::members::member_change(node.addr.ip(), true)).collect()
        };
        watchers.next(id, rows, members, |owner| (owner != name).then(|| nodes.is_failed(owner)))
    }

    /// A join of a network is over; told once.
    pub(super) fn end_join(&mut self, network: &Name, synced: usize) {
        let Some(join) = self.joins.remove(network) else { return };
        if let Some(request) = join.request {
            self.done.push_back(Event::NetworkJoined { request, network: network.clone(), synced });
        }
    }
}
