//! A manager of endpoints: joins a cluster and a network, and publishes in the table `endpoint_table` what it reads.
//!
//!     publish NAME BIND SEED NETWORK      publish r-1 10.0.0.6:7946 10.0.0.1:7946 web <endpoints.txt
//!
//! `NAME ADDRESS` sets an endpoint, `NAME` alone takes it away. At the end of the input it says goodbye.

use std::{env, error::Error};

use networkdb_host::{EntryKey, Node, NodeConfig};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [name, bind, seed, network] = &words[..] else {
        return Err("usage: publish NAME BIND SEED NETWORK".into());
    };
    let node = Node::start(NodeConfig::new(&**name, bind.parse()?))?;
    node.join(vec![seed.parse()?]).await?;
    node.join_network(network.as_bytes()).await?;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        publish(&node, network, &line).await;
    }
    // Its rows go with it: the others are told.
    node.leave().await?;
    node.stop().await;
    Ok(())
}

async fn publish(node: &Node, network: &str, line: &str) {
    let (name, address) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let key = EntryKey::new(network, "endpoint_table", name);
    let done = match (name, address) {
        ("", _) => Ok(()),
        (_, "") => node.delete_entry(&key).await,
        _ => node.put_entry(&key, address.to_owned()).await,
    };
    if let Err(error) = done {
        eprintln!("{name}: {error}");
    }
}
