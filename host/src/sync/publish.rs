//! The publisher's side of a server: updates are gathered for a moment and go to all shards at once.
//!
//! Source: the loop of `projectcalico/calico` `typha/pkg/snapcache/cache.go`.

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use networkdb_core::syncproto::{
    SerializedUpdate, SyncStatus,
    cache::{Cache, CacheStats, MAX_UPDATE},
    server::Server,
};
use tokio::{
    runtime,
    sync::{Notify, Semaphore},
    time::{Instant, sleep_until},
};

use crate::shared::Shared;

/// Publishes the keys and values of one syncer type. Clones publish to the same.
#[derive(Clone, Debug)]
pub struct Publisher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    syncer_type: Box<str>,
    state: Mutex<State>,
    /// Updates and statuses that may still be taken before some are published.
    room: Semaphore,
    /// The first update since the last publication was taken, or a whole batch is.
    work: Notify,
    max_batch_size: usize,
}

#[derive(Debug)]
struct State {
    cache: Cache,
    /// Updates and statuses taken since the last publication.
    taken: usize,
}

impl Publisher {
    /// Room is for twice a batch, as upstream's queue.
    pub(super) fn new(syncer_type: &str, max_batch_size: usize) -> Self {
        let max_batch_size = max_batch_size.max(1);
        Self(Arc::new(Inner {
            syncer_type: syncer_type.into(),
            state: Mutex::new(State { cache: Cache::new(max_batch_size), taken: 0 }),
            room: Semaphore::new(max_batch_size * 2),
            work: Notify::new(),
            max_batch_size,
        }))
    }

    /// What its clients ask for.
    pub fn syncer_type(&self) -> &str {
        &self.0.syncer_type
    }

    /// Publishes an update soon; one without a value deletes its key. Waits while too much is to be published.
    ///
    /// # Errors
    /// The update is too long, or the server has stopped. It was not taken.
    pub async fn update(&self, update: &SerializedUpdate<'_>) -> Result<(), PublishError> {
        self.take(|cache| cache.update(update).map_err(|_| PublishError::TooLong)).await
    }

    /// Publishes a status soon, after all updates before it.
    ///
    /// # Errors
    /// The server has stopped.
    pub async fn status(&self, status: SyncStatus) -> Result<(), PublishError> {
        self.take(|cache| {
            cache.status(status);
            Ok(())
        })
        .await
    }

    /// What has been counted.
    pub fn stats(&self) -> CacheStats {
        self.state().cache.stats()
    }

    async fn take(
        &self,
        act: impl FnOnce(&mut Cache) -> Result<(), PublishError>,
    ) -> Result<(), PublishError> {
        let room = self.0.room.acquire().await.map_err(|_| PublishError::Stopped)?;
        let mut state = self.state();
        act(&mut state.cache)?;
        state.taken += 1;
        let taken = state.taken;
        drop(state);
        // Given back once it is published.
        room.forget();
        if taken == 1 || taken == self.0.max_batch_size {
            self.0.work.notify_one();
        }
        Ok(())
    }

    /// Starts publishing to these servers until [`Publisher::close`], on a thread of its own: an allocator that keeps
    /// memory by thread then keeps the snapshot in one place, which takes a quarter less of it.
    pub(super) fn start(&self, servers: Vec<Arc<Shared<Server>>>, tick: Duration) -> io::Result<()> {
        let runtime = runtime::Builder::new_current_thread().enable_time().build()?;
        let run = self.clone().run(servers, tick);
        thread::Builder::new().name("publisher".into()).spawn(move || runtime.block_on(run))?;
        Ok(())
    }

    /// Publishes what is taken, and tells all servers; at most once a `tick`, unless there is a whole batch.
    async fn run(self, servers: Vec<Arc<Shared<Server>>>, tick: Duration) {
        let mut rests_until = Instant::now();
        loop {
            self.0.work.notified().await;
            if self.0.room.is_closed() {
                return;
            }
            if self.state().taken < self.0.max_batch_size {
                tokio::select! {
                    () = sleep_until(rests_until) => {}
                    () = self.0.work.notified() => {}
                }
            }
            self.publish(&servers);
            rests_until = Instant::now() + tick;
        }
    }

    fn publish(&self, servers: &[Arc<Shared<Server>>]) {
        let Some(first) = servers.first() else { return };
        let mut state = self.state();
        let taken = std::mem::take(&mut state.taken);
        let published = state.cache.publish(first.now());
        drop(state);
        self.0.room.add_permits(taken);
        let Some(published) = published else { return };
        for server in servers {
            server.with(|server, now| server.follow(now, &self.0.syncer_type, published.clone()));
        }
    }

    /// Tells a server of the syncer type, before its first connection.
    pub(super) fn introduce(&self, server: &mut Server, now: networkdb_core::machine::Instant) {
        server.follow(now, &self.0.syncer_type, self.state().cache.published());
    }

    /// Nothing is published any more.
    pub(super) fn close(&self) {
        self.0.room.close();
        self.0.work.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an update or a status was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishError {
    /// As encoded, it is longer than [`MAX_UPDATE`].
    TooLong,
    /// The server has stopped.
    Stopped,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "longer than the {MAX_UPDATE} bytes an update may have"),
            Self::Stopped => f.write_str("the server has stopped"),
        }
    }
}

impl std::error::Error for PublishError {}
