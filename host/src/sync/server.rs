//! A server of the sync protocol on tokio: one acceptor, several machines, and a publisher for each syncer type.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};

use futures::{Stream, future::join_all, stream};
use networkdb_core::{
    machine::StreamId,
    syncproto::{
        DEFAULT_SYNCER_TYPE,
        cache::{CacheStats, MAX_BATCH_SIZE},
        server::{Client, Config, Event, Server, Stats},
    },
};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    task::JoinSet,
};

use super::{Publisher, SYNC_PORT, SyncError, seed, unix_time};
use crate::{
    accept::Acceptor,
    bind::Listener,
    driver::Host,
    ports::Ports,
    shared::{Clock, Shared},
    tls::Tls,
};

/// Events a slow listener may be behind before it misses some.
const BACKLOG: usize = 1024;

/// The settings of a server.
#[derive(Clone, Debug)]
pub struct SyncServerConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What clients may ask for: `felix`, `bgp`, `tunnel-ip-allocation`, `node-status` or any other name.
    pub syncer_types: Vec<String>,
    /// Machines that share the connections, each with a task of its own. Default: 1, which serves thousands.
    pub shards: NonZeroUsize,
    /// Secures all connections.
    pub tls: Option<Tls>,
    /// Updates published at once: `SnapshotCacheMaxBatchSize`. Default: 100.
    pub max_batch_size: usize,
    /// How long updates that come one by one are gathered after a publication. Default: 1 ms.
    pub tick: Duration,
    /// Everything else. Its limits on connections hold for all shards together; its origin of time is set at the start.
    pub server: Config,
}

impl Default for SyncServerConfig {
    /// Typha's port on all addresses, `felix`, no TLS.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, SYNC_PORT)),
            syncer_types: vec![DEFAULT_SYNCER_TYPE.to_owned()],
            shards: NonZeroUsize::MIN,
            tls: None,
            max_batch_size: MAX_BATCH_SIZE,
            tick: Duration::from_millis(1),
            server: Config::default(),
        }
    }
}

/// What happened to a connection, and which shard had it: streams are numbered by shard.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncServerEvent {
    /// The shard.
    pub shard: usize,
    /// What happened.
    pub event: Event,
}

/// What a server has counted.
#[derive(Clone, Debug, Default)]
pub struct SyncServerStats {
    /// All shards together.
    pub server: Stats,
    /// What was published, by syncer type.
    pub caches: BTreeMap<Box<str>, CacheStats>,
    /// Streams that broke for a reason of TLS.
    pub tls_refused: u64,
}

/// A running server. It stops with [`SyncServer::stop`] or when it is dropped.
#[derive(Debug)]
pub struct SyncServer {
    addr: SocketAddr,
    acceptor: Option<Acceptor>,
    shards: Vec<Host<Server>>,
    publishers: Vec<Publisher>,
    tls: Option<Tls>,
    events: broadcast::Sender<SyncServerEvent>,
    /// Ended with the server.
    _tasks: JoinSet<()>,
}

