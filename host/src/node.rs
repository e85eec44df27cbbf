//! A NetworkDB node: an async API over the machine.

use std::{
    fmt, iter,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::{Stream, stream};
use networkdb_core::{
    machine::{Endpoint, Instant},
    memberlist::{JoinReport, KeyError, Member, RequestId},
    networkdb::{
        Change, EntryError, EntryKey, Event, Filter, JoinError, NetworkDb, NetworkError, NetworkInfo, Peer,
        Row, Stats, TableDigest, digests,
    },
};
use tokio::sync::broadcast::error::RecvError;

use crate::{
    driver::Host,
    requests::Requests,
    shared::Shared,
    start::{NodeConfig, StartError},
    watch::watch,
};

/// Rows of a scan that are read at once.
const PAGE: usize = 256;

/// A running node. Clones are the same node; it stops with [`Node::stop`] or when the last clone is dropped.
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared<NetworkDb>>,
    requests: Arc<Requests>,
    host: Arc<Mutex<Option<Host<NetworkDb>>>>,
    advertise: SocketAddr,
}

impl Node {
    /// Binds, and starts a node that is alone until it joins others. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// A port in use, an address that is not this machine's, a setting that is wrong.
    pub fn start(config: NodeConfig) -> Result<Self, StartError> {
        let (host, advertise) = config.start()?;
        let shared = Arc::clone(host.shared());
        let requests = Arc::new(Requests::new());
        // It ends with the driver.
        tokio::spawn(Arc::clone(&requests).dispatch(Arc::clone(&shared)));
        Ok(Self { shared, requests, host: Arc::new(Mutex::new(Some(host))), advertise })
    }

    /// Where others reach this node.
    pub fn advertise(&self) -> SocketAddr {
        self.advertise
    }

    /// Joins a cluster over `seeds`, all at once; one that answers is enough. The seeds are kept, whatever comes of it,
    /// and tried again as long as none of them is a member.
    ///
    /// # Errors
    /// None of the seeds answered.
    pub async fn join(&self, seeds: Vec<Endpoint>) -> Result<JoinReport, Error> {
        match self.request(|db, now| Ok(db.join(now, seeds))).await? {
            Event::Joined { result, .. } => Ok(result?),
            _ => Err(Error::Stopped),
        }
    }

