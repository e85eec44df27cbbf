//! Leaving a network, and leaving the cluster.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use networkdb_tests::{Cluster, Kind, NETWORK, eventually, matrix};
use serde_json::json;

/// Ours, the Go node and a second one of ours, each with five rows.
fn three_with_rows(go: Kind, keys: &[String]) -> Cluster {
    let cluster = Cluster::start(&[Kind::Ours, go, Kind::Ours, go], keys);
    for (i, peer) in cluster.peers.iter().enumerate() {
        for row in 0..5 {
            peer.write("create", &format!("{i}-{row}"), peer.name());
        }
    }
    cluster.agrees_on(20);
    cluster
}

#[test]
fn a_node_that_leaves_a_network_takes_its_rows_along_and_stays_in_the_cluster() {
    matrix(&[0, 32], |case| {
        let cluster = three_with_rows(case.go, &case.keys);
        for (gone, (at, left)) in [(1, (2, 15)), (2, (3, 10))] {
            cluster.peers[at].ask("network_leave", json!({ "network": NETWORK }));
            for stays in &cluster.peers[..2] {
                eventually(
                    Duration::from_secs(60),
                    format_args!("{} sees {left} rows", stays.name()),
                    || {
                        let seen =
                            (stays.digest().0, stays.network_peers(NETWORK).len(), stays.alive().len());
                        if seen == (left, 4 - gone, 4) { Ok(()) } else { Err(seen) }
                    },
                );
            }
        }
        cluster.check();
    });
}

#[test]
fn a_node_that_leaves_the_cluster_takes_its_rows_along_at_once() {
    matrix(&[0, 32], |case| {
        let mut cluster = three_with_rows(case.go, &case.keys);
        cluster.send_away(2);
        cluster.agrees_on(15);
        cluster.assembled();
        cluster.send_away(3);
        cluster.agrees_on(10);
        cluster.assembled();
        cluster.check();
    });
}
