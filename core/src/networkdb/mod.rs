//! `NetworkDB`: tables by network, spread by gossip and bulk syncs over a memberlist, beside Docker's byte for byte.
//!
//! Behaves as the third generation does (`moby/moby/v2`), with which all older ones interoperate. A row belongs to
//! the node that wrote it last, by Lamport time; a failed owner's rows are hidden until it returns.

mod bulk_sync;
mod config;
mod digest;
mod drain;
mod entries;
mod entry;
mod error;
mod gossip;
mod join;
mod lamport;
mod members;
pub mod message;
mod network;
mod node;
mod oversize;
mod queue;
mod receive;
mod rows;
mod snapshot;
mod stats;
mod tables;
mod testing;
#[cfg(test)]
mod tests;
mod upkeep;
mod watch;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;

pub use config::{Config, DEFAULT_PORT, Limits};
pub use digest::{TableDigest, digests};
pub use error::{EntryError, JoinError, NetworkError};
pub use network::Attachment;
pub use node::{Node, Standing};
pub use rows::{EntryKey, Row, RowState};
pub use snapshot::{Attached, NetworkInfo, Peer, Snapshot};
pub use stats::{Counters, Stats};
pub use tables::Tables;
pub use watch::{Change, ChangeKind, Filter, NODE_TABLE, WatchId};

use crate::{
    Name,
    machine::{Endpoint, Input, Instant, Machine, Output, Rng},
    memberlist::{ConfigError, JoinReport, KeyError, Member, Memberlist, RequestId},
};
use tables::{Purpose, Todo};

/// What a `NetworkDB` tells its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// [`NetworkDb::join`] is over.
    Joined {
        /// Which one.
        request: RequestId,
        /// Whom it reached.
        result: Result<JoinReport, JoinError>,
    },
    /// [`NetworkDb::leave`] is over: the host may stop.
    Left {
        /// Which one.
        request: RequestId,
    },
    /// [`NetworkDb::join_network`] is over: a node has begun to send its rows, or nobody will.
    NetworkJoined {
        /// Which one.
        request: RequestId,
        /// The network.
        network: Name,
        /// 1 if a node answers: up to [`Config::bulk_sync_part`] bytes of its rows are there, more follow. 0 if none
        /// could be asked or none answered.
        synced: usize,
    },
    /// A node came, failed or left.
    Node {
        /// Its name.
        name: Name,
        /// Where it is or was reached.
        addr: SocketAddr,
        /// Where it stands now.
        standing: Standing,
    },
    /// A node has joined or left a network.
    Network {
        /// The network.
        network: Name,
        /// The node.
        node: Name,
        /// Whether it joined.
        joined: bool,
    },
    /// No other node answers. Bootstrap addresses and the nodes last seen are being tried. Told once until one does.
    Alone,
    /// Something to look at.
    Warning(Warning),
}

/// Something to look at. Counted in [`Stats`] as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A time too far ahead of a clock; the message was dropped.
    ClockJump,
    /// A node did not answer a bulk sync in time.
    BulkSyncTimedOut(Name),
    /// A packet or stream was dropped.
    Rejected {
        /// Where it came from.
        from: SocketAddr,
        /// Why.
        reason: String,
    },
    /// A node elsewhere claims a name that is in use; it is not let in.
    NameInUse {
        /// The name.
        name: Name,
        /// Where its owner is.
        owner: SocketAddr,
        /// Where the other one is.
        other: SocketAddr,
    },
}

/// A `NetworkDB` node: a machine.
pub struct NetworkDb {
    list: Memberlist,
    tables: Tables,
    now: Instant,
}