    /// Says goodbye to the cluster; returns once the word is out or its deadline has passed.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn leave(&self) -> Result<(), Error> {
        self.request(|db, now| Ok(db.leave(now))).await.map(drop)
    }

    /// Joins a network; returns once its rows have come from a peer (how many peers answered), or there is none.
    ///
    /// # Errors
    /// The network is joined already.
    pub async fn join_network(&self, network: &[u8]) -> Result<usize, Error> {
        match self.request(|db, now| Ok(db.join_network(now, network)?)).await? {
            Event::NetworkJoined { synced, .. } => Ok(synced),
            _ => Err(Error::Stopped),
        }
    }

    /// Leaves a network and forgets its rows.
    ///
    /// # Errors
    /// The network is not joined.
    #[expect(clippy::unused_async, reason = "all that writes or reads rows is called alike")]
    pub async fn leave_network(&self, network: &[u8]) -> Result<(), Error> {
        Ok(self.shared.with(|db, now| db.leave_network(now, network))?)
    }

    /// Creates a row owned by this node.
    ///
    /// # Errors
    /// The row exists, the network is not joined, or the row is too long to be sent.
    #[expect(clippy::unused_async, reason = "all that writes or reads rows is called alike")]
    pub async fn create_entry(&self, key: &EntryKey, value: impl Into<Bytes>) -> Result<(), Error> {
        self.write(|db, now| db.create_entry(now, key, value.into()))
    }

    /// Updates a row; from now on this node owns it.
    ///
    /// # Errors
    /// There is no such row, or it is too long to be sent.
    #[expect(clippy::unused_async, reason = "all that writes or reads rows is called alike")]
    pub async fn update_entry(&self, key: &EntryKey, value: impl Into<Bytes>) -> Result<(), Error> {
        self.write(|db, now| db.update_entry(now, key, value.into()))
    }

    /// Creates a row, or updates the one there is.
    ///
    /// # Errors
    /// The network is not joined, or the row is too long to be sent.
    #[expect(clippy::unused_async, reason = "all that writes or reads rows is called alike")]
    pub async fn put_entry(&self, key: &EntryKey, value: impl Into<Bytes>) -> Result<(), Error> {
        self.write(|db, now| db.put_entry(now, key, value.into()))
    }

    /// Deletes a row.
    ///
    /// # Errors
    /// There is no such row.
    #[expect(clippy::unused_async, reason = "all that writes or reads rows is called alike")]
    pub async fn delete_entry(&self, key: &EntryKey) -> Result<(), Error> {
        self.write(|db, now| db.delete_entry(now, key))
    }

    /// Reads a row.
    ///
    /// # Errors
    /// There is no such row, it is deleted, or it is hidden because its owner has failed.
    #[expect(clippy::unused_async, reason = "all that writes or reads rows is called alike")]
    pub async fn get_entry(&self, key: &EntryKey) -> Result<Row, Error> {
        Ok(self.shared.read(|db| db.get_entry(key))?)
    }

    /// All rows that match, sorted: live, hidden and deleted ones.
    pub fn rows(&self, filter: &Filter) -> Vec<Row> {
        self.shared.read(|db| db.rows(filter))
    }

    /// The same rows, read as they are asked for: however many there are, they take little memory and delay nobody.
    /// Of what changes meanwhile only that is seen which lies ahead.
    pub fn scan(&self, filter: &Filter) -> impl Iterator<Item = Row> {
        let mut last = None;
        let pages = iter::from_fn(move || {
            let page = self.shared.read(|db| db.page(filter, last.as_ref(), PAGE));
            last = Some(page.last()?.entry_key());
            Some(page)
        });
        pages.flatten()
    }

    /// What this node holds of each table, in short: equal on nodes that agree. Reads all rows as [`Node::scan`] does.
    pub fn digests(&self) -> Vec<TableDigest> {
        digests(self.scan(&Filter::default()))
    }

    /// Changes by other nodes to rows that match: first the rows already there, then each change, no gap and no
    /// double. Dropping the stream ends the watch.
    pub fn watch(&self, filter: Filter) -> impl Stream<Item = Change> + Send + Unpin + use<> {
        watch(&self.shared, filter)
    }

    /// What happens to the node from now on. A listener far behind misses the oldest events.
    pub fn events(&self) -> impl Stream<Item = Event> + Send + Unpin + use<> {
        Box::pin(stream::unfold(self.requests.subscribe(), |mut events| async {
            loop {
                match events.recv().await {
                    Ok(event) => return Some((event, events)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        }))
    }

    /// All members known, this node included.
    pub fn members(&self) -> Vec<Member> {
        self.shared.read(NetworkDb::members)
    }

    /// The active nodes of the cluster, this one included.
    pub fn cluster_peers(&self) -> Vec<Peer> {
        self.shared.read(NetworkDb::cluster_peers)
    }

    /// The nodes attached to a network, this one included.
    pub fn peers(&self, network: &[u8]) -> Vec<Peer> {
        self.shared.read(|db| db.peers(network))
    }

    /// The networks this node has joined or is leaving.
    pub fn networks(&self) -> Vec<NetworkInfo> {
        self.shared.read(NetworkDb::networks)
    }

    /// Installs a key of 16, 24 or 32 bytes: from now on messages under it are read.
    ///
    /// # Errors
    /// Its length is wrong.
    pub fn add_key(&self, key: &[u8]) -> Result<(), KeyError> {
        self.shared.with(|db, _| db.add_key(key))
    }

    /// Makes an installed key the one messages are sent under.
    ///
    /// # Errors
    /// It is not installed.
    pub fn use_key(&self, key: &[u8]) -> Result<(), KeyError> {
        self.shared.with(|db, _| db.use_key(key))
    }

    /// Removes a key.
    ///
    /// # Errors
    /// It is the one in use.
    pub fn remove_key(&self, key: &[u8]) -> Result<(), KeyError> {
        self.shared.with(|db, _| db.remove_key(key))
    }

    /// Counters, queue lengths and health, for metrics.
    pub fn stats(&self) -> Stats {
        self.shared.read(NetworkDb::stats)
    }

    /// Datagrams the system did not take.
    pub fn dropped_datagrams(&self) -> u64 {
        self.shared.dropped_datagrams()
    }

    /// The node's present, the clock of [`Member::since`].
    pub fn now(&self) -> Instant {
        self.shared.now()
    }

    /// Stops without a word to the cluster (see [`Node::leave`]): ends all tasks and closes all sockets.
    pub async fn stop(&self) {
        let host = self.host.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(host) = host {
            host.stop().await;
        }
    }

    /// A write sends nothing by itself: it only sets a deadline.
    fn write(
        &self,
        command: impl FnOnce(&mut NetworkDb, Instant) -> Result<(), EntryError>,
    ) -> Result<(), Error> {
        Ok(self.shared.with_deadline(command)?)
    }

    async fn request(
        &self,
        command: impl FnOnce(&mut NetworkDb, Instant) -> Result<RequestId, Error>,
    ) -> Result<Event, Error> {
        let answer = self.shared.with(|db, now| command(db, now).map(|id| self.requests.expect(id)))?;
        answer.await.map_err(|_| Error::Stopped)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("advertise", &self.advertise).finish_non_exhaustive()
    }
}

/// Why a call on a node failed. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No seed let the node in.
    Join(JoinError),
    /// About a network.
    Network(NetworkError),
    /// About a row.
    Entry(EntryError),
    /// The node has stopped.
    Stopped,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join(error) => error.fmt(f),
            Self::Network(error) => error.fmt(f),
            Self::Entry(error) => error.fmt(f),
            Self::Stopped => f.write_str("the node has stopped"),
        }
    }
}

impl std::error::Error for Error {}

impl From<JoinError> for Error {
    fn from(error: JoinError) -> Self {
        Self::Join(error)
    }
}

impl From<NetworkError> for Error {
    fn from(error: NetworkError) -> Self {
        Self::Network(error)
    }
}

impl From<EntryError> for Error {
    fn from(error: EntryError) -> Self {
        Self::Entry(error)
    }
}
