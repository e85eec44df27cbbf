//! `networkdb sync serve`.

use std::{collections::HashSet, path::Path};

use futures::StreamExt;
use networkdb_host::{
    Tls,
    sync::{PublishError, Publisher, SyncServer, SyncServerConfig, SyncStatus, UpdateType, serve},
};
use tokio::sync::broadcast::error::RecvError;

use super::{agent::Rows, args::ServeArgs, file::Lines, line::Update};
use crate::{
    agent::{Signals, log_to_stderr},
    failure::Failure,
};

/// Serves until told to end.
pub(super) async fn run(args: ServeArgs, socket: &Path) -> Result<(), Failure> {
    log_to_stderr();
    let tls = args.tls.clone().load()?;
    let mut signals = Signals::new()?;
    let source = Source::open(&args, socket).await?;
    let mut server =
        SyncServer::start(config(&args, tls.clone())).map_err(|error| Failure::agent(error.to_string()))?;
    tracing::info!(
        address = %server.local_addr(),
        syncers = args.syncers.join(","),
        shards = args.shards,
        tls = tls.is_some(),
        "sync server started"
    );
    if tls.is_none() && !args.listen.ip().is_loopback() {
        tracing::warn!("without TLS whoever reaches {} reads all keys and values", server.local_addr());
    }
    let mut feed = Feed::new(&server, &args.syncers);
    let result = tokio::select! {
        result = source.publish(&mut feed) => result,
        () = log_events(&server) => Ok(()),
        () = log_refusals(tls.as_ref()) => Ok(()),
        () = signals.next() => Ok(()),
    };
    tracing::info!("letting the clients go");
    tokio::select! {
        () = server.drain(args.drain) => {}
        () = signals.next() => {}
    }
    server.stop().await;
    result
}

fn config(args: &ServeArgs, tls: Option<Tls>) -> SyncServerConfig {
    let mut server = serve::Config::default();
    if let Some(max) = args.max_connections {
        server.max_connections = max;
    }
    SyncServerConfig {
        listen: args.listen,
        syncer_types: args.syncers.clone(),
        shards: args.shards,
        tls,
        server,
        ..SyncServerConfig::default()
    }
}

/// Where keys and values come from.
enum Source {
    Lines(Lines),
    Rows(Rows),
}

impl Source {
    async fn open(args: &ServeArgs, socket: &Path) -> Result<Self, Failure> {
        Ok(if args.from == "agent" {
            let (network, table) = (args.network.clone(), args.table.clone());
            Self::Rows(Rows::open(socket, network, table, &args.prefix).await?)
        } else {
            Self::Lines(Lines::open(&args.from).await?)
        })
    }

    async fn publish(self, feed: &mut Feed) -> Result<(), Failure> {
        feed.begin().await?;
        match self {
            Self::Lines(lines) => lines.publish(feed).await,
            Self::Rows(rows) => rows.publish(feed).await,
        }
    }
}

/// The way to the clients of all syncer types.
pub(super) struct Feed {
    publishers: Vec<Publisher>,
    /// Keys there are: what comes of one of them is an update.
    keys: HashSet<String>,
    status_told: bool,
}

/// What became of something to be published: the text is about what was published, the failure about the server.
pub(super) type Told = Result<Result<(), String>, Failure>;

impl Feed {
    fn new(server: &SyncServer, syncers: &[String]) -> Self {
        let publishers = syncers.iter().filter_map(|syncer| server.cache(syncer)).collect();
        Self { publishers, keys: HashSet::new(), status_told: false }
    }

    async fn begin(&mut self) -> Result<(), Failure> {
        self.publish_status(SyncStatus::RESYNC_IN_PROGRESS).await
    }

    /// Publishes an update.
    pub(super) async fn put(&mut self, update: &Update) -> Told {
        let update_type = match update.value {
            None => UpdateType::DELETED,
            Some(_) if self.keys.contains(&update.key) => UpdateType::UPDATED,
            Some(_) => UpdateType::NEW,
        };
        for publisher in &self.publishers {
            match publisher.update(&update.serialized(update_type)).await {
                Ok(()) => {}
                Err(PublishError::Stopped) => return Err(stopped()),
                Err(error) => return Ok(Err(error.to_string())),
            }
        }
        if update.value.is_none() {
            self.keys.remove(&update.key);
        } else if update_type == UpdateType::NEW {
            self.keys.insert(update.key.clone());
        }
        Ok(Ok(()))
    }

    /// Publishes a status.
    pub(super) async fn status(&mut self, status: SyncStatus) -> Told {
        self.status_told = true;
        self.publish_status(status).await.map(Ok)
    }

    /// There is nothing more for now: unless something else was said, this is all.
    pub(super) async fn reached_end(&mut self) -> Result<(), Failure> {
        if std::mem::replace(&mut self.status_told, true) {
            return Ok(());
        }
        self.publish_status(SyncStatus::IN_SYNC).await
    }

    async fn publish_status(&self, status: SyncStatus) -> Result<(), Failure> {
        for publisher in &self.publishers {
            publisher.status(status).await.map_err(|_| stopped())?;
        }
        tracing::info!(%status, keys = self.keys.len(), "status");
        Ok(())
    }
}

fn stopped() -> Failure {
    Failure::agent("the server has stopped")
}

async fn log_events(server: &SyncServer) {
    let mut events = server.events();
    while let Some(told) = events.next().await {
        match told.event {
            serve::Event::Joined(client) => tracing::info!(
                client = %client.from,
                host = ?client.hostname,
                version = ?client.version,
                syncer = ?client.syncer_type,
                "client joined"
            ),
            serve::Event::Closed { from, reason, .. } => {
                tracing::info!(client = %from, "client gone: {reason}");
            }
            serve::Event::Drained => {}
        }
    }
}

async fn log_refusals(tls: Option<&Tls>) {
    let Some(tls) = tls else { return std::future::pending().await };
    let mut refusals = tls.refusals();
    loop {
        match refusals.recv().await {
            Ok(refusal) => tracing::warn!("{refusal}"),
            Err(RecvError::Lagged(missed)) => tracing::warn!("and {missed} more refused by TLS"),
            Err(RecvError::Closed) => return,
        }
    }
}
