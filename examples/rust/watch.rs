//! A `NetworkDB` node that joins a cluster and a network, and prints what becomes of a table's rows.
//!
//!     watch NAME BIND SEED NETWORK TABLE [ROWS]      watch r-1 10.0.0.6:7946 10.0.0.1:7946 web endpoint_table
//!
//! Ends after so many rows, if told.

use std::{env, error::Error};

use futures::StreamExt;
use networkdb_host::{ChangeKind, Filter, Node, NodeConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [name, bind, seed, network, table, rest @ ..] = &words[..] else {
        return Err("usage: watch NAME BIND SEED NETWORK TABLE [ROWS]".into());
    };
    let mut left = rest.first().map(|rows| rows.parse::<usize>()).transpose()?;
    let node = Node::start(NodeConfig::new(&**name, bind.parse()?))?;
    // Watched first, so that not even the rows of the first exchange are missed.
    let mut changes = node.watch(Filter { table: Some((&**table).into()), ..Filter::network(&**network) });
    let report = node.join(vec![seed.parse()?]).await?;
    eprintln!("joined through {:?}", report.reached);
    node.join_network(network.as_bytes()).await?;
    while left != Some(0) {
        let Some(change) = changes.next().await else { break };
        let value = change.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        match change.kind() {
            ChangeKind::Create => println!("created {} = {value}", change.key),
            ChangeKind::Update => println!("updated {} = {value}", change.key),
            ChangeKind::Delete => println!("deleted {}", change.key),
            ChangeKind::Resync => println!("all over again"),
        }
        left = left.map(|left| left - usize::from(change.value.is_some()));
    }
    node.stop().await;
    Ok(())
}
