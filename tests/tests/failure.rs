//! kill -9, and return under the same name at the same address.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use networkdb_tests::{Cluster, Kind, NETWORK, TABLE, eventually, matrix};
use serde_json::json;

/// The rows of our agent that are hidden.
fn hidden_rows(cluster: &Cluster, at: usize) -> usize {
    let rows = cluster.peers[at].ask("list", json!({ "network": NETWORK, "table": TABLE, "all": true }));
    rows["rows"].as_array().unwrap().iter().filter(|row| row["state"] == "hidden").count()
}

/// Kills one node after it has written, brings it back, and returns when all are whole again.
fn killed_and_back(cluster: &mut Cluster, victim: usize) {
    cluster.kill(victim);
    cluster.assembled();
    cluster.agrees_on(10);
    assert_eq!(hidden_rows(cluster, 0), 5, "rows of the failed node are kept, hidden");
    cluster.bring_back(victim);
    cluster.assembled();
    // What was hidden is back on those that hide, and the returned node gets it from them.
    cluster.sees(0, 15);
    cluster.agrees_on(15);
}

#[test]
fn rows_of_a_killed_node_are_hidden_and_come_back_with_it() {
    matrix(&[0, 32], |case| {
        for victim in [1, 2] {
            let mut cluster = Cluster::start(&[Kind::Ours, case.go, Kind::Ours], &case.keys);
            for (i, peer) in cluster.peers.iter().enumerate() {
                for row in 0..5 {
                    peer.write("create", &format!("{i}-{row}"), peer.name());
                }
            }
            cluster.agrees_on(15);
            killed_and_back(&mut cluster, victim);
            cluster.peers[victim].write("create", "after", "return");
            cluster.agrees_on(16);
            cluster.check();
        }
    });
}

#[test]
fn a_node_of_ours_that_returns_updates_rows_it_wrote_in_its_former_life() {
    matrix(&[16], |case| {
        let mut cluster = Cluster::start(&[case.go, Kind::Ours, Kind::Ours], &case.keys);
        cluster.peers[1].write("create", "mine", "first life");
        cluster.agrees_on(1);
        cluster.kill(1);
        cluster.assembled();
        cluster.bring_back(1);
        cluster.assembled();
        cluster.agrees_on(1);
        cluster.peers[1].write("update", "mine", "second life");
        eventually(Duration::from_secs(60), "the update is everywhere", || {
            let of = json!({ "network": NETWORK, "table": TABLE, "key": "mine" });
            let values: Vec<_> = cluster.peers.iter().map(|peer| peer.try_ask("get", of.clone())).collect();
            let expected = hex::encode("second life");
            let everywhere = values.iter().all(|v| v.as_ref().is_ok_and(|v| v["value_hex"] == expected));
            if everywhere { Ok(()) } else { Err(values) }
        });
        cluster.check();
    });
}
