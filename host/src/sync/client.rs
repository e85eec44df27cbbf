//! A client of the sync protocol on tokio.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{Stream, stream};
use networkdb_core::{
    machine::{Endpoint, Instant, Machine},
    syncproto::client::{Client, Config, Event, Stats},
};
use tokio::task::AbortHandle;

use super::{
    SyncError,
    discover::{discover, has_names},
    seed,
};
use crate::{driver::Host, ports::Ports, shared::Shared, tls::Tls};

/// The settings of a client.
#[derive(Clone, Debug)]
pub struct SyncClientConfig {
    /// The servers and everything else. Each address of a name is a server of its own; names are looked up at the start
    /// and again after each round of tries.
    pub client: Config,
    /// Secures all connections.
    pub tls: Option<Tls>,
}

/// What a client receives a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SyncRates {
    /// Updates.
    pub updates: f64,
    /// Messages.
    pub messages: f64,
    /// Bytes, compressed or not.
    pub bytes: f64,
}

/// A running client. It stops when it is dropped.
#[derive(Debug)]
pub struct SyncClient {
    host: Host<Client>,
    discovery: Mutex<Discovery>,
    measured: Mutex<(Instant, Stats)>,
}

/// When names are to be looked up again.
#[derive(Debug)]
struct Discovery {
    wanted: Arc<[Endpoint]>,
    /// Servers of the present round that are still to be tried.
    left: usize,
    task: Option<AbortHandle>,
}

impl SyncClient {
    /// Looks the names up and begins to connect, inside a tokio runtime.
    ///
    /// # Errors
    /// A setting that cannot work.
    pub async fn start(config: SyncClientConfig) -> Result<Self, SyncError> {
        let SyncClientConfig { mut client, tls } = config;
        let wanted = Arc::from(client.endpoints.clone());
        client.endpoints = discover(&client.endpoints).await;
        let discovery = Mutex::new(Discovery { wanted, left: client.endpoints.len(), task: None });
        let seed = seed()?;
        let host = Host::start(Ports::default().secured(tls), |now| {
            Client::new(client, seed, now).map_err(SyncError::from)
        })?;
        Ok(Self { measured: Mutex::new((host.shared().now(), Stats::default())), host, discovery })
    }

    /// The next event; `None` after [`Event::Finished`]. Whoever takes no events stops the reading once 4 MiB wait,
    /// unless the settings say otherwise.
    pub async fn event(&self) -> Option<Event> {
        let event = self.shared().pull(|client| match client.poll_event() {
            None if client.is_finished() => Some(None),
            None => None,
            event => Some(event),
        });
        let event = event.await.flatten()?;
        if matches!(event, Event::Unreached { .. } | Event::Disconnected { .. }) {
            self.tried();
        }
        Some(event)
    }

    /// All events, in order. Two streams share them: each event goes to one.
    pub fn events(&self) -> impl Stream<Item = Event> + Send + Unpin + '_ {
        Box::pin(stream::unfold(self, |client| async move { Some((client.event().await?, client)) }))
    }

    /// Figures.
    pub fn stats(&self) -> Stats {
        self.shared().read(Client::stats)
    }

    /// What was received a second since this was asked last, or since the start.
    pub fn rates(&self) -> SyncRates {
        let (now, stats) = (self.shared().now(), self.stats());
        let mut measured = lock(&self.measured);
        let seconds = now.since(measured.0).as_secs_f64().max(1e-9);
        let rate = |of: fn(&Stats) -> u64| of(&stats).saturating_sub(of(&measured.1)) as f64 / seconds;
        let rates = SyncRates {
            updates: rate(|stats| stats.kvs),
            messages: rate(|stats| stats.messages),
            bytes: rate(|stats| stats.bytes_in),
        };
        *measured = (now, stats);
        rates
    }

    /// How long the oldest event that was not taken has waited.
    pub fn lag(&self) -> Duration {
        let since = self.stats().pending_since;
        since.map_or(Duration::ZERO, |since| self.shared().now().since(since))
    }

    /// The client's present: the clock of the times in [`Stats`].
    pub fn now(&self) -> Instant {
        self.shared().now()
    }

    /// Ends the connection; [`Event::Finished`] is the last event.
    pub fn finish(&self) {
        self.shared().with(Client::stop);
    }

    /// Ends all tasks and sockets, and returns when that is done.
    pub async fn stop(self) {
        self.host.stop().await;
    }

    fn shared(&self) -> &Arc<Shared<Client>> {
        self.host.shared()
    }

    /// A connection was of no use, or is no more. After as many as there are servers, names are looked up again.
    fn tried(&self) {
        let mut discovery = lock(&self.discovery);
        discovery.left = discovery.left.saturating_sub(1);
        if discovery.left > 0 || !has_names(&discovery.wanted) {
            return;
        }
        discovery.left = discovery.wanted.len();
        let (wanted, shared) = (Arc::clone(&discovery.wanted), Arc::clone(self.shared()));
        let task = tokio::spawn(async move {
            let found = discover(&wanted).await;
            shared.with(|client, _| client.set_endpoints(found));
        });
        if let Some(before) = discovery.task.replace(task.abort_handle()) {
            before.abort();
        }
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
