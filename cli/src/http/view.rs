//! What diagnostics may see of a node: everything here reads.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use networkdb_core::networkdb::{self, EntryKey};
use networkdb_host::Node;

use super::reply::{Details, Entry, List, Peer, Reply};
use crate::{digest, metrics};

/// A node of which nothing can be changed.
pub(super) struct View(Node);

impl View {
    pub(super) fn new(node: Node) -> Self {
        Self(node)
    }

    pub(super) fn metrics(&self) -> String {
        metrics::prometheus(&self.0)
    }

    pub(super) fn cluster_peers(&self) -> Reply {
        peers(self.0.cluster_peers())
    }

    pub(super) fn network_peers(&self, network: &str) -> Reply {
        peers(self.0.peers(network.as_bytes()))
    }

    pub(super) fn network_stats(&self, network: &str) -> Reply {
        let networks = self.0.networks();
        let found = networks.iter().find(|found| found.name.as_bytes() == network.as_bytes());
        let (entries, queue) = found.map_or((-1, -1), |network| (network.entries, network.own_queue as i64));
        Reply::ok(Details::Stats { entries, queue })
    }

    pub(super) fn table(&self, table: &str, network: &str, plain: bool) -> Reply {
        let rows = digest::live_rows(&self.0, network, table);
        let shown = rows.into_iter().map(|row| Entry {
            key: row.key.to_string(),
            value: value(&row.value, plain),
            owner: row.owner.to_string(),
        });
        Reply::ok(Details::Table(List::new(shown.collect())))
    }

    pub(super) async fn entry(&self, key: &EntryKey, plain: bool) -> Reply {
        match self.0.get_entry(key).await {
            // Docker leaves the owner out here.
            Ok(row) => Reply::ok(Details::Entry(Entry {
                key: row.key.to_string(),
                value: value(&row.value, plain),
                owner: String::new(),
            })),
            Err(error) => Reply::fail(error.to_string()),
        }
    }
}

fn peers(peers: Vec<networkdb::Peer>) -> Reply {
    let shown = peers.into_iter().map(|peer| Peer {
        name: peer.name.to_string(),
        ip: peer.addr.map_or_else(|| "unknown".to_owned(), |addr| addr.to_string()),
    });
    Reply::ok(Details::Peers(List::new(shown.collect())))
}

fn value(bytes: &Bytes, plain: bool) -> String {
    if plain { String::from_utf8_lossy(bytes).into_owned() } else { STANDARD.encode(bytes) }
}
