//! A server of Typha's sync protocol. It publishes what it reads and then lets its clients go.
//!
//!     serve BIND      serve 10.0.0.6:5473 <keys.txt
//!
//! `KEY VALUE` sets a key, `KEY` alone deletes it, an empty line says that all there is has been read.

use std::{env, error::Error, time::Duration};

use futures::StreamExt;
use networkdb_host::sync::{
    PublishError, Publisher, Revision, SerializedUpdate, SyncServer, SyncServerConfig, SyncServerEvent,
    SyncStatus, UpdateType, serve::Event,
};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [bind] = &words[..] else { return Err("usage: serve BIND".into()) };
    let config = SyncServerConfig { listen: bind.parse()?, ..SyncServerConfig::default() };
    let mut server = SyncServer::start(config)?;
    let publisher = server.cache("felix").ok_or("it serves felix")?;
    let follower = tokio::spawn(server.events().for_each(async |event| show(&event)));
    println!("serving on {}", server.local_addr());
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        publish(&publisher, line.trim()).await?;
    }
    server.drain(Duration::from_secs(1)).await;
    server.stop().await;
    Ok(follower.await?)
}

async fn publish(to: &Publisher, line: &str) -> Result<(), PublishError> {
    if line.is_empty() {
        return to.status(SyncStatus::IN_SYNC).await;
    }
    let (key, value) = line.split_once(' ').map_or((line, None), |(key, value)| (key, Some(value)));
    to.update(&SerializedUpdate {
        key: key.as_bytes(),
        value: value.map(str::as_bytes),
        revision: Revision::Text(b"1"),
        update_type: if value.is_some() { UpdateType::NEW } else { UpdateType::DELETED },
        ..SerializedUpdate::default()
    })
    .await
}

fn show(event: &SyncServerEvent) {
    match &event.event {
        Event::Joined(client) => eprintln!("{} came from {}", client.hostname, client.from),
        Event::Closed { from, reason, .. } => eprintln!("{from} has gone: {reason}"),
        Event::Drained => {}
    }
}