impl SyncServer {
    /// Binds and begins to accept, inside a tokio runtime. Clients wait until something is published.
    ///
    /// # Errors
    /// A port in use, an address that is not this machine's, no syncer type.
    pub fn start(mut config: SyncServerConfig) -> Result<Self, SyncError> {
        if config.syncer_types.is_empty() {
            return Err(SyncError::NoSyncerType);
        }
        let listener = Listener::bind(config.listen)?;
        let addr = listener.local_addr();
        let names = config.syncer_types.iter();
        let publishers: Vec<_> = names.map(|name| Publisher::new(name, config.max_batch_size)).collect();
        config.server.unix_origin = unix_time();
        divide(&mut config.server, config.shards);
        let (acceptor, ports) = Acceptor::start(listener, config.shards)?;
        let clock = Clock::default();
        let shards: Vec<_> = ports
            .into_iter()
            .map(|ports| start_shard(clock, ports.secured(config.tls.clone()), &config.server, &publishers))
            .collect::<Result<_, _>>()?;
        let events = broadcast::Sender::new(BACKLOG);
        let tasks = start_tasks(&shards, &publishers, &events, config.tick)?;
        Ok(Self {
            addr,
            acceptor: Some(acceptor),
            shards,
            publishers,
            tls: config.tls,
            events,
            _tasks: tasks,
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// The publisher of a syncer type; `None` if the settings do not name it.
    pub fn cache(&self, syncer_type: &str) -> Option<Publisher> {
        self.publishers.iter().find(|publisher| publisher.syncer_type() == syncer_type).cloned()
    }

    /// What happens to connections from now on. A listener far behind misses the oldest events.
    pub fn events(&self) -> impl Stream<Item = SyncServerEvent> + Send + Unpin + use<> {
        Box::pin(stream::unfold(self.events.subscribe(), |mut events| async {
            loop {
                match events.recv().await {
                    Ok(event) => return Some((event, events)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        }))
    }

    /// Those who are served, each with its shard.
    pub fn clients(&self) -> Vec<(usize, Client)> {
        let of = |(shard, host): (usize, &Host<Server>)| {
            host.shared()
                .read(|server| server.clients().map(|client| (shard, client.clone())).collect::<Vec<_>>())
        };
        self.shards.iter().enumerate().flat_map(of).collect()
    }

    /// Counters and gauges.
    pub fn stats(&self) -> SyncServerStats {
        let mut server = Stats::default();
        for host in &self.shards {
            server.merge(&host.shared().read(Server::stats));
        }
        let caches =
            self.publishers.iter().map(|publisher| (publisher.syncer_type().into(), publisher.stats()));
        let tls_refused = self.tls.as_ref().map_or(0, Tls::refused);
        SyncServerStats { server, caches: caches.collect(), tls_refused }
    }

    /// Sets how many connections there should be: beyond it random ones are dropped, one each drop interval and shard.
    pub fn set_max_connections(&self, max: usize) {
        let share = share(max, self.shards.len());
        for host in &self.shards {
            host.shared().with(|server, now| server.set_max_connections(now, share));
        }
    }

    /// Drops a connection, if there is such a one.
    pub fn disconnect(&self, shard: usize, stream: StreamId) {
        if let Some(host) = self.shards.get(shard) {
            host.shared().with(|server, now| server.disconnect(now, stream));
        }
    }

    /// Accepts no more and drops the connections there are, spread over at most `timeout`; returns when all are gone.
    pub async fn drain(&mut self, timeout: Duration) {
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.stop().await;
        }
        let mut events = self.events.subscribe();
        for host in &self.shards {
            host.shared().with(|server, now| server.drain(now, timeout));
        }
        let busy = |host: &Host<Server>| host.shared().read(|server| server.stats().connections_active > 0);
        while self.shards.iter().any(busy) {
            // One that ended while this one was looked at has left its event.
            if matches!(events.recv().await, Err(RecvError::Closed)) {
                return;
            }
        }
    }

    /// Ends all connections, tasks and sockets, and returns when that is done.
    pub async fn stop(mut self) {
        for publisher in &self.publishers {
            publisher.close();
        }
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.stop().await;
        }
        join_all(std::mem::take(&mut self.shards).into_iter().map(Host::stop)).await;
    }
}

impl Drop for SyncServer {
    fn drop(&mut self) {
        for publisher in &self.publishers {
            publisher.close();
        }
    }
}

/// What one of `shards` may have, so that all together have at least `limit`.
fn share(limit: usize, shards: usize) -> usize {
    limit.div_ceil(shards.max(1))
}

fn divide(config: &mut Config, shards: NonZeroUsize) {
    config.max_connections = share(config.max_connections, shards.get());
    config.max_accepted = share(config.max_accepted, shards.get());
}

fn start_shard(
    clock: Clock,
    ports: Ports,
    config: &Config,
    publishers: &[Publisher],
) -> Result<Host<Server>, SyncError> {
    let seed = seed()?;
    let host = Host::start_by::<io::Error>(clock, ports, |now| {
        let mut server = Server::new(config.clone(), seed);
        for publisher in publishers {
            publisher.introduce(&mut server, now);
        }
        Ok(server)
    });
    Ok(host?)
}

fn start_tasks(
    shards: &[Host<Server>],
    publishers: &[Publisher],
    events: &broadcast::Sender<SyncServerEvent>,
    tick: Duration,
) -> io::Result<JoinSet<()>> {
    let servers: Vec<_> = shards.iter().map(|host| Arc::clone(host.shared())).collect();
    for publisher in publishers {
        publisher.start(servers.clone(), tick)?;
    }
    let mut tasks = JoinSet::new();
    for (shard, server) in servers.into_iter().enumerate() {
        tasks.spawn(dispatch(shard, server, events.clone()));
    }
    Ok(tasks)
}

/// Hands the events of a shard out until it stops.
async fn dispatch(shard: usize, server: Arc<Shared<Server>>, events: broadcast::Sender<SyncServerEvent>) {
    while let Some(event) = server.event().await {
        // Nobody may be listening.
        let _ = events.send(SyncServerEvent { shard, event });
    }
}
