//! What the user of this node writes and reads. Source: `networkdb.go`.

use bytes::Bytes;

use super::{
    EntryError, NetworkError,
    entry::{Draft, Entry},
    message::{CREATE, DELETE, JOIN, LEAVE, TableEvent, UPDATE},
    network::Attachment,
    rows::{EntryKey, Held, Place, Row, RowState, Step, Stored, nanos},
    tables::Tables,
    watch::{Change, Filter, WatchId},
};
use crate::{
    Name,
    machine::{Instant, Rhythm},
    memberlist::RequestId,
};

/// What else a message around a row needs: envelopes, network names and times of a bulk sync.
const AROUND_ROW: usize = 512;

impl Tables {
    /// Writes a row that is not there.
    pub fn create_entry(&mut self, key: &EntryKey, value: Bytes) -> Result<(), EntryError> {
        self.check_size(key, &value, CREATE)?;
        let draft = self.own_draft(&value, self.table_clock.next(), CREATE);
        // What is left of an earlier life does not stand in the way of this one.
        let stays = |entry: &Entry| entry.is_live() && !entry.is_inherited();
        let step = self.rows.create(key.place(), &draft, stays);
        let step = step.ok_or_else(|| EntryError::Exists(key.clone()))?;
        self.table_clock.increment();
        self.tell_own(key.place(), &step, CREATE);
        Ok(())
    }

    /// Writes a row that is there.
    pub fn update_entry(&mut self, key: &EntryKey, value: Bytes) -> Result<(), EntryError> {
        if self.state_of(key) != Some(RowState::Live) {
            return Err(EntryError::Absent(key.clone()));
        }
        self.write(key, &value, UPDATE)
    }

    /// Writes a row, whether it is there or not.
    pub fn put_entry(&mut self, key: &EntryKey, value: Bytes) -> Result<(), EntryError> {
        let kind = if self.state_of(key) == Some(RowState::Live) { UPDATE } else { CREATE };
        self.write(key, &value, kind)
    }

    /// Makes a row a tombstone.
    pub fn delete_entry(&mut self, key: &EntryKey) -> Result<(), EntryError> {
        if self.state_of(key) != Some(RowState::Live) {
            return Err(EntryError::Missing(key.clone()));
        }
        let value = self.rows.get(key.place()).map(Entry::shared_value).unwrap_or_default();
        self.write(key, &value, DELETE)
    }

    /// Reads a row.
    pub fn get_entry(&self, key: &EntryKey) -> Result<Row, EntryError> {
        let entry = self.rows.get(key.place()).ok_or_else(|| EntryError::NotFound(key.clone()))?;
        match entry.state() {
            RowState::Live => {
                let EntryKey { network, table, .. } = key;
                Ok(self.rows.row(Stored { network, table, entry }))
            }
            RowState::Hidden => Err(EntryError::Hidden(key.clone())),
            RowState::Deleted => Err(EntryError::Deleted(key.clone())),
        }
    }

    /// Rows, live and not, by network, table and key.
    pub fn rows(&self, filter: &Filter) -> Vec<Row> {
        self.page(filter, None, usize::MAX)
    }

    /// At most `limit` rows, the first behind a key if one is given.
    pub fn page(&self, filter: &Filter, behind: Option<&EntryKey>, limit: usize) -> Vec<Row> {
        self.rows.iter(filter, behind).take(limit).map(|stored| self.rows.row(stored)).collect()
    }

    fn state_of(&self, key: &EntryKey) -> Option<RowState> {
        self.rows.get(key.place()).map(Entry::state)
    }

    fn write(&mut self, key: &EntryKey, value: &[u8], kind: i32) -> Result<(), EntryError> {
        self.check_size(key, value, kind)?;
        let time = self.table_clock.increment();
        self.store_own(key.place(), value, time, kind);
        Ok(())
    }

    fn check_size(&self, key: &EntryKey, value: &[u8], kind: i32) -> Result<(), EntryError> {
        let limit = self.config.limits.stream_message;
        let size = self.event(key.place(), value, u64::MAX, kind).max_len() + key.network.len() + AROUND_ROW;
        if size > limit { Err(EntryError::TooLarge { size, limit }) } else { Ok(()) }
    }

    fn own_draft<'a>(&self, value: &'a [u8], time: u64, kind: i32) -> Draft<'a> {
        let (state, reap) = if kind == DELETE {
            (RowState::Deleted, nanos(self.config.reap_entry))
        } else {
            (RowState::Live, 0)
        };
        Draft { owner: self.name.clone(), value, time, state, reap, inherited: false }
    }

    fn event<'a>(&'a self, at: Place<'a>, value: &'a [u8], time: u64, kind: i32) -> TableEvent<'a> {
        let Place { network, table, key } = at;
        let residual = if kind == DELETE { self.config.reap_entry.as_secs() } else { 0 };
        let residual = i32::try_from(residual).unwrap_or(i32::MAX);
        TableEvent { kind, time, node: &self.name, network, table, key, value, residual }
    }

    /// Stores an own row and queues its event.
    pub(super) fn store_own(&mut self, at: Place<'_>, value: &[u8], time: u64, kind: i32) {
        let step = self.rows.put(at, &self.own_draft(value, time, kind));
        self.tell_own(at, &step, kind);
    }

    /// Queues the event of an own row. Only watchers who ask for it are told what this node does itself.
    fn tell_own(&mut self, at: Place<'_>, step: &Step, kind: i32) {
        let Some(entry) = &step.after else { return };
        let time = entry.time();
        let bytes: Bytes = self.event(at, entry.value(), time, kind).wrapped().into();
        self.watchers.publish_own(at, step, self.config.limits.watch_queue);
        self.count(at, step);
        let room = self.packet_room;
        let (Some(own), Some(row)) = (self.networks.own_mut(at.network), step.name()) else { return };
        if super::gossip::fits(bytes.len(), room) {
            own.oversize.remove(&row);
            own.queue.push(row, time, bytes);
        } else {
            own.oversize.insert(row, bytes);
        }
        self.hurry(at.network);
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
        let rhythm = Rhythm::new(self.config.gossip_interval);
        let own = self.networks.own_or_new(&network, rhythm);
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
        let filter = Filter::network(network.clone());
        let rows: Vec<Held> = self.rows.iter(&filter, None).map(|stored| stored.held()).collect();
        for held in rows {
            if held.entry.owner() != &self.name {
                self.remove_and_tell(held.place());
            } else if !held.entry.is_tombstone() {
                let (time, reap) = (self.table_clock.increment(), nanos(self.config.reap_entry));
                let tombstone = held.entry.turned(RowState::Deleted, reap);
                self.put_and_tell(held.place(), &Draft { time, ..tombstone });
            }
        }
    }

    /// Starts a watch: first the rows of others already there, then every change by others. Own rows that others
    /// bring back from an earlier life are among them; all own ones are if [`Filter::own`] says so.
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
        watchers.next(id, rows, members)
    }
}