impl NetworkDb {
    /// A node that knows nobody. The seed makes all its choices; hosts draw it from the operating system.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Result<Self, ConfigError> {
        let mut rng = Rng::new(seed);
        let mut seeds = [[0; 32]; 2];
        for seed in &mut seeds {
            rng.fill(seed);
        }
        let [below, above] = seeds;
        let list_config = config.memberlist.clone();
        let mut tables = Tables::new(config, above, now);
        let list = Memberlist::new(list_config, below, now, &mut tables)?;
        let mut db = Self { list, tables, now };
        db.settle();
        Ok(db)
    }

    /// Joins the cluster at these addresses, all at once, and keeps them: as long as none belongs to a member they
    /// are tried again from time to time. Ends with [`Event::Joined`].
    pub fn join(&mut self, now: Instant, seeds: Vec<Endpoint>) -> RequestId {
        self.at(now);
        let request = self.tables.next_request();
        self.tables.set_bootstrap(seeds);
        let seeds = self.tables.bootstrap.seeds.clone();
        self.tables.todo.push_back(Todo::Join(seeds, Purpose::Join(request)));
        self.settle();
        request
    }

    /// Says goodbye and stops. Ends with [`Event::Left`].
    pub fn leave(&mut self, now: Instant) -> RequestId {
        self.at(now);
        let request = self.tables.leave(self.now);
        self.settle();
        request
    }

    /// Takes part in a network. Ends with [`Event::NetworkJoined`]; rows may be written and read at once.
    pub fn join_network(&mut self, now: Instant, network: &[u8]) -> Result<RequestId, NetworkError> {
        self.at(now);
        let request = self.tables.join_network(self.now, network);
        self.settle();
        request
    }

    /// Leaves a network. On [`NetworkError::NotJoined`] own rows in it are gone all the same.
    pub fn leave_network(&mut self, now: Instant, network: &[u8]) -> Result<(), NetworkError> {
        self.at(now);
        let result = self.tables.leave_network(network);
        self.settle();
        result
    }

    /// Writes a row that is not there.
    pub fn create_entry(&mut self, now: Instant, key: &EntryKey, value: Bytes) -> Result<(), EntryError> {
        self.at(now);
        self.tables.create_entry(key, value)
    }

    /// Writes a row that is there.
    pub fn update_entry(&mut self, now: Instant, key: &EntryKey, value: Bytes) -> Result<(), EntryError> {
        self.at(now);
        self.tables.update_entry(key, value)
    }

    /// Writes a row, whether it is there or not.
    pub fn put_entry(&mut self, now: Instant, key: &EntryKey, value: Bytes) -> Result<(), EntryError> {
        self.at(now);
        self.tables.put_entry(key, value)
    }

    /// Deletes a row.
    pub fn delete_entry(&mut self, now: Instant, key: &EntryKey) -> Result<(), EntryError> {
        self.at(now);
        self.tables.delete_entry(key)
    }

    /// Reads a row.
    pub fn get_entry(&self, key: &EntryKey) -> Result<Row, EntryError> {
        self.tables.get_entry(key)
    }

    /// Rows by network, table and key: live, hidden and deleted ones.
    pub fn rows(&self, filter: &Filter) -> Vec<Row> {
        self.tables.rows(filter)
    }

    /// At most `limit` of these rows, the first behind a key if one is given: to read many while keeping few.
    pub fn page(&self, filter: &Filter, behind: Option<&EntryKey>, limit: usize) -> Vec<Row> {
        self.tables.page(filter, behind, limit)
    }

    /// Starts a watch: first the rows of other nodes already there, then every change by other nodes. A watcher
    /// that does not read starts over with [`ChangeKind::Resync`].
    pub fn watch(&mut self, filter: Filter) -> WatchId {
        self.tables.watch(filter)
    }

    /// Ends a watch.
    pub fn unwatch(&mut self, id: WatchId) {
        self.tables.unwatch(id);
    }

    /// The next change for a watcher.
    pub fn next_change(&mut self, id: WatchId) -> Option<Change> {
        self.tables.next_change(id)
    }

    /// The networks this node takes part in or is leaving, by name.
    pub fn networks(&self) -> Vec<NetworkInfo> {
        self.tables.networks()
    }

    /// The nodes of a network, this one included, in the order they came.
    pub fn peers(&self, network: &[u8]) -> Vec<Peer> {
        self.tables.peers(network)
    }

    /// The active nodes, this one included, by name.
    pub fn cluster_peers(&self) -> Vec<Peer> {
        self.tables.cluster_peers()
    }

    /// The members as memberlist knows them, by name.
    pub fn members(&self) -> Vec<Member> {
        self.list.members_by_name().into_iter().cloned().collect()
    }

    /// Installs a key for reading.
    pub fn add_key(&mut self, key: &[u8]) -> Result<(), KeyError> {
        self.list.add_key(key)?;
        self.settle();
        Ok(())
    }

    /// Seals with an installed key from now on.
    pub fn use_key(&mut self, key: &[u8]) -> Result<(), KeyError> {
        self.list.use_key(key)?;
        self.settle();
        Ok(())
    }

    /// Removes a key; the one in use is refused and stays.
    pub fn remove_key(&mut self, key: &[u8]) -> Result<(), KeyError> {
        self.list.remove_key(key)?;
        self.settle();
        Ok(())
    }

    /// How many keys are installed.
    pub fn keys_installed(&self) -> usize {
        self.list.keyring().len()
    }

    /// Figures.
    pub fn stats(&self) -> Stats {
        Stats {
            keys: self.keys_installed(),
            health: self.list.health(),
            membership: self.list.counters().clone(),
            membership_gauges: self.list.gauges(),
            ..self.tables.stats()
        }
    }

    /// All state, as plain data.
    pub fn snapshot(&self) -> Snapshot {
        self.tables.snapshot()
    }

    /// The membership below.
    pub fn memberlist(&self) -> &Memberlist {
        &self.list
    }

    /// Time never runs back.
    fn at(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Carries out what the tables want of the membership, until they want no more.
    fn settle(&mut self) {
        self.tables.set_sealed(!self.list.keyring().is_empty());
        loop {
            self.tables.check_announced(self.now);
            let Some(todo) = self.tables.todo.pop_front() else { break };
            self.carry_out(todo);
        }
    }

    fn carry_out(&mut self, todo: Todo) {
        let (list, tables, now) = (&mut self.list, &mut self.tables, self.now);
        match todo {
            Todo::Hurry => list.hurry_gossip(),
            Todo::BestEffort(to, bytes) => drop(list.send_best_effort(&to, &bytes)),
            Todo::Join(seeds, purpose) => {
                let request = list.join(now, seeds, tables);
                self.asked(request, purpose);
            }
            Todo::PushPull => list.push_pull_now(now),
            Todo::Leave(purpose) => {
                let timeout: Duration = tables.leave_timeout();
                let request = list.leave(now, timeout, tables);
                self.asked(request, purpose);
            }
            Todo::Reliable(to, bytes) => {
                let sealed = list.seal_reliable(&bytes);
                for (addr, purpose) in to {
                    let request = self.list.deliver(now, addr, sealed.clone());
                    self.asked(request, purpose);
                }
            }
        }
    }

    /// Something asked of the membership is under way, or has ended within the call.
    fn asked(&mut self, request: RequestId, purpose: Purpose) {
        let tables = &mut self.tables;
        match tables.early.iter().position(|(early, _)| *early == request) {
            Some(place) => {
                let (_, outcome) = tables.early.remove(place);
                tables.finished(self.now, purpose, outcome);
            }
            None => drop(tables.waiting.insert(request, purpose)),
        }
        tables.early.clear();
    }
}

impl Machine for NetworkDb {
    type Event = Event;

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.at(now);
        self.list.handle(self.now, input, &mut self.tables);
        self.tables.handle_due(self.now);
        self.settle();
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.list.poll_output()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.tables.next_event()
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.list.next_deadline(), self.tables.next_deadline()];
        deadlines.into_iter().flatten().min()
    }
}

/// The address a peer shows: what the table of members holds.
fn shown(addr: SocketAddr) -> IpAddr {
    addr.ip().to_canonical()
}
