//! Our server of the sync protocol in a process of its own. Like the Go peer it publishes synthetic keys and values, and
//! takes lines of JSON on its standard input: `{"id":1,"touch":1000}` changes so many.

use std::net::SocketAddr;

use networkdb_benches::{Failure, workload::Workload};
use networkdb_host::sync::{DEFAULT_SYNCER_TYPE, Publisher, SyncServer, SyncServerConfig, SyncStatus};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

/// The flags, named as the Go peer's.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    listen: SocketAddr,
    /// Synthetic keys and values to begin with
    #[arg(long)]
    kvs: u32,
}

/// Serves until its standard input ends.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    tokio::runtime::Runtime::new()?.block_on(serve(args))
}

async fn serve(args: &Args) -> Result<(), Failure> {
    let config = SyncServerConfig {
        listen: args.listen,
        syncer_types: vec![DEFAULT_SYNCER_TYPE.to_owned()],
        ..SyncServerConfig::default()
    };
    let server = SyncServer::start(config)?;
    let publisher = server.cache(DEFAULT_SYNCER_TYPE).ok_or("the server lacks its only syncer type")?;
    let mut data = Data { publisher, kvs: args.kvs, touched: 0 };
    data.load().await?;
    println!("{}", json!({ "event": "ready", "addr": server.local_addr() }));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let reply = data.obey(&serde_json::from_str(&line)?).await?;
        println!("{reply}");
    }
    server.stop().await;
    Ok(())
}

/// What is published.
struct Data {
    publisher: Publisher,
    kvs: u32,
    touched: u32,
}

impl Data {
    async fn load(&self) -> Result<(), Failure> {
        self.publisher.status(SyncStatus::RESYNC_IN_PROGRESS).await?;
        for kv in Workload::Big.kvs(self.kvs) {
            self.publisher.update(&kv.update()).await?;
        }
        self.publisher.status(SyncStatus::IN_SYNC).await?;
        Ok(())
    }

    async fn obey(&mut self, order: &Value) -> Result<Value, Failure> {
        let count = order.get("touch").and_then(Value::as_u64).unwrap_or_default();
        for _ in 0..count {
            let (i, round) = (self.touched % self.kvs.max(1), 1 + self.touched / self.kvs.max(1));
            self.publisher.update(&Workload::Big.kv(i, round).update()).await?;
            self.touched += 1;
        }
        Ok(json!({ "id": order.get("id"), "ok": true }))
    }
}
