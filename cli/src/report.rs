//! What the agent logs: news as it comes, and from time to time the lines Docker's users look for.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use futures::StreamExt;
use networkdb_core::{
    Name,
    networkdb::{Event, NetworkInfo, Standing, Warning},
};
use networkdb_host::Node;
use tokio::time::{Instant, interval_at};

/// Between lines about networks: Docker's period.
const STATS: Duration = Duration::from_secs(300);
/// Between looks at the health score: Docker's period.
const HEALTH: Duration = Duration::from_secs(60);

/// Logs for as long as the node runs.
pub(crate) async fn log(node: &Node, name: &str) {
    let mut events = node.events();
    let mut stats = interval_at(Instant::now() + STATS, STATS);
    let mut health = interval_at(Instant::now() + HEALTH, HEALTH);
    let mut sent = BTreeMap::new();
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => log_event(&event),
                None => return,
            },
            _ = stats.tick() => {
                for network in node.networks() {
                    tracing::info!("NetworkDB stats {name}({name}) - {}", line(&network, &mut sent));
                }
            }
            _ = health.tick() => {
                let score = node.stats().health;
                if score != 0 {
                    tracing::warn!("NetworkDB stats {name}({name}) - healthscore:{score} (connectivity issues)");
                }
            }
        }
    }
}

/// Docker's line about a network; `sent` keeps what had been sent at the last one.
fn line(network: &NetworkInfo, sent: &mut BTreeMap<Name, u64>) -> String {
    let NetworkInfo { name, leaving, peers, entries, own_queue, relay_queue, .. } = network;
    let before = sent.insert(name.clone(), network.sent).unwrap_or(0);
    let rate = network.sent.saturating_sub(before) / STATS.as_secs();
    format!(
        "netID:{name} leaving:{leaving} netPeers:{peers} entries:{entries} \
         Queue qLen:{own_queue}+{relay_queue} netMsg/s:{rate}"
    )
}

fn log_event(event: &Event) {
    match event {
        Event::Node { name, addr, standing } => log_node(name, *addr, *standing),
        Event::Network { network, node, joined } => tracing::debug!(%network, %node, joined, "network"),
        Event::Alone => tracing::warn!("no other node is known; trying those to join"),
        Event::Warning(Warning::ClockJump) => {
            tracing::warn!("a message with a time far ahead of all others was dropped");
        }
        Event::Warning(Warning::BulkSyncTimedOut(node)) => {
            tracing::warn!(%node, "a node did not send its rows in time; it is asked again later");
        }
        // Answers go to those who asked.
        Event::Joined { .. } | Event::Left { .. } | Event::NetworkJoined { .. } => {}
    }
}

fn log_node(name: &Name, addr: SocketAddr, standing: Standing) {
    match standing {
        Standing::Active => tracing::info!(%name, %addr, "node has come"),
        Standing::Failed => tracing::warn!(%name, %addr, "node has failed"),
        Standing::Left => tracing::info!(%name, %addr, "node has left"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_about_a_network_is_dockers() {
        let network = NetworkInfo {
            name: "n1".into(),
            leaving: false,
            peers: 2,
            entries: 3,
            rows: 3,
            own_queue: 4,
            relay_queue: 5,
            in_sync: true,
            sent: 1800,
        };
        let mut sent = BTreeMap::from([(Name::from("n1"), 300)]);
        let expected = "netID:n1 leaving:false netPeers:2 entries:3 Queue qLen:4+5 netMsg/s:5";
        assert_eq!(line(&network, &mut sent), expected);
    }
}
