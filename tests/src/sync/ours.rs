//! Our server and client, and what they have told.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use futures::StreamExt;
use networkdb_host::{
    Tls,
    sync::{
        SyncClient, SyncClientConfig, SyncEnd, SyncEvent, SyncServer, SyncServerConfig, SyncServerStats,
        SyncStatus, follow, serve,
    },
};
use tokio::{runtime::Runtime, task::JoinHandle};

use super::{Client, DEADLINE, IN_SYNC, Kvs, Server, Update};
use crate::wait::eventually;

/// Runs all of ours in this process.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// The settings of a server for these syncer types, on a free port of loopback.
pub fn server_config(syncers: &[&str]) -> SyncServerConfig {
    SyncServerConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        syncer_types: syncers.iter().map(|&name| name.to_owned()).collect(),
        ..SyncServerConfig::default()
    }
}

/// The settings of a client of `felix` that connects once.
pub fn client_config(at: SocketAddr) -> follow::Config {
    let retry = follow::Retry { reconnect: false, tries: Some(1), ..follow::Retry::default() };
    follow::Config { retry, ..follow::Config::new("ours", vec![at.into()]) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Our server, and its events.
#[derive(Debug)]
pub struct OurServer {
    server: SyncServer,
    events: Arc<Mutex<Vec<serve::Event>>>,
}

impl OurServer {
    /// Starts it.
    pub fn start(config: SyncServerConfig) -> Self {
        let _inside = RUNTIME.enter();
        let server = SyncServer::start(config).expect("good settings");
        let events = Arc::<Mutex<Vec<_>>>::default();
        let (mut told, list) = (server.events(), Arc::clone(&events));
        RUNTIME.spawn(async move {
            while let Some(event) = told.next().await {
                lock(&list).push(event.event);
            }
        });
        Self { server, events }
    }

    /// One of `felix` that holds these, in sync.
    pub fn with(updates: &[Update], config: serve::Config) -> Self {
        let server = Self::start(SyncServerConfig { server: config, ..server_config(&["felix"]) });
        server.publish("felix", updates);
        server.status("felix", IN_SYNC);
        server
    }

    /// Counters and gauges.
    pub fn stats(&self) -> SyncServerStats {
        self.server.stats()
    }

    /// Waits for a connection's end that is like this.
    pub fn ends_one(&self, what: &str, like: impl Fn(SocketAddr, &serve::Reason) -> bool) {
        eventually(DEADLINE, what, || {
            let events = lock(&self.events);
            let ends: Vec<_> = events.iter().filter_map(end).collect();
            if ends.iter().any(|(from, reason)| like(*from, reason)) {
                Ok(())
            } else {
                Err(format!("{ends:?}"))
            }
        });
    }

    /// Waits until a client with this name is served.
    pub fn serves(&self, hostname: &str) {
        eventually(DEADLINE, format_args!("{hostname} is served"), || {
            let clients = self.server.clients();
            let found = clients.iter().any(|(_, client)| &*client.hostname == hostname);
            if found { Ok(()) } else { Err(clients) }
        });
    }

    /// Waits until there are so many connections.
    pub fn has(&self, connections: usize) {
        eventually(DEADLINE, format_args!("{connections} connections"), || {
            let stats = self.stats().server;
            if stats.connections_active == connections { Ok(()) } else { Err(stats) }
        });
    }

    /// How many connections there should be.
    pub fn set_max_connections(&self, max: usize) {
        self.server.set_max_connections(max);
    }

    /// Drops all clients one by one.
    pub fn drain(&mut self, timeout: std::time::Duration) {
        RUNTIME.block_on(self.server.drain(timeout));
    }

    /// Ends it.
    pub fn stop(self) {
        RUNTIME.block_on(self.server.stop());
    }
}

fn end(event: &serve::Event) -> Option<(SocketAddr, serve::Reason)> {
    let serve::Event::Closed { from, reason, .. } = event else { return None };
    Some((*from, *reason))
}

impl Server for OurServer {
    fn addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    fn publish(&self, syncer: &str, updates: &[Update]) {
        let publisher = self.server.cache(syncer).expect("a syncer type of this server");
        RUNTIME.block_on(async {
            for update in updates {
                publisher.update(&update.serialized()).await.expect("taken");
            }
        });
    }

    fn status(&self, syncer: &str, status: u8) {
        let publisher = self.server.cache(syncer).expect("a syncer type of this server");
        RUNTIME.block_on(publisher.status(SyncStatus(status))).expect("taken");
    }
}

/// What a client has told its user.
#[derive(Debug, Default)]
pub struct Told {
    /// What it has come to.
    pub kvs: Kvs,
    /// All updates, and when they came.
    pub updates: Vec<(Update, Instant)>,
    /// The last status.
    pub status: u8,
    /// The servers' hellos.
    pub connected: Vec<follow::Connected>,
    /// Why connections ended, the last included.
    pub ends: Vec<SyncEnd>,
}

impl Told {
    fn take(&mut self, event: SyncEvent) {
        match event {
            SyncEvent::Updates(updates) => {
                let now = Instant::now();
                for update in updates.iter().map(|update| Update::of(&update)) {
                    self.kvs.apply(&update);
                    self.updates.push((update, now));
                }
            }
            SyncEvent::Status(status) => self.status = status.0,
            SyncEvent::Connected(hello) => self.connected.push(*hello),
            SyncEvent::Disconnected { reason } | SyncEvent::Finished { reason } => self.ends.push(reason),
            SyncEvent::Unreached { .. } => {}
        }
    }
}

/// Our client, followed by a user who takes all events at once.
#[derive(Debug)]
pub struct OurClient {
    client: Arc<SyncClient>,
    told: Arc<Mutex<Told>>,
    user: JoinHandle<()>,
}

impl OurClient {
    /// Starts it.
    pub fn start(client: follow::Config) -> Self {
        Self::secured(client, None)
    }

    /// Starts it over TLS.
    pub fn secured(client: follow::Config, tls: Option<Tls>) -> Self {
        let client =
            RUNTIME.block_on(SyncClient::start(SyncClientConfig { client, tls })).expect("good settings");
        let (client, told) = (Arc::new(client), Arc::<Mutex<Told>>::default());
        let (taken, list) = (Arc::clone(&client), Arc::clone(&told));
        let user = RUNTIME.spawn(async move {
            while let Some(event) = taken.event().await {
                lock(&list).take(event);
            }
        });
        Self { client, told, user }
    }

    /// Figures.
    pub fn stats(&self) -> follow::Stats {
        self.client.stats()
    }

    /// Looks at what was told.
    pub fn told<R>(&self, look: impl FnOnce(&Told) -> R) -> R {
        look(&lock(&self.told))
    }

    /// Waits until a connection has ended, the first or a later one; why.
    pub fn ends(&self, which: usize) -> SyncEnd {
        eventually(DEADLINE, "the connection ends", || {
            self.told(|told| if told.ends.len() > which { Ok(()) } else { Err(told.status) })
        });
        self.told(|told| told.ends[which].clone())
    }
}

impl Client for OurClient {
    fn in_sync(&self) {
        eventually(DEADLINE, "our client is in sync", || {
            self.told(
                |told| if told.status == IN_SYNC { Ok(()) } else { Err((told.status, told.ends.clone())) },
            )
        });
    }

    fn sees(&self, key: &str) -> Update {
        let find = |told: &Told| told.updates.iter().rev().find(|(update, _)| update.key == key).cloned();
        eventually(DEADLINE, format_args!("our client sees {key}"), || {
            self.told(|told| find(told).map(drop).ok_or_else(|| (told.status, told.ends.clone())))
        });
        self.told(find).expect("just seen").0
    }

    fn state(&self) -> (usize, String) {
        self.told(|told| told.kvs.state())
    }
}

impl Drop for OurClient {
    fn drop(&mut self) {
        self.user.abort();
    }
}
