//! Three nodes in this process, and what each of them sees.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use futures::StreamExt;
use networkdb_core::{
    memberlist::Keyring,
    networkdb::{EntryKey, Filter},
};
use networkdb_host::{Node, NodeConfig};
use tokio::{task::JoinSet, time::sleep};

use super::latency::Latencies;
use crate::{digest, failure::Failure};

const NODES: [&str; 3] = ["amber", "birch", "cedar"];
const NETWORKS: [&str; 2] = ["front", "back"];
const TABLE: &str = "demo";
/// Rows each node writes to a network before it comes back to the first: later writes are updates.
const ROWS: u64 = 200;
/// How long the nodes may take to find each other, and how often that is looked at.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);
/// Bytes of a row that say when it was written.
const STAMP: usize = 8;

/// The nodes, and the tasks that watch them.
pub(super) struct Cluster {
    nodes: Vec<(&'static str, Node)>,
    writes: u64,
    epoch: Instant,
    latencies: Latencies,
    watches: JoinSet<()>,
}

/// What there is to be seen.
pub(super) struct View {
    pub(super) nodes: Vec<NodeView>,
    pub(super) writes: u64,
    /// Median and 99th percentile.
    pub(super) latency: Option<(Duration, Duration)>,
    /// Whether all nodes hold equal tables.
    pub(super) agreed: bool,
}

/// One node, as it sees itself.
pub(super) struct NodeView {
    pub(super) name: &'static str,
    pub(super) addr: SocketAddr,
    pub(super) members: usize,
    pub(super) rows: usize,
    pub(super) digest: String,
}

impl Cluster {
    /// Starts the nodes, joins them to one cluster and each to all networks.
    pub(super) async fn start() -> Result<Self, Failure> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| failed("no random key", &error))?;
        let mut cluster = Self {
            nodes: Vec::new(),
            writes: 0,
            epoch: Instant::now(),
            latencies: Latencies::default(),
            watches: JoinSet::new(),
        };
        for name in NODES {
            cluster.add(name, &key).await?;
        }
        for (_, node) in &cluster.nodes {
            for network in NETWORKS {
                node.join_network(network.as_bytes()).await.map_err(|error| failed(network, &error))?;
            }
        }
        cluster.assembled().await?;
        cluster.measure();
        Ok(cluster)
    }

    /// Rows written before the others are known would come to them by a later sync, and spoil the figures.
    async fn assembled(&self) -> Result<(), Failure> {
        let known = |node: &Node, network: &str| node.peers(network.as_bytes()).len() == NODES.len();
        let all = || self.nodes.iter().all(|(_, node)| NETWORKS.iter().all(|network| known(node, network)));
        let deadline = Instant::now() + PATIENCE;
        while !all() {
            if Instant::now() > deadline {
                return Err(failed("the nodes", &"they did not find each other"));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Writes the next row: nodes and networks in turn.
    pub(super) async fn write(&mut self) -> Result<(), Failure> {
        let turn = self.writes;
        self.writes += 1;
        let (nodes, networks) = (NODES.len() as u64, NETWORKS.len() as u64);
        let nth = |number: u64| usize::try_from(number).unwrap_or(0);
        let Some((name, node)) = self.nodes.get(nth(turn % nodes)) else { return Ok(()) };
        let network = NETWORKS.get(nth(turn / nodes % networks)).copied().unwrap_or_default();
        let key = format!("{name}-{:03}", turn / nodes / networks % ROWS);
        let now = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let entry = EntryKey::new(network, TABLE, key);
        node.put_entry(&entry, now.to_be_bytes().to_vec()).await.map_err(|error| failed("a row", &error))
    }

    /// What there is to be seen now.
    pub(super) fn view(&self) -> View {
        let nodes: Vec<_> = self.nodes.iter().map(|(name, node)| see(name, node)).collect();
        let agreed = nodes.windows(2).all(|pair| matches!(pair, [a, b] if a.digest == b.digest));
        View { nodes, writes: self.writes, latency: self.latencies.percentiles(), agreed }
    }

    /// Says goodbye on all nodes at once and stops them.
    pub(super) async fn stop(mut self) {
        self.watches.shutdown().await;
        let mut leaving: JoinSet<()> = self
            .nodes
            .into_iter()
            .map(|(_, node)| async move {
                // Those who leave last have nobody to tell.
                let _ = node.leave().await;
                node.stop().await;
            })
            .collect();
        while leaving.join_next().await.is_some() {}
    }

    async fn add(&mut self, name: &'static str, key: &[u8]) -> Result<(), Failure> {
        let mut config = NodeConfig::new(name, (Ipv4Addr::LOCALHOST, 0).into());
        config.database.memberlist.keyring =
            Keyring::new(&[key]).map_err(|error| failed("the key", &error))?;
        let node = Node::start(config).map_err(|error| failed(name, &error))?;
        if let Some((_, seed)) = self.nodes.first() {
            node.join(vec![seed.advertise().into()]).await.map_err(|error| failed(name, &error))?;
        }
        self.nodes.push((name, node));
        Ok(())
    }

    /// Measures, on each node, how old the rows of others are as they come.
    fn measure(&mut self) {
        for (_, node) in &self.nodes {
            let mut changes = node.watch(Filter::table(TABLE));
            let (latencies, epoch) = (self.latencies.clone(), self.epoch);
            self.watches.spawn(async move {
                while let Some(change) = changes.next().await {
                    let written = change.value.as_deref().and_then(|value| value.first_chunk::<STAMP>());
                    if let Some(written) = written {
                        let written = Duration::from_nanos(u64::from_be_bytes(*written));
                        latencies.add(epoch.elapsed().saturating_sub(written));
                    }
                }
            });
        }
    }
}

fn see(name: &'static str, node: &Node) -> NodeView {
    let rows: Vec<_> = NETWORKS.iter().flat_map(|network| digest::live_rows(node, network, TABLE)).collect();
    NodeView {
        name,
        addr: node.advertise(),
        members: node.members().len(),
        rows: rows.len(),
        digest: digest::sha256(&rows),
    }
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::agent(format!("the demo could not go on: {what}: {error}"))
}
